"""Jobs: what the platform knows of them, and how they change."""

import asyncio
import datetime
import json
import uuid
from typing import Any, Callable, Dict, List, Mapping, Optional

from .runner import RunningJob
from .settings import Preset, Settings
from .store import Store

__all__ = ["ACTIVE", "FINAL", "JobRecord", "JobsService", "Refusal"]

ACTIVE = frozenset({"pending", "suspended", "running"})
FINAL = frozenset({"succeeded", "failed", "cancelled"})
_MIB = 2**20


class Refusal(Exception):
    """A request that cannot be done: the status and the body of the answer."""

    def __init__(self, status: int, **body: Any) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


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
        presets: Mapping[str, Preset],
        *,
        missing_reason: Callable[[Mapping[str, Any]], Optional[str]],
        capacity: Callable[[], Dict[str, int]],
        running: Callable[[str], Optional[RunningJob]],
    ) -> None:
        self.store = store
        self.settings = settings
        self.presets = presets
        self.active: Dict[str, JobRecord] = {}
        self._missing_reason = missing_reason
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

    async def wait_change(self, job_id: str) -> None:
        """Waits until the job changes."""
        change = self._changes.get(job_id)
        if change is None:
            change = self._changes[job_id] = asyncio.get_event_loop().create_future()
        await asyncio.shield(change)

    # What the jobs API uses

    async def resolve(self, id_or_name: str, user: str) -> JobRecord:
        """A job by its id, or the newest of a user's by its name.

        Raises:
            Refusal: there is none.
        """
        record = await self.find(id_or_name)
        if record is None:
            named = [
                job
                for job in self.active.values()
                if job.payload.get("name") == id_or_name and job.owner == user
            ]
            if named:
                record = max(named, key=lambda job: job.created_at)
            else:
                line = self.store.line_by_name(id_or_name, user)
                record = None if line is None else JobRecord(json.loads(line))
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
        place = self._place(request, user)
        container = self._container(request, place, env)
        self._check_quota(request)
        self._check_name(request.get("name"), place["project_name"])
        preset = self.presets.get(request.get("preset_name") or "")
        job_id = "job-{}".format(uuid.uuid4())
        record = JobRecord(_payload(job_id, request, user, place, container, preset))
        record.waits_for_quota = bool(request.get("wait_for_jobs_quota"))
        record.container_gone = False
        self.active[job_id] = record
        self.save(record)
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
        """Keep a job that has changed, and tell those that wait for it."""
        self.store.save(record.to_payload(), record.to_line())
        if record.is_finished:
            self.active.pop(record.id, None)
        change = self._changes.pop(record.id, None)
        if change is not None and not change.done():
            change.set_result(None)

    # Checks

    def _place(self, request: Mapping[str, Any], user: str) -> Dict[str, str]:
        settings = self.settings
        cluster = request.get("cluster_name") or settings.cluster
        org = request.get("org_name") or settings.org
        project = request.get("project_name") or user.split("/")[0]
        if cluster != settings.cluster:
            raise Refusal(
                403, error="User is not allowed to submit jobs to the cluster {}".format(cluster)
            )
        if org != settings.org:
            raise Refusal(
                403, error="User is not allowed to submit jobs to the organization {}".format(org)
            )
        if project not in settings.projects:
            uri = "job://{}/{}/{}".format(cluster, org, project)
            raise Refusal(403, missing=[{"uri": uri, "action": "write"}])
        return {"cluster_name": cluster, "org_name": org, "project_name": project}

    def _container(
        self, request: Mapping[str, Any], place: Mapping[str, str], env: Mapping[str, str]
    ) -> Dict[str, Any]:
        container = dict(request["container"])
        clash = set(env) & set(container.get("env") or {})
        if clash:
            raise Refusal(400, error="Cannot pass config: {!r} is already set".format(min(clash)))
        container["env"] = {**(container.get("env") or {}), **env}
        container.setdefault("volumes", [])
        for key in ("secret_env", "secret_volumes", "disk_volumes", "tty"):
            if not container.get(key):
                container.pop(key, None)
        self._check_uris(container, place["cluster_name"])
        reason = self._missing_reason(container)
        if reason is not None:
            raise Refusal(400, error=reason)
        container["resources"] = self._resources(request)
        return container

    def _check_uris(self, container: Mapping[str, Any], cluster: str) -> None:
        uris: List[str] = [item["src_storage_uri"] for item in container["volumes"]]
        uris += [item["src_disk_uri"] for item in container.get("disk_volumes", [])]
        uris += [item["src_secret_uri"] for item in container.get("secret_volumes", [])]
        uris += list(container.get("secret_env", {}).values())
        for uri in uris:
            host = uri.split("://", 1)[1].split("/", 1)[0]
            if host != cluster:
                raise Refusal(
                    400, error="Invalid URI cluster in {!r}, expected {!r}".format(uri, cluster)
                )

    def _resources(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        given = request["container"].get("resources") or {}
        name = request.get("preset_name")
        if "cpu" not in given:
            preset = self.presets.get(name) if name else next(iter(self.presets.values()))
            if preset is None:
                raise Refusal(400, error="Preset {!r} not found".format(name))
            resources = {"cpu": preset.cpu, "memory": preset.memory}
            resources["memory_mb"] = preset.memory // _MIB
            return {**resources, **given}
        resources = dict(given)
        resources.setdefault("memory", resources.get("memory_mb", 0) * _MIB)
        resources["memory_mb"] = resources["memory"] // _MIB
        if any(resources.get(vendor + "_gpu") for vendor in ("nvidia", "amd", "intel")):
            raise Refusal(400, error="this machine offers no GPUs to jobs")
        return resources

    def _check_quota(self, request: Mapping[str, Any]) -> None:
        quota = self.settings.jobs_quota
        active = sum(not record.is_final for record in self.active.values())
        if quota is not None and active >= quota and not request.get("wait_for_jobs_quota"):
            raise Refusal(400, error="jobs quota exceeded for user {!r}".format(self.settings.user))

    def _check_name(self, name: Optional[str], project: str) -> None:
        if not name:
            return
        for job in self.active.values():
            payload = job.payload
            if (
                not job.is_final
                and payload.get("name") == name
                and payload["project_name"] == project
            ):
                raise Refusal(
                    400,
                    error="Failed to create job: job with name '{}' and project '{}' already exists: "
                    "'{}'".format(name, project, job.id),
                )


def _payload(
    job_id: str,
    request: Mapping[str, Any],
    user: str,
    place: Mapping[str, str],
    container: Mapping[str, Any],
    preset: Optional[Preset],
) -> Dict[str, Any]:
    stamp = now().isoformat()
    scheduled = bool(request.get("scheduler_enabled", request.get("is_preemptible", False)))
    node = bool(request.get("preemptible_node", request.get("is_preemptible_node_required", False)))
    if preset is not None:
        scheduled = node = False
    transition = {
        "status": "pending",
        "transition_time": stamp,
        "reason": "Creating",
        "description": None,
    }
    namespace = "platform--{org_name}--{project_name}".format(**place)
    payload: Dict[str, Any] = {
        "id": job_id,
        "owner": user,
        "namespace": namespace,
        **place,
        "org_project_hash": uuid.uuid5(uuid.NAMESPACE_URL, namespace).hex[:10],
        "uri": "job://{cluster_name}/{org_name}/{project_name}/{id}".format(id=job_id, **place),
        "status": "pending",
        "statuses": [transition],
        "history": {
            "status": "pending",
            "reason": "Creating",
            "description": None,
            "created_at": stamp,
            "run_time_seconds": 0.0,
            "restarts": 0,
        },
        "container": container,
        "scheduler_enabled": scheduled,
        "preemptible_node": node,
        "is_preemptible": scheduled,
        "is_preemptible_node_required": node,
        "pass_config": bool(request.get("pass_config", False)),
        "privileged": bool(request.get("privileged", False)),
        "materialized": False,
        "being_dropped": False,
        "logs_removed": False,
        "restart_policy": request.get("restart_policy", "never"),
        "priority": request.get("priority", "normal"),
        "total_price_credits": "0",
        "price_credits_per_hour": "0" if preset is None else preset.credits_per_hour,
        "internal_hostname": "localhost",
    }
    for key in ("name", "preset_name", "description", "schedule_timeout", "max_run_time_minutes"):
        if request.get(key) is not None:
            payload[key] = request[key]
    if request.get("tags"):
        payload["tags"] = request["tags"]
    if payload.get("name"):
        payload["internal_hostname_named"] = "localhost"
    if container.get("http"):
        # The job is a process of this machine, so that its port is one of this machine's.
        payload["http_url"] = "http://127.0.0.1:{}".format(container["http"]["port"])
    return payload


def _decimal(value: float) -> str:
    text = "{:.28f}".format(value).rstrip("0").rstrip(".")
    return text or "0"
