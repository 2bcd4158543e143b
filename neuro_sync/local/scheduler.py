"""Decides which job runs when, and sees it through to its end."""

import asyncio
import logging
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from .jobs import JobRecord, JobsService
from .runner import JobExit, JobSpec, LaunchError, Runner, RunningJob
from .settings import Preset, Settings

__all__ = ["Room", "Scheduler"]

_log = logging.getLogger(__name__)
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_PRIORITIES = {"low": -1, "normal": 0, "high": 1}
_LEAST_CPU, _LEAST_MEMORY = 0.1, 16 * 2**20  # that a request may ask for
_LONGEST_LIFE = 10**9  # minutes
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 10.0


class Room:
    """Cores and memory of this machine, and what jobs have taken of them."""

    def __init__(self, cpu: float, memory: int) -> None:
        self._cpu = cpu
        self._memory = memory
        self._taken: Dict[str, Tuple[float, int]] = {}
        self._count()

    def _count(self) -> None:
        # Anew each time: tenths of cores that are added and taken away would drift.
        self._free_cpu = self._cpu - sum(cpu for cpu, _ in self._taken.values())
        self._free_memory = self._memory - sum(memory for _, memory in self._taken.values())

    @property
    def is_full(self) -> bool:
        """No job fits, however small."""
        return self.fits(_LEAST_CPU, _LEAST_MEMORY) < 1

    def take(self, job_id: str, resources: Mapping[str, Any]) -> bool:
        """Take what a job needs; False: there is not enough."""
        if self.fits(resources["cpu"], resources["memory"]) < 1:
            return False
        self._taken[job_id] = resources["cpu"], resources["memory"]
        self._count()
        return True

    def give_back(self, job_id: str) -> None:
        self._taken.pop(job_id, None)
        self._count()

    def fits(self, cpu: float, memory: int) -> int:
        """How many more jobs of a size there is room for."""
        # Tenths of cores do not add up exactly.
        room: int = max(0, min(int(self._free_cpu / cpu + 1e-6), self._free_memory // memory))
        return room


class Scheduler:
    """Starts jobs as there is room for them, restarts and ends them."""

    def __init__(
        self, runner: Runner, room: Room, presets: Mapping[str, Preset], settings: Settings
    ) -> None:
        self._runner = runner
        self._room = room
        self._presets = presets
        self._settings = settings
        self._containers: Dict[str, RunningJob] = {}
        self._tasks: "Dict[str, asyncio.Task[None]]" = {}
        self._timers: "Dict[str, asyncio.TimerHandle]" = {}
        self._ending: "Set[asyncio.Future[Any]]" = set()
        self._closed = False
        self.jobs: JobsService = None  # type: ignore[assignment]  # each of the two knows the other

    # What others ask

    def capacity(self) -> Dict[str, int]:
        """How many more jobs of each preset there is room for."""
        fits = self._room.fits
        return {name: fits(preset.cpu, preset.memory) for name, preset in self._presets.items()}

    def running(self, job_id: str) -> Optional[RunningJob]:
        """The container of a job, where it has one now."""
        return self._containers.get(job_id)

    # What others tell

    def submit(self, record: JobRecord) -> None:
        """A job is there to be run."""
        timeout = record.payload.get("schedule_timeout")
        if timeout is not None:
            self._call_later(record.id, timeout, self._give_up, record)
        self._start(record)  # those that wait already do not fit

    def look(self) -> None:
        """Start what there is room for: by priority, then by age."""
        if self._room.is_full:
            return
        waiting = [
            record
            for record in self.jobs.active.values()
            if record.status == "pending" and record.id not in self._tasks
        ]
        waiting.sort(key=lambda job: (-_PRIORITIES[job.payload["priority"]], job.created_at))
        for record in waiting:
            self._start(record)

    def _start(self, record: JobRecord) -> None:
        """Start a job, if there is room for it."""
        if self._closed:
            return  # it came too late, and will be found to have failed by the next platform
        if record.waits_for_quota and not self._below_quota(record):
            return
        if self._room.take(record.id, record.payload["container"]["resources"]):
            self._cancel_timer(record.id)
            self._tasks[record.id] = asyncio.ensure_future(self._run(record))

    def cancel(
        self, record: JobRecord, reason: str = "UserRequested", description: Optional[str] = None
    ) -> None:
        """End a job: seen at once, its processes get the time of a grace."""
        if record.is_final:
            return
        record.change("cancelled", reason, description)
        self._cancel_timer(record.id)
        container = self._containers.get(record.id)
        if container is not None:
            ending = asyncio.ensure_future(container.terminate(_GRACE))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        elif record.id not in self._tasks:
            record.container_gone = True
        self.jobs.save(record)

    def extended(self, record: JobRecord) -> None:
        """A job may run longer, or not as long."""
        if record.status == "running":
            self._watch_life_span(record)

    async def close(self) -> None:
        """Nothing is started any more, and what runs is ended with the platform."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        for record in list(self.jobs.active.values()):
            if not record.is_final:
                record.change("failed", "NotFound", "the local platform was stopped")
                self.jobs.save(record)
        tasks = [*self._tasks.values(), *self._ending]
        for container in list(self._containers.values()):
            container.kill()
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)

    # The life of a job

    async def _run(self, record: JobRecord) -> None:
        try:
            await self._run_containers(record)
        except Exception as error:
            _log.exception("job %s", record.id)
            self._end(record, "failed", "Error", "{}: {}".format(type(error).__name__, error))
        finally:
            container = self._containers.pop(record.id, None)
            if container is not None:  # what failed was not the job
                container.kill()
            self._cancel_timer(record.id)
            self._room.give_back(record.id)
            self._tasks.pop(record.id, None)
            record.container_gone = True
            try:
                self.jobs.save(record)
            finally:
                self.look()

    async def _run_containers(self, record: JobRecord) -> None:
        backoff = _FIRST_BACKOFF
        while not record.is_final:
            try:
                container = await self._runner.start(self._spec(record))
            except LaunchError as error:
                self._end(record, "failed", error.reason, error.description)
                return
            self._containers[record.id] = container
            if record.is_final:
                container.kill()  # it was killed while it was being started
            elif record.status != "running":
                record.payload["materialized"] = True
                record.change("running")
                self.jobs.save(record)
                self._watch_life_span(record)
            result = await container.wait()
            del self._containers[record.id]
            if record.is_final or not _starts_again(record, result):
                self._finish(record, result)
                return
            record.change("running", "Restarting", result.description or None, result.exit_code)
            self.jobs.save(record)
            await self._pause(record, backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def _pause(self, record: JobRecord, seconds: float) -> None:
        """Wait before a restart, but not for a job that was killed."""
        change = asyncio.ensure_future(self.jobs.wait_change(record.id))
        try:
            await asyncio.wait({change}, timeout=seconds)
        finally:
            change.cancel()

    def _finish(self, record: JobRecord, result: JobExit) -> None:
        status = "succeeded" if result.exit_code == 0 else "failed"
        self._end(record, status, result.reason, result.description or None, result.exit_code)

    def _end(
        self,
        record: JobRecord,
        status: str,
        reason: str,
        description: Optional[str],
        exit_code: Optional[int] = None,
    ) -> None:
        if not record.is_final:
            record.change(status, reason, description, exit_code)

    def _spec(self, record: JobRecord) -> JobSpec:
        container = record.payload["container"]
        http = container.get("http")
        return JobSpec(
            record.id,
            entrypoint=container.get("entrypoint"),
            command=container.get("command"),
            working_dir=container.get("working_dir"),
            env=dict(container["env"]),
            tty=bool(container.get("tty")),
            container=container,
            memory=container["resources"]["memory"],
            cpu=container["resources"]["cpu"],
            http_port=None if http is None else http["port"],
            user=record.owner,
            restarts=record.restarts,
        )

    # Times

    def _watch_life_span(self, record: JobRecord) -> None:
        minutes = record.payload.get("max_run_time_minutes")
        if minutes is not None:
            minutes = min(minutes, _LONGEST_LIFE)  # no float holds every number of minutes
            left = minutes * self._settings.seconds_per_minute - record.run_time
            self._call_later(record.id, max(0.0, left), self._end_life, record)

    def _end_life(self, record: JobRecord) -> None:
        self.cancel(record, "LifeSpanEnded", "the job's life span has ended")

    def _give_up(self, record: JobRecord) -> None:
        if record.status == "pending" and record.id not in self._tasks:
            record.change("failed", "ClusterScaleUpFailed", "there was no room for the job in time")
            record.container_gone = True
            self.jobs.save(record)

    def _call_later(self, job_id: str, seconds: float, callback: Any, *args: Any) -> None:
        self._cancel_timer(job_id)
        loop = asyncio.get_event_loop()
        self._timers[job_id] = loop.call_later(seconds, callback, *args)

    def _cancel_timer(self, job_id: str) -> None:
        timer = self._timers.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def _below_quota(self, record: JobRecord) -> bool:
        quota = self._settings.jobs_quota
        others: List[JobRecord] = [
            job
            for job in self.jobs.active.values()
            if job is not record and not job.is_final and job.id in self._tasks
        ]
        return quota is None or len(others) < quota


def _starts_again(record: JobRecord, result: JobExit) -> bool:
    policy = record.payload["restart_policy"]
    return policy == "always" or (policy == "on-failure" and result.exit_code != 0)
