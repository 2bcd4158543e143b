"""The three forms that the CLI's database has had, by the columns of its table.

What is written has to be what the CLI of that generation would have written: it compares.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..models.cluster import Project

__all__ = ["NEWEST", "SCHEMAS", "Schema", "dump_clusters", "dump_projects"]

_MIB = 2**20
_NO_ORG = "NO_ORG"
_VENDORS = ("nvidia", "amd", "intel")
_SERVICES = (
    "registry_url",
    "storage_url",
    "users_url",
    "monitoring_url",
    "secrets_url",
    "disks_url",
    "buckets_url",
)
Object = Dict[str, Any]


class Schema(NamedTuple):
    """A form of the table.

    Attributes:
        version: of the first CLI that had it.
        columns: names and types.
    """

    version: str
    columns: Tuple[Tuple[str, str], ...]

    @property
    def sql(self) -> str:
        """The statement that makes the table, letter by letter: the CLI compares it."""
        columns = ", ".join("{} {}".format(name, kind) for name, kind in self.columns)
        return "CREATE TABLE main ({})".format(columns)


def _schema(version: str, names: str) -> Schema:
    kinds = {"expiration_time": "REAL", "timestamp": "REAL"}
    return Schema(version, tuple((name, kinds.get(name, "TEXT")) for name in names.split()))


SCHEMAS = (
    _schema(
        "22.7.1",
        "auth_config token expiration_time refresh_token url admin_url version "
        "cluster_name org_name clusters timestamp",
    ),
    _schema(
        "25.5.0",
        "auth_config token expiration_time refresh_token url admin_url version "
        "project_name cluster_name org_name clusters projects timestamp",
    ),
    _schema(
        "26.9.0",
        "auth_config token expiration_time refresh_token url admin_url vcluster_url version "
        "project_name cluster_name org_name clusters projects timestamp",
    ),
)
NEWEST = SCHEMAS[-1]


def dump_clusters(payloads: Sequence[Mapping[str, Any]], schema: Schema) -> List[Object]:
    """Clusters of ``/config`` in the form that they have on disk."""
    if schema == SCHEMAS[0]:
        return [_cluster_2022(payload) for payload in payloads]
    if schema == SCHEMAS[1]:
        return [_cluster_2025(payload) for payload in payloads]
    return [_cluster_2026(payload) for payload in payloads]


def dump_projects(projects: Sequence[Project]) -> List[Object]:
    """Projects in the form that they have on disk."""
    return [
        {
            "name": project.name,
            "cluster_name": project.cluster_name,
            "org_name": project.org_name or _NO_ORG,
            "role": project.role,
        }
        for project in projects
    ]


def _cluster(payload: Mapping[str, Any], preset: Any, orgs: Sequence[Optional[str]]) -> Object:
    result: Object = {"name": payload["name"], "orgs": list(orgs)}
    result.update((name, payload.get(name) or "") for name in _SERVICES)
    result["presets"] = [preset(item) for item in payload.get("resource_presets") or []]
    return result


def _cluster_2022(payload: Mapping[str, Any]) -> Object:
    orgs = payload.get("orgs")
    return _cluster(payload, _preset_2022, [None] if orgs is None else orgs)


def _cluster_2025(payload: Mapping[str, Any]) -> Object:
    result = _cluster(payload, _preset_2025, _named_orgs(payload.get("orgs") or [None]))
    result.update(_pools(payload, _pool_2025))
    apps = payload.get("apps") or {}
    result["apps"] = {"hostname_templates": apps.get("apps_hostname_templates") or []}
    return result


def _cluster_2026(payload: Mapping[str, Any]) -> Object:
    # The CLI would keep nulls, and then fail on them.
    result = _cluster(payload, _preset_2026, _named_orgs(payload.get("orgs") or []))
    result.update(_pools(payload, _pool_2026))
    apps = payload.get("apps") or {}
    result["apps"] = {
        "apps_hostname_templates": apps.get("apps_hostname_templates") or [],
        "launchpad_use_subdomain": bool(apps.get("launchpad_use_subdomain", False)),
    }
    if apps.get("app_proxy_url"):
        result["apps"]["app_proxy_url"] = apps["app_proxy_url"]
    return result


def _named_orgs(orgs: Sequence[Optional[str]]) -> List[str]:
    return [_NO_ORG if org is None else org for org in orgs]


def _pools(payload: Mapping[str, Any], pool: Any) -> Object:
    """Nothing for a server that has no pools, so that it can be told from one that has none at the moment."""
    pools = payload.get("resource_pool_types")
    return {} if pools is None else {"resource_pools": [pool(item) for item in pools]}


def _preset_head(payload: Mapping[str, Any]) -> Object:
    memory = payload.get("memory")
    return {
        "name": payload["name"],
        "credits_per_hour": str(payload.get("credits_per_hour", "0")),
        "cpu": payload.get("cpu"),
        "memory": payload.get("memory_mb", 0) * _MIB if memory is None else memory,
    }


def _flags(payload: Mapping[str, Any]) -> Object:
    get = payload.get
    return {
        "scheduler_enabled": get("scheduler_enabled", get("is_preemptible", False)),
        "preemptible_node": get("preemptible_node", get("is_preemptible_node_required", False)),
    }


def _pool_names(payload: Mapping[str, Any]) -> Object:
    return {
        "resource_pool_names": list(payload.get("resource_pool_names") or []),
        "available_resource_pool_names": list(payload.get("available_resource_pool_names") or []),
    }


def _old_tpu(payload: Mapping[str, Any]) -> Object:
    tpu = payload.get("tpu") or {}
    return {"tpu_type": tpu.get("type"), "tpu_software_version": tpu.get("software_version")}


def _preset_2022(payload: Mapping[str, Any]) -> Object:
    result = _preset_head(payload)
    result["gpu"] = payload.get("gpu")
    result["gpu_model"] = payload.get("gpu_model")
    return {**result, **_old_tpu(payload), **_flags(payload)}


def _vendor_values(payload: Mapping[str, Any]) -> Object:
    result = {vendor + "_gpu": payload.get(vendor + "_gpu") for vendor in _VENDORS}
    result.update((key + "_model", payload.get(key + "_model")) for key in list(result))
    if result["nvidia_gpu"] is None:
        # What servers call it until April 2024.
        result.update(nvidia_gpu=payload.get("gpu"), nvidia_gpu_model=payload.get("gpu_model"))
    return result


def _preset_2025(payload: Mapping[str, Any]) -> Object:
    return {
        **_preset_head(payload),
        **_vendor_values(payload),
        **_old_tpu(payload),
        **_flags(payload),
        **_pool_names(payload),
    }


def _gpu_objects(payload: Mapping[str, Any]) -> Object:
    result: Object = {}
    values = _vendor_values(payload)
    for vendor in _VENDORS:
        value = values[vendor + "_gpu"]
        if isinstance(value, int) and value:
            value = {"count": value, "model": values[vendor + "_gpu_model"]}
        if value:
            result[vendor + "_gpu"] = _gpu(value)
    migs = payload.get("nvidia_migs")
    if migs:
        result["nvidia_migs"] = {name: _gpu(value) for name, value in migs.items()}
    return result


def _gpu(value: Mapping[str, Any]) -> Object:
    return {key: value.get(key) for key in ("count", "model", "memory")}


def _preset_2026(payload: Mapping[str, Any]) -> Object:
    result = {
        **_preset_head(payload),
        **_flags(payload),
        **_pool_names(payload),
        **_gpu_objects(payload),
    }
    tpu = payload.get("tpu")
    if tpu:
        result["tpu"] = {key: tpu.get(key) for key in ("type", "software_version")}
    return result


def _pool_head(payload: Mapping[str, Any]) -> Object:
    names = ("name", "min_size", "max_size", "cpu", "memory", "disk_size")
    return {name: payload.get(name) for name in names}


def _pool_2025(payload: Mapping[str, Any]) -> Object:
    result = {**_pool_head(payload), **_vendor_values(payload)}
    result["is_preemptible"] = payload.get("is_preemptible", False)
    return result


def _pool_2026(payload: Mapping[str, Any]) -> Object:
    result = _pool_head(payload)
    result["is_preemptible"] = payload.get("is_preemptible", False)
    return {**result, **_gpu_objects(payload)}
