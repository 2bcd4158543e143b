"""The peers, each started once."""

import os

import pytest

from .harness import Both

_COUNTS = {}


def pytest_configure(config):
    # The peers say much on their own.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def _both(name, peer):
    @pytest.fixture(scope="session", name="started_" + name)
    def started(tmp_path_factory):
        both = Both(peer, tmp_path_factory.mktemp(name) / "config")
        yield both
        _COUNTS[both.name] = both.comparisons
        both.close()

    @pytest.fixture(name=name)
    def fixture(request):
        both = request.getfixturevalue("started_" + name)
        both.recorder.forget()
        return both

    return started, fixture


_started_newest, newest = _both("newest", "apolo-26.9.0")
_started_middle, middle = _both("middle", "neuro-25.5.0")
_started_oldest, oldest = _both("oldest", "neuro-22.7.1")


def pytest_terminal_summary(terminalreporter):
    for name, count in sorted(_COUNTS.items()):
        terminalreporter.write_line("{}: {} comparisons".format(name, count))
