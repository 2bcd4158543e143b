"""``client.config``: clusters, presets, organisations and projects, and which of them are current."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..errors import ConfigError, ConnectionFailed
from ..models.cluster import Cluster, Presets, Project, ResourcePool
from ..models.images import PlatformImages
from ..ported import also_named
from ..transport.deadline import Deadline
from ..transport.forklock import ForkLock
from ..transport.tokens import user_of
from . import selection as choices
from .selection import Selection
from .server import ServerConfig, checked_api_url, fetch_server_config

if TYPE_CHECKING:
    from yarl import URL

    from ..transport.answers import HttpResponse
    from ..transport.auth import TokenSource
    from ..transport.http import HttpTransport
    from .overrides import Overrides
    from .store import Store

__all__ = ["Config"]

_logger = logging.getLogger("neuro_sync")
# For other modules of this package.
_INTERNAL = frozenset(
    [
        "from_server",
        "from_store",
        "images",
        "load",
        "orgs",
        "ping",
        "registries",
        "server_has_projects",
        "token_source",
    ]
)


class Config:
    """What a client is about. Made with the client; ``switch_*`` and ``fetch`` change it for all its users.

    From a token alone it asks the server when something of it is first needed. From the CLI's login on
    disk it is what the CLI left there, and changes go back there.
    """

    def __init__(
        self,
        api_url: "Union[str, URL]",
        token_source: "TokenSource",
        http: "HttpTransport",
        *,
        wanted: Optional[Selection] = None,
        store: "Optional[Store]" = None,
    ) -> None:
        self._api_url = checked_api_url(api_url)
        self._token_source = token_source
        self._http = http
        self._store = store
        self._wanted = wanted or Selection("", None, None)
        self._lock = ForkLock(threading.RLock)
        self._server: Optional[ServerConfig] = None
        self._selection: Optional[Selection] = None
        self._warned = False
        self._registries: Dict[str, str] = {}
        self._orgs: Dict[str, Sequence[str]] = {}
        self._images = PlatformImages(self._registries, self._orgs)

    @classmethod
    def from_server(
        cls,
        http: "HttpTransport",
        api_url: "Union[str, URL]",
        token_source: "TokenSource",
        *,
        cluster_name: Optional[str] = None,
        org_name: Optional[str] = None,
        project_name: Optional[str] = None,
    ) -> "Config":
        """The config of a token, kept in memory alone; None takes the server's first."""
        wanted = Selection(cluster_name or "", org_name, project_name)
        return cls(api_url, token_source, http, wanted=wanted)

    @classmethod
    def from_store(
        cls, store: "Store", token_source: "TokenSource", http: "HttpTransport"
    ) -> "Config":
        """The config of the CLI's login."""
        self = cls(store.login.url, token_source, http, store=store)
        self._wanted = store.login.selection
        if store.login.server is not None:
            self._take(store.login.server)
        return self

    # What is there

    @property
    def api_url(self) -> "URL":
        """Address of the API."""
        from yarl import URL

        return URL(self._api_url)

    @property
    def path(self) -> Optional[Path]:
        """Where the login is kept, or None where it is in memory only."""
        return None if self._store is None else self._store.path

    @property
    def token_source(self) -> "TokenSource":
        """Where the token of each request comes from."""
        return self._token_source

    def token(self) -> str:
        """The token, refreshed where it has expired.

        Raises:
            AuthenticationError: it can't be refreshed: log in again.
        """
        return self._token_source.token()

    @property
    def username(self) -> str:
        """Who is logged in, as the token says."""
        return user_of(self.token())

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        """All clusters of the user, by name."""
        return self._loaded().clusters

    @property
    def projects(self) -> Mapping[Project.Key, Project]:
        """All projects of the user."""
        return self._loaded().projects

    @property
    def server_has_projects(self) -> bool:
        """The server knows projects; those before March 2023 refuse to hear of them."""
        return self._loaded().has_projects

    @property
    def registries(self) -> Mapping[str, str]:
        """The registry of each cluster (its host, and its port where it is said)."""
        self._loaded()
        return self._registries

    @property
    def images(self) -> PlatformImages:
        """Tells the images of the clusters' registries from others."""
        self._loaded()
        return self._images

    @property
    def orgs(self) -> "Mapping[str, Sequence[str]]":
        """The organisations of each cluster."""
        self._loaded()
        return self._orgs

    @also_named(cluster_name="name")
    def get_cluster(self, name: str) -> Cluster:
        """A cluster by name; one that is not known may be new, so the server is asked.

        Raises:
            ConfigError: there is no such cluster.
        """
        clusters = self._loaded().clusters
        if name not in clusters and self._store is not None:
            self.fetch()
            clusters = self._loaded().clusters
        return choices.checked(clusters, name)

    # What is current

    @property
    def cluster_name(self) -> str:
        """Name of the current cluster."""
        return self._overrides().cluster_name or self._selected().cluster_name

    @property
    def org_name(self) -> Optional[str]:
        """Name of the current organisation, None without one."""
        overrides = self._overrides()
        return overrides.org_name if overrides.has_org else self._selected().org_name

    @property
    def project_name(self) -> Optional[str]:
        """Name of the current project, None without one."""
        return self._overrides().project_name or self._selected().project_name

    @property
    def project_name_or_raise(self) -> str:
        """Name of the current project.

        Raises:
            ConfigError: there is none.
        """
        name = self.project_name
        if name is None:
            raise ConfigError(
                "there is no current project: name one, or use config.switch_project()"
            )
        return name

    @property
    def current_cluster(self) -> Cluster:
        """The current cluster."""
        return self.get_cluster(self.cluster_name)

    @property
    def presets(self) -> Presets:
        """The presets of the current cluster, by name."""
        return self.current_cluster.presets

    @property
    def resource_pools(self) -> Mapping[str, ResourcePool]:
        """The resource pools of the current cluster, by name."""
        return self.current_cluster.resource_pools

    @property
    def monitoring_url(self) -> "URL":
        """Address of the service of the current cluster that has logs, telemetry and streams."""
        return self.current_cluster.monitoring_url

    @property
    def available_orgs(self) -> "Tuple[Optional[str], ...]":
        """The organisations of all clusters, sorted; None stands for running without one."""
        found = {org for cluster in self.clusters.values() for org in choices.orgs_of(cluster)}
        return tuple(sorted(found, key=lambda org: (org is not None, org or "")))

    @property
    def cluster_orgs(self) -> "List[Optional[str]]":
        """The organisations of the current cluster."""
        return choices.orgs_of(self.current_cluster)

    @property
    def cluster_org_projects(self) -> List[Project]:
        """The projects of the current cluster and organisation."""
        place = self.cluster_name, self.org_name
        return [
            project
            for key, project in self.projects.items()
            if (key.cluster_name, key.org_name) == place
        ]

    # Changes

    def fetch(self) -> None:
        """Ask the server for what has changed. Where the login can't be written, this client alone knows of it.

        Raises:
            ConfigError: the current cluster is no longer there.

        Endpoint: ``GET {api}/config``.
        """
        server = fetch_server_config(self._http, self._api_url)
        with self._lock:
            if self._selection is not None:
                choices.checked(server.clusters, self._selection.cluster_name)
            self._take(server)
            self._keep(server)

    def _keep(self, server: ServerConfig) -> None:
        """Write it down, where there is a login on disk that takes it."""
        if self._store is None:
            return
        try:
            self._store.save_server(server)
        except ConfigError as error:
            if not self._warned:
                self._warned = True
                _logger.warning(
                    "what the server says is used here, but could not be kept: %s", error
                )

    def check_server(self) -> None:
        """Ask the server whether clusters and login are still as they are here.

        Raises:
            ConfigError: they are not: ``fetch()`` takes them over.

        Endpoint: ``GET {api}/config``.
        """
        known = self._loaded()
        server = fetch_server_config(self._http, self._api_url)
        if self._kept(server) != self._kept(known) or server.auth != known.auth:
            raise ConfigError("the platform's configuration has changed: call config.fetch()")

    def _kept(self, server: ServerConfig) -> Mapping[str, Cluster]:
        """Of its clusters what is on disk, which is not all that a server says."""
        return server.clusters if self._store is None else self._store.kept_clusters(server)

    def ping(self) -> "HttpResponse":
        """Ask the server for its config, without a token: the answer's headers say which it is.

        Endpoint: ``GET {api}/config``.
        """
        return self._http.request("GET", self._api_url + "/config", authorize=False)

    def switch_cluster(self, name: str) -> None:
        """Make a cluster the current one. Organisation and project stay, where it has them.

        Raises:
            ConfigError: there is no such cluster, or a file of this directory names another.
        """
        self._refuse_override(self._overrides().cluster_name, "cluster")
        self._switch(
            lambda old, server: choices.with_cluster(old, name, server.clusters, server.projects)
        )

    def switch_org(self, name: Optional[str]) -> None:
        """Make an organisation the current one, in the current cluster if that has it.

        Raises:
            ConfigError: there is no such organisation, or a file of this directory names another.
        """
        self._refuse_override(self._overrides().has_org, "organisation")

        def choose(old: Selection, server: ServerConfig) -> Selection:
            override = self._overrides().cluster_name
            here = old._replace(cluster_name=override or old.cluster_name)
            chosen = choices.with_org(here, name, server.clusters, server.projects)
            if chosen.cluster_name != here.cluster_name:
                self._refuse_override(override, "cluster")
            return chosen._replace(cluster_name=old.cluster_name) if override else chosen

        self._switch(choose)

    def switch_project(self, name: str) -> None:
        """Make a project of the current cluster and organisation the current one.

        Raises:
            ConfigError: there is no such project, or a file of this directory names another.
        """
        self._refuse_override(self._overrides().project_name, "project")

        def choose(old: Selection, server: ServerConfig) -> Selection:
            here = old._replace(cluster_name=self.cluster_name, org_name=self.org_name)
            choices.with_project(here, name, server.projects)
            # What a file says for its own directory does not become what is current elsewhere.
            return old._replace(project_name=name)

        self._switch(choose)

    def _switch(self, choose: Callable[[Selection, ServerConfig], Selection]) -> None:
        with self._lock:
            chosen = choose(self._selected(), self._loaded())
            if self._store is not None:
                self._store.save_selection(chosen)
            self._selection = chosen

    def _refuse_override(self, override: object, what: str) -> None:
        if override:
            raise ConfigError(
                "the current {} is set by {}: change it there".format(
                    what, self._overrides().source
                )
            )

    # Loading

    def load(self, seconds: Optional[float] = None) -> None:
        """Have what the server says at hand: a client that was just made has to ask for it.

        Args:
            seconds: for all of it; None: as many as any other call.

        Raises:
            ConnectionFailed: it is not there in time.

        Endpoint: ``GET {api}/config``, once.
        """
        if self._server is not None:
            return
        deadline = Deadline(seconds)
        with self._lock.within(seconds) as held:
            if not held:
                raise ConnectionFailed("another thread waits for the server's config for too long")
            if self._server is None:
                server = fetch_server_config(self._http, self._api_url, seconds=deadline.left)
                self._take(server)

    def _loaded(self) -> ServerConfig:
        if self._server is None:
            self.load()
        assert self._server is not None
        return self._server

    def _selected(self) -> Selection:
        self._loaded()
        assert self._selection is not None
        return self._selection

    def _take(self, server: ServerConfig) -> None:
        if self._selection is None:
            wanted = self._wanted
            self._selection = choices.first_selection(
                server.clusters,
                server.projects,
                cluster_name=wanted.cluster_name or None,
                org_name=wanted.org_name,
                project_name=wanted.project_name,
            )
        self._registries = {
            name: cluster.registry for name, cluster in server.clusters.items() if cluster.registry
        }
        self._orgs = {name: cluster.orgs for name, cluster in server.clusters.items()}
        self._images = PlatformImages(self._registries, self._orgs)
        self._server = server

    def _overrides(self) -> "Overrides":
        from .overrides import NO_OVERRIDES, load_overrides

        return NO_OVERRIDES if self._store is None else load_overrides(self._store.path)

    def __dir__(self) -> List[str]:
        # What other modules of the package use is of no use at a prompt.
        return [name for name in super().__dir__() if name not in _INTERNAL]

    def __reduce__(self) -> str:
        # What is met first in a client that is pickled, too.
        raise TypeError(
            "a client can't be pickled: it has connections and a token; make one in each process"
        )

    def __repr__(self) -> str:
        return "<Config of {}>".format(self._api_url)
