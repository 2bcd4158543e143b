"""Frames of RFC 6455, without a socket: bytes in, messages out; messages in, bytes out."""

import codecs
import struct
from typing import List, NamedTuple, Optional

from ..errors import ProtocolError

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "CloseFrame",
    "FrameError",
    "FrameParser",
    "close_payload",
    "frame_header",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN = 0x80
_MASKED = 0x80
_WHOLE_BINARY = _FIN | BINARY
_WHOLE_TEXT = _FIN | TEXT
_WHOLE = (_WHOLE_BINARY, _WHOLE_TEXT)
_SHORT = 64 * 1024
_MESSAGE_LIMIT = 64 * 1024 * 1024
_NORMAL, _GOING_WRONG, _NOT_TEXT, _TOO_BIG = 1000, 1002, 1007, 1009


class CloseFrame(NamedTuple):
    """How the peer said goodbye; 1005: without a code."""

    code: int
    reason: str


class FrameError(ProtocolError):
    """The peer broke the rules.

    Attributes:
        close_code: what to tell it in the close frame.
    """

    def __init__(self, message: str, close_code: int = _GOING_WRONG) -> None:
        super().__init__(message)
        self.close_code = close_code


class FrameParser:
    """Cuts the bytes of a connection into messages, in linear time and bounded memory.

    Text and binary messages both come as bytes; text is checked to be UTF-8. Masked frames of a server are
    against the rules but harmless, and are taken.

    Attributes:
        pings: payloads of pings that wait for their pongs.
        closed: the close frame, once it has come.
        error: how the peer broke the rules, once it has.
        over: whether there is one of the two. What comes behind it does not count.
    """

    def __init__(self, message_limit: int = _MESSAGE_LIMIT) -> None:
        self.pings: List[bytes] = []
        self.closed: Optional[CloseFrame] = None
        self.error: Optional[FrameError] = None
        self.over = False
        self._limit = message_limit
        self._rest = b""
        # A frame whose payload has not all come.
        self._parts: List[bytes] = []
        self._missing = 0
        self._head = 0
        self._mask: Optional[bytes] = None
        # A message whose frames have not all come.
        self._fragments: List[bytes] = []
        self._fragments_size = 0
        self._fragments_opcode = 0
        self._text_check: Optional[codecs.IncrementalDecoder] = None

    def feed(self, data: bytes) -> List[bytes]:
        """Returns the messages that are complete now, also those before what breaks the rules."""
        messages: List[bytes] = []
        position = 0
        if not self._missing:
            if self._rest:
                data = self._rest + data
                self._rest = b""
            position = self._take_short(data, 0, messages)
            if position == len(data):
                return messages
        try:
            self._take_others(data, position, messages)
        except FrameError as error:
            self.error, self.over = error, True
        return messages

    def _take_others(self, data: bytes, position: int, messages: List[bytes]) -> None:
        if self._missing:
            position = self._take_short(data, self._fill(data, messages), messages)
        end = len(data)
        while not self.over and end - position >= 2:
            first, second = data[position], data[position + 1]
            start, length = position + 2, second & 0x7F
            if length > 125:
                if length == 126:
                    start += 2
                    if start > end:
                        break
                    length = data[position + 2] << 8 | data[position + 3]
                else:
                    start += 8
                    if start > end:
                        break
                    length = int.from_bytes(data[position + 2 : start], "big")
            stop = start + length
            if first in _WHOLE and second < _MASKED and stop <= end and not self._fragments_opcode:
                if length > self._limit:
                    raise self._too_big(length)
                if self._take_whole(first, data[start:stop], messages):
                    position = stop
                    continue
            self._check(first, second, length)
            mask = None
            if second & _MASKED:
                if start + 4 > end:
                    break
                mask = data[start : start + 4]
                start, stop = start + 4, stop + 4
            if stop <= end:
                self._take(first, _unmasked(data[start:stop], mask), messages)
                position = stop
                continue
            self._head, self._mask = first, mask
            self._missing = stop - end
            self._parts = [data[start:]]
            return
        self._rest = b"" if self.over else data[position:]

    def _take_whole(self, first: int, payload: bytes, messages: List[bytes]) -> bool:
        """Take a message of one frame, unless its text has to be looked at more closely."""
        # ASCII is UTF-8, and the check costs next to nothing.
        if first == _WHOLE_BINARY or payload.isascii():
            messages.append(payload)
            return True
        return False

    def _take_short(self, data: bytes, position: int, messages: List[bytes]) -> int:
        """The short way for what comes most: whole messages of less than 64 KiB, binary or ASCII.

        Returns:
            Where something else begins.
        """
        if self._fragments_opcode or self._limit < _SHORT or self.over:
            return position
        end = len(data)
        while position + 4 <= end:
            first = data[position]
            if first != _WHOLE_BINARY and first != _WHOLE_TEXT:
                break
            length = data[position + 1]
            start = position + 2
            if length == 126:
                start = position + 4
                length = data[position + 2] << 8 | data[position + 3]
            elif length > 126:
                break
            stop = start + length
            if stop > end:
                break
            payload = data[start:stop]
            if first != _WHOLE_BINARY and not payload.isascii():
                break
            messages.append(payload)
            position = stop
        return position

    def _fill(self, data: bytes, messages: List[bytes]) -> int:
        """Complete the frame that is under way, or take all; returns where the next one begins."""
        size = self._missing
        if len(data) < size:
            self._parts.append(data)
            self._missing -= len(data)
            return len(data)
        self._parts.append(data[:size])
        payload = _unmasked(b"".join(self._parts), self._mask)
        self._parts, self._missing = [], 0
        self._take(self._head, payload, messages)
        return size

    def _check(self, first: int, second: int, length: int) -> None:
        """Refuse a frame by its header, before any of its payload is read."""
        opcode = first & 0x0F
        if first & 0x70:
            raise FrameError("a frame with reserved bits")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise FrameError("a frame with the unknown opcode {}".format(opcode))
            if not first & _FIN:
                raise FrameError("a control frame in fragments")
            if length > 125:
                raise FrameError("a control frame of {} bytes".format(length))
            return
        if opcode > BINARY:
            raise FrameError("a frame with the unknown opcode {}".format(opcode))
        if (opcode == CONTINUATION) != bool(self._fragments_opcode):
            raise FrameError("a fragment that does not belong to a message")
        if length + self._fragments_size > self._limit:
            raise self._too_big(length + self._fragments_size)

    def _too_big(self, length: int) -> FrameError:
        return FrameError(
            "a message of {} bytes, more than {}".format(length, self._limit), _TOO_BIG
        )

    def _take(self, first: int, payload: bytes, messages: List[bytes]) -> None:
        opcode = first & 0x0F
        if opcode == PING:
            self.pings.append(payload)
        elif opcode == CLOSE:
            self.closed, self.over = _parse_close(payload), True
        elif opcode != PONG:
            self._take_data(opcode, bool(first & _FIN), payload, messages)

    def _take_data(self, opcode: int, final: bool, payload: bytes, messages: List[bytes]) -> None:
        kind = opcode or self._fragments_opcode
        if kind == TEXT:
            self._check_text(payload, final)
        if final and not self._fragments_opcode:
            messages.append(payload)
            return
        self._fragments_opcode = kind
        self._fragments.append(payload)
        self._fragments_size += len(payload)
        if final:
            messages.append(b"".join(self._fragments))
            self._fragments, self._fragments_size, self._fragments_opcode = [], 0, 0

    def _check_text(self, payload: bytes, final: bool) -> None:
        if self._text_check is None:
            self._text_check = codecs.getincrementaldecoder("utf-8")()
        try:
            self._text_check.decode(payload, final)
        except UnicodeDecodeError as error:
            raise FrameError("a text message that is not UTF-8", _NOT_TEXT) from error
        if final:
            self._text_check = None


def frame_header(opcode: int, length: int, mask: bytes) -> bytes:
    """The header of a whole message from a client."""
    first = _FIN | opcode
    if length < 126:
        return struct.pack("!BB4s", first, _MASKED | length, mask)
    if length < 65536:
        return struct.pack("!BBH4s", first, _MASKED | 126, length, mask)
    return struct.pack("!BBQ4s", first, _MASKED | 127, length, mask)


def close_payload(code: int) -> bytes:
    return struct.pack("!H", code)


def _unmasked(payload: bytes, mask: Optional[bytes]) -> bytes:
    if mask is None:
        return payload
    from .ws_mask import apply_mask

    return apply_mask(payload, mask)


def _parse_close(payload: bytes) -> CloseFrame:
    if not payload:
        return CloseFrame(1005, "")
    if len(payload) == 1:
        raise FrameError("a close frame of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not ((1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999):
        raise FrameError("a close frame with the code {}".format(code))
    try:
        return CloseFrame(code, payload[2:].decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FrameError("a close frame whose reason is not UTF-8", _NOT_TEXT) from error
