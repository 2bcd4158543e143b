"""Factory: logs in and out, and makes clients of the login on this machine."""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Tuple, Union
from urllib.parse import urlencode

from ..errors import AuthError, ConfigError
from ..transport.auth import StaticToken
from ..transport.http import HttpTransport
from ..transport.retry import RetryPolicy, Timeout, TimeoutLike
from .selection import Selection, first_selection
from .server import ServerConfig, checked_api_url, fetch_server_config
from .store import NotWritable, Store, Tokens, login_exists
from .tokens import StoredToken

if TYPE_CHECKING:
    from yarl import URL

    from ..client import Client

__all__ = ["DEFAULT_API_URL", "Factory", "is_passed"]

_logger = logging.getLogger("neuro_sync")
DEFAULT_API_URL = "https://api.apolo.us/api/v1"
_PLACES = (("APOLO_CONFIG", "~/.apolo"), ("NEUROMATION_CONFIG", "~/.neuro"))
_PASSED = ("APOLO_PASSED_CONFIG", "NEURO_PASSED_CONFIG")
# A token without a term is used for three quarters of three years, as the CLI does it.
_TOKEN_LIFE = 3 * 365 * 24 * 3600 * 0.75
_PERSON_PATIENCE = 60.0


class Factory:
    """Logs in and out, and makes clients of the login on this machine.

    It is the login of the platform's CLI: who is logged in there is logged in here, and the other way round.

    Args:
        path: directory of the login; None looks where the CLI looks: ``$APOLO_CONFIG`` or ``~/.apolo``,
            ``$NEUROMATION_CONFIG`` or ``~/.neuro``.

    Attributes:
        path: directory of the login.

    Raises:
        ConfigError: the path begins with the home directory of a user who is not there.
    """

    def __init__(self, path: Union[str, Path, None] = None) -> None:
        chosen = _default_path() if path is None else _expanded(path)
        # The program may change its current directory.
        self._path = chosen.absolute()

    @property
    def path(self) -> Path:
        return self._path

    @property
    def is_config_present(self) -> bool:
        """A login is there."""
        return Store.exists(self._path)

    def get(
        self, *, timeout: TimeoutLike = Timeout(), retry: RetryPolicy = RetryPolicy()
    ) -> "Client":
        """A client with this login. In a job that was given its owner's login it logs in with that first.

        Args:
            timeout: seconds to wait for a connection, and for the next bytes of an answer.
            retry: how often and how patiently a call is tried again.

        Raises:
            ConfigError: there is no login, or it is damaged; the message says what to do.
        """
        from ..client import Client
        from .config import Config

        if not self.is_config_present and is_passed():
            try:
                self.login_with_passed_config(timeout=timeout)
            except NotWritable as error:
                _logger.warning("the login of this job is kept in memory: %s", error)
                token, url, (cluster, org, project) = _read_passed(_passed_to_this_job())
                return Client.from_token(
                    url,
                    token,
                    cluster_name=cluster,
                    org_name=org,
                    project_name=project,
                    timeout=timeout,
                    retry=retry,
                )
            except ConfigError:
                if not self.is_config_present:  # else another process was quicker
                    raise
        store = Store.open(self._path)
        source = StoredToken(store, _http(timeout, retry))
        http = HttpTransport(source, timeout=timeout, retry=retry)
        return Client(Config.from_store(store, source, http), http)

    def login(
        self,
        show_browser_cb: "Callable[[URL], Any]" = lambda url: _open_browser(url),
        *,
        url: "Union[str, URL]" = DEFAULT_API_URL,
        timeout: TimeoutLike = Timeout(),
    ) -> None:
        """Log in with a browser on this machine.

        Args:
            show_browser_cb: opens the page, whose URL it gets; the system's browser by default.
            url: address of the API.
            timeout: seconds to wait for a connection, and for the next bytes of an answer.

        Raises:
            ConfigError: somebody is logged in already.
            AuthError: the login failed, no browser can be opened, or nobody logged in within a minute.
            ValueError: ``url`` can't be the address of an API.

        Endpoint: ``GET {api}/config``, ``POST {token_url}``.
        """
        from yarl import URL

        from .login import browser_tokens

        with self._login(url, timeout) as session:
            if session.is_standalone:
                session.finish(_standalone_tokens(), authorize=False)
                return
            session.finish(
                browser_tokens(
                    session.http,
                    session.server.auth,
                    lambda page: show_browser_cb(URL(page)),
                    timeout=_PERSON_PATIENCE,
                )
            )

    def login_headless(
        self,
        get_auth_code_cb: "Callable[[URL], str]" = lambda url: _ask_for_code(url),
        *,
        url: "Union[str, URL]" = DEFAULT_API_URL,
        timeout: TimeoutLike = Timeout(),
    ) -> None:
        """Log in with a browser on another machine, from which a code is copied.

        Args:
            get_auth_code_cb: gets the page's URL, returns the code; by default it prints the one and asks for
                the other.
            url: address of the API.
            timeout: seconds to wait for a connection, and for the next bytes of an answer.

        Raises:
            ConfigError: somebody is logged in already.
            AuthError: the login failed.
            ValueError: ``url`` can't be the address of an API.

        Endpoint: ``GET {api}/config``, ``POST {token_url}``.
        """
        from yarl import URL

        from .login import authorize_url, code_tokens, pkce

        with self._login(url, timeout) as session:
            if session.is_standalone:
                session.finish(_standalone_tokens(), authorize=False)
                return
            auth, secret = session.server.auth, pkce()
            redirect_uri = auth.headless_callback_url
            code = get_auth_code_cb(URL(authorize_url(auth, secret.challenge, redirect_uri)))
            session.finish(
                code_tokens(session.http, auth, code.strip(), secret.verifier, redirect_uri)
            )

    def login_with_token(
        self,
        token: str,
        *,
        url: "Union[str, URL]" = DEFAULT_API_URL,
        timeout: TimeoutLike = Timeout(),
    ) -> None:
        """Log in with a token.

        Args:
            token: the token.
            url: address of the API.
            timeout: seconds to wait for a connection, and for the next bytes of an answer.

        Raises:
            ConfigError: somebody is logged in already.
            AuthenticationError: the server does not accept the token.
            ValueError: ``url`` can't be the address of an API.

        Endpoint: ``GET {api}/config``.
        """
        with self._login(url, timeout, ask=False) as session:
            session.finish(Tokens(token, time.time() + _TOKEN_LIFE))

    def login_with_passed_config(
        self, config_data: Optional[str] = None, *, timeout: TimeoutLike = Timeout()
    ) -> None:
        """Log in as the owner of the job that this runs in, which was started with ``pass_config``.

        Args:
            config_data: what was passed; None takes it from the environment.
            timeout: seconds to wait for a connection, and for the next bytes of an answer.

        Raises:
            ConfigError: nothing was passed, it is damaged, or somebody is logged in already.

        Endpoint: ``GET {api}/config``.
        """
        if config_data is None:
            config_data = _passed_to_this_job()
        token, url, wanted = _read_passed(config_data)
        with self._login(url, timeout, ask=False) as session:
            session.finish(Tokens(token, time.time() + _TOKEN_LIFE), wanted)

    def logout(self, show_browser_cb: "Optional[Callable[[URL], Any]]" = None) -> None:
        """Forget the login.

        Args:
            show_browser_cb: opens the page that ends the browser's session too, whose URL it gets.

        Raises:
            ConfigError: the login can't be removed.
        """
        page = None if show_browser_cb is None else self._logout_page()
        if show_browser_cb is not None and page is not None:
            show_browser_cb(page)
        Store.delete(self._path)

    def _logout_page(self) -> "Optional[URL]":
        from yarl import URL

        try:
            auth = Store.open(self._path).login.auth
        except ConfigError:
            return None  # nobody is logged in, or the file is damaged: it is removed all the same
        if not auth.logout_url:
            return None
        query = urlencode({"client_id": auth.client_id})
        return URL("{}?{}".format(auth.logout_url, query))

    def _login(
        self, url: "Union[str, URL]", timeout: TimeoutLike, *, ask: bool = True
    ) -> "_LoginSession":
        if self.is_config_present:
            raise login_exists(self._path)
        return _LoginSession(self._path, checked_api_url(url), timeout, ask)

    def __repr__(self) -> str:
        return "<Factory {}>".format(self._path)


class _LoginSession:
    """A login that is going on."""

    def __init__(self, path: Path, url: str, timeout: TimeoutLike, ask: bool) -> None:
        self._path = path
        self._url = url
        self._timeout = timeout
        self.http = _http(timeout, RetryPolicy())
        self._server: Optional[ServerConfig] = None
        if ask:
            try:
                self._server = fetch_server_config(self.http, url, authorize=False)
            except BaseException:
                self.http.close()
                raise

    @property
    def server(self) -> ServerConfig:
        assert self._server is not None
        if not self._server.auth.auth_url:
            raise AuthError("this platform has no login service: log in with a token")
        return self._server

    @property
    def is_standalone(self) -> bool:
        """The server shows its clusters to everybody: it has no logins."""
        return self._server is not None and bool(self._server.clusters)

    def finish(
        self,
        tokens: Tokens,
        wanted: Selection = Selection("", None, None),
        *,
        authorize: bool = True,
    ) -> None:
        """Keep the tokens, with what the server has for them."""
        http = HttpTransport(StaticToken(tokens.token), timeout=self._timeout)
        try:
            server = fetch_server_config(http, self._url, authorize=authorize)
        finally:
            http.close()
        selection = first_selection(
            server.clusters,
            server.projects,
            cluster_name=wanted.cluster_name or None,
            org_name=wanted.org_name,
            project_name=wanted.project_name,
        )
        Store.create(self._path, self._url, tokens, server, selection)

    def __enter__(self) -> "_LoginSession":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.http.close()


def _default_path() -> Path:
    """Where the CLI looks: the first place that has a login, else the first."""
    places = [_expanded(os.environ.get(name) or default) for name, default in _PLACES]
    return next((place for place in places if Store.exists(place)), places[0])


def _expanded(path: Union[str, Path]) -> Path:
    """With the home directory in it; a user without one, as containers have it, is at home in the root."""
    try:
        return Path(path).expanduser()
    except (KeyError, RuntimeError) as error:  # KeyError: Python 3.7
        first, *others = Path(path).parts
        if first != "~":
            raise ConfigError("{}: there is no such user".format(path)) from error
        return Path(os.sep, *others)


def _http(timeout: TimeoutLike, retry: RetryPolicy) -> HttpTransport:
    """For requests without a token."""
    return HttpTransport(StaticToken(""), timeout=timeout, retry=retry)


def is_passed() -> bool:
    """This runs in a job that was given its owner's login."""
    return any(os.environ.get(name) for name in _PASSED)


def _passed_to_this_job() -> str:
    for name in _PASSED:
        if os.environ.get(name):
            return os.environ[name]
    raise ConfigError("no login was passed to this job: start it with pass_config=True")


def _read_passed(text: str) -> Tuple[str, str, Selection]:
    """Token, URL and what is current. No error may show the text: it has the token in it."""
    try:
        payload = json.loads(base64.b64decode(text.encode("ascii")).decode("utf-8"))
    except (ValueError, binascii.Error):
        payload = None
    if not isinstance(payload, Mapping):
        raise ConfigError("the login that was passed to this job is damaged")
    missing = [key for key in ("token", "cluster", "url") if not isinstance(payload.get(key), str)]
    if missing:
        raise ConfigError(
            "the login that was passed to this job is damaged: {} is missing".format(
                ", ".join(missing)
            )
        )
    try:
        url = checked_api_url(payload["url"])
    except ValueError as error:
        raise ConfigError(
            "the login that was passed to this job is damaged: {}".format(error)
        ) from error
    wanted = Selection(payload["cluster"], payload.get("org_name"), payload.get("project_name"))
    return payload["token"], url, wanted


def _standalone_tokens() -> Tokens:
    """What a server without logins takes: everybody is the same user there."""

    def part(value: Mapping[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"https://platform.neuromation.io/user": "user"}
    signed = "{}.{}".format(part({"alg": "HS256", "typ": "JWT"}), part(claims))
    signature = hmac.new(b"neuro", signed.encode(), hashlib.sha256).digest()
    encoded = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return Tokens("{}.{}".format(signed, encoded), time.time() + _TOKEN_LIFE)


def _open_browser(url: "URL") -> None:
    import webbrowser

    if webbrowser.open(str(url)) is False:
        raise AuthError("no browser can be opened here: use login_headless()")


def _ask_for_code(url: "URL") -> str:
    print(
        "Open this page in a browser, log in, and copy the code that it shows:\n\n  {}\n".format(
            url
        )
    )
    return input("Code: ")
