"""TLS in memory: bytes of the peer in, bytes for the peer out; and a socket that speaks it."""

import socket
import ssl
import time
from typing import List, Optional, Union

__all__ = ["TlsLayer", "TlsSocket"]

_AT_ONCE = 64 * 1024
# The most that a record has.
_RECORD = 16 * 1024


class TlsLayer:
    """One TLS connection without its socket, for one thread at a time.

    OpenSSL with a socket of its own makes two calls into the system for each record of 16 KiB. This way one
    call brings or takes many records.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._arrived = memoryview(b"")
        self._over = False
        self._error: Optional[ssl.SSLError] = None
        #: Whether :meth:`read` may have something though nothing was fed since the last one.
        self.more = True

    def handshake(self) -> bool:
        """Take it as far as what was fed goes. True: it is complete.

        Raises:
            ssl.SSLError: of the handshake, or of the certificate.
        """
        if self._arrived:
            self._incoming.write(self._arrived)
            self._arrived = memoryview(b"")
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; b"" is the end of them. All that came before has to be read by now."""
        self._arrived = memoryview(data)
        if not data:
            self._incoming.write_eof()
            self._over = True

    def read(self) -> Optional[bytes]:
        """What the peer has said in the bytes that were fed, b"" at the end; None: nothing yet.

        Raises:
            ssl.SSLError: the peer, or somebody on the way, broke the rules.
        """
        if self._error is not None:
            raise self._error
        records: List[bytes] = []
        try:
            record = self._record()
            while record:
                records.append(record)
                record = self._record()
        except ssl.SSLError as error:
            if not records:
                raise
            self._error, record = error, b""
        # What ended it comes with the next call, if there was something before.
        self.more = bool(records) and record is not None
        return b"".join(records) if records else record

    def _record(self) -> Optional[bytes]:
        """The content of the next record, b"" at the end; None: it has not all come."""
        while True:
            if self._arrived and self._incoming.pending < _RECORD:
                # In pieces that stay in the cache.
                self._incoming.write(self._arrived[:_AT_ONCE])
                self._arrived = self._arrived[_AT_ONCE:]
            if not self._incoming.pending and not self._over:
                return None
            try:
                record = self._object.read(_RECORD)
                self._over = self._over or not record
                return record
            except ssl.SSLWantReadError:
                if not self._arrived:
                    return None
            except ssl.SSLError as error:
                # Of an end that nobody announced Python 3.7 does not say that it is one.
                if not self._over and not isinstance(error, ssl.SSLEOFError):
                    raise
                return b""

    def write(self, data: Union[bytes, memoryview]) -> int:
        """Say something to the peer: :meth:`to_send` has the bytes. Returns how much of it was taken.

        Raises:
            ssl.SSLError: the connection is broken.
        """
        try:
            return self._object.write(data)
        except ssl.SSLWantReadError:
            return 0  # the peer wants a new handshake first

    def to_send(self) -> bytes:
        """The bytes that have to go to the peer now, in this order; each only once."""
        return self._outgoing.read()


class TlsSocket:
    """What a blocking socket can, over TLS, for one thread: enough to shake hands.

    Args:
        plain: connected.
        context: the settings.
        host: whose certificate it has to be.

    Attributes:
        plain: the socket below.
        layer: the TLS between the two.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self.plain = plain
        self.layer = TlsLayer(context, host)

    def do_handshake(self, seconds: float) -> None:
        """Agree on the keys, in so many seconds.

        Raises:
            OSError: ssl.SSLCertVerificationError, another ssl.SSLError, or what the socket says.
        """
        deadline = time.monotonic() + seconds
        try:
            while not self.layer.handshake():
                self._flush()
                self._fill(deadline)
        except ssl.SSLError:
            self._tell_why()
            raise
        self._flush()

    def _tell_why(self) -> None:
        try:
            self._flush()  # an alert: the server's log is where somebody will look
        except OSError:
            pass  # it has gone already

    def recv(self, size: int) -> bytes:
        """Wait for some bytes, b"" at the end. ``size`` is no more than a wish."""
        timeout = self.plain.gettimeout()
        # Of all pieces of a record together: they may drip.
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            data = self.layer.read()
            self._flush()
            if data is not None:
                return data
            self._fill(deadline)

    def sendall(self, data: bytes) -> None:
        """Send it all.

        Raises:
            OSError: the connection broke, or the server wants another handshake before it has said anything.
        """
        if self.layer.write(data) != len(data):
            raise ssl.SSLError("the server does not let anything be said after the handshake")
        self._flush()

    def _fill(self, deadline: Optional[float]) -> None:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self.plain.settimeout(left)
        self.layer.feed(self.plain.recv(_AT_ONCE))

    def _flush(self) -> None:
        data = self.layer.to_send()
        if data:
            self.plain.sendall(data)

    def settimeout(self, timeout: Optional[float]) -> None:
        self.plain.settimeout(timeout)

    def fileno(self) -> int:
        return self.plain.fileno()

    def close(self) -> None:
        self.plain.close()
