"""Tells lines that were delivered from new ones where a connection sends some of them again."""

from collections import deque
from typing import Any, Deque, Dict, List, Optional, Union

from .logblocks import LineKey, OpenLine
from .loglines import Stamp, digest
from .logpieces import Gap
from .logposition import TOLERANCE, Position

__all__ = ["BEYOND", "NEW", "OLD", "REST", "Overlap", "SinceOverlap", "gap_of"]

_NO_REST = "the rest of the line before the break did not come"
_NO_LAST = "the last line before the break did not come again"

# What a line is: delivered before, new, the rest of the line that was delivered in part, or later
# than all that was delivered.
OLD, NEW, REST, BEYOND = range(4)
# How far out of order lines of one moment may come, in milliseconds: one that is earlier by more is of a clock
# that went back.
_DISORDER = 20


class Overlap:
    """Tells lines that were delivered from new ones, as long as old ones can come.

    Args:
        position: what was delivered.
        unproven: the last line has to come again.
        live: what comes is the live part of a connection, behind its archive part.
        since_ms: the moment that the user asked for, which the log has reached.
    """

    def __init__(
        self,
        position: Position,
        *,
        unproven: bool,
        live: bool = False,
        since_ms: Optional[int] = None,
    ) -> None:
        self.after = position.text
        self.open = position.open
        # After a break the last line has to come again: where it does not, more may be missing.
        self.unproven = unproven
        self._ms = position.ms
        self._last_ms = None if position.ms is None else position.ms - position.behind
        self._known_from = position.known_from
        # Lines of which nothing is kept come before those of which something is.
        self._reached_known = False
        self._lines: Dict[LineKey, int] = {}
        for key, count in position.lines:
            self._lines[key] = self._lines.get(key, 0) + count
        self._folded = dict(position.folded)
        # Lines that this connection has brought before, and that were not delivered.
        self._deferred: Dict[LineKey, int] = {}
        last = 0 if position.ms is None else position.ms
        self._last = last if self.open is None else max(last, self.open.ms)
        # Those of before it come first, as the server is asked for an earlier one.
        self._since_ms = since_ms
        # No line of before the moment that was asked for is sent again. A live part begins with a whole second,
        # too: the one of its first line.
        since = None if live else position.since
        self._begin = None if since is None else int(since.timestamp()) * 1000
        self._expected: Optional[Deque[LineKey]] = None

    def judge(self, ms: int, content: bytes) -> int:
        """What a complete line is: old, new, the rest of the open line, or beyond all old ones."""
        if self.beyond(ms):
            return BEYOND
        if self._since_ms is not None and ms >= self._since_ms:
            self._since_ms = None
        if self._since_ms is not None or self._is_of_unknown(ms):
            return OLD  # not counted down: nothing of that time was delivered, or is kept
        newest = self._ms is None or ms >= self._ms - TOLERANCE
        times = self._times_of(ms)
        key = digest(content)
        keys = [(time, key) for time in times]
        if _take(self._lines, keys):
            if self._last_ms is None or abs(ms - self._last_ms) <= TOLERANCE:
                self.unproven = False
            return OLD
        if self.continues_open(ms, content):
            return REST
        if _take(self._folded, times) or _take(self._deferred, keys):
            return OLD
        if newest or self._known_from is None or abs(ms - self._known_from) > TOLERANCE:
            return NEW
        return OLD

    def defer(self, ms: int, content: bytes) -> None:
        """It was new, and waits to be delivered: when it comes once more, it is old."""
        key = ms, digest(content)
        self._deferred[key] = self._deferred.get(key, 0) + 1

    def _is_of_unknown(self, ms: int) -> bool:
        known_from = self._known_from
        if known_from is None:
            return False
        if ms >= known_from:
            self._reached_known = True
            return False
        return not self._reached_known or ms >= known_from - _DISORDER

    def beyond(self, ms: int) -> bool:
        return ms > self._last + TOLERANCE

    def continues_open(self, ms: int, content: bytes) -> bool:
        return (
            self.open is not None
            and self.open.ms in self._times_of(ms)
            and self.open.begins(content)
        )

    def _times_of(self, ms: int) -> List[int]:
        """The times that a line of that time may have been delivered with, the likeliest first."""
        times = _around(ms)
        if self._begin is None:
            self._begin = ms // 1000 * 1000
        if self._begin <= ms < self._begin + TOLERANCE and not self._expects_from(self._begin):
            # The first line may have been delivered with a time before; one behind all old ones was not.
            return [time for time in times if time >= self._begin]
        return times

    def _expects_from(self, begin: int) -> bool:
        """Whether lines have yet to come again that were delivered with the time of the first one, or later."""
        if self._expected is None:
            self._expected = deque(key for key in self._lines if key[0] >= begin)
        # Asked for each line of that time: those that have come are not looked at again.
        while self._expected and self._lines[self._expected[0]] <= 0:
            self._expected.popleft()
        return bool(self._expected)

    @property
    def expects_last(self) -> bool:
        """Whether lines of the last time have yet to come again."""
        return self._last_ms is not None and self.expects(self._last_ms)

    def expects(self, ms: int) -> bool:
        """Whether complete lines of that time have yet to come again."""
        return any(
            count > 0 and abs(known - ms) <= TOLERANCE for (known, _), count in self._lines.items()
        )


class SinceOverlap:
    """Drops the lines before the moment asked for that come because servers know only seconds."""

    after = ""
    open: Optional[OpenLine] = None
    unproven = False
    expects_last = False

    def __init__(self, since_ms: int) -> None:
        self._since = since_ms
        self._second = since_ms // 1000 * 1000

    def judge(self, ms: int, content: bytes) -> int:
        if self.beyond(ms):
            return BEYOND
        return OLD if ms >= self._second else NEW

    def beyond(self, ms: int) -> bool:
        return ms >= self._since

    def continues_open(self, ms: int, content: bytes) -> bool:
        return False

    def expects(self, ms: int) -> bool:
        return False


def gap_of(overlap: Union[Overlap, SinceOverlap], before: Optional[Stamp]) -> Gap:
    """What may be missing before a line, or the end of the log, where something has not come again."""
    text = None if before is None else before.text
    if overlap.open is not None:
        return Gap(overlap.open.text or None, text, _NO_REST)
    return Gap(overlap.after or None, text, _NO_LAST)


def _take(counts: Dict[Any, int], keys: List[Any]) -> bool:
    for key in keys:
        count = counts.get(key, 0)
        if count > 0:
            counts[key] = count - 1
            return True
    return False


def _around(ms: int) -> List[int]:
    return [ms, *(ms + sign * away for away in range(1, TOLERANCE + 1) for sign in (-1, 1))]
