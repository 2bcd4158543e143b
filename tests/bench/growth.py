"""How cost grows: with jobs, followers, the size of frames, and connections through a forward."""

from statistics import median
from typing import Any, Callable, Dict, List, NamedTuple

from .plots import plot

__all__ = ["CURVES", "draw"]

_KIB, _MIB = 2**10, 2**20


class Curve(NamedTuple):
    """A plot.

    Attributes:
        name: of the file.
        title, x_label, y_label: of the plot.
        kind: what is measured.
        options: of that, for a place on the x axis.
        places: on the x axis.
        most: the last place at which the async SDK does it at all.
        anew: each measurement takes a new process.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    kind: str
    options: Callable[[int], Dict[str, Any]]
    places: List[int]
    most: float = float("inf")
    anew: bool = False


_JOBS = [1000, 3000, 10000, 30000, 100000, 300000]
_FRAMES = [64, 256, _KIB, 4 * _KIB, 16 * _KIB, 64 * _KIB, 256 * _KIB, _MIB]

CURVES = [
    Curve(
        "jobs",
        "A listing",
        "jobs in the listing",
        "jobs a second",
        "list_jobs",
        lambda jobs: {"count": jobs},
        _JOBS,
    ),
    Curve(
        "memory",
        "Memory of a process that iterates a listing",
        "jobs in the listing",
        "MiB at most",
        "list_memory",
        lambda jobs: {"count": jobs},
        _JOBS,
        anew=True,
    ),
    Curve(
        "followers",
        "Logs that are followed at once, 1 KiB a frame",
        "logs",
        "MiB/s in all",
        "many_logs",
        lambda logs: {"followers": logs, "size": _KIB, "count": max(100, 200000 // logs)},
        [1, 4, 16, 50, 100, 200, 400],
    ),
    Curve(
        "frames",
        "A log, one line a frame",
        "bytes in a frame",
        "MiB/s",
        "log",
        lambda size: {"size": size, "count": min(200000, 256 * _MIB // size)},
        _FRAMES,
    ),
    Curve(
        "connections",
        "Connections through one forward, all open at once",
        "connections",
        "seconds until each had an answer",
        "forward_all",
        lambda connections: {"connections": connections},
        [1, 3, 10, 30, 100, 300, 1000],
        most=100,
    ),
]


def draw(bench, curve, rounds):
    """Measure both sides at each place; returns the text of an SVG file."""
    series = {"ours": [], "theirs": []}
    for place in curve.places:
        options = curve.options(place)
        for side, line in series.items():
            if side == "theirs" and place > curve.most:
                continue
            values = [
                bench.measure(side, curve.kind, options, anew=curve.anew) for _ in range(rounds)
            ]
            line.append((place, median(values)))
    lines = [("neuro_sync", series["ours"]), ("async SDK", series["theirs"])]
    return plot(curve.title, curve.x_label, curve.y_label, lines)
