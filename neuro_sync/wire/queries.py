"""Queries of the endpoints, as lists of key and value: a key may come more than once."""

from datetime import datetime
from typing import Iterable, List, Optional, Sequence, Tuple

from .times import format_time, format_utc

__all__ = ["Query", "attach_query", "check_command", "exec_query", "list_query", "log_query"]

Query = List[Tuple[str, str]]


def list_query(
    *,
    statuses: Iterable[str] = (),
    name: Optional[str] = None,
    owners: Iterable[str] = (),
    tags: Iterable[str] = (),
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    cluster_name: str,
    reverse: bool = False,
    limit: Optional[int] = None,
    org_names: Iterable[str] = (),
    project_names: Iterable[str] = (),
    dropped: bool = False,
) -> Query:
    """Of ``GET {api}/jobs``. Jobs that are being dropped, or have lost their logs: only with ``dropped``."""
    query: Query = [("status", status) for status in statuses]
    if name:
        query.append(("name", name))
    query += [("owner", owner) for owner in owners]
    query += [("tag", tag) for tag in tags]
    if since is not None:
        query.append(("since", format_time(since)))
    if until is not None:
        query.append(("until", format_time(until)))
    query.append(("cluster_name", cluster_name))
    if reverse:
        query.append(("reverse", "1"))
    if limit is not None:
        query.append(("limit", str(limit)))
    if not dropped:
        query += [("being_dropped", "False"), ("logs_removed", "False")]
    query += [("org_name", org) for org in org_names]
    query += [("project_name", project) for project in project_names]
    return query


def log_query(
    *,
    since: Optional[datetime] = None,
    timestamps: bool = False,
    separator: Optional[str] = None,
    debug: bool = False,
) -> Query:
    """Of ``GET {monitoring_url}/{id}/log_ws``.

    The time goes out in UTC: some servers compare its text with the names of their files.
    """
    query: Query = []
    if since is not None:
        query.append(("since", format_utc(since)))
    if timestamps:
        query.append(("timestamps", "true"))
    if separator is not None:
        query.append(("separator", separator))
    if debug:
        query.append(("debug", "true"))
    return query


def attach_query(*, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> Query:
    """Of ``GET {monitoring_url}/{id}/attach``."""
    flags: Sequence[Tuple[str, bool]] = [
        ("tty", tty),
        ("stdin", stdin),
        ("stdout", stdout),
        ("stderr", stderr),
    ]
    return [(name, "1" if value else "0") for name, value in flags]


def exec_query(cmd: str, *, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> Query:
    """Of ``GET {monitoring_url}/{id}/exec``.

    Raises:
        ValueError, TypeError: the command can't be right.
    """
    check_command(cmd)
    return [("cmd", cmd), *attach_query(tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)]


def check_command(cmd: str) -> None:
    """Refuse what no server can run.

    Raises:
        ValueError: there is no command, or it has a NUL in it.
        TypeError: it is a list of words.
    """
    if not isinstance(cmd, str):
        raise TypeError(
            "the command must be a str, not {}: of words make one with "
            "' '.join(map(shlex.quote, words))".format(type(cmd).__name__)
        )
    if not cmd.strip():
        raise ValueError("the command is empty")
    if "\0" in cmd:
        raise ValueError("the command has a NUL in it")
