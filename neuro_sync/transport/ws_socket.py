"""A socket that one thread reads while others write, over TLS too.

An SSL object must not be used by two threads at one moment, and a blocking one would be for as long as the peer
is silent. So the socket does not block: each call into TLS is short and under a lock, and what has to be
waited for is waited for outside of it.
"""

import os
import socket
import ssl
import threading
from typing import Optional, Union

__all__ = ["SharedSocket"]

# Just below the size from which malloc maps memory anew for each piece.
_READ_SIZE = 120 * 1024


class SharedSocket:
    """Takes over a connected socket, which may be a TLS one.

    Args:
        sock: connected, after all handshakes.
        received: bytes that were read from it already.
    """

    def __init__(self, sock: Union[socket.socket, ssl.SSLSocket], received: bytes = b"") -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received = received
        self._tls_lock: Optional[threading.Lock] = (
            threading.Lock() if isinstance(sock, ssl.SSLSocket) else None
        )
        self._buffer = bytearray(_READ_SIZE)
        self._view = memoryview(self._buffer)
        self._pid = os.getpid()

    def read(self) -> Optional[bytes]:
        """What has arrived, b"" at the end; None: nothing has.

        Raises:
            OSError: the connection broke.
        """
        if self._received:
            received, self._received = self._received, b""
            return received
        if self._tls_lock is not None:
            return self._read_tls(self._tls_lock)
        try:
            count = self._sock.recv_into(self._view)
        except (BlockingIOError, InterruptedError):
            return None
        return bytes(self._view[:count])

    def _read_tls(self, lock: threading.Lock) -> Optional[bytes]:
        # A record has 16 KiB at most: several of them cost one round of all the rest.
        filled = 0
        while filled < _READ_SIZE:
            try:
                with lock:
                    count = self._sock.recv_into(self._view[filled:])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except ssl.SSLEOFError:
                count = 0
            except OSError:
                if filled:
                    break  # it comes again with the next call
                raise
            if count == 0:
                if filled:
                    break
                return b""
            filled += count
        return bytes(self._view[:filled]) if filled else None

    def write(self, data: "Union[bytes, memoryview]") -> int:
        """Write as much as fits now; returns how much did.

        Raises:
            OSError: the connection broke.
        """
        try:
            if self._tls_lock is None:
                return self._sock.send(data)
            with self._tls_lock:
                return self._sock.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def wait_readable(self, timeout: Optional[float]) -> bool:
        from urllib3.util.wait import wait_for_read

        return bool(self._received) or bool(wait_for_read(self._sock, timeout))

    def wait_writable(self, timeout: Optional[float]) -> bool:
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
