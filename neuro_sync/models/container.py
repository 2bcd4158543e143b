"""What a job runs, and what it gets to run with."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from yarl import URL

from ..wire.codec import wire_field
from ..wire.texts import printable
from .base import (
    JsonModel,
    absent,
    boolean,
    dict_of,
    dump_all,
    integer,
    list_of,
    nothing,
    number,
    sequences_as,
    text,
    to_url,
)
from .images import RemoteImage, decode_image

__all__ = ["Container", "DiskVolume", "HTTPPort", "Resources", "SecretFile", "Volume"]

_MIB = 2**20
_VENDORS = ("nvidia", "amd", "intel")


@dataclass(frozen=True, init=False)
class Resources(JsonModel):
    """What a container may use.

    ``gpu`` and ``gpu_model`` are other words for ``nvidia_gpu`` and ``nvidia_gpu_model``, ``memory_mb``
    for ``memory``; the constructor and ``dataclasses.replace`` take both.

    Attributes:
        memory: bytes.
        cpu: cores; 0.5 is half a core.
        nvidia_gpu, amd_gpu, intel_gpu: number of GPUs, None for none.
        nvidia_gpu_model, amd_gpu_model, intel_gpu_model: their model.
        shm: mount ``/dev/shm`` with more than the least.
        tpu_type, tpu_software_version: of a TPU.
        nvidia_migs: slices of NVIDIA GPUs by profile: ``{"1g.5gb": {"count": 1}}``.
        memory_mb: memory in MiB.
    """

    # Whatever a server leaves out, a job that lacks it must not break a listing.
    memory: int = wire_field(decode=integer, missing=0)
    cpu: float = wire_field(decode=number, missing=0.0)
    nvidia_gpu: Optional[int] = wire_field(decode=integer, default=None, omit=absent)
    amd_gpu: Optional[int] = wire_field(decode=integer, default=None, omit=absent)
    intel_gpu: Optional[int] = wire_field(decode=integer, default=None, omit=absent)
    nvidia_gpu_model: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    amd_gpu_model: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    intel_gpu_model: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    shm: bool = wire_field(decode=boolean, default=True)
    tpu_type: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    tpu_software_version: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    nvidia_migs: Mapping[str, Any] = wire_field(default_factory=dict, omit=nothing)

    def __init__(
        self,
        memory: Optional[int] = None,
        cpu: float = 0.1,
        nvidia_gpu: Optional[int] = None,
        amd_gpu: Optional[int] = None,
        intel_gpu: Optional[int] = None,
        nvidia_gpu_model: Optional[str] = None,
        amd_gpu_model: Optional[str] = None,
        intel_gpu_model: Optional[str] = None,
        shm: bool = True,
        tpu_type: Optional[str] = None,
        tpu_software_version: Optional[str] = None,
        nvidia_migs: Optional[Mapping[str, Any]] = None,
        *,
        memory_mb: Optional[int] = None,
        gpu: Optional[int] = None,
        gpu_model: Optional[str] = None,
    ) -> None:
        # Where both are there the first comes from dataclasses.replace(), which passes on what is old.
        if memory_mb is not None:
            memory = memory_mb * _MIB
        elif memory is None:
            raise TypeError("either memory (bytes) or memory_mb is needed")
        self.__dict__.update(
            memory=memory,
            cpu=cpu,
            nvidia_gpu=nvidia_gpu if gpu is None else gpu,
            amd_gpu=amd_gpu,
            intel_gpu=intel_gpu,
            nvidia_gpu_model=nvidia_gpu_model if gpu_model is None else gpu_model,
            amd_gpu_model=amd_gpu_model,
            intel_gpu_model=intel_gpu_model,
            shm=shm,
            tpu_type=tpu_type,
            tpu_software_version=tpu_software_version,
            nvidia_migs={} if nvidia_migs is None else nvidia_migs,
        )

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        get = payload.get
        if get("memory") is not None and get("gpu") is None and get("tpu") is None:
            return payload
        changed = dict(payload)
        if get("memory") is None and get("memory_mb") is not None:
            changed["memory"] = integer(payload["memory_mb"]) * _MIB
        if get("nvidia_gpu") is None and get("gpu") is not None:
            changed["nvidia_gpu"] = payload["gpu"]
            if get("nvidia_gpu_model") is None:
                changed["nvidia_gpu_model"] = get("gpu_model")
        tpu = get("tpu")
        if isinstance(tpu, Mapping):
            changed["tpu_type"] = tpu.get("type")
            changed["tpu_software_version"] = tpu.get("software_version")
        return changed

    def to_dict(self, encode_json: bool = False) -> Dict[str, Any]:
        result = super().to_dict()
        kind, version = result.pop("tpu_type", None), result.pop("tpu_software_version", None)
        if kind is not None:
            result["tpu"] = {"type": kind, "software_version": version}
        return result

    @property
    def memory_mb(self) -> int:
        return self.memory // _MIB

    @property
    def gpu(self) -> Optional[int]:
        return self.nvidia_gpu

    @property
    def gpu_model(self) -> Optional[str]:
        return self.nvidia_gpu_model

    def __hash__(self) -> int:
        return hash((self.memory, self.cpu, self.nvidia_gpu, self.nvidia_gpu_model, self.shm))

    def __repr__(self) -> str:
        shown = ["{:g} cpu".format(self.cpu), "{} MiB".format(self.memory_mb)]
        for vendor in _VENDORS:
            count = getattr(self, vendor + "_gpu")
            if count:
                model = getattr(self, vendor + "_gpu_model") or vendor
                shown.append("{} x {}".format(count, model))
        if self.tpu_type:
            shown.append("tpu {}".format(self.tpu_type))
        return "<Resources {}>".format(", ".join(shown))


@dataclass(frozen=True)
class HTTPPort(JsonModel):
    """The HTTP server in a job that the platform publishes.

    Attributes:
        port: in the container.
        requires_auth: only who is logged in gets through to it.
        health_check_path: where the platform looks whether it is up; the server's own choice.
    """

    port: int = wire_field(decode=integer, default=-1)
    # Left out by the server it means no; left out by the user it means yes.
    requires_auth: bool = wire_field(decode=boolean, default=True, missing=False)
    health_check_path: Optional[str] = wire_field(decode=text, default=None, omit=absent)


@dataclass(frozen=True)
class Volume(JsonModel):
    """Storage that is mounted into a container.

    Attributes:
        storage_uri: on the storage.
        container_path: where it is mounted.
        read_only: it can't be written to.
    """

    storage_uri: URL = wire_field("src_storage_uri", decode=to_url, encode=str, missing="")
    container_path: str = wire_field("dst_path", decode=text, missing="")
    # That is the server's default; this class's own is the other one, as users know it.
    read_only: bool = wire_field(decode=boolean, default=False, missing=True)


@dataclass(frozen=True)
class SecretFile(JsonModel):
    """A secret that is mounted into a container as a file.

    Attributes:
        secret_uri: of the secret.
        container_path: where it is mounted.
    """

    secret_uri: URL = wire_field("src_secret_uri", decode=to_url, encode=str, missing="")
    container_path: str = wire_field("dst_path", decode=text, missing="")


@dataclass(frozen=True)
class DiskVolume(JsonModel):
    """A disk that is mounted into a container.

    Attributes:
        disk_uri: of the disk.
        container_path: where it is mounted.
        read_only: it can't be written to.
    """

    disk_uri: URL = wire_field("src_disk_uri", decode=to_url, encode=str, missing="")
    container_path: str = wire_field("dst_path", decode=text, missing="")
    read_only: bool = wire_field(decode=boolean, default=False, missing=True)


def _encode_image(image: RemoteImage) -> Any:
    # The server's text does not say whose registry it is in, nor which part is the organisation.
    text = image.as_docker_url()
    return text if decode_image(text) == image else image.to_dict()


def _dump_urls(urls: Mapping[str, URL]) -> Dict[str, str]:
    return {name: str(url) for name, url in urls.items()}


@dataclass(frozen=True)
class Container(JsonModel):
    """What a job runs.

    Attributes:
        image: of the container.
        resources: what it may use.
        entrypoint: instead of the image's own; None keeps that.
        command: instead of the image's own; None keeps that.
        working_dir: instead of the image's own; None keeps that.
        http: HTTP port to publish, or None.
        env: environment variables.
        volumes: storage to mount.
        secret_env: secrets for environment variables.
        secret_files: secrets to mount as files.
        disk_volumes: disks to mount.
        tty: it has a terminal.
    """

    image: RemoteImage = wire_field(decode=decode_image, encode=_encode_image)
    resources: Resources = wire_field(
        decode=Resources.from_dict, encode=Resources.to_dict, missing={}
    )
    entrypoint: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    command: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    working_dir: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    http: Optional[HTTPPort] = wire_field(
        decode=HTTPPort.from_dict, encode=HTTPPort.to_dict, default=None, omit=absent
    )
    env: Mapping[str, str] = wire_field(decode=dict_of(text), default_factory=dict)
    volumes: Sequence[Volume] = wire_field(
        decode=list_of(Volume.from_dict), encode=dump_all, default_factory=list
    )
    secret_env: Mapping[str, URL] = wire_field(
        decode=dict_of(to_url), encode=_dump_urls, default_factory=dict, omit=nothing
    )
    secret_files: Sequence[SecretFile] = wire_field(
        "secret_volumes",
        decode=list_of(SecretFile.from_dict),
        encode=dump_all,
        default_factory=list,
        omit=nothing,
    )
    disk_volumes: Sequence[DiskVolume] = wire_field(
        decode=list_of(DiskVolume.from_dict), encode=dump_all, default_factory=list, omit=nothing
    )
    tty: bool = wire_field(decode=boolean, default=False, omit=lambda value: not value)

    def __post_init__(self) -> None:
        sequences_as(list, self, "volumes", "secret_files", "disk_volumes")

    def __hash__(self) -> int:
        return hash((self.image, self.resources, self.entrypoint, self.command))

    def __repr__(self) -> str:
        # The environment may hold what nobody else is to see, so only its names are shown.
        shown: List[str] = [str(self.image)]
        if self.entrypoint:
            shown.append("entrypoint={!r}".format(self.entrypoint))
        if self.command:
            shown.append("command={!r}".format(_shortened(self.command)))
        if self.env:
            shown.append("env: {}".format(", ".join(sorted(self.env))))
        return printable("<Container {}>".format(", ".join(shown)))


def _shortened(command: str) -> str:
    return command if len(command) <= 60 else command[:57] + "..."
