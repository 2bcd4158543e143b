"""The table of figures that the fault suite prints, and how much of each case a run tries."""

import logging

import pytest

_LONG = "tests.faults.long"
_rows = []


def pytest_terminal_summary(terminalreporter):
    if not _rows:
        return
    rows = [("case", "has to be", "measured"), *_rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rows.insert(1, tuple("-" * width for width in widths))
    terminalreporter.section("figures of the fault suite")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        terminalreporter.write_line("  ".join(cells).rstrip())


@pytest.fixture
def figure():
    """Puts a row into the table. Call it before the assertions, so that a failure shows there too."""

    def figure(case, required, measured):
        _rows.append((case, required, measured))

    return figure


@pytest.fixture
def is_long(request):
    """Whether this is the long run: ``python -m tests.faults.long``."""
    return request.config.pluginmanager.has_plugin(_LONG)


@pytest.fixture(autouse=True)
def _quiet():
    """Faults are what these tests are about: the warnings of a forward tell nothing new."""
    logger = logging.getLogger("neuro_sync")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)
