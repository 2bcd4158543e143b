"""The login that the platform's CLI keeps on this machine: an SQLite file in a directory of its own.

A file of another generation is read as it is and changed in place, column by column: its owner goes on
to work with it. Nothing is changed that the CLI does not change in the same case.
"""

import json
import os
import sqlite3
import stat
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from ..errors import ConfigError, ProtocolError
from ..models.cluster import Cluster, Project
from .schemas import NEWEST, SCHEMAS, Schema, dump_clusters, dump_projects
from .selection import Selection
from .server import AuthSettings, ServerConfig, checked_api_url

__all__ = ["Login", "NotWritable", "Store", "Tokens", "login_exists"]

_FILE = "db"
_BESIDE = ("-journal", "-wal", "-shm")  # endings of what SQLite keeps beside a file that is in use
_PATIENCE = 5.0  # seconds to wait for a CLI that is writing
_NO_ORG = "NO_ORG"
_DEFAULT_ORG = "default-org"  # what the newest CLI has where a cluster lists no organisation


class NotWritable(ConfigError):
    """A new login could not be written."""


@dataclass(frozen=True)
class Tokens:
    """A token, until when it is used (seconds since the epoch), and what gets the next one."""

    token: str
    expiration_time: float
    refresh_token: str = ""

    def __repr__(self) -> str:
        return "<Tokens>"


@dataclass(frozen=True)
class Login:
    """What is in the file.

    Attributes:
        server: clusters and projects; None where the file is of 2022 and does not know enough.
    """

    url: str
    auth: AuthSettings
    tokens: Tokens
    selection: Selection
    server: Optional[ServerConfig]
    schema: Schema


class Store:
    """The file of one directory."""

    def __init__(self, path: Path, login: Login) -> None:
        self.path = path
        self.login = login

    @classmethod
    def exists(cls, path: Path) -> bool:
        """A login is there."""
        return os.path.isfile(str(path / _FILE))  # also where nobody may look

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Read the login.

        Raises:
            ConfigError: there is none, others can read it, or it is damaged.
        """
        _check(path)
        return cls(path, _login(_read_row(path)))

    @classmethod
    def create(
        cls, path: Path, url: str, tokens: Tokens, server: ServerConfig, selection: Selection
    ) -> "Store":
        """Write a new login, in the form of the newest CLI that can work with this server.

        It is there as a whole or not at all, and replaces none.

        Raises:
            ConfigError: there is a login already.
            NotWritable: the directory or its disk does not take it.
        """
        schema = NEWEST if server.has_projects else SCHEMAS[0]
        login = Login(url, server.auth, tokens, selection, server, schema)
        row = {
            "auth_config": json.dumps(server.auth.to_dict()),
            "token": tokens.token,
            "expiration_time": tokens.expiration_time,
            "refresh_token": tokens.refresh_token,
            "url": url,
            "admin_url": server.admin_url,
            "vcluster_url": server.vcluster_url,
            "version": schema.version,
            "project_name": selection.project_name,
            "cluster_name": selection.cluster_name,
            "org_name": _org_on_disk(selection, schema, server),
            "clusters": json.dumps(dump_clusters(server.cluster_payloads, schema)),
            "projects": json.dumps(dump_projects(list(server.projects.values()))),
            "timestamp": time.time(),
        }
        names = [name for name, _ in schema.columns]
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(str(path), 0o700)
            with _private_file(path) as new:
                with closing(_connect(new)) as db:
                    with db:
                        db.execute(schema.sql)
                        db.execute(
                            "INSERT INTO main ({}) VALUES ({})".format(
                                ", ".join(names), ", ".join("?" * len(names))
                            ),
                            [row[name] for name in names],
                        )
                    # Behind all else, so that nothing is left in a log beside the file.
                    db.execute("PRAGMA journal_mode=WAL")
                _publish(new, path)
        except (OSError, sqlite3.Error) as error:
            raise NotWritable("cannot write the login into {}: {}".format(path, error)) from error
        return cls(path, login)

    @classmethod
    def delete(cls, path: Path) -> None:
        """Remove the login, and the directory if nothing else is in it.

        Raises:
            ConfigError: it can't be removed.
        """
        try:
            _remove(path / _FILE, "", *_BESIDE)
        except OSError as error:
            raise ConfigError("cannot remove the login in {}: {}".format(path, error)) from error
        try:
            path.rmdir()
        except OSError:
            pass  # something else is in it, or it is not there

    def read_tokens(self) -> Tokens:
        """The tokens as they are on disk now: another process may have refreshed them.

        Raises:
            ConfigError: they can't be read, or are those of another platform by now.
        """
        row = _read_row(self.path)
        self._check_url(row)
        return _tokens(row)

    def save_tokens(self, tokens: Tokens) -> None:
        """Write tokens that were refreshed.

        Raises:
            ConfigError: they can't be written.
        """
        self._update(
            token=tokens.token,
            expiration_time=tokens.expiration_time,
            refresh_token=tokens.refresh_token,
        )
        self.login = replace(self.login, tokens=tokens)

    def save_selection(self, selection: Selection) -> None:
        """Write what is current.

        Raises:
            ConfigError: it can't be written.
        """
        self._update(
            cluster_name=selection.cluster_name,
            org_name=_org_on_disk(selection, self.login.schema, self.login.server),
            project_name=selection.project_name,
        )
        self.login = replace(self.login, selection=selection)

    def save_server(self, server: ServerConfig) -> None:
        """Write what the server has now.

        Raises:
            ConfigError: it can't be written.
        """
        self._update(
            auth_config=json.dumps(server.auth.to_dict()),
            clusters=json.dumps(dump_clusters(server.cluster_payloads, self.login.schema)),
            projects=json.dumps(dump_projects(list(server.projects.values()))),
            admin_url=server.admin_url,
        )
        self.login = replace(self.login, auth=server.auth, server=server)

    def kept_clusters(self, server: ServerConfig) -> Mapping[str, Cluster]:
        """The clusters of a server as they are once they have been on disk."""
        if not server.cluster_payloads:
            return server.clusters  # they come from there
        kept = dump_clusters(server.cluster_payloads, self.login.schema)
        return {item["name"]: Cluster.from_dict(item) for item in kept}

    def _check_url(self, row: Mapping[str, Any]) -> None:
        """Refuse a login that took the place of this one: one platform must not get the tokens of another."""
        if str(row.get("url")).rstrip("/") != self.login.url:
            raise ConfigError(
                "in {} is a login at another platform by now: make a new client to use it".format(
                    self.path
                )
            )

    def _update(self, **values: Any) -> None:
        """Change columns of the row; those that a file of its generation does not have are left out."""
        try:
            with closing(_connect(self.path / _FILE)) as db, db:
                # A CLI writes by deleting the row and inserting another one: not in between.
                db.execute("BEGIN IMMEDIATE")
                row = _newest_row(db)
                self._check_url(row)
                names = [name for name in values if name in row]
                db.execute(
                    "UPDATE main SET {} WHERE timestamp IS ?".format(
                        ", ".join("{} = ?".format(name) for name in names)
                    ),
                    [values[name] for name in names] + [row["timestamp"]],
                )
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise ConfigError("cannot write to {}: {}".format(self.path / _FILE, error)) from error


def _org_on_disk(
    selection: Selection, schema: Schema, server: Optional[ServerConfig]
) -> Optional[str]:
    """The current organisation, or what the CLI of that generation can work with where there is none."""
    if selection.org_name or schema == SCHEMAS[0]:
        return selection.org_name
    cluster = None if server is None else server.clusters.get(selection.cluster_name)
    allowed = cluster is not None and cluster.allows_no_org
    return _NO_ORG if allowed or schema != NEWEST else _DEFAULT_ORG


def _check(path: Path) -> None:
    file = path / _FILE
    try:
        found = stat.S_ISREG(os.stat(str(file)).st_mode)
    except PermissionError as error:
        raise ConfigError(
            "there is no login in {} that this user can reach: name another directory in APOLO_CONFIG, "
            "and log in there".format(path)
        ) from error
    except OSError:
        found = False
    if not found:
        raise ConfigError(
            "there is no login in {}: log in with the platform's CLI, or with Factory().login()".format(
                path
            )
        )
    if os.name == "nt":
        return
    for item, allowed in ((path, 0o700), (file, 0o600)):
        mode = stat.S_IMODE(item.stat().st_mode)
        if mode & ~allowed & 0o777:
            raise ConfigError("others can read {}: chmod {:o} {}".format(item, allowed, item))


def login_exists(path: Path) -> ConfigError:
    return ConfigError(
        "{} has a login already: log out first, with Factory().logout()".format(path)
    )


@contextmanager
def _private_file(path: Path) -> Iterator[Path]:
    """A file in a directory for a while; from its first moment on only its owner can read it."""
    descriptor, name = tempfile.mkstemp(prefix=_FILE + "-", suffix=".new", dir=str(path))
    os.close(descriptor)
    new = Path(name)
    try:
        yield new
    finally:
        _remove(new, "", *_BESIDE)


def _publish(new: Path, path: Path) -> None:
    """Make a file that is complete the login.

    Raises:
        ConfigError: there is a login already.
    """
    file = path / _FILE
    if not file.exists():
        # What another login has left would be taken for a part of this one.
        _remove(file, *_BESIDE)
    try:
        os.link(str(new), str(file))
    except OSError as error:
        if file.exists():
            raise login_exists(path) from error
        # A disk without links: of two logins at the same moment the later one may stay.
        os.rename(str(new), str(file))


def _remove(file: Path, *endings: str) -> None:
    """Remove a file, and those that SQLite has beside it."""
    for ending in endings:
        name = str(file) + ending
        try:
            os.unlink(name)
        except OSError:
            if os.path.lexists(name):
                raise


def _connect(file: Path, options: str = "mode=rw") -> sqlite3.Connection:
    """Open the file, which has to be there: a login that was left must not come back as an empty one."""
    uri = "{}?{}".format(file.absolute().as_uri(), options)
    db = sqlite3.connect(uri, uri=True, timeout=_PATIENCE)
    db.row_factory = sqlite3.Row
    return db


def _newest_row(db: sqlite3.Connection) -> Dict[str, Any]:
    row = db.execute("SELECT * FROM main ORDER BY timestamp DESC LIMIT 1").fetchone()
    if row is None:
        raise ConfigError("the login is damaged (it is empty): log in again")
    return dict(row)


def _read_row(path: Path) -> Dict[str, Any]:
    """The login as it is on disk.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        try:
            with closing(_connect(path / _FILE)) as db:
                return _newest_row(db)
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or _has_log(path):
                raise
            # Even to read, SQLite makes files beside this one; on a disk that is full or takes no writing
            # it can't, but then nobody else writes either.
            with closing(_connect(path / _FILE, "mode=ro&immutable=1")) as db:
                return _newest_row(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # names of columns are decoded by Python
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
            raise ConfigError("cannot read {}: {}".format(path / _FILE, error)) from error
        raise ConfigError("the login is damaged ({}): log in again".format(error)) from error


def _has_log(path: Path) -> bool:
    """Some of the login is not yet in the file itself."""
    log = path / (_FILE + "-wal")
    return log.is_file() and log.stat().st_size > 0


def _tokens(row: Mapping[str, Any]) -> Tokens:
    token = row.get("token")
    if not isinstance(token, str):
        raise ConfigError("the login is damaged (it has no token): log in again")
    try:
        until = float(row.get("expiration_time") or 0.0)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "the login is damaged (it does not say until when its token is good): log in again"
        ) from error
    return Tokens(token, until, row.get("refresh_token") or "")


def _login(row: Mapping[str, Any]) -> Login:
    try:
        auth = AuthSettings.from_dict(json.loads(row["auth_config"]))
        server, schema = _server(row, auth), _schema(row)
        selection = _selection(row, schema, server)
        return Login(checked_api_url(row["url"]), auth, _tokens(row), selection, server, schema)
    except (AttributeError, KeyError, TypeError, ValueError, ProtocolError) as error:
        raise ConfigError(
            "the login is damaged ({}: {}): log in again".format(type(error).__name__, error)
        ) from error


def _schema(row: Mapping[str, Any]) -> Schema:
    if "projects" not in row:
        return SCHEMAS[0]
    return NEWEST if "vcluster_url" in row else SCHEMAS[1]


def _selection(row: Mapping[str, Any], schema: Schema, server: Optional[ServerConfig]) -> Selection:
    cluster_name, org = row.get("cluster_name") or "", row.get("org_name")
    if org == _DEFAULT_ORG and schema == NEWEST:
        org = org if _has_org(server, cluster_name, org) else None
    elif org in ("", _NO_ORG):
        org = None
    return Selection(cluster_name, org, row.get("project_name") or None)


def _has_org(server: Optional[ServerConfig], cluster_name: str, org_name: str) -> bool:
    """The server itself speaks of the organisation: its name is not the CLI's word for none."""
    if server is None:
        return False
    cluster = server.clusters.get(cluster_name)
    listed = cluster is not None and org_name in cluster.orgs
    return listed or any(
        (key.cluster_name, key.org_name) == (cluster_name, org_name) for key in server.projects
    )


def _server(row: Mapping[str, Any], auth: AuthSettings) -> Optional[ServerConfig]:
    """Clusters and projects; a file of 2022 does not say whether the server knows projects."""
    if row.get("projects") is None:
        return None
    load: Callable[[str], Any] = json.loads
    clusters = [Cluster.from_dict(item) for item in load(row["clusters"])]
    projects = [Project.from_dict(item) for item in load(row["projects"])]
    return ServerConfig(
        authorized=True,
        auth=auth,
        clusters={cluster.name: cluster for cluster in clusters},
        projects={project.key: project for project in projects},
        has_projects=True,
        admin_url=row.get("admin_url"),
        vcluster_url=row.get("vcluster_url"),
    )
