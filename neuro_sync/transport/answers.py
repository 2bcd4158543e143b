"""What a request is answered with: all of it at once, or as it comes."""

import socket
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    TypeVar,
)

from ..errors import ConnectionFailed, NeuroError, ProtocolError
from ..wire.json_text import load_json
from ..wire.paths import redact
from .failures import failed_attempt

if TYPE_CHECKING:
    import requests

__all__ = ["HttpResponse", "HttpStream", "chunks", "in_time"]

T = TypeVar("T")
_CHUNK = 64 * 1024


class HttpResponse(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    attempts: int
    method: Optional[str] = None
    url: Optional[str] = None

    def json(self) -> Any:
        """The body, decoded.

        Raises:
            ProtocolError: it is not JSON.
        """
        return self.decode(lambda value: value)

    def decode(self, function: Callable[[Any], T]) -> T:
        """What a function makes of the decoded body.

        Raises:
            ProtocolError: it is not JSON, or not what the function expects; says which answer it was.
        """
        try:
            return function(self._value())
        except ProtocolError as error:
            error.status, error.attempts, error.method = self.status, self.attempts, self.method
            error.url = None if self.url is None else redact(self.url)
            raise

    def _value(self) -> Any:
        try:
            return load_json(self.body)
        except ValueError as error:
            raise ProtocolError("the answer is not JSON") from error


class HttpStream:
    """An answer that is read as it comes: iterate its bytes. A context manager.

    Raises, while it is read:
        ConnectionFailed: the answer was cut, or nothing came for as long as the read time-out, or it was
            not over in time.
    """

    def __init__(
        self,
        response: "requests.Response",
        attempts: int,
        method: str,
        url: str,
        is_late: Optional[Callable[[], bool]] = None,
    ) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.attempts = attempts
        self._response = response
        self._method = method
        self._url = url
        self._is_late = is_late
        self._socket = _socket_of(response)
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            pieces = chunks(self._response)
            yield from pieces if self._is_late is None else in_time(pieces, self._is_late)
            # All of it was read: the connection has gone back to its pool, and is not this stream's any more.
            self._socket = None
        except Exception as error:
            if self._closed:
                return
            failed = failed_attempt(error, self._method, self._url, answered=True).error
            if isinstance(failed, NeuroError):
                self.mark(failed)
            raise failed from error
        finally:
            # Whatever interrupted it, an answer that was read in part leaves its connection unusable.
            self._response.close()

    def mark(self, error: NeuroError) -> None:
        """Tell an error that is about this answer which one it is."""
        error.status, error.attempts = self.status, self.attempts
        error.method, error.url = self._method, redact(self._url)

    def close(self) -> None:
        """End it, from any thread; a reader sees the end at once."""
        self._closed = True
        open_socket = self._socket
        if open_socket is not None:
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already
        self._response.close()

    def __enter__(self) -> "HttpStream":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def chunks(response: "requests.Response") -> Iterator[bytes]:
    """The body in pieces as they arrive, decoded; never waits for a piece to be full."""
    raw = response.raw
    if getattr(raw, "chunked", False) and hasattr(raw, "read_chunked"):
        yield from raw.stream(_CHUNK, decode_content=True)
        return
    read1 = getattr(raw, "read1", None)
    if read1 is None or not hasattr(raw, "_fp"):
        # urllib3 1.x, and what tests put in its place.
        yield from raw.stream(_CHUNK, decode_content=True)
        if getattr(raw, "length_remaining", None):
            # It takes a connection that ended early for the end of the body.
            raise ConnectionError("the answer ended {} bytes early".format(raw.length_remaining))
        return
    encoded = "Content-Encoding" in raw.headers
    while True:
        chunk = read1(_CHUNK, decode_content=encoded)
        if not chunk:
            return
        yield chunk
        if raw.length_remaining == 0 and not encoded:
            return  # that was all, and nothing is left in a decoder


def in_time(pieces: Iterable[bytes], is_late: Callable[[], bool]) -> Iterator[bytes]:
    """The pieces, until it is late: bytes that drip would keep each time-out from passing."""
    for piece in pieces:
        if is_late():
            raise ConnectionFailed("the answer took longer than the deadline")
        yield piece


def _socket_of(response: "requests.Response") -> Optional[socket.socket]:
    connection = getattr(response.raw, "_connection", None)
    found = getattr(connection, "sock", None)
    return found if isinstance(found, socket.socket) else None
