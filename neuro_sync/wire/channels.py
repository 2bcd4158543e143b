"""The frames of an exec or attach session: one byte says the channel, the rest is its data.

Both directions, for the client and for the local platform.
"""

import json
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from ..errors import ProtocolError
from .json_text import load_json

__all__ = [
    "EXIT",
    "RESIZE",
    "STDERR",
    "STDIN",
    "STDOUT",
    "ExitStatus",
    "encode",
    "encode_exit",
    "encode_resize",
    "parse_exit",
    "parse_resize",
    "split",
]

STDIN = 0
STDOUT = 1
STDERR = 2
EXIT = 3
RESIZE = 4

_PREFIXES = tuple(bytes([channel]) for channel in range(256))


class ExitStatus(NamedTuple):
    """How a session ended: what the termination frame says."""

    exit_code: int
    message: Optional[str] = None


def encode(channel: int, payload: Union[bytes, memoryview]) -> bytes:
    """The frame that carries a payload on a channel (0 to 255)."""
    return b"".join((_PREFIXES[channel], payload))


def split(frame: bytes) -> Tuple[int, bytes]:
    """The channel and the payload of a frame.

    Raises:
        ProtocolError: the frame is empty and has no channel.
    """
    if not frame:
        raise ProtocolError("an empty frame has no channel")
    return frame[0], frame[1:]


def encode_exit(exit_code: int, message: Optional[str] = None) -> bytes:
    """The termination frame."""
    status: Dict[str, Any] = {"exit_code": exit_code}
    if message is not None:
        status["message"] = message
    return _PREFIXES[EXIT] + json.dumps(status).encode()


def parse_exit(payload: bytes) -> ExitStatus:
    """What the payload of a termination frame says.

    Raises:
        ProtocolError: it says no exit code; how the session ended is then not known.
    """
    status = _object(payload, "termination")
    exit_code = status.get("exit_code")
    # A bool is an int to Python, and a wrong answer of the server to us.
    if not isinstance(exit_code, int) or isinstance(exit_code, bool):
        raise ProtocolError("the termination frame has no exit code: {}".format(_shown(payload)))
    message = status.get("message")
    return ExitStatus(exit_code, None if message is None else str(message))


def encode_resize(height: int, width: int) -> bytes:
    """The frame that tells the size of the terminal, in rows and columns."""
    return _PREFIXES[RESIZE] + json.dumps({"height": height, "width": width}).encode()


def parse_resize(payload: bytes) -> Tuple[int, int]:
    """Rows and columns that the payload of a resize frame tells.

    Raises:
        ProtocolError: it tells no such size.
    """
    size = _object(payload, "resize")
    height, width = size.get("height"), size.get("width")
    for number in (height, width):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ProtocolError("the resize frame has no size: {}".format(_shown(payload)))
    return height, width  # type: ignore[return-value]  # the loop has checked both


def _object(payload: bytes, what: str) -> Dict[str, Any]:
    try:
        value = load_json(payload)
    except ValueError as error:
        raise ProtocolError("the {} frame is not JSON: {}".format(what, _shown(payload))) from error
    if not isinstance(value, dict):
        raise ProtocolError("the {} frame is no JSON object: {}".format(what, _shown(payload)))
    return value


def _shown(payload: bytes) -> str:
    return repr(payload[:100])
