"""What a request to start a job may look like: each rule, over HTTP."""

import pytest

from .api import SMALL

RESOURCES = {"cpu": 0.1, "memory": 64 * 2**20}
CLUSTER = "local"


def flat(**fields):
    return {**SMALL, "command": "true", **fields}


def nested(container=(), resources=(), **fields):
    inner = {"image": "ubuntu", "command": "true", "resources": {**RESOURCES, **dict(resources)}}
    return {"container": {**inner, **dict(container)}, **fields}


def without(body, key):
    return {name: value for name, value in body.items() if name != key}


def volume(path="a", dst="/mnt/x", cluster=CLUSTER, **fields):
    uri = "storage://{}/org/{}".format(cluster, path)
    return {"src_storage_uri": uri, "dst_path": dst, **fields}


REFUSED = [
    # Unknown keys, wherever they are
    ("no_such_key", {"no_such_key": 1}),
    ("container", {"container": {"image": "ubuntu"}}),
    ("resources", {"resources": {"shm": True, "cpu": 1}}),
    ("http", {"http": {"port": 80, "host": "x"}}),
    ("volumes", {"volumes": [volume(mode="rw")]}),
    (
        "secret_volumes",
        {
            "secret_volumes": [
                {"src_secret_uri": "secret://local/o/k", "dst_path": "/k", "read_only": True}
            ]
        },
    ),
    # Names
    ("name", {"name": ""}),
    ("name", {"name": "ab"}),
    ("name", {"name": "a" * 41}),
    ("name", {"name": "Upper"}),
    ("name", {"name": "1abc"}),
    ("name", {"name": "a--b"}),
    ("name", {"name": "abc-"}),
    ("name", {"name": "a_b"}),
    ("name", {"name": "abc\n"}),
    ("name", {"name": "job-mine"}),
    ("name", {"name": 5}),
    ("project_name", {"project_name": "ab"}),
    ("project_name", {"project_name": "a" * 256}),
    ("cluster_name", {"cluster_name": "Local"}),
    ("org_name", {"org_name": "an org"}),
    # Tags
    ("tags", {"tags": ["tag{}".format(number) for number in range(17)]}),
    ("tags", {"tags": [""]}),
    ("tags", {"tags": ["a b"]}),
    ("tags", {"tags": ["a\tb"]}),
    ("tags", {"tags": ["a" * 257]}),
    ("tags", {"tags": "one"}),
    ("tags", {"tags": [1]}),
    # Texts that must not be blank
    ("description", {"description": ""}),
    ("preset_name", {"preset_name": ""}),
    ("image", {"image": ""}),
    ("command", {"command": ""}),
    ("entrypoint", {"entrypoint": ""}),
    ("working_dir", {"working_dir": ""}),
    ("env", {"env": {"": "x"}}),
    # Words, as a shell has them
    ("command", {"command": "echo 'no end"}),
    ("entrypoint", {"entrypoint": 'sh -c "'}),
    ("command", {"command": "trailing \\"}),
    # What no process can be given
    ("command", {"command": "echo 'a\0b'"}),
    ("command", {"command": "echo \ud800"}),
    ("entrypoint", {"entrypoint": "a\0b"}),
    ("working_dir", {"working_dir": "/no\0where"}),
    ("working_dir", {"working_dir": "/\ud800"}),
    ("env", {"env": {"A": "a\0b"}}),
    ("env", {"env": {"A\0": "b"}}),
    ("env", {"env": {"A": "\ud800"}}),
    ("dst_path", {"volumes": [volume(dst="/a\0b")]}),
    # Numbers
    ("schedule_timeout", {"schedule_timeout": 0.5}),
    ("schedule_timeout", {"schedule_timeout": 30 * 24 * 3600}),
    ("schedule_timeout", {"schedule_timeout": "soon"}),
    ("schedule_timeout", {"schedule_timeout": "nan"}),
    ("max_run_time_minutes", {"max_run_time_minutes": 0}),
    ("max_run_time_minutes", {"max_run_time_minutes": -5}),
    ("max_run_time_minutes", {"max_run_time_minutes": 1.5}),
    ("max_run_time_minutes", {"max_run_time_minutes": "1.5"}),
    ("port", {"http": {"port": 65536}}),
    ("port", {"http": {"port": -1}}),
    ("port", {"http": {}}),
    # Choices
    ("restart_policy", {"restart_policy": "sometimes"}),
    ("priority", {"priority": "urgent"}),
    # Booleans are true and false, and nothing else
    ("pass_config", {"pass_config": 1}),
    ("tty", {"tty": "true"}),
    ("wait_for_jobs_quota", {"wait_for_jobs_quota": "yes"}),
    ("privileged", {"privileged": 0}),
    ("shm", {"resources": {"shm": 1}}),
    ("requires_auth", {"http": {"port": 80, "requires_auth": "no"}}),
    # Paths
    ("working_dir", {"working_dir": "relative"}),
    ("dst_path", {"volumes": [volume(dst="relative")]}),
    ("dst_path", {"volumes": [volume(dst="/a/../b")]}),
    ("volumes", {"volumes": [volume("a"), volume("b")]}),
    # URIs
    ("src_storage_uri", {"volumes": [{"src_storage_uri": "disk://local/o/d", "dst_path": "/d"}]}),
    ("src_storage_uri", {"volumes": [volume("a?b")]}),
    ("src_storage_uri", {"volumes": [volume("a?")]}),
    ("src_storage_uri", {"volumes": [volume("a#b")]}),
    ("src_storage_uri", {"volumes": [volume("a#")]}),
    ("src_storage_uri", {"volumes": [volume("a/../b")]}),
    ("src_storage_uri", {"volumes": [volume("a/%2E%2e/b")]}),
    ("cluster", {"volumes": [volume(cluster="other")]}),
    ("secret_env", {"secret_env": {"A": "secret://local/k"}}),
    ("secret_env", {"secret_env": {"A": "storage://local/o/k"}}),
    ("cluster", {"secret_env": {"A": "secret://other/o/k"}}),
    (
        "secret_volumes",
        {"secret_volumes": [{"src_secret_uri": "secret://local/k", "dst_path": "/k"}]},
    ),
    ("disk_volumes", {"disk_volumes": [{"src_disk_uri": "disk://local/d", "dst_path": "/d"}]}),
    # What the preset and the cluster allow
    ("Preset", {"preset_name": "no-such-preset"}),
    ("NEURO_PASSED_CONFIG", {"pass_config": True, "env": {"NEURO_PASSED_CONFIG": "x"}}),
    ("Energy schedule", {"energy_schedule_name": "no-such"}),
    ("scheduler_enabled", {"energy_schedule_name": "default"}),
]


@pytest.mark.parametrize(("word", "fields"), REFUSED, ids=lambda value: ascii(value)[:60])
def test_what_start_refuses(api, word, fields):
    error = api.error(api.post(flat(**fields)), 400)
    assert word in error


@pytest.mark.parametrize(
    "field",
    [
        *["project_name", "cluster_name", "org_name", "preset_name", "tags", "description"],
        *["schedule_timeout", "restart_policy", "max_run_time_minutes", "wait_for_jobs_quota"],
        *["privileged", "priority", "energy_schedule_name", "pass_config", "image", "entrypoint"],
        *["command", "working_dir", "http", "env", "volumes", "secret_env", "secret_volumes"],
        *["disk_volumes", "tty", "resources", "scheduler_enabled", "preemptible_node"],
    ],
)
def test_null_is_no_value(api, field):
    assert field in api.error(api.post(flat(**{field: None})), 400)


def test_a_name_may_be_null(api):
    assert "name" not in api.start("true", name=None)


def test_an_error_of_validation_is_the_text_of_a_dict(api):
    error = api.error(api.post(flat(name="x", max_run_time_minutes=0)), 400)
    assert error.startswith("{'")
    assert "'name': DataError(" in error
    assert "'max_run_time_minutes': DataError(" in error


@pytest.mark.parametrize("body", [b"{", b"", b"nothing", b"\xff"])
def test_a_body_that_is_not_json(api, body):
    response = api.call("POST", "/jobs?from_preset", data=body)
    assert "JSON" in api.error(response, 400)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
def test_a_body_that_is_no_object(api, body):
    assert "dict" in api.error(api.call("POST", "/jobs?from_preset", data=body), 400)


def test_a_body_without_an_image(api):
    assert "image" in api.error(api.post(without(flat(), "image")), 400)


def test_the_first_preset_is_the_default_one(api):
    job = api.post(without(flat(), "preset_name")).json()
    assert job["preset_name"] == "cpu-small"
    assert job["price_credits_per_hour"] == "0.1"


def test_the_value_of_from_preset_does_not_count(api):
    for query in ("from_preset=", "from_preset=false", "a=b&from_preset"):
        response = api.post(flat(), "/jobs?" + query)
        assert response.status_code == 202, response.text


@pytest.mark.parametrize(
    ("fields", "key", "expected"),
    [
        ({"tags": ["b", "a", "b"]}, "tags", ["a", "b"]),
        ({"max_run_time_minutes": "5"}, "max_run_time_minutes", 5),
        ({"max_run_time_minutes": 5.0}, "max_run_time_minutes", 5),
        ({"schedule_timeout": "1.5"}, "schedule_timeout", 1.5),
        ({"schedule_timeout": 60}, "schedule_timeout", 60.0),
        ({"description": "some text"}, "description", "some text"),
        ({"name": "a-1"}, "name", "a-1"),
        ({"name": "a" * 40}, "name", "a" * 40),
        ({"priority": "high"}, "priority", "high"),
        ({"restart_policy": "on-failure"}, "restart_policy", "on-failure"),
        ({"scheduler_enabled": True, "preemptible_node": True}, "scheduler_enabled", False),
        ({"is_preemptible": True}, "preemptible_node", False),
        ({"project_name": "local-project"}, "project_name", "local-project"),
    ],
    ids=str,
)
def test_what_start_makes_of_a_field(api, fields, key, expected):
    job = api.start("true", **fields)
    assert job[key] == expected
    assert type(job[key]) is type(expected)


@pytest.mark.parametrize(
    ("fields", "key", "expected"),
    [
        ({"env": {"A": "", "B": "x\ny"}}, "env", {"A": "", "B": "x\ny"}),
        (
            {"http": {"port": "8080"}},
            "http",
            {"port": 8080, "requires_auth": False, "health_check_path": "/"},
        ),
        (
            {"http": {"port": 0}},
            "http",
            {"port": 0, "requires_auth": False, "health_check_path": "/"},
        ),
        ({"tty": True}, "tty", True),
        ({"working_dir": "/tmp/../tmp"}, "working_dir", "/tmp/../tmp"),
        ({"entrypoint": "true"}, "entrypoint", "true"),
        ({"image": "no such: image"}, "image", "no such: image"),
    ],
    ids=str,
)
def test_what_start_makes_of_a_field_of_the_container(api, fields, key, expected):
    assert api.start("true", **fields)["container"][key] == expected


def test_a_new_job(api):
    job = api.start("true")
    assert job["id"].startswith("job-")
    assert len(job["id"]) == 40
    assert job["owner"] == "user"
    assert job["cluster_name"] == "local"
    assert job["project_name"] == "user"
    assert job["uri"] == "job://local/{org_name}/{project_name}/{id}".format(**job)
    assert len(job["org_project_hash"]) == 10
    assert job["status"] == job["history"]["status"] == "pending"
    (transition,) = job["statuses"]
    assert transition["reason"] == job["history"]["reason"] == "Creating"
    assert transition["description"] is None
    assert transition["transition_time"] == job["history"]["created_at"]
    assert job["history"]["created_at"].endswith("+00:00")
    assert job["history"]["run_time_seconds"] == 0.0
    assert job["history"]["restarts"] == 0
    assert not {"started_at", "finished_at", "exit_code"} & set(job["history"])
    container = job["container"]
    assert container["image"] == "ubuntu"
    assert container["command"] == "true"
    assert container["env"] == {}
    assert container["volumes"] == []
    assert not {"entrypoint", "working_dir", "tty", "http", "secret_env"} & set(container)
    assert container["resources"]["cpu"] == 0.1
    assert "shm" not in container["resources"]
    for key in ("scheduler_enabled", "preemptible_node", "pass_config", "privileged"):
        assert job[key] is False
    for key in ("materialized", "being_dropped", "logs_removed"):
        assert job[key] is False
    assert job["restart_policy"] == "never"
    assert job["priority"] == "normal"
    assert job["total_price_credits"] == "0"
    for key in (
        "name",
        "tags",
        "description",
        "http_url",
        "schedule_timeout",
        "energy_schedule_name",
    ):
        assert key not in job


def test_an_http_port_is_one_of_this_machine(api):
    job = api.start("true", http={"port": 8080}, name="web-server")
    assert job["http_url"] == "http://127.0.0.1:8080"
    assert job["internal_hostname_named"]


# The legacy form


@pytest.mark.parametrize(
    ("word", "body"),
    [
        ("container", {"image": "ubuntu"}),
        ("container", without(nested(), "container")),
        ("image", nested(image="ubuntu")),
        ("resources", {"container": {"image": "ubuntu"}}),
        ("resources", nested({"resources": {}})),
        ("cpu", nested({"resources": {"memory": 2**30}})),
        ("memory", nested({"resources": {"cpu": 1}})),
        ("cpu", nested(resources={"cpu": 0.05})),
        ("cpu", nested(resources={"cpu": "nan"})),
        ("cpu", nested(resources={"cpu": "inf"})),
        ("cpu", nested(resources={"cpu": None})),
        ("memory", nested(resources={"memory": 16 * 2**20 - 1})),
        ("memory", nested(resources={"memory": 0.5})),
        ("memory_mb", nested(resources={"memory_mb": 15})),
        ("gpu", nested(resources={"gpu": 1})),
        ("gpu_model", nested(resources={"gpu_model": "x"})),
        ("nvidia_gpu", nested(resources={"nvidia_gpu": -1})),
        ("nvidia_gpu", nested(resources={"nvidia_gpu": 1, "nvidia_gpu_model": "a100"})),
        ("nvidia_migs", nested(resources={"nvidia_migs": {"1g.5gb": {"count": 1}}})),
        ("tpu", nested(resources={"tpu": {"type": "v2-8"}})),
        ("tpu", nested(resources={"tpu": {"type": "v2-8", "software_version": "1"}})),
        ("schedule_timeout", nested(scheduler_enabled=True, schedule_timeout=60)),
        ("Energy", nested(scheduler_enabled=True, energy_schedule_name="no-such")),
        ("energy_schedule_name", nested(energy_schedule_name="default")),
        ("name", nested(name="job-x")),
        ("command", nested({"command": "'"})),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_run_refuses(api, word, body):
    assert word in api.error(api.post(body, "/jobs"), 400)


def test_run_takes_resources_of_its_own(api):
    job = api.post(nested(resources={"cpu": "0.2", "shm": True, "nvidia_gpu": 0}), "/jobs").json()
    resources = job["container"]["resources"]
    assert resources["cpu"] == 0.2
    assert resources["memory"] == 64 * 2**20
    assert resources["memory_mb"] == 64
    assert resources["shm"] is True
    assert "preset_name" not in job
    assert job["price_credits_per_hour"] == "0"


def test_run_takes_megabytes(api):
    container = {"resources": {"cpu": 0.1, "memory_mb": "32"}}
    resources = api.post(nested(container), "/jobs").json()["container"]["resources"]
    assert resources["memory"] == 32 * 2**20
    assert resources["memory_mb"] == 32


def test_a_preset_is_but_a_label_of_run(api):
    body = nested(preset_name="cpu-large", scheduler_enabled=True)
    job = api.post(body, "/jobs").json()
    assert job["preset_name"] == "cpu-large"
    assert job["container"]["resources"]["cpu"] == 0.1
    assert job["scheduler_enabled"] is job["is_preemptible"] is True
    assert job["energy_schedule_name"] == "default"


def test_run_knows_the_old_names_of_scheduling(api):
    job = api.post(nested(is_preemptible=True, is_preemptible_node_required=True), "/jobs").json()
    assert job["scheduler_enabled"] is job["preemptible_node"] is True


# Where a job may run, and what it may be called


@pytest.mark.parametrize("place", [{"cluster_name": "other"}, {"org_name": "other"}])
def test_another_cluster_or_organisation_is_forbidden(api, place):
    assert "other" in api.error(api.post(flat(**place)), 403)


def test_another_project_lacks_a_permission(api):
    response = api.post(flat(project_name="other"))
    assert response.status_code == 403
    (missing,) = response.json()["missing"]
    assert missing == {"uri": "job://local/local-org/other", "action": "write"}


def test_a_name_is_taken_while_its_job_is_active(api):
    first = api.start("sleep 600", name="the-one")
    error = api.error(api.post(flat(name="the-one")), 400)
    assert error.startswith("Failed to create job:")
    for word in ("the-one", first["project_name"], first["id"]):
        assert "'{}'".format(word) in error
    # In another project it is another name.
    other = api.start("sleep 600", name="the-one", project_name="local-project")
    api.kill(first["id"])
    again = api.start("sleep 600", name="the-one")
    # Of the jobs with a name it is the newest that is found by it.
    assert api.job("the-one")["id"] == again["id"]
    api.kill(again["id"])
    assert api.job("the-one")["id"] == again["id"]
    assert api.job(other["id"])["status"] in ("pending", "running")


def test_a_start_that_is_refused_leaves_no_job(api):
    # A tag that cannot be stored: half a character.
    response = api.call(
        "POST", "/jobs?from_preset", data=b'{"image": "x", "name": "ghost", "tags": ["\\ud800"]}'
    )
    assert response.status_code == 400, response.text
    assert api.get("/jobs?name=ghost") == {"jobs": []}
    api.start("true", name="ghost")
