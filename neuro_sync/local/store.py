"""All jobs on disk, in an SQLite file: state that survives the platform."""

import datetime
import os
import sqlite3
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Filters", "Place", "Row", "Store"]

_SEPARATOR = "\x1f"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created INTEGER, owner TEXT, base_owner TEXT, name TEXT, cluster TEXT, org TEXT,
    project TEXT, status TEXT, active INTEGER, materialized INTEGER, tags TEXT, line BLOB
);
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (created, id);
CREATE INDEX IF NOT EXISTS jobs_active ON jobs (created, id) WHERE active = 1;
CREATE INDEX IF NOT EXISTS jobs_name ON jobs (name, owner, created) WHERE name IS NOT NULL;
"""
_FINAL = ("succeeded", "failed", "cancelled")


class Filters(NamedTuple):
    """Which jobs are wanted: of each sequence any, but all tags; empty ones and None do not count.

    Attributes:
        since, until: moments of creation, both inclusive.
        materialized: whether they have had a container.
    """

    ids: Sequence[str] = ()
    statuses: Sequence[str] = ()
    name: Optional[str] = None
    owners: Sequence[str] = ()
    base_owners: Sequence[str] = ()
    tags: Sequence[str] = ()
    since: Optional[datetime.datetime] = None
    until: Optional[datetime.datetime] = None
    materialized: Optional[bool] = None
    clusters: Sequence[str] = ()
    orgs: Sequence[str] = ()
    projects: Sequence[str] = ()
    reverse: bool = False
    limit: Optional[int] = None


class Place(NamedTuple):
    """Where a job stands in a listing: its creation in microseconds, and its id."""

    created: int
    id: str


class Row(NamedTuple):
    """A job in a listing; ``line`` is its JSON."""

    created: int
    id: str
    line: bytes

    @property
    def place(self) -> Place:
        return Place(self.created, self.id)


class Store:
    """The file. All belongs to one thread; but :meth:`page` may be called in any.

    Raises:
        OSError: it cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            # A crash of the platform loses nothing; one of the machine may lose the last moments.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise OSError("{}: {}".format(path, error)) from error

    def save(self, payload: Mapping[str, Any], line: bytes) -> None:
        """Write a job, new or changed."""
        row = (
            payload["id"],
            _microseconds(datetime.datetime.fromisoformat(payload["history"]["created_at"])),
            payload["owner"],
            payload["owner"].split("/")[0],
            payload.get("name"),
            payload["cluster_name"],
            payload["org_name"],
            payload["project_name"],
            payload["status"],
            int(payload["status"] not in _FINAL),
            int(payload["materialized"]),
            _tag_text(payload.get("tags", ())),
            line,
        )
        self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)

    def line(self, job_id: str) -> Optional[bytes]:
        """A job by its id, as JSON."""
        row = self._db.execute("SELECT line FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else row[0]

    def id_by_name(self, name: str, owner: str) -> Optional[str]:
        """The newest job of an owner that has a name."""
        row = self._db.execute(
            "SELECT id FROM jobs WHERE name = ? AND owner = ? ORDER BY created DESC LIMIT 1",
            (name, owner),
        ).fetchone()
        return None if row is None else row[0]

    def active_lines(self) -> List[bytes]:
        """All jobs that have not ended, as JSON."""
        return [row[0] for row in self._db.execute("SELECT line FROM jobs WHERE active = 1")]

    def page(self, filters: Filters, after: Optional[Place], size: int) -> List[Row]:
        """Up to ``size`` jobs that match, in order, from behind a place on.

        Each page is a query of its own, on a connection of its own: however slow a listing is read, it
        holds nothing open.
        """
        where, values = _where(filters, after)
        order = "DESC" if filters.reverse else "ASC"
        sql = "SELECT created, id, line FROM jobs {} ORDER BY created {}, id {} LIMIT ?".format(
            where, order, order
        )
        db = sqlite3.connect(self._path)
        try:
            return [Row(*row) for row in db.execute(sql, [*values, size])]
        finally:
            db.close()

    def close(self) -> None:
        self._db.close()


def _where(filters: Filters, after: Optional[Place]) -> Tuple[str, List[Any]]:
    clauses: List[str] = []
    values: List[Any] = []
    for column, wanted in (
        ("id", filters.ids),
        ("status", filters.statuses),
        ("owner", filters.owners),
        ("base_owner", filters.base_owners),
        ("cluster", filters.clusters),
        ("org", filters.orgs),
        ("project", filters.projects),
    ):
        if wanted:
            clauses.append("{} IN ({})".format(column, ",".join("?" * len(wanted))))
            values += wanted
    if filters.statuses and not set(filters.statuses) & set(_FINAL):
        clauses.append("active = 1")  # an index has the few of them
    if filters.name is not None:
        clauses.append("name = ?")
        values.append(filters.name)
    if filters.materialized is not None:
        clauses.append("materialized = ?")
        values.append(int(filters.materialized))
    for tag in filters.tags:
        clauses.append("instr(tags, ?) > 0")
        values.append(_tag_text([tag]))
    for moment, comparison in ((filters.since, ">="), (filters.until, "<=")):
        if moment is not None:
            clauses.append("created {} ?".format(comparison))
            values.append(_microseconds(moment))
    if after is not None:
        # The first comparison alone is what the index helps with.
        sign = "<" if filters.reverse else ">"
        clauses.append("created {0}= ? AND (created {0} ? OR id {0} ?)".format(sign))
        values += [after.created, after.created, after.id]
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), values


def _microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _tag_text(tags: Sequence[str]) -> str:
    """Tags between separators, so that one can be looked for: no tag has a separator in it."""
    return _SEPARATOR + _SEPARATOR.join(tags) + _SEPARATOR if tags else ""
