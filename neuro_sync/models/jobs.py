"""Jobs: what they are, how they stand, how they got there."""

import collections.abc
import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from yarl import URL

from ..wire.codec import wire_field
from ..wire.texts import printable
from ..wire.times import parse_time
from .base import (
    JsonModel,
    absent,
    boolean,
    dump_all,
    integer,
    list_of,
    nothing,
    number,
    sequences_as,
    text,
    texts,
    to_url,
)
from .container import Container
from .enums import OpenTextEnum, from_text
from .images import PlatformImages
from .priority import JobPriority, encode_priority

__all__ = [
    "JobDescription",
    "JobDescriptionInternal",
    "JobPriority",
    "JobRestartPolicy",
    "JobStatus",
    "JobStatusHistory",
    "JobStatusItem",
    "decode_job",
]


class JobStatus(OpenTextEnum):
    """How a job stands.

    A status that this version does not know counts as UNKNOWN; its ``value`` is the text that came.
    """

    PENDING = "pending"
    SUSPENDED = "suspended"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_pending(self) -> bool:
        """It waits to become running (PENDING, SUSPENDED)."""
        return self in (JobStatus.PENDING, JobStatus.SUSPENDED)

    @property
    def is_running(self) -> bool:
        """It is running now (RUNNING)."""
        return self is JobStatus.RUNNING

    @property
    def is_finished(self) -> bool:
        """It has ended (SUCCEEDED, FAILED, CANCELLED)."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)

    @classmethod
    def items(cls) -> "Set[JobStatus]":
        """All statuses but UNKNOWN."""
        return {status for status in cls if status is not cls.UNKNOWN}

    @classmethod
    def active_items(cls) -> "Set[JobStatus]":
        """The statuses of jobs that have not ended: PENDING, SUSPENDED, RUNNING."""
        return {cls.PENDING, cls.SUSPENDED, cls.RUNNING}

    @classmethod
    def finished_items(cls) -> "Set[JobStatus]":
        """The statuses of jobs that have ended: SUCCEEDED, FAILED, CANCELLED."""
        return {cls.SUCCEEDED, cls.FAILED, cls.CANCELLED}


class JobRestartPolicy(OpenTextEnum):
    """Whether a job starts again after it has ended."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


_status = from_text(JobStatus)
_KEPT_DECIMALS = 4096
_decimals: Dict[str, Decimal] = {}


def _encode_time(moment: datetime) -> str:
    return moment.isoformat()


def _minutes_to_seconds(value: Any) -> float:
    try:
        # A fraction is ours, not a server's; to microseconds, as a 60th of 62 times 60 is not 62.
        return value * 60.0 if value.__class__ is int else round(number(value) * 60.0, 6)
    except OverflowError:
        return math.inf  # servers know no bound, and one such job must not break a listing


def _seconds_to_minutes(value: float) -> float:
    minutes = value / 60.0
    return int(minutes) if minutes.is_integer() else minutes


def _decimal(value: Any) -> Decimal:
    if value.__class__ is str:
        seen = _decimals.get(value)
        if seen is None:
            if len(_decimals) >= _KEPT_DECIMALS:
                _decimals.clear()
            seen = _decimals[value] = Decimal(value)
        return seen
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError("expected a decimal number, got {!r}".format(value))
    return Decimal(str(value))


@dataclass(frozen=True)
class JobStatusItem(JsonModel):
    """A change of a job's status.

    Attributes:
        status: after the change.
        transition_time: when it happened.
        reason: why, in a word; "" where nothing is said.
        description: why, at length; "" where nothing is said.
        exit_code: of the container's process, None where it has none (yet).
    """

    status: JobStatus = wire_field(decode=_status, encode=str, default=JobStatus.UNKNOWN)
    transition_time: Optional[datetime] = wire_field(
        decode=parse_time, encode=_encode_time, default=None
    )
    reason: str = wire_field(decode=text, default="")
    description: str = wire_field(decode=text, default="")
    exit_code: Optional[int] = wire_field(decode=integer, default=None, omit=absent)

    def __repr__(self) -> str:
        shown = _outcome(self)
        if self.transition_time is not None:
            shown.append("at {:%Y-%m-%d %H:%M:%S %Z}".format(self.transition_time))
        return printable("<JobStatusItem {}>".format(" ".join(shown)))


@dataclass(frozen=True)
class JobStatusHistory(JsonModel):
    """How a job stands, and how it got there.

    Attributes:
        status: how it stands now.
        reason: why, in a word, as ``OOMKilled``; "" where nothing is said.
        description: why, at length; "" where nothing is said.
        restarts: how often its container was restarted.
        created_at: when the job was made.
        started_at: when it began to run, None where it has not.
        finished_at: when it ended, None where it has not.
        run_time_seconds: for how long it has been running, all restarts together.
        exit_code: of the container's process, None where it has none (yet).
        transitions: all changes of its status, oldest first.
        changed_at: when the status changed last.
    """

    status: JobStatus = wire_field(decode=_status, encode=str, default=JobStatus.UNKNOWN)
    reason: str = wire_field(decode=text, default="")
    description: str = wire_field(decode=text, default="")
    restarts: int = wire_field(decode=integer, default=0)
    created_at: Optional[datetime] = wire_field(
        decode=parse_time, encode=_encode_time, default=None, omit=absent
    )
    started_at: Optional[datetime] = wire_field(
        decode=parse_time, encode=_encode_time, default=None, omit=absent
    )
    finished_at: Optional[datetime] = wire_field(
        decode=parse_time, encode=_encode_time, default=None, omit=absent
    )
    run_time_seconds: Optional[float] = wire_field(decode=number, default=None, omit=absent)
    exit_code: Optional[int] = wire_field(decode=integer, default=None, omit=absent)
    transitions: Sequence[JobStatusItem] = wire_field(
        "statuses", decode=list_of(JobStatusItem.from_dict), encode=dump_all, default_factory=list
    )

    def __post_init__(self) -> None:
        sequences_as(list, self, "transitions")

    @property
    def changed_at(self) -> Optional[datetime]:
        if self.transitions:
            return self.transitions[-1].transition_time
        return self.finished_at or self.started_at or self.created_at

    def __hash__(self) -> int:
        return hash((self.status, self.created_at, self.finished_at, self.exit_code))

    def __repr__(self) -> str:
        shown = _outcome(self)
        for name in ("created_at", "started_at", "finished_at"):
            if getattr(self, name) is not None:
                shown.append("{}={:%Y-%m-%d %H:%M:%S %Z}".format(name, getattr(self, name)))
        return printable("<JobStatusHistory {}>".format(" ".join(shown)))


def _outcome(history: Any) -> List[str]:
    """How a job stands, in as few words as a prompt has room for."""
    shown: List[str] = [history.status.value]
    if history.reason:
        shown.append("({})".format(history.reason))
    if history.exit_code is not None:
        shown.append("exit_code={}".format(history.exit_code))
    return shown


@dataclass(frozen=True)
class JobDescriptionInternal:
    """What only the platform's own services need to know of a job."""

    materialized: bool = False
    being_dropped: bool = False
    logs_removed: bool = False


_INTERNALS = {
    (first, second, third): JobDescriptionInternal(first, second, third)
    for first in (False, True)
    for second in (False, True)
    for third in (False, True)
}


def _internal(value: Any) -> JobDescriptionInternal:
    if not isinstance(value, JobDescriptionInternal):
        raise TypeError("expected what _canonical made, got {!r}".format(value))
    return value


def _no_container() -> Container:
    return Container.from_dict({"image": ""})


@dataclass(frozen=True)
class JobDescription(JsonModel):
    """A job.

    Attributes:
        id: job id.
        owner: user who started it.
        cluster_name: cluster it runs on.
        org_name: organisation it runs for, None without one.
        project_name: project it belongs to.
        namespace: of Kubernetes, "" where the server does not say.
        status: how it stands.
        history: how it got there, with reason, times and exit code.
        container: what it runs.
        scheduler_enabled: it takes turns with other jobs.
        pass_config: it is logged in as its owner.
        uri: of the job.
        total_price_credits: what it has cost.
        price_credits_per_hour: what it costs.
        name: given by the user, or None.
        tags: given by the user.
        description: given by the user, or None.
        http_url: of the HTTP server in it; an empty URL where it publishes none.
        ssh_server: of old servers; an empty URL.
        internal_hostname: name by which other jobs reach it.
        internal_hostname_named: the same, made of the job's name.
        restart_policy: whether it starts again after it has ended.
        life_span: seconds that it may run, None: no limit.
        schedule_timeout: seconds that it waits for room in the cluster.
        preset_name: preset whose resources it has, or None.
        preemptible_node: it runs on a node that may be taken away.
        privileged: it runs in privileged mode.
        priority: which of the jobs that wait start first.
        energy_schedule_name: when it may run.
        org_project_hash: part of its host names, None where the server does not say.
    """

    id: str = wire_field(decode=text)
    owner: str = wire_field(decode=text, default="")
    cluster_name: str = wire_field(decode=text, default="")
    org_name: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    project_name: str = wire_field(decode=text, default="")
    namespace: str = wire_field(decode=text, default="", omit=nothing)
    status: JobStatus = wire_field(decode=_status, encode=str, default=JobStatus.UNKNOWN)
    history: JobStatusHistory = wire_field(
        decode=JobStatusHistory.from_dict,
        encode=JobStatusHistory.to_dict,
        default_factory=JobStatusHistory,
    )
    container: Container = wire_field(
        decode=Container.from_dict, encode=Container.to_dict, default_factory=_no_container
    )
    scheduler_enabled: bool = wire_field(decode=boolean, default=False)
    pass_config: bool = wire_field(decode=boolean, default=False)
    uri: URL = wire_field(decode=to_url, encode=str, default=URL())
    total_price_credits: Decimal = wire_field(decode=_decimal, encode=str, default=Decimal(0))
    price_credits_per_hour: Decimal = wire_field(decode=_decimal, encode=str, default=Decimal(0))
    name: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    tags: Sequence[str] = wire_field(decode=texts, encode=list, default=(), omit=nothing)
    description: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    http_url: URL = wire_field(
        decode=to_url, encode=str, default=URL(), omit=lambda url: not str(url)
    )
    ssh_server: URL = wire_field(
        decode=to_url, encode=str, default=URL(), omit=lambda url: not str(url)
    )
    internal_hostname: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    internal_hostname_named: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    restart_policy: JobRestartPolicy = wire_field(
        decode=from_text(JobRestartPolicy), encode=str, default=JobRestartPolicy.NEVER
    )
    life_span: Optional[float] = wire_field(
        "max_run_time_minutes",
        decode=_minutes_to_seconds,
        encode=_seconds_to_minutes,
        default=None,
        omit=absent,
    )
    schedule_timeout: Optional[float] = wire_field(decode=number, default=None, omit=absent)
    preset_name: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    preemptible_node: bool = wire_field(decode=boolean, default=False)
    privileged: bool = wire_field(decode=boolean, default=False)
    priority: JobPriority = wire_field(
        decode=JobPriority.from_text, encode=encode_priority, default=JobPriority.NORMAL
    )
    energy_schedule_name: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    org_project_hash: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    _internal: JobDescriptionInternal = wire_field(
        decode=_internal, default=JobDescriptionInternal(), omit=lambda value: True
    )

    def __post_init__(self) -> None:
        sequences_as(tuple, self, "tags")

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = dict(payload)
        get = payload.get
        statuses, history = get("statuses"), get("history")
        if statuses is not None and isinstance(history, collections.abc.Mapping):
            changed["history"] = {**history, "statuses": statuses}
        if get("http_url_named"):
            changed["http_url"] = payload["http_url_named"]
        if get("project_name") is None:
            changed["project_name"] = get("owner")
        if get("scheduler_enabled") is None:
            changed["scheduler_enabled"] = get("is_preemptible")
        if get("preemptible_node") is None:
            changed["preemptible_node"] = get("is_preemptible_node_required")
        if get("uri") is None:
            parts = [get("cluster_name"), get("org_name"), changed["project_name"], get("id")]
            changed["uri"] = "job://" + "/".join(str(part) for part in parts if part)
        changed["_internal"] = _INTERNALS[
            get("materialized") is True,
            get("being_dropped") is True,
            get("logs_removed") is True,
        ]
        return changed

    def to_dict(self, encode_json: bool = False) -> Dict[str, Any]:
        result = super().to_dict()
        result["statuses"] = result["history"].pop("statuses")
        result.update(self._internal.__dict__)
        return result

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        shown: List[str] = [self.id]
        if self.name:
            shown.append("name={!r}".format(self.name))
        _, *why = _outcome(self.history)
        shown += [self.status.value, *why]
        if self.container.image.name:
            shown.append("image={}".format(self.container.image))
        if self.preset_name:
            shown.append("preset={}".format(self.preset_name))
        return printable("<JobDescription {}>".format(" ".join(shown)))

    def _repr_html_(self) -> str:
        from ..display import jobs_table_html

        return jobs_table_html([self])


def decode_job(
    payload: Mapping[str, Any], images: Optional[PlatformImages] = None
) -> JobDescription:
    """The job that a server's answer describes.

    Args:
        payload: the JSON object.
        images: tells the platform's images from others.

    Raises:
        ProtocolError: it is no job; the message names the field.
    """
    job = JobDescription.from_dict(payload)
    if images is not None:
        image = job.container.image
        located = images.located(image, job.cluster_name, job.org_name, job.project_name)
        if located is not image:
            # The object was made a moment ago and nobody else has it.
            job.container.__dict__["image"] = located
    return job
