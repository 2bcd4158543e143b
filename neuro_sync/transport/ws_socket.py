"""A socket that one thread reads while others write, over TLS too."""

import math
import os
import socket
import struct
import threading
from typing import Optional, Union

from .forklock import ForkLock
from .memory import keep_freed_memory
from .tls_socket import TlsLayer, TlsSocket

__all__ = ["SharedSocket", "SharedTlsSocket", "share"]

# What is asked for at once: more where that much comes, as it does in bulk.
_LEAST, _MOST = 64 * 1024, 512 * 1024
# Up to here it costs less to join two pieces than to send them as they are.
_JOINED = 16 * 1024
# Records are decrypted one by one, which gives the interpreter away each time: fewer hand-overs pay.
_MOST_OF_TLS = 1024 * 1024
# And by one thread at a time: many that get it back for each record take it from each other all the time.
_decrypting = ForkLock()


def share(
    sock: Union[socket.socket, TlsSocket], received: bytes = b""
) -> "Union[SharedSocket, SharedTlsSocket]":
    """Take over a connected socket, which may be a TLS one.

    Args:
        sock: connected, after all handshakes.
        received: bytes that were read from it already.
    """
    keep_freed_memory()
    if isinstance(sock, TlsSocket):
        return SharedTlsSocket(_shared(sock.plain, b"", _MOST_OF_TLS), sock.layer, received)
    return _shared(sock, received, _MOST)


def _shared(sock: socket.socket, received: bytes, most: int) -> "SharedSocket":
    try:
        return _BlockingSocket(sock, received, most)
    except (AttributeError, OSError):
        return SharedSocket(sock, received, most)


class SharedSocket:
    """It does not block: what has to be waited for is waited for before."""

    def __init__(self, sock: socket.socket, received: bytes, most: int = _MOST) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received = received
        self._size = _LEAST
        self._most = most
        self._pid = os.getpid()

    def read(self, timeout: float) -> Optional[bytes]:
        """What has arrived, b"" at the end; None: nothing has in that many seconds.

        Raises:
            OSError: the connection broke.
        """
        if self._received:
            received, self._received = self._received, b""
            return received
        return self._wait_and_read(timeout)

    def _wait_and_read(self, timeout: float) -> Optional[bytes]:
        data = self._read_now()
        if data is None and self._wait_readable(timeout):
            data = self._read_now()
        return data

    def _read_now(self) -> Optional[bytes]:
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return None
        self._adapt(len(data))
        return data

    def _adapt(self, count: int) -> None:
        """Ask for more where as much has come as was asked for, and for less where little has."""
        if count == self._size:
            self._size = min(2 * count, self._most)
        elif count < self._size // 8:
            self._size = max(self._size // 2, _LEAST)

    def _wait_readable(self, timeout: float) -> bool:
        from urllib3.util.wait import wait_for_read

        return bool(wait_for_read(self._sock, timeout))

    def write(self, data: Union[bytes, memoryview]) -> int:
        """Write as much as fits now; returns how much did.

        Raises:
            OSError: the connection broke.
        """
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    def write_both(self, first: bytes, second: bytes) -> int:
        """The same with two pieces, one behind the other."""
        return self.write(first + second)

    def wait_writable(self, timeout: float) -> bool:
        """Wait until more fits."""
        from urllib3.util.wait import wait_for_write

        return bool(wait_for_write(self._sock, timeout))

    def abort(self) -> None:
        """End the connection, from any thread: whoever waits for it sees that at once."""
        if self._pid != os.getpid():
            return  # the connection belongs to the parent of this process
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._sock.close()


class _BlockingSocket(SharedSocket):
    """Waits in the read itself: one call into the system for each, and one wake-up.

    Raises:
        AttributeError, OSError: the system has not what it takes.
    """

    def __init__(self, sock: socket.socket, received: bytes, most: int = _MOST) -> None:
        super().__init__(sock, received, most)
        self._not_waiting = socket.MSG_DONTWAIT
        self._send_pieces = sock.sendmsg
        self._set_timeout(1.0)
        sock.setblocking(True)

    def _wait_and_read(self, timeout: float) -> Optional[bytes]:
        # In whole tenths, so that it is seldom another than before.
        timeout = max(1, math.ceil(timeout * 10)) / 10
        if timeout != self._timeout:
            self._set_timeout(timeout)
        return self._read_now()

    def _set_timeout(self, timeout: float) -> None:
        seconds, fraction = divmod(timeout, 1)
        value = struct.pack("@ll", int(seconds), int(fraction * 1e6))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._timeout = timeout

    def write(self, data: Union[bytes, memoryview]) -> int:
        try:
            return self._sock.send(data, self._not_waiting)
        except (BlockingIOError, InterruptedError):
            return 0

    def write_both(self, first: bytes, second: bytes) -> int:
        if len(second) <= _JOINED:
            return self.write(first + second)
        try:
            return self._send_pieces((first, second), (), self._not_waiting)
        except (BlockingIOError, InterruptedError):
            return 0


class SharedTlsSocket:
    """The same over TLS. Its state is touched under a lock, for moments: nobody waits for the network with it."""

    def __init__(self, carrier: SharedSocket, layer: TlsLayer, received: bytes) -> None:
        self._carrier = carrier
        self._layer = layer
        self._received = received
        self._lock = threading.Lock()
        # Bytes for the peer that did not fit yet, and how much of what is to be written is in them.
        self._unsent = memoryview(b"")
        self._taken = 0

    def read(self, timeout: float) -> Optional[bytes]:
        if self._received:
            received, self._received = self._received, b""
            return received
        data = self._decrypt(None) if self._layer.more else None
        while data is None:
            arrived = self._carrier.read(timeout)
            if arrived is None:
                return None
            data = self._decrypt(arrived)
        return data

    def _decrypt(self, arrived: Optional[bytes]) -> Optional[bytes]:
        with _decrypting, self._lock:
            if arrived is not None:
                self._layer.feed(arrived)
            data = self._layer.read()
            try:
                self._push_out()  # new keys are answered
            except OSError:
                pass  # a peer that hears nothing has said something all the same; who writes meets it again
        return data

    def write(self, data: Union[bytes, memoryview]) -> int:
        """Write as much as fits now; returns how much did. The rest has to come again, at the start of the next.

        Raises:
            OSError: the connection broke.
        """
        view = memoryview(data)
        done = 0
        with self._lock:
            while self._push_out():
                done, self._taken = done + self._taken, 0
                if done == len(view):
                    break
                self._taken = self._layer.write(view[done : done + _MOST])
                if not self._taken:
                    break
        return done

    def write_both(self, first: bytes, second: bytes) -> int:
        return self.write(first + second)

    def _push_out(self) -> bool:
        """Send what is waiting. True: nothing is left of it."""
        if not self._unsent:
            self._unsent = memoryview(self._layer.to_send())
        if self._unsent:
            self._unsent = self._unsent[self._carrier.write(self._unsent) :]
        return not self._unsent

    def wait_writable(self, timeout: float) -> bool:
        return self._carrier.wait_writable(timeout)

    def abort(self) -> None:
        self._carrier.abort()

    def close(self) -> None:
        self._carrier.close()
