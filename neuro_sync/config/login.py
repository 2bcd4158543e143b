"""Getting a token from a person: in the browser (PKCE), or with a code that is pasted."""

import base64
import hashlib
import hmac
import secrets
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)
from urllib.parse import parse_qs, urlencode, urlsplit

from ..errors import AuthError
from .server import AuthSettings
from .store import Tokens
from .tokens import request_token

if TYPE_CHECKING:
    from ..transport.http import HttpTransport

__all__ = ["Pkce", "authorize_url", "browser_tokens", "code_tokens", "pkce"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REFUSALS = {"unauthorized": 401, "access_denied": 403}


class Pkce(NamedTuple):
    """A secret of this login (RFC 7636), and what is shown of it."""

    verifier: str
    challenge: str


def pkce(rng: Callable[[int], bytes] = secrets.token_bytes) -> Pkce:
    """A new secret."""
    verifier = _base64url(rng(32))
    return Pkce(verifier, _base64url(hashlib.sha256(verifier.encode("ascii")).digest()))


def authorize_url(
    auth: AuthSettings, challenge: str, redirect_uri: str, state: Optional[str] = None
) -> str:
    """The page on which a person logs in."""
    query = {
        "response_type": "code",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "client_id": auth.client_id,
        "redirect_uri": redirect_uri,
        "scope": "offline_access",
        "audience": auth.audience,
    }
    if state is not None:
        query["state"] = state
    return "{}{}{}".format(auth.auth_url, "&" if "?" in auth.auth_url else "?", urlencode(query))


def code_tokens(
    http: "HttpTransport", auth: AuthSettings, code: str, verifier: str, redirect_uri: str
) -> Tokens:
    """Exchange the code that a login ended with for tokens.

    Raises:
        AuthenticationError: the login service refuses it.

    Endpoint: ``POST {token_url}``.
    """
    form = {
        "grant_type": "authorization_code",
        "code_verifier": verifier,
        "code": code,
        "client_id": auth.client_id,
        "redirect_uri": redirect_uri,
    }
    return request_token(http, auth, form)


def browser_tokens(
    http: "HttpTransport",
    auth: AuthSettings,
    show_browser: Callable[[str], Any],
    *,
    timeout: float,
) -> Tokens:
    """Log a person in with their browser.

    A server on the loopback interface takes the code when the browser comes back; it answers nobody who does
    not know this login's ``state``.

    Args:
        show_browser: opens the page, whose URL it gets.
        timeout: seconds for the person.

    Raises:
        AuthError: the person did not log in, or not in time.
        OSError: none of the ports that the login service knows is free.
    """
    secret, state = pkce(), _base64url(secrets.token_bytes(24))
    with _CallbackServer(auth.callback_urls, state, auth.success_redirect_url) as server:
        show_browser(authorize_url(auth, secret.challenge, server.redirect_uri, state))
        code = server.wait(timeout)
        redirect_uri = server.redirect_uri
    return code_tokens(http, auth, code, secret.verifier, redirect_uri)


class _Outcome:
    """What the browser came back with."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._code: Optional[str] = None
        self._error = ""

    def succeed(self, code: str) -> None:
        self._code = code
        self._done.set()

    def fail(self, error: str) -> None:
        self._error = error
        self._done.set()

    def wait(self, timeout: float) -> str:
        if not self._done.wait(timeout):
            raise AuthError("nobody logged in within {:g} s".format(timeout))
        if self._code is None:
            raise AuthError("the login failed: {}".format(self._error))
        return self._code


class _CallbackServer:
    def __init__(self, urls: Sequence[str], state: str, success_url: Optional[str]) -> None:
        self._outcome = _Outcome()
        self._server = _bind(urls, _handler(self._outcome, state, success_url))
        host, port = urlsplit(self._server.url).hostname, self._server.server_address[1]
        self.redirect_uri = "http://{}:{}".format(host, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="neuro_sync-login", daemon=True
        )

    def wait(self, timeout: float) -> str:
        return self._outcome.wait(timeout)

    def __enter__(self) -> "_CallbackServer":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, HTTPServer):
    """A thread for each connection: a browser opens some in advance, on which it says nothing."""

    # On Linux that would let two logins share a port.
    allow_reuse_address = False
    url = ""

    def __init__(self, address: Tuple[str, int], handler: Any) -> None:
        self._connections: Set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> Tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that drops a connection is nothing that the user has to see.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Close, and wait for the threads: nothing is read any more, but an answer is written."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it has ended
        super().server_close()

    def server_bind(self) -> None:
        # The base class asks the name service for this machine's name, which may take long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


def _bind(urls: Sequence[str], handler: Any) -> _Server:
    errors: List[str] = []
    for url in urls:
        parts = urlsplit(url)
        if parts.hostname not in _LOOPBACK:
            raise AuthError("the login service wants to be answered at {!r}, not here".format(url))
        try:
            server = _Server(("127.0.0.1", parts.port or 80), handler)
        except OSError as error:
            errors.append("{}: {}".format(parts.port, error.strerror or error))
            continue
        server.url = url
        return server
    raise OSError("no port is free for the login: {}".format("; ".join(errors)))


def _handler(outcome: _Outcome, state: str, success_url: Optional[str]) -> Any:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path not in ("", "/"):
                self._answer(404, "not found")  # the browser's own question for an icon
                return
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
                # Some other page sent the browser here; the login of the user goes on.
                self._answer(400, "this is not the login that was started here")
                return
            self._take(query)

        def _take(self, query: Dict[str, str]) -> None:
            # First of all what counts: the browser may be gone before it has its answer.
            if "error" in query:
                text = query.get("error_description") or query["error"]
                outcome.fail(text)
                self._answer(_REFUSALS.get(query["error"], 400), text)
            elif "code" not in query:
                outcome.fail("the login service sent no code")
                self._answer(400, "the code is missing")
            else:
                outcome.succeed(query["code"])
                if success_url:
                    self._answer(302, "", success_url)
                else:
                    self._answer(200, "OK")

        def _answer(self, status: int, text: str, location: str = "") -> None:
            body = text.encode("utf-8")
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass  # the request line has the code in it

    return Handler


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
