"""Opening a WebSocket: the way there, TLS, and the handshake of websocket-client."""

import functools
import re
import socket
import ssl
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import urlsplit, urlunsplit

from ..errors import ConnectionFailed, ProtocolError
from ..wire.paths import header_value, redact
from ..wire.responses import error_from_response, parse_retry_after
from .calloff import watch
from .environment import proxy_for
from .retry import AttemptFailed, Timeout
from .tls import tls_context
from .tls_socket import TlsSocket

__all__ = ["Opened", "open_websocket"]

_SWITCHING = 101
# What an answer to a handshake may have: an endless one must not fill the memory.
_LONGEST_ANSWER = 256 * 1024
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_UNQUOTED = re.compile("[^!-~]")
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


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
        timeout: of the connection and of each read.
        seconds: for all of it.

    Raises:
        AttemptFailed: with the error that the caller is to get.
    """
    address = _websocket_url(url)
    deadline = time.monotonic() + min(seconds, timeout.connect + (timeout.read or seconds))
    sock = _connect(address, min(seconds, timeout.connect))
    answer = _Answer(sock, deadline)
    try:
        return _shake_hands(address, answer, token, subprotocols, user_agent)
    except BaseException:
        sock.close()
        raise


def _shake_hands(
    url: str, answer: "_Answer", token: str, subprotocols: Sequence[str], user_agent: str
) -> Opened:
    import websocket

    client = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    header = [
        "Authorization: Bearer " + header_value(token, "the token"),
        "User-Agent: " + header_value(user_agent, "the user agent"),
    ]
    try:
        # No sub-protocols by its own option: it refuses a server that selects none.
        if subprotocols:
            header.append("Sec-WebSocket-Protocol: " + header_value(", ".join(subprotocols)))
        # It leaves the Origin out only where it is told so since 1.0; servers of others look at it.
        client.connect(url, socket=answer, header=header, redirect_limit=0, suppress_origin=True)
    except (websocket.WebSocketException, OSError, ValueError, IndexError, TypeError) as error:
        status = getattr(error, "status_code", None) or answer.status
        if status is not None and status != _SWITCHING:
            raise _refused(url, status, answer) from error
        raise _broken(url, error, answer) from error
    response = client.handshake_response
    if response is None or response.status != _SWITCHING:
        raise _refused(url, answer.status or 0, answer)
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Opened(answer.sock, answer.rest, headers, headers.get("sec-websocket-protocol"))


class _Answer:
    """Stands in for the socket while websocket-client shakes hands.

    That asks for one byte at a time until it has the end of a line: here it gets all before the end of a line at
    once. It waits for each byte anew: here all of them have one deadline. And it closes the socket at a refusal,
    whose body is still wanted.
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
        parts = line.split(None, 2)
        # A line that was cut may end in half a status.
        return int(parts[1]) if end and len(parts) > 1 and parts[1].isdigit() else None

    def recv(self, size: int) -> bytes:
        if self._position == len(self._data) and not self._fill():
            return b""
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
            raise ValueError("the answer to the handshake does not end")
        self.sock.settimeout(left)
        more = self.sock.recv(64 * 1024)
        self._data += more
        return bool(more)

    def read_body(self) -> Tuple[Dict[str, str], bytes]:
        """Headers and body of a refusal, as far as they come in time."""
        while b"\r\n\r\n" not in self._data and self._fill_quietly():
            pass
        head, _, body = self._data.partition(b"\r\n\r\n")
        headers: Dict[str, str] = {}
        for line in head.split(b"\r\n")[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                headers[name.strip().title()] = value.strip()
        length = headers.get("Content-Length", "")
        wanted = int(length) if length.isdigit() else _LONGEST_ANSWER
        while len(body) < min(wanted, _LONGEST_ANSWER) and self._fill_quietly():
            body = self._data.partition(b"\r\n\r\n")[2]
        if headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = _unchunked(body)
        return headers, body

    def _fill_quietly(self) -> bool:
        try:
            return self._fill()
        except (OSError, ValueError):
            return False  # the status is known: the words that go with it are worth no more failure

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


@functools.lru_cache(maxsize=64)
def _websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError("not a URL of a WebSocket: {!r}".format(redact(url)))
    if _UNQUOTED.search(url):
        raise ValueError("a URL with characters in it that have to be quoted")
    return urlunsplit((scheme, parts.netloc, parts.path or "/", parts.query, ""))


def _connect(url: str, timeout: float) -> Union[socket.socket, TlsSocket]:
    import websocket

    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        sock = _dial(url, timeout)
    except websocket.WebSocketProxyException as error:
        raise _proxy_refused(url, str(error)) from error
    except (OSError, websocket.WebSocketException) as error:
        text = "no connection to {}: {}".format(parts.netloc, _reason(error))
        raise AttemptFailed(_failure(text, url), sent=False) from error
    watch(sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if parts.scheme == "ws":
        return sock
    try:
        protected = TlsSocket(sock, tls_context(), host)
        protected.do_handshake(timeout)
        return protected
    except ssl.SSLCertVerificationError as error:
        sock.close()
        text = "the certificate of {} is not valid: {}".format(parts.netloc, error.verify_message)
        raise AttemptFailed(_failure(text, url), sent=False, transient=False) from error
    except (OSError, ValueError) as error:
        sock.close()
        text = "no TLS with {}: {}".format(parts.netloc, _reason(error))
        raise AttemptFailed(_failure(text, url), sent=False) from error
    except BaseException:
        sock.close()
        raise


def _dial(url: str, timeout: float) -> socket.socket:
    """A TCP connection, through the proxy where there is one; TLS comes after it."""
    from websocket._http import connect, proxy_info
    from websocket._socket import sock_opt

    parts = urlsplit(url)
    proxy = proxy_for(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    if proxy is None:
        return _dial_directly(parts.hostname or "", port, timeout)
    way = urlsplit(proxy)
    options: Dict[str, Any] = {
        "http_proxy_host": way.hostname,
        "http_proxy_port": way.port or 80,
        # Never empty: it would look into the environment, in its own way.
        "http_no_proxy": ["no.host.invalid"],
    }
    if way.username:
        options["http_proxy_auth"] = (way.username, way.password or "")
    settings = sock_opt([], {})
    settings.timeout = timeout
    plain = "ws://{}:{}/".format(parts.hostname, port)
    sock, _ = connect(plain, settings, proxy_info(**options), None)
    assert isinstance(sock, socket.socket)
    return sock


def _dial_directly(host: str, port: int, timeout: float) -> socket.socket:
    """``socket.create_connection``, but one that can be called off."""
    failure: Optional[OSError] = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            watch(sock)
            sock.settimeout(timeout)
            sock.connect(address)
            return sock
        except OSError as error:
            failure = failure or error
            if sock is not None:
                sock.close()
        except BaseException:
            if sock is not None:
                sock.close()
            raise
    raise failure or OSError("{} has no address".format(host))


def _refused(url: str, status: int, answer: _Answer) -> AttemptFailed:
    headers, body = answer.read_body()
    if status < 400:
        error: Exception = ProtocolError(
            "the server answered {} where a WebSocket was to be opened".format(status),
            status=status,
            method="GET",
            url=redact(url),
        )
        return AttemptFailed(error, sent=True, answered=True, transient=False)
    error = error_from_response(
        status, body, headers=headers, method="GET", url=url, x_error=headers.get("X-Error")
    )
    wait = parse_retry_after(headers.get("Retry-After"), date=headers.get("Date"))
    return AttemptFailed(
        error,
        sent=True,
        answered=True,
        transient=status in _TRANSIENT,
        retry_after=wait if status in (429, 503) else None,
        invited=status == 429 or (status == 503 and wait is not None),
    )


def _broken(url: str, error: Exception, answer: _Answer) -> AttemptFailed:
    import websocket

    host = urlsplit(url).netloc
    timed_out = isinstance(error, (socket.timeout, websocket.WebSocketTimeoutException))
    # However far the answer had come.
    lost = timed_out or isinstance(error, (OSError, websocket.WebSocketConnectionClosedException))
    if not lost and (not isinstance(error, websocket.WebSocketException) or answer.status):
        text = "{} does not speak the WebSocket protocol: {}".format(host, _reason(error))
        wrong = ProtocolError(text, method="GET", url=redact(url))
        return AttemptFailed(wrong, sent=answer.sent, answered=True, transient=False)
    text = "the connection to {} broke in the handshake: {}".format(host, _reason(error))
    return AttemptFailed(_failure(text, url), sent=answer.sent, timed_out=timed_out)


def _proxy_refused(url: str, words: str) -> AttemptFailed:
    host = urlsplit(url).netloc
    error = _failure("the proxy for {} refused: {}".format(host, words[:200]), url)
    digits = [word for word in words.replace(":", " ").split() if word.isdigit()]
    if digits and len(digits[-1]) == 3:
        error.status = int(digits[-1])
    return AttemptFailed(error, sent=False, transient=error.status != 407)


def _failure(text: str, url: str) -> ConnectionFailed:
    return ConnectionFailed(text, method="GET", url=redact(url))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error)[:200] or type(error).__name__


def _unchunked(body: bytes) -> bytes:
    parts: List[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            break
        if length == 0:
            break
        parts.append(body[:length])
        body = body[length + 2 :]
    return b"".join(parts)
