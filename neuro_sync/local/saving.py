"""``save``: checked as the platform checks it, and refused in its way, for there are no images
here."""

import json
import re
from typing import Any, Optional

from aiohttp import web

from .keys import fault_of
from .replies import refusal

__all__ = ["SAVE_REFUSED", "answer_save", "parse_image"]

SAVE_REFUSED = (
    "the local platform cannot save images: its jobs are processes of this machine, not containers"
)

# A Docker reference: [domain/]path[:tag][@digest]
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:(?P<domain>{})/)?(?P<path>{}(?:/{})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{{32,}})?".format(
        _DOMAIN, _NAME, _NAME
    )
)


async def parse_image(request: web.Request, registry: Optional[str]) -> str:
    """The image that the body of the request names.

    Args:
        registry: host, and port, of the cluster's registry; None: any.

    Raises:
        HTTPBadRequest: the body or the image is not right.
    """
    try:
        body = await request.json()
    except ValueError as error:
        raise _bad("the body is not JSON: {}".format(error)) from None
    container = _only_key(body, "container", "the body")
    image = _only_key(container, "image", "container")
    if not isinstance(image, str) or not image:
        raise _bad("{'container': DataError(\"{'image': DataError('value is not a string')}\")}")
    match = _REFERENCE.fullmatch(image)
    if match is None:
        raise _bad("'{}' is not an image reference".format(image))
    if registry is not None and match.group("domain") != registry:
        raise _bad("the image '{}' is not in the registry '{}'".format(image, registry))
    return image


def _only_key(value: Any, key: str, what: str) -> Any:
    if not isinstance(value, dict) or set(value) != {key}:
        raise _bad("{} has to be an object with the key '{}' and no other".format(what, key))
    return value[key]


def _bad(message: str) -> web.HTTPException:
    return refusal(web.HTTPBadRequest, error=message)


async def answer_save(request: web.Request, error: str) -> web.StreamResponse:
    """Answers 200 and the error in the body: the platform's status line is out before it fails."""
    response = web.StreamResponse()
    response.headers["Content-Type"] = "application/x-ndjson; charset=utf-8"
    await response.prepare(request)
    line = json.dumps({"error": error, "errorDetail": {"message": error}}).encode() + b"\r\n"
    fault = fault_of(request)
    if fault is not None:
        await fault.before_send(response, len(line))
    await response.write(line)
    await response.write_eof()
    return response
