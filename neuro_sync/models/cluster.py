"""Clusters, presets, resource pools and projects, as ``/config`` of every server has them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from yarl import URL

from ..wire.codec import wire_field
from .base import (
    JsonModel,
    absent,
    boolean,
    dict_of,
    integer,
    nothing,
    number,
    sequences_as,
    text,
    texts,
    to_url,
)

__all__ = ["GPU", "TPU", "Cluster", "Preset", "Presets", "Project", "ResourcePool"]

_MIB = 2**20
_VENDORS = ("nvidia", "amd", "intel")
# How "no organisation" is said: by servers, in projects, and by the CLI of 2025 on disk.
_NO_ORG = (None, "", "NO_ORG")


@dataclass(frozen=True)
class GPU(JsonModel):
    """GPUs of a node or a preset, or slices of one.

    Attributes:
        count: how many.
        model: name of the model, or None.
        memory: bytes of one, or None.
    """

    count: int = wire_field(decode=integer)
    model: Optional[str] = wire_field(decode=text, default=None, omit=absent)
    memory: Optional[int] = wire_field(decode=integer, default=None, omit=absent)


@dataclass(frozen=True)
class TPU(JsonModel):
    """A TPU of a preset."""

    type: str = wire_field(decode=text)
    software_version: str = wire_field(decode=text, default="")


def _with_gpu_objects(payload: Mapping[str, Any]) -> Dict[str, Any]:
    """GPUs as objects: servers before September 2025 send a count with the model beside it."""
    changed = dict(payload)
    if changed.get("nvidia_gpu") is None and changed.get("gpu") is not None:
        changed["nvidia_gpu"] = changed["gpu"]
        changed.setdefault("nvidia_gpu_model", changed.get("gpu_model"))
    for vendor in _VENDORS:
        key = vendor + "_gpu"
        value = changed.get(key)
        if value is not None and not isinstance(value, Mapping):
            model = changed.get(key + "_model")
            changed[key] = {"count": value, "model": model} if value else None
    return changed


def _dump(value: JsonModel) -> Dict[str, Any]:
    return value.to_dict()


def _dump_dict(values: Mapping[str, JsonModel]) -> Dict[str, Any]:
    return {name: value.to_dict() for name, value in values.items()}


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))


def _gpu_field() -> Any:
    return wire_field(decode=GPU.from_dict, encode=_dump, default=None, omit=absent)


@dataclass(frozen=True)
class Preset(JsonModel):
    """What a job gets to run with, under a name.

    Attributes:
        credits_per_hour: what it costs.
        cpu: cores.
        memory: bytes.
        nvidia_gpu, amd_gpu, intel_gpu: a GPU (``count``, ``model``, ``memory``), or None.
        nvidia_migs: slices of NVIDIA GPUs by profile.
        tpu: a TPU (``type``, ``software_version``), or None.
        scheduler_enabled: its jobs take turns with others.
        preemptible_node: its jobs run on nodes that may be taken away.
        resource_pool_names, available_resource_pool_names: pools whose nodes it fits.
        memory_mb, gpu, gpu_model, tpu_type, tpu_software_version: the same in other words.
    """

    credits_per_hour: Decimal = wire_field(decode=_decimal, encode=str, default=Decimal(0))
    cpu: float = wire_field(decode=number, default=0.0)
    memory: int = wire_field(decode=integer, default=0)
    nvidia_gpu: Optional[GPU] = _gpu_field()
    nvidia_migs: Optional[Mapping[str, GPU]] = wire_field(
        decode=dict_of(GPU.from_dict), encode=_dump_dict, default=None, omit=nothing
    )
    amd_gpu: Optional[GPU] = _gpu_field()
    intel_gpu: Optional[GPU] = _gpu_field()
    tpu: Optional[TPU] = wire_field(decode=TPU.from_dict, encode=_dump, default=None, omit=absent)
    scheduler_enabled: bool = wire_field(decode=boolean, default=False)
    preemptible_node: bool = wire_field(decode=boolean, default=False)
    resource_pool_names: Tuple[str, ...] = wire_field(
        decode=texts, encode=list, default=(), omit=nothing
    )
    available_resource_pool_names: Tuple[str, ...] = wire_field(
        decode=texts, encode=list, default=(), omit=nothing
    )

    def __post_init__(self) -> None:
        sequences_as(tuple, self, "resource_pool_names", "available_resource_pool_names")

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = _with_gpu_objects(payload)
        get = changed.get
        if get("memory") is None and get("memory_mb") is not None:
            changed["memory"] = integer(changed["memory_mb"]) * _MIB
        if get("scheduler_enabled") is None:
            changed["scheduler_enabled"] = get("is_preemptible")
        if get("preemptible_node") is None:
            changed["preemptible_node"] = get("is_preemptible_node_required")
        if get("tpu") is None and get("tpu_type"):
            changed["tpu"] = {
                "type": changed["tpu_type"],
                "software_version": get("tpu_software_version"),
            }
        return changed

    @property
    def memory_mb(self) -> int:
        return self.memory // _MIB

    @property
    def gpu(self) -> Optional[int]:
        return None if self.nvidia_gpu is None else self.nvidia_gpu.count

    @property
    def gpu_model(self) -> Optional[str]:
        return None if self.nvidia_gpu is None else self.nvidia_gpu.model

    @property
    def tpu_type(self) -> Optional[str]:
        return None if self.tpu is None else self.tpu.type

    @property
    def tpu_software_version(self) -> Optional[str]:
        return None if self.tpu is None else self.tpu.software_version

    def __hash__(self) -> int:
        return hash((self.credits_per_hour, self.cpu, self.memory))

    def __repr__(self) -> str:
        shown = ["{:g} cpu".format(self.cpu), "{} MiB".format(self.memory_mb)]
        shown += gpu_texts(self)
        shown.append("{} credits/h".format(self.credits_per_hour))
        return "<Preset {}>".format(", ".join(shown))


def gpu_texts(preset: Preset) -> List[str]:
    """The GPUs and the TPU of a preset, in words."""
    shown = []
    for vendor in _VENDORS:
        gpu = getattr(preset, vendor + "_gpu")
        if gpu is not None:
            shown.append("{} x {}".format(gpu.count, gpu.model or vendor))
    shown += ["{} x {}".format(mig.count, name) for name, mig in (preset.nvidia_migs or {}).items()]
    if preset.tpu is not None:
        shown.append("tpu {}".format(preset.tpu.type))
    return shown


class Presets(Dict[str, Preset]):
    """Presets by name; a table in a notebook."""

    def _repr_html_(self) -> str:
        from ..display import presets_table_html

        return presets_table_html(self)


@dataclass(frozen=True)
class ResourcePool(JsonModel):
    """Nodes of one kind.

    Attributes:
        min_size, max_size: how many there are.
        cpu: cores of one.
        memory, disk_size: bytes of one.
        nvidia_gpu, amd_gpu, intel_gpu: its GPUs, or None.
        nvidia_migs: slices of its NVIDIA GPUs by profile.
        tpu: ``types``, ``software_versions`` and ``ipv4_cidr_block`` of its TPUs, or None.
        is_preemptible: its nodes may be taken away.
    """

    min_size: int = wire_field(decode=integer, default=0)
    max_size: int = wire_field(decode=integer, default=0)
    cpu: float = wire_field(decode=number, default=0.0)
    memory: int = wire_field(decode=integer, default=0)
    disk_size: int = wire_field(decode=integer, default=0)
    nvidia_gpu: Optional[GPU] = _gpu_field()
    nvidia_migs: Optional[Mapping[str, GPU]] = wire_field(
        decode=dict_of(GPU.from_dict), encode=_dump_dict, default=None, omit=nothing
    )
    amd_gpu: Optional[GPU] = _gpu_field()
    intel_gpu: Optional[GPU] = _gpu_field()
    tpu: Optional[Mapping[str, Any]] = wire_field(default=None, omit=absent)
    is_preemptible: bool = wire_field(decode=boolean, default=False)

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return _with_gpu_objects(payload)

    def __hash__(self) -> int:
        return hash((self.min_size, self.max_size, self.cpu, self.memory))


def _orgs(values: Any) -> Tuple[str, ...]:
    return texts([value for value in values if value not in _NO_ORG])


def _named(item: Any) -> Any:
    """A decoder of arrays whose items carry their names, or of objects by name."""

    def decode(values: Any) -> Dict[str, Any]:
        if isinstance(values, Mapping):
            return {name: item(value) for name, value in values.items()}
        return {text(value["name"]): item(value) for value in values}

    return decode


def _presets(values: Any) -> Presets:
    return Presets(_named(Preset.from_dict)(values))


def _dump_named(values: Mapping[str, JsonModel]) -> List[Dict[str, Any]]:
    return [{"name": name, **value.to_dict()} for name, value in values.items()]


def _url_field() -> Any:
    return wire_field(decode=to_url, encode=str, default=URL())


@dataclass(frozen=True)
class Cluster(JsonModel):
    """A cluster: the addresses of its services, and what its nodes offer.

    Attributes:
        name: of the cluster.
        orgs: names of the organisations that the user is in there.
        registry_url, storage_url, users_url, monitoring_url, secrets_url, disks_url, buckets_url: services.
        resource_pools: nodes by the name of their pool.
        presets: by name.
        apps: what the platform's apps need, as it came.
        allows_no_org: jobs run without an organisation there.
        accepts_nvidia_gpu: the server knows ``nvidia_gpu`` (since April 2024), not only ``gpu``.
    """

    name: str = wire_field(decode=text)
    orgs: Sequence[str] = wire_field(decode=_orgs, encode=list, default=())
    registry_url: URL = _url_field()
    storage_url: URL = _url_field()
    users_url: URL = _url_field()
    monitoring_url: URL = _url_field()
    secrets_url: URL = _url_field()
    disks_url: URL = _url_field()
    buckets_url: URL = _url_field()
    resource_pools: Mapping[str, ResourcePool] = wire_field(
        "resource_pool_types",
        decode=_named(ResourcePool.from_dict),
        encode=_dump_named,
        default_factory=dict,
    )
    presets: Presets = wire_field(
        "resource_presets", decode=_presets, encode=_dump_named, default_factory=Presets
    )
    apps: Mapping[str, Any] = wire_field(default_factory=dict, omit=nothing)
    allows_no_org: bool = wire_field(decode=boolean, default=False, omit=lambda value: not value)
    accepts_nvidia_gpu: bool = wire_field(decode=boolean, default=True)

    def __post_init__(self) -> None:
        sequences_as(tuple, self, "orgs")

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = dict(payload)
        get = payload.get
        orgs = get("orgs")
        if isinstance(orgs, (list, tuple)) and any(word in orgs for word in _NO_ORG):
            changed["allows_no_org"] = True
        # On disk the CLI has other names for these.
        if get("resource_presets") is None and get("presets") is not None:
            changed["resource_presets"] = payload["presets"]
        if get("resource_pool_types") is None and get("resource_pools") is not None:
            changed["resource_pool_types"] = payload["resource_pools"]
        if get("accepts_nvidia_gpu") is None:
            changed["accepts_nvidia_gpu"] = changed.get("resource_pool_types") is not None
        return changed

    @property
    def registry(self) -> str:
        """Host of the registry, and its port where it is said: how its images begin."""
        return self.registry_url.raw_authority if self.registry_url.is_absolute() else ""

    def __hash__(self) -> int:
        return hash((self.name, self.monitoring_url))

    def __repr__(self) -> str:
        return "<Cluster {}, presets: {}>".format(self.name, ", ".join(self.presets))


@dataclass(frozen=True)
class Project(JsonModel):
    """A project of an organisation on a cluster.

    Attributes:
        cluster_name, org_name, name: where and what it is; no org is None.
        role: what the user is in it: ``admin``, ``manager``, ``writer``, ``reader``.
    """

    cluster_name: str = wire_field(decode=text)
    org_name: Optional[str] = wire_field(decode=text, default=None)
    name: str = wire_field(decode=text, default="")
    role: str = wire_field(decode=text, default="")

    @classmethod
    def _canonical(cls, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if payload.get("org_name") in _NO_ORG:
            return {**payload, "org_name": None}
        return payload

    @dataclass(frozen=True)
    class Key:
        """What tells a project from others."""

        cluster_name: str
        org_name: Optional[str]
        project_name: str

    @property
    def key(self) -> "Project.Key":
        return Project.Key(self.cluster_name, self.org_name, self.name)

    def __repr__(self) -> str:
        return "<Project {}>".format(
            "/".join(part for part in (self.cluster_name, self.org_name, self.name) if part)
        )
