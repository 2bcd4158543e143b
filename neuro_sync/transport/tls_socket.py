"""TLS in memory: bytes of the peer in, bytes for the peer out; and a socket that speaks it."""

import socket
import ssl
import time
from typing import Optional, Union

__all__ = ["TlsLayer", "TlsSocket"]

_AT_ONCE = 64 * 1024
# More than a record has.
_RECORD = 17 * 1024


class TlsLayer:
    """One TLS connection without its socket.

    OpenSSL with a socket of its own makes two calls into the system for each record of 16 KiB. This way one
    call brings or takes many records.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._view = memoryview(b"")
        self._cut = False
        self._error: Optional[ssl.SSLError] = None
        #: Whether :meth:`read` may have something though nothing was fed since the last one.
        self.more = True

    def handshake(self) -> bool:
        """Take it as far as what was fed goes. True: it is complete.

        Raises:
            ssl.SSLError: of the handshake, or of the certificate.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take bytes of the peer; b"" is the end of them."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
            self._cut = True

    def read(self) -> Optional[bytes]:
        """What the peer has said in the bytes that were fed, b"" at the end; None: nothing yet.

        Raises:
            ssl.SSLError: the peer, or somebody on the way, broke the rules.
        """
        if self._error is not None:
            raise self._error
        # Room for all of it, and for the part of a record that was fed before.
        wanted = self._incoming.pending + _RECORD
        if wanted > len(self._view):
            self._view = memoryview(bytearray(wanted))
        filled = 0
        ended = False
        while filled < len(self._view):
            try:
                count = self._read_into(self._view[filled:])
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                # Of an end that nobody announced Python 3.7 does not say that it is one.
                if not self._cut and not isinstance(error, ssl.SSLEOFError):
                    if not filled:
                        raise
                    self._error = error
                count = 0
            if not count:
                ended = True
                break
            filled += count
            if not self._incoming.pending and not self._object.pending():
                break
        # What ended it comes with the next call, if there was something before.
        self.more = filled == len(self._view) or (ended and filled > 0)
        return bytes(self._view[:filled]) if filled or ended else None

    def _read_into(self, view: memoryview) -> int:
        return self._object.read(len(view), view)  # type: ignore[return-value]

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
                left = deadline - time.monotonic()
                if left <= 0:
                    raise socket.timeout("timed out")
                self.plain.settimeout(left)
                self._fill()
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
        while True:
            data = self.layer.read()
            self._flush()
            if data is not None:
                return data
            self._fill()

    def sendall(self, data: bytes) -> None:
        """Send it all."""
        while data:
            taken = self.layer.write(data)
            self._flush()
            if not taken:
                self._fill()
            data = data[taken:]

    def _fill(self) -> None:
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
