"""What an exception of the libraries below means: was anything sent, may it go well another time."""

import ssl
from typing import Iterator, Optional
from urllib.parse import urlsplit

from ..errors import ConnectionFailed, NeuroError
from ..wire.paths import redact
from .retry import AttemptFailed

__all__ = ["failed_attempt"]


def failed_attempt(error: Exception, method: str, url: str) -> AttemptFailed:
    """Translate an exception of requests, urllib3, ssl or socket, at this one place."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, NeuroError):
        if error.url is None:
            error.method, error.url = method, redact(url)
        return AttemptFailed(error, sent=True)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return AttemptFailed(
            ValueError("not a URL that can be called: {!r}".format(redact(url))),
            sent=False,
            transient=False,
        )
    if not isinstance(error, (requests.RequestException, OSError)) and not _of_urllib3(error):
        # A wrong argument or a bug of ours: it comes as it is, and never again.
        return AttemptFailed(error, sent=False, transient=False)
    causes = list(_causes(error))
    host = urlsplit(url).netloc.rpartition("@")[2]
    certificate = next((cause for cause in causes if _is_of_certificate(cause)), None)
    if certificate is not None:
        text = "the certificate of {} is not valid: {}".format(
            host, getattr(certificate, "verify_message", "") or certificate
        )
        return _failed(text, method, url, sent=False, transient=False)
    if isinstance(error, requests.exceptions.ProxyError):
        text = "the proxy for {} refused: {}".format(host, _short(causes))
        failed = _failed(text, method, url, sent=False)
        if "407" in _short(causes):
            assert isinstance(failed.error, NeuroError)
            failed.error.status = 407
            failed.transient = False
        return failed
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return _failed("no connection to {} in time".format(host), method, url, sent=False)
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        text = "no connection to {}: {}".format(host, _short(causes))
        return _failed(text, method, url, sent=False)
    if isinstance(error, requests.exceptions.ReadTimeout) or "timed out" in _short(causes):
        return _failed(
            "{} did not answer in time".format(host), method, url, sent=True, timed_out=True
        )
    text = "the connection to {} broke: {}".format(host, _short(causes))
    return _failed(text, method, url, sent=True)


def _is_of_certificate(error: BaseException) -> bool:
    # urllib3 1.x compares host names itself, with an exception of its own.
    ours = isinstance(error, ssl.SSLCertVerificationError)
    return ours or type(error).__name__ == "CertificateError"


def _failed(
    text: str,
    method: str,
    url: str,
    *,
    sent: bool,
    transient: bool = True,
    timed_out: bool = False,
) -> AttemptFailed:
    return AttemptFailed(
        ConnectionFailed(text, method=method, url=redact(url)),
        sent=sent,
        transient=transient,
        timed_out=timed_out,
    )


def _of_urllib3(error: Exception) -> bool:
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    return isinstance(error, (HTTPError, HTTPException))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is behind it: the libraries wrap each other in three ways."""
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
        waiting += [item for item in inner if isinstance(item, BaseException)]


def _short(causes: "list[BaseException]") -> str:
    """The innermost reason in plain words."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
    return str(causes[-1])[:200] or type(causes[-1]).__name__
