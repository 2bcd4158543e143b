"""Refusals with a JSON body, and the query parameters of the monitoring endpoints."""

import json
from typing import Any, Mapping, Type

from aiohttp import web

__all__ = ["Refusal", "flag", "refusal"]

_FLAGS = {"1": True, "true": True, "0": False, "false": False}


class Refusal(Exception):
    """A request that cannot be done: the status and the body of the answer."""

    def __init__(self, status: int, **body: Any) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def refusal(kind: Type[web.HTTPException], **body: Any) -> web.HTTPException:
    """The exception of aiohttp that answers with ``body`` as JSON."""
    return kind(text=json.dumps(body), content_type="application/json")


def flag(query: Mapping[str, str], name: str, default: bool = False) -> bool:
    """A boolean parameter.

    Raises:
        HTTPBadRequest: it is neither 0, 1, true nor false.
    """
    text = query.get(name)
    if text is None:
        return default
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        message = "{!r} of parameter '{}' is neither 1, true, 0 nor false".format(text, name)
        raise refusal(web.HTTPBadRequest, error=message) from None
