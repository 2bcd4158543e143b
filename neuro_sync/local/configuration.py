"""``GET /config``: what the clients of all years want to know before they do anything."""

from typing import Any, Dict, Sequence

from .settings import ENERGY_SCHEDULES, Preset, Settings, machine_cpu, machine_memory

__all__ = ["CLIENT_ID", "REGISTRY", "config_payload"]

CLIENT_ID = "neuro-sync-local"
REGISTRY = "registry.local.invalid"
_DISK = 100 * 2**30


def config_payload(
    base_url: str, settings: Settings, presets: Sequence[Preset], *, authorized: bool
) -> Dict[str, Any]:
    """The answer.

    Args:
        base_url: scheme, host and port of this platform.
        authorized: the token is valid; without one only the login comes back.
    """
    payload: Dict[str, Any] = {
        "authorized": authorized,
        "auth_url": base_url + "/oauth/authorize",
        "token_url": base_url + "/oauth/token",
        "logout_url": base_url + "/oauth/logout",
        "client_id": CLIENT_ID,
        "audience": base_url,
        "callback_urls": ["http://127.0.0.1:{}".format(port) for port in (54540, 54541, 54542)],
        "headless_callback_url": base_url + "/oauth/show-code",
    }
    if not authorized:
        return payload
    payload.update(
        orgs=[{"name": settings.org, "role": "user"}],
        clusters=[_cluster(base_url, settings, presets)],
        projects=[
            {
                "name": project,
                "role": "admin",
                "cluster_name": settings.cluster,
                "org_name": settings.org,
            }
            for project in settings.projects
        ],
        admin_url=base_url + "/apis/admin/v1",
        vcluster_url=base_url + "/apis/vcluster/v1",
    )
    return payload


def _cluster(base_url: str, settings: Settings, presets: Sequence[Preset]) -> Dict[str, Any]:
    api = base_url + "/api/v1"
    cpu, memory = machine_cpu(), machine_memory()
    return {
        "name": settings.cluster,
        "orgs": [settings.org],
        "registry_url": "https://" + REGISTRY,
        "storage_url": api + "/storage",
        "users_url": api + "/users",
        "monitoring_url": api + "/monitoring/jobs",
        "secrets_url": api + "/secrets",
        "disks_url": api + "/disk",
        "buckets_url": api + "/buckets",
        "metrics_url": api + "/metrics",
        "grafana_url": base_url + "/grafana",
        "prometheus_url": base_url + "/prometheus",
        "resource_pool_types": [
            {
                "name": "this-machine",
                "min_size": 1,
                "max_size": 1,
                "cpu": cpu,
                "available_cpu": cpu,
                "memory": memory,
                "available_memory": memory,
                "disk_size": _DISK,
                "available_disk_size": _DISK,
            }
        ],
        "resource_presets": [preset.to_config() for preset in presets],
        "timezone": "UTC",
        "energy_schedules": [
            {
                "name": name,
                "periods": [
                    {"weekday": day, "start_time": "00:00", "end_time": "23:59"}
                    for day in range(1, 8)
                ],
            }
            for name in ENERGY_SCHEDULES
        ],
        "storage_volumes": [],
        "apps": {
            "apps_hostname_templates": [],
            "app_proxy_url": base_url,
            "launchpad_use_subdomain": False,
        },
    }
