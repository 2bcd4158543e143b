"""The token of a login on disk: refreshed when it has expired, once, however many ask."""

import logging
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Optional

from ..errors import (
    AuthenticationError,
    ClientError,
    ConfigError,
    ConnectionFailed,
    IllegalArgumentError,
    ProtocolError,
    RateLimited,
    ResourceNotFound,
)
from ..transport.auth import TokenSource
from ..transport.deadline import Deadline
from ..transport.forklock import ForkLock
from ..wire.paths import header_value
from .server import AuthSettings
from .store import Store, Tokens

if TYPE_CHECKING:
    from ..transport.http import HttpTransport

__all__ = ["StoredToken", "parse_token_answer", "request_token"]

_logger = logging.getLogger("neuro_sync")
# A token is refreshed when three quarters of its life are over, as the CLI does it.
_USED_LIFE = 0.75
# Seconds that a refresh gets where its caller has less: one that is cut may have used up the refresh token.
_LEAST = 5.0
# Seconds between two looks whether another process is done.
_LOCK_LOOK = 0.02
_TOO_LONG = "the token is being refreshed elsewhere, and that takes too long"


def parse_token_answer(payload: Any, now: float, refresh_token: str = "") -> Tokens:
    """Read the answer of a token endpoint.

    Args:
        payload: the JSON object.
        now: seconds since the epoch.
        refresh_token: the one that was used; it stays where the answer brings no new one.

    Raises:
        ProtocolError: it is no such answer; the message does not show it.
    """
    if isinstance(payload, Mapping):
        token, lifetime = payload.get("access_token"), payload.get("expires_in")
        rotated = payload.get("refresh_token") or refresh_token
        if isinstance(token, str) and token and isinstance(lifetime, (int, float)):
            if isinstance(rotated, str):
                return Tokens(
                    header_value(token, "the token"), now + lifetime * _USED_LIFE, rotated
                )
    raise ProtocolError("the answer of the login service has no token in it")


def request_token(
    http: "HttpTransport",
    auth: AuthSettings,
    form: Mapping[str, str],
    refresh_token: str = "",
    seconds: Optional[float] = None,
) -> Tokens:
    """Get a token from the login service, in so many seconds.

    Raises:
        AuthenticationError: the service refuses, or is not there.
        RateLimited, ServerError: it can't now; the login is good.
        ConnectionFailed: it does not answer.

    Endpoint: ``POST {token_url}``.
    """
    if not auth.token_url:
        raise AuthenticationError("this platform has no login service: log in with a token")
    try:
        # A refresh whose answer got lost has used up its refresh token, or not: to try again loses nothing.
        response = http.request(
            "POST",
            auth.token_url,
            form=dict(form),
            accept="application/json",
            authorize=False,
            repeatable=True,
            seconds=seconds,
        )
    except RateLimited:
        raise
    except (ClientError, IllegalArgumentError, ResourceNotFound) as error:
        raise AuthenticationError(
            "the login service refuses ({}): log in again".format(error.args[0]),
            status=error.status,
            method=error.method,
            url=error.url,
            attempts=error.attempts,
        ) from error
    now = time.time()
    return response.decode(lambda value: parse_token_answer(value, now, refresh_token))


class StoredToken(TokenSource):
    """The token of the CLI's login.

    One refresh at a time, over threads and processes. Whoever waited takes what the other one got. A new
    refresh token that the service sends along replaces the old one. Where the new tokens can't be written, this
    process goes on with them and says so in the log.
    """

    def __init__(
        self,
        store: Store,
        http: "HttpTransport",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._http = http
        self._clock = clock
        self._tokens = store.login.tokens
        self._lock = ForkLock()

    def token(self, seconds: Optional[float] = None) -> str:
        tokens = self._tokens
        if tokens.expiration_time > self._clock():
            return tokens.token
        return self._renew(tokens.token, seconds).token

    def refresh(self, rejected: str, seconds: Optional[float] = None) -> bool:
        if self._tokens.token != rejected:
            return True
        try:
            return self._renew(rejected, seconds).token != rejected
        except (AuthenticationError, ConfigError) as error:
            _logger.info("the token was refused and could not be refreshed: %s", error)
            return False

    def close(self) -> None:
        self._http.close()

    def _renew(self, old: str, seconds: Optional[float]) -> Tokens:
        deadline = Deadline(seconds)
        with self._lock.within(seconds) as held:
            if self._tokens.token != old:
                return self._tokens  # another thread was quicker
            if not held:
                raise ConnectionFailed(_TOO_LONG)
            with _directory_lock(self._store.path, deadline):
                found = self._on_disk()
                if found is not None and found.token != old:
                    if found.expiration_time > self._clock():
                        self._tokens = found  # another process was quicker
                        return found
                return self._ask(found or self._tokens, deadline)

    def _ask(self, tokens: Tokens, deadline: Deadline) -> Tokens:
        if not tokens.refresh_token:
            raise AuthenticationError("the token has expired or was refused: log in again")
        auth = self._store.login.auth
        form = {
            "grant_type": "refresh_token",
            "refresh_token": tokens.refresh_token,
            "client_id": auth.client_id,
        }
        left = None if deadline.left is None else max(_LEAST, deadline.left)
        try:
            renewed = request_token(self._http, auth, form, tokens.refresh_token, left)
        except AuthenticationError:
            # A CLI, which knows no lock, may have used the refresh token a moment ago.
            found = self._on_disk()
            if found is None or found.token == tokens.token:
                raise
            renewed = found
        self._tokens = renewed
        try:
            self._store.save_tokens(renewed)
        except ConfigError as error:
            _logger.warning(
                "the token was refreshed but could not be kept; the next process may have to log in: %s",
                error,
            )
        return renewed

    def _on_disk(self) -> Optional[Tokens]:
        try:
            return self._store.read_tokens()
        except ConfigError as error:
            _logger.warning("could not look whether the token was refreshed meanwhile: %s", error)
            return None


@contextmanager
def _directory_lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Keep other processes of ours from refreshing at the same time, where the system can do that.

    Raises:
        ConnectionFailed: another one does until after the deadline.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:
        yield  # Windows: the threads of this process are still one after the other
        return
    try:
        descriptor = os.open(str(path), os.O_RDONLY)
    except OSError:
        yield  # the login was removed: there is nobody to share with
        return
    try:
        try:
            held = _lock(descriptor, deadline)
        except OSError as error:
            _logger.debug("%s can't be locked, going on without: %s", path, error)
            held = True
        if not held:
            raise ConnectionFailed(_TOO_LONG)
        yield
    finally:
        # Closing is not enough: a child that was forked meanwhile has the descriptor, too.
        _unlock(descriptor)


def _lock(descriptor: int, deadline: Deadline) -> bool:
    import fcntl

    if deadline.left is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if deadline.is_within(0.0):
                return False
            time.sleep(_LOCK_LOOK)


def _unlock(descriptor: int) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        pass  # a file system without locks
    finally:
        os.close(descriptor)
