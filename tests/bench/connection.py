"""HTTP and WebSocket for a server that costs next to nothing: as much of both as the two clients speak."""

import asyncio
import base64
import hashlib
import re
import struct

from neuro_sync.transport.ws_mask import apply_mask

__all__ = ["Connection", "Echo", "Idle", "Sender", "Swallow", "frame", "head"]

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_HIGH_WATER = 256 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"\r\nSec-WebSocket-Key: *(\S+)", re.I)
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.I)
_GOODBYE = struct.pack("!H", 1000)


def frame(payload, opcode=_BINARY):
    """A WebSocket frame as servers send it: unmasked."""
    if len(payload) < 126:
        start = struct.pack("!BB", 0x80 | opcode, len(payload))
    elif len(payload) < 65536:
        start = struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
    else:
        start = struct.pack("!BBQ", 0x80 | opcode, 127, len(payload))
    return start + payload


def head(status, body=None, content_type="application/json"):
    """The head of an answer; without a body it comes in chunks."""
    lines = ["HTTP/1.1 " + status, "Content-Type: " + content_type]
    if body is None:
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append("Content-Length: {}".format(len(body)))
    lines += ["Date: Mon, 14 Sep 2026 10:00:00 GMT", "Server: bench"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, until one of them makes it a WebSocket.

    Args:
        answer: called with method, target and body; returns the parts of an answer, or what a WebSocket is about.
    """

    def __init__(self, answer):
        self._answer = answer
        self._received = b""
        self._stream = None
        self._parts = iter(())
        self._paused = False
        self._pumping = False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    def connection_lost(self, error):
        self._parts = iter(())

    def pause_writing(self):
        self._paused = True

    def resume_writing(self):
        self._paused = False
        self._pump()

    def send(self, parts):
        """Send parts, as fast as the client takes them."""
        self._parts = iter(parts)
        self._pump()

    def _pump(self):
        if self._pumping:
            return  # a write in the loop below made room at once
        self._pumping = True
        while not self._paused:
            part = next(self._parts, None)
            if part is None:
                break
            self.transport.write(part)
        self._pumping = False

    def data_received(self, data):
        if self._stream is not None:
            self._stream.feed(data)
            return
        self._received = self._received + data if self._received else data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        start = self._received[:end]
        method, target, _ = start.split(b" ", 2)
        length = _LENGTH.search(start) if method == b"POST" else None
        stop = end + 4 + (int(length.group(1)) if length else 0)
        if stop > len(self._received):
            return
        self._received = b""
        answer = self._answer(method, target.decode())
        if isinstance(answer, bytes):
            self.transport.write(answer)
        elif isinstance(answer, _Stream):
            self._upgrade(start, answer)
        else:
            self.send(answer)

    def _upgrade(self, start, stream):
        key = _KEY.search(start).group(1)
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._stream = stream
        stream.began(self)


class _Stream:
    """What a WebSocket is about: gets the frames of the client."""

    _rest = b""
    _said_goodbye = False
    # A frame whose payload has not all come.
    _opcode = 0
    _mask = b""
    _missing = 0

    def began(self, connection):
        self._connection = connection
        self._parts = []

    def message(self, parts, mask):
        """A message of the client has come, masked."""

    def goodbye(self):
        """Close the WebSocket; the client answers, and that ends the connection."""
        self._said_goodbye = True
        return frame(_GOODBYE, _CLOSE)

    def feed(self, data):
        data = self._rest + data if self._rest else data
        self._rest = b""
        position, end = 0, len(data)
        while position < end or not self._missing:
            if not self._missing:
                start = self._read_head(data, position)
                if start is None:
                    self._rest = data[position:]
                    return
                position = start
            stop = min(position + self._missing, end)
            self._parts.append(data[position:stop])
            self._missing -= stop - position
            position = stop
            if not self._missing:
                parts, self._parts = self._parts, []
                self._take(self._opcode, parts, self._mask)

    def _read_head(self, data, position):
        """Where the payload begins; None: the head is not all there."""
        if len(data) - position < 6:
            return None
        start, length = position + 2, data[position + 1] & 0x7F
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        if start + 4 > len(data):
            return None
        self._opcode, self._mask = data[position] & 0x0F, data[start : start + 4]
        self._missing = length
        return start + 4

    def _take(self, opcode, parts, mask):
        if opcode in (_TEXT, _BINARY):
            self.message(parts, mask)
        elif opcode == _PING:
            self._connection.transport.write(frame(apply_mask(b"".join(parts), mask), _PONG))
        elif opcode == _CLOSE:
            if not self._said_goodbye:
                self._connection.transport.write(self.goodbye())
            self._connection.transport.close()


class Idle(_Stream):
    """Nothing happens but pings."""


class Sender(_Stream):
    """Sends blocks of frames, and closes the WebSocket."""

    def __init__(self, blocks):
        self._blocks = blocks

    def began(self, connection):
        super().began(connection)
        connection.send(self._all())

    def _all(self):
        yield from self._blocks
        yield self.goodbye()


class Echo(_Stream):
    """Sends back what comes.

    Args:
        channel: the byte in front of each message from the server and from the client, if there is one.
    """

    def __init__(self, channel=b""):
        self._channel = channel

    def began(self, connection):
        super().began(connection)
        if self._channel:
            connection.transport.write(frame(self._channel))

    def message(self, parts, mask):
        payload = apply_mask(parts[0] if len(parts) == 1 else b"".join(parts), mask)
        self._connection.transport.write(frame(self._channel + payload[len(self._channel) :]))


class Swallow(_Stream):
    """Takes so many bytes, says that they have come, and closes the WebSocket."""

    def __init__(self, size):
        self._left = size

    def message(self, parts, mask):
        self._left -= sum(map(len, parts))
        if self._left <= 0 and not self._said_goodbye:
            self._connection.transport.write(frame(b"!") + self.goodbye())
