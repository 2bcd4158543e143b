"""A port of a job as a port of this machine."""

import errno
import logging
import os
import selectors
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Callable, List, Optional, Set

from .tunnel import Tunnel, prepare

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["PortForward"]

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_PORT_TRIES = 20
_CLOSE_TIME = 0.4
# No file descriptors or memory left: what ends will free some.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_EXHAUSTED_PAUSE = 0.1


class PortForward:
    """Makes a port of a job a port of this machine, until it is closed: a context manager.

    It listens on 127.0.0.1 and, where there is one, ::1. Each connection is dialled anew, so that
    a forward outlives a network that breaks. What goes wrong with a connection resets it, is logged
    and is :attr:`last_error`.

    Args:
        dial: makes a connection to the port of the job; called in other threads.
        local_port: port of this machine; 0 takes a free one.
        job_port: port of the job.

    Raises:
        OSError: the local port is taken, or there are no file descriptors left.
    """

    def __init__(self, dial: "Callable[[], WsConnection]", local_port: int, job_port: int) -> None:
        self._job_port = job_port
        listeners = _listen(local_port)
        try:
            self._core = core = _Core(dial, listeners, job_port)
            self._local_port: int = listeners[0].getsockname()[1]
            self._forget = weakref.finalize(self, core.stop)
            self._forget.atexit = False
            self._thread = threading.Thread(
                target=core.accept, name="neuro_sync-listener", daemon=True
            )
            self._thread.start()
        except BaseException:
            for listener in listeners:
                listener.close()
            raise

    @property
    def local_port(self) -> int:
        """The port of this machine."""
        return self._local_port

    @property
    def job_port(self) -> int:
        """The port of the job."""
        return self._job_port

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._core.tunnels)

    @property
    def last_error(self) -> Optional[BaseException]:
        """What went wrong last with a connection, or None."""
        return self._core.last_error

    def __enter__(self) -> "PortForward":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end all connections: from any thread, at any time."""
        if self._core.pid != os.getpid():
            return  # a forked child has nothing of it
        self._forget.detach()
        self._core.stop()
        deadline = time.monotonic() + _CLOSE_TIME
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_TIME)
        for tunnel in list(self._core.tunnels):
            tunnel.join(max(0.0, deadline - time.monotonic()))

    def __repr__(self) -> str:
        return "<PortForward {} -> {}{}>".format(
            self._local_port, self._job_port, " closed" if self._core.stopped else ""
        )


class _Core:
    """What the threads know of a forward: never the object that the user holds."""

    def __init__(
        self, dial: "Callable[[], WsConnection]", listeners: List[socket.socket], job_port: int
    ) -> None:
        self.pid = os.getpid()
        self.listeners = listeners
        self.tunnels: Set[Tunnel] = set()
        self.last_error: Optional[BaseException] = None
        self.stopped = False
        self._dial = dial
        self._job_port = job_port
        # Here, where somebody hears of it that there are no file descriptors left for it.
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        _cores.add(self)

    def accept(self) -> None:
        with self._selector as selector:
            for listener in self.listeners:
                selector.register(listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.stopped:
                for key, _ in selector.select():
                    if key.fileobj is not self._woken and not self.stopped:
                        self._accept_one(key.fileobj)  # type: ignore[arg-type]
        for listener in self.listeners:
            listener.close()
        for tunnel in list(self.tunnels):
            tunnel.stop()
        self._woken.close()
        self._waker.close()

    def _accept_one(self, listener: socket.socket) -> None:
        try:
            local, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the program has given up in the meantime
        except OSError as error:
            self._tell(error)
            if error.errno in _EXHAUSTED:
                time.sleep(_EXHAUSTED_PAUSE)
            return
        tunnel = Tunnel(prepare(local), self._dial, self._ended)
        self.tunnels.add(tunnel)
        try:
            tunnel.start()
        except RuntimeError as error:  # no more threads
            self._tell(error)
            self.tunnels.discard(tunnel)
            tunnel.stop()

    def _ended(self, tunnel: Tunnel, error: Optional[BaseException]) -> None:
        self.tunnels.discard(tunnel)
        if error is not None and not self.stopped:
            self._tell(error)

    def _tell(self, error: BaseException) -> None:
        self.last_error = error
        _log.warning("a connection to port %d of the job failed: %s", self._job_port, error)

    def stop(self) -> None:
        """Takes no lock and never blocks: a finalizer may call it."""
        if self.pid != os.getpid():
            return
        self.stopped = True
        try:
            self._waker.send(b"x")
        except OSError as error:
            _log.debug("the listener has ended before: %s", error)

    def forget(self) -> None:
        """In a forked child: close the copies of the sockets, which would keep the others open."""
        for local in [*self.listeners, self._waker, self._woken]:
            local.close()
        self._selector.close()
        for tunnel in list(self.tunnels):
            tunnel.forget()


_cores: "weakref.WeakSet[_Core]" = weakref.WeakSet()


def _forget_all() -> None:
    for core in list(_cores):
        core.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _listen(port: int) -> List[socket.socket]:
    """Sockets that listen on one and the same port of both loopback addresses."""
    for _ in range(_PORT_TRIES):
        four = _bound(socket.AF_INET, "127.0.0.1", port)
        try:
            six = _bound(socket.AF_INET6, "::1", four.getsockname()[1])
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                _log.debug("this machine has no ::1: %s", error)
                return [four]
            four.close()
            if port:
                raise
            continue  # free in one family and taken in the other: another one
        return [four, six]
    raise OSError(errno.EADDRINUSE, "found no port that is free on 127.0.0.1 and ::1")


def _bound(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # There it means: though old connections of that port are still fading away.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        text = "cannot listen on port {} of {}: {}".format(port, host, error.strerror or error)
        raise OSError(error.errno, text) from error
    except BaseException:
        listener.close()
        raise
    return listener
