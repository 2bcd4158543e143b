"""The results as tables."""

import csv
import os
import platform
from statistics import median

__all__ = ["HEADER", "comparison", "heading", "machine", "number", "table", "write_csv"]

HEADER = ["scenario", "unit", "ours", "async SDK", "ratio", "at least", ""]


def machine():
    """The machine in a few words."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass  # not Linux, or one that does not tell
    return "{} cores of {}, {} {}, {}".format(
        os.cpu_count(),
        model,
        platform.python_implementation(),
        platform.python_version(),
        platform.system(),
    )


def heading(peer):
    return "neuro_sync against {}, on {}.".format(peer, machine())


def comparison(rows):
    """The cells of the rows of a comparison, for a table under ``HEADER``."""
    return [_cells(row) for row in rows]


def table(header, rows):
    """A table in Markdown."""
    lines = [header, ["--"] * len(header), *rows]
    return "\n".join("| {} |".format(" | ".join(cells)) for cells in lines)


def write_csv(header, rows, path):
    """The same for the documentation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(str(path), "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _cells(row):
    scenario = row.scenario
    target = "{:g}".format(scenario.target)
    if row.note:
        return [scenario.name, scenario.unit, "", "", "", target, row.note]
    return [
        scenario.name,
        scenario.unit,
        number(median(row.ours)),
        number(median(row.theirs)),
        "{:.2f}".format(row.ratio),
        target,
        "" if row.reached else "missed",
    ]


def number(value):
    """Three digits that count."""
    if value >= 100:
        return "{:,.0f}".format(value)
    return "{:.3g}".format(value)
