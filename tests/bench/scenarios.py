"""What is measured, and how it has to compare."""

from typing import Dict, NamedTuple

__all__ = ["SCENARIOS", "Scenario"]

_KIB, _MIB = 1024, 1024 * 1024


class Scenario(NamedTuple):
    """One comparison. ``kind`` names the function of both sides, which gets the options."""

    kind: str
    options: Dict[str, int]
    unit: str
    target: float  # ours / theirs for rates, theirs / ours for durations and sizes
    more_is_better: bool = True
    short: Dict[str, int] = {}  # options of the short form

    def ratio(self, ours: float, theirs: float) -> float:
        """How many times as good as theirs ours is."""
        return ours / theirs if self.more_is_better else theirs / ours


def _rate(kind, unit, target, short=None, **options):
    return Scenario(kind, options, unit, target, True, dict(options, **(short or {})))


def _cost(kind, unit, target, short=None, **options):
    return Scenario(kind, options, unit, target, False, dict(options, **(short or {})))


SCENARIOS = {
    "import to first call": _cost("first_call", "s", 4.0),
    "a client opened and its first call": _cost("open_client", "s", 5.0, rounds=20),
    "status calls": _rate("status", "calls/s", 1.8, {"rounds": 300}, rounds=1000),
    "start and kill": _rate("start_kill", "pairs/s", 1.7, {"rounds": 150}, rounds=500),
    "list 10,000 jobs": _rate("list_jobs", "jobs/s", 9.0, {"jobs": 5000}, jobs=10000),
    "list 100,000 jobs": _rate("list_jobs", "jobs/s", 8.0, {"jobs": 10000}, jobs=100000),
    "log, frames of 256 B": _rate("log", "MiB/s", 4.0, {"count": 100000}, size=256, count=400000),
    "log, frames of 4 KiB": _rate(
        "log", "MiB/s", 2.2, {"count": 20000}, size=4 * _KIB, count=100000
    ),
    "log, frames of 64 KiB": _rate(
        "log", "MiB/s", 1.8, {"count": 4000}, size=64 * _KIB, count=16000
    ),
    "log, frames of 1 MiB": _rate("log", "MiB/s", 1.4, {"count": 300}, size=_MIB, count=1000),
    "100 logs at once": _rate(
        "many_logs", "MiB/s", 1.3, {"count": 1000}, followers=100, size=_KIB, count=4000
    ),
    "telemetry": _rate("top", "frames/s", 1.7, {"count": 20000}, count=100000),
    "exec, 64 bytes there and back": _cost("exec_echo", "ms", 1.4, {"rounds": 300}, rounds=2000),
    "exec, bulk there and back": _rate("exec_bulk", "MiB/s", 0.4, {"mib": 32}, mib=128),
    "forward, down": _rate("forward_down", "MiB/s", 1.4, {"mib": 128}, mib=512),
    "forward, up": _rate("forward_up", "MiB/s", 0.8, {"mib": 64}, mib=256),
    "forward, 64 bytes there and back": _cost(
        "forward_echo", "ms", 1.5, {"rounds": 300}, rounds=2000
    ),
    "forward, new connections": _rate("forward_new", "connections/s", 1.0, rounds=50),
    "forward, connections at once": _rate("forward_many", "served", 1.0, connections=500),
    "50 idle streams": _cost("idle", "s of CPU", 1.0, {"seconds": 5}, streams=50, seconds=20),
    "memory after one call": _cost("memory", "MiB", 2.0),
}
