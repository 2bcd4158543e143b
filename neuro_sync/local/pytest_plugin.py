"""A pytest fixture: ``neuro_platform``, a local platform for tests of one's own scripts.

One platform serves all tests of a run, and is started by the first that asks for it. Before each test all faults
are switched off.
"""

from typing import TYPE_CHECKING, Any, Iterator

import pytest

if TYPE_CHECKING:
    from .platform import LocalPlatform

__all__ = ["neuro_platform"]


@pytest.fixture(scope="session")
def _neuro_platform() -> "Iterator[LocalPlatform]":
    from .platform import LocalPlatform

    with LocalPlatform() as platform:
        yield platform


@pytest.fixture
def neuro_platform(_neuro_platform: Any) -> "Iterator[LocalPlatform]":
    """A local platform: ``neuro_platform.client()`` is a client of it, ``.faults`` makes it misbehave."""
    _neuro_platform.faults.clear()
    yield _neuro_platform
    _neuro_platform.faults.clear()
