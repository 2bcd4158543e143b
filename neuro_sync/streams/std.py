"""The standard streams of a command or a job."""

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Deque, Iterable, List, Optional

from ..errors import ConnectionFailed, ProtocolError, StdStreamError, StreamClosed
from ..models.messages import Message
from ..transport.ws_connection import WsClosed
from ..wire import channels
from .onereader import OneReader
from .reader import Reader, close_text

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["StdStream"]

_log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
# What is left comes close behind the exit code. A server that then neither sends nor closes never will.
_GOODBYE = 5.0


class StdStream:
    """Standard input, output and error of a command that runs in a job, or of the job itself.

    An iterator over the output and a context manager::

        with jobs.exec(job.id, "cat", stdin=True, stdout=True) as stream:
            stream.write_in(b"hello\\n")
            message = stream.read_out()     # Message(fileno=1, data=b"hello\\n")

    One thread may read while others write. Data arrives in pieces that mean nothing.
    """

    def __init__(self, conn: "WsConnection") -> None:
        self._conn = conn
        self._reader = Reader(lambda: conn)
        self._one_reader = OneReader()
        # All of one write comes before any of another.
        self._write_lock = threading.Lock()
        self._exit: Optional[channels.ExitStatus] = None
        # When the exit code came, or what has come behind it.
        self._last_word = 0.0
        self._failure: Optional[BaseException] = None
        self._ended = False
        self._told = False

    @property
    def exit_code(self) -> Optional[int]:
        """The exit code of the command; None as long as it is not known."""
        return None if self._exit is None else self._exit.exit_code

    def read_out(self, timeout: Optional[float] = None) -> Optional[Message]:
        """Read the next piece of output.

        Args:
            timeout: seconds to wait for one; None: no limit.

        Returns:
            ``Message(fileno, data)``, fileno 1 for the output and 2 for errors, or None at the end,
            also after :meth:`close`.

        Raises:
            StdStreamError: all output was read, and the exit code is not 0. Raised once, then
                comes None.
            ConnectionFailed: all that came was read, and how the command ended is not known.
            TimeoutError: nothing came in time; nothing is lost.
            ConcurrentRead: another thread is reading.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._one_reader:
            while not self._reader.closed:
                if self._reader.items:
                    message: Message = self._reader.items.popleft()
                    return message
                if self._ended:
                    self._tell_end()
                    return None
                self._receive(None if deadline is None else deadline - time.monotonic())
            self._reader.check_process()
            return None

    def _receive(self, left: Optional[float]) -> None:
        final = False
        if self._exit is not None:
            # Counted over all calls: who asks again and again in short has to see the end, too.
            goodbye = self._last_word + _GOODBYE - time.monotonic()
            final = left is None or goodbye <= left
            left = goodbye if final else left
        try:
            taken = self._reader.take(self._messages_of, left)
        except TimeoutError:
            if not final:
                raise
            self._end(None)
            return
        if not taken and not self._reader.closed:
            self._end(self._reader.error)

    def write_in(self, data: bytes) -> None:
        """Write to the standard input, all of it; no data sends nothing.

        It blocks while the command does not read. There is no way to end the input: the protocol
        has none.

        Raises:
            StreamClosed: the session has ended or was closed; the data is not sent.
        """
        view = memoryview(data).cast("B")
        # Before the lock: in the child of a fork it may be that of a thread which is not there.
        self._check_open()
        with self._write_lock:
            for start in range(0, len(view), _CHUNK):
                self._send(channels.encode(channels.STDIN, view[start : start + _CHUNK]))

    def resize(self, h: int, w: int) -> None:
        """Tell the size of the terminal: rows and columns.

        Raises:
            StreamClosed: the session has ended or was closed.
        """
        self._send(channels.encode_resize(h, w))

    def close(self) -> None:
        """End the session, from any thread, at any time. The command is not killed by it."""
        self._reader.close()

    def _send(self, frame: bytes) -> None:
        self._check_open()
        self._conn.send(frame)

    def _check_open(self) -> None:
        self._reader.check_process()
        if self._exit is not None or self._reader.over:
            raise StreamClosed("the session has ended: nothing can be written")

    def _messages_of(self, frames: Iterable[bytes]) -> Deque[Message]:
        messages: Deque[Message] = deque()
        pieces: List[memoryview] = []
        fileno = 0
        for frame in frames:
            if not frame:
                continue
            channel = frame[0]
            if channel not in (channels.STDOUT, channels.STDERR):
                self._take_other(frame)
                continue
            if len(frame) == 1:
                continue  # sent right after connecting: it is not the end of anything
            if channel != fileno:
                _flush(fileno, pieces, messages)
                fileno = channel
            pieces.append(memoryview(frame)[1:])
        _flush(fileno, pieces, messages)
        if self._exit is not None:
            self._last_word = time.monotonic()
        return messages

    def _take_other(self, frame: bytes) -> None:
        channel, payload = channels.split(frame)
        if channel != channels.EXIT:
            _log.debug("a frame of the unknown channel %d is ignored", channel)
            return
        try:
            self._exit = channels.parse_exit(payload)
        except ProtocolError as error:
            error.method, error.url = self._conn.facts["method"], self._conn.facts["url"]
            self._failure = error

    def _end(self, error: Optional[BaseException]) -> None:
        self._ended = True
        if error is None or isinstance(error, WsClosed):
            error = ConnectionFailed(
                "the session was ended without an exit code{}".format(close_text(error)),
                **self._conn.facts,
            )
        # However the connection ended: what is known of the command stays known.
        known = self._exit is not None or self._failure is not None
        if not known or not isinstance(error, (ConnectionFailed, ProtocolError)):
            self._failure = error

    def _tell_end(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._exit is not None and self._exit.exit_code != 0 and not self._told:
            self._told = True
            raise StdStreamError(self._exit.exit_code, self._exit.message or "")

    def __iter__(self) -> "StdStream":
        return self

    def __next__(self) -> Message:
        message = self.read_out()
        if message is None:
            raise StopIteration
        return message

    def __enter__(self) -> "StdStream":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._exit is not None:
            state = "ended with {}".format(self._exit.exit_code)
        else:
            state = "ended" if self._reader.over else "open"
        return "<StdStream {}>".format(state)


def _flush(fileno: int, pieces: List[memoryview], messages: Deque[Message]) -> None:
    if pieces:
        messages.append(Message(fileno, b"".join(pieces)))
        pieces.clear()
