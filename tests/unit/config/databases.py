"""Logins as the CLIs of 2022, 2025 and 2026 leave them on disk."""

import json
import sqlite3
from contextlib import closing

__all__ = ["GENERATIONS", "row_of", "write_login"]

_AUTH = {
    "auth_url": "https://api.example/authorize",
    "token_url": "https://api.example/oauth/token",
    "logout_url": "https://api.example/logout",
    "client_id": "cli-client",
    "audience": "https://api.example",
    "headless_callback_url": "https://api.example/show-code",
    "success_redirect_url": None,
    "callback_urls": ["http://127.0.0.1:54540"],
}
_SERVICES = "registry storage users monitoring secrets disks buckets".split()
_PRESET = {"name": "cpu-small", "credits_per_hour": "0.5", "cpu": 2.0, "memory": 4294967296}
_PRESETS = {
    2022: {
        **_PRESET,
        "gpu": 1,
        "gpu_model": "nvidia-v100",
        "tpu_type": None,
        "tpu_software_version": None,
        "scheduler_enabled": False,
        "preemptible_node": False,
    },
    2025: {
        **_PRESET,
        "nvidia_gpu": 1,
        "amd_gpu": None,
        "intel_gpu": None,
        "nvidia_gpu_model": "nvidia-v100",
        "amd_gpu_model": None,
        "intel_gpu_model": None,
        "tpu_type": None,
        "tpu_software_version": None,
        "scheduler_enabled": False,
        "preemptible_node": False,
        "resource_pool_names": [],
        "available_resource_pool_names": ["gpu"],
    },
    2026: {
        **_PRESET,
        "scheduler_enabled": False,
        "preemptible_node": False,
        "resource_pool_names": [],
        "available_resource_pool_names": ["gpu"],
        "nvidia_gpu": {"count": 1, "model": "nvidia-v100", "memory": None},
    },
}
_POOL = {"name": "gpu", "min_size": 0, "max_size": 2, "cpu": 8.0, "memory": 2**35, "disk_size": 1}
_PROJECTS = [
    {"name": name, "cluster_name": "default", "org_name": "acme", "role": "writer"}
    for name in ("vision", "zoo")
]
_TABLES = {
    2022: "auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
    "admin_url TEXT, version TEXT, cluster_name TEXT, org_name TEXT, clusters TEXT, timestamp REAL",
    2025: "auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
    "admin_url TEXT, version TEXT, project_name TEXT, cluster_name TEXT, org_name TEXT, "
    "clusters TEXT, projects TEXT, timestamp REAL",
    2026: "auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
    "admin_url TEXT, vcluster_url TEXT, version TEXT, project_name TEXT, cluster_name TEXT, "
    "org_name TEXT, clusters TEXT, projects TEXT, timestamp REAL",
}
GENERATIONS = sorted(_TABLES)
_VERSIONS = {2022: "22.7.1", 2025: "25.5.0", 2026: "26.9.0"}


def _cluster(generation):
    cluster = {"name": "default", "orgs": ["acme"] if generation > 2022 else [None, "acme"]}
    cluster.update((name + "_url", "https://{}.example".format(name)) for name in _SERVICES)
    cluster["presets"] = [_PRESETS[generation]]
    if generation > 2022:
        cluster["resource_pools"] = [_POOL]
        cluster["apps"] = {}
    return cluster


def write_login(path, generation, *, token, **changes):
    """Write the login of a CLI into a directory; ``changes`` are columns that differ."""
    row = {
        "auth_config": json.dumps(_AUTH),
        "token": token,
        "expiration_time": 4e9,
        "refresh_token": "refresh-0",
        "url": "https://api.example/api/v1",
        "admin_url": "https://api.example/apis/admin/v1",
        "vcluster_url": None,
        "version": _VERSIONS[generation],
        "project_name": "vision",
        "cluster_name": "default",
        "org_name": "acme",
        "clusters": json.dumps([_cluster(generation)]),
        "projects": json.dumps(_PROJECTS),
        "timestamp": 1.5e9,
        **changes,
    }
    path.mkdir(mode=0o700)
    names = [column.split()[0] for column in _TABLES[generation].split(", ")]
    with closing(sqlite3.connect(str(path / "db"))) as db, db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE main ({})".format(_TABLES[generation]))
        # The CLI keeps more in the same file.
        db.execute(
            "CREATE TABLE cookie_session "
            "(name TEXT, domain TEXT, path TEXT, cookie TEXT, timestamp REAL)"
        )
        db.execute(
            "INSERT INTO main VALUES ({})".format(", ".join("?" * len(names))),
            [row[name] for name in names],
        )
        db.execute("INSERT INTO cookie_session VALUES ('NEURO_X_SESSION', 'd', '/', 'c', 1)")
    (path / "db").chmod(0o600)
    return path


def row_of(path):
    """The login as it is now, by names of columns."""
    with closing(sqlite3.connect(str(path / "db"))) as db:
        db.row_factory = sqlite3.Row
        (row,) = db.execute("SELECT * FROM main").fetchall()
        return dict(row)
