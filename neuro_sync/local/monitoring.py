"""The monitoring endpoints: logs, telemetry, exec, attach, port forwarding, kill, save, capacity.

All take the id of a job, never its name. Each checks in this order: the parameters (400), the
token (401), the job (400), whether it runs (404); only then does a websocket's handshake succeed.
"""

import asyncio
import datetime
import json
import math
import secrets
from typing import TYPE_CHECKING, Awaitable, Callable, Optional

from aiohttp import web

from ..wire.times import parse_time
from .auth import authorize
from .joblogs import LogQuery, follow_log
from .keys import TURNS, fault_of
from .replies import flag, refusal
from .runner import Runner, RunningJob
from .saving import SAVE_REFUSED, answer_save, parse_image
from .stdio import StdioQuery, attach, exec_command, split_command
from .streams import FrameSink, converse, open_websocket, setup_streams
from .telemetry import TreeUsage
from .tunnel import forward, parse_port

if TYPE_CHECKING:
    from .jobs import JobRecord, JobsService

__all__ = ["setup_monitoring"]

Authorize = Callable[[web.Request], Awaitable[str]]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_LONGEST_DELAY = 1e9  # seconds; much longer than any log, and a number that can be computed with
_TOP_PERIOD = 1.0
_TOP_FIRST = 0.2


def setup_monitoring(
    app: web.Application,
    jobs: "JobsService",
    runner: Runner,
    *,
    authorize: Authorize = authorize,
    registry: Optional[str] = None,
) -> None:
    """Adds the endpoints below ``/api/v1/monitoring/jobs``.

    Args:
        authorize: says who asks, or raises.
        registry: host, and port, of the registry that `save` may name; None: any.
    """
    setup_streams(app)
    handlers = _Monitoring(jobs, runner, authorize, registry)
    base = "/api/v1/monitoring/jobs"
    job = base + "/{id}"
    add = app.router.add_route
    add("GET", base + "/capacity", handlers.capacity)
    add("POST", base + "/available", handlers.capacity)
    add("POST", job + "/kill", handlers.kill)
    add("GET", job + "/log", handlers.log)
    add("DELETE", job + "/log", handlers.delete_log)
    add("GET", job + "/log_ws", handlers.log_ws)
    add("GET", job + "/top", handlers.top)
    add("POST", job + "/save", handlers.save)
    for method in ("GET", "POST"):
        add(method, job + "/attach", handlers.attach)
        add(method, job + "/exec", handlers.exec)
        add(method, job + "/port_forward/{port}", handlers.port_forward)


class _Monitoring:
    def __init__(
        self,
        jobs: "JobsService",
        runner: Runner,
        authorize: Authorize,
        registry: Optional[str],
    ) -> None:
        self._jobs = jobs
        self._runner = runner
        self._authorize = authorize
        self._registry = registry

    # Checks

    async def _find(self, request: web.Request) -> "JobRecord":
        """Who asks, and for which job."""
        await self._authorize(request)
        job_id = request.match_info["id"]
        record = await self._jobs.find(job_id)
        if record is None:
            # The service asks the jobs API for the job, and wraps its answer.
            answer = json.dumps({"error": "no such job {}".format(job_id)})
            raise refusal(web.HTTPBadRequest, error=answer)
        return record

    async def _find_running(self, request: web.Request) -> RunningJob:
        record = await self._find(request)
        running: Optional[RunningJob] = self._jobs.running(record.id)
        if running is None or not running.is_running:
            raise refusal(web.HTTPNotFound, error=_not_running(record.id))
        return running

    # Handlers

    async def capacity(self, request: web.Request) -> web.StreamResponse:
        await self._authorize(request)
        return web.json_response(self._jobs.capacity())

    async def kill(self, request: web.Request) -> web.StreamResponse:
        running = await self._find_running(request)
        running.kill()
        return web.Response(status=204)

    async def log(self, request: web.Request) -> web.StreamResponse:
        query = _log_query(request)
        record = await self._find(request)
        response = web.StreamResponse(headers={"X-Separator": query.separator})
        response.headers["Content-Type"] = "text/plain; charset=utf-8"
        response.enable_chunked_encoding()
        await response.prepare(request)
        fault = fault_of(request)
        batches = follow_log(
            self._jobs,
            self._runner.log(record.id),
            record.id,
            query,
            is_gone=lambda: request.transport is None or request.transport.is_closing(),
        )
        try:
            async for frames in batches:
                for data in frames if fault is not None else [b"".join(frames)]:
                    if fault is not None:
                        await fault.before_send(response, len(data))
                    if data:
                        await response.write(data)
                await request.app[TURNS].wait()  # a fast reader must not keep all others waiting
            await response.write_eof()
        finally:
            await batches.aclose()
        return response

    async def delete_log(self, request: web.Request) -> web.StreamResponse:
        """Does nothing, as on the platform since 2025."""
        await self._find(request)
        return web.Response(status=204)

    async def log_ws(self, request: web.Request) -> web.StreamResponse:
        query = _log_query(request)
        record = await self._find(request)
        ws = await open_websocket(request, protocols=["logs.apolo.us"])
        sink = FrameSink(request, ws)
        batches = follow_log(self._jobs, self._runner.log(record.id), record.id, query)

        async def speak() -> None:
            try:
                async for frames in batches:
                    await sink.send(frames)
            finally:
                await batches.aclose()

        await converse(ws, speak())
        return ws

    async def top(self, request: web.Request) -> web.StreamResponse:
        record = await self._find(request)
        ws = await open_websocket(request, protocols=["top.apolo.us"], heartbeat=False)
        await converse(ws, self._tell_usage(request, ws, record.id))
        return ws

    async def _tell_usage(
        self, request: web.Request, ws: web.WebSocketResponse, job_id: str
    ) -> None:
        fault = fault_of(request)
        loop = asyncio.get_event_loop()
        measured: Optional[RunningJob] = None
        usage: Optional[TreeUsage] = None
        while True:
            pause = _TOP_PERIOD
            record = await self._jobs.find(job_id)
            if record is None or record.is_finished:
                return
            change = asyncio.ensure_future(self._jobs.wait_change(job_id))
            try:
                running = self._jobs.running(job_id)
                if running is None:
                    usage = None
                elif usage is None or running is not measured:
                    measured = running
                    usage = await loop.run_in_executor(None, TreeUsage, running.supervisor)
                    pause = _TOP_FIRST
                else:
                    text = json.dumps(await loop.run_in_executor(None, usage.sample))
                    if fault is not None:
                        await fault.before_send(ws, len(text))
                    await ws.send_str(text)
                await asyncio.wait({change}, timeout=pause)
            finally:
                change.cancel()

    async def attach(self, request: web.Request) -> web.StreamResponse:
        query = StdioQuery.parse(request.query)
        running = await self._find_running(request)
        return await attach(request, running, self._runner.log(running.spec.job_id), query)

    async def exec(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("cmd")
        if not text or not text.strip():
            raise refusal(web.HTTPBadRequest, error="the parameter 'cmd' is missing or empty")
        query = StdioQuery.parse(request.query)
        running = await self._find_running(request)
        query.refuse_tty_with_stderr()
        return await exec_command(request, running, split_command(text), query)

    async def port_forward(self, request: web.Request) -> web.StreamResponse:
        port = parse_port(request.match_info["port"])
        await self._find_running(request)
        return await forward(request, port)

    async def save(self, request: web.Request) -> web.StreamResponse:
        await parse_image(request, self._registry)
        record = await self._find(request)
        if self._jobs.running(record.id) is None:
            return await answer_save(request, _not_running(record.id))
        return await answer_save(request, SAVE_REFUSED)


def _not_running(job_id: str) -> str:
    return "Job '{}' is not running.".format(job_id)


def _log_query(request: web.Request) -> LogQuery:
    """The parameters of a log.

    Raises:
        HTTPBadRequest: one of them is wrong.
    """
    query = request.query
    separator = query.get("separator") or "=== Live logs ===" + secrets.token_hex(30)
    if any(character in separator for character in "\r\n\0"):
        raise refusal(web.HTTPBadRequest, error="'separator' has to be one line")
    since_ns = None
    if "since" in query:
        try:
            since = parse_time(query["since"])
        except ValueError as error:
            raise refusal(web.HTTPBadRequest, error="'since': {}".format(error)) from None
        since_ns = (since - _EPOCH) // datetime.timedelta(microseconds=1) * 1000
    try:
        delay = float(query.get("archive_delay", "5"))
        if not math.isfinite(delay):
            raise ValueError(delay)
    except ValueError as error:
        raise refusal(web.HTTPBadRequest, error="'archive_delay': {}".format(error)) from None
    return LogQuery(
        separator=separator,
        since_ns=since_ns,
        timestamps=flag(query, "timestamps"),
        debug=flag(query, "debug"),
        archive_delay=min(delay, _LONGEST_DELAY),
    )
