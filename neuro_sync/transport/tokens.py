"""What a token says of itself, without anybody having checked it."""

import base64
import json
from typing import Any, Mapping

from ..errors import ConfigError

__all__ = ["user_of"]

_USER_CLAIMS = ("identity", "https://platform.neuromation.io/user")


def user_of(token: str) -> str:
    """The name of the user that a token is of.

    Raises:
        ConfigError: it does not say; the message does not show it.
    """
    claims = _claims(token)
    for name in _USER_CLAIMS:
        if isinstance(claims.get(name), str):
            return str(claims[name])
    raise ConfigError("the token does not say whose it is")


def _claims(token: str) -> Mapping[str, Any]:
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode())
    except (ValueError, IndexError):
        # Not "from": the cause would show a part of the token.
        raise ConfigError(
            "the token is not a JSON web token: it does not say whose it is"
        ) from None
    return claims if isinstance(claims, dict) else {}
