"""From a validated request to a job's first payload: where it runs, what it gets, and what is refused."""

import datetime
import uuid
from typing import Any, Callable, Dict, List, Mapping, Optional

from .replies import Refusal
from .settings import ENERGY_SCHEDULES, Preset, Settings

__all__ = ["Admission", "project_hash"]

_MIB = 2**20
_DEVICES = ("nvidia_gpu", "amd_gpu", "intel_gpu", "nvidia_migs", "tpu")


class Admission:
    """The rules of this platform for new jobs.

    Args:
        missing_reason: why this machine cannot run a container, or None.
    """

    def __init__(
        self,
        settings: Settings,
        presets: Mapping[str, Preset],
        missing_reason: Callable[[Mapping[str, Any]], Optional[str]],
    ) -> None:
        self._settings = settings
        self._presets = presets
        self._missing_reason = missing_reason

    def payload(
        self, request: Mapping[str, Any], user: str, env: Mapping[str, str], now: datetime.datetime
    ) -> Dict[str, Any]:
        """The payload of a new job.

        Args:
            request: as the validation leaves it.
            env: variables that the platform adds.
            now: when the job is made.

        Raises:
            Refusal: the platform does not take the job.
        """
        place = self._place(request, user)
        container = self._container(request["container"], place["cluster_name"], env)
        preset = None
        if "cpu" not in container["resources"]:
            preset = self._preset(request.get("preset_name"))
        container["resources"] = _resources(container["resources"], preset)
        scheduling = _scheduling(request, preset)
        return _payload(request, user, place, container, preset, scheduling, now.isoformat())

    def _place(self, request: Mapping[str, Any], user: str) -> Dict[str, str]:
        settings = self._settings
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
        self, given: Mapping[str, Any], cluster: str, env: Mapping[str, str]
    ) -> Dict[str, Any]:
        container = dict(given)
        clash = set(env) & set(container.get("env") or {})
        if clash:
            raise Refusal(400, error="Cannot pass config: {!r} is already set".format(min(clash)))
        container["env"] = {**(container.get("env") or {}), **env}
        container.setdefault("volumes", [])
        container.setdefault("resources", {})
        for key in ("secret_env", "secret_volumes", "disk_volumes", "tty"):
            if not container.get(key):
                container.pop(key, None)
        _check_uris(container, cluster)
        reason = self._missing_reason(container)
        if reason is not None:
            raise Refusal(400, error=reason)
        return container

    def _preset(self, name: Optional[str]) -> Preset:
        if name is None:
            return next(iter(self._presets.values()))
        preset = self._presets.get(name)
        if preset is None:
            raise Refusal(400, error="Preset {!r} not found".format(name))
        return preset


def project_hash(org: str, project: str) -> str:
    """The part of a named job's host name that tells its project."""
    return uuid.uuid5(uuid.NAMESPACE_URL, _namespace(org, project)).hex[:10]


def _namespace(org: str, project: str) -> str:
    return "platform--{}--{}".format(org, project)


def _check_uris(container: Mapping[str, Any], cluster: str) -> None:
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


def _resources(given: Mapping[str, Any], preset: Optional[Preset]) -> Dict[str, Any]:
    if preset is not None:
        memory_mb = preset.memory // _MIB
        return {"cpu": preset.cpu, "memory": preset.memory, "memory_mb": memory_mb, **given}
    devices = [name for name in _DEVICES if given.get(name)]
    if devices:
        raise Refusal(400, error="this machine offers no {} to jobs".format(devices[0]))
    resources = dict(given)
    resources.setdefault("memory", resources.get("memory_mb", 0) * _MIB)
    resources["memory_mb"] = resources["memory"] // _MIB
    return resources


def _scheduling(request: Mapping[str, Any], preset: Optional[Preset]) -> Dict[str, Any]:
    """Whether the job takes turns with others, which no preset of this machine does."""
    scheduled = node = False
    if preset is None:
        scheduled = request.get("scheduler_enabled", request.get("is_preemptible", False))
        node = request.get("preemptible_node", request.get("is_preemptible_node_required", False))
    energy = request.get("energy_schedule_name")
    if energy is not None:
        if energy not in ENERGY_SCHEDULES:
            raise Refusal(400, error="Energy schedule {!r} not found".format(energy))
        if not scheduled:
            raise Refusal(400, error="energy_schedule_name needs a job with scheduler_enabled")
    if scheduled and request.get("schedule_timeout") is not None:
        raise Refusal(400, error="schedule_timeout is not allowed for scheduler_enabled jobs")
    found: Dict[str, Any] = {
        "scheduler_enabled": scheduled,
        "preemptible_node": node,
        "is_preemptible": scheduled,
        "is_preemptible_node_required": node,
    }
    if scheduled:
        found["energy_schedule_name"] = energy or ENERGY_SCHEDULES[0]
    return found


def _payload(
    request: Mapping[str, Any],
    user: str,
    place: Mapping[str, str],
    container: Mapping[str, Any],
    preset: Optional[Preset],
    scheduling: Mapping[str, Any],
    stamp: str,
) -> Dict[str, Any]:
    job_id = "job-{}".format(uuid.uuid4())
    org, project = place["org_name"], place["project_name"]
    reason = {"reason": "Creating", "description": None}
    payload: Dict[str, Any] = {
        "id": job_id,
        "owner": user,
        "namespace": _namespace(org, project),
        **place,
        "org_project_hash": project_hash(org, project),
        "uri": "job://{}/{}/{}/{}".format(place["cluster_name"], org, project, job_id),
        "status": "pending",
        "statuses": [{"status": "pending", "transition_time": stamp, **reason}],
        "history": {
            "status": "pending",
            **reason,
            "created_at": stamp,
            "run_time_seconds": 0.0,
            "restarts": 0,
        },
        "container": container,
        **scheduling,
        "pass_config": request.get("pass_config", False),
        "privileged": request.get("privileged", False),
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
    if preset is not None:
        payload["preset_name"] = preset.name
    if request.get("tags"):
        payload["tags"] = request["tags"]
    if payload.get("name"):
        payload["internal_hostname_named"] = "localhost"
    if container.get("http"):
        # The job is a process of this machine, so that its port is one of this machine's.
        payload["http_url"] = "http://127.0.0.1:{}".format(container["http"]["port"])
    return payload
