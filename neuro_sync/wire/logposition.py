"""Where a reader of a log is: what it needs to go on behind that place.

A server can be asked for a log since a moment, never since a line. So a position keeps what was
delivered last: all lines of the last milliseconds, by time and content, and how far a line without
an end was delivered.
"""

from collections import Counter, deque
from datetime import datetime, timedelta, timezone
from itertools import dropwhile, groupby
from operator import itemgetter
from typing import (
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from .logblocks import Block, LineKey, OpenLine, lines_from, time_of
from .loglines import Stamp, starts_with_stamp

__all__ = ["TOLERANCE", "Position", "Tail"]

# How far the time of a line may differ between two sources, in milliseconds.
TOLERANCE = 1
_WINDOW = 2 * TOLERANCE
# How far before the moment that a server is asked for lines are kept which it may send again, in milliseconds.
_BEFORE_SINCE = 10 * TOLERANCE
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_SECOND = int(datetime.min.replace(tzinfo=timezone.utc).timestamp())


class Position(NamedTuple):
    """A place in a log, behind the last line that was delivered.

    Attributes:
        ms: the latest time of a complete line, in milliseconds; None: there was none with a time.
        text: its time stamp as the server wrote it.
        zoned: whether that has a zone.
        known_from: before that time lines were delivered of which nothing is kept; None: all are.
        lines: times and digests of the lines that were delivered, in their order but for those of one time, and
            how often each came there: a clock that went back may bring the same again.
        folded: how many more lines of a time were delivered.
        open: the line that was delivered in part, or None.
        divided: the separator was delivered.
        behind: by how many milliseconds the last complete line is earlier than the latest: where the clock of
            the job's machine went back.
        asked_ms: :attr:`asked` in milliseconds.
    """

    ms: Optional[int] = None
    text: str = ""
    zoned: bool = True
    known_from: Optional[int] = None
    lines: Sequence[Tuple[LineKey, int]] = ()
    folded: Mapping[int, int] = {}
    open: Optional[OpenLine] = None
    divided: bool = False
    behind: int = 0
    asked_ms: Optional[int] = None

    @property
    def last_ms(self) -> Optional[int]:
        """The time of the last line, in milliseconds."""
        last = None if self.ms is None else self.ms - self.behind
        if self.open is None or not self.open.text:
            return last
        return self.open.ms if last is None else min(last, self.open.ms)

    @property
    def since(self) -> Optional[datetime]:
        """What to ask the server for: a whole second, as the live part of a log knows no less.

        Only one archive writes stamps without a zone, and that one finds its files by the minute.
        """
        ms = self.last_ms
        if ms is None:
            return None
        zoned = self.zoned if self.open is None or self.ms is not None else self.open.zoned
        unit = 1 if zoned else 60
        # Go's zero time, which stands for none, has no moment before it.
        second = max((ms - _WINDOW) // 1000 // unit * unit, _FIRST_SECOND)
        return datetime.fromtimestamp(second, timezone.utc)

    def reaches(self, ms: int) -> bool:
        """Whether a line of that time or later was delivered."""
        times = [self.ms, None if self.open is None else self.open.ms]
        return any(time is not None and time >= ms for time in times)

    @property
    def asked(self) -> Optional[datetime]:
        """The moment that the user asked for."""
        ms = self.asked_ms
        return None if ms is None else _EPOCH + timedelta(milliseconds=ms)


class Tail:
    """The last lines that were delivered.

    It keeps them as they came and looks into them only when a position is asked for, so that in a
    log without a break each block costs next to nothing. What was added since :meth:`trim` is all kept: the user
    may not have got it yet.
    """

    # Enough to know again lines that come late; more only where the last milliseconds have more.
    SOFT = 256 * 1024
    HARD = 4 * 2**20

    def __init__(self, position: Optional[Position] = None) -> None:
        self._base = position if position is not None else Position()
        self._blocks: Deque[Block] = deque()
        self._size = 0
        self._trim_at = 2 * self.SOFT
        self._trimmed = False
        self._folded: Dict[int, int] = {}

    def append(self, lines: bytes) -> None:
        """Add complete lines, with their stamps."""
        if len(lines) > 2 * self.SOFT:
            # So that the greater part of it can be forgotten.
            cut = lines.rfind(b"\n", 0, len(lines) - self.SOFT) + 1
            if cut:
                self._add(Block(lines[:cut], self._before(lines)))
                lines = lines[cut:]
        self._add(Block(lines, self._before(lines)))

    def append_open(self, line: OpenLine) -> None:
        """Add a line that came in pieces, now that its end has come."""
        self._add(Block.of_open(line))

    def _before(self, lines: bytes) -> Optional[Stamp]:
        return None if starts_with_stamp(lines) else self.last

    @property
    def last(self) -> Optional[Stamp]:
        """The time stamp that the last line belongs to."""
        if self._blocks:
            return self._blocks[-1].last
        base = self._base
        return None if base.ms is None else Stamp(base.text, base.ms - base.behind, 0, base.zoned)

    @property
    def has_time(self) -> bool:
        """Whether any line had a time."""
        return self._base.ms is not None or any(block.has_time for block in reversed(self._blocks))

    def _add(self, block: Block) -> None:
        self._blocks.append(block)
        self._size += block.size

    def trim(self) -> None:
        """All that was added has been delivered: forget what is not needed any more."""
        blocks = self._blocks
        if self._size <= self._trim_at:
            return
        last = blocks[-1].last_ms
        window = (last if last is not None else 0) - _WINDOW
        while len(blocks) > 1 and self._size - blocks[0].size >= self.SOFT:
            following = blocks[1].first_ms
            if following is None or following >= window:
                # The block may have lines that a server would send again, mixed with new ones.
                if self._size <= self.HARD:
                    break
                self._fold(blocks[0], window)
            self._size -= blocks.popleft().size
            self._trimmed = True
        # Not at each block again.
        self._trim_at = self._size + self.SOFT

    def _fold(self, block: Block, window: int) -> None:
        self._folded = {ms: count for ms, count in self._folded.items() if ms >= window}
        for line in block:
            if line.ms >= window:
                self._folded[line.ms] = self._folded.get(line.ms, 0) + 1

    def position(
        self,
        without: int = 0,
        *,
        opened: Optional[OpenLine] = None,
        only_window: bool = False,
        only_since: bool = False,
    ) -> Position:
        """The position behind the last line.

        Args:
            without: leave out so many of the last lines, which were not delivered after all.
            opened: the line that was delivered in part.
            only_window: keep only what has to be known to go on, as for a cursor.
            only_since: keep only lines of times for which a server is asked, and some before.
        """
        base = self._base
        blocks = self._kept(without)
        newest = max(
            (block.newest for block in blocks if block.newest is not None),
            key=time_of,
            default=None,
        )
        known_from, folded, old_lines = base.known_from, base.folded, base.lines
        if self._trimmed:
            known = next((line.ms for block in blocks for line in block), None)
            known_from = known_from if known is None else known
            folded, old_lines = self._folded, ()
        position = base._replace(open=opened)
        if newest is not None and (base.ms is None or base.ms <= newest.ms):
            position = position._replace(ms=newest.ms, text=newest.text, zoned=newest.zoned)
        last = next((block.last for block in reversed(blocks) if block.has_time), None)
        if last is not None and position.ms is not None:
            position = position._replace(behind=position.ms - last.ms)
        start = None
        if position.last_ms is not None and position.ms is not None and only_window:
            start = position.last_ms - _WINDOW
        elif position.ms is not None and position.since is not None and only_since:
            start = int(position.since.timestamp()) * 1000 - _BEFORE_SINCE
        if start is not None:
            known_from = start if known_from is None else max(start, known_from)
            # As below: what is behind the first one of that time.
            old_lines = tuple(dropwhile(lambda item: item[0][0] < start, old_lines))
            folded = {ms: count for ms, count in folded.items() if ms >= start}
        new = lines_from(blocks, 0 if old_lines else start or 0)
        counted = _counted(block.key(line) for block, line in new)
        return position._replace(known_from=known_from, lines=(*old_lines, *counted), folded=folded)

    def last_lines(self) -> "Tuple[bytes, Optional[Stamp], bool]":
        """The last lines, where they came in one piece each, the stamp of the last one, and whether those are all.

        They go back to one that a server that is asked for the last one sends again, or further.
        """
        stamp = self._blocks[-1].last_stamp if self._blocks else None
        since = None if stamp is None else Position(ms=stamp.ms, zoned=stamp.zoned).since
        if since is None:
            return b"", None, False
        since_ms = since.timestamp() * 1000
        parts: List[bytes] = []
        for block in reversed(self._blocks):
            if not block.raw:
                break
            parts.append(block.raw)
            if block.first_ms is not None and block.first_ms < since_ms:
                break
        all_of_it = (
            len(parts) == len(self._blocks) and not self._trimmed and self._base == Position()
        )
        return b"".join(reversed(parts)), stamp, all_of_it

    def _kept(self, without: int) -> List[Block]:
        blocks = list(self._blocks)
        if self._size <= 8 * self.SOFT:  # else it would take much memory
            for block in blocks:
                block.read()
        while without and blocks:
            block = blocks.pop()
            count = sum(1 for _ in block)
            if count > without:
                blocks.append(block.without(without))
                break
            without -= count
        return blocks


def _counted(lines: Iterable[LineKey]) -> Iterator[Tuple[LineKey, int]]:
    for _, of_one_time in groupby(lines, key=itemgetter(0)):
        yield from Counter(of_one_time).items()
