"""What the platform's newest SDK and we are asked to do: each method, with each parameter and its odd values."""

__all__ = [
    "CASES",
    "CONTAINER",
    "DELIBERATE",
    "EAST",
    "METHODS",
    "MOMENT",
    "NAIVE",
    "NOT_SENT",
    "OF_CONTAINER",
    "OF_RUN",
    "PARAMETERS",
    "REFUSED",
    "RESOURCES",
    "START",
    "listing",
    "of_job",
    "run",
    "run_container",
    "start",
    "statuses",
]

UBUNTU = {"$image": "ubuntu:22.04"}
START = {"image": UBUNTU, "preset_name": "cpu-small"}
CONTAINER = {
    "$": "Container",
    "image": UBUNTU,
    "resources": {"$": "Resources", "memory": 2**30, "cpu": 1.0},
}
VOLUME = {
    "$": "Volume",
    "storage_uri": {"$url": "storage:data"},
    "container_path": "/data",
    "read_only": True,
}
DISK = {"$": "DiskVolume", "disk_uri": {"$url": "disk:d1"}, "container_path": "/disk"}
SECRET = {"$": "SecretFile", "secret_uri": {"$url": "secret:key"}, "container_path": "/key"}


def start(**arguments):
    return {"method": "start", "arguments": {**START, **arguments}}


def run(**arguments):
    return {"method": "run", "arguments": {"container": CONTAINER, **arguments}}


def run_container(**changes):
    return run(container={**CONTAINER, **changes})


def listing(**arguments):
    return {"method": "list", "arguments": arguments}


def statuses(*names):
    return [{"$enum": "JobStatus", "member": name} for name in names]


def of_job(method, **arguments):
    return {"method": method, "arguments": {"id": "job-1", **arguments}}


PARAMETERS = {
    "cluster_name": ["second"],
    "org_name": ["other"],
    "project_name": ["zoo"],
    "entrypoint": ["/bin/sh", "a 'b c'"],
    "command": ["sleep 5", "sh -c 'echo \"$X\"'", ""],
    "working_dir": ["/tmp"],
    "http": [
        {"$": "HTTPPort", "port": 80},
        {"$": "HTTPPort", "port": 0, "requires_auth": False},
    ],
    "env": [{"A": "b", "EMPTY": ""}, {"U": "\u00e9\u4e2d\U0001f600"}, {}],
    "volumes": [
        [VOLUME],
        [{**VOLUME, "read_only": False}],
        [{**VOLUME, "storage_uri": {"$url": "storage://default/acme/zoo/a%20b"}}],
        [{**VOLUME, "storage_uri": {"$url": "storage:/zoo/x"}}],
        [{**VOLUME, "storage_uri": {"$url": "storage:"}}],
        [{**VOLUME, "storage_uri": {"$url": "storage:a/../b/"}}],
        [],
    ],
    "secret_env": [{"K": {"$url": "secret:key"}}, {"K": {"$url": "secret:/zoo/key"}}],
    "secret_files": [[SECRET]],
    "disk_volumes": [[DISK], [{**DISK, "read_only": True}]],
    "tty": [True],
    "shm": [True],
    "name": ["my-job"],
    "tags": [["b", "a", "b"], []],
    "description": ["text \u00e9", ""],
    "pass_config": [True],
    "wait_for_jobs_quota": [True],
    "schedule_timeout": [30.0, 1.5],
    "restart_policy": [
        {"$enum": "JobRestartPolicy", "member": "ON_FAILURE"},
        {"$enum": "JobRestartPolicy", "member": "ALWAYS"},
        {"$enum": "JobRestartPolicy", "member": "NEVER"},
    ],
    "life_span": [60.0, 119.9, 86400],
    "privileged": [True],
    "priority": [
        {"$enum": "JobPriority", "member": "LOW"},
        {"$enum": "JobPriority", "member": "NORMAL"},
        {"$enum": "JobPriority", "member": "HIGH"},
    ],
    "energy_schedule_name": ["default"],
    "image": [
        {"$image": text}
        for text in (
            "ubuntu",
            "ghcr.io/acme/serve:2",
            "image:mine",
            "image:mine/deeper:v1",
            "image:/zoo/mine:v1",
            "image://default/acme/zoo/mine",
            "image://second/zoo/mine:1",
            "registry.default.example/acme/vision/mine:v1",
            "r2.example:5000/acme/vision/mine",
        )
    ],
}
OF_RUN = (
    "name tags description pass_config wait_for_jobs_quota schedule_timeout restart_policy life_span "
    "org_name priority project_name"
).split()
OF_CONTAINER = (
    "entrypoint command working_dir http env volumes secret_env secret_files disk_volumes tty image"
).split()
RESOURCES = [
    {"nvidia_gpu": 1},
    {"nvidia_gpu": 2, "nvidia_gpu_model": "nvidia-a100"},
    {"amd_gpu": 1, "amd_gpu_model": "mi"},
    {"intel_gpu": 1},
    {"nvidia_gpu": 0},
    {"shm": False},
    {"tpu_type": "v2-8", "tpu_software_version": "1.14"},
]
MOMENT = {"$time": "2026-01-02T03:04:05.000600+00:00"}
EAST = {"$time": "2026-01-02T03:04:05+03:00"}
NAIVE = {"$time": "2026-01-02T03:04:05.500000"}

CASES = [start(), run()]
CASES += [start(**{name: value}) for name, values in PARAMETERS.items() for value in values]
CASES += [run(**{name: value}) for name in OF_RUN for value in PARAMETERS[name]]
CASES += [run(scheduler_enabled=True)]
CASES += [run_container(**{name: value}) for name in OF_CONTAINER for value in PARAMETERS[name]]
CASES += [
    run_container(resources={**CONTAINER["resources"], **resources}) for resources in RESOURCES
]
CASES += [
    listing(),
    listing(statuses=statuses("RUNNING")),
    listing(statuses=statuses("PENDING", "SUSPENDED", "FAILED", "CANCELLED", "SUCCEEDED")),
    listing(name="my-job"),
    listing(name=""),
    listing(tags=["a", "b&c"]),
    listing(owners=["alice", "bob/service-accounts/ci"]),
    listing(since=MOMENT),
    listing(until=MOMENT),
    listing(since=EAST, until=EAST),
    listing(since=NAIVE),
    listing(reverse=True),
    listing(limit=5),
    listing(cluster_name="second"),
    listing(org_names=["other", "acme"]),
    listing(project_names=["vision", "zoo"]),
    of_job("status"),
    of_job("kill"),
    of_job("send_signal"),
    of_job("send_signal", cluster_name="second"),
    {"method": "get_capacity"},
    {"method": "get_capacity", "arguments": {"cluster_name": "second"}},
    of_job("bump_life_span", additional_life_span=60),
    of_job("bump_life_span", additional_life_span=3599.0),
    of_job("top"),
    of_job("top", cluster_name="second"),
    of_job("save", image={"$image": "image:mine:v1"}),
    of_job("save", image={"$image": "image:/zoo/mine:v1"}),
    of_job("save", image={"$image": "image://second/zoo/mine:v1"}, cluster_name="second"),
    of_job("exec", cmd="true"),
    of_job("exec", cmd="true", stdout=True),
    of_job("exec", cmd="sh -c 'a + b & c'", stdin=True, stdout=True, stderr=True),
    of_job("exec", cmd="sh", tty=True, stdin=True, stdout=True),
    of_job("exec", cmd="true", stdout=True, cluster_name="second"),
    of_job("exec", cmd="echo \u00e9\u4e2d", stdout=True),
    of_job("attach"),
    of_job("attach", stdout=True),
    of_job("attach", tty=True, stdin=True, stdout=True),
    of_job("attach", stderr=True, cluster_name="second"),
]
CASES += [
    {"method": method, "arguments": {"id": id, **more}}
    for method, more in (
        ("status", {}),
        ("kill", {}),
        ("send_signal", {}),
        ("top", {}),
        ("exec", {"cmd": "true", "stdout": True}),
    )
    for id in ("my-job", "with space", "a+b", "\u00e9", "50%", "a;b=c", "a?b#c")
]

# Where we differ on purpose, and why.
DELIBERATE = {
    "log": (
        [
            of_job("monitor"),
            of_job("monitor", since=MOMENT),
            of_job("monitor", since=EAST),
            of_job("monitor", separator="=== x+y"),
            of_job("monitor", timestamps=True),
            of_job("monitor", debug=True),
            of_job("monitor", cluster_name="second"),
        ],
        "a log is always asked for with time stamps, with a separator that is known, and in UTC, so that it can "
        "be taken up again where it broke",
    ),
    "forward": (
        [
            of_job("port_forward", job_port=80),
            of_job("port_forward", job_port=80, cluster_name="second"),
            of_job("port_forward", job_port=65535, no_key_check=True),
        ],
        "whether the job runs is asked on entry, so that an error is raised there and not only logged",
    ),
    "slash": (
        [
            {"method": "status", "arguments": {"id": "a/b"}},
            {"method": "kill", "arguments": {"id": "a/../b"}},
            {"method": "status", "arguments": {"id": ".."}},
            {"method": "status", "arguments": {"id": "a\nb"}},
        ],
        "an id is data: it is quoted, and stays one segment of the path",
    ),
    "registry with a port": (
        [start(image={"$image": "localhost:5000/a/b:t"})],
        "the registry is part of the image's name; the other client loses it",
    ),
    "another organisation's image": (
        [start(image={"$image": "image://default/other/vision/mine:1"})],
        "an organisation that the cluster has is taken for one; the other client takes it for a project",
    ),
    "relative URIs elsewhere": (
        [
            start(project_name="zoo", volumes=[VOLUME]),
            start(cluster_name="second", secret_env={"K": {"$url": "secret:key"}}),
        ],
        "a relative URI is meant where the job runs, or the server refuses it",
    ),
    "what no server accepts": (
        [
            start(life_span=30.0),
            of_job("bump_life_span", additional_life_span=59),
            of_job("exec", cmd="", stdout=True),
        ],
        "refused with a reason before anything is sent",
    ),
    "a schedule timeout of 0": (
        [start(schedule_timeout=0.0)],
        "sent, so that the server can say that it is too short; the other client drops it silently",
    ),
}


# What there is nothing to compare of: parameters of ours alone, or that are not for the server.
NOT_SENT = {
    "start": {"idempotency_key"},
    "monitor": {"reconnect", "after", "on_gap"},
    "port_forward": {"local_port"},
    "save": {"progress"},
}
METHODS = (
    "attach bump_life_span exec get_capacity kill list monitor port_forward run save send_signal start status top"
).split()


REFUSED = [
    start(image={"$image": "-a"}),
    start(volumes=[{**VOLUME, "storage_uri": {"$url": "secret:data"}}]),
    start(volumes=[{**VOLUME, "storage_uri": {"$url": "storage:~a"}}]),
    start(volumes=[{**VOLUME, "storage_uri": {"$url": "storage:a?b"}}]),
    start(disk_volumes=[{**DISK, "disk_uri": {"$url": "storage:d"}}]),
    start(secret_files=[{**SECRET, "secret_uri": {"$url": "secret:a#b"}}]),
    start(secret_env={"K": {"$url": "storage:key"}}),
    run_container(volumes=[{**VOLUME, "storage_uri": {"$url": "disk:data"}}]),
]
