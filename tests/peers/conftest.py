"""The peers, each started once."""

import pytest

from neuro_sync import JobStatus

from .. import summary
from .commands import CLIS, Cli
from .config import config_payload, make_token
from .environments import prepare
from .harness import Both
from .recorder import Recorder


def pytest_collection_finish(session):
    """Make the environments before the first test, which may not have the time."""
    if session.config.option.collectonly:
        return
    if any("peers/" in item.nodeid for item in session.items):
        prepare()


def _both(name, peer):
    @pytest.fixture(scope="session", name="started_" + name)
    def started(tmp_path_factory):
        directory = tmp_path_factory.mktemp(name) / "config"
        with Recorder(config_payload) as recorder:
            both = Both(peer, recorder.api_url, make_token(), directory, recorder)
            yield both
            _count(both)

    @pytest.fixture(name=name)
    def fixture(request):
        both = request.getfixturevalue("started_" + name)
        both.recorder.forget()
        return both

    return started, fixture


_started_newest, newest = _both("newest", "apolo-26.9.0")
_started_middle, middle = _both("middle", "neuro-25.5.0")
_started_oldest, oldest = _both("oldest", "neuro-22.7.1")


@pytest.fixture(scope="module", params=["apolo-26.9.0", "neuro-25.5.0", "neuro-22.7.1"])
def at_platform(request, platform, tmp_path_factory):
    """A peer and us, at a local platform."""
    directory = tmp_path_factory.mktemp(request.param) / "config"
    both = Both(request.param, platform.api_url, platform.token, directory)
    yield both
    _count(both)


@pytest.fixture(scope="module", params=sorted(CLIS))
def cli(request, tmp_path_factory, platform):
    """A CLI that has logged in with the token."""
    cli = Cli(request.param, tmp_path_factory.mktemp("home"))
    cli("config", "login-with-token", platform.token, platform.api_url)
    return cli


@pytest.fixture(scope="module")
def running(cli, platform):
    """A job of the CLI, for several tests."""
    options = "--name cli-running --tag a --tag b -d text --life-span 1h".split()
    job = cli.start("sleep", "600", options=options)
    with platform.client() as client:
        client.jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
        yield job
        client.jobs.kill(job)


def _count(both):
    both.close()
    summary.count(both.name, both.comparisons)
