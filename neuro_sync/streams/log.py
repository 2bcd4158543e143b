"""The log of a job, over as many connections as it takes."""

import random
import secrets
import threading
import time
from collections import deque
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterator, List, Optional

from ..errors import (
    ConnectionFailed,
    JobNotFound,
    LogGap,
    RateLimited,
    ResourceNotFound,
    ServerError,
)
from ..transport.ws import WsClosed
from ..wire.logposition import decode_cursor, encode_cursor
from ..wire.logresume import Chunk, Gap, LogAssembler, Piece
from .reader import OneReader, Reader, close_text
from .retrying import ReconnectPolicy, Retrying

if TYPE_CHECKING:
    from ..transport.ws import WsConnection

__all__ = ["LogStream"]

_ORDERLY = (1000, 1005)
_POLICY = ReconnectPolicy()
# A connection that lasted so long was a good one, even if nothing came over it.
_GOOD_AFTER = 10.0


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
        if position is not None and position.since is not None:
            since = None
        self._dial = dial
        self._poll_job = poll_job
        self._since = None if since is None else since.astimezone()
        # The server sends it at the start of a line without a stamp: no line can be taken for it.
        self._separator = separator or "=== Live logs ==={}".format(secrets.token_hex(30))
        self._assembler = LogAssembler(
            timestamps=timestamps,
            separator=b"" if separator == "" else self._separator.encode(),
            since_ms=None if self._since is None else int(self._since.timestamp() * 1000),
            position=position,
        )
        self._reconnect = reconnect
        self._on_gap = on_gap
        self._name = name
        self._clock = clock
        self._policy = policy
        self._retrying = Retrying(policy, clock, rng)
        self._one_reader = OneReader()
        # Held while the assembler or what is not delivered of it changes, so that any thread can
        # ask for the cursor.
        self._state = threading.RLock()
        self._pieces: Deque[Piece] = deque()
        self._lines: Deque[bytes] = deque()
        self._line_start: List[bytes] = []
        self._reader: Optional[Reader] = None
        self._started_at = 0.0
        self._ever_opened = False
        self._closed_by_server = False
        self._gap_tries = 0
        self._closed = threading.Event()
        self._over = False
        self._finished: Any = None
        self._finished_before_dial = False
        self._job: Any = None

    @property
    def job(self) -> Any:
        """The JobDescription of the job that has ended, once its log has; before, None."""
        return self._job

    @property
    def cursor(self) -> str:
        """The place behind what was delivered, as a text: ``monitor(id, after=cursor)`` goes on."""
        with self._state:
            pending = [piece for piece in self._pieces if isinstance(piece, Chunk)]
            without = len(self._lines) + sum(
                piece.data.count(b"\n") for piece in pending if not piece.divider
            )
            position = self._assembler.position(
                without, only_window=True, only_lines=bool(pending or self._line_start)
            )
        return encode_cursor(position, self._name)

    def read_chunk(self, timeout: Optional[float] = None) -> Optional[bytes]:
        """Wait for the next chunk.

        Args:
            timeout: seconds to wait for one; None: no limit.

        Returns:
            The chunk, or None at the end of the log, also after :meth:`close`.

        Raises:
            LogGap: lines may be missing here; reading on goes on behind the gap.
            ConnectionFailed: the log could not be taken up again; its ``cursor`` says where.
            TimeoutError: nothing came in time; nothing is lost.
            ConcurrentRead: another thread is reading.
        """
        with self._one_reader:
            if self._lines or self._line_start:
                return self._take_back()
            chunk = self._next(timeout)
            return None if chunk is None else chunk.data

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
        """All that is left of the log, up to its end."""
        return b"".join(self)

    def __iter__(self) -> "LogStream":
        return self

    def __next__(self) -> bytes:
        chunk = self.read_chunk()
        if chunk is None:
            raise StopIteration
        return chunk

    def __enter__(self) -> "LogStream":
        with self._one_reader:
            if not self._over and not self._closed.is_set():
                reader = self._connected(None)
                if not reader.opened() and not reader.closed:
                    self._connection_ended(reader)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream, from any thread, at any time."""
        self._closed.set()
        reader = self._reader
        if reader is not None:
            reader.close()

    def __repr__(self) -> str:
        if self._closed.is_set():
            state = "closed"
        elif self._over:
            state = "ended"
        else:
            state = "new" if self._reader is None else "open"
        return "<LogStream {}>".format(" ".join(filter(None, [self._name, state])))

    def _take_back(self) -> bytes:
        with self._state:
            chunk = b"".join([line + b"\n" for line in self._lines] + self._line_start)
            self._lines.clear()
            self._line_start = []
        return chunk

    def _next_line(self) -> Optional[bytes]:
        while not self._lines:
            chunk = self._next(None, self._split)
            if chunk is None:
                line = b"".join(self._line_start)
                self._line_start = []
                return line or None
        line = self._lines.popleft()
        return line[:-1] if line.endswith(b"\r") else line

    def _split(self, chunk: Chunk) -> None:
        """Take a chunk apart while the state is held: not one line of it is delivered yet."""
        first, *lines = chunk.data.split(b"\n")
        self._line_start.append(first)
        if lines:
            self._lines.append(b"".join(self._line_start))
            rest = lines.pop()
            self._lines.extend(lines)
            self._line_start = [rest] if rest else []

    def _next(
        self,
        timeout: Optional[float],
        take: Optional[Callable[[Chunk], None]] = None,
    ) -> Optional[Chunk]:
        deadline = None if timeout is None else self._clock() + timeout
        while not self._closed.is_set():
            if self._pieces:
                with self._state:
                    piece = self._pieces.popleft()
                    if isinstance(piece, Chunk):
                        if take is not None:
                            take(piece)
                        return piece
                self._tell_gap(piece)
            elif self._over:
                return None
            else:
                self._advance(deadline)
        if self._reader is not None:
            self._reader.check_process()
        return None

    def _advance(self, deadline: Optional[float]) -> None:
        reader = self._connected(deadline)
        frames = reader.get(self._left(deadline))
        if frames is None:
            if not reader.closed:
                self._connection_ended(reader)
            return
        with self._state:
            self._pieces.extend(self._assembler.feed(frames))
            suspected = self._assembler.lost
            if suspected:
                self._pieces.pop()  # the gap: not told before another try has confirmed it
        if suspected:
            self._drop(reader)
            self._gap_tries += 1
            self._retrying.fruitless(failed=False)

    def _left(self, deadline: Optional[float]) -> Optional[float]:
        return None if deadline is None else deadline - self._clock()

    def _connected(self, deadline: Optional[float]) -> Reader:
        """The reader of the connection, which may still be in the making."""
        if self._reader is not None:
            return self._reader
        while self._retrying.wait and not self._closed.is_set():
            left = self._left(deadline)
            if left is not None and left <= 0:
                raise TimeoutError("nothing came in time")
            wait = self._retrying.wait
            self._closed.wait(wait if left is None else min(wait, left))
        with self._state:
            since = self._assembler.position(only_window=True).since or self._since
            self._assembler.connect(self._separator, tolerant=self._tolerant)
        reader = self._reader = Reader(
            partial(self._dial, since, self._separator),
            partial(_poll_after, self._poll_job, self._finished),
        )
        self._started_at = self._clock()
        if self._closed.is_set():  # close() in another thread came in between
            reader.close()
        return reader

    @property
    def _tolerant(self) -> bool:
        return not self._reconnect or self._gap_tries >= self._policy.gap_tries

    def _drop(self, reader: Reader) -> None:
        reader.close()
        self._reader = None

    def _connection_ended(self, reader: Reader) -> None:
        """Decide how to go on: end, connect again, or raise."""
        self._reader = None
        error, opened = reader.error, reader.was_opened
        if not opened and not self._ever_opened:
            raise error
        self._ever_opened = True
        closed_by_server = isinstance(error, WsClosed) and error.code in _ORDERLY
        job = reader.afterwards
        if isinstance(job, BaseException):
            error, job = job if not _passing(job) else error, None
        if job is not None and job.status.is_finished:
            self._finished = job
        if self._has_ended(error, closed_by_server):
            self._end()
            return
        self._finished_before_dial = self._finished is not None
        self._closed_by_server = closed_by_server
        if not self._reconnect or not _passing(error):
            raise self._lost(error)
        if not self._assembler.resumable:
            raise LogGap(
                "the connection broke, and a log without time stamps can't be taken up again",
                reason="the log has no time stamps",
            )
        self._plan_next(error, opened, closed_by_server)

    def _has_ended(self, error: BaseException, closed_by_server: bool) -> bool:
        if not closed_by_server:
            # Nothing was wrong with the connection before, and the server has no log any more.
            return (
                self._finished is not None
                and self._closed_by_server
                and isinstance(error, ResourceNotFound)
            )
        if not self._reconnect:
            return True
        if self._finished is None:
            return False
        if not self._assembler.resumable:
            return True
        # A server that fails in the middle closes as it does at the end. So it has ended when a
        # connection made after the end of the job had nothing new.
        if not self._finished_before_dial or self._assembler.fresh:
            return False
        if not self._assembler.caught_up and not self._tolerant:
            self._gap_tries += 1
            return False
        if self._assembler.unproven:
            after = self._assembler.position().text or None
            self._pieces.append(Gap(after, None, "the last line did not come again at the end"))
        return True

    def _end(self) -> None:
        self._over = True
        self._job = self._finished
        with self._state:
            self._pieces.extendleft(reversed(self._assembler.finish()))

    def _plan_next(self, error: BaseException, opened: bool, closed_by_server: bool) -> None:
        if self._assembler.fresh:
            self._gap_tries = 0
            self._retrying.fruitful()
            return
        if self._finished is not None and closed_by_server and self._gap_tries == 0:
            return  # only to make sure that the log is complete
        lasted = opened and self._clock() - self._started_at >= _GOOD_AFTER
        if not self._retrying.fruitless(
            failed=not closed_by_server and not lasted,
            retry_after=getattr(error, "retry_after", None),
        ):
            raise self._lost(error)

    def _lost(self, error: BaseException) -> BaseException:
        """The error to raise where the log breaks off, with the cursor to take it up again."""
        if isinstance(error, WsClosed):
            failure = ConnectionFailed("the server broke the log off" + close_text(error))
            failure.__cause__ = error
        elif isinstance(error, ConnectionFailed):
            failure = error
        else:
            return error
        failure.cursor = self.cursor  # type: ignore[attr-defined]
        return failure

    def _tell_gap(self, gap: Gap) -> None:
        error = LogGap(
            "lines may be missing from the log between {} and {}: {}".format(
                gap.after or "its start", gap.before or "its end", gap.reason
            ),
            after=gap.after,
            before=gap.before,
            reason=gap.reason,
        )
        if self._on_gap is None:
            raise error
        self._on_gap(error)


def _poll_after(
    poll_job: Callable[[], Any], finished: Any, error: BaseException, opened: bool
) -> Any:
    """Ask for the job where that says something: not where the network is down."""
    if finished is not None:
        return finished
    return poll_job() if opened or isinstance(error, ResourceNotFound) else None


def _passing(error: BaseException) -> bool:
    """Whether an error is one that may be over at the next try."""
    if isinstance(error, JobNotFound):
        return False
    return isinstance(
        error,
        (WsClosed, ConnectionFailed, ServerError, RateLimited, ResourceNotFound, TimeoutError),
    )
