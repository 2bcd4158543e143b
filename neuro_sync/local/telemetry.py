"""What a job uses, as the frames of ``top`` tell it."""

import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Tuple, Union

import psutil  # type: ignore[import-untyped]

from .process import descendants

__all__ = ["TreeUsage"]

_ProcessKey = Tuple[int, float]
_MIB = 1024 * 1024


class _Look(NamedTuple):
    moment: float
    cpu_seconds: Dict[_ProcessKey, float]


class TreeUsage:
    """Measures a process and all of its descendants; the first look is the base of the second.

    Args:
        pid: the root of the tree. Itself it does not count: it is the supervisor of a job.
    """

    def __init__(
        self,
        pid: int,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid = pid
        self._clock = clock
        self._monotonic = monotonic
        self._last = _Look(monotonic(), {})
        self.sample()

    def sample(self) -> Mapping[str, Union[int, float]]:
        """The payload of a frame: cores used since the last look, memory, the time."""
        cpu_seconds: Dict[_ProcessKey, float] = {}
        memory = 0
        for process in self._processes():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_seconds[process.pid, process.create_time()] = times.user + times.system
                    memory += process.memory_info().rss
            except psutil.Error:
                continue  # it has ended meanwhile
        last, self._last = self._last, _Look(self._monotonic(), cpu_seconds)
        used = sum(seconds - last.cpu_seconds.get(key, 0.0) for key, seconds in cpu_seconds.items())
        elapsed = self._last.moment - last.moment
        return {
            "cpu": round(used / elapsed, 4) if elapsed > 0 else 0.0,
            "memory": memory // _MIB,
            "memory_bytes": memory,
            "timestamp": self._clock(),
        }

    def _processes(self) -> List[psutil.Process]:
        found = []
        for pid in descendants(self._pid):
            try:
                found.append(psutil.Process(pid))
            except psutil.Error:
                continue  # it has ended meanwhile
        return found
