"""What a server says of itself: ``GET {api}/config``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..errors import AuthenticationError, ProtocolError
from ..models.cluster import Cluster, Project
from ..transport.deadline import Deadline
from ..wire.paths import redact

if TYPE_CHECKING:
    from yarl import URL

    from ..transport.http import HttpTransport

__all__ = [
    "AuthSettings",
    "ServerConfig",
    "checked_api_url",
    "fetch_server_config",
    "parse_server_config",
]

_CALLBACK_URLS = tuple("http://127.0.0.1:{}".format(port) for port in (54540, 54541, 54542))


def checked_api_url(url: "Union[str, URL]") -> str:
    """The address of an API, without slashes at its end.

    Raises:
        ValueError: it can't be one; the message shows nothing of it that may be secret.
    """
    text = str(url).rstrip("/")
    if not text.startswith(("http://", "https://")):
        raise ValueError(
            "not the address of an API (https://.../api/v1): {!r}".format(redact(text))
        )
    if redact(text) != text:
        raise ValueError(
            "the address of an API has no user, query or fragment: {!r}".format(redact(text))
        )
    return text


@dataclass(frozen=True)
class AuthSettings:
    """How a login works there; empty texts where the server has none."""

    auth_url: str = ""
    token_url: str = ""
    logout_url: str = ""
    client_id: str = ""
    audience: str = ""
    headless_callback_url: str = ""
    success_redirect_url: Optional[str] = None
    callback_urls: Sequence[str] = _CALLBACK_URLS

    @classmethod
    def from_dict(cls, payload: Mapping[str, Any]) -> "AuthSettings":
        """Of the fields of ``/config``, and as well of what is kept on disk."""
        names = (
            "auth_url",
            "token_url",
            "logout_url",
            "client_id",
            "audience",
            "headless_callback_url",
        )
        texts = {name: str(payload.get(name) or "") for name in names}
        return cls(
            **texts,
            success_redirect_url=payload.get("success_redirect_url") or None,
            callback_urls=tuple(payload.get("callback_urls") or _CALLBACK_URLS),
        )

    def to_dict(self) -> Dict[str, Any]:
        return {**self.__dict__, "callback_urls": list(self.callback_urls)}


@dataclass(frozen=True)
class ServerConfig:
    """Clusters, projects and login of a server.

    Attributes:
        has_projects: the server knows projects (since March 2023).
        cluster_payloads: the clusters as they came, for what is kept on disk.
    """

    authorized: bool
    auth: AuthSettings
    clusters: Mapping[str, Cluster]
    projects: Mapping[Project.Key, Project]
    has_projects: bool
    admin_url: Optional[str] = None
    vcluster_url: Optional[str] = None
    cluster_payloads: Sequence[Mapping[str, Any]] = field(default=(), compare=False)


def parse_server_config(payload: Any) -> ServerConfig:
    """Read the answer of ``/config``, of any server since 2022.

    Raises:
        ProtocolError: it is not such an answer.
    """
    if not isinstance(payload, dict) or "authorized" not in payload:
        raise ProtocolError("this is not the API of the platform: /config answers something else")
    cluster_payloads = _objects(payload, "clusters")
    clusters = [Cluster.from_dict(item) for item in cluster_payloads]
    projects = [Project.from_dict(item) for item in _objects(payload, "projects")]
    return ServerConfig(
        authorized=payload["authorized"] is True,
        auth=AuthSettings.from_dict(payload),
        clusters={cluster.name: cluster for cluster in clusters},
        projects={project.key: project for project in projects},
        has_projects=payload.get("projects") is not None,
        admin_url=payload.get("admin_url"),
        vcluster_url=payload.get("vcluster_url"),
        cluster_payloads=cluster_payloads,
    )


def fetch_server_config(
    http: "HttpTransport",
    api_url: str,
    *,
    authorize: bool = True,
    seconds: Optional[float] = None,
) -> ServerConfig:
    """Ask a server for its config.

    Args:
        http: sends the request, with the token that it has.
        api_url: address of the API.
        authorize: send the token; without one, only the login settings come back.
        seconds: for all of it; None: as many as the requests get by themselves.

    Raises:
        AuthenticationError: the token is not accepted.
        ProtocolError: it is not the platform's API.

    Endpoint: ``GET {api}/config``.
    """
    deadline = Deadline(seconds)
    config = _get(http, api_url, authorize, deadline)
    if not authorize or config.authorized:
        return config
    # A bad token is answered with 200 here, so the transport does not get to know of it.
    token = http.auth.token(deadline.left)
    if token and http.auth.refresh(token, deadline.left):
        config = _get(http, api_url, authorize, deadline)
    if not config.authorized and not config.clusters:
        raise AuthenticationError(
            "the server does not accept the token: log in again",
            method="GET",
            url=api_url + "/config",
            status=200,
        )
    return config


def _get(http: "HttpTransport", api_url: str, authorize: bool, deadline: Deadline) -> ServerConfig:
    url = api_url + "/config"
    response = http.request("GET", url, authorize=authorize, seconds=deadline.left)
    return response.decode(parse_server_config)


def _objects(payload: Mapping[str, Any], key: str) -> "Tuple[Mapping[str, Any], ...]":
    values = payload.get(key) or []
    if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
        raise ProtocolError("/config: {!r} is not an array of objects".format(key))
    result: List[Mapping[str, Any]] = values
    return tuple(result)
