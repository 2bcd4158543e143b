"""The results as tables."""

import os
import platform
from statistics import median

__all__ = ["heading", "machine", "markdown"]


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


def markdown(rows):
    lines = [
        "| scenario | unit | ours | async SDK | ratio | at least | |",
        "|--|--|--:|--:|--:|--:|--|",
    ]
    for row in rows:
        scenario = row.scenario
        if row.note:
            cells = [
                scenario.name,
                scenario.unit,
                "",
                "",
                "",
                "{:g}".format(scenario.target),
                row.note,
            ]
        else:
            cells = [
                scenario.name,
                scenario.unit,
                number(median(row.ours)),
                number(median(row.theirs)),
                "{:.2f}".format(row.ratio),
                "{:g}".format(scenario.target),
                "" if row.reached else "missed",
            ]
        lines.append("| {} |".format(" | ".join(cells)))
    return "\n".join(lines)


def number(value):
    """Three digits that count."""
    if value >= 100:
        return "{:,.0f}".format(value)
    return "{:.3g}".format(value)
