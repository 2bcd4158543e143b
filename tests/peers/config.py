"""``/config`` of a server of 2026, with two clusters, two organisations and three projects."""

__all__ = ["config_payload", "make_token"]

import base64
import json


def config_payload(base, authorized=True):
    payload = {
        "authorized": authorized,
        "auth_url": base + "/authorize",
        "token_url": base + "/oauth/token",
        "logout_url": base + "/logout",
        "client_id": "cli-client",
        "audience": base,
        "callback_urls": ["http://127.0.0.1:54540"],
        "headless_callback_url": base + "/show-code",
        "success_redirect_url": "https://console.example",
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
                "is_preemptible": True,
            }
        ],
        "resource_presets": [
            {
                "name": "cpu-small",
                "credits_per_hour": "0.5",
                "cpu": 2.0,
                "memory": 4294967296,
                "memory_mb": 4096,
                "scheduler_enabled": False,
                "preemptible_node": False,
                "available_resource_pool_names": ["cpu"],
            }
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


def make_token(user="alice"):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return "{}.{}.c2ln".format(part({"alg": "HS256"}), part({"identity": user, "exp": 4000000000}))
