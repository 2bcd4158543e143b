"""The thread behind each stream: it reads the connection into one bounded queue.

The queue is bounded in bytes, so that a slow consumer slows the server down and memory stays flat.
All signalling goes through ``SimpleQueue``: it alone may be used from a finalizer, which the
garbage collector can run at any moment in any thread, that of the reader itself included.
"""

import os
import threading
import time
import weakref
from collections import deque
from queue import Empty, SimpleQueue
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    List,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from ..errors import StreamClosed
from ..transport.calloff import Making

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["Reader", "close_text"]

_LIMIT = 8 * 2**20
# What a frame costs beyond its payload: without it a flood of empty frames would have no bound.
_FRAME_COST = 64
# While the queue is full nothing is read: the server must hear from us in another way.
_KEEPALIVE = 10.0
_JOIN = 0.4


class _Batch(NamedTuple):
    frames: List[bytes]
    cost: int


class _End(NamedTuple):
    error: Optional[BaseException]
    afterwards: Any


_OPENED = object()


class _Core:
    """What the thread and the reader share. The thread knows this, and never the user's object."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.items: "SimpleQueue[Any]" = SimpleQueue()
        self.conn: "Optional[WsConnection]" = None
        self.making = Making()
        self.closed = False
        self.over = False
        # Each counter has one writer, so that no lock is needed.
        self.put_cost = 0
        self.taken_cost = 0
        self.held_back = False
        self.room: "SimpleQueue[None]" = SimpleQueue()

    def put(self, frames: List[bytes]) -> None:
        cost = sum(map(len, frames)) + _FRAME_COST * len(frames)
        self.put_cost += cost
        self.items.put(_Batch(frames, cost))
        while self.put_cost - self.taken_cost >= _LIMIT and not self.closed:
            self.held_back = True
            # Looked at again: the consumer may not have seen that it has to wake this thread.
            if self.put_cost - self.taken_cost < _LIMIT or self.closed:
                break
            try:
                self.room.get(timeout=_KEEPALIVE)
            except Empty:
                if self.conn is not None:
                    self.conn.keepalive()

    def taken(self, cost: int) -> None:
        self.taken_cost += cost
        # Not before half of it is free: to wake the thread for each batch would cost too much.
        if self.held_back and self.put_cost - self.taken_cost < _LIMIT // 2:
            self.held_back = False
            self.room.put(None)

    def shut(self) -> None:
        """End the thread and wake the consumer. Never blocks, takes no lock."""
        if self.pid != os.getpid():
            return  # a forked child: the socket is the parent's
        self.closed = True
        self.making.call_off()
        if self.conn is not None:
            self.conn.abort()
        self.room.put(None)
        self.items.put(None)


def _run(
    core: _Core,
    dial: "Callable[[], WsConnection]",
    afterwards: Optional[Callable[[BaseException, bool], Any]],
) -> None:
    error: Optional[BaseException] = None
    opened = False
    outcome = None
    try:
        with core.making:
            conn = core.conn = dial()
        opened = True
        try:
            core.items.put(_OPENED)
            while not core.closed:
                core.put(conn.recv_batch())
        finally:
            if core.closed:
                conn.abort()
            conn.close()
    except BaseException as failure:  # handed to the consumer, whatever it is
        error = failure
    core.over = True
    if afterwards is not None and error is not None and not core.closed:
        try:
            with core.making:
                outcome = afterwards(error, opened)
        except BaseException as failure:
            outcome = failure
    core.items.put(_End(error, outcome))


class Reader:
    """Reads a connection in a thread of its own.

    The thread ends with the connection, with :meth:`close`, or when nobody holds the reader any
    more.

    Args:
        dial: makes the connection; called in the thread, so that ``close()`` can call it off.
        afterwards: called in the thread with the exception that ended the connection or that
            ``dial`` raised, and with whether the connection was made; what it returns, or the
            exception it raises, is :attr:`afterwards`.
    """

    def __init__(
        self,
        dial: "Callable[[], WsConnection]",
        afterwards: Optional[Callable[[BaseException, bool], Any]] = None,
    ) -> None:
        core = self._core = _Core()
        self._opened = False
        self._ended: Optional[_End] = None
        # What was taken from the queue and is not dealt with: one item at most.
        self._inbox: Deque[Any] = deque()
        # The frames that were taken last, and what was made of them: in one, so that there are both or none.
        self._made: Tuple[Optional[List[bytes]], Deque[Any]] = (None, deque())
        self._forget = weakref.finalize(self, core.shut)
        # At interpreter exit the thread, a daemon, just stops.
        self._forget.atexit = False
        self._thread = threading.Thread(
            target=_run, args=(core, dial, afterwards), name="neuro_sync-reader", daemon=True
        )
        self._thread.start()

    @property
    def connection(self) -> "Optional[WsConnection]":
        """The connection, once it is made."""
        return self._core.conn

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._core.closed

    @property
    def was_opened(self) -> bool:
        """Whether the connection was made: known when :meth:`get` has returned None."""
        return self._opened

    @property
    def over(self) -> bool:
        """Whether the connection has ended; frames of it may still be in the queue."""
        return self._core.over or self._core.closed

    @property
    def error(self) -> BaseException:
        """What ended the connection, once :meth:`get` has returned None without :attr:`closed`."""
        if self._ended is None or self._ended.error is None:
            return StreamClosed("the stream was closed")
        return self._ended.error

    @property
    def afterwards(self) -> Any:
        """What the callable of that name returned, or the exception that it raised."""
        return None if self._ended is None else self._ended.afterwards

    def opened(self, timeout: Optional[float] = None) -> bool:
        """Wait until the connection is made. False: it has failed or was closed.

        Raises:
            TimeoutError: it was not made in time.
        """
        if not self._opened:
            if self._next(timeout) is not _OPENED:
                return False
            self._opened = True
        if self._inbox and self._inbox[0] is _OPENED:
            self._inbox.clear()
        return not self._core.closed

    @property
    def items(self) -> Deque[Any]:
        """What is left of what :meth:`take` made."""
        return self._made[1]

    def take(
        self, make: Callable[[List[bytes]], Deque[Any]], timeout: Optional[float] = None
    ) -> bool:
        """Put what ``make`` makes of the frames that have come into :attr:`items`. False: there are no more.

        Whenever Ctrl-C comes, nothing is lost by it, and nothing is there twice when this is called again.

        Raises:
            TimeoutError: none came in time.
        """
        frames = self.get(timeout)
        if frames is None:
            return False
        if frames is not self._made[0]:
            self._made = (frames, make(frames))
        self.done()
        self._made = (None, self._made[1])
        return True

    def get(self, timeout: Optional[float] = None) -> Optional[List[bytes]]:
        """The frames that have come, at least one: the same ones until :meth:`done`. None: no more.

        Raises:
            TimeoutError: none came in time.
        """
        began = time.monotonic()
        if not self.opened(timeout):
            return None
        if timeout is not None:
            timeout -= time.monotonic() - began
        item = self._next(timeout)
        if item.__class__ is not _Batch:
            return None
        frames: List[bytes] = item.frames
        return frames

    def done(self) -> None:
        """The frames that :meth:`get` returned are dealt with."""
        self._core.taken(self._inbox[0].cost)
        self._inbox.clear()

    def _next(self, timeout: Optional[float]) -> "Union[_Batch, _End, object]":
        core = self._core
        self.check_process()
        if core.closed:
            return None
        if self._ended is not None:
            return self._ended
        if not self._inbox:
            wait = None if timeout is None else max(timeout, 0.0)
            try:
                # In one step: Ctrl-C must not find it on its way from there to here.
                self._inbox.extend(map(core.items.get, (True,), (wait,)))
            except Empty:
                raise TimeoutError("nothing came within {:g} s".format(timeout or 0.0)) from None
        if core.closed:
            return None
        item: "Union[_Batch, _End, object]" = self._inbox[0]
        if item.__class__ is _End:
            self._ended = item
        return item

    def check_process(self) -> None:
        """Raise StreamClosed in a forked child: the stream is the parent's."""
        if self._core.pid != os.getpid():
            raise StreamClosed("this stream belongs to the process that opened it; open one here")

    def close(self) -> None:
        """End the thread and the connection: from any thread, at any time, within half a second."""
        core = self._core
        if core.pid != os.getpid():
            return
        self._forget.detach()
        core.shut()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN)
        _drain(core.items)


def _drain(items: "SimpleQueue[Any]") -> None:
    """Free what nobody will read, and leave a word for a consumer that waits."""
    try:
        while True:
            items.get_nowait()
    except Empty:
        items.put(None)


def close_text(error: Optional[BaseException]) -> str:
    """What a close frame of the server says, for the end of a message."""
    code = getattr(error, "code", None)
    if code is None:
        return ""
    reason = getattr(error, "reason", "")
    return " (close code {}{})".format(code, ": {}".format(reason) if reason else "")
