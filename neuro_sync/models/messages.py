"""What comes out of a command."""

import base64
from dataclasses import dataclass
from typing import Any

from ..wire.codec import wire_field
from .base import JsonModel, integer, text

__all__ = ["ExecResult", "Message"]

# As many bytes a repr shows, and not the megabytes that a chunk may have.
_SHOWN = 100


def _decode_bytes(value: Any) -> bytes:
    return base64.b64decode(text(value), validate=True)


def _encode_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _shortened(data: bytes) -> str:
    if len(data) <= _SHOWN:
        return repr(data)
    return "<{} bytes: {!r}...>".format(len(data), data[:_SHOWN])


def _bytes_field() -> Any:
    # The servers have no JSON for it, and JSON no bytes.
    return wire_field(decode=_decode_bytes, encode=_encode_bytes)


@dataclass(frozen=True)
class Message(JsonModel):
    """A chunk of output of a job or a command. Where chunks are cut means nothing. Bytes are base64 in JSON.

    Attributes:
        fileno: 1 for stdout, 2 for stderr.
        data: the chunk.
    """

    fileno: int = wire_field(decode=integer)
    data: bytes = _bytes_field()

    def __repr__(self) -> str:
        return "Message(fileno={!r}, data={})".format(self.fileno, _shortened(self.data))


@dataclass(frozen=True)
class ExecResult(JsonModel):
    """What became of a command. Bytes are base64 in JSON.

    Attributes:
        exit_code: its exit code.
        stdout, stderr: all that it wrote.
    """

    exit_code: int = wire_field(decode=integer)
    stdout: bytes = _bytes_field()
    stderr: bytes = _bytes_field()

    def __repr__(self) -> str:
        return "ExecResult(exit_code={!r}, stdout={}, stderr={})".format(
            self.exit_code, _shortened(self.stdout), _shortened(self.stderr)
        )
