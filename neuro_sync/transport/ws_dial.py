"""The way of a WebSocket to its server: TCP, a proxy where the environment names one, TLS."""

import base64
import socket
import ssl
import time
from typing import Any, Callable, NamedTuple, Tuple, Union
from urllib.parse import unquote, urlsplit

from .environment import proxy_for
from .failures import failed, reason
from .retry import AttemptFailed
from .tcp import dial
from .tls import tls_context
from .tls_socket import TlsSocket
from .ws_answer import Answer

__all__ = ["connect"]

_OVER_TLS = ("https", "wss")


class _Target(NamedTuple):
    url: str
    netloc: str
    host: str
    port: int

    def failed(self, text: str, why: object = "", **facts: Any) -> AttemptFailed:
        return failed(text.format(self.netloc, why), "GET", self.url, sent=False, **facts)


def connect(url: str, timeout: float, deadline: float) -> Union[socket.socket, TlsSocket]:
    """Connect to the server of a URL.

    Args:
        url: http, https, ws or wss.
        timeout: seconds for the connection to each address, again for the answer of a proxy, and again for TLS.
        deadline: of all of it, by the monotonic clock.

    Raises:
        AttemptFailed: with the error that the caller is to get.
    """
    parts = urlsplit(url)
    secure = parts.scheme in _OVER_TLS
    netloc = parts.netloc.rpartition("@")[2]
    target = _Target(url, netloc, parts.hostname or "", parts.port or (443 if secure else 80))

    def left() -> float:
        return max(0.001, min(timeout, deadline - time.monotonic()))

    proxy = proxy_for(url)
    if proxy is not None:
        sock = _tunnel(proxy, target, left)
    else:
        try:
            sock = dial(target.host, target.port, left)
        except (OSError, ValueError) as error:
            raise target.failed("no connection to {}: {}", reason(error)) from error
    try:
        return _with_tls(sock, target, left()) if secure else sock
    except BaseException:
        sock.close()
        raise


def _with_tls(sock: socket.socket, target: _Target, timeout: float) -> TlsSocket:
    try:
        protected = TlsSocket(sock, tls_context(), target.host)
        protected.do_handshake(timeout)
        return protected
    except ssl.SSLCertVerificationError as error:
        text = "the certificate of {} is not valid: {}"
        raise target.failed(text, error.verify_message, transient=False) from error
    except (OSError, ValueError) as error:
        raise target.failed("no TLS with {}: {}", reason(error)) from error


def _tunnel(proxy: str, target: _Target, left: Callable[[], float]) -> socket.socket:
    """A connection to the target that a proxy has made."""
    host, port, login = _read(proxy, target)
    try:
        sock = dial(host, port, left)
    except (OSError, ValueError) as error:
        raise target.failed("no connection to the proxy for {}: {}", reason(error)) from error
    try:
        status = _ask(Answer(sock, time.monotonic() + left()), target, login)
        if 200 <= status < 300:
            return sock
        text = "the proxy for {} refused: it answered {}"
        raise target.failed(text, status, transient=status != 407, status=status)
    except socket.timeout as error:
        sock.close()
        text = "the proxy for {} did not answer in time"
        raise target.failed(text, timed_out=True) from error
    except (OSError, ValueError) as error:
        sock.close()
        raise target.failed("the proxy for {} failed: {}", reason(error)) from error
    except BaseException:
        sock.close()
        raise


def _read(proxy: str, target: _Target) -> Tuple[str, int, str]:
    """Host, port, and what the proxy wants to know of who asks; "" where that is not told."""
    try:
        parts = urlsplit(proxy)
        scheme, host, port = parts.scheme, parts.hostname, parts.port or 80
        login = ""
        if parts.username and parts.password is not None:
            both = "{}:{}".format(unquote(parts.username), unquote(parts.password))
            # As requests does it.
            login = base64.b64encode(both.encode("latin-1")).decode("ascii")
    except ValueError:
        host = None
    if not host:
        # The error of the library may show the password.
        raise target.failed("the URL of the proxy for {} is none", transient=False)
    if scheme != "http":
        text = "streams can't go through the proxy for {}: it is one of {}://, not of http://"
        raise target.failed(text, scheme, transient=False)
    return host, port, login


def _ask(answer: Answer, target: _Target, login: str) -> int:
    """Ask a proxy for a connection. Returns the status of its answer."""
    host = "[{}]".format(target.host) if ":" in target.host else target.host
    lines = ["CONNECT {0}:{1} HTTP/1.1", "Host: {0}:{1}"]
    lines = [line.format(host, target.port) for line in lines]
    if login:
        lines.append("Proxy-Authorization: Basic " + login)
    answer.send("\r\n".join([*lines, "", ""]).encode("ascii"))
    # What may come behind the head is thrown away: the server has nothing to say before it is asked.
    answer.read_head()
    if answer.status is None:
        raise ValueError("it does not speak HTTP")
    return answer.status
