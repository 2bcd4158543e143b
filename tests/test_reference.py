"""The interface, name by name: the jobs API reference of the platform, and what came to it since.

The tables are written from the documents, as stubs. What is asynchronous there blocks here: ``async with`` is
``with``, ``async for`` is ``for``. A flag ``iterates`` or ``with`` tells what the result of a method is for.
"""

import ast
import collections.abc
import dataclasses
import inspect
import typing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from yarl import URL

import neuro_sync
from neuro_sync import JobRestartPolicy, JobStatus, RetryPolicy, Timeout
from neuro_sync.local import LocalPlatform

METHODS = """
class JobsClient:
    def attach(self, id: str, *, tty: bool = False, stdin: bool = False, stdout: bool = False,
               stderr: bool = False, cluster_name: Optional[str] = None) -> StdStream: ...
    def exec(self, id: str, cmd: str, *, tty: bool = False, stdin: bool = False, stdout: bool = False,
             stderr: bool = False, cluster_name: Optional[str] = None) -> StdStream: ...
    def get_capacity(self, *, cluster_name: Optional[str] = None) -> Mapping[str, int]: ...
    def kill(self, id: str) -> None: ...
    def list(self, *, statuses: Iterable[JobStatus] = (), name: Optional[str] = None,
             tags: Sequence[str] = (), owners: Iterable[str] = (), since: Optional[datetime] = None,
             until: Optional[datetime] = None, reverse: bool = False, limit: Optional[int] = None,
             cluster_name: Optional[str] = None) -> JobListing: ...
    def monitor(self, id: str, *, cluster_name: Optional[str] = None, since: Optional[datetime] = None,
                timestamps: bool = False, separator: Optional[str] = None) -> LogStream: ...
    def port_forward(self, id: str, local_port: int, job_port: int, *, no_key_check: bool = False,
                     cluster_name: Optional[str] = None) -> PortForward: ...
    def run(self, container: Container, *, name: Optional[str] = None, tags: Sequence[str] = (),
            description: Optional[str] = None, scheduler_enabled: bool = False,
            pass_config: bool = False, wait_for_jobs_quota: bool = False,
            schedule_timeout: Optional[float] = None, life_span: Optional[float] = None,
            priority: Optional[JobPriority] = None) -> JobDescription: ...
    def start(self, *, image: RemoteImage, preset_name: str, cluster_name: Optional[str] = None,
              org_name: Optional[str] = None, entrypoint: Optional[str] = None,
              command: Optional[str] = None, working_dir: Optional[str] = None,
              http: Optional[HTTPPort] = None, env: Optional[Mapping[str, str]] = None,
              volumes: Sequence[Volume] = (), secret_env: Optional[Mapping[str, URL]] = None,
              secret_files: Sequence[SecretFile] = (), disk_volumes: Sequence[DiskVolume] = (),
              tty: bool = False, shm: bool = False, name: Optional[str] = None,
              tags: Sequence[str] = (), description: Optional[str] = None, pass_config: bool = False,
              wait_for_jobs_quota: bool = False, schedule_timeout: Optional[float] = None,
              restart_policy: JobRestartPolicy = JobRestartPolicy.NEVER,
              life_span: Optional[float] = None, privileged: bool = False,
              priority: Optional[JobPriority] = None) -> JobDescription: ...
    def send_signal(self, id: str, *, cluster_name: Optional[str] = None) -> None: ...
    def status(self, id: str) -> JobDescription: ...
    def top(self, id: str, *, cluster_name: Optional[str] = None) -> TelemetryStream: ...
    def bump_life_span(self, id: str, additional_life_span: float) -> None: ...

class StdStream:
    def close(self) -> None: ...
    def read_out(self) -> Optional[Message]: ...
    def write_in(self, data: bytes) -> None: ...

class JobStatus:
    def items() -> Set[JobStatus]: ...
    def active_items() -> Set[JobStatus]: ...
    def finished_items() -> Set[JobStatus]: ...
"""

# What came to the platform since, and what users had to write by hand.
LATER_METHODS = """
class JobsClient:
    def __init__(self, api_url, token, *, cluster_name=None, org_name=None, project_name=None,
                 timeout=Timeout(connect=10.0, read=60.0), retry=RetryPolicy()): ...
    def start(self, *, project_name=None, energy_schedule_name=None, idempotency_key=None): ...
    def run(self, container, *, org_name=None, project_name=None,
            restart_policy=JobRestartPolicy.NEVER): ...
    def list(self, *, org_names=(), project_names=()): ...
    def monitor(self, id, *, debug=False, reconnect=True, after=None, on_gap=None): ...
    def save(self, id, image, *, progress=None, cluster_name=None): ...
    def wait(self, id, *, statuses=JobStatus.finished_items(), timeout=None): ...
    def as_completed(self, jobs_or_ids, *, timeout=None): ...
    def exec_run(self, id, cmd, *, input=None, timeout=None, check=False, cluster_name=None): ...
    def start_and_wait(self, *, output=None, timeout=None, check=False, kill_on_error=True,
                       **start_args): ...
    def interact(self, id, cmd=None, *, cluster_name=None): ...
    def close(self): ...

class StdStream:
    def read_out(self, timeout=None): ...
    def resize(self, h, w): ...

class LogStream:
    def lines(self, encoding="utf-8", errors="replace"): ...
    def read(self): ...
    def close(self): ...

class JobListing:
    def close(self): ...

class TelemetryStream:
    def close(self): ...

class PortForward:
    def close(self): ...

class Client:
    def close(self): ...

class Factory:
    def __init__(self, path=None): ...

class Config:
    def get_cluster(self, name): ...
    def token(self): ...
    def fetch(self): ...
    def check_server(self): ...
    def switch_cluster(self, name): ...
    def switch_org(self, name): ...
    def switch_project(self, name): ...

class Parser:
    def remote_image(self, text, *, tag_option=TagOption.DEFAULT, cluster_name=None): ...
    def local_image(self, text): ...
    def volume(self, text, cluster_name=None, org_name=None): ...
    def volumes(self, texts, cluster_name=None): ...
    def envs(self, env, env_file=(), cluster_name=None): ...
    def uri_to_str(self, uri): ...
    def str_to_uri(self, text, *, allowed_schemes=(), project_name=None, cluster_name=None, short=False): ...
    def normalize_uri(self, uri, **options): ...

class RemoteImage:
    def new_platform_image(name, registry, *, cluster_name, org_name, project_name, tag=None): ...
    def new_external_image(name, registry=None, *, tag=None): ...
    def as_docker_url(self, with_scheme=False): ...

class RetryPolicy:
    def __init__(self, attempts=3, deadline=60.0, base=0.25, cap=8.0): ...

class Timeout:
    def __init__(self, connect=10.0, read=60.0): ...

class LocalPlatform:
    def __init__(self, data_dir=None, port=0): ...
    def client(self): ...
"""

# The result of each: used under "with", iterated, or both.
RESULTS = {
    "attach": ("with",),
    "exec": ("with",),
    "list": ("with", "iterates"),
    "monitor": ("with", "iterates"),
    "top": ("with", "iterates"),
    "port_forward": ("with",),
}

ATTRIBUTES = """
class Container:
    image: RemoteImage
    resources: Resources
    entrypoint: Optional[str]
    command: Optional[str]
    http: Optional[HTTPPort]
    env: Mapping[str, str]
    volumes: Sequence[Volume]
    secret_env: Mapping[str, URL]
    secret_files: Sequence[SecretFile]
    disk_volumes: Sequence[DiskVolume]

class HTTPPort:
    port: int
    requires_auth: bool

class JobDescription:
    id: str
    owner: str
    cluster_name: str
    status: JobStatus
    history: JobStatusHistory
    container: Container
    scheduler_enabled: bool
    preemptible_node: bool
    pass_config: bool
    privileged: bool
    name: Optional[str]
    tags: Sequence[str]
    description: Optional[str]
    http_url: URL
    ssh_server: URL
    internal_hostname: Optional[str]
    internal_hostname_named: Optional[str]
    life_span: Optional[float]
    schedule_timeout: Optional[float]
    priority: JobPriority
    _internal: object

class JobStatusItem:
    transition_time: datetime
    status: JobStatus
    reason: str
    description: str
    exit_code: Optional[int]

class JobStatusHistory:
    status: JobStatus
    reason: str
    description: str
    exit_code: Optional[int]
    restarts: int
    created_at: Optional[datetime]
    started_at: Optional[datetime]
    finished_at: Optional[datetime]
    transitions: Sequence[JobStatusItem]

class JobTelemetry:
    timestamp: float
    cpu: float
    memory: float
    gpu_duty_cycle: Optional[int]
    gpu_memory: Optional[float]

class Message:
    fileno: int
    data: bytes

class Resources:
    memory_mb: int
    cpu: float
    gpu: Optional[int]
    gpu_model: Optional[str]
    shm: bool
    tpu_type: Optional[str]
    tpu_software_version: Optional[str]

class Volume:
    storage_uri: URL
    container_path: str
    read_only: bool

class SecretFile:
    secret_uri: URL
    container_path: str

class DiskVolume:
    disk_uri: URL
    container_path: str
    read_only: bool
"""

LATER_ATTRIBUTES = """
class Container:
    working_dir: Optional[str]
    tty: bool

class JobDescription:
    org_name: Optional[str]
    project_name: str
    namespace: str
    uri: URL
    total_price_credits: Decimal
    price_credits_per_hour: Decimal
    restart_policy: JobRestartPolicy
    preset_name: Optional[str]
    energy_schedule_name: Optional[str]

class JobStatusHistory:
    run_time_seconds: Optional[float]
    changed_at: Optional[datetime]

class JobTelemetry:
    memory_bytes: float
    gpu_memory_bytes: Optional[float]

class Resources:
    memory: int
    nvidia_gpu: Optional[int]
    amd_gpu: Optional[int]
    intel_gpu: Optional[int]
    nvidia_gpu_model: Optional[str]
    amd_gpu_model: Optional[str]
    intel_gpu_model: Optional[str]
    nvidia_migs: Mapping[str, object]

class RemoteImage:
    name: str
    tag: Optional[str]
    registry: Optional[str]
    cluster_name: Optional[str]
    org_name: Optional[str]
    project_name: Optional[str]

class LocalImage:
    name: str
    tag: Optional[str]

class ExecResult:
    exit_code: int
    stdout: bytes
    stderr: bytes

class Preset:
    credits_per_hour: Decimal
    cpu: float
    memory: int
    memory_mb: int
    nvidia_gpu: Optional[object]
    amd_gpu: Optional[object]
    intel_gpu: Optional[object]
    scheduler_enabled: bool
    preemptible_node: bool
    resource_pool_names: Sequence[str]
    available_resource_pool_names: Sequence[str]

class Cluster:
    name: str
    orgs: Sequence[str]
    registry_url: URL
    storage_url: URL
    users_url: URL
    monitoring_url: URL
    secrets_url: URL
    disks_url: URL
    buckets_url: URL
    resource_pools: Mapping[str, ResourcePool]
    presets: Mapping[str, Preset]

class Project:
    cluster_name: str
    org_name: Optional[str]
    name: str
    role: str

class EnvParseResult:
    env: Mapping[str, str]
    secret_env: Mapping[str, URL]

class VolumeParseResult:
    volumes: Sequence[Volume]
    secret_files: Sequence[SecretFile]
    disk_volumes: Sequence[DiskVolume]
"""

# Attributes of what holds a connection or a login: that they are there; what they tell is tested where it is.
LIVE_ATTRIBUTES = {
    "Client": "jobs config parse username cluster_name presets __enter__ __exit__",
    "JobsClient": "config parse __enter__ __exit__",
    "Config": "api_url path username cluster_name org_name project_name project_name_or_raise clusters "
    "projects presets resource_pools available_orgs cluster_orgs cluster_org_projects monitoring_url",
    "Factory": "path is_config_present login login_headless login_with_token "
    "login_with_passed_config logout get",
    "StdStream": "exit_code __iter__ __next__ __enter__ __exit__",
    "LogStream": "cursor job __iter__ __next__ __enter__ __exit__",
    "PortForward": "local_port job_port connections last_error __enter__ __exit__",
    "Parser": "str_to_uri normalize_uri",
    "JobDescription": "to_json from_json to_dict from_dict schema _repr_html_",
    "JobListing": "_repr_html_",
    "LocalPlatform": "api_url token data_dir __enter__ __exit__",
}

# What is there where the user, or the server, says nothing.
UNSET = {
    "Container": {
        "entrypoint": None,
        "command": None,
        "http": None,
        "env": {},
        "volumes": [],
        "secret_env": {},
        "secret_files": [],
        "disk_volumes": [],
    },
    "JobDescription": {
        "name": None,
        "tags": (),
        "description": None,
        "http_url": URL(),
        "life_span": None,
        "schedule_timeout": None,
        "priority": neuro_sync.JobPriority.NORMAL,
        "restart_policy": JobRestartPolicy.NEVER,
        "org_name": None,
    },
    "JobStatusHistory": {
        "description": "",
        "exit_code": None,
        "started_at": None,
        "finished_at": None,
    },
    "JobTelemetry": {"gpu_duty_cycle": None, "gpu_memory": None},
    "Resources": {"gpu": None, "gpu_model": None, "tpu_type": None, "tpu_software_version": None},
}

# name: is_pending, is_running, is_finished
STATUSES = {
    "PENDING": (True, False, False),
    "RUNNING": (False, True, False),
    "SUSPENDED": (True, False, False),
    "SUCCEEDED": (False, False, True),
    "CANCELLED": (False, False, True),
    "FAILED": (False, False, True),
    "UNKNOWN": (False, False, False),
}
ITEMS = {
    "items": "PENDING RUNNING SUSPENDED SUCCEEDED CANCELLED FAILED",
    "active_items": "PENDING SUSPENDED RUNNING",
    "finished_items": "SUCCEEDED CANCELLED FAILED",
}
MEMBERS = {
    "JobRestartPolicy": {"NEVER": "never", "ON_FAILURE": "on-failure", "ALWAYS": "always"},
    "JobPriority": {"LOW": 1, "NORMAL": 2, "HIGH": 3},
    "TagOption": {"ALLOW": 1, "DENY": 2, "DEFAULT": 3},
}

# name: classes of ours and of Python above it, attributes of its own
ERRORS = {
    "NeuroError": ("Exception", ""),
    "ClientError": ("NeuroError", ""),
    "AuthError": ("ClientError", ""),
    "AuthenticationError": ("AuthError", ""),
    "AuthorizationError": ("AuthError", "missing"),
    "IllegalArgumentError": ("NeuroError ValueError", "payload"),
    "ResourceNotFound": ("NeuroError ValueError", ""),
    "BadGateway": ("ServerError ValueError", ""),
    "ServerNotAvailable": ("ServerError ValueError", "retry_after"),
    "NDJSONError": ("NeuroError ValueError", ""),
    "StdStreamError": ("NeuroError", "exit_code"),
    "ConfigError": ("NeuroError RuntimeError", ""),
    "ConnectionFailed": ("NeuroError ConnectionError", ""),
    "RateLimited": ("NeuroError", "retry_after"),
    "ServerError": ("NeuroError", ""),
    "Conflict": ("NeuroError", ""),
    "JobNotFound": ("ResourceNotFound IllegalArgumentError", "payload"),
    "OutcomeUnknown": ("NeuroError", ""),
    "ConcurrentRead": ("NeuroError RuntimeError", ""),
    "StreamClosed": ("NeuroError BrokenPipeError", ""),
    "ProtocolError": ("NeuroError", ""),
    "JobWaitTimeout": ("NeuroError TimeoutError", "job"),
    "JobFailed": ("NeuroError", "job"),
    "JobFinished": ("NeuroError", "job"),
    "LogGap": ("NeuroError", "after before reason"),
    "ImageSaveError": ("NeuroError", ""),
    "ExecTimeout": ("NeuroError TimeoutError", "stdout stderr"),
}

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
SERVER_SAYS_ALL = {
    "id": "job-1",
    "owner": "alice",
    "cluster_name": "default",
    "org_name": "acme",
    "project_name": "vision",
    "namespace": "ns",
    "uri": "job://default/acme/vision/job-1",
    "name": "train",
    "tags": ["a"],
    "description": "nightly",
    "status": "failed",
    "statuses": [
        {
            "status": "failed",
            "transition_time": NOON.isoformat(),
            "reason": "Error",
            "description": "it broke",
            "exit_code": 1,
        }
    ],
    "history": {
        "status": "failed",
        "reason": "Error",
        "description": "it broke",
        "exit_code": 1,
        "restarts": 2,
        "created_at": NOON.isoformat(),
        "started_at": NOON.isoformat(),
        "finished_at": NOON.isoformat(),
        "run_time_seconds": 1.5,
    },
    "container": {
        "image": "ubuntu",
        "entrypoint": "sh",
        "command": "true",
        "working_dir": "/srv",
        "tty": True,
        "http": {"port": 80, "requires_auth": True},
        "env": {"A": "1"},
        "volumes": [{"src_storage_uri": "storage://c/o/p", "dst_path": "/s", "read_only": True}],
        "secret_env": {"S": "secret://c/o/p/s"},
        "secret_volumes": [{"src_secret_uri": "secret://c/o/p/s", "dst_path": "/k"}],
        "disk_volumes": [{"src_disk_uri": "disk://c/o/p/d", "dst_path": "/d", "read_only": True}],
        "resources": {
            "cpu": 1.0,
            "memory": 2**30,
            "shm": True,
            "nvidia_gpu": 1,
            "nvidia_gpu_model": "nvidia-v100",
            "amd_gpu": 1,
            "amd_gpu_model": "mi250",
            "intel_gpu": 1,
            "intel_gpu_model": "flex",
            "nvidia_migs": {"1g.5gb": {"count": 1}},
            "tpu": {"type": "v2-8", "software_version": "1.14"},
        },
    },
    "scheduler_enabled": True,
    "preemptible_node": True,
    "pass_config": True,
    "privileged": True,
    "http_url": "https://job-1.example",
    "internal_hostname": "job-1.ns",
    "internal_hostname_named": "train.ns",
    "max_run_time_minutes": 60,
    "schedule_timeout": 30.0,
    "preset_name": "cpu-small",
    "priority": "high",
    "restart_policy": "always",
    "energy_schedule_name": "default",
    "total_price_credits": "1.5",
    "price_credits_per_hour": "10",
}
SERVER_SAYS_LITTLE = {
    "id": "job-1",
    "status": "pending",
    "statuses": [],
    "history": {"status": "pending", "created_at": NOON.isoformat()},
    "container": {"image": "ubuntu", "resources": {"cpu": 1.0, "memory": 2**30}},
}
PRESET = {
    "credits_per_hour": "10",
    "cpu": 1.0,
    "memory": 2**30,
    "nvidia_gpu": {"count": 1, "model": "nvidia-v100"},
    "scheduler_enabled": True,
    "preemptible_node": True,
    "resource_pool_names": ["gpu"],
    "available_resource_pool_names": ["gpu"],
}


def _objects(payload, telemetry):
    """An object of each data class, by the name of its class."""
    job = neuro_sync.JobDescription.from_dict(payload)
    container = job.container
    found = [job, job.history, container, container.resources]
    found += [container.http, *container.volumes, *container.secret_files, *container.disk_volumes]
    found += [*job.history.transitions, neuro_sync.JobTelemetry.from_dict(telemetry)]
    return {type(item).__name__: item for item in found if item is not None}


def _more_objects():
    url = "https://x.example"
    services = "registry storage users monitoring secrets disks buckets".split()
    cluster = {
        "name": "default",
        "orgs": ["acme"],
        "resource_presets": [{"name": "gpu", **PRESET}],
        "resource_pool_types": [{"name": "gpu"}],
        **{name + "_url": url for name in services},
    }
    secret = URL("secret://c/o/p/s")
    found = [
        neuro_sync.RemoteImage.new_platform_image(
            "a", "reg", cluster_name="c", org_name="o", project_name="p", tag="v1"
        ),
        neuro_sync.LocalImage("a", "v1"),
        neuro_sync.Message(1, b"x"),
        neuro_sync.ExecResult(0, b"", b""),
        neuro_sync.Preset.from_dict(PRESET),
        neuro_sync.Cluster.from_dict(cluster),
        neuro_sync.Project("default", "acme", "vision", "writer"),
        neuro_sync.EnvParseResult({"A": "1"}, {"B": secret}),
        neuro_sync.VolumeParseResult(
            [neuro_sync.Volume(URL("storage://c/o/p"), "/s")],
            [neuro_sync.SecretFile(secret, "/k")],
            [neuro_sync.DiskVolume(URL("disk://c/o/p/d"), "/d")],
        ),
    ]
    return {type(item).__name__: item for item in found}


FULL = {
    **_objects(
        SERVER_SAYS_ALL,
        {
            "cpu": 0.5,
            "memory_bytes": 2**20,
            "timestamp": 1.5,
            "gpu_duty_cycle": 50,
            "gpu_memory_bytes": 2**21,
        },
    ),
    **_more_objects(),
}
EMPTY = _objects(SERVER_SAYS_LITTLE, {"cpu": 0.5, "memory_bytes": 2**20, "timestamp": 1.5})
NAMES = {
    **{name: getattr(typing, name) for name in "Iterable Mapping Optional Sequence Set".split()},
    **{name: getattr(neuro_sync, name) for name in neuro_sync.__all__},
    "Decimal": Decimal,
    "URL": URL,
    "datetime": datetime,
}


def _classes(stub):
    return {node.name: node.body for node in ast.parse(stub).body}


def _evaluated(node):
    return eval(compile(ast.Expression(node), "<table>", "eval"), dict(NAMES))


def _methods(stub):
    return [
        pytest.param(class_name, node, id="{}.{}".format(class_name, node.name))
        for class_name, body in _classes(stub).items()
        for node in body
    ]


def _attributes(stub):
    return [
        pytest.param(
            class_name, node.target.id, node.annotation, id=class_name + "." + node.target.id
        )
        for class_name, body in _classes(stub).items()
        for node in body
    ]


def _parameters(node):
    """``name: (kind, default)`` of a stub, in order."""
    arguments = node.args
    empty = inspect.Parameter.empty
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    without = [None] * (len(arguments.args) - len(arguments.defaults))
    pairs = list(zip(arguments.args, [*without, *arguments.defaults]))
    found = {arg.arg: (kind, empty if d is None else _evaluated(d)) for arg, d in pairs}
    for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        value = empty if default is None else _evaluated(default)
        found[arg.arg] = (inspect.Parameter.KEYWORD_ONLY, value)
    if arguments.kwarg is not None:
        found[arguments.kwarg.arg] = (inspect.Parameter.VAR_KEYWORD, empty)
    found.pop("self", None)
    return found


def _our_parameters(class_name, method):
    cls = LocalPlatform if class_name == "LocalPlatform" else getattr(neuro_sync, class_name)
    found = inspect.signature(getattr(cls, method)).parameters
    return {name: (p.kind, p.default) for name, p in found.items() if name != "self"}


def _takes(wide, narrow):
    """Whether all that is of the type ``narrow`` is of the type ``wide`` too."""
    origin, other = getattr(wide, "__origin__", wide), getattr(narrow, "__origin__", narrow)
    if other is typing.Union:
        return all(_takes(wide, part) for part in narrow.__args__)
    if origin is typing.Union:
        return any(_takes(part, narrow) for part in wide.__args__)
    if not issubclass(other, origin):
        return False
    pairs = zip(getattr(wide, "__args__", ()), getattr(narrow, "__args__", ()))
    return all(_takes(*pair) for pair in pairs)


def _is(value, annotation):
    """Whether a value is what an annotation says."""
    origin = getattr(annotation, "__origin__", None)
    args = getattr(annotation, "__args__", ())
    if origin is typing.Union:
        return any(_is(value, arg) for arg in args)
    if origin is collections.abc.Mapping:
        return isinstance(value, collections.abc.Mapping) and all(
            _is(key, args[0]) and _is(item, args[1]) for key, item in value.items()
        )
    if origin is collections.abc.Sequence:
        return (
            isinstance(value, collections.abc.Sequence)
            and not isinstance(value, str)
            and all(_is(item, args[0]) for item in value)
        )
    if annotation in (int, float, bool):
        # A bool is an int to Python, and not to a reader of the reference.
        return type(value) is annotation
    return isinstance(value, annotation)


@pytest.mark.parametrize(("class_name", "node"), _methods(METHODS) + _methods(LATER_METHODS))
def test_a_method_takes_what_the_table_says(class_name, node):
    ours = _our_parameters(class_name, node.name)
    for name, expected in _parameters(node).items():
        assert name in ours, "{}.{}() has no {!r}".format(class_name, node.name, name)
        assert ours[name] == expected, name


@pytest.mark.parametrize(("class_name", "node"), _methods(METHODS))
def test_a_method_takes_and_gives_the_types_of_the_reference(class_name, node):
    method = getattr(getattr(neuro_sync, class_name), node.name)
    ours = typing.get_type_hints(method, localns=NAMES)
    for argument in [*node.args.args, *node.args.kwonlyargs]:
        if argument.annotation is not None:
            theirs = _evaluated(argument.annotation)
            assert _takes(ours[argument.arg], theirs), argument.arg
    returns = _evaluated(node.returns)
    assert _takes(type(None) if returns is None else returns, ours["return"])


@pytest.mark.parametrize(("class_name", "node"), _methods(METHODS))
def test_arguments_by_position_are_those_of_the_reference(class_name, node):
    by_position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    expected = [name for name, (kind, _) in _parameters(node).items() if kind is by_position]
    ours = _our_parameters(class_name, node.name)
    named = [name for name, (kind, _) in ours.items() if kind is by_position]
    assert named[: len(expected)] == expected
    assert all(ours[name][1] is not inspect.Parameter.empty for name in named[len(expected) :])


def test_a_jobs_client_takes_nothing_that_is_in_no_table():
    known = {}
    for _, node in [param.values for param in _methods(METHODS) + _methods(LATER_METHODS)]:
        known.setdefault(node.name, set()).update(_parameters(node))
    public = [name for name in dir(neuro_sync.JobsClient) if not name.startswith("_")]
    methods = [name for name in public if callable(getattr(neuro_sync.JobsClient, name))]
    assert set(methods) <= set(known)
    for name in methods:
        assert set(_our_parameters("JobsClient", name)) == known[name], name


@pytest.mark.parametrize("node", [p.values[1] for p in _methods(METHODS)], ids=lambda n: n.name)
def test_a_result_is_used_as_the_reference_does(node):
    if node.name not in RESULTS:
        assert not isinstance(node.returns, ast.Name) or node.returns.id == "JobDescription"
        return
    promised = inspect.signature(getattr(neuro_sync.JobsClient, node.name)).return_annotation
    name = promised if isinstance(promised, str) else promised.__name__
    assert name == node.returns.id
    cls = getattr(neuro_sync, name)
    wanted = {"with": ("__enter__", "__exit__"), "iterates": ("__iter__", "__next__")}
    for use in RESULTS[node.name]:
        for method in wanted[use]:
            assert hasattr(cls, method), "{} of {}".format(method, name)


@pytest.mark.parametrize(
    ("class_name", "name", "annotation"), _attributes(ATTRIBUTES) + _attributes(LATER_ATTRIBUTES)
)
def test_an_attribute_is_of_the_type_that_the_table_says(class_name, name, annotation):
    expected = _evaluated(annotation)
    value = getattr(FULL[class_name], name)
    assert _is(value, expected), "{!r} is no {}".format(value, expected)
    if name != "ssh_server":
        assert value not in (None, "", [], {}, ()) or expected == typing.Optional[object]
    if class_name in EMPTY:
        assert _is(getattr(EMPTY[class_name], name), expected)


@pytest.mark.parametrize("class_name", sorted(UNSET))
def test_what_nobody_said_is_what_the_table_says(class_name):
    item = EMPTY[class_name]
    assert {name: getattr(item, name) for name in UNSET[class_name]} == UNSET[class_name]


@pytest.mark.parametrize(
    ("class_name", "name"),
    [(cls, name) for cls, names in LIVE_ATTRIBUTES.items() for name in names.split()],
)
def test_a_live_object_has_the_attribute(class_name, name):
    cls = LocalPlatform if class_name == "LocalPlatform" else getattr(neuro_sync, class_name)
    set_by_init = "self.{} = ".format(name) in inspect.getsource(cls)
    assert hasattr(cls, name) or set_by_init


@pytest.mark.parametrize("class_name", sorted(_classes(ATTRIBUTES)))
def test_data_is_read_only(class_name):
    item = FULL[class_name]
    assert dataclasses.is_dataclass(item)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(item, dataclasses.fields(item)[0].name, None)


@pytest.mark.parametrize("class_name", sorted(set(FULL) - {"EnvParseResult", "VolumeParseResult"}))
def test_data_turns_into_json_and_back(class_name):
    for item in (FULL[class_name], EMPTY.get(class_name, FULL[class_name])):
        cls = type(item)
        assert cls.from_json(item.to_json()) == item
        assert cls.from_dict(item.to_dict()) == item
        assert cls.schema().loads(cls.schema().dumps(item)) == item
        assert cls.from_dict({**item.to_dict(), "of_a_newer_server": {"x": [1]}}) == item


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_a_status_has_its_flags(name):
    status = getattr(JobStatus, name)
    assert (status.is_pending, status.is_running, status.is_finished) == STATUSES[name]
    assert status.value == name.lower()


def test_there_are_no_other_statuses():
    assert set(JobStatus.__members__) == set(STATUSES)
    for method, names in ITEMS.items():
        assert getattr(JobStatus, method)() == {JobStatus[name] for name in names.split()}


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_an_enumeration_has_its_members(name):
    members = getattr(neuro_sync, name).__members__
    assert {key: member.value for key, member in members.items()} == MEMBERS[name]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_has_its_bases_and_its_facts(name):
    above, attributes = ERRORS[name]
    cls = getattr(neuro_sync, name)
    for base in above.split():
        builtin = getattr(__import__("builtins"), base, None)
        assert issubclass(cls, builtin or getattr(neuro_sync, base)), base
    error = cls(1) if name == "StdStreamError" else cls("no")
    for attribute in ["status", "method", "url", "attempts", *attributes.split()]:
        assert hasattr(error, attribute), attribute


def test_there_are_no_other_errors():
    public = [getattr(neuro_sync, name) for name in neuro_sync.__all__]
    errors = {c.__name__ for c in public if isinstance(c, type) and issubclass(c, Exception)}
    assert errors == set(ERRORS)


@pytest.mark.parametrize("cls", [RetryPolicy, Timeout])
def test_a_policy_is_a_frozen_value(cls):
    value = cls()
    assert value == cls()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, 1)


def test_resources_speak_the_words_of_the_reference_and_those_of_today():
    old = neuro_sync.Resources(memory_mb=1024, cpu=1.0, gpu=1, gpu_model="nvidia-v100")
    new = neuro_sync.Resources(2**30, 1.0, nvidia_gpu=1, nvidia_gpu_model="nvidia-v100")
    assert old == new
    assert (new.memory_mb, new.gpu, new.gpu_model) == (1024, 1, "nvidia-v100")
    assert old.shm is True


def test_telemetry_is_in_mebibytes():
    sample = neuro_sync.JobTelemetry(cpu=0.5, memory=512.0, timestamp=1.0, gpu_memory=2.0)
    assert (sample.memory, sample.memory_bytes) == (512.0, 512 * 2**20)
    assert (sample.gpu_memory, sample.gpu_memory_bytes) == (2.0, 2 * 2**20)


def test_volumes_are_for_reading_and_writing_unless_it_is_said():
    uri = URL("storage:data")
    assert neuro_sync.Volume(storage_uri=uri, container_path="/data").read_only is False
    assert neuro_sync.DiskVolume(disk_uri=URL("disk:d"), container_path="/d").read_only is False
    assert neuro_sync.HTTPPort(port=80).requires_auth is True


def test_images_are_made_as_in_the_asyncio_sdk():
    image = neuro_sync.RemoteImage.new_platform_image(
        "bert", "reg.example", cluster_name="c", org_name="o", project_name="p", tag="v1"
    )
    assert image.as_docker_url() == "reg.example/o/p/bert:v1"
    assert image.as_docker_url(with_scheme=True) == "https://reg.example/o/p/bert:v1"
    external = neuro_sync.RemoteImage.new_external_image("ubuntu", tag="22.04")
    assert external.as_docker_url(with_scheme=True) == "ubuntu:22.04"


def test_times_are_aware_and_life_spans_are_seconds():
    job = FULL["JobDescription"]
    assert job.life_span == 3600.0
    for moment in (job.history.created_at, job.history.transitions[0].transition_time):
        assert moment.utcoffset() == timedelta(0)


def test_a_factory_knows_its_path():
    assert neuro_sync.Factory("~/nowhere").path == Path("~/nowhere").expanduser()
