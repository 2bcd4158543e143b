"""Answers of servers from 2022 to 2026, and strategies that draw more of them."""

import copy

from hypothesis import strategies as st

__all__ = ["JOBS", "TELEMETRY", "clusters", "jobs", "telemetry"]

PENDING_2026 = {
    "id": "job-0f5c2d8e-6a41-4a7f-9a55-3c1d2b7e9f10",
    "owner": "alice",
    "namespace": "platform--acme--vision--3f2a",
    "cluster_name": "default",
    "org_name": "acme",
    "project_name": "vision",
    "org_project_hash": "8c41d0a2be",
    "uri": "job://default/acme/vision/job-0f5c2d8e-6a41-4a7f-9a55-3c1d2b7e9f10",
    "name": "train-resnet",
    "preset_name": "cpu-small",
    "description": "nightly run",
    "tags": ["nightly", "project:resnet"],
    "status": "pending",
    "statuses": [
        {
            "status": "pending",
            "transition_time": "2026-09-14T08:00:00.104211+00:00",
            "reason": "Creating",
            "description": None,
        }
    ],
    "history": {
        "status": "pending",
        "reason": "Creating",
        "description": None,
        "created_at": "2026-09-14T08:00:00.104211+00:00",
        "run_time_seconds": 0.0,
        "restarts": 0,
    },
    "container": {
        "image": "registry.default.example/acme/vision/resnet:v3",
        "env": {"EPOCHS": "10", "EMPTY": ""},
        "volumes": [
            {
                "src_storage_uri": "storage://default/acme/vision/data",
                "dst_path": "/data",
                "read_only": True,
            }
        ],
        "command": "python train.py --epochs 10",
        "resources": {"cpu": 2.0, "memory": 4294967296, "memory_mb": 4096, "shm": False},
    },
    "scheduler_enabled": False,
    "preemptible_node": False,
    "is_preemptible": False,
    "is_preemptible_node_required": False,
    "pass_config": False,
    "privileged": False,
    "restart_policy": "never",
    "priority": "normal",
    "materialized": False,
    "being_dropped": False,
    "logs_removed": False,
    "internal_hostname": "job-0f5c.platform--acme--vision--3f2a",
    "internal_hostname_named": "train-resnet--8c41d0a2be.platform--acme--vision--3f2a",
    "total_price_credits": "0",
    "price_credits_per_hour": "0.5",
    "max_run_time_minutes": 1440,
}

RUNNING_2026 = copy.deepcopy(PENDING_2026)
RUNNING_2026.update(
    owner="alice/service-accounts/ci",
    status="running",
    statuses=[
        {
            "status": "pending",
            "transition_time": "2026-09-14T08:10:00+00:00",
            "reason": "Creating",
            "description": None,
        },
        {
            "status": "pending",
            "transition_time": "2026-09-14T08:10:02.5+00:00",
            "reason": "Pulling",
            "description": "pulling image",
        },
        {
            "status": "running",
            "transition_time": "2026-09-14T08:11:12.000481+00:00",
            "reason": None,
            "description": None,
        },
        {
            "status": "running",
            "transition_time": "2026-09-14T09:30:00+00:00",
            "reason": "Restarting",
            "description": None,
        },
    ],
    history={
        "status": "running",
        "reason": "Restarting",
        "description": None,
        "created_at": "2026-09-14T08:10:00+00:00",
        "started_at": "2026-09-14T08:11:12.000481+00:00",
        "run_time_seconds": 3527.75,
        "restarts": 2,
    },
    container={
        "image": "ghcr.io/acme/serve:2",
        "entrypoint": "/usr/bin/env",
        "command": "bash -c 'serve --port 8080'",
        "working_dir": "/srv",
        "tty": True,
        "env": {},
        "volumes": [],
        "http": {"port": 8080, "health_check_path": "/", "requires_auth": True},
        "secret_env": {"API_KEY": "secret://default/acme/vision/api-key"},
        "secret_volumes": [
            {"src_secret_uri": "secret://default/acme/vision/cert", "dst_path": "/certs/cert.pem"}
        ],
        "disk_volumes": [
            {
                "src_disk_uri": "disk://default/acme/vision/disk-5b1f",
                "dst_path": "/scratch",
                "read_only": False,
            }
        ],
        "resources": {
            "cpu": 7.0,
            "memory": 64424509440,
            "memory_mb": 61440,
            "nvidia_gpu": 2,
            "nvidia_gpu_model": "nvidia-a100",
            "shm": True,
        },
    },
    http_url="https://job-77aa.jobs.default.example",
    http_url_named="https://train-resnet--8c41d0a2be.jobs.default.example",
    scheduler_enabled=True,
    preemptible_node=True,
    energy_schedule_name="default",
    restart_policy="always",
    priority="high",
    materialized=True,
    total_price_credits="9.799305555555555555555555556",
    price_credits_per_hour="2.777777777777777777777777778E-10",
    schedule_timeout=30.5,
)

FAILED_2022 = {
    "id": "job-3e9d0b44-1f0a-4c61-a9a7-0a1b2c3d4e5f",
    "owner": "bob",
    "cluster_name": "default",
    "uri": "job://default/bob/job-3e9d0b44-1f0a-4c61-a9a7-0a1b2c3d4e5f",
    "status": "failed",
    "statuses": [
        {
            "status": "pending",
            "transition_time": "2022-07-01T10:00:00.000001+00:00",
            "reason": "Creating",
            "description": None,
        },
        {
            "status": "failed",
            "transition_time": "2022-07-01T10:03:09+00:00",
            "reason": "OOMKilled",
            "description": "",
            "exit_code": 137,
        },
    ],
    "history": {
        "status": "failed",
        "reason": "OOMKilled",
        "description": "",
        "created_at": "2022-07-01T10:00:00.000001+00:00",
        "started_at": "2022-07-01T10:00:09+00:00",
        "finished_at": "2022-07-01T10:03:09+00:00",
        "exit_code": 137,
        "run_time_seconds": 180.0,
        "restarts": 0,
    },
    "container": {
        "image": "ubuntu:20.04",
        "env": {},
        "volumes": [],
        "command": "python oom.py",
        "resources": {"cpu": 1.0, "memory": 1073741824, "memory_mb": 1024, "shm": True},
    },
    "scheduler_enabled": False,
    "preemptible_node": False,
    "pass_config": False,
    "privileged": False,
    "restart_policy": "never",
    "priority": "normal",
    "materialized": False,
    "being_dropped": False,
    "logs_removed": False,
    "internal_hostname": "job-3e9d.default",
    "total_price_credits": "0.5",
    "price_credits_per_hour": "10",
}

JOBS = {"pending 2026": PENDING_2026, "running 2026": RUNNING_2026, "failed 2022": FAILED_2022}

TELEMETRY = [
    {"cpu": 0.37, "memory": 512, "memory_bytes": 537001984, "timestamp": 1789372801.25},
    {
        "cpu": 3.9,
        "memory": 20480,
        "memory_bytes": 21474836480,
        "timestamp": 1789372802.27,
        "gpu_duty_cycle": 97,
        "gpu_memory": 38912,
        "gpu_memory_bytes": 40802189312,
    },
    {"cpu": 0, "memory_bytes": 0, "memory": 0, "timestamp": 1},
]

_WORD = st.text("abcdefgh-", min_size=1, max_size=8)
_TEXT = st.text(max_size=12)
_TIME = st.datetimes().map(lambda moment: moment.isoformat() + "+00:00")
_STATUS = st.sampled_from(
    ["pending", "suspended", "running", "succeeded", "failed", "cancelled", "frozen"]
)
_URI = _WORD.map(lambda word: "://default/acme/vision/" + word)
_IMAGE = st.sampled_from(
    [
        "ubuntu",
        "ubuntu:22.04",
        "lib/thing:1",
        "ghcr.io/acme/serve:2",
        "registry.default.example/acme/vision/mine:v1",
        "registry.default.example/acme/vision/mine/deep:v1",
    ]
)


def _optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def _mounts(key, scheme, **optional):
    required = {
        key: _URI.map(lambda uri: scheme + uri),
        "dst_path": _WORD.map(lambda word: "/" + word),
    }
    return st.lists(st.fixed_dictionaries(required, optional=optional), max_size=2)


_TRANSITION = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries(
        {"status": _STATUS, "transition_time": _TIME, "reason": _TEXT, "description": _TEXT}
    ),
    _optional(exit_code=st.integers(0, 255)),
)
_HISTORY = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries(
        {
            "status": _STATUS,
            "reason": _TEXT,
            "description": _TEXT,
            "created_at": _TIME,
            "run_time_seconds": st.floats(0, 1e9),
            "restarts": st.integers(0, 100),
        }
    ),
    _optional(started_at=_TIME, finished_at=_TIME, exit_code=st.integers(0, 255)),
)
_RESOURCES = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries({"cpu": st.floats(0.1, 128), "memory": st.integers(2**24, 2**44)}),
    _optional(
        shm=st.booleans(),
        tpu=st.just({"type": "v2-8", "software_version": "1.14"}),
    ),
)
_CONTAINER = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries(
        {
            "image": _IMAGE,
            "env": st.dictionaries(_WORD, _TEXT, max_size=3),
            "volumes": _mounts("src_storage_uri", "storage", read_only=st.booleans()),
            "resources": _RESOURCES,
        }
    ),
    _optional(
        entrypoint=_TEXT,
        command=_TEXT,
        working_dir=_TEXT,
        tty=st.booleans(),
        http=_optional(
            port=st.integers(0, 65535),
            requires_auth=st.booleans(),
            health_check_path=st.just("/"),
        ),
        secret_env=st.dictionaries(_WORD, _URI.map(lambda uri: "secret" + uri), max_size=2),
        secret_volumes=_mounts("src_secret_uri", "secret"),
        disk_volumes=_mounts("src_disk_uri", "disk", read_only=st.booleans()),
    ),
)


def jobs():
    """Jobs as servers of all years may answer them, within what every SDK can read."""
    base = st.sampled_from([PENDING_2026, RUNNING_2026, FAILED_2022])
    changes = _optional(
        status=_STATUS,
        statuses=st.lists(_TRANSITION, max_size=3),
        history=_HISTORY,
        container=_CONTAINER,
        name=_WORD,
        tags=st.lists(_WORD, max_size=3),
        description=_TEXT,
        schedule_timeout=st.floats(1, 1e6),
        max_run_time_minutes=st.integers(1, 10**6),
        restart_policy=st.sampled_from(["never", "on-failure", "always"]),
        priority=st.sampled_from(["low", "normal", "high"]),
        preset_name=st.none() | _WORD,
        owner=_WORD,
        namespace=st.none() | _WORD,
        http_url=_WORD.map(lambda word: "https://" + word + ".example/"),
        http_url_named=_WORD.map(lambda word: "https://" + word + ".example/x"),
        internal_hostname=_WORD,
        internal_hostname_named=st.none() | _WORD,
        energy_schedule_name=_WORD,
        scheduler_enabled=st.booleans(),
        preemptible_node=st.booleans(),
        pass_config=st.booleans(),
        materialized=st.booleans(),
        being_dropped=st.booleans(),
        logs_removed=st.booleans(),
        total_price_credits=st.decimals(0, 10**6, places=10).map(str),
        of_a_newer_server=st.just({"x": 1}),
    )
    return st.builds(lambda job, changed: {**job, **changed}, base, changes)


_BYTES = st.integers(0, 2**45)
_GPU = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries({"count": st.integers(1, 16), "model": _WORD}),
    _optional(memory=_BYTES),
)
_VENDORS = {vendor + "_gpu": _GPU for vendor in ("nvidia", "amd", "intel")}
_NAMES = st.lists(_WORD, max_size=2)


def _named(required, optional, min_size=0):
    """Objects with names that differ."""
    one = st.builds(
        lambda first, second: {**first, **second},
        st.fixed_dictionaries({"name": _WORD, **required}),
        _optional(**optional),
    )
    return st.lists(one, min_size=min_size, max_size=3, unique_by=lambda item: item["name"])


def clusters():
    """What differs between clusters, of a server of 2026: names, organisations, presets and pools."""
    presets = _named(
        {
            "credits_per_hour": st.decimals(0, 1000, places=3).map(str),
            "cpu": st.floats(0.1, 512),
            "memory": _BYTES,
            "scheduler_enabled": st.booleans(),
            "preemptible_node": st.booleans(),
        },
        {
            "nvidia_migs": st.dictionaries(_WORD, _GPU, min_size=1, max_size=2),
            "tpu": st.fixed_dictionaries({"type": _WORD, "software_version": _WORD}),
            "resource_pool_names": _NAMES,
            "available_resource_pool_names": _NAMES,
            **_VENDORS,
        },
    )
    sizes = dict.fromkeys(("min_size", "max_size", "memory", "disk_size"), _BYTES)
    pools = _named(
        {"cpu": st.floats(0.1, 512), **sizes}, {"is_preemptible": st.just(True), **_VENDORS}
    )
    orgs = st.lists(_WORD, min_size=1, max_size=3, unique=True)
    return _named(
        {"orgs": orgs, "resource_presets": presets, "resource_pool_types": pools}, {}, min_size=1
    )


def telemetry():
    """A sample, of a server since these SDKs can read it: memory comes in bytes, and in MiB beside that."""
    return st.builds(
        lambda *parts: {key: value for part in parts for key, value in part.items()},
        st.fixed_dictionaries(
            {
                "cpu": st.floats(0, 512) | st.integers(0, 512),
                "timestamp": st.floats(0, 4e9) | st.integers(0, 4 * 10**9),
            }
        ),
        _memory("memory"),
        _optional(gpu_duty_cycle=st.integers(0, 100)),
        st.just({}) | _memory("gpu_memory"),
    )


def _memory(name):
    return _BYTES.map(lambda size: {name + "_bytes": size, name: size // 2**20})
