"""Jobs: what the platform knows of them, and how they change."""

import asyncio
import datetime
import json
from typing import Any, Callable, Dict, Mapping, Optional

from .admission import Admission
from .replies import Refusal
from .runner import RunningJob
from .settings import Settings
from .store import Store

__all__ = ["ACTIVE", "FINAL", "JobRecord", "JobsService"]

ACTIVE = frozenset({"pending", "suspended", "running"})
FINAL = frozenset({"succeeded", "failed", "cancelled"})


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class JobRecord:
    """A job. ``payload`` is what the API answers, in the wire's form; all else is derived from it.

    Attributes:
        container_gone: no container of it is left: only then the log of a finished job is complete.
        waits_for_quota: it was asked to wait where there are too many jobs.
    """

    def __init__(self, payload: Dict[str, Any]) -> None:
        self.payload = payload
        self.created_at = datetime.datetime.fromisoformat(payload["history"]["created_at"])
        self.container_gone = True
        self.waits_for_quota = False
        self.running_since: Optional[datetime.datetime] = None

    @property
    def id(self) -> str:
        return str(self.payload["id"])

    @property
    def owner(self) -> str:
        return str(self.payload["owner"])

    @property
    def status(self) -> str:
        return str(self.payload["status"])

    @property
    def restarts(self) -> int:
        return int(self.payload["history"]["restarts"])

    @property
    def is_final(self) -> bool:
        """Its status will not change any more."""
        return self.status in FINAL

    @property
    def is_finished(self) -> bool:
        """Its status will not change, and neither will its log."""
        return self.is_final and self.container_gone

    @property
    def run_time(self) -> float:
        """Seconds that it has run, restarts and all."""
        seconds: float = self.payload["history"]["run_time_seconds"]
        if self.running_since is not None:
            seconds += (now() - self.running_since).total_seconds()
        return seconds

    def change(
        self,
        status: str,
        reason: Optional[str] = None,
        description: Optional[str] = None,
        exit_code: Optional[int] = None,
    ) -> None:
        """Go on to a status."""
        moment = now()
        stamp = moment.isoformat()
        transition: Dict[str, Any] = {
            "status": status,
            "transition_time": stamp,
            "reason": reason,
            "description": description,
        }
        history = self.payload["history"]
        if exit_code is not None:
            transition["exit_code"] = history["exit_code"] = exit_code
        self.payload["statuses"].append(transition)
        self.payload["status"] = history["status"] = status
        history["reason"], history["description"] = reason, description
        if reason == "Restarting":
            history["restarts"] += 1
        if status == "running":
            history.setdefault("started_at", stamp)
            if self.running_since is None:
                self.running_since = moment
        elif self.running_since is not None:
            history["run_time_seconds"] += (moment - self.running_since).total_seconds()
            self.running_since = None
        if status in FINAL:
            history["finished_at"] = stamp
            history.setdefault("started_at", stamp)

    def to_payload(self) -> Dict[str, Any]:
        """The job in the API's answer, as it stands now."""
        payload = dict(self.payload)
        seconds = self.run_time
        payload["history"] = {**payload["history"], "run_time_seconds": seconds}
        rate = float(payload["price_credits_per_hour"])
        payload["total_price_credits"] = _decimal(rate * seconds / 3600)
        return payload

    def to_line(self) -> bytes:
        """The same as a line of a listing, without its end."""
        return json.dumps(self.to_payload(), separators=(",", ":")).encode()


class JobsService:
    """All jobs: the active ones in memory, the finished ones in the store."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        admission: Admission,
        capacity: Callable[[], Dict[str, int]],
        running: Callable[[str], Optional[RunningJob]],
    ) -> None:
        self.store = store
        self.settings = settings
        self.active: Dict[str, JobRecord] = {}
        self._admission = admission
        self.capacity = capacity
        self._running = running
        self._changes: "Dict[str, asyncio.Future[None]]" = {}
        self._abandon_jobs_of_last_time()

    def _abandon_jobs_of_last_time(self) -> None:
        """What ran when the platform ended has ended with it."""
        for line in self.store.active_lines():
            record = JobRecord(json.loads(line))
            record.change(
                "failed", "NotFound", "the local platform was stopped while the job was active"
            )
            self.save(record)

    # What the monitoring endpoints use

    async def find(self, job_id: str) -> Optional[JobRecord]:
        """A job by its id."""
        record = self.active.get(job_id)
        if record is not None:
            return record
        line = self.store.line(job_id)
        return None if line is None else JobRecord(json.loads(line))

    def running(self, job_id: str) -> Optional[RunningJob]:
        """The container of a job, where it has one now."""
        record = self.active.get(job_id)
        return None if record is None or record.is_final else self._running(job_id)

    def is_pending(self, job_id: str) -> bool:
        """Whether a job has had no container yet."""
        record = self.active.get(job_id)
        return record is not None and record.status == "pending"

    async def wait_change(self, job_id: str) -> None:
        """Waits until the job changes; one that has finished does not any more."""
        change = self._changes.get(job_id)
        if change is None:
            change = asyncio.get_event_loop().create_future()
            if job_id in self.active:  # else nobody would ever take it out
                self._changes[job_id] = change
        await asyncio.shield(change)

    # What the jobs API uses

    async def resolve(self, id_or_name: str, user: str) -> JobRecord:
        """A job by its id, or the newest of a user's by its name.

        Raises:
            Refusal: there is none.
        """
        record = await self.find(id_or_name)
        if record is None:
            job_id = self.store.id_by_name(id_or_name, user)
            record = None if job_id is None else await self.find(job_id)
        if record is None:
            raise Refusal(400, error="no such job {}".format(id_or_name))
        return record

    def create(self, request: Mapping[str, Any], user: str, env: Mapping[str, str]) -> JobRecord:
        """Make a job of a validated request.

        Args:
            env: variables that the platform adds.

        Raises:
            Refusal: it can't be done.
        """
        payload = self._admission.payload(request, user, env, now())
        self._check_quota(request)
        self._check_name(payload)
        record = JobRecord(payload)
        record.waits_for_quota = bool(request.get("wait_for_jobs_quota"))
        record.container_gone = False
        self.save(record)
        self.active[record.id] = record
        return record

    def extend(self, record: JobRecord, change: Mapping[str, int]) -> None:
        """Change how long a job may run."""
        minutes = change.get("max_run_time_minutes")
        if minutes is None:
            minutes = record.payload.get("max_run_time_minutes", 0)
            minutes += change["additional_max_run_time_minutes"]
        record.payload["max_run_time_minutes"] = minutes
        self.save(record)

    def save(self, record: JobRecord) -> None:
        """Keep a job that has changed, and tell those that wait for it, also where the disk is full."""
        try:
            self.store.save(record.to_payload(), record.to_line())
            if record.is_finished:
                self.active.pop(record.id, None)
        finally:
            change = self._changes.pop(record.id, None)
            if change is not None and not change.done():
                change.set_result(None)

    # Checks

    def _check_quota(self, request: Mapping[str, Any]) -> None:
        quota = self.settings.jobs_quota
        active = sum(not record.is_final for record in self.active.values())
        if quota is not None and active >= quota and not request.get("wait_for_jobs_quota"):
            raise Refusal(400, error="jobs quota exceeded for user {!r}".format(self.settings.user))

    def _check_name(self, new: Mapping[str, Any]) -> None:
        name, project = new.get("name"), new["project_name"]
        if name is None:
            return
        for job in self.active.values():
            payload = job.payload
            taken = payload.get("name") == name and payload["project_name"] == project
            if taken and not job.is_final:
                raise Refusal(
                    400,
                    error="Failed to create job: job with name '{}' and project '{}' already exists: "
                    "'{}'".format(name, project, job.id),
                )


def _decimal(value: float) -> str:
    text = "{:.28f}".format(value).rstrip("0").rstrip(".")
    return text or "0"
