"""Makes one log out of several connections: nothing lost, nothing twice, in order.

A connection is made since the second of the last line that was delivered, and starts with lines
that were. They are told from new ones by their time, and in the last milliseconds by their content
and by how often each was delivered. The same happens within a connection, where its live part
starts with lines that its archive part had. Elsewhere equal lines are just equal lines.
"""

from datetime import datetime
from typing import List, Optional, Tuple, Union

from .logblocks import OpenLine
from .loglines import Stamp, content_of, may_become_stamp, read_stamp, strip_stamps
from .logoverlap import NEW, OLD, REST, Overlap, SinceOverlap, gap_of
from .logpieces import Chunk, Gap, Piece
from .logposition import Position, Tail
from .logrepetition import Repetition

__all__ = ["Chunk", "Gap", "LogAssembler", "Piece"]


class LogAssembler:
    """Turns the frames of one connection after the other into the log.

    Call :meth:`connect` before each connection, :meth:`feed` with its frames, :meth:`finish` behind
    the last one.

    Args:
        timestamps: leave the time stamps in.
        separator: what is shown between the archive and the live part; b"": nothing.
        since_ms: the moment asked for, in milliseconds since the epoch.
        position: go on behind it.
    """

    def __init__(
        self,
        *,
        timestamps: bool = False,
        separator: bytes = b"",
        since_ms: Optional[int] = None,
        position: Optional[Position] = None,
    ) -> None:
        self._timestamps = timestamps
        self._separator = separator
        self._divided = position is not None and position.divided
        self._tail = Tail(position)
        self._open = None if position is None else position.open
        self._since_ms = since_ms
        self._since = None if since_ms is None else SinceOverlap(since_ms)
        # The moment asked for, once the log has reached it.
        self._began_ms: Optional[int] = None
        if position is not None and since_ms is not None and position.reaches(since_ms):
            self._since, self._began_ms = None, since_ms
        self._delivered = False
        # The last line has no end on the user's side, and will get none.
        self._unended = False
        self._start(b"")

    def _start(self, divider: bytes) -> None:
        self._divider = divider or None
        # The start of a line of which nothing was delivered yet.
        self._head = b""
        # More of it, and how many bytes more say something new about it; None: only its end does.
        self._held: List[bytes] = []
        self._missing: Optional[int] = 0
        last = self._tail.last
        self._lines_ms = None if last is None else last.ms
        # New lines that have to wait until it is known what is before them: time, line, text.
        self._deferred: List[Tuple[int, bytes, bytes]] = []
        self._overlap: Union[Overlap, SinceOverlap, None] = self._since
        # As long as there is one, everything that has come was known, and nothing was looked at.
        self._repetition: Optional[Repetition] = None
        self._tolerant = False
        #: A gap was found and not tolerated: the rest of this connection is dropped.
        self.lost = False
        #: Whether this connection has brought anything that was not known.
        self.fresh = False

    def connect(self, separator: str, *, tolerant: bool = False) -> Optional[datetime]:
        """Make ready for a new connection.

        Args:
            separator: what the server was asked to put between the archive and the live part.
            tolerant: go on behind a gap. Without, everything behind it is dropped, so that another
                connection can try.

        Returns:
            The moment to ask the server for; None: all that is wanted.
        """
        opened = self._opened
        if opened is not None and not opened.text and self._tail.has_time:
            # Words of the server in a log of lines with stamps: they do not go on elsewhere.
            self._tail.append_open(opened)
            self._unended, opened = True, None
        self._start(separator.encode() + b"\n")
        self._tolerant = tolerant
        if opened is None:
            lines, last, all_of_it = self._tail.last_lines()
            if last is not None:
                self._repetition = Repetition(lines, last, all_of_it=all_of_it)
                return self._repetition.since
        self._open = opened
        return self._expect_lines()

    def _expect_lines(self) -> Optional[datetime]:
        """Be ready for lines that were delivered; returns since when they come again."""
        position = self.position(only_since=True)
        if position.since is not None:
            self._overlap = Overlap(position, unproven=True, since_ms=self._began_ms)
            self._open = None
        return position.since

    def feed(self, frames: List[bytes]) -> List[Piece]:
        """What the frames bring that is new. All that earlier ones brought has to be delivered by now."""
        pieces: List[Piece] = []
        if self._repetition is not None:
            if self._divider not in frames and self._repetition.goes_on(_joined(frames)):
                return pieces
            frames = [self._line_by_line(), *frames]
        self._tail.trim()
        if self._divider in frames:
            at = self._find_divider(frames)
            if at is not None:
                self._consume(_joined(frames[:at]), pieces)
                self._cross(pieces)
                frames = frames[at + 1 :]
        self._consume(_joined(frames), pieces)
        return pieces

    def finish(self) -> List[Piece]:
        """What is left when the log has ended: the start of a line without an end."""
        pieces: List[Piece] = []
        if self._repetition is not None and not self._repetition.complete:
            self._consume(self._line_by_line(), pieces)
        head = self._take_head(b"")
        if self._deferred and self._overlap is not None and not self.lost:
            self._give_up(self._overlap, pieces)
        if head and not self.lost:
            stamp = read_stamp(head)
            opened: Optional[OpenLine] = None
            if self._overlap is not None:
                content = head if stamp is None else head[stamp.width :]
                ms = self._lines_ms if stamp is None else stamp.ms
                verdict = NEW if ms is None else self._overlap.judge(ms, content)
                if verdict == OLD:
                    return pieces
                opened = self._overlap.open if verdict == REST else None
            # The position has to be behind it.
            text = self._open_line(stamp, head)
            if opened is not None:
                text = content[opened.size :]
            self._emit(text, pieces)
        return pieces

    @property
    def unproven(self) -> bool:
        """Whether this connection has not brought the last line again that was delivered before."""
        if self._repetition is not None:
            return not self._repetition.complete
        overlap = self._overlap
        return overlap is not None and (overlap.unproven or overlap.open is not None)

    @property
    def caught_up(self) -> bool:
        """Whether this connection has brought all of the last lines again."""
        if self._overlap is None:
            return not self.unproven
        return not (self.unproven or self._overlap.expects_last)

    @property
    def resumable(self) -> bool:
        """Whether it is known where to go on: not in a log without time stamps."""
        if not self._delivered or self._tail.has_time:
            return True
        opened = self._opened
        return opened is not None and bool(opened.text)

    def position(
        self,
        without: int = 0,
        *,
        only_window: bool = False,
        only_since: bool = False,
        only_lines: bool = False,
    ) -> Position:
        """The position behind what was fed.

        Args:
            without: how many of the last lines the user has not got.
            only_window: keep only what a cursor needs.
            only_since: keep only what a server that is asked now may send again.
            only_lines: as if the line without an end had not come.
        """
        position = self._tail.position(
            without,
            opened=None if without or only_lines else self._opened,
            only_window=only_window,
            only_since=only_since,
        )
        return position._replace(divided=self._divided, asked_ms=self._since_ms)

    @property
    def _opened(self) -> Optional[OpenLine]:
        """The line that was delivered in part."""
        if self._open is None and self._overlap is not None:
            return self._overlap.open
        return self._open

    def _line_by_line(self) -> bytes:
        """It is no mere repetition: returns what has come, which is to be looked at line by line."""
        came = b"" if self._repetition is None else self._repetition.came
        self._repetition = None
        self._expect_lines()
        return came

    def _find_divider(self, frames: List[bytes]) -> Optional[int]:
        """Where the divider is: a frame of its own, which the server sends at the start of a line only."""
        in_line = self._open is not None or bool(self._head)
        for number, frame in enumerate(frames):
            if frame == self._divider and not in_line:
                return number
            if frame:
                in_line = not frame.endswith(b"\n")
        return None

    def _cross(self, pieces: List[Piece]) -> None:
        """The archive has ended, the live part begins, and may start with lines of the archive."""
        if self.lost:
            return
        self._divider = None
        before = self._overlap
        position = self.position()
        if not self._divided:
            self._divided = True
            # Never in the middle of a line.
            if self._separator and position.open is None:
                pieces.append(Chunk(self._ended() + self._separator + b"\n", divider=True))
        if position.since is not None:
            unproven = before is not None and before.unproven
            overlap = Overlap(position, unproven=unproven, live=True, since_ms=self._began_ms)
            for ms, line, _ in self._deferred:
                overlap.defer(ms, content_of(line))
            self._overlap, self._open = overlap, None

    def _consume(self, data: bytes, pieces: List[Piece]) -> None:
        if self._overlap is not None and data and not self.lost:
            data = self._reread(self._overlap, data, pieces)
        if not data or self.lost:
            return
        data = self._take_head(data)
        text = b""
        if self._open is not None:
            end = data.find(b"\n") + 1
            self._open.extend(data[: end - 1] if end else data)
            if not end:
                self._emit(data, pieces)
                return
            self._tail.append_open(self._open)
            self._open = None
            text, data = data[:end], data[end:]
        end = data.rfind(b"\n") + 1
        lines, start = data[:end], data[end:]
        if lines:
            self._tail.append(lines)
            stripped = lines if self._timestamps else strip_stamps(lines)
            text = text + stripped if text else stripped
        if start:
            text += self._begin(start)
        self._emit(text, pieces)

    def _begin(self, start: bytes) -> bytes:
        """Take up a line whose end has not come; returns what of it can be delivered."""
        stamp = read_stamp(start)
        if stamp is None and may_become_stamp(start):
            self._head = start
            return b""
        return self._open_line(stamp, start)

    def _open_line(self, stamp: Optional[Stamp], start: bytes) -> bytes:
        if stamp is None:
            last = self._tail.last
            self._open = OpenLine(0 if last is None else last.ms, "", True)
            content = start
        else:
            self._open = OpenLine(stamp.ms, stamp.text, stamp.zoned)
            content = start[stamp.width :]
        self._open.extend(content)
        return start if self._timestamps else content

    def _emit(self, text: bytes, pieces: List[Piece]) -> None:
        if text:
            self.fresh = self._delivered = True
            pieces.append(Chunk(self._ended() + text if self._unended else text))

    def _ended(self) -> bytes:
        """What ends the last line, where that has no end of its own."""
        unended, self._unended = self._unended, False
        return b"\n" if unended else b""

    def _reread(
        self, overlap: "Union[Overlap, SinceOverlap]", data: bytes, pieces: List[Piece]
    ) -> bytes:
        """Drop the lines that were delivered; returns what is beyond all of them."""
        if b"\n" not in data and (self._missing is None or self._missing > len(data)):
            self._held.append(data)
            if self._missing is not None:
                self._missing -= len(data)
            return b""
        data = self._take_head(data)
        texts: List[bytes] = []
        start = 0
        beyond = b""
        while True:
            end = data.find(b"\n", start) + 1
            line = data[start:end] if end else data[start:]
            stamp = read_stamp(line)
            if stamp is not None:
                self._lines_ms = stamp.ms
            if stamp is not None and overlap.beyond(stamp.ms):
                if self._leave(overlap, stamp, texts, pieces):
                    beyond = data[start:]
                break
            if not end:
                texts.append(self._reread_start(overlap, stamp, line))
                break
            self._reread_line(overlap, stamp, line, texts)
            start = end
        self._emit(b"".join(texts), pieces)
        return beyond

    def _reread_line(
        self,
        overlap: "Union[Overlap, SinceOverlap]",
        stamp: Optional[Stamp],
        line: bytes,
        texts: List[bytes],
    ) -> None:
        content = line[:-1] if stamp is None else line[stamp.width : -1]
        # A line without a stamp belongs to the one before it.
        ms = self._lines_ms
        verdict = NEW if ms is None else overlap.judge(ms, content)
        if verdict == OLD:
            if self._deferred and not self.unproven:
                self._deliver_deferred(texts)
            return
        if verdict == REST and overlap.open is not None:
            texts.append(content[overlap.open.size :] + b"\n")
            self._tail.append(line)
            self._close_open(overlap, texts)
            return
        text = line if self._timestamps else content + b"\n"
        if ms is not None and self.unproven:
            # Not into the middle of the line that is still open on the user's side, nor behind a gap
            # that nobody would be told of, as this line comes again.
            self._deferred.append((ms, line, text))
        else:
            self._tail.append(line)
            texts.append(text)

    def _reread_start(
        self, overlap: "Union[Overlap, SinceOverlap]", stamp: Optional[Stamp], start: bytes
    ) -> bytes:
        """Look at a line whose end has not come: hold it, unless it is the open one for certain."""
        if stamp is not None:
            opened, content = overlap.open, start[stamp.width :]
            if (
                opened is not None
                and not self._deferred
                and overlap.continues_open(stamp.ms, content)
                and not overlap.expects(stamp.ms)
            ):
                size = opened.size
                self._overlap = None
                self._open_line(stamp, start)
                return content[size:]
            # So that a long line is not looked at again with each piece of it.
            missing = 0 if opened is None else opened.size - len(content)
            self._missing = missing if missing > 0 else None
        elif start and not may_become_stamp(start):
            self._missing = None
        self._head = start
        return b""

    def _take_head(self, data: bytes) -> bytes:
        """The data with what was held of its first line before it."""
        if self._head:
            data = b"".join([self._head, *self._held, data])
            self._head, self._held, self._missing = b"", [], 0
        return data

    def _close_open(self, overlap: "Union[Overlap, SinceOverlap]", texts: List[bytes]) -> None:
        overlap.open = None
        overlap.unproven = False
        self._deliver_deferred(texts)

    def _end_of(self, line: Optional[OpenLine]) -> bytes:
        """What ends a line that was delivered in part, where its rest does not come."""
        return b"" if line is None or not (line.size or self._timestamps) else b"\n"

    def _deliver_deferred(self, texts: List[bytes]) -> None:
        for _, line, text in self._deferred:
            self._tail.append(line)
            texts.append(text)
        self._deferred = []

    def _give_up(self, overlap: "Union[Overlap, SinceOverlap]", pieces: List[Piece]) -> None:
        """The log has ended, and what was before the deferred lines is not in it."""
        pieces.append(gap_of(overlap, None))
        texts = [self._end_of(overlap.open)]
        self._close_open(overlap, texts)
        self._emit(b"".join(texts), pieces)

    def _leave(
        self,
        overlap: "Union[Overlap, SinceOverlap]",
        stamp: Stamp,
        texts: List[bytes],
        pieces: List[Piece],
    ) -> bool:
        """What comes from here on is new. False: there may be a gap, and it is not tolerated."""
        gap: Optional[Gap] = None
        if self.unproven:
            first = read_stamp(self._deferred[0][1]) if self._deferred else None
            gap = gap_of(overlap, first or stamp)
        if gap is not None and not self._tolerant:
            self.lost = True
            self._emit(b"".join(texts), pieces)
            texts.clear()
            pieces.append(gap)
            return False
        texts.append(self._end_of(overlap.open))
        if gap is not None:
            self._emit(b"".join(texts), pieces)
            texts.clear()
            pieces.append(gap)
        self._close_open(overlap, texts)
        if isinstance(overlap, SinceOverlap):
            self._began_ms = self._since_ms
        self._overlap = self._since = None
        return True


def _joined(frames: List[bytes]) -> bytes:
    return frames[0] if len(frames) == 1 else b"".join(frames)
