"""A connection that says again what was delivered last, byte by byte: how most logs end.

To look at each of these lines, as :mod:`.logoverlap` does, costs a short log as much as all the rest of it.
"""

from datetime import datetime
from typing import Optional

from .loglines import Stamp, read_stamp
from .logposition import TOLERANCE, Position

__all__ = ["Repetition"]

_LONG_START = 64 * 1024


class Repetition:
    """Tells whether what comes is the end of what was delivered, once more.

    Args:
        delivered: the last lines that were, with their stamps.
        last: the stamp of the last one.
        all_of_it: there were no lines before them.
    """

    def __init__(self, delivered: bytes, last: Stamp, *, all_of_it: bool) -> None:
        self._delivered = delivered
        self._last = last
        self._all_of_it = all_of_it
        # What has come is the delivered from one place to the other, or the start of a first line.
        self._from = self._to = 0
        self._start = b""

    @property
    def since(self) -> Optional[datetime]:
        """What to ask the server for, so that the last line comes again."""
        return Position(ms=self._last.ms, zoned=self._last.zoned).since

    @property
    def complete(self) -> bool:
        """Whether all of the last lines have come again."""
        return self._to == len(self._delivered)

    @property
    def came(self) -> bytes:
        """All that has come."""
        return self._start + self._delivered[self._from : self._to]

    def goes_on(self, data: bytes) -> bool:
        """Take what comes next. False: it is something else, and is not taken."""
        if self._to:
            if not self._delivered.startswith(data, self._to):
                return False
            self._to += len(data)
            return True
        data = self._start + data
        end = data.find(b"\n") + 1
        place = self._place_of(data[:end] if end else data)
        if place is None:
            return False
        if not end:
            if len(data) > _LONG_START:
                return False  # so as not to look for it again with each piece of it
            self._start = data
            return True
        if not self._is_before_last(place, data) or not self._delivered.startswith(data, place):
            return False
        self._from, self._to, self._start = place, place + len(data), b""
        return True

    def _place_of(self, start: bytes) -> Optional[int]:
        """Where a line is that starts with that."""
        if self._delivered.startswith(start):
            return 0
        return self._delivered.find(b"\n" + start) + 1 or None

    def _is_before_last(self, place: int, line: bytes) -> bool:
        """Whether all lines of the last time are behind that place."""
        stamp = read_stamp(line)
        if stamp is None:
            return False
        return (place == 0 and self._all_of_it) or stamp.ms < self._last.ms - TOLERANCE
