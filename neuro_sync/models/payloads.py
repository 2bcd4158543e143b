"""What is sent to start a job: empty values are left out, as the server refuses most of them."""

import math
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional, Sequence, Union

from yarl import URL

from .container import Container, DiskVolume, HTTPPort, Resources, SecretFile, Volume
from .images import RemoteImage
from .jobs import JobPriority, JobRestartPolicy

if TYPE_CHECKING:
    from ..parse import Parser

__all__ = [
    "Target",
    "container_payload",
    "job_payload",
    "run_container_payload",
    "whole_minutes",
]


class Target(NamedTuple):
    """Where a job is to run; what is relative in its arguments is meant there.

    Attributes:
        send_project: the server knows projects.
    """

    cluster_name: str
    org_name: Optional[str]
    project_name: Optional[str]
    send_project: bool = True

    def to_dict(self) -> Dict[str, Any]:
        result: Dict[str, Any] = {}
        if self.project_name and self.send_project:
            result["project_name"] = self.project_name
        if self.org_name:
            result["org_name"] = self.org_name
        result["cluster_name"] = self.cluster_name
        return result


def job_payload(
    target: Target,
    *,
    name: Optional[str] = None,
    preset_name: Optional[str] = None,
    tags: Sequence[str] = (),
    description: Optional[str] = None,
    pass_config: bool = False,
    wait_for_jobs_quota: bool = False,
    schedule_timeout: Optional[float] = None,
    restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
    life_span: Optional[float] = None,
    privileged: bool = False,
    priority: Optional[JobPriority] = None,
    energy_schedule_name: Optional[str] = None,
) -> Dict[str, Any]:
    """The part that is about the job.

    Raises:
        ValueError: a life span under a minute, which no server accepts; a single text for the tags.
    """
    if isinstance(tags, str):
        raise ValueError("tags must be several texts, not one: [{!r}]".format(tags))
    payload: Dict[str, Any] = {"pass_config": bool(pass_config), **target.to_dict()}
    texts = [
        ("name", name),
        ("preset_name", preset_name),
        ("description", description),
        ("energy_schedule_name", energy_schedule_name),
    ]
    payload.update((key, value) for key, value in texts if value)
    if tags:
        payload["tags"] = list(tags)
    if schedule_timeout is not None:
        payload["schedule_timeout"] = schedule_timeout
    if JobRestartPolicy(restart_policy) is not JobRestartPolicy.NEVER:
        payload["restart_policy"] = str(restart_policy)
    if life_span is not None:
        payload["max_run_time_minutes"] = whole_minutes(life_span, "life_span")
    if wait_for_jobs_quota:
        payload["wait_for_jobs_quota"] = True
    if privileged:
        payload["privileged"] = True
    if priority is not None:
        payload["priority"] = JobPriority(priority).text
    return payload


def whole_minutes(seconds: float, what: str) -> int:
    """Whole minutes in so many seconds.

    Raises:
        ValueError: there is not one, and no server accepts less.
    """
    if not math.isfinite(seconds):
        raise ValueError("{} is {}, which is no number of seconds".format(what, seconds))
    minutes = int(seconds // 60)
    if minutes < 1:
        raise ValueError(
            "{} is {:g} s: the platform counts in minutes, so 60 is the least".format(what, seconds)
        )
    return minutes


def container_payload(
    parser: "Parser",
    target: Target,
    *,
    image: Union[RemoteImage, str],
    entrypoint: Optional[str] = None,
    command: Optional[str] = None,
    working_dir: Optional[str] = None,
    http: Optional[HTTPPort] = None,
    env: Optional[Mapping[str, str]] = None,
    volumes: Sequence[Union[Volume, str]] = (),
    secret_env: Optional[Mapping[str, Union[URL, str]]] = None,
    secret_files: Sequence[Union[SecretFile, str]] = (),
    disk_volumes: Sequence[Union[DiskVolume, str]] = (),
    tty: bool = False,
    shm: Optional[bool] = None,
) -> Dict[str, Any]:
    """The part that is about the container; texts in the CLI's form are parsed.

    Raises:
        ValueError: an image, a URI or a volume is not right; a single text for several mounts.
        TypeError: the command or the entrypoint is a list of words.
        RuntimeError: an image of a cluster that is not known.
    """
    several = [("volumes", volumes), ("secret_files", secret_files), ("disk_volumes", disk_volumes)]
    for name, mounted in several:
        if isinstance(mounted, str):
            raise ValueError("{} must be several texts, not one: [{!r}]".format(name, mounted))
    for name, line in (("command", command), ("entrypoint", entrypoint)):
        if line is not None and not isinstance(line, str):
            raise TypeError(
                "{} must be a str, not {}: of words make one with "
                "' '.join(map(shlex.quote, words))".format(name, type(line).__name__)
            )
    there = parser.at(target.cluster_name, target.org_name, target.project_name)
    if isinstance(image, str):
        image = there.remote_image(image)
    payload: Dict[str, Any] = {"image": image.as_docker_url()}
    texts = [("entrypoint", entrypoint), ("command", command), ("working_dir", working_dir)]
    payload.update((key, value) for key, value in texts if value)
    if shm:
        payload["resources"] = {"shm": True}
    if http is not None:
        payload["http"] = {"port": http.port, "requires_auth": http.requires_auth}
    if env:
        payload["env"] = dict(env)
    mounts = _Mounts(there)
    if volumes:
        payload["volumes"] = [mounts.volume(volume) for volume in volumes]
    if secret_env:
        payload["secret_env"] = {
            name: mounts.uri(uri, "secret") for name, uri in secret_env.items()
        }
    if secret_files:
        payload["secret_volumes"] = [mounts.secret_file(file) for file in secret_files]
    if disk_volumes:
        payload["disk_volumes"] = [mounts.disk_volume(volume) for volume in disk_volumes]
    if tty:
        payload["tty"] = True
    return payload


def run_container_payload(
    parser: "Parser", target: Target, container: Container, *, nvidia_names: bool
) -> Dict[str, Any]:
    """A whole Container, resources included.

    Args:
        nvidia_names: the server calls GPUs ``nvidia_gpu`` (since April 2024) and not just ``gpu``.
    """
    payload = container_payload(
        parser,
        target,
        image=container.image,
        entrypoint=container.entrypoint,
        command=container.command,
        working_dir=container.working_dir,
        http=container.http,
        env=container.env,
        volumes=container.volumes,
        secret_env=container.secret_env,
        secret_files=container.secret_files,
        disk_volumes=container.disk_volumes,
        tty=container.tty,
    )
    payload["resources"] = _resources_payload(container.resources, nvidia_names)
    return payload


def _resources_payload(resources: Resources, nvidia_names: bool) -> Dict[str, Any]:
    payload = resources.to_dict()
    for vendor in ("nvidia", "amd", "intel"):
        key = vendor + "_gpu"
        count, model = payload.pop(key, None), payload.pop(key + "_model", None)
        if not count:
            continue
        if vendor == "nvidia" and not nvidia_names:
            key = "gpu"
        payload[key] = count
        if model:
            payload[key + "_model"] = model
    return payload


class _Mounts:
    """Volumes, disks and secrets, with URIs that are whole."""

    def __init__(self, parser: "Parser") -> None:
        self._parser = parser

    def uri(self, uri: Union[URL, str], scheme: str) -> str:
        return str(self._parser.str_to_uri(str(uri), allowed_schemes=(scheme,)))

    def volume(self, volume: Union[Volume, str]) -> Dict[str, Any]:
        if isinstance(volume, str):
            volume = self._parser.volume(volume)
        return {
            "src_storage_uri": self.uri(volume.storage_uri, "storage"),
            "dst_path": volume.container_path,
            "read_only": bool(volume.read_only),
        }

    def secret_file(self, file: Union[SecretFile, str]) -> Dict[str, Any]:
        if isinstance(file, str):
            file = self._parser.secret_file(file)
        return {
            "src_secret_uri": self.uri(file.secret_uri, "secret"),
            "dst_path": file.container_path,
        }

    def disk_volume(self, volume: Union[DiskVolume, str]) -> Dict[str, Any]:
        if isinstance(volume, str):
            volume = self._parser.disk_volume(volume)
        return {
            "src_disk_uri": self.uri(volume.disk_uri, "disk"),
            "dst_path": volume.container_path,
            "read_only": bool(volume.read_only),
        }
