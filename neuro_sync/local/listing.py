"""``GET /jobs``: filters, and answers that are sent as they are read."""

import asyncio
import datetime
import json
import logging
import re
from typing import TYPE_CHECKING, AsyncIterator, List, Optional

from aiohttp import web

from ..wire.times import parse_time
from .admission import project_hash
from .jobs import ACTIVE, FINAL, JobsService
from .keys import fault_of
from .replies import flag, refusal
from .settings import Settings
from .store import Filters, Row

if TYPE_CHECKING:
    from multidict import MultiMapping

__all__ = ["answer_listing", "parse_filters"]

_log = logging.getLogger(__name__)

_PAGE = 500
_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


def parse_filters(query: "MultiMapping[str]", settings: Settings) -> Optional[Filters]:
    """The filters in a query; None: there can't be such jobs.

    Raises:
        HTTPBadRequest: one of them is not right.
    """
    statuses = query.getall("status", [])
    for status in statuses:
        if status not in ACTIVE and status not in FINAL:
            raise _bad("unknown status {!r}".format(status))
    for key, least, most in (
        ("name", 3, 40),
        ("cluster_name", 3, 255),
        ("org_name", 3, 255),
        ("project_name", 3, 255),
    ):
        for text in query.getall(key, []):
            if not least <= len(text) <= most or not _NAME.fullmatch(text):
                raise _bad("{}: {!r} is not a name".format(key, text))
    flags = {key: _flag(query, key) for key in ("materialized", "being_dropped", "logs_removed")}
    filters = Filters(
        statuses=statuses,
        name=query.get("name"),
        owners=query.getall("owner", []),
        base_owners=query.getall("base_owner", []),
        tags=query.getall("tag", []),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        clusters=query.getall("cluster_name", []),
        orgs=query.getall("org_name", []),
        projects=query.getall("project_name", []),
        materialized=flags["materialized"],
        reverse=flag(query, "reverse"),
        limit=_limit(query.get("limit")),
    )
    if flags["being_dropped"] or flags["logs_removed"]:
        return None  # nothing is dropped here: jobs and their logs stay
    return _of_host(query, filters, settings) if "hostname" in query else filters


def _of_host(query: "MultiMapping[str]", filters: Filters, settings: Settings) -> Optional[Filters]:
    """The filters for the one job, or for those with the one name, that a host is called after."""
    for key in ("name", "project_name", "cluster_name", "since", "until"):
        if key in query:
            raise _bad("hostname and {} exclude each other".format(key))
    label = query["hostname"].split(".")[0]
    name, separator, wanted = label.rpartition("--")
    if not separator:
        return filters._replace(ids=[label])
    for project in settings.projects:
        if project_hash(settings.org, project) == wanted:
            return filters._replace(name=name, projects=[project])
    return None


async def answer_listing(request: web.Request, jobs: JobsService) -> web.StreamResponse:
    """Answer with one job in a line, or with one document, as the request accepts."""
    pages = _pages(jobs, parse_filters(request.query, jobs.settings))
    response = web.StreamResponse()
    if "application/x-ndjson" in request.headers.get("Accept", ""):
        response.headers["Content-Type"] = "application/x-ndjson"
        await _send_lines(request, response, pages)
    else:
        response.headers["Content-Type"] = "application/json"
        await _send_document(request, response, pages)
    await response.write_eof()
    return response


async def _send_lines(
    request: web.Request, response: web.StreamResponse, pages: AsyncIterator[List[bytes]]
) -> None:
    fault = fault_of(request)
    # Before the first line a failure is still an answer of its own.
    page = await _next(pages)
    await response.prepare(request)
    try:
        while page is not None:
            for data in _chunks(page, one_by_one=fault is not None):
                if fault is not None:
                    await fault.before_send(response, len(data))
                await response.write(data)
            page = await _next(pages)
    except ConnectionError:
        raise
    except Exception as error:
        text = "Unexpected exception {}: {}. Path with query: {}.".format(
            type(error).__name__, error, request.path_qs
        )
        await response.write(json.dumps({"error": text}).encode())


async def _send_document(
    request: web.Request, response: web.StreamResponse, pages: AsyncIterator[List[bytes]]
) -> None:
    page = await _next(pages)
    await response.prepare(request)
    before = b'{"jobs": ['
    try:
        while page:
            await response.write(before + b",".join(page))
            before = b","
            page = await _next(pages)
    except ConnectionError:
        raise
    except Exception as error:
        _log.exception("a listing has failed")
        if request.transport is not None:
            request.transport.abort()  # half a document must not look like a whole one
        raise ConnectionResetError("a listing has failed") from error
    await response.write(b"]}" if before == b"," else before + b"]}")


async def _pages(jobs: JobsService, filters: Optional[Filters]) -> AsyncIterator[List[bytes]]:
    """Yield lines, many at a time; jobs that are active are as they stand now."""
    if filters is None:
        return
    loop = asyncio.get_event_loop()
    left, place = filters.limit, None
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        # Reading goes on in a thread: a long listing must not keep all others waiting.
        rows = await loop.run_in_executor(None, jobs.store.page, filters, place, size)
        yield [_line(row, jobs, filters) for row in rows]
        if len(rows) < size:
            return
        place = rows[-1].place
        if left is not None:
            left -= len(rows)


def _line(row: Row, jobs: JobsService, filters: Filters) -> bytes:
    record = jobs.active.get(row.id)
    # One that has meanwhile gone on to a status that was not asked for stays as it was found.
    if record is None or (filters.statuses and record.status not in filters.statuses):
        return row.line
    return record.to_line()


async def _next(pages: AsyncIterator[List[bytes]]) -> Optional[List[bytes]]:
    try:
        return await pages.__anext__()
    except StopAsyncIteration:
        return None


def _chunks(lines: List[bytes], *, one_by_one: bool) -> List[bytes]:
    if one_by_one:
        return [line + b"\n" for line in lines]
    return [b"\n".join(lines) + b"\n"] if lines else []


def _flag(query: "MultiMapping[str]", key: str) -> Optional[bool]:
    return flag(query, key) if key in query else None


def _moment(query: "MultiMapping[str]", key: str) -> Optional[datetime.datetime]:
    text = query.get(key)
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise _bad("{}: {}".format(key, error)) from None


def _limit(text: Optional[str]) -> Optional[int]:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise _bad("limit: {!r} is not a number greater than 0".format(text))
    return int(text)


def _bad(message: str) -> web.HTTPException:
    return refusal(web.HTTPBadRequest, error=message)
