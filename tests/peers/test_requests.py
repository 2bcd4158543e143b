"""For the same arguments a server sees the same requests from the platform's own SDK and from us."""

import inspect

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_sync import JobsClient

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


def _start(**arguments):
    return {"method": "start", "arguments": {**START, **arguments}}


def _run(**arguments):
    return {"method": "run", "arguments": {"container": CONTAINER, **arguments}}


def _run_container(**changes):
    return _run(container={**CONTAINER, **changes})


def _list(**arguments):
    return {"method": "list", "arguments": arguments}


def _status(*names):
    return [{"$enum": "JobStatus", "member": name} for name in names]


def _job(method, **arguments):
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
_OF_RUN = (
    "name tags description pass_config wait_for_jobs_quota schedule_timeout restart_policy life_span "
    "org_name priority project_name"
).split()
_OF_CONTAINER = (
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

CASES = [_start(), _run()]
CASES += [_start(**{name: value}) for name, values in PARAMETERS.items() for value in values]
CASES += [_run(**{name: value}) for name in _OF_RUN for value in PARAMETERS[name]]
CASES += [_run(scheduler_enabled=True)]
CASES += [_run_container(**{name: value}) for name in _OF_CONTAINER for value in PARAMETERS[name]]
CASES += [
    _run_container(resources={**CONTAINER["resources"], **resources}) for resources in RESOURCES
]
CASES += [
    _list(),
    _list(statuses=_status("RUNNING")),
    _list(statuses=_status("PENDING", "SUSPENDED", "FAILED", "CANCELLED", "SUCCEEDED")),
    _list(name="my-job"),
    _list(name=""),
    _list(tags=["a", "b&c"]),
    _list(owners=["alice", "bob/service-accounts/ci"]),
    _list(since=MOMENT),
    _list(until=MOMENT),
    _list(since=EAST, until=EAST),
    _list(since=NAIVE),
    _list(reverse=True),
    _list(limit=5),
    _list(cluster_name="second"),
    _list(org_names=["other", "acme"]),
    _list(project_names=["vision", "zoo"]),
    _job("status"),
    _job("kill"),
    _job("send_signal"),
    _job("send_signal", cluster_name="second"),
    {"method": "get_capacity"},
    {"method": "get_capacity", "arguments": {"cluster_name": "second"}},
    _job("bump_life_span", additional_life_span=60),
    _job("bump_life_span", additional_life_span=3599.0),
    _job("top"),
    _job("top", cluster_name="second"),
    _job("save", image={"$image": "image:mine:v1"}),
    _job("save", image={"$image": "image:/zoo/mine:v1"}),
    _job("save", image={"$image": "image://second/zoo/mine:v1"}, cluster_name="second"),
    _job("exec", cmd="true"),
    _job("exec", cmd="true", stdout=True),
    _job("exec", cmd="sh -c 'a + b & c'", stdin=True, stdout=True, stderr=True),
    _job("exec", cmd="sh", tty=True, stdin=True, stdout=True),
    _job("exec", cmd="true", stdout=True, cluster_name="second"),
    _job("exec", cmd="echo \u00e9\u4e2d", stdout=True),
    _job("attach"),
    _job("attach", stdout=True),
    _job("attach", tty=True, stdin=True, stdout=True),
    _job("attach", stderr=True, cluster_name="second"),
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
            _job("monitor"),
            _job("monitor", since=MOMENT),
            _job("monitor", since=EAST),
            _job("monitor", separator="=== x+y"),
            _job("monitor", timestamps=True),
            _job("monitor", debug=True),
            _job("monitor", cluster_name="second"),
        ],
        "a log is always asked for with time stamps, with a separator that is known, and in UTC, so that it can "
        "be taken up again where it broke",
    ),
    "forward": (
        [
            _job("port_forward", job_port=80),
            _job("port_forward", job_port=80, cluster_name="second"),
            _job("port_forward", job_port=65535, no_key_check=True),
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
        [_start(image={"$image": "localhost:5000/a/b:t"})],
        "the registry is part of the image's name; the other client loses it",
    ),
    "another organisation's image": (
        [_start(image={"$image": "image://default/other/vision/mine:1"})],
        "an organisation that the cluster has is taken for one; the other client takes it for a project",
    ),
    "relative URIs elsewhere": (
        [
            _start(project_name="zoo", volumes=[VOLUME]),
            _start(cluster_name="second", secret_env={"K": {"$url": "secret:key"}}),
        ],
        "a relative URI is meant where the job runs, or the server refuses it",
    ),
    "what no server accepts": (
        [
            _start(life_span=30.0),
            _job("bump_life_span", additional_life_span=59),
            _job("exec", cmd="", stdout=True),
        ],
        "refused with a reason before anything is sent",
    ),
    "a schedule timeout of 0": (
        [_start(schedule_timeout=0.0)],
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


def _name(order):
    arguments = {
        name: value
        for name, value in order.get("arguments", {}).items()
        if START.get(name) != value
    }
    return "{}-{}".format(order["method"], arguments)[:120]


def _comparable(requests):
    """Without what differs between the libraries and means nothing."""
    result = []
    for request in requests:
        request = dict(request, headers=dict(request["headers"]))
        if request["websocket"]:
            request["headers"].pop("Accept", None)
        if request["body"] is None:
            request["headers"].pop("Content-Type", None)
        result.append(request)
    return result


def _compare(both, order):
    both.comparisons += 1
    theirs, their_requests = both.peer(order)
    ours, our_requests = both.us(order)
    return (theirs, _comparable(their_requests)), (ours, _comparable(our_requests))


def _assert_same(both, order):
    (theirs, their_requests), (ours, our_requests) = _compare(both, order)
    assert our_requests == their_requests, (theirs, ours)
    assert their_requests, "nothing was sent: {}".format(theirs)


@pytest.mark.parametrize("order", CASES, ids=_name)
def test_a_server_sees_the_same(newest, order):
    _assert_same(newest, order)


@pytest.mark.parametrize(
    "order",
    [order for orders, _ in DELIBERATE.values() for order in orders],
    ids=_name,
)
def test_a_deliberate_difference_is_still_one(newest, order):
    (_, theirs), (_, ours) = _compare(newest, order)
    assert ours != theirs, "no difference any more: take it out of the table"


@pytest.mark.parametrize("method", METHODS)
def test_the_table_has_every_parameter(method):
    given = set()
    for order in [*CASES, *(order for orders, _ in DELIBERATE.values() for order in orders)]:
        if order["method"] == method:
            given |= set(order.get("arguments", ()))
    parameters = set(inspect.signature(getattr(JobsClient, method)).parameters) - {"self"}
    assert parameters == given | NOT_SENT.get(method, set())


def test_the_table_has_every_method():
    ours_alone = {"as_completed", "close", "exec_run", "interact", "start_and_wait", "wait"}
    methods = {
        name
        for name in dir(JobsClient)
        if not name.startswith("_") and callable(getattr(JobsClient, name))
    }
    assert methods == set(METHODS) | ours_alone


def test_a_log_is_asked_for_in_the_same_place(newest):
    """All that differs is the query."""
    for order in DELIBERATE["log"][0]:
        (_, theirs), (_, ours) = _compare(newest, order)
        for request in (*theirs, *ours):
            request["query"] = [
                (key, value)
                for key, value in request["query"]
                if key == "debug" or (key == "separator" and "separator" in order["arguments"])
            ]
        assert ours == theirs


def test_a_forward_dials_the_same(newest):
    for order in DELIBERATE["forward"][0]:
        (_, theirs), (_, ours) = _compare(newest, order)
        assert ours[1:] == theirs


# cluster_name, project_name and org_name decide what is relative, which is a difference of its own.
_COMBINED = sorted(set(PARAMETERS) - {"cluster_name", "project_name", "org_name", "image"})


def _drawn(max_examples):
    return settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def _any_of(names):
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(PARAMETERS[name]) for name in names}
    )


# They decide what is relative, which is a difference of its own.
_PLACES = {"cluster_name", "project_name", "org_name"}


@_drawn(150)
@given(chosen=_any_of(sorted(set(PARAMETERS) - _PLACES - {"image"})))
def test_a_server_sees_the_same_for_any_combination(newest, chosen):
    _assert_same(newest, _start(**chosen))


@_drawn(80)
@given(
    chosen=_any_of(sorted(set(_OF_RUN) - _PLACES)),
    container=_any_of(_OF_CONTAINER),
    resources=st.sampled_from([{}, *RESOURCES]),
)
def test_a_server_sees_the_same_for_any_container(newest, chosen, container, resources):
    order = _run_container(**container, resources={**CONTAINER["resources"], **resources})
    order["arguments"].update(chosen)
    _assert_same(newest, order)


_TEXTS = st.lists(st.text(min_size=1, max_size=5), max_size=3)
_MOMENTS = st.sampled_from([MOMENT, EAST, NAIVE])


@_drawn(80)
@given(
    filters=st.fixed_dictionaries(
        {},
        optional={
            "statuses": st.lists(
                st.sampled_from(_status("PENDING", "SUSPENDED", "RUNNING", "SUCCEEDED", "FAILED")),
                max_size=3,
            ),
            "name": st.text(max_size=5),
            "tags": _TEXTS,
            "owners": _TEXTS,
            "since": _MOMENTS,
            "until": _MOMENTS,
            "reverse": st.booleans(),
            "limit": st.integers(1, 10**9),
            "cluster_name": st.sampled_from(["default", "second"]),
            "org_names": _TEXTS,
            "project_names": _TEXTS,
        },
    )
)
def test_a_server_sees_the_same_for_any_filters(newest, filters):
    _assert_same(newest, _list(**filters))


@_drawn(20)
@given(
    method=st.sampled_from(["exec", "attach"]),
    streams=st.fixed_dictionaries(
        {name: st.booleans() for name in ("tty", "stdin", "stdout", "stderr")}
    ),
)
def test_a_server_sees_the_same_for_any_streams(newest, method, streams):
    cmd = {"cmd": "true"} if method == "exec" else {}
    _assert_same(newest, _job(method, **cmd, **streams))


@_drawn(60)
@given(
    cmd=st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1
    ).filter(str.strip)
)
def test_any_command_arrives_as_it_is(newest, cmd):
    _assert_same(newest, _job("exec", cmd=cmd, stdout=True))


@_drawn(60)
@given(
    env=st.dictionaries(
        st.text("ABC_", min_size=1),
        st.text(st.characters(blacklist_categories=("Cs",))),
        max_size=4,
    )
)
def test_any_environment_arrives_as_it_is(newest, env):
    _assert_same(newest, _start(env=env))


@_drawn(40)
@given(
    id=st.text(
        st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1
    ).filter(lambda id: id.strip("."))
)
def test_any_id_stays_one_segment(newest, id):
    _assert_same(newest, {"method": "status", "arguments": {"id": id}})


REFUSED = [
    _start(image={"$image": "-a"}),
    _start(volumes=[{**VOLUME, "storage_uri": {"$url": "secret:data"}}]),
    _start(volumes=[{**VOLUME, "storage_uri": {"$url": "storage:~a"}}]),
    _start(volumes=[{**VOLUME, "storage_uri": {"$url": "storage:a?b"}}]),
    _start(disk_volumes=[{**DISK, "disk_uri": {"$url": "storage:d"}}]),
    _start(secret_files=[{**SECRET, "secret_uri": {"$url": "secret:a#b"}}]),
    _start(secret_env={"K": {"$url": "storage:key"}}),
    _run_container(volumes=[{**VOLUME, "storage_uri": {"$url": "disk:data"}}]),
]


@pytest.mark.parametrize("order", REFUSED, ids=_name)
def test_what_can_not_be_right_is_not_sent(newest, order):
    (theirs, their_requests), (ours, our_requests) = _compare(newest, order)
    assert "ValueError" in theirs["bases"]
    assert "ValueError" in ours["bases"], ours
    assert their_requests == our_requests == []
