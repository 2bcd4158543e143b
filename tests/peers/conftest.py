"""The peers, each started once."""

import os

import pytest

from .harness import Both

_COUNTS = {}


def pytest_configure(config):
    # The peers say much on their own.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def _both(name):
    @pytest.fixture(scope="session", name=name)
    def fixture(tmp_path_factory):
        both = Both(_NAMES[name], tmp_path_factory.mktemp(name) / "config")
        yield both
        _COUNTS[both.name] = both.comparisons
        both.close()

    return fixture


_NAMES = {"newest": "apolo-26.9.0", "middle": "neuro-25.5.0", "oldest": "neuro-22.7.1"}
newest = _both("newest")
middle = _both("middle")
oldest = _both("oldest")


def pytest_terminal_summary(terminalreporter):
    for name, count in sorted(_COUNTS.items()):
        terminalreporter.write_line("{}: {} comparisons".format(name, count))
