"""The answers of the server: a job of about 2.5 KB, and a configuration."""

__all__ = ["config_payload", "job_payload"]


def job_payload(id, number=0, status="succeeded"):
    """A job of about 2.5 KB, as a server of 2026 describes it; each number has times and prices of its own."""
    seconds = number % 86400
    created = "2026-09-14T{:02}:{:02}:{:02}.{:06}+00:00".format(
        seconds // 3600, seconds // 60 % 60, seconds % 60, number * 7919 % 1000000
    )
    transitions = [
        {"status": s, "transition_time": created, "reason": reason, "description": None}
        for s, reason in (
            ("pending", "Creating"),
            ("pending", "Pulling"),
            ("running", None),
            (status, None),
        )
    ]
    return {
        "id": id,
        "owner": "alice",
        "namespace": "platform--acme--vision--3f2a",
        "cluster_name": "default",
        "org_name": "acme",
        "project_name": "vision",
        "org_project_hash": "8c41d0a2be",
        "uri": "job://default/acme/vision/" + id,
        "name": "train-{}".format(number),
        "preset_name": "cpu-small",
        "description": "nightly run of the training with all of its data",
        "tags": ["nightly", "project:resnet"],
        "status": status,
        "statuses": transitions,
        "history": {
            "status": status,
            "reason": None,
            "description": None,
            "created_at": created,
            "started_at": created,
            "finished_at": created,
            "exit_code": 0,
            "run_time_seconds": 12.5,
            "restarts": 0,
        },
        "container": {
            "image": "registry.default.example/acme/vision/resnet:v3",
            "env": {"EPOCHS": "10", "EMPTY": "", "DATA": "/data"},
            "volumes": [
                {
                    "src_storage_uri": "storage://default/acme/vision/data",
                    "dst_path": "/data",
                    "read_only": True,
                }
            ],
            "command": "python train.py --epochs 10",
            "resources": {"cpu": 2.0, "memory": 4294967296, "memory_mb": 4096, "shm": False},
            "http": {"port": 8080, "health_check_path": "/", "requires_auth": True},
        },
        "http_url": "https://{}.jobs.default.example".format(id),
        "internal_hostname": id + ".platform--acme--vision--3f2a",
        "scheduler_enabled": False,
        "preemptible_node": False,
        "is_preemptible": False,
        "is_preemptible_node_required": False,
        "pass_config": False,
        "privileged": False,
        "restart_policy": "never",
        "priority": "normal",
        "materialized": True,
        "being_dropped": False,
        "logs_removed": False,
        "total_price_credits": "{}.799305555555555555555555556".format(number),
        "price_credits_per_hour": "0.5",
        "max_run_time_minutes": 1440,
    }


def config_payload(url):
    services = {
        "registry_url": "https://registry.default.example",
        "monitoring_url": url + "/api/v1/monitoring/jobs",
    }
    for name in ("storage", "users", "secrets", "disks", "buckets"):
        services[name + "_url"] = url + "/api/v1/" + name
    cluster = {
        "name": "default",
        "orgs": ["acme"],
        "resource_pool_types": [],
        "resource_presets": [
            {
                "name": "cpu-small",
                "credits_per_hour": "0.5",
                "cpu": 2.0,
                "memory": 4294967296,
                "memory_mb": 4096,
                "scheduler_enabled": False,
                "preemptible_node": False,
                "is_preemptible": False,
                "is_preemptible_node_required": False,
            }
        ],
    }
    cluster.update(services)
    answer = {
        "authorized": True,
        "orgs": [{"name": "acme", "role": "user"}],
        "clusters": [cluster],
        "projects": [
            {"name": "vision", "role": "writer", "cluster_name": "default", "org_name": "acme"}
        ],
        "admin_url": url + "/apis/admin/v1",
        "vcluster_url": url + "/apis/vcluster/v1",
        "client_id": "cli-client",
        "audience": url,
        "callback_urls": ["http://127.0.0.1:54540"],
    }
    for name in ("auth", "token", "logout", "headless_callback"):
        answer[name + "_url"] = url + "/" + name
    return answer
