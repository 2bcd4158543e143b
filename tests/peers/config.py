"""``/config`` of servers from 2022 to 2026, with two clusters, two organisations and three projects."""

import base64
import json

__all__ = ["AS_OF", "GENERATIONS", "READABLE", "config_payload", "make_token"]

_GIB = 2**30


def config_payload(base, authorized=True):
    payload = {
        "authorized": authorized,
        "auth_url": base + "/authorize",
        "token_url": base + "/oauth/token",
        "logout_url": base + "/logout",
        "client_id": "cli-client",
        "audience": base,
        # Many: somebody else on this machine may log in at the same moment.
        "callback_urls": ["http://127.0.0.1:{}".format(port) for port in range(54540, 54560)],
        "headless_callback_url": base + "/show-code",
        "success_redirect_url": base + "/console",
    }
    if not authorized:
        return payload
    payload.update(
        orgs=[{"name": "acme", "role": "user"}, {"name": "other", "role": "user"}],
        clusters=[
            _cluster(base, "default", "registry.default.example", ["acme", "other"]),
            _cluster(base, "second", "r2.example:5000", ["acme"]),
        ],
        projects=[
            {"name": "vision", "role": "writer", "cluster_name": "default", "org_name": "acme"},
            {"name": "zoo", "role": "writer", "cluster_name": "default", "org_name": "acme"},
            {"name": "vision", "role": "writer", "cluster_name": "second", "org_name": "acme"},
        ],
        admin_url=base + "/apis/admin/v1",
        vcluster_url=base + "/apis/vcluster/v1",
    )
    return payload


def _cluster(base, name, registry, orgs):
    api = base + "/api/v1"
    return {
        "name": name,
        "orgs": orgs,
        "registry_url": "https://" + registry,
        "storage_url": api + "/storage",
        "users_url": api + "/users",
        "monitoring_url": api + "/mon/jobs" if name == "default" else api + "/mon2/jobs",
        "secrets_url": api + "/secrets",
        "disks_url": api + "/disk",
        "buckets_url": api + "/buckets",
        "resource_pool_types": [
            {
                "name": "gpu",
                "min_size": 0,
                "max_size": 2,
                "cpu": 16.0,
                "available_cpu": 15.5,
                "memory": 128849018880,
                "available_memory": 120259084288,
                "disk_size": 161061273600,
                "available_disk_size": 150323855360,
                "nvidia_gpu": {"count": 2, "model": "nvidia-a100", "memory": 40 * _GIB},
                "is_preemptible": True,
            }
        ],
        "resource_presets": [
            _preset("cpu-small", "0.5", memory=4 * _GIB),
            _preset(
                "gpu",
                "10",
                nvidia_gpu={"count": 1, "model": "nvidia-a100", "memory": 40 * _GIB},
                scheduler_enabled=True,
                resource_pool_names=["gpu"],
            ),
            _preset("others", "1", amd_gpu={"count": 2, "model": "mi"}, intel_gpu={"count": 1}),
            _preset("slices", "3", nvidia_migs={"1g.5gb": {"count": 2, "model": "nvidia-a100"}}),
            _preset("tpu", "4.5", tpu={"type": "v2-8", "software_version": "1.14"}),
        ],
        "timezone": "UTC",
        "energy_schedules": [],
        "storage_volumes": [],
        "apps": {
            "apps_hostname_templates": ["{app_name}.apps.default.example"],
            "app_proxy_url": "https://proxy.default.example",
            "launchpad_use_subdomain": False,
        },
    }


def _preset(name, credits_per_hour, *, memory=8 * _GIB, **more):
    return {
        "name": name,
        "credits_per_hour": credits_per_hour,
        "cpu": 2.0,
        "memory": memory,
        "memory_mb": memory // 2**20,
        "scheduler_enabled": False,
        "preemptible_node": False,
        "available_resource_pool_names": ["gpu"],
        **more,
    }


def _as_of_2025(payload):
    """GPUs are numbers, with the models beside them."""
    payload.pop("vcluster_url", None)
    for cluster in payload.get("clusters", ()):
        cluster["apps"] = {"apps_hostname_templates": ["{app_name}.apps.default.example"]}
        cluster["resource_presets"] = [
            preset for preset in cluster["resource_presets"] if "nvidia_migs" not in preset
        ]
        for item in cluster["resource_presets"] + cluster["resource_pool_types"]:
            for vendor in ("nvidia", "amd", "intel"):
                gpu = item.pop(vendor + "_gpu", None)
                if gpu is not None:
                    for prefix in [vendor + "_"] + [""] * (vendor == "nvidia"):
                        item[prefix + "gpu"] = gpu["count"]
                        if "model" in gpu:
                            item[prefix + "gpu_model"] = gpu["model"]
    return payload


def _as_of_2022(payload):
    """No projects, no pools, and ``gpu`` for all GPUs; a cluster may be used without an organisation."""
    payload = _as_of_2025(payload)
    for key in ("orgs", "projects", "admin_url"):
        payload.pop(key, None)
    for cluster in payload.get("clusters", ()):
        for key in (
            "resource_pool_types",
            "timezone",
            "energy_schedules",
            "storage_volumes",
            "apps",
        ):
            del cluster[key]
        cluster["orgs"].insert(0, None)
        for preset in cluster["resource_presets"]:
            for vendor in ("nvidia", "amd", "intel"):
                preset.pop(vendor + "_gpu", None)
                preset.pop(vendor + "_gpu_model", None)
    return payload


#: Make of the answer of a server of 2026 what one of that year says.
AS_OF = {2022: _as_of_2022, 2025: _as_of_2025, 2026: lambda payload: payload}


def _config_of(year):
    return lambda base, authorized=True: AS_OF[year](config_payload(base, authorized))


# The peers, each with the servers that it can read.
READABLE = [
    ("oldest", 2022),
    ("oldest", 2025),
    ("oldest", 2026),
    ("middle", 2025),
    ("middle", 2026),
    ("newest", 2026),
]
GENERATIONS = {year: _config_of(year) for year in AS_OF}


def make_token(user="alice"):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return "{}.{}.c2ln".format(part({"alg": "HS256"}), part({"identity": user, "exp": 4000000000}))
