"""Every error of this package.

::

    NeuroError
    ├── ClientError                     the server refused: a 4xx without a class of its own
    │   ├── AuthError
    │   │   ├── AuthenticationError     401
    │   │   └── AuthorizationError      403, .missing
    │   ├── Conflict                    409
    │   └── RateLimited                 429, .retry_after
    ├── IllegalArgumentError            400, .payload (also a ValueError)
    │   └── JobNotFound                 the job is not known (also a ResourceNotFound)
    ├── ResourceNotFound                404 (also a ValueError)
    ├── ServerError                     5xx
    │   ├── BadGateway                  502 (also a ValueError)
    │   └── ServerNotAvailable          503 (also a ValueError)
    ├── ConnectionFailed                no answer after all tries (also a ConnectionError)
    ├── OutcomeUnknown                  sent, and no answer: it may have happened
    ├── ProtocolError                   the peer does not speak the protocol
    │   └── NDJSONError                 a listing failed half-way (also a ValueError)
    ├── ConcurrentRead                  two threads read one stream (also a RuntimeError)
    ├── StreamClosed                    written after the end (also a BrokenPipeError)
    ├── StdStreamError                  a command ended with .exit_code
    ├── ExecTimeout                     a command did not end in time (also a TimeoutError)
    ├── LogGap                          lines may be missing from a log
    ├── ImageSaveError                  the image was not saved
    ├── JobWaitTimeout                  .job did not get there in time (also a TimeoutError)
    ├── JobFinished                     .job has ended, with none of the awaited statuses
    ├── JobFailed                       .job failed or was cancelled
    └── ConfigError                     the login on this machine (also a RuntimeError)

The builtin bases are those that the errors of the same names have in the platform's asyncio SDK, so
that ``except ValueError`` in ported code goes on to work. All can be pickled, and none shows a token.
"""

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Type

__all__ = [
    "AuthError",
    "AuthenticationError",
    "AuthorizationError",
    "BadGateway",
    "ClientError",
    "ConcurrentRead",
    "ConfigError",
    "Conflict",
    "ConnectionFailed",
    "ExecTimeout",
    "IllegalArgumentError",
    "ImageSaveError",
    "JobFailed",
    "JobFinished",
    "JobNotFound",
    "JobWaitTimeout",
    "LogGap",
    "NDJSONError",
    "NeuroError",
    "OutcomeUnknown",
    "ProtocolError",
    "RateLimited",
    "ResourceNotFound",
    "ServerError",
    "ServerNotAvailable",
    "StdStreamError",
    "StreamClosed",
]


def _rebuild(cls: Type["NeuroError"], args: Tuple[Any, ...], facts: Mapping[str, Any]) -> Any:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class NeuroError(Exception):
    """Base of all errors of this package.

    Attributes:
        status: HTTP status of the answer (of the handshake, for a stream), where there was one.
        method: HTTP method of the request, where there was one.
        url: its URL without query, user info and secrets.
        attempts: how many times the request was tried.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: Optional[int] = None,
        method: Optional[str] = None,
        url: Optional[str] = None,
        attempts: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.method = method
        self.url = url
        self.attempts = attempts

    def __str__(self) -> str:
        # OSError, a base of some, would show an errno that is not there.
        message = str(self.args[0]) if self.args else ""
        return "{} [{}]".format(message, self._request()) if self.url else message

    def _request(self) -> str:
        """The request in a log: ``GET https://...: 503, 3 tries``."""
        shown = "{} {}".format(self.method, self.url) if self.method else str(self.url)
        if self.status is not None:
            shown += ": {}".format(self.status)
        if self.attempts is not None and self.attempts > 1:
            shown += ", {} tries".format(self.attempts)
        return shown

    def __reduce__(self) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class ClientError(NeuroError):
    """The server refused the request with a 4xx status that has no class of its own."""


class AuthError(ClientError):
    """The login is missing, wrong or not allowed to do this."""


class AuthenticationError(AuthError):
    """401: the token is missing, malformed or expired."""


class AuthorizationError(AuthError):
    """403: the user may not do this.

    Attributes:
        missing: the permissions that lack, as the server lists them: ``{"uri": ..., "action": ...}``.
    """

    def __init__(
        self, message: str = "", *, missing: Sequence[Mapping[str, Any]] = (), **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.missing = tuple(missing)


class Conflict(ClientError):
    """409: the object was changed by somebody else at the same moment."""


class _AskedToWait(NeuroError):
    def __init__(
        self, message: str = "", *, retry_after: Optional[float] = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class RateLimited(_AskedToWait, ClientError):
    """429: too many requests.

    Attributes:
        retry_after: how many seconds the server asks to wait, or None.
    """


class IllegalArgumentError(NeuroError, ValueError):
    """400: the server does not accept the request.

    Attributes:
        payload: the JSON object of the answer, or None.
    """

    def __init__(
        self, message: str = "", *, payload: Optional[Mapping[str, Any]] = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.payload = payload


class ResourceNotFound(NeuroError, ValueError):
    """404: there is no such thing, or the job is not running."""


class JobNotFound(ResourceNotFound, IllegalArgumentError):
    """The server does not know the job: its 400 or 404 for an id or a name."""


class ServerError(NeuroError):
    """5xx: the server failed."""


class BadGateway(ServerError, ValueError):
    """502: the load balancer got no proper answer from the service."""


class ServerNotAvailable(_AskedToWait, ServerError, ValueError):
    """503: the service is not available now.

    Attributes:
        retry_after: how many seconds the server asks to wait, or None.
    """


class ConnectionFailed(NeuroError, ConnectionError):
    """No answer after all tries, or a connection that ended before it could be complete."""


class OutcomeUnknown(NeuroError):
    """The request was sent and no answer came: it may have taken effect, and is not repeated."""


class ProtocolError(NeuroError):
    """The peer sent what the protocol does not allow."""


class NDJSONError(ProtocolError, ValueError):
    """A listing ended in the middle with an error of the server."""


class ConcurrentRead(NeuroError, RuntimeError):
    """Two threads read one stream at the same moment: each would get some of the data."""


class StreamClosed(NeuroError, BrokenPipeError):
    """Data was written to a stream that has ended or was closed."""


class StdStreamError(NeuroError):
    """A command ended with an exit code other than 0.

    Attributes:
        exit_code: its exit code.
        stdout, stderr: what it wrote, where the call collected it.
    """

    def __init__(
        self,
        exit_code: int,
        message: str = "",
        *,
        stdout: Optional[bytes] = None,
        stderr: Optional[bytes] = None,
        **facts: Any,
    ) -> None:
        super().__init__(
            message or "the command ended with exit code {}".format(exit_code), **facts
        )
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


class ExecTimeout(NeuroError, TimeoutError):
    """A command did not end in time.

    Attributes:
        stdout, stderr: what it had written by then.
    """

    def __init__(
        self, message: str = "", *, stdout: bytes = b"", stderr: bytes = b"", **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.stdout = stdout
        self.stderr = stderr


class LogGap(NeuroError):
    """Lines may be missing from a log: a gap could not be excluded when it was taken up again.

    Attributes:
        after: time stamp of the last line before the gap, as the server wrote it, or None.
        before: time stamp of the first line behind it, or None.
        reason: why a gap cannot be excluded.
    """

    def __init__(
        self,
        message: str = "",
        *,
        after: Optional[str] = None,
        before: Optional[str] = None,
        reason: str = "",
        **facts: Any,
    ) -> None:
        super().__init__(message or reason, **facts)
        self.after = after
        self.before = before
        self.reason = reason


class ImageSaveError(NeuroError):
    """The job's container was not saved as an image."""


class _JobError(NeuroError):
    """An error about one job.

    Attributes:
        job: its JobDescription, as last seen.
    """

    def __init__(self, message: str = "", *, job: Any = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.job = job


class JobWaitTimeout(_JobError, TimeoutError):
    """The job did not reach the awaited status in time."""


class JobFinished(_JobError):
    """The job has ended, with none of the awaited statuses."""


class JobFailed(_JobError):
    """The job failed or was cancelled.

    Attributes:
        job: its JobDescription.
        log_tail: the last lines of its log, where the call had them.
    """

    def __init__(
        self, message: str = "", *, job: Any = None, log_tail: Sequence[str] = (), **facts: Any
    ) -> None:
        super().__init__(message, job=job, **facts)
        self.log_tail = tuple(log_tail)


class ConfigError(NeuroError, RuntimeError):
    """The login or the configuration on this machine is missing, damaged or refused."""
