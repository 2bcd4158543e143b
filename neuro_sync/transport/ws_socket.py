"""A socket that one thread reads while others write, over TLS too."""

import math
import os
import socket
import ssl
import struct
import threading
from typing import Optional, Union

from .memory import keep_freed_memory

__all__ = ["SharedSocket", "share"]

# What is asked for at once: more where that much comes, as it does in bulk.
_LEAST, _MOST = 64 * 1024, 512 * 1024


def share(sock: Union[socket.socket, ssl.SSLSocket], received: bytes = b"") -> "SharedSocket":
    """Take over a connected socket, which may be a TLS one.

    Args:
        sock: connected, after all handshakes.
        received: bytes that were read from it already.
    """
    keep_freed_memory()
    if isinstance(sock, ssl.SSLSocket):
        return _TlsSocket(sock, received)
    try:
        return _BlockingSocket(sock, received)
    except (AttributeError, OSError):
        return SharedSocket(sock, received)


class SharedSocket:
    """It does not block: what has to be waited for is waited for before."""

    def __init__(self, sock: socket.socket, received: bytes) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received = received
        self._size = _LEAST
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
            self._size = min(2 * count, _MOST)
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

    def wait_writable(self, timeout: float) -> bool:
        """Wait until more fits."""
        from urllib3.util.wait import wait_for_write

        return bool(wait_for_write(self._sock, timeout))

    def abort(self) -> None:
        """End the connection, from any thread: whoever waits for it sees that at once."""
        if self._pid != os.getpid():
            return  # the connection belongs to the parent of this process
        try:
            # The method of the plain socket: that of the TLS one takes the TLS state away from a reader.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._sock.close()


class _BlockingSocket(SharedSocket):
    """Waits in the read itself: one call into the system for each, and one wake-up.

    Raises:
        AttributeError, OSError: the system has not what it takes.
    """

    def __init__(self, sock: socket.socket, received: bytes) -> None:
        super().__init__(sock, received)
        self._not_waiting = socket.MSG_DONTWAIT
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


class _TlsSocket(SharedSocket):
    """Each call into TLS is short and under a lock: two threads must not use an SSL object at one moment."""

    def __init__(self, sock: ssl.SSLSocket, received: bytes) -> None:
        super().__init__(sock, received)
        self._lock = threading.Lock()
        self._view = memoryview(bytearray(self._size))

    def _read_now(self) -> Optional[bytes]:
        if len(self._view) != self._size:
            self._view = memoryview(bytearray(self._size))
        with self._lock:
            count = self._read_records()
        if count is None:
            return None
        self._adapt(count)
        return bytes(self._view[:count])

    def _read_records(self) -> Optional[int]:
        """How much of the view is filled now, 0 at the end; None: nothing has come."""
        # A record has 16 KiB at most: several of them cost one round of all the rest.
        filled = 0
        while filled < self._size:
            try:
                count = self._sock.recv_into(self._view[filled:])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return filled or None
            except ssl.SSLEOFError:
                return filled
            except OSError:
                if filled:
                    return filled  # it comes again with the next call
                raise
            if count == 0:
                return filled
            filled += count
        return filled

    def write(self, data: Union[bytes, memoryview]) -> int:
        try:
            with self._lock:
                return super().write(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
