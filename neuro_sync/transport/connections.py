"""Connections of requests that can be called off, and that don't wait for the head of an answer for ever.

Below a request there is a connection of urllib3, and below that one of ``http.client``: its class is
the one place where the socket is seen before the answer is there.
"""

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

import urllib3
from requests.adapters import HTTPAdapter
from requests.models import Response
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError

from ..wire.http_head import HttpHead, parse_head
from .calloff import watch
from .environment import ca_bundle
from .tcp import dial, seconds_left
from .tls import tls_context

__all__ = ["Adapter", "RequestHeaders"]


class _Timed(io.RawIOBase):
    """Reads a socket; until it is told to leave off, all reads together have a deadline, not each its time-out.

    Args:
        read: what was read before.
        raw: reads the socket.
        deadline: by the monotonic clock; None: there is none.

    Attributes:
        has_ended: the other side sends no more.
    """

    def __init__(
        self, read: bytes, raw: io.RawIOBase, sock: socket.socket, deadline: Optional[float]
    ) -> None:
        self._read = read
        self._raw = raw
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._deadline = deadline
        self.has_ended = False

    def leave_off(self) -> None:
        self._deadline = None
        self._sock.settimeout(self._timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        if self._read:
            count = min(len(buffer), len(self._read))
            buffer[:count], self._read = self._read[:count], self._read[count:]
            return count
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head has to come within the read time-out: bytes that drip would never pass it."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._sock = sock
        self._began = time.monotonic()
        self._timed: Optional[_Timed] = None

    def begin(self) -> None:
        if self.headers is None:
            reader: Any = self.fp
            # The standard library reads a head as it reads e-mail, which is a tenth of a call's time.
            head = parse_head(reader.peek(), self._method)
            if head is not None:
                reader.read(head.size)
                self._take(head)
                return
        super().begin()
        if self._timed is not None:
            self._timed.leave_off()
            if self._timed.has_ended:
                # The standard library takes that for the end of the head, and what lacks for not said.
                raise http.client.RemoteDisconnected("the answer ended in its head")

    def _read_status(self) -> Any:
        # It begins here for all that is not plain, and for the answer of a proxy to CONNECT.
        timeout = self._sock.gettimeout()
        if self._timed is None:
            reader: Any = self.fp
            read = reader.peek()
            deadline = self._began + timeout if timeout else None
            self._timed = _Timed(read, reader.detach(), self._sock, deadline)
            self.fp = io.BufferedReader(self._timed)
        return super()._read_status()  # type: ignore[misc]

    def _take(self, head: HttpHead) -> None:
        self.code = self.status = head.status
        self.reason = head.reason
        self.version = 11
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in head.headers:
            self.headers.set_raw(name, value)
        self.chunked = head.chunked
        self.chunk_left = None
        self.length = head.length
        self.will_close = head.will_close


class _Watched:
    """What both kinds of connections have in common.

    Attributes:
        requests: how many were sent since it was made.
    """

    response_class: Any = _Response
    sock: Any
    requests: int = 0
    _held: Optional[List[bytes]] = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.requests = 0
        watch(self.sock)

    def _new_conn(self) -> socket.socket:
        connection: Any = self  # of urllib3
        try:
            return dial(
                connection._dns_host.strip("[]"),
                connection.port,
                lambda: min(connection.timeout, seconds_left()),
            )
        except socket.timeout as error:
            raise ConnectTimeoutError(connection, "timed out") from error
        except OSError as error:
            raise NewConnectionError(connection, str(error)) from error
        except UnicodeError as error:
            raise LocationParseError(connection.host) from error

    def putrequest(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:  # the one that rested since the last request
            watch(self.sock)
        super().putrequest(*args, **options)  # type: ignore[misc]

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, head and body in one: a server reads them at once then."""
        held: List[bytes] = []
        self._held = held
        try:
            super().request(*args, **options)  # type: ignore[misc]
        finally:
            self._held = None
        self.send(b"".join(held))
        self.requests += 1

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(data)
        else:
            super().send(data)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
# urllib3 1 tells OpenSSL no name of a server that is an IP address, so that it could not check it.
_SHARES_TLS = not str(urllib3.__version__).startswith("1.")  # type: ignore[attr-defined]
# Fewer than the 10 that urllib3 keeps: none of them may be one that it has given up.
_POOLS_KEPT = 8


if TYPE_CHECKING:
    _CaseInsensitive = CaseInsensitiveDict[str]
else:
    _CaseInsensitive = CaseInsensitiveDict


class RequestHeaders(_CaseInsensitive):
    """Those of a request. urllib3 copies them and goes through them: a plain dict does for that."""

    def __init__(self, headers: Dict[str, str]) -> None:
        super().__init__()
        for name, value in headers.items():
            self[name] = value

    def copy(self) -> Any:
        return dict(self._store.values())  # type: ignore[attr-defined]  # the stubs have it not


class Adapter(HTTPAdapter):
    """What sends requests, over such connections, through a proxy too.

    A sixth of a call's time would go into what it does anew each time: to find the pool of a server, to look
    for cookies, which nobody reads here. And most of the time of a new connection would go into the
    certificates, which it reads for each.
    """

    def __init__(self) -> None:
        self._pools: Dict[Tuple[Any, ...], Any] = {}
        self._new_response = dict(vars(Response()))
        super().__init__()

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        parts = urlsplit(request.url)
        key = (parts.scheme, parts.netloc, verify, cert, *(proxies or {}).values())
        pool = self._pools.get(key)
        if pool is None:
            if len(self._pools) >= _POOLS_KEPT:
                self._pools.clear()
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._pools[key] = pool
        return pool

    def request_url(self, request: Any, proxies: Any) -> Any:
        return super().request_url(request, proxies) if proxies else request.path_url

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if not url.lower().startswith("https"):
            return
        context = tls_context()
        if _SHARES_TLS:
            conn.cert_reqs = "CERT_REQUIRED"
            conn.conn_kw["ssl_context"] = context
        else:
            super().cert_verify(conn, url, ca_bundle() or True, cert)  # type: ignore[no-untyped-call]

    def build_response(self, req: Any, resp: Any) -> Response:
        # What a new one begins with does not change, and costs more to make than the rest of this: a cookie jar.
        response = Response.__new__(Response)
        response.__dict__.update(self._new_response)
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url
        response.request = req
        response.connection = self
        return response

    def close(self) -> None:
        self._pools.clear()
        super().close()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
