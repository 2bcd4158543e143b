"""One connection through a port forward: a local socket, and a websocket of its own."""

import logging
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Callable, List, Optional

from ..errors import ConnectionFailed
from ..transport.calloff import Making
from ..transport.ws_connection import WsAborted, WsClosed
from .halfclose import peer_has_gone, watch_by_keepalive
from .reader import close_text

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["Tunnel", "prepare"]

_log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
# As much as fits into any new connection.
_FIRST = 8 * 1024
# 0: this system can't receive without waiting on a socket that waits.
_NOT_WAITING = getattr(socket, "MSG_DONTWAIT", 0)
_ORDERLY = (1000, 1005)
# How often a send that is held back looks around, in seconds.
_LOOK = 0.2
_KEEPALIVE = 10.0
# How long the local program may take to close its end after the job has closed.
_LINGER = 2.0
_RESET = struct.pack("ii", 1, 0)


class Tunnel:
    """Carries bytes both ways, in two threads.

    The job's end of the stream becomes an end of file for the local program, after all the data.
    Whatever else ends the tunnel resets the local connection: a transfer that was cut must not
    look complete. The protocol has no half-close: the end of what the local program sends is not
    passed on, and the tunnel stays for what the job still sends.

    Args:
        local: the accepted socket, blocking.
        dial: makes the connection to the job.
        ended: called once, with what went wrong or None, when nothing of the tunnel is left.
    """

    def __init__(
        self,
        local: socket.socket,
        dial: "Callable[[], WsConnection]",
        ended: "Callable[[Tunnel, Optional[BaseException]], None]",
    ) -> None:
        self._local = local
        self._dial = dial
        self._ended = ended
        self._conn: "Optional[WsConnection]" = None
        self._making = Making()
        self._error: Optional[BaseException] = None
        self._stopped = threading.Event()
        self._up_done = threading.Event()
        self._lock = threading.Lock()
        self._in_use = 0
        self._threads: List[threading.Thread] = []

    def start(self) -> None:
        """Start to connect."""
        self._start(self._run)

    def stop(self) -> None:
        """End it: returns at once. The local connection is reset."""
        self._reset()
        self._making.call_off()
        conn = self._conn
        if conn is not None:
            conn.abort()
        with self._lock:
            if self._in_use == 0:
                self._local.close()

    def join(self, timeout: float) -> None:
        """Wait for the threads."""
        deadline = time.monotonic() + timeout
        # The second is there by the time that the first, which starts it, has ended.
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def forget(self) -> None:
        """In a forked child: close the copy of the socket, which would keep the other one open."""
        self._local.close()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="neuro_sync-forward", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        try:
            with self._making:
                conn = self._conn = self._dial()
        except Exception as error:
            self._fail(error)
            self._close()
            return
        with self._lock:
            stopped = self._stopped.is_set()
            self._in_use = 0 if stopped else 2
        if stopped:
            conn.abort()
            conn.close()
            self._close()
            return
        try:
            if _NOT_WAITING:
                self._send_first(conn)
            self._start(self._send_up)
        except Exception as error:  # as where there are no more threads
            self._fail(error)
            self._leave()
        try:
            self._bring_down(conn)
        finally:
            conn.close()
            self._leave()

    def _bring_down(self, conn: "WsConnection") -> None:
        """What the job sends goes to the local program."""
        try:
            while not self._stopped.is_set():
                frames = conn.recv_batch()
                self._send_local(conn, b"".join(frames))
        except WsClosed as error:
            if error.code in _ORDERLY:
                self._finish()
            else:
                text = "the server broke the tunnel off" + close_text(error)
                self._fail(ConnectionFailed(text, **conn.facts))
        except WsAborted:
            self._reset()  # stopped, or the local program has gone
        except OSError as error:
            # ConnectionFailed is one too: of the tunnel. The others are of the local program.
            if isinstance(error, ConnectionFailed):
                self._fail(error)
            else:
                _log.debug("the local program has closed its connection: %s", error)
                self._reset()
        except Exception as error:
            self._fail(error)

    def _send_local(self, conn: "WsConnection", data: bytes) -> None:
        view = memoryview(data)
        heard = time.monotonic()
        while view and not self._stopped.is_set():
            try:
                view = view[self._local.send(view) :]
            except BlockingIOError:
                # The local program does not read. Nor do we then, and the server must not take
                # us for dead.
                if time.monotonic() - heard >= _KEEPALIVE:
                    heard = time.monotonic()
                    conn.keepalive()

    def _send_first(self, conn: "WsConnection") -> None:
        """What the local program has sent by now is under way before the other thread has started."""
        try:
            data = self._local.recv(_FIRST, _NOT_WAITING)
            if data:
                conn.send(data)
        except OSError as error:
            _log.debug("nothing to begin with: %s", error)

    def _send_up(self) -> None:
        """What the local program sends goes to the job."""
        conn = self._conn
        assert conn is not None
        try:
            while True:
                data = self._local.recv(_CHUNK)
                if not data:
                    break
                conn.send(data)
            self._up_done.set()
            self._after_end_of_file(conn)
        except ConnectionError as error:
            # Of the tunnel: the other thread learns why. Of the local program: it has gone.
            if not isinstance(error, (ConnectionFailed, BrokenPipeError)):
                conn.abort()
            else:
                self._discard()
        except Exception as error:
            self._fail(error)
            conn.abort()
        finally:
            self._up_done.set()
            self._leave()

    def _discard(self) -> None:
        """Unread data would turn the end of the local connection into a reset."""
        try:
            while self._local.recv(_CHUNK):
                pass
        except OSError as error:
            _log.debug("the local connection ended: %s", error)

    def _after_end_of_file(self, conn: "WsConnection") -> None:
        """The local program sends no more. Has it gone, or does it wait for the rest?"""
        pause = 0.01
        watch_by_keepalive(self._local)
        while not self._stopped.wait(pause):
            gone = peer_has_gone(self._local)
            if gone is None:
                gone = self._local.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
            if gone:
                conn.abort()
                return
            pause = min(pause * 2, 2.0)

    def _finish(self) -> None:
        """The job has closed its end: an end of file for the local program."""
        try:
            self._local.shutdown(socket.SHUT_WR)
        except OSError as error:
            _log.debug("the local connection ended first: %s", error)
        self._up_done.wait(_LINGER)
        self._stopped.set()
        self._wake()

    def _fail(self, error: BaseException) -> None:
        if not self._stopped.is_set():
            self._error = error
        self._reset()

    def _reset(self) -> None:
        """Let the end of the local connection be a reset."""
        try:
            self._local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError as error:
            _log.debug("the local connection ended first: %s", error)
        # Only then: whoever sees it may close the connection at once.
        self._stopped.set()
        self._wake()

    def _wake(self) -> None:
        """Wake the thread that receives from the local program."""
        try:
            self._local.shutdown(socket.SHUT_RD)
        except OSError as error:
            _log.debug("the local connection ended first: %s", error)

    def _leave(self) -> None:
        with self._lock:
            self._in_use -= 1
            last = self._in_use == 0
        if last:
            self._close()

    def _close(self) -> None:
        try:
            # First: whoever sees the reset may ask at once what went wrong.
            self._ended(self, self._error)
        finally:
            self._local.close()


def prepare(local: socket.socket) -> socket.socket:
    """Set an accepted socket up for a tunnel."""
    local.setblocking(True)
    local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    seconds, rest = divmod(_LOOK, 1)
    if hasattr(socket, "AF_UNIX"):
        timeout = struct.pack("ll", int(seconds), int(rest * 10**6))
    else:
        timeout = struct.pack("L", int(_LOOK * 1000))
    local.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
    return local
