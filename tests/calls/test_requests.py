"""Each call: method, address, query and body."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from yarl import URL

from neuro_sync import (
    Container,
    DiskVolume,
    HTTPPort,
    ImageSaveError,
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    RemoteImage,
    Resources,
    SecretFile,
    Volume,
)
from neuro_sync.transport.http import USER_AGENT

from ..peers.config import GENERATIONS
from .conftest import API, BASE, JOB, MONITORING, TOKEN

MINIMAL_START = {
    "pass_config": False,
    "project_name": "vision",
    "org_name": "acme",
    "cluster_name": "default",
    "preset_name": "cpu-small",
    "image": "ubuntu:latest",
}
RESOURCES = Resources(2**24, 0.1, nvidia_gpu=1, nvidia_gpu_model="nvidia-a100", shm=False)


def start(jobs, **options):
    return jobs.start(**{"image": "ubuntu", "preset_name": "cpu-small", **options})


def sent(api, call, answer=(202, JOB)):
    """The one request that a call makes."""
    api.answers(answer)
    call()
    (request,) = api.requests
    return request


@pytest.mark.parametrize(
    ("call", "answer", "method", "url", "body"),
    [
        (lambda jobs: jobs.status("job-1"), (200, JOB), "GET", API + "/jobs/job-1", None),
        (lambda jobs: jobs.kill("job-1"), 204, "DELETE", API + "/jobs/job-1", None),
        (
            lambda jobs: jobs.bump_life_span("job-1", 119.9),
            204,
            "PUT",
            API + "/jobs/job-1/max_run_time_minutes",
            {"additional_max_run_time_minutes": 1},
        ),
        (lambda jobs: jobs.send_signal("job-1"), 204, "POST", MONITORING + "/job-1/kill", None),
        (
            lambda jobs: jobs.send_signal("job-1", cluster_name="second"),
            204,
            "POST",
            API + "/mon2/jobs/job-1/kill",
            None,
        ),
        (lambda jobs: jobs.get_capacity(), (200, {}), "GET", MONITORING + "/capacity", None),
        (
            lambda jobs: jobs.get_capacity(cluster_name="second"),
            (200, {}),
            "GET",
            API + "/mon2/jobs/capacity",
            None,
        ),
    ],
)
def test_a_call_goes_to_its_endpoint(jobs, api, call, answer, method, url, body):
    request = sent(api, lambda: call(jobs), answer)
    assert (request.method, request.url, request.query) == (method, url, [])
    assert request.json == body


def test_every_request_says_who_asks(jobs, api):
    request = sent(api, lambda: jobs.status("job-1"))
    assert request.headers["Authorization"] == "Bearer " + TOKEN
    assert request.headers["User-Agent"] == USER_AGENT
    assert request.headers["Accept"] == "*/*"
    assert "Content-Type" not in request.headers


def test_a_netrc_does_not_take_the_place_of_the_token(jobs, api, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert sent(api, lambda: jobs.status("job-1")).headers["Authorization"] == "Bearer " + TOKEN


def test_an_empty_token_is_not_sent(api, connect):
    request = sent(api, lambda: connect("").status("job-1"))
    assert "Authorization" not in request.headers


def test_nothing_is_asked_before_the_first_call_and_the_config_once(jobs, api):
    assert api.config_requests == 0
    api.answers((200, {}))
    jobs.get_capacity()
    jobs.get_capacity()
    assert api.config_requests == 1


def test_a_status_needs_no_config_to_be_asked_for(jobs, api):
    api.answers((400, {"error": "no such job job-1"}))
    with pytest.raises(ValueError):
        jobs.status("job-1")
    assert api.config_requests == 0


def test_the_least_start_sends_no_empty_values(jobs, api):
    request = sent(api, lambda: start(jobs, tags=(), env={}, volumes=[], name="", command=""))
    assert (request.method, request.url) == ("POST", API + "/jobs")
    assert request.raw_query == "from_preset"
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == MINIMAL_START


def test_the_fullest_start(jobs, api):
    image = RemoteImage.new_platform_image(
        "resnet",
        "registry.default.example",
        cluster_name="default",
        org_name="acme",
        project_name="vision",
        tag="v3",
    )
    request = sent(
        api,
        lambda: jobs.start(
            image=image,
            preset_name="gpu",
            entrypoint="/bin/sh",
            command="python train.py",
            working_dir="/srv",
            http=HTTPPort(8080, requires_auth=False),
            env={"A": "1", "EMPTY": ""},
            volumes=[Volume(URL("storage:data"), "/data", read_only=True)],
            secret_env={"KEY": URL("secret:key")},
            secret_files=[SecretFile(URL("secret:cert"), "/certs/cert")],
            disk_volumes=[DiskVolume(URL("disk:scratch"), "/scratch")],
            tty=True,
            shm=True,
            name="train",
            tags=["nightly", "a"],
            description="nightly run",
            pass_config=True,
            wait_for_jobs_quota=True,
            schedule_timeout=30.5,
            restart_policy=JobRestartPolicy.ON_FAILURE,
            life_span=3660,
            privileged=True,
            priority=JobPriority.HIGH,
            energy_schedule_name="green",
        ),
    )
    assert request.json == {
        "pass_config": True,
        "project_name": "vision",
        "org_name": "acme",
        "cluster_name": "default",
        "name": "train",
        "preset_name": "gpu",
        "description": "nightly run",
        "energy_schedule_name": "green",
        "tags": ["nightly", "a"],
        "schedule_timeout": 30.5,
        "restart_policy": "on-failure",
        "max_run_time_minutes": 61,
        "wait_for_jobs_quota": True,
        "privileged": True,
        "priority": "high",
        "image": "registry.default.example/acme/vision/resnet:v3",
        "entrypoint": "/bin/sh",
        "command": "python train.py",
        "working_dir": "/srv",
        "resources": {"shm": True},
        "http": {"port": 8080, "requires_auth": False},
        "env": {"A": "1", "EMPTY": ""},
        "volumes": [
            {
                "src_storage_uri": "storage://default/acme/vision/data",
                "dst_path": "/data",
                "read_only": True,
            }
        ],
        "secret_env": {"KEY": "secret://default/acme/vision/key"},
        "secret_volumes": [
            {"src_secret_uri": "secret://default/acme/vision/cert", "dst_path": "/certs/cert"}
        ],
        "disk_volumes": [
            {
                "src_disk_uri": "disk://default/acme/vision/scratch",
                "dst_path": "/scratch",
                "read_only": False,
            }
        ],
        "tty": True,
    }


def test_texts_mean_what_the_objects_mean(jobs, api):
    request = sent(
        api,
        lambda: start(
            jobs,
            image="image:resnet:v3",
            volumes=["storage:data:/data:ro"],
            secret_env={"KEY": "secret:key"},
            secret_files=["secret:cert:/certs/cert"],
            disk_volumes=["disk:scratch:/scratch:rw"],
        ),
    )
    body = request.json
    assert body["image"] == "registry.default.example/acme/vision/resnet:v3"
    assert body["volumes"][0]["read_only"] is True
    assert body["secret_env"] == {"KEY": "secret://default/acme/vision/key"}
    assert body["secret_volumes"][0]["dst_path"] == "/certs/cert"
    assert body["disk_volumes"][0]["src_disk_uri"] == "disk://default/acme/vision/scratch"


def test_what_is_short_is_meant_where_the_job_runs(jobs, api):
    request = sent(
        api,
        lambda: start(
            jobs,
            image="image:a",
            volumes=["storage:data:/data", "storage:/zoo/x:/x"],
            cluster_name="second",
            org_name="other",
            project_name="zoo",
        ),
    )
    place = [request.json[key] for key in ("cluster_name", "org_name", "project_name")]
    assert place == ["second", "other", "zoo"]
    assert request.json["image"] == "r2.example:5000/other/zoo/a:latest"
    uris = [volume["src_storage_uri"] for volume in request.json["volumes"]]
    assert uris == ["storage://second/other/zoo/data", "storage://second/other/zoo/x"]


def test_a_registry_with_a_port_reaches_the_server(jobs, api):
    request = sent(api, lambda: start(jobs, image="localhost:5000/a/b:t"))
    assert request.json["image"] == "localhost:5000/a/b:t"


@pytest.mark.parametrize(
    "wrong",
    [
        {"life_span": 59.9},
        {"life_span": 0},
        {"tags": "nightly"},
        {"image": "image:"},
        {"volumes": ["storage:data"]},
        {"volumes": ["secret:data:/data"]},
        {"secret_env": {"A": "storage:x"}},
        {"restart_policy": 5},
        {"priority": 17},
    ],
)
def test_a_start_that_cannot_be_right_is_not_sent(jobs, api, wrong):
    with pytest.raises(ValueError):
        start(jobs, **wrong)
    assert api.requests == []


@pytest.mark.parametrize(
    ("year", "gpu", "project"),
    [
        (2022, {"gpu": 1, "gpu_model": "nvidia-a100"}, None),
        (2025, {"nvidia_gpu": 1, "nvidia_gpu_model": "nvidia-a100"}, "vision"),
        (2026, {"nvidia_gpu": 1, "nvidia_gpu_model": "nvidia-a100"}, "vision"),
    ],
)
def test_run_speaks_the_words_of_the_server(jobs, api, year, gpu, project):
    api.config = GENERATIONS[year](BASE)
    container = Container(image=RemoteImage("ubuntu", "22.04"), resources=RESOURCES, command="true")
    with pytest.deprecated_call(match="start"):
        request = sent(api, lambda: jobs.run(container, scheduler_enabled=True))
    assert (request.method, request.url, request.raw_query) == ("POST", API + "/jobs", "")
    assert request.json["scheduler_enabled"] is True
    assert request.json.get("project_name") == project
    assert request.json["container"] == {
        "image": "ubuntu:22.04",
        "command": "true",
        "resources": {"memory": 2**24, "cpu": 0.1, "shm": False, **gpu},
    }


def test_run_warns_at_the_line_that_calls_it(jobs, api):
    container = Container(image=RemoteImage("ubuntu"), resources=Resources(2**24))
    with pytest.warns(DeprecationWarning, match="use start") as caught:
        sent(api, lambda: jobs.run(container))
    assert [warning.filename for warning in caught] == [__file__]


def test_the_least_listing(jobs, api):
    request = sent(api, lambda: list(jobs.list()), (200, {"jobs": []}))
    assert (request.method, request.url) == ("GET", API + "/jobs")
    assert request.headers["Accept"] == "application/x-ndjson"
    assert request.raw_query == (
        "cluster_name=default&being_dropped=False&logs_removed=False&org_name=acme"
    )


def test_the_fullest_listing(jobs, api):
    ahead = timezone(timedelta(hours=2))
    listing = jobs.list(
        statuses=[JobStatus.RUNNING, JobStatus.PENDING],
        name="n",
        owners=("o", "p/q"),
        tags=["a", "b&c"],
        since=datetime(2026, 1, 1, tzinfo=timezone.utc),
        until=datetime(2026, 1, 2, 3, 4, 5, 600, ahead),
        reverse=True,
        limit=5,
        cluster_name="clu",
        org_names=["org"],
        project_names={"p"},
    )
    assert sent(api, lambda: list(listing), (200, {"jobs": []})).query == [
        ("status", "running"),
        ("status", "pending"),
        ("name", "n"),
        ("owner", "o"),
        ("owner", "p/q"),
        ("tag", "a"),
        ("tag", "b&c"),
        ("since", "2026-01-01T00:00:00+00:00"),
        ("until", "2026-01-02T03:04:05.000600+02:00"),
        ("cluster_name", "clu"),
        ("reverse", "1"),
        ("limit", "5"),
        ("being_dropped", "False"),
        ("logs_removed", "False"),
        ("org_name", "org"),
        ("project_name", "p"),
    ]


def test_a_naive_time_is_local_and_goes_out_in_utc(jobs, api):
    naive = datetime(2026, 1, 1, 12)
    request = sent(api, lambda: list(jobs.list(since=naive)), (200, {"jobs": []}))
    assert "%2B00%3A00" in request.raw_query
    assert datetime.fromisoformat(dict(request.query)["since"]).timestamp() == naive.timestamp()


@pytest.mark.parametrize(
    "filters", [{"tags": "a"}, {"owners": "a"}, {"statuses": JobStatus.RUNNING}]
)
def test_one_value_where_several_are_taken_is_refused(jobs, api, filters):
    with pytest.raises(ValueError, match="several"):
        jobs.list(**filters)
    assert api.requests == []


@pytest.mark.parametrize(
    "call",
    [
        lambda jobs: jobs.wait("job-1", statuses=JobStatus.RUNNING),
        lambda jobs: jobs.as_completed("job-1"),
        lambda jobs: start(jobs, tags="nightly"),
    ],
)
def test_who_takes_several_refuses_one_before_anything_is_sent(jobs, api, call):
    with pytest.raises(ValueError, match="several"):
        call(jobs)
    assert api.requests == []


def test_statuses_may_be_the_words_of_the_wire(jobs, api):
    api.answers((200, JOB))
    assert jobs.wait("job-1", statuses=["pending"]).status is JobStatus.PENDING


def test_a_listing_is_asked_for_on_entry_or_at_the_first_job(jobs, api):
    api.answers((200, {"jobs": [JOB]}))
    listing = jobs.list()
    assert api.requests == []
    with listing:
        assert len(api.requests) == 1
        assert [job.id for job in listing] == [JOB["id"]]
    later = jobs.list()
    assert next(later).id == JOB["id"]
    assert len(api.requests) == 2


def test_the_answer_is_the_job(jobs, api):
    api.answers((200, JOB))
    job = jobs.status("job-1")
    assert job.id == JOB["id"]
    assert job.container.image.cluster_name == "default"
    assert job.container.image.project_name == "vision"


def test_the_answer_of_capacity_is_numbers_by_preset(jobs, api):
    api.answers((200, {"cpu-small": 3, "gpu": 0}))
    assert jobs.get_capacity() == {"cpu-small": 3, "gpu": 0}


def test_less_than_a_minute_more_is_not_asked_for(jobs, api):
    with pytest.raises(ValueError, match="60 is the least"):
        jobs.bump_life_span("job-1", 59)
    assert api.requests == []


SAVED = [
    {"status": "CommitStarted", "details": {"image": "registry.default.example/acme/vision/a:v2"}},
    {"status": "CommitFinished"},
    {"id": "5f70bf18a086", "status": "Pushing", "progressDetail": {"current": 1, "total": 4}},
    {"aux": {"Tag": "v2", "Digest": "sha256:0a", "Size": 1}},
]


def test_save_tells_its_progress(jobs, api):
    events = []
    lines = "".join(json.dumps(line) + "\r\n" for line in SAVED)
    request = sent(
        api,
        lambda: jobs.save("job-1", "image:a:v2", progress=events.append),
        (200, lines, {"Content-Type": "application/x-ndjson"}),
    )
    assert (request.method, request.url) == ("POST", MONITORING + "/job-1/save")
    assert request.json == {"container": {"image": "registry.default.example/acme/vision/a:v2"}}
    assert [type(event).__name__ for event in events] == [
        "ImageProgressSave",
        "ImageCommitStarted",
        "ImageCommitFinished",
        "ImageProgressStep",
    ]
    assert str(events[1].target_image) == "image://default/acme/vision/a:v2"
    assert events[3].current == 1


@pytest.mark.parametrize(
    "lines",
    [[], SAVED[:2], [{"error": "Job 'job-1' is not running."}], [*SAVED[:3], {"error": "denied"}]],
)
def test_a_save_that_is_not_told_to_be_done_is_an_error_with_its_request(jobs, api, lines):
    api.answers((200, "".join(json.dumps(line) + "\r\n" for line in lines)))
    with pytest.raises(ImageSaveError) as caught:
        jobs.save("job-1", "image:a:v2", progress=False)
    error = caught.value
    assert (error.status, error.method, error.url) == (200, "POST", MONITORING + "/job-1/save")


def test_only_an_image_of_the_platform_can_be_saved_to(jobs, api):
    with pytest.raises(ValueError, match="no image of the platform"):
        jobs.save("job-1", "ubuntu", progress=False)
    assert api.requests == []
