"""What is measured, and how it has to compare."""

from typing import Any, Dict, List, NamedTuple

__all__ = ["SCENARIOS", "Scenario"]

_KIB, _MIB = 1024, 1024 * 1024


class Scenario(NamedTuple):
    """One comparison.

    Attributes:
        name: as the table has it.
        kind: the function of both sides; ``forward_`` are measured by the harness, which is the local program.
        unit: of the measured number.
        target: what the ratio has to be at least.
        more_is_better: for rates. The ratio is ours to theirs then, and theirs to ours for costs.
        options: of the function.
        short: what is different in the short form.
        anew: each measurement takes a new process.
        speed: measured with what the extra of that name brings.
        warm: a round that does not count comes first.
    """

    name: str
    kind: str
    unit: str
    target: float
    more_is_better: bool
    options: Dict[str, Any]
    short: Dict[str, Any] = {}
    anew: bool = False
    speed: bool = False
    warm: bool = True

    @property
    def reached(self) -> float:
        """What a regression is measured by: the target, or what was reached of it."""
        return min(self.target, _REACHED.get(self.name, self.target))

    def ratio(self, ours: float, theirs: float) -> float:
        """How many times as good as theirs ours is."""
        if self.more_is_better:
            return ours / theirs
        return theirs / ours if ours else float("inf")


# Ratios where they are under the target, on an idle machine or a busy one, whichever is less: docs/performance.rst
# says why.
_REACHED = {
    "import to first call": 2.5,
    "status": 1.5,
    "start and kill": 1.5,
    "list 10,000 jobs": 5.5,
    "list 10,000 jobs, with orjson": 6.5,
    "list 100,000 jobs": 5.5,
    "list 100,000 jobs, with orjson": 6.5,
    "log in frames of 256 B": 1.4,
    "log in frames of 4 KiB": 0.75,
    "log in frames of 64 KiB": 0.65,
    "log in frames of 1 MiB": 0.65,
    "100 logs at once": 0.8,
    "telemetry": 1.4,
    "exec, 64 bytes there and back": 0.7,
    "exec, bulk there and back, compiled masker": 0.8,
    "exec, bulk there and back, no masker": 0.33,
    "forward, down": 1.2,
    "forward, up, compiled masker": 0.9,
    "forward, up, no masker": 0.43,
    "forward, 64 bytes there and back": 0.8,
    "forward, new connections": 0.7,
    "50 idle streams": 0.3,
    "memory after one call": 1.65,
}


def _rate(name, kind, unit, target, options, short=None, **more):
    return Scenario(name, kind, unit, target, True, options, short or {}, **more)


def _cost(name, kind, unit, target, options, short=None, **more):
    return Scenario(name, kind, unit, target, False, options, short or {}, **more)


def _both(name, kind, unit, target, options, short, *, without, speed, target_of_speed=None):
    """Two rows, without the extra ``speed`` and with it, and how their names end."""
    return [
        _rate(name + without, kind, unit, target, options, short),
        _rate(name + speed, kind, unit, target_of_speed or target, options, short, speed=True),
    ]


def _masked(name, kind, target, target_of_speed, options, short):
    names = {"without": ", no masker", "speed": ", compiled masker"}
    return _both(
        name, kind, "MiB/s", target, options, short, target_of_speed=target_of_speed, **names
    )


def _decoded(name, kind, unit, target, options, short):
    return _both(name, kind, unit, target, options, short, without="", speed=", with orjson")


SCENARIOS: List[Scenario] = [
    _cost("import to first call", "first_call", "s", 4.0, {}, anew=True),
    _cost("client opened, first call", "open_client", "ms", 5.0, {"rounds": 20}),
    _rate("status", "status", "calls/s", 1.8, {"rounds": 1000}, {"rounds": 200}),
    _rate("start and kill", "start_kill", "pairs/s", 1.7, {"rounds": 500}, {"rounds": 100}),
    *_decoded("list 10,000 jobs", "list_jobs", "jobs/s", 9.0, {"count": 10000}, {"count": 3000}),
    *_decoded("list 100,000 jobs", "list_jobs", "jobs/s", 8.0, {"count": 100000}, {"count": 5000}),
    _rate(
        "log in frames of 256 B",
        "log",
        "MiB/s",
        4.0,
        {"size": 256, "count": 400000},
        {"count": 50000},
    ),
    _rate(
        "log in frames of 4 KiB",
        "log",
        "MiB/s",
        2.2,
        {"size": 4 * _KIB, "count": 100000},
        {"count": 20000},
    ),
    _rate(
        "log in frames of 64 KiB",
        "log",
        "MiB/s",
        1.8,
        {"size": 64 * _KIB, "count": 16000},
        {"count": 3000},
    ),
    _rate(
        "log in frames of 1 MiB", "log", "MiB/s", 1.4, {"size": _MIB, "count": 1000}, {"count": 200}
    ),
    _rate(
        "100 logs at once",
        "many_logs",
        "MiB/s",
        1.3,
        {"followers": 100, "size": _KIB, "count": 4000},
        {"count": 2000},
    ),
    *_decoded("telemetry", "top", "samples/s", 1.7, {"count": 100000}, {"count": 10000}),
    _cost(
        "exec, 64 bytes there and back",
        "exec_echo",
        "ms",
        1.4,
        {"rounds": 10000},
        {"rounds": 4000},
    ),
    *_masked("exec, bulk there and back", "exec_bulk", 0.4, 1.0, {"mib": 128}, {"mib": 24}),
    _rate("forward, down", "forward_down", "MiB/s", 1.4, {"mib": 512}, {"mib": 128}),
    *_masked("forward, up", "forward_up", 0.8, 2.0, {"mib": 256}, {"mib": 48}),
    _cost(
        "forward, 64 bytes there and back",
        "forward_echo",
        "ms",
        1.5,
        {"rounds": 10000},
        {"rounds": 4000},
    ),
    _rate("forward, new connections", "forward_new", "connections/s", 1.0, {"rounds": 50}),
    _rate(
        "forward, 500 connections at once",
        "forward_many",
        "served",
        5.0,
        {"connections": 500, "patience": 20},
        {"patience": 3},
        warm=False,
    ),
    _cost(
        "50 idle streams",
        "idle",
        "ms of CPU",
        1.0,
        {"streams": 50, "seconds": 20},
        {"seconds": 3},
        warm=False,
    ),
    _cost("memory after one call", "memory", "MiB", 2.0, {}, anew=True),
]
