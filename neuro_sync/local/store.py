"""All jobs on disk, in an SQLite file: state that survives the platform."""

import datetime
import os
import sqlite3
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Filters", "Store"]

_SEPARATOR = "\x1f"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, created INTEGER, owner TEXT, base_owner TEXT, name TEXT, cluster TEXT, org TEXT,
    project TEXT, status TEXT, active INTEGER, tags TEXT, line BLOB
);
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (created, id);
CREATE INDEX IF NOT EXISTS jobs_active ON jobs (active) WHERE active = 1;
CREATE INDEX IF NOT EXISTS jobs_name ON jobs (name, owner, created) WHERE name IS NOT NULL;
"""
_FINAL = ("succeeded", "failed", "cancelled")


class Filters(NamedTuple):
    """Which jobs are wanted: of each sequence any, but all tags; empty ones and None do not count.

    Attributes:
        since, until: moments of creation, both inclusive.
    """

    statuses: Sequence[str] = ()
    name: Optional[str] = None
    owners: Sequence[str] = ()
    base_owners: Sequence[str] = ()
    tags: Sequence[str] = ()
    since: Optional[datetime.datetime] = None
    until: Optional[datetime.datetime] = None
    clusters: Sequence[str] = ()
    orgs: Sequence[str] = ()
    projects: Sequence[str] = ()
    reverse: bool = False
    limit: Optional[int] = None


class Store:
    """The file. Writing belongs to one thread; :meth:`pages` is for another one."""

    def __init__(self, path: str) -> None:
        self._path = path
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None)
        # A crash of the platform loses nothing; one of the machine may lose the last moments.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

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
            _tag_text(payload.get("tags", ())),
            line,
        )
        self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", row)

    def save_all(self, jobs: "Sequence[Tuple[Mapping[str, Any], bytes]]") -> None:
        """Write many jobs at once."""
        self._db.execute("BEGIN")
        for payload, line in jobs:
            self.save(payload, line)
        self._db.execute("COMMIT")

    def line(self, job_id: str) -> Optional[bytes]:
        """A job by its id, as JSON."""
        return self._one("SELECT line FROM jobs WHERE id = ?", (job_id,))

    def line_by_name(self, name: str, owner: str) -> Optional[bytes]:
        """The newest job of an owner that has a name, as JSON."""
        return self._one(
            "SELECT line FROM jobs WHERE name = ? AND owner = ? ORDER BY created DESC LIMIT 1",
            (name, owner),
        )

    def active_lines(self) -> List[bytes]:
        """All jobs that have not ended, as JSON."""
        return [row[0] for row in self._db.execute("SELECT line FROM jobs WHERE active = 1")]

    def pages(self, filters: Filters, size: int) -> Iterator[List[Tuple[str, bytes]]]:
        """Yield jobs that match, as id and JSON, so many at a time: with a connection of its own."""
        where, values = _where(filters)
        order = "DESC" if filters.reverse else "ASC"
        sql = "SELECT id, line FROM jobs {} ORDER BY created {}, id {}".format(where, order, order)
        if filters.limit is not None:
            sql += " LIMIT ?"
            values.append(filters.limit)
        db = sqlite3.connect(self._path, check_same_thread=False)
        try:
            cursor = db.execute(sql, values)
            while True:
                rows = cursor.fetchmany(size)
                if not rows:
                    return
                yield rows
        finally:
            db.close()

    def close(self) -> None:
        self._db.close()

    def _one(self, sql: str, values: Tuple[str, ...]) -> Optional[bytes]:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]


def _where(filters: Filters) -> Tuple[str, List[Any]]:
    clauses: List[str] = []
    values: List[Any] = []
    for column, wanted in (
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
    if filters.name is not None:
        clauses.append("name = ?")
        values.append(filters.name)
    for tag in filters.tags:
        clauses.append("instr(tags, ?) > 0")
        values.append(_tag_text([tag]))
    for moment, comparison in ((filters.since, ">="), (filters.until, "<=")):
        if moment is not None:
            clauses.append("created {} ?".format(comparison))
            values.append(_microseconds(moment))
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), values


def _microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _tag_text(tags: Sequence[str]) -> str:
    """Tags between separators, so that one can be looked for: no tag has a separator in it."""
    return _SEPARATOR + _SEPARATOR.join(tags) + _SEPARATOR if tags else ""
