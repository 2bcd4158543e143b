"""The jobs API for the tests of it."""

import pytest

from .api import Api


@pytest.fixture
def api(platform):
    """The API of the platform that all tests share; what a test starts ends with it."""
    api = Api(platform)
    yield api
    api.end_jobs()
    api.close()


@pytest.fixture
def own_platform():
    """Starts platforms that are the test's own: options are those of LocalPlatform."""
    from neuro_sync.local import LocalPlatform

    opened = []

    def start(**options):
        platform = LocalPlatform(**options)
        api = Api(platform)
        opened.append((platform, api))
        return platform, api

    yield start
    for platform, api in opened:
        platform.close()
        api.close()
