"""What an answer of 400 or more means."""

import email.utils
import errno as errno_names
import json
import re
from datetime import timezone
from typing import Any, Dict, Iterable, Mapping, Optional, Type

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    BadGateway,
    ClientError,
    Conflict,
    ConnectionFailed,
    IllegalArgumentError,
    JobNotFound,
    NeuroError,
    RateLimited,
    ResourceNotFound,
    ServerError,
    ServerNotAvailable,
)
from .paths import hide, redact

__all__ = ["error_from_response", "parse_retry_after"]

_LONGEST_PAGE = 200
_LONGEST_MESSAGE = 1000
_NO_SUCH_JOB = "no such job"
_PLAIN_CLASSES: Dict[int, Type[NeuroError]] = {
    401: AuthenticationError,
    404: ResourceNotFound,
    407: ConnectionFailed,  # the answer of a proxy: the server was not reached
    409: Conflict,
    502: BadGateway,
}
_ADVICE = {
    401: "the token is not valid or has expired: log in again",
    407: "the proxy wants to know who asks: put a user name and a password into its URL",
    403: "ask for the permission, or check the cluster, the organisation and the project",
}


def error_from_response(
    status: int,
    body: bytes,
    *,
    headers: Optional[Mapping[str, str]] = None,
    method: Optional[str] = None,
    url: Optional[str] = None,
    attempts: Optional[int] = None,
    x_error: Optional[str] = None,
    secrets: Iterable[str] = (),
) -> Exception:
    """The error that an answer stands for, in the server's own words.

    Args:
        status: HTTP status, 400 or more.
        body: of the answer.
        headers: of the answer, looked up as they are spelt here.
        method, url, attempts: of the request.
        x_error: the X-Error header of a refused WebSocket handshake; stands in for the body.
        secrets: of the request; a server that says them again does not get them into the error.

    Returns:
        A NeuroError; or, as other services of the platform have it, an OSError for a 400 that
        comes with an errno.
    """
    headers = headers or {}
    text = hide(x_error if x_error else body.decode("utf-8", "replace"), secrets)
    payload = _payload(text)
    message = _message(payload, text, status)
    facts: Dict[str, Any] = {
        "status": status,
        "method": method,
        "url": None if url is None else redact(url),
        "attempts": attempts,
    }
    if status == 400 and payload is not None and "errno" in payload:
        return _os_error(payload["errno"], message)
    if status in (400, 404) and _NO_SUCH_JOB in message:
        return JobNotFound(_innermost(message), payload=payload, **facts)
    if status == 400:
        return IllegalArgumentError(message, payload=payload, **facts)
    if status == 403:
        missing = payload.get("missing") if payload is not None else None
        rows = (
            [row for row in missing if isinstance(row, dict)] if isinstance(missing, list) else []
        )
        return AuthorizationError(_advised(message, status), missing=rows, **facts)
    if status in (429, 503):
        wait = parse_retry_after(headers.get("Retry-After"), date=headers.get("Date"))
        limited = RateLimited if status == 429 else ServerNotAvailable
        return limited(message, retry_after=wait, **facts)
    plain = _PLAIN_CLASSES.get(status, ServerError if status >= 500 else ClientError)
    return plain(_advised(message, status), **facts)


def parse_retry_after(value: Optional[str], *, date: Optional[str] = None) -> Optional[float]:
    """Seconds that a Retry-After header asks to wait, 0 for none of them; None: no header, the past or nonsense.

    Args:
        value: the header: seconds, or an HTTP date.
        date: the Date header of the same answer. A date is measured against it: the clock of this
            machine may be wrong.
    """
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
        return float(value)
    until, now = _http_date(value), _http_date(date)
    if until is None or now is None or until <= now:
        return None
    return until - now


def _http_date(text: Optional[str]) -> Optional[float]:
    if not text:
        return None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _payload(text: str) -> Optional[Dict[str, Any]]:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _message(payload: Optional[Dict[str, Any]], text: str, status: int) -> str:
    if payload is not None:
        # A port that cannot be reached: "msg" says which one, "error" why.
        words = [
            _innermost(str(payload[key])).strip()
            for key in ("msg", "error")
            if isinstance(payload.get(key), (str, int, float))
        ]
        if words:
            return _cut(": ".join(filter(None, words)), _LONGEST_MESSAGE) or _default(status)
        if isinstance(payload.get("missing"), list):
            return _cut(_missing_text(payload["missing"]), _LONGEST_MESSAGE)
    else:
        text = _json_text(text)
    if text.lstrip()[:1] == "<":
        # A page of a load balancer: its tags help nobody.
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()
        return _cut(text, _LONGEST_PAGE) or _default(status)
    return _cut(text.strip(), _LONGEST_PAGE if payload is None else _LONGEST_MESSAGE) or _default(
        status
    )


def _json_text(text: str) -> str:
    """Some proxies answer with a JSON string."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _innermost(message: str) -> str:
    """The monitoring service wraps the answer of another service, as JSON, into its own."""
    for _ in range(3):
        inner = _payload(message)
        if inner is None or not isinstance(inner.get("error"), str):
            break
        message = inner["error"]
    return message


def _missing_text(missing: Any) -> str:
    rows = [
        "{} on {}".format(row.get("action"), row.get("uri"))
        for row in missing
        if isinstance(row, dict)
    ]
    return "permission is missing: {}".format(", ".join(rows)) if rows else "permission is missing"


def _advised(message: str, status: int) -> str:
    advice = _ADVICE.get(status)
    return message if advice is None else "{} ({})".format(message, advice)


def _os_error(number: Any, message: str) -> OSError:
    if isinstance(number, str) and number.startswith("E"):
        number = getattr(errno_names, number, number)
    return OSError(number, message)


def _default(status: int) -> str:
    return "the server answered with status {}".format(status)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "..."
