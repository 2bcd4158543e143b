"""Lines of a log that were delivered together, and what of them is known again: time and digest."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from .loglines import Stamp, digest, digester, read_stamp, read_time

__all__ = ["Block", "LineKey", "OpenLine", "lines_from", "time_of"]

# What a line counts for of which only the digest is kept.
_LINE_COST = 64

LineKey = Tuple[int, bytes]


class OpenLine:
    """The last line, as long as its end has not come: it was delivered so far."""

    def __init__(self, ms: int, text: str, zoned: bool) -> None:
        self.ms = ms
        self.text = text
        self.zoned = zoned
        self.size = 0
        self._digester = digester()
        self._digest: Optional[bytes] = None

    @classmethod
    def restored(cls, ms: int, text: str, zoned: bool, size: int, digest: bytes) -> "OpenLine":
        """An open line from a cursor: it can be found again, not extended."""
        line = cls(ms, text, zoned)
        line.size = size
        line._digest = digest
        return line

    @property
    def digest(self) -> bytes:
        return self._digester.digest() if self._digest is None else self._digest

    def extend(self, content: bytes) -> None:
        self.size += len(content)
        self._digester.update(content)

    def begins(self, content: bytes) -> bool:
        """Whether a line of that content goes on where this one stops."""
        return len(content) >= self.size and digest(content[: self.size]) == self.digest


class _Line(NamedTuple):
    """A complete line in a block.

    Attributes:
        ms: its time.
        start, end: where its content is.
        stamp: where the time stamp is that it belongs to; -1: not in the block.
    """

    ms: int
    start: int
    end: int
    stamp: int


class Block:
    """Lines that came together. Their times are read, and digests of single ones made, when somebody asks.

    Args:
        raw: the lines; b"" where only the digest is left of one.
        before: the stamp of the line before, where the first has none of its own.

    Attributes:
        size: bytes it counts for.
    """

    __slots__ = ("_before", "_digests", "_lines", "_newest", "raw", "size")

    def __init__(self, raw: bytes, before: Optional[Stamp] = None) -> None:
        self.raw = raw
        self._before = before
        self._lines: Optional[List[_Line]] = None
        self._newest: Optional[Stamp] = None
        self._digests: Dict[int, bytes] = {}
        self.size = len(raw)

    @classmethod
    def of_open(cls, line: OpenLine) -> "Block":
        """A line that came in pieces: only the digest of it is left."""
        block = cls(b"")
        block._lines = [_Line(line.ms, 0, 0, 0)]
        block._newest = Stamp(line.text, line.ms, 0, line.zoned)
        block._digests = {0: line.digest}
        block.size = _LINE_COST
        return block

    def without(self, count: int) -> "Block":
        """The same but for so many of its last lines, fewer than it has."""
        block = Block(self.raw, self._before)
        block._lines = list(self)[:-count]
        block._digests = self._digests
        return block

    def read(self) -> None:
        """Read the times for good: they are going to be asked for again."""
        if self._lines is None:
            self._lines = list(self)

    @property
    def has_time(self) -> bool:
        """Whether any of its lines has a time."""
        return any(True for _ in self)

    @property
    def newest(self) -> Optional[Stamp]:
        """The newest time stamp."""
        if self._newest is None:
            line = max(self, key=time_of, default=None)
            if line is not None:
                self._newest = self._stamp_of(line)
        return self._newest

    @property
    def last(self) -> Optional[Stamp]:
        """The stamp that its last line belongs to."""
        if not self.raw:
            return self._newest
        stamp = self.last_stamp if self._lines is None else None
        if stamp is None:
            *_, line = [None, *self]
            stamp = self._before if line is None else self._stamp_of(line)
        return stamp

    def _stamp_of(self, line: _Line) -> Optional[Stamp]:
        return self._before if line.stamp < 0 else read_stamp(self.raw[line.stamp : line.end])

    @property
    def first_ms(self) -> Optional[int]:
        if self._lines is not None:
            return self._lines[0].ms if self._lines else None
        stamp = read_stamp(self.raw) or self._before
        return None if stamp is None else stamp.ms

    @property
    def last_ms(self) -> Optional[int]:
        if self._lines is not None:
            return self._lines[-1].ms if self._lines else None
        stamp = self.last_stamp
        return None if stamp is None else stamp.ms

    @property
    def last_stamp(self) -> Optional[Stamp]:
        """The stamp of the last line, where that has one and came in one piece."""
        start = self.raw.rfind(b"\n", 0, -1) + 1
        return read_stamp(self.raw[start : start + 64])

    def __iter__(self) -> Iterator[_Line]:
        """The lines that have a time."""
        if self._lines is not None:
            return iter(self._lines)
        return _read_lines(self.raw, None if self._before is None else self._before.ms)

    def key(self, line: _Line) -> LineKey:
        """What a line is known by."""
        known = self._digests.get(line.start)
        if known is None:
            known = digest(self.raw[line.start : line.end])
            if self._lines is not None:
                self._digests[line.start] = known
        return line.ms, known


def lines_from(blocks: List[Block], start: int) -> Iterator[Tuple[Block, _Line]]:
    """The first line of that time or later, and all that came behind it: their clock may have gone back."""
    reached = False
    for block in blocks:
        if reached or (block.newest is not None and block.newest.ms >= start):
            for line in block:
                reached = reached or line.ms >= start
                if reached:
                    yield block, line


def _read_lines(raw: bytes, ms: Optional[int]) -> Iterator[_Line]:
    stamp = -1
    start = 0
    while True:
        end = raw.find(b"\n", start)
        if end < 0:
            return
        content = start
        own = read_time(raw, start, end)
        if own is not None:
            stamp = start
            ms, content = own
        if ms is not None:
            # A line without a stamp belongs to the one before it.
            yield _Line(ms, content, end, stamp)
        start = end + 1


def time_of(line: Union[_Line, Stamp]) -> int:
    return line.ms
