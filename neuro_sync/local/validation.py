"""What a request to start a job may look like: the platform's own rules, in its own validator."""

import math
import re
import shlex
from typing import Any, Callable, Dict, List, Mapping
from urllib.parse import unquote, urlsplit

import trafaret as t

__all__ = ["InvalidRequest", "validate_life_span", "validate_run", "validate_start"]

_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*\Z")
_GPU_VENDORS = ("nvidia", "amd", "intel")
_LONGEST_SCHEDULE = 30 * 24 * 3600


class InvalidRequest(ValueError):
    """The request is refused; the text is the platform's."""


def validate_start(body: Any) -> Dict[str, Any]:
    """Check the body of ``POST /jobs?from_preset``; the container is put under its own key.

    Raises:
        InvalidRequest: it is not right.
    """
    checked = _check(_START, body)
    container = {key: checked.pop(key) for key in _CONTAINER_KEYS if key in checked}
    checked["container"] = container
    return checked


def validate_run(body: Any) -> Dict[str, Any]:
    """Check the body of ``POST /jobs``.

    Raises:
        InvalidRequest: it is not right.
    """
    checked = _check(_RUN, body)
    resources = checked["container"]["resources"]
    if "memory" not in resources and "memory_mb" not in resources:
        raise InvalidRequest("{'container': DataError(\"{'resources': 'memory is required'}\")}")
    if "tpu" in resources and any(vendor + "_gpu" in resources for vendor in _GPU_VENDORS):
        raise InvalidRequest(
            "{'container': DataError(\"{'resources': 'tpu and gpu exclude each other'}\")}"
        )
    return checked


def validate_life_span(body: Any) -> Dict[str, int]:
    """Check the body of ``PUT /jobs/{id}/max_run_time_minutes``.

    Raises:
        InvalidRequest: it is not right.
    """
    checked = _check(_LIFE_SPAN, body)
    if len(checked) != 1:
        raise InvalidRequest(
            "exactly one of additional_max_run_time_minutes and max_run_time_minutes has to be set"
        )
    return checked


def _check(rule: t.Trafaret, body: Any) -> Dict[str, Any]:
    try:
        checked: Dict[str, Any] = rule.check(body)
    except t.DataError as error:
        raise InvalidRequest(str(error)) from error
    return checked


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise t.DataError("value is not a finite number")
    return value


def _plain(text: str) -> str:
    """Refuse what no process can be given."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise t.DataError("value is not text: {}".format(error)) from error
    if "\0" in text:
        raise t.DataError("value has a NUL in it")
    return text


def _words(text: str) -> str:
    try:
        shlex.split(_plain(text))
    except ValueError as error:
        raise t.DataError("invalid command format: {}".format(error)) from error
    return text


def _absolute(text: str) -> str:
    if not _plain(text).startswith("/"):
        raise t.DataError("path must be absolute")
    return text


def _path(text: str) -> str:
    if ".." in _absolute(text).split("/"):
        raise t.DataError("path must be without '..'")
    return text


def _uri(scheme: str, least_parts: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        parts = urlsplit(_plain(text))
        segments = [part for part in unquote(parts.path).split("/") if part]
        if parts.scheme != scheme:
            raise t.DataError("invalid URI scheme '{}', expected '{}'".format(parts.scheme, scheme))
        # A query and a fragment count even where they are empty.
        if not parts.netloc or "?" in text or "#" in text or ".." in segments:
            raise t.DataError("invalid URI {!r}".format(text))
        if len(segments) < least_parts:
            raise t.DataError("invalid path in URI {!r}".format(text))
        return text

    return check


def _unique_paths(items: List[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    paths = [item["dst_path"] for item in items]
    if len(set(paths)) != len(paths):
        raise t.DataError("destination paths need to be unique")
    return items


def _tags(values: List[str]) -> List[str]:
    if any(re.search(r"\s", value) for value in values):
        raise t.DataError("a tag must not contain whitespace")
    return sorted(set(values))


def _not_reserved(name: str) -> str:
    if name.startswith("job-"):
        raise t.DataError("job name cannot start with 'job-' prefix")
    return name


def _name(least: int, most: int) -> t.Trafaret:
    return t.String(min_length=least, max_length=most) & t.Regexp(_NAME)


def _whole(**limits: int) -> t.Trafaret:
    # Of a boolean ToInt makes a boolean.
    return t.ToInt(**limits) & int


def _optional(**rules: Any) -> Dict[t.Key, Any]:
    return {t.Key(name, optional=True): rule for name, rule in rules.items()}


_PLACE_NAME = _name(3, 255)
_VOLUME_PATH = {t.Key("dst_path"): t.String() & _path}
_READ_ONLY = {t.Key("read_only", optional=True, default=True): t.Bool()}

_JOB: Dict[t.Key, Any] = _optional(
    pass_config=t.Bool(),
    project_name=_PLACE_NAME,
    cluster_name=_PLACE_NAME,
    org_name=_PLACE_NAME,
    name=t.Null() | (_name(3, 40) & _not_reserved),
    preset_name=t.String(),
    tags=t.List(t.String(min_length=1, max_length=256), max_length=16) & _tags,
    description=t.String(),
    schedule_timeout=t.ToFloat(gte=1, lt=_LONGEST_SCHEDULE) & _finite,
    restart_policy=t.Enum("never", "on-failure", "always"),
    max_run_time_minutes=_whole(gte=1),
    wait_for_jobs_quota=t.Bool(),
    privileged=t.Bool(),
    priority=t.Enum("low", "normal", "high"),
    energy_schedule_name=t.String(),
    scheduler_enabled=t.Bool(),
    is_preemptible=t.Bool(),
    preemptible_node=t.Bool(),
    is_preemptible_node_required=t.Bool(),
)

_CONTAINER: Dict[t.Key, Any] = {
    t.Key("image"): t.String(),
    **_optional(
        entrypoint=t.String() & _words,
        command=t.String() & _words,
        working_dir=t.String() & _absolute,
        http=t.Dict(
            {
                t.Key("port"): _whole(gte=0, lte=65535),
                t.Key("requires_auth", optional=True, default=False): t.Bool(),
                t.Key("health_check_path", optional=True, default="/"): t.String(),
            }
        ),
        env=t.Mapping(t.String() & _plain, t.String(allow_blank=True) & _plain),
        volumes=t.List(
            t.Dict(
                {
                    t.Key("src_storage_uri"): t.String() & _uri("storage", 0),
                    **_VOLUME_PATH,
                    **_READ_ONLY,
                }
            )
        )
        & _unique_paths,
        secret_env=t.Mapping(t.String(), t.String() & _uri("secret", 2)),
        secret_volumes=t.List(
            t.Dict({t.Key("src_secret_uri"): t.String() & _uri("secret", 2), **_VOLUME_PATH})
        )
        & _unique_paths,
        disk_volumes=t.List(
            t.Dict(
                {t.Key("src_disk_uri"): t.String() & _uri("disk", 2), **_VOLUME_PATH, **_READ_ONLY}
            )
        )
        & _unique_paths,
        tty=t.Bool(),
    ),
}
_CONTAINER_KEYS = [key.name for key in _CONTAINER] + ["resources"]

_GPUS = {vendor + "_gpu": _whole(gte=0) for vendor in _GPU_VENDORS}
_GPU_MODELS = {vendor + "_gpu_model": t.String() for vendor in _GPU_VENDORS}
_MIG = t.Dict({t.Key("count"): _whole(gte=1), t.Key("model", optional=True): t.String()})
_RESOURCES = t.Dict(
    {
        t.Key("cpu"): t.ToFloat(gte=0.1) & _finite,
        **_optional(
            memory=_whole(gte=16 * 2**20),
            memory_mb=_whole(gte=16),
            shm=t.Bool(),
            nvidia_migs=t.Mapping(t.String(), _MIG),
            tpu=t.Dict({t.Key("type"): t.String(), t.Key("software_version"): t.String()}),
            **_GPUS,
            **_GPU_MODELS,
        ),
    }
)

_START = t.Dict({**_JOB, **_CONTAINER, **_optional(resources=t.Dict(_optional(shm=t.Bool())))})
_RUN = t.Dict({**_JOB, t.Key("container"): t.Dict({**_CONTAINER, t.Key("resources"): _RESOURCES})})
_LIFE_SPAN = t.Dict(
    _optional(additional_max_run_time_minutes=_whole(gte=1), max_run_time_minutes=_whole(gte=1))
)
