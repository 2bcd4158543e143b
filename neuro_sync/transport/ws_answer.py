"""What is read before a WebSocket is open: the answer of a proxy, and the answer to the handshake."""

import re
import socket
import time
from typing import Dict, List, Optional, Tuple, Union

from .tls_socket import TlsSocket

__all__ = ["SWITCHING", "Answer", "Refused"]

SWITCHING = 101
# What an answer may have: an endless one must not fill the memory.
_LONGEST_ANSWER = 256 * 1024
# Seconds to wait for the words of a refusal whose status is known.
_WORDS = 2.0
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile("[0-9]{1,18}")


class Refused(Exception):
    """The status is another one than that of a handshake that went well."""


class Answer:
    """An answer to what is sent, with one deadline and a bound.

    Stands in for the socket while websocket-client shakes hands. That asks for one byte at a time until it has the
    end of a line: here it gets all before the end of a line at once. It waits for each byte anew: here all of them
    have one deadline. And it puts a refusal into words of its own, in which a secret may be: here it sees none.

    Attributes:
        sock: the socket.
        sent: something was sent, the server may have got it.
    """

    def __init__(self, sock: Union[socket.socket, TlsSocket], deadline: float) -> None:
        self.sock = sock
        self._deadline = deadline
        self._data = b""
        self._position = 0
        self.sent = False

    @property
    def rest(self) -> bytes:
        return self._data[self._position :]

    @property
    def status(self) -> Optional[int]:
        line, end, _ = self._data.partition(b"\n")
        try:
            # A line that was cut may end in half a status.
            return int(line.split(None, 2)[1]) if end else None
        except (ValueError, IndexError):
            return None

    def recv(self, size: int) -> bytes:
        if self._position == len(self._data) and not self._fill():
            return b""
        if self.status not in (None, SWITCHING):
            raise Refused
        begin = self._position
        end = self._data.find(b"\n", begin)
        if end < 0:
            end = len(self._data)
        self._position = max(end, begin + 1)
        return self._data[begin : self._position]

    def _fill(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if len(self._data) > _LONGEST_ANSWER:
            raise ValueError("the answer does not end")
        self.sock.settimeout(left)
        more = self.sock.recv(64 * 1024)
        self._data += more
        return bool(more)

    def read_head(self) -> None:
        """Wait until all of the head is there.

        Raises:
            OSError, ValueError: it does not come, not in time, or does not end.
        """
        while not _BLANK_LINE.search(self._data):
            if not self._fill():
                raise ConnectionError("it ended without an answer")

    def read_refusal(self) -> Tuple[Dict[str, str], bytes]:
        """Headers and body, as far as they come soon: the status is known, and worth no failure."""
        self._deadline = min(self._deadline, time.monotonic() + _WORDS)
        while True:
            headers, body, complete = _refusal(self._data)
            try:
                if complete or not self._fill():
                    return headers, body
            except (OSError, ValueError):
                return headers, body

    def send(self, data: bytes) -> int:
        self.sent = True
        self.sock.settimeout(max(0.001, self._deadline - time.monotonic()))
        self.sock.sendall(data)
        return len(data)

    def gettimeout(self) -> Optional[float]:
        # With a time-out websocket-client waits with select before each byte.
        return None

    def settimeout(self, timeout: Optional[float]) -> None:
        pass

    def fileno(self) -> int:
        return self.sock.fileno()

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


def _refusal(data: bytes) -> Tuple[Dict[str, str], bytes, bool]:
    """Headers and body of an answer that is still coming, and whether that is all of it."""
    blank = _BLANK_LINE.search(data)
    head, body = (data, b"") if blank is None else (data[: blank.start()], data[blank.end() :])
    headers: Dict[str, str] = {}
    for line in head.splitlines()[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip().title()] = value.strip()
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        body, complete = _unchunked(body)
        return headers, body, complete
    length = headers.get("Content-Length", "")
    complete = blank is not None and bool(_LENGTH.fullmatch(length)) and len(body) >= int(length)
    return headers, body, complete


def _unchunked(body: bytes) -> Tuple[bytes, bool]:
    """What is in the chunks, and whether no more of them can follow."""
    parts: List[bytes] = []
    begin = 0
    while True:
        end = body.find(b"\r\n", begin)
        if end < 0:
            return b"".join(parts), False
        try:
            size = int(body[begin:end].split(b";")[0], 16)
        except ValueError:
            size = 0
        if size <= 0:  # the last one, or nonsense
            return b"".join(parts), True
        begin = end + 2 + size + 2
        parts.append(body[end + 2 : begin - 2])
