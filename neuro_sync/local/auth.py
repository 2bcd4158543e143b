"""Who asks: tokens, and the ways in which they come with a request."""

import json
import os
import secrets
import time
from typing import Any, Dict, Mapping, Optional, Set

import jwt
from aiohttp import web

from .keys import TOKENS

__all__ = ["Tokens", "authorize", "user_of"]

_PROTOCOL_PREFIX = "bearer.apolo.us-"
_QUERY_KEY = "neuro-auth-token"
_ALGORITHM = "HS256"
_REFRESH = "refresh"


class Tokens:
    """Makes tokens and checks them.

    The key, and how many times all tokens were made to expire, are kept in a file that only its owner can read,
    and so is a token that never expires by itself. Refresh tokens outlive a restart and that all others expire.

    Attributes:
        rotates: each refresh token gets one token, and the next refresh token with it.
    """

    def __init__(self, directory: str, user: str) -> None:
        self._user = user
        self._secret_file = os.path.join(directory, "secret.json")
        self.token_file = os.path.join(directory, "token")
        self._secret = self._load()
        self.rotates = False
        self._used: Set[str] = set()
        self._write_token()

    def _load(self) -> Dict[str, Any]:
        try:
            with open(self._secret_file, encoding="utf-8") as file:
                secret: Dict[str, Any] = json.load(file)
        except ValueError as error:
            raise OSError("{} is damaged: {}".format(self._secret_file, error)) from error
        except FileNotFoundError:
            secret = {"key": secrets.token_hex(32), "generation": 0}
            _write_private(self._secret_file, json.dumps(secret))
        return secret

    def _write_token(self) -> None:
        _write_private(self.token_file, self.make())

    def make(self, lifetime: Optional[float] = None) -> str:
        """A new token; one without a lifetime (seconds) does not expire by itself."""
        claims: Dict[str, Any] = {
            "identity": self._user,
            "generation": self._secret["generation"],
            "jti": secrets.token_hex(8),
        }
        if lifetime is not None:
            claims["exp"] = time.time() + lifetime
        return self._sign(claims)

    def _sign(self, claims: Mapping[str, Any]) -> str:
        token = jwt.encode(dict(claims), self._secret["key"], algorithm=_ALGORITHM)
        return token if isinstance(token, str) else token.decode("ascii")

    def user(self, token: str) -> Optional[str]:
        """Whose a token is; None: it is not valid."""
        claims = self._claims(token)
        if claims.get("generation") != self._secret["generation"]:
            return None
        return str(claims["identity"])

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What a token says; nothing where it is none of ours."""
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token, self._secret["key"], algorithms=[_ALGORITHM]
            )
        except jwt.InvalidTokenError:
            return {}
        return claims

    def expire_all(self) -> None:
        """Refuse every token that there is, and write a new one into the file."""
        self._secret["generation"] += 1
        _write_private(self._secret_file, json.dumps(self._secret))
        self._write_token()

    def make_refresh_token(self) -> str:
        """A token that gets access tokens."""
        return self._sign({"use": _REFRESH, "jti": secrets.token_hex(8)})

    def take_refresh_token(self, token: str) -> bool:
        """Whether it gets an access token now."""
        if self._claims(token).get("use") != _REFRESH or token in self._used:
            return False
        if self.rotates:
            self._used.add(token)
        return True


async def authorize(request: web.Request) -> str:
    """The user who asks.

    Raises:
        HTTPUnauthorized: the token is missing or not valid.
        ValueError: the header is malformed, which the platform answers with 400.
    """
    user = user_of(request)
    if user is None:
        raise web.HTTPUnauthorized
    return user


def user_of(request: web.Request) -> Optional[str]:
    """The user who asks, or None where the token is missing or not valid.

    Raises:
        ValueError: the header is malformed.
    """
    token = _token_of(request)
    if token is None:
        return None
    tokens: Tokens = request.app[TOKENS]
    return tokens.user(token)


def _token_of(request: web.Request) -> Optional[str]:
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ValueError("Invalid Authorization header")
        return token
    for item in request.headers.get("Sec-WebSocket-Protocol", "").split():
        item = item.rstrip(",")
        if item.lower().startswith(_PROTOCOL_PREFIX):
            return item[len(_PROTOCOL_PREFIX) :]
    return request.query.get(_QUERY_KEY)


def _write_private(path: str, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
