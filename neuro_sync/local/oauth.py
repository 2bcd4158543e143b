"""The login service: everybody who can reach the page is let in, for it is this machine alone."""

import base64
import hashlib
import hmac
import secrets
from html import escape
from typing import Any, Dict, Mapping, NamedTuple
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from .auth import Tokens
from .configuration import CLIENT_ID
from .replies import refusal

__all__ = ["setup_oauth"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHOW_CODE = "/oauth/show-code"


class _Login(NamedTuple):
    challenge: str
    redirect_uri: str


def setup_oauth(app: web.Application, tokens: Tokens, lifetime: float) -> None:
    """Add the endpoints.

    Args:
        lifetime: of access tokens, seconds.
    """
    handlers = _OAuth(tokens, lifetime)
    app.router.add_get("/oauth/authorize", handlers.authorize)
    app.router.add_get(_SHOW_CODE, handlers.show_code)
    app.router.add_post("/oauth/token", handlers.token)
    app.router.add_get("/oauth/logout", handlers.logout)


class _OAuth:
    def __init__(self, tokens: Tokens, lifetime: float) -> None:
        self._tokens = tokens
        self._lifetime = lifetime
        self._logins: Dict[str, _Login] = {}

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        target = urlsplit(redirect_uri)
        if target.scheme != "http" or target.hostname not in _LOOPBACK:
            raise refusal(web.HTTPBadRequest, error="redirect_uri has to be on this machine")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise refusal(web.HTTPBadRequest, error="code_challenge with S256 is needed")
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            raise refusal(web.HTTPBadRequest, error="unknown client or response type")
        code = secrets.token_urlsafe(16)
        self._logins[code] = _Login(query["code_challenge"], redirect_uri)
        answer = {"code": code}
        if "state" in query:
            answer["state"] = query["state"]
        raise web.HTTPFound("{}?{}".format(redirect_uri, urlencode(answer)))

    async def show_code(self, request: web.Request) -> web.StreamResponse:
        page = "<p>Your code: <code>{}</code></p>".format(escape(request.query.get("code", "")))
        return web.Response(text=page, content_type="text/html")

    async def token(self, request: web.Request) -> web.StreamResponse:
        form: Mapping[str, Any] = await request.post()
        grant = form.get("grant_type")
        if form.get("client_id") != CLIENT_ID:
            raise refusal(web.HTTPUnauthorized, error="invalid_client")
        if grant == "authorization_code":
            self._check_code(form)
        elif grant != "refresh_token":
            raise refusal(web.HTTPBadRequest, error="unsupported_grant_type")
        elif not self._tokens.take_refresh_token(str(form.get("refresh_token"))):
            raise refusal(web.HTTPForbidden, error="invalid_grant")
        answer = {
            "access_token": self._tokens.make(self._lifetime),
            "expires_in": self._lifetime,
            "token_type": "Bearer",
        }
        # The one of the login stays good, unless a fault was switched on.
        if grant == "authorization_code" or self._tokens.rotates:
            answer["refresh_token"] = self._tokens.make_refresh_token()
        return web.json_response(answer)

    def _check_code(self, form: Mapping[str, Any]) -> None:
        login = self._logins.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            login is None
            or login.redirect_uri != form.get("redirect_uri")
            or not hmac.compare_digest(login.challenge, challenge)
        ):
            raise refusal(web.HTTPForbidden, error="invalid_grant")

    async def logout(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="You are logged out.")
