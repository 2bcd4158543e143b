"""Opening a WebSocket: the handshake of websocket-client."""

import functools
import re
import socket
import time
from typing import Dict, NamedTuple, Optional, Sequence, Union
from urllib.parse import urlsplit, urlunsplit

from ..errors import ProtocolError
from ..wire.paths import header_value, redact
from .failures import failed, reason, refused_attempt, without
from .retry import AttemptFailed, Timeout
from .tls_socket import TlsSocket
from .ws_answer import SWITCHING, Answer, Refused
from .ws_dial import connect

__all__ = ["Opened", "open_websocket"]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_UNQUOTED = re.compile("[^!-~]")


class Opened(NamedTuple):
    """A connection after its handshake, and what was read behind it."""

    sock: Union[socket.socket, TlsSocket]
    received: bytes
    headers: Dict[str, str]
    subprotocol: Optional[str]


def open_websocket(
    url: str,
    *,
    token: str,
    subprotocols: Sequence[str],
    user_agent: str,
    timeout: Timeout,
    seconds: float,
) -> Opened:
    """Connect, through a proxy where the environment names one, and shake hands.

    Args:
        url: http, https, ws or wss.
        token: for the Authorization header.
        subprotocols: to offer.
        user_agent: value of that header.
        timeout: of the connection and of the answer.
        seconds: for all of it.

    Raises:
        AttemptFailed: with the error that the caller is to get.
    """
    address = _websocket_url(url)
    deadline = time.monotonic() + seconds
    sock = connect(url, timeout.connect, deadline)
    answer = Answer(sock, min(deadline, time.monotonic() + (timeout.read or seconds)))
    try:
        return _shake_hands(url, address, answer, token, subprotocols, user_agent)
    except BaseException:
        sock.close()
        raise


def _shake_hands(
    url: str,
    address: str,
    answer: Answer,
    token: str,
    subprotocols: Sequence[str],
    user_agent: str,
) -> Opened:
    import websocket

    client = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    header = [
        "Authorization: Bearer " + header_value(token, "the token"),
        "User-Agent: " + header_value(user_agent, "the user agent"),
    ]
    # No sub-protocols by its own option: it refuses a server that selects none.
    if subprotocols:
        header.append("Sec-WebSocket-Protocol: " + header_value(", ".join(subprotocols)))
    status: Optional[int] = None
    try:
        # It leaves the Origin out only where it is told so since 1.0; servers of others look at it.
        client.connect(
            address, socket=answer, header=header, redirect_limit=0, suppress_origin=True
        )
        response = client.handshake_response
        status = response.status
    except Refused:
        status = answer.status
    except (websocket.WebSocketException, OSError, ValueError, IndexError, TypeError) as error:
        raise _broken(url, error, answer, token) from without([token], error)
    if status != SWITCHING:
        raise _refused(url, status or 0, answer, token)
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Opened(answer.sock, answer.rest, headers, headers.get("sec-websocket-protocol"))


@functools.lru_cache(maxsize=64)
def _websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError("not a URL of a WebSocket: {!r}".format(redact(url)))
    if _UNQUOTED.search(url):
        raise ValueError("a URL with characters in it that have to be quoted")
    return urlunsplit((scheme, parts.netloc, parts.path or "/", parts.query, ""))


def _refused(url: str, status: int, answer: Answer, token: str) -> AttemptFailed:
    if status < 400:
        error = ProtocolError(
            "the server answered {} where a WebSocket was to be opened".format(status),
            status=status,
            method="GET",
            url=redact(url),
        )
        return AttemptFailed(error, sent=True, answered=True, transient=False)
    headers, body = answer.read_refusal()
    return refused_attempt(
        status, body, headers, "GET", url, [token], x_error=headers.get("X-Error")
    )


def _broken(url: str, error: Exception, answer: Answer, token: str) -> AttemptFailed:
    import websocket

    host = urlsplit(url).netloc.rpartition("@")[2]
    words = reason(error, [token])
    timed_out = isinstance(error, (socket.timeout, websocket.WebSocketTimeoutException))
    # However far the answer had come.
    lost = timed_out or isinstance(error, (OSError, websocket.WebSocketConnectionClosedException))
    if not lost and (not isinstance(error, websocket.WebSocketException) or answer.status):
        text = "{} does not speak the WebSocket protocol: {}".format(host, words)
        wrong = ProtocolError(text, method="GET", url=redact(url))
        return AttemptFailed(wrong, sent=answer.sent, answered=True, transient=False)
    text = "the connection to {} broke in the handshake: {}".format(host, words)
    return failed(text, "GET", url, sent=answer.sent, timed_out=timed_out)
