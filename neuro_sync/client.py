"""The client: a login, and the jobs that it opens."""

from pathlib import Path
from typing import TYPE_CHECKING, Callable, Mapping, Optional, Union

from .config.config import Config
from .jobs import JobsClient
from .parse import Parser
from .transport.http import HttpTransport
from .transport.retry import RetryPolicy, Timeout, TimeoutLike
from .transport.ws import WsTransport

if TYPE_CHECKING:
    from yarl import URL

    from .models.cluster import Preset

__all__ = ["Client", "get"]


class Client:
    """A login of this machine, or a token, and what can be done with it.

    Made by :func:`get`, ``Factory.get`` and :meth:`from_token`. May be used from several threads, and
    is a context manager.

    Attributes:
        jobs: start jobs, follow them, work in them, stop them.
        config: clusters, presets, organisations and projects, and which of them are current.
        parse: parser of images, URIs, volumes and environments in the CLI's form.
    """

    def __init__(self, config: Config, http: HttpTransport) -> None:
        ws = WsTransport(config.token_source, timeout=http.timeout, retrier=http.retrier)
        self.config = config
        self.jobs = JobsClient._over(config, http, ws)

    @classmethod
    def from_token(
        cls,
        api_url: "Union[str, URL]",
        token: Union[str, Callable[[], str]],
        *,
        cluster_name: Optional[str] = None,
        org_name: Optional[str] = None,
        project_name: Optional[str] = None,
        timeout: TimeoutLike = Timeout(),
        retry: RetryPolicy = RetryPolicy(),
    ) -> "Client":
        """A client that neither reads nor writes this machine's login.

        Args:
            api_url: address of the platform's API; ends in ``/api/v1``.
            token: a token, or a callable that returns one.
            cluster_name, org_name, project_name: None takes the server's first.
            timeout: seconds to wait for a connection, and for the next bytes of an answer.
            retry: how often and how patiently a call is tried again.
        """
        self = cls.__new__(cls)
        self.jobs = JobsClient(
            api_url,
            token,
            cluster_name=cluster_name,
            org_name=org_name,
            project_name=project_name,
            timeout=timeout,
            retry=retry,
        )
        self.config = self.jobs.config
        return self

    @property
    def parse(self) -> Parser:
        return self.jobs.parse

    @property
    def username(self) -> str:
        """Who is logged in."""
        return self.config.username

    @property
    def cluster_name(self) -> str:
        """Name of the current cluster."""
        return self.config.cluster_name

    @property
    def presets(self) -> "Mapping[str, Preset]":
        """The presets of the current cluster, by name."""
        return self.config.presets

    def close(self) -> None:
        """Close the connections of calls. Streams that are open go on until they are closed."""
        self.jobs.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<Client of {}>".format(self.config.api_url)


def get(
    *,
    path: Union[str, Path, None] = None,
    timeout: TimeoutLike = Timeout(),
    retry: RetryPolicy = RetryPolicy(),
) -> Client:
    """A client with the login that the platform's CLI left on this machine.

    Inside a job that was started with ``pass_config`` it is the login that was passed to it.

    Args:
        path: where the CLI keeps its configuration; None looks where the CLI looks.
        timeout: seconds to wait for a connection, and for the next bytes of an answer.
        retry: how often and how patiently a call is tried again.

    Raises:
        ConfigError: there is no login on this machine, or it is damaged; the message says what to do.
    """
    from .config.factory import Factory

    return Factory(path).get(timeout=timeout, retry=retry)
