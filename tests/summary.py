"""What the tests have measured and counted, shown when all have run, in whichever processes."""

from collections import Counter

__all__ = ["COMMANDS", "add", "count", "dump", "figure", "show"]

#: The count of commands of the platform's CLIs; the others are of comparisons with its SDKs.
COMMANDS = "CLIs"
_HEADER = ("case", "has to be", "measured")
_figures = []
_counts = Counter()


def figure(case, required, measured):
    """Put a row into the table of figures. Call it before the assertions, so that a failure shows there too."""
    _figures.append((case, required, measured))


def count(name, number):
    _counts[name] += number


def dump():
    """All of it, for another process."""
    return {"figures": [list(row) for row in _figures], "counts": dict(_counts)}


def add(dumped):
    """Take over what another process had."""
    _figures.extend(map(tuple, dumped["figures"]))
    _counts.update(dumped["counts"])


def show(reporter):
    comparisons = {name: number for name, number in _counts.items() if name != COMMANDS}
    for name, number in sorted(comparisons.items()):
        reporter.write_line("{}: {} comparisons".format(name, number))
    if _counts[COMMANDS]:
        reporter.write_line("{}: {} commands".format(COMMANDS, _counts[COMMANDS]))
    if comparisons:
        reporter.write_line("all peers: {} comparisons".format(sum(comparisons.values())))
    if not _figures:
        return
    rows = [_HEADER, *sorted(_figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rows.insert(1, tuple("-" * width for width in widths))
    reporter.section("figures of the fault suite")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        reporter.write_line("  ".join(cells).rstrip())
