"""JobsClient, put together from its parts."""

from typing import TYPE_CHECKING, Callable, Optional, Union

from ..transport.retry import RetryPolicy, Timeout, TimeoutLike
from .calls import Calls
from .running import Running
from .saving import Saving
from .streaming import StreamingCalls
from .waiting import Waiting

if TYPE_CHECKING:
    from yarl import URL

    from ..config.config import Config
    from ..transport.http import HttpTransport
    from ..transport.ws import WsTransport

__all__ = ["JobsClient"]


class JobsClient(Running, Waiting, Saving, StreamingCalls, Calls):
    """Start jobs, follow them, work in them, stop them.

    Nothing is read from or written to disk, and nothing is sent before the first call. A client may
    be used from several threads, and is a context manager.

    Args:
        api_url: address of the platform's API; ends in ``/api/v1``.
        token: a token, or a callable that returns one; it is called again when the server refuses
            the one it gave.
        cluster_name, org_name, project_name: what calls are about; None takes the server's first.
        timeout: seconds to wait for a connection, and for the next bytes of an answer; a number of
            seconds or ``(connect, read)`` as in requests will do.
        retry: how often and how patiently a call is tried again.

    Raises:
        TypeError, ValueError: an argument is not what it has to be; no message shows the token.

    Example::

        with neuro_sync.JobsClient("https://api.apolo.us/api/v1", token) as jobs:
            job = jobs.start(image="ubuntu", preset_name="cpu-small", command="echo hello")
            print(jobs.wait(job.id).status)
    """

    def __init__(
        self,
        api_url: "Union[str, URL]",
        token: Union[str, Callable[[], str]],
        *,
        cluster_name: Optional[str] = None,
        org_name: Optional[str] = None,
        project_name: Optional[str] = None,
        timeout: TimeoutLike = Timeout(),
        retry: RetryPolicy = RetryPolicy(),
    ) -> None:
        from ..config.config import Config
        from ..transport.auth import token_source
        from ..transport.http import HttpTransport
        from ..transport.ws import WsTransport

        auth = token_source(token)
        http = HttpTransport(auth, timeout=timeout, retry=retry)
        config = Config.from_server(
            http,
            api_url,
            auth,
            cluster_name=cluster_name,
            org_name=org_name,
            project_name=project_name,
        )
        self._set_up(config, http, WsTransport(auth, timeout=http.timeout, retrier=http.retrier))

    @classmethod
    def _over(cls, config: "Config", http: "HttpTransport", ws: "WsTransport") -> "JobsClient":
        """The jobs of a Client, over the transports that it has."""
        self = cls.__new__(cls)
        self._set_up(config, http, ws)
        return self

    def _set_up(self, config: "Config", http: "HttpTransport", ws: "WsTransport") -> None:
        from ..parse import Parser

        self._config = config
        self._http = http
        self._ws = ws
        self._parse = Parser(config)

    def close(self) -> None:
        """Close the connections of calls. Streams that are open go on until they are closed."""
        self._http.close()

    def __enter__(self) -> "JobsClient":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<JobsClient of {}>".format(self._config.api_url)
