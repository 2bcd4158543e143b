"""What a refusal or an exception of the libraries below means: was anything sent, may it go well another time."""

import ssl
from email.utils import formatdate
from typing import Iterator, Mapping, Optional, Sequence
from urllib.parse import parse_qsl

from ..errors import ConnectionFailed, NeuroError, ProtocolError
from ..wire.paths import hide, redact
from ..wire.responses import error_from_response, parse_retry_after
from .environment import proxy_for
from .retry import AttemptFailed

__all__ = ["failed", "failed_attempt", "reason", "refused_attempt", "secrets_of", "without"]

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
# Of a form for the login service.
_SECRET_FIELDS = frozenset({"code", "code_verifier", "client_secret", "refresh_token"})


def refused_attempt(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    method: str,
    url: str,
    secrets: Sequence[str],
    x_error: Optional[str] = None,
) -> AttemptFailed:
    """What an answer of 400 or more means, to a request with these secrets."""
    asked = {
        "Retry-After": headers.get("Retry-After", ""),
        # By this machine's clock only where the server tells no time of its own.
        "Date": headers.get("Date") or formatdate(usegmt=True),
    }
    error = error_from_response(
        status,
        body,
        headers=asked,
        method=method,
        url=url,
        x_error=x_error,
        secrets=secrets,
    )
    wait = parse_retry_after(asked["Retry-After"], date=asked["Date"])
    return AttemptFailed(
        error,
        sent=True,
        answered=True,
        transient=status in _TRANSIENT,
        retry_after=wait if status in (429, 503) else None,
        invited=status == 429 or (status == 503 and wait is not None),
    )


def secrets_of(token: str, headers: Mapping[str, str], body: Optional[bytes]) -> Sequence[str]:
    """What no error of a request may show, though the server may say it again."""
    secrets = [token]
    if body and headers.get("Content-Type") == "application/x-www-form-urlencoded":
        fields = parse_qsl(body.decode("ascii"))
        secrets += [value for name, value in fields if name in _SECRET_FIELDS]
    return secrets


def without(secrets: Sequence[str], error: Exception) -> Optional[Exception]:
    """An error to show as the cause of another one, None if it shows a secret."""
    text = str(error)
    return error if hide(text, secrets) == text else None


def failed_attempt(
    error: Exception,
    method: str,
    url: str,
    *,
    answered: bool = False,
    secrets: Sequence[str] = (),
) -> AttemptFailed:
    """Translate an exception of requests, urllib3, ssl or socket, at this one place.

    Args:
        error: the exception.
        method, url: of the request.
        answered: the head of an answer has come.
        secrets: of the request.
    """
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, NeuroError):
        if error.url is None:
            error.method, error.url = method, redact(url)
        return AttemptFailed(error, sent=True)
    host = redact(url).partition("//")[2].partition("/")[0]
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        if proxy_for(url) is not None:
            # Of the two URLs that of the proxy is the one that nobody has looked at before.
            text = "the proxy for {} can't be used{}".format(
                host, ": it needs PySocks" if "SOCKS" in str(error) else ""
            )
            return failed(text, method, url, sent=False, transient=False)
        return AttemptFailed(
            ValueError("not a URL that can be called: {!r}".format(redact(url))),
            sent=False,
            transient=False,
        )
    if not isinstance(error, (requests.RequestException, OSError)) and not _of_urllib3(error):
        if not answered:
            # A wrong argument or a bug of ours: it comes as it is, and never again.
            return AttemptFailed(error, sent=False, transient=False)
        text = "the answer of {} can't be read: {}".format(host, reason(error, secrets))
        wrong = ProtocolError(text, method=method, url=redact(url))
        return AttemptFailed(wrong, sent=True, transient=False)
    causes = list(_causes(error))
    words = _short(causes, secrets)
    certificate = next((cause for cause in causes if _is_of_certificate(cause)), None)
    if certificate is not None:
        text = "the certificate of {} is not valid: {}".format(
            host, getattr(certificate, "verify_message", "") or certificate
        )
        return failed(text, method, url, sent=False, transient=False)
    if isinstance(error, requests.exceptions.ProxyError):
        text = "the proxy for {} refused: {}".format(host, words)
        status = 407 if "407" in words else None
        return failed(text, method, url, sent=False, transient=status is None, status=status)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return failed("no connection to {} in time".format(host), method, url, sent=False)
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        text = "no connection to {}: {}".format(host, words)
        return failed(text, method, url, sent=False)
    if isinstance(error, requests.exceptions.ReadTimeout) or "timed out" in words:
        return failed(
            "{} did not answer in time".format(host), method, url, sent=True, timed_out=True
        )
    text = "the connection to {} broke: {}".format(host, words)
    return failed(text, method, url, sent=True)


def _is_of_certificate(error: BaseException) -> bool:
    # urllib3 1.x compares host names itself, with an exception of its own.
    ours = isinstance(error, ssl.SSLCertVerificationError)
    return ours or type(error).__name__ == "CertificateError"


def failed(
    text: str,
    method: str,
    url: str,
    *,
    sent: bool,
    transient: bool = True,
    timed_out: bool = False,
    status: Optional[int] = None,
) -> AttemptFailed:
    """A try that got no answer of the server; ``status`` is that of a proxy's."""
    return AttemptFailed(
        ConnectionFailed(text, method=method, url=redact(url), status=status),
        sent=sent,
        transient=transient,
        timed_out=timed_out,
    )


def _of_urllib3(error: Exception) -> bool:
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    return isinstance(error, (HTTPError, HTTPException))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it: the libraries wrap each other in several ways."""
    from urllib3.exceptions import NewConnectionError

    seen = set()
    waiting = [error]
    while waiting:
        current: Optional[BaseException] = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), current.__cause__]
        inner += list(current.args)
        if isinstance(current, NewConnectionError):
            # urllib3 1 says nowhere else what it comes from. Of others it may be what a caller was busy with.
            inner.append(current.__context__)
        waiting += [item for item in inner if isinstance(item, BaseException)]


def _short(causes: "list[BaseException]", secrets: Sequence[str]) -> str:
    """The innermost reason in plain words."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
    return reason(causes[-1], secrets)


def reason(error: BaseException, secrets: Sequence[str] = ()) -> str:
    """What an error says, in plain words where it is one of the system; without secrets."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return hide(str(error), secrets)[:200] or type(error).__name__
