"""``GET /jobs``: filters, and answers that are sent as they are read."""

import asyncio
import datetime
import json
import re
from typing import Any, Iterator, List, Optional, Tuple

from aiohttp import web

from ..wire.times import parse_time
from .jobs import ACTIVE, FINAL, JobsService
from .keys import fault_of
from .replies import flag, refusal
from .store import Filters

__all__ = ["answer_listing", "parse_filters"]

_PAGE = 500
_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


def parse_filters(request: web.Request) -> Filters:
    """The filters in a query.

    Raises:
        HTTPBadRequest: one of them is not right.
    """
    query = request.query
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
    for key in ("materialized", "being_dropped", "logs_removed"):
        flag(query, key)
    return Filters(
        statuses=statuses,
        name=query.get("name"),
        owners=query.getall("owner", []),
        base_owners=query.getall("base_owner", []),
        tags=query.getall("tag", []),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        clusters=query.getall("cluster_name", []),
        orgs=query.getall("org_name", []),
        projects=query.getall("project_name", []),
        reverse=flag(query, "reverse"),
        limit=_limit(query.get("limit")),
    )


async def answer_listing(request: web.Request, jobs: JobsService) -> web.StreamResponse:
    """Answer with one job in a line, or with one document, as the request accepts."""
    filters = parse_filters(request)
    pages = jobs.store.pages(filters, _PAGE)
    if "application/x-ndjson" not in request.headers.get("Accept", ""):
        lines: List[bytes] = []
        while True:
            page = await _next_page(pages)
            if page is None:
                break
            lines += _current(page, jobs)
        body = b'{"jobs": [' + b",".join(lines) + b"]}"
        return web.Response(body=body, content_type="application/json")
    response = web.StreamResponse()
    response.headers["Content-Type"] = "application/x-ndjson"
    fault = fault_of(request)
    try:
        # Before the first line a failure is still an answer of its own.
        page = await _next_page(pages)
        await response.prepare(request)
        while page is not None:
            for data in _chunks(_current(page, jobs), one_by_one=fault is not None):
                if fault is not None:
                    await fault.before_send(response, len(data))
                await response.write(data)
            page = await _next_page(pages)
    except ConnectionError:
        raise
    except Exception as error:
        if not response.prepared:
            raise
        text = "Unexpected exception {}: {}. Path with query: {}.".format(
            type(error).__name__, error, request.path_qs
        )
        await response.write(json.dumps({"error": text}).encode())
    finally:
        await asyncio.get_event_loop().run_in_executor(None, pages.close)  # type: ignore[attr-defined]
    await response.write_eof()
    return response


def _chunks(lines: List[bytes], *, one_by_one: bool) -> List[bytes]:
    if one_by_one:
        return [line + b"\n" for line in lines]
    return [b"\n".join(lines) + b"\n"]


def _current(page: List[Tuple[str, bytes]], jobs: JobsService) -> List[bytes]:
    """Lines of a page; jobs that are active are as they stand now."""
    active = jobs.active
    return [active[job_id].to_line() if job_id in active else line for job_id, line in page]


async def _next_page(pages: Iterator[Any]) -> Optional[List[Tuple[str, bytes]]]:
    # Reading goes on in a thread: a long listing must not keep all others waiting.
    return await asyncio.get_event_loop().run_in_executor(None, next, pages, None)


def _moment(request: web.Request, key: str) -> Optional[datetime.datetime]:
    text = request.query.get(key)
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
