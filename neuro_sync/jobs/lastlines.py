"""The last lines of a log, for what an error says."""

from collections import deque
from typing import Deque, List

__all__ = ["LastLines"]

_NUMBER = 10


class LastLines:
    """Keeps the last lines of a log."""

    def __init__(self) -> None:
        self._lines: Deque[bytes] = deque(maxlen=_NUMBER)
        self._partial = b""

    def feed(self, chunk: bytes) -> None:
        # A line without an end must not grow without one either.
        *lines, partial = (self._partial + chunk).split(b"\n")
        self._lines.extend(lines)
        self._partial = partial[-4096:]

    def lines(self) -> List[str]:
        lines = [*self._lines, self._partial] if self._partial else list(self._lines)
        return [line.decode("utf-8", "replace") for line in lines[-_NUMBER:]]
