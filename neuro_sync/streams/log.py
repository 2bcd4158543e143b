"""The log of a job, over as many connections as it takes."""

import random
import secrets
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterator, List, Optional

from ..errors import LogGap, NeuroError, StreamClosed
from ..wire.logcursor import decode_cursor, encode_cursor
from ..wire.logresume import Chunk, Gap, LogAssembler
from .following import LogFollower
from .onereader import OneReader
from .retrying import ReconnectPolicy, Retrying

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["LogStream"]

_POLICY = ReconnectPolicy()


class LogStream:
    """The log of a job: an iterator over chunks of bytes, and a context manager.

    It ends when the job has ended and all of its log has arrived. A connection that breaks before
    is taken up again where it broke. Under ``with`` the connection is made, and its errors raised,
    on entry; otherwise at the first chunk. A chunk is what has come: some lines, or a piece of one.

    Args:
        dial: makes a connection, called as ``dial(since, separator)`` in another thread. ``since``
            is a datetime or None, ``separator`` a str. The server must be asked for time stamps.
        poll_job: tells the job as it is now; called in another thread.
        since: the log from that moment on; naive is local time. None: from the start.
        timestamps: leave the time stamps in.
        separator: what is shown between the archive and the live part. None: a text with random
            characters; "": nothing.
        after: a :attr:`cursor`, to go on behind it; ``since`` has no meaning then.
        reconnect: False: end with the first connection.
        on_gap: called with a LogGap where lines may be missing, instead of raising it.
        name: of the log, part of the cursor, so that it is not taken for one of another log.
        policy: of reconnecting.
    """

    def __init__(
        self,
        dial: "Callable[[Optional[datetime], str], WsConnection]",
        poll_job: Callable[[], Any],
        *,
        since: Optional[datetime] = None,
        timestamps: bool = False,
        separator: Optional[str] = None,
        after: Optional[str] = None,
        reconnect: bool = True,
        on_gap: Optional[Callable[[LogGap], None]] = None,
        name: str = "",
        policy: ReconnectPolicy = _POLICY,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        position = None if after is None else decode_cursor(after, name)
        if position is not None and (position.asked or position.since):
            since = position.asked
        self._since = None if since is None else since.astimezone()
        # The server sends it at the start of a line without a stamp: no line can be taken for it.
        self._separator = separator or "=== Live logs ==={}".format(secrets.token_hex(30))
        self._assembler = LogAssembler(
            timestamps=timestamps,
            separator=b"" if separator == "" else self._separator.encode(),
            since_ms=None if self._since is None else int(self._since.timestamp() * 1000),
            position=position,
        )
        self._follower = LogFollower(
            dial,
            poll_job,
            self._assembler,
            since=self._since,
            separator=self._separator,
            reconnect=reconnect,
            retrying=Retrying(policy, clock, rng),
        )
        self._on_gap = on_gap
        self._name = name
        self._clock = clock
        self._one_reader = OneReader()
        self._lines: Deque[bytes] = deque()
        self._line_start: List[bytes] = []
        # What a read() got that was broken off, and the cursor before it.
        self._unread = b""
        self._before_unread = ""
        self._lines_were_unread = False

    @property
    def job(self) -> Any:
        """The JobDescription of the job that has ended, once its log has; before, None."""
        return self._follower.job

    @property
    def cursor(self) -> str:
        """The place behind what was delivered, as a text that ``monitor(id, after=cursor)`` goes on from.

        Raises:
            StreamClosed: Ctrl-C in the middle of a read left no place that is certain.
        """
        if self._unread or (self._lines_were_unread and self._lines):
            return self._before_unread
        self._follower.check_whole()
        with self._follower.lock:
            pending = [piece for piece in self._follower.pieces if isinstance(piece, Chunk)]
            without = len(self._lines) + sum(
                piece.data.count(b"\n") for piece in pending if not piece.divider
            )
            position = self._assembler.position(
                without, only_window=True, only_lines=bool(pending or self._line_start)
            )
            if any(piece.divider for piece in pending):
                position = position._replace(divided=False)
        return encode_cursor(position, self._name)

    def read_chunk(self, timeout: Optional[float] = None) -> Optional[bytes]:
        """Wait for the next chunk.

        Args:
            timeout: seconds to wait for one; None: no limit.

        Returns:
            The chunk, or None at the end of the log, also after :meth:`close`.

        Raises:
            LogGap: lines may be missing here; reading on goes on behind the gap.
            ConnectionFailed, ServerError, RateLimited: the log could not be taken up again; ``cursor`` of the
                error says where.
            TimeoutError: nothing came in time; nothing is lost.
            StreamClosed: Ctrl-C in the middle of an earlier read left no place to go on from.
            ConcurrentRead: another thread is reading.
        """
        with self._one_reader:
            if not self._follower.closed and (self._unread or self._lines or self._line_start):
                return self._take_back()
            chunk = self._first_chunk(timeout)
            if chunk is None:
                return None
            with self._follower.lock:
                self._follower.pieces.popleft()
            return chunk.data

    def lines(self, encoding: str = "utf-8", errors: str = "replace") -> Iterator[str]:
        """The lines, as they come, without their ends.

        :attr:`cursor` is then the place behind the line that was yielded last.

        Args:
            encoding: one in which the end of a line is one byte.
            errors: what becomes of bytes that are none of it, as for ``bytes.decode``.
        """
        while True:
            with self._one_reader:
                line = self._next_line()
            if line is None:
                return
            yield line.decode(encoding, errors)

    def read(self) -> bytes:
        """All that is left of the log, up to its end.

        What has come is not lost where something breaks it off, Ctrl-C included: the next read starts with it, and
        :attr:`cursor` is before it.

        Raises:
            LogGap, ConnectionFailed, StreamClosed, ConcurrentRead: as :meth:`read_chunk`.
        """
        # Before the lock: in the child of a fork it may be that of a thread which is not there.
        self._follower.check_process()
        before = self.cursor
        chunks: List[bytes] = []
        try:
            for chunk in self:
                chunks.append(chunk)
        except BaseException as error:
            if chunks:
                self._before_unread, self._unread = before, b"".join(chunks)
                if hasattr(error, "cursor"):
                    error.cursor = before
            raise
        return b"".join(chunks)

    def __iter__(self) -> "LogStream":
        return self

    def __next__(self) -> bytes:
        chunk = self.read_chunk()
        if chunk is None:
            raise StopIteration
        return chunk

    def __enter__(self) -> "LogStream":
        with self._one_reader:
            self._follower.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream, from any thread, at any time."""
        self._follower.close()

    def __repr__(self) -> str:
        follower = self._follower
        if follower.closed:
            state = "closed"
        elif follower.over:
            state = "ended"
        else:
            state = "open" if follower.connected else "new"
        return "<LogStream {}>".format(" ".join(filter(None, [self._name, state])))

    def _take_back(self) -> bytes:
        with self._follower.lock:
            lines = [line + b"\n" for line in self._lines]
            chunk = b"".join([self._unread, *lines, *self._line_start])
            self._lines.clear()
            self._line_start = []
            self._unread = b""
        return chunk

    def _next_line(self) -> Optional[bytes]:
        if self._unread and not self._follower.closed:
            self._split(self._take_back())
            self._lines_were_unread = True
        while not self._lines or self._follower.closed:
            chunk = self._first_chunk(None)
            if chunk is None:
                # Half a line is none, unless it is the last.
                rest = b"" if self._follower.closed else b"".join(self._line_start)
                self._line_start = []
                return rest or None
            with self._follower.lock, self._follower.step():
                self._lines_were_unread = False
                self._split(chunk.data)
                self._follower.pieces.popleft()
        line = self._lines.popleft()
        return line[:-1] if line.endswith(b"\r") else line

    def _split(self, chunk: bytes) -> None:
        first, *lines = chunk.split(b"\n")
        self._line_start.append(first)
        if lines:
            self._lines.append(b"".join(self._line_start))
            rest = lines.pop()
            self._lines.extend(lines)
            self._line_start = [rest] if rest else []

    def _first_chunk(self, timeout: Optional[float]) -> Optional[Chunk]:
        """Wait for a chunk and leave it where it is. None: there is none, and there will be none."""
        follower = self._follower
        follower.check_whole()
        deadline = None if timeout is None else self._clock() + timeout
        while not follower.closed:
            if follower.pieces:
                piece = follower.pieces[0]
                if isinstance(piece, Chunk):
                    return piece
                self._tell_gap(piece)
            elif follower.over:
                return None
            else:
                self._advance(deadline)
        follower.check_process()
        return None

    def _advance(self, deadline: Optional[float]) -> None:
        try:
            self._follower.advance(deadline)
        except StreamClosed:
            raise
        except NeuroError as error:
            error.cursor = self.cursor  # type: ignore[attr-defined]  # to take the log up later
            raise

    def _tell_gap(self, gap: Gap) -> None:
        error = LogGap(
            "lines may be missing from the log between {} and {}: {}".format(
                gap.after or "its start", gap.before or "its end", gap.reason
            ),
            after=gap.after,
            before=gap.before,
            reason=gap.reason,
        )
        # Not before all is ready to tell it: Ctrl-C must not swallow a gap.
        self._follower.pieces.popleft()
        if self._on_gap is None:
            raise error
        self._on_gap(error)
