"""A pytest fixture: ``neuro_platform``, a local platform for tests of one's own scripts.

Each test gets a platform of its own, so that names, idempotency keys, jobs and faults of one test
mean nothing to another. It takes about half a second to start and to stop.
"""

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .platform import LocalPlatform

__all__ = ["neuro_platform"]


@pytest.fixture
def neuro_platform() -> "Iterator[LocalPlatform]":
    """A local platform: ``neuro_platform.client()`` is a client of it, ``.faults`` makes it misbehave."""
    from .platform import LocalPlatform

    with LocalPlatform() as platform:
        yield platform
