"""Calling off, from another thread, a connection that is still being made.

Who makes connections is called through callables that know nothing of streams. So it is the thread
that says which connection it is making.
"""

import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import Optional

__all__ = ["Making", "called_off", "pause", "watch"]


class _Local(threading.local):
    making: "Optional[Making]" = None


_local = _Local()


class Making:
    """A connection in the making: the thread that makes it is inside ``with``."""

    def __init__(self) -> None:
        self._off = False
        self._sock: Optional[socket.socket] = None
        self._news: "SimpleQueue[None]" = SimpleQueue()

    def __enter__(self) -> None:
        _local.making = self

    def __exit__(self, *exc_info: object) -> None:
        _local.making = None
        self._sock = None

    def call_off(self) -> None:
        """End it, from any thread. Never blocks, takes no lock: a finalizer may call it."""
        self._off = True
        self._news.put(None)
        # Read after the flag was set, as watch() does it the other way round: one of them sees both.
        _shut(self._sock)

    def _watch(self, sock: socket.socket) -> None:
        self._sock = sock
        if self._off:
            _shut(sock)

    def _pause(self, seconds: float) -> None:
        if not self._off:
            try:
                self._news.get(timeout=seconds)
            except Empty:
                pass


def watch(sock: socket.socket) -> None:
    """This socket is the one that stands in the way of this thread from now on."""
    if _local.making is not None:
        _local.making._watch(sock)


def called_off() -> bool:
    """Whether nobody wants the connection any more that this thread is making."""
    return _local.making is not None and _local.making._off


def pause(seconds: float) -> None:
    """Sleep, but not for a connection that is called off."""
    if _local.making is None:
        time.sleep(seconds)
    else:
        _local.making._pause(seconds)


def _shut(sock: Optional[socket.socket]) -> None:
    if sock is not None:
        try:
            # The method of the plain socket: that of a TLS one drops its state under the feet of
            # the thread that shakes hands.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already
