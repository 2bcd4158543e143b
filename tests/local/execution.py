"""The execution half of the platform alone: real jobs, the monitoring endpoints, no jobs API."""

import asyncio
import contextlib
import datetime
import pathlib
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Tuple

import aiohttp
from aiohttp import web

from neuro_sync.local import monitoring
from neuro_sync.local.keys import FAULT
from neuro_sync.local.runner import JobExit, JobSpec, Runner, RunningJob

TIMEOUT = 60.0  # a safety net for a machine that is very busy


def run(test: Awaitable[None]) -> None:
    """Runs a test that is a coroutine."""

    async def bounded() -> None:
        await asyncio.wait_for(test, TIMEOUT)

    asyncio.run(bounded())


class Record:
    """What the monitoring endpoints know of a job."""

    def __init__(self, job_id: str) -> None:
        self.id = job_id
        self.status = "pending"
        self.restarts = 0
        self.created_at = datetime.datetime.now(datetime.timezone.utc)
        self.exit: Optional[JobExit] = None

    @property
    def is_finished(self) -> bool:
        return self.status in ("succeeded", "failed")


class Jobs:
    """The part of JobsService that the monitoring endpoints use; starts jobs when it is told to."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.records: Dict[str, Record] = {}
        self._running: Dict[str, RunningJob] = {}
        self._changes: Dict[str, "asyncio.Future[None]"] = {}
        self._tasks: List["asyncio.Task[None]"] = []

    async def find(self, job_id: str) -> Optional[Record]:
        return self.records.get(job_id)

    def running(self, job_id: str) -> Optional[RunningJob]:
        return self._running.get(job_id)

    def is_pending(self, job_id: str) -> bool:
        return job_id in self.records and self.records[job_id].status == "pending"

    async def wait_change(self, job_id: str) -> None:
        if job_id not in self._changes:
            self._changes[job_id] = asyncio.get_event_loop().create_future()
        await asyncio.shield(self._changes[job_id])

    def capacity(self) -> Dict[str, int]:
        return {"cpu-small": 3}

    # What the jobs API and the scheduler do

    def create(self, job_id: str = "job-1") -> Record:
        record = self.records[job_id] = Record(job_id)
        return record

    def set_status(self, job_id: str, status: str) -> None:
        self.records[job_id].status = status
        change = self._changes.pop(job_id, None)
        if change is not None:
            change.set_result(None)

    async def start(self, command: str, job_id: str = "job-1", **spec: Any) -> RunningJob:
        """Starts a container; the job has finished when it has."""
        job = await self.start_container(command, job_id, **spec)
        self._tasks.append(asyncio.ensure_future(self._finish(job_id, job)))
        return job

    async def start_container(self, command: str, job_id: str = "job-1", **spec: Any) -> RunningJob:
        if job_id not in self.records:
            self.create(job_id)
        job = await self.runner.start(JobSpec(job_id, command=command, **spec))
        self._running[job_id] = job
        self.set_status(job_id, "running")
        return job

    async def end_container(self, job_id: str, job: RunningJob, status: str) -> JobExit:
        result = await job.wait()
        del self._running[job_id]
        self.records[job_id].exit = result
        self.set_status(job_id, status)
        return result

    async def _finish(self, job_id: str, job: RunningJob) -> None:
        await self.end_container(job_id, job, "succeeded")

    async def run(self, command: str, job_id: str = "job-1", **spec: Any) -> JobExit:
        """Starts a container and waits until the job has finished."""
        job = await self.start(command, job_id, **spec)
        await self.finished(job_id)
        return await job.wait()

    async def finished(self, job_id: str = "job-1") -> None:
        while not self.records[job_id].is_finished:
            await self.wait_change(job_id)


class Platform:
    """The server, its jobs, and a client of it."""

    def __init__(self, jobs: Jobs, url: str, session: aiohttp.ClientSession) -> None:
        self.jobs = jobs
        self.runner = jobs.runner
        self.url = url + "/api/v1/monitoring/jobs"
        self.session = session
        self.fault: Any = None

    def connect(self, path: str, **params: str) -> Any:
        return self.session.ws_connect(self.url + path, params=params, max_msg_size=0)

    async def refusal(self, path: str, method: str = "GET", **options: Any) -> Tuple[int, Any]:
        """Status and body of a request that is to be refused."""
        async with self.session.request(method, self.url + path, **options) as response:
            text = await response.text()
            assert response.status >= 400, text
            assert response.content_type == "application/json", text
            return response.status, await response.json()

    async def messages(self, path: str, **params: str) -> List[Any]:
        """All data of a stream that ends by itself, in an orderly way."""
        async with self.connect(path, **params) as ws:
            return await self.drain(ws)

    async def drain(self, ws: aiohttp.ClientWebSocketResponse) -> List[Any]:
        received = [message.data async for message in ws]
        assert ws.close_code == 1000
        return received


async def _authorize(request: web.Request) -> str:
    return "user"


@contextlib.asynccontextmanager
async def platform(path: pathlib.Path, **options: Any) -> AsyncIterator[Platform]:
    runner = Runner(path, **options)
    jobs = Jobs(runner)
    holder: List[Platform] = []

    @web.middleware
    async def faults(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if holder[0].fault is not None:
            request[FAULT] = holder[0].fault
        return await handler(request)

    app = web.Application(middlewares=[faults])
    monitoring.setup_monitoring(
        app, jobs, runner, authorize=_authorize, registry="registry.local:5000"
    )
    server = web.AppRunner(app)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        holder.append(Platform(jobs, "http://127.0.0.1:{}".format(port), session))
        try:
            yield holder[0]
        finally:
            await runner.close()
            await server.cleanup()
