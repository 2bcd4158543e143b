"""Requests over ``requests``: one call, one answer; or an answer that is read as it comes."""

import json as json_library
import logging
import sys
import time
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    TypeVar,
)
from urllib.parse import urlencode

from .._version import __version__
from ..errors import ProtocolError
from ..wire.paths import header_value, hide, redact
from .answers import HttpResponse, HttpStream, chunks, in_time
from .auth import TokenSource
from .environment import proxy_for
from .failures import failed_attempt, refused_attempt, secrets_of, without
from .retry import AttemptFailed, Retrier, RetryPolicy, Timeout, TimeoutLike
from .sessions import Sessions
from .tcp import connect_by

if TYPE_CHECKING:
    import requests

__all__ = ["USER_AGENT", "HttpTransport"]

USER_AGENT = "neuro_sync/{} (Python {}.{}.{}; {})".format(
    __version__, *sys.version_info[:3], sys.platform
)
T = TypeVar("T")
Query = Iterable[Tuple[str, str]]
_logger = logging.getLogger("neuro_sync")
_SAFE = frozenset({"GET", "HEAD", "DELETE"})


class _Request(NamedTuple):
    method: str
    url: str
    headers: Dict[str, str]
    body: Optional[bytes]
    authorize: bool
    timeout: Timeout


class HttpTransport:
    """Sends requests with a token, tries them again where that is safe, and raises for refusals.

    May be used from several threads, and on both sides of a fork.

    Args:
        auth: where the token comes from.
        timeout: of each try.
        retry: how often and how patiently.
        user_agent: value of that header.
    """

    def __init__(
        self,
        auth: TokenSource,
        *,
        timeout: TimeoutLike = Timeout(),
        retry: RetryPolicy = RetryPolicy(),
        user_agent: str = USER_AGENT,
    ) -> None:
        self.auth = auth
        self.timeout = Timeout.of(timeout)
        self.retrier = Retrier(retry)
        self._user_agent = header_value(user_agent, "the user agent")
        self._sessions = Sessions()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Query = (),
        json: Any = None,
        form: Optional[Mapping[str, str]] = None,
        accept: str = "*/*",
        repeatable: Optional[bool] = None,
        authorize: bool = True,
        timeout: Optional[Timeout] = None,
        seconds: Optional[float] = None,
    ) -> HttpResponse:
        """Send a request and read the whole answer.

        Args:
            method: HTTP method.
            url: absolute; parts of it that come from outside are quoted already.
            params: of the query.
            json: value to send as JSON.
            form: fields to send as a form.
            accept: value of that header.
            repeatable: doing it twice does no harm; None: as HTTP has it for the method.
            authorize: send the token.
            timeout: of each try; None: that of the transport.
            seconds: for all tries together; None: as many as the policy gives.

        Raises:
            NeuroError: the error of the status (:mod:`neuro_sync.wire.responses`), ConnectionFailed,
                OutcomeUnknown, ProtocolError.
        """
        request = self._prepare(method, url, params, json, form, accept, authorize, timeout)

        def read(response: "requests.Response", attempts: int, deadline: float) -> HttpResponse:
            body = self._read(response, deadline)
            return HttpResponse(
                response.status_code,
                response.headers,
                body,
                attempts,
                request.method,
                request.url,
            )

        return self._call(request, read, repeatable, seconds)

    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Query = (),
        json: Any = None,
        accept: str = "*/*",
        repeatable: Optional[bool] = None,
        authorize: bool = True,
        timeout: Optional[Timeout] = None,
        seconds: Optional[float] = None,
    ) -> HttpStream:
        """Send a request and read the answer as it comes; the arguments are those of :meth:`request`.

        Only what comes before the body is tried again. Without ``seconds`` the body may take any time.
        """
        request = self._prepare(method, url, params, json, None, accept, authorize, timeout)

        clock = self.retrier.clock
        # Not the deadline of the tries: that is the policy's where it is the earlier one.
        end = None if seconds is None else clock() + seconds
        is_late = None if end is None else lambda: clock() > end

        def read(response: "requests.Response", attempts: int, deadline: float) -> HttpStream:
            return HttpStream(response, attempts, request.method, request.url, is_late)

        return self._call(request, read, repeatable, seconds)

    def close(self) -> None:
        """Close the connections that rest, those of the token's source too."""
        self._sessions.close()
        self.auth.close()

    def _prepare(
        self,
        method: str,
        url: str,
        params: Query,
        json: Any,
        form: Optional[Mapping[str, str]],
        accept: str,
        authorize: bool,
        timeout: Optional[Timeout],
    ) -> _Request:
        query = urlencode(list(params))
        if query:
            url += ("&" if "?" in url else "?") + query
        headers = {
            "User-Agent": self._user_agent,
            "Accept": accept,
            "Accept-Encoding": "gzip, deflate",
        }
        body = None
        if json is not None:
            body = json_library.dumps(json).encode("utf-8")
            headers["Content-Type"] = "application/json"
        elif form is not None:
            body = urlencode(form).encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if body is not None or method not in ("GET", "HEAD", "DELETE"):
            headers["Content-Length"] = str(len(body or b""))
        return _Request(method, url, headers, body, authorize, timeout or self.timeout)

    def _call(
        self,
        request: _Request,
        read: "Callable[[requests.Response, int, float], T]",
        repeatable: Optional[bool],
        seconds: Optional[float] = None,
    ) -> T:
        if repeatable is None:
            repeatable = request.method in _SAFE
        fresh = not repeatable
        refreshed = False
        auth, left = self.auth, self.retrier.left

        def attempt(number: int, deadline: float) -> T:
            nonlocal refreshed
            token = auth.token(left(deadline)) if request.authorize else ""
            try:
                return self._exchange(request, token, number, deadline, read, fresh)
            except AttemptFailed as failed:
                status = getattr(failed.error, "status", None)
                if status != 401 or refreshed or not token:
                    raise
                if not auth.refresh(token, left(deadline)):
                    raise
            # A refused request was not executed: with the new token it goes out at once, once.
            refreshed = True
            token = auth.token(left(deadline))
            return self._exchange(request, token, number, deadline, read, fresh)

        return self.retrier.call(attempt, repeatable=repeatable, seconds=seconds)

    def _exchange(
        self,
        request: _Request,
        token: str,
        number: int,
        deadline: float,
        read: "Callable[[requests.Response, int, float], T]",
        fresh: bool,
    ) -> T:
        began = time.monotonic()
        response = None
        try:
            response = self._send(request, token, deadline, fresh)
            status = response.status_code
            if _logger.isEnabledFor(logging.DEBUG):
                _logger.debug(
                    "%s %s: %d after %.0f ms, try %d",
                    request.method,
                    redact(request.url),
                    status,
                    (time.monotonic() - began) * 1000,
                    number,
                )
            if status < 300:
                return read(response, number, deadline)
            self._refuse(request, response, deadline, token)
        except AttemptFailed:
            raise
        except Exception as error:
            secrets = secrets_of(token, request.headers, request.body)
            failed = failed_attempt(
                error,
                request.method,
                request.url,
                answered=response is not None,
                secrets=secrets,
            )
            _logger.debug(
                "%s %s: %s, try %d", request.method, redact(request.url), failed.error, number
            )
            raise failed from without(secrets, error)
        except BaseException:
            # Ctrl-C in the middle: half an answer must not be met by the next request.
            if response is not None:
                response.close()
            raise
        raise AssertionError("unreachable")

    def _send(
        self, request: _Request, token: str, deadline: float, fresh: bool
    ) -> "requests.Response":
        from requests.models import PreparedRequest

        from .connections import RequestHeaders

        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        prepared.body = request.body
        prepared.hooks = {"response": []}
        headers: Any = RequestHeaders(request.headers)
        if token:
            headers["Authorization"] = "Bearer " + header_value(token, "the token")
        prepared.headers = headers
        left = max(0.001, deadline - self.retrier.clock())
        read_timeout = request.timeout.read
        timeout = (
            min(request.timeout.connect, left),
            None if read_timeout is None else min(read_timeout, left),
        )
        connect_by(time.monotonic() + left)
        proxy = proxy_for(request.url)
        adapter = self._sessions.adapter(request.url, fresh)
        response: requests.Response = adapter.send(
            prepared,
            stream=True,
            timeout=timeout,
            proxies={} if proxy is None else dict.fromkeys(("http", "https"), proxy),
        )
        return response

    def _refuse(
        self, request: _Request, response: "requests.Response", deadline: float, token: str
    ) -> None:
        status = response.status_code
        secrets = secrets_of(token, request.headers, request.body)
        if status < 400:
            # The token belongs to the host that the user named, and to no other one.
            response.close()
            raise AttemptFailed(
                ProtocolError(
                    "unexpected redirect to {!r}".format(
                        hide(redact(response.headers.get("Location", "")), secrets)[:200]
                    ),
                    status=status,
                    method=request.method,
                    url=redact(request.url),
                ),
                sent=True,
                answered=True,
                transient=False,
            )
        body = self._read(response, deadline)
        raise refused_attempt(status, body, response.headers, request.method, request.url, secrets)

    def _read(self, response: "requests.Response", deadline: float) -> bytes:
        """The whole body, within the deadline."""
        clock = self.retrier.clock
        try:
            return b"".join(in_time(chunks(response), lambda: clock() > deadline))
        except BaseException:
            response.close()
            raise
