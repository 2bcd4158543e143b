"""Jobs from servers of all years: read, shown, written, and read again."""

import copy
import dataclasses
import json
import pickle
import warnings
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from neuro_sync import (
    Cluster,
    Container,
    DiskVolume,
    JobDescription,
    JobPriority,
    JobRestartPolicy,
    JobStatus,
    JobStatusHistory,
    JobStatusItem,
    JobTelemetry,
    Preset,
    ProtocolError,
    RemoteImage,
    Resources,
    SecretFile,
    Volume,
)
from neuro_sync.models.images import PlatformImages
from neuro_sync.models.jobs import decode_job
from neuro_sync.wire.codec import wire_field

from ...peers.payloads import FAILED_2022, JOBS, PENDING_2026, RUNNING_2026, TELEMETRY, jobs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what its old versions import
    import dataclasses_json

IMAGES = PlatformImages(
    {"default": "registry.default.example", "second": "r2.example:5000"},
    {"default": ["acme", "other"]},
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@dataclasses.dataclass
class _Probe:
    value: Optional[int] = wire_field(decode=len, default=None)


def _decoded_slowly(cls, payload):
    """What dataclasses-json makes of a payload by the same metadata; to it, null is a value."""
    canonical = {key: value for key, value in cls._canonical(payload).items() if value is not None}
    return dataclasses_json.DataClassJsonMixin.from_dict.__func__(cls, canonical)


@pytest.fixture(scope="module")
def slow_decoder():
    """dataclasses-json's own decoder."""
    try:
        dataclasses_json.DataClassJsonMixin.from_dict.__func__(_Probe, {})
    except TypeError:
        pytest.skip("this version of dataclasses-json decodes defaults too")
    return _decoded_slowly


@given(jobs())
def test_a_job_is_equal_after_a_round_trip(payload):
    job = JobDescription.from_dict(payload)
    assert JobDescription.from_json(job.to_json()) == job
    assert JobDescription.from_dict(job.to_dict()) == job
    assert hash(JobDescription.from_dict(job.to_dict())) == hash(job)


@given(jobs())
def test_a_job_whose_image_is_known_to_be_of_the_platform_is_equal_after_a_round_trip(payload):
    job = decode_job(payload, IMAGES)
    again = JobDescription.from_json(job.to_json())
    assert again == job
    assert again.container.image == job.container.image


@given(jobs())
def test_a_job_is_equal_after_pickling_and_copying(payload):
    job = JobDescription.from_dict(payload)
    assert pickle.loads(pickle.dumps(job)) == job
    assert copy.deepcopy(job) == job


@given(jobs())
def test_the_generated_decoder_makes_what_dataclasses_json_makes(slow_decoder, payload):
    assert JobDescription.from_dict(payload) == slow_decoder(JobDescription, payload)


@pytest.mark.parametrize("payload", TELEMETRY)
def test_telemetry_is_decoded_as_dataclasses_json_does(slow_decoder, payload):
    sample = JobTelemetry.from_dict(payload)
    assert sample == slow_decoder(JobTelemetry, payload)
    assert JobTelemetry.from_json(sample.to_json()) == sample


@given(jobs(), st.dictionaries(st.text().map("new_{}".format), json_values))
def test_what_a_newer_server_adds_is_ignored(payload, more):
    assert JobDescription.from_dict({**more, **payload}) == JobDescription.from_dict(payload)


@given(jobs(), st.data())
def test_null_is_as_good_as_absent(payload, data):
    key = data.draw(st.sampled_from(sorted(set(payload) - {"id"})))
    without = {name: value for name, value in payload.items() if name != key}
    assert JobDescription.from_dict({**payload, key: None}) == JobDescription.from_dict(without)


def _leaves(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, (*path, number))


def _replaced(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = _replaced(value[path[0]], path[1:], new)
    return changed


@pytest.mark.parametrize("name", sorted(JOBS))
@given(data=st.data(), new=json_values)
def test_whatever_comes_is_a_job_or_breaks_the_protocol(name, data, new):
    path = data.draw(st.sampled_from(list(_leaves(JOBS[name]))))
    try:
        job = decode_job(_replaced(JOBS[name], path, new), IMAGES)
    except ProtocolError:
        return
    repr(job), repr(job.container), job._repr_html_()
    assert isinstance(json.loads(job.to_json()), dict)


# What the newest servers say of a job, all of it at once.
WHOLE = {
    **PENDING_2026,
    **RUNNING_2026,
    "container": {
        **RUNNING_2026["container"],
        "volumes": PENDING_2026["container"]["volumes"],
        "env": {"A": "1"},
    },
}
NEEDED = [("id",), ("status",), ("history", "created_at"), ("container", "image")]


def _without(value, path):
    changed = copy.copy(value)
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = _without(value[path[0]], path[1:])
    return changed


@pytest.mark.parametrize("payload", [WHOLE, FAILED_2022], ids=["2026", "2022"])
@pytest.mark.parametrize("null", [False, True], ids=["absent", "null"])
def test_a_job_is_one_without_anything_but_what_the_protocol_promises(payload, null):
    paths = [path for path in _leaves(payload) if path and path not in [*NEEDED, ("container",)]]
    assert ("container", "resources", "cpu") in paths
    for path in paths:
        if null and (isinstance(path[-1], int) or path[-2:-1] in (("env",), ("secret_env",))):
            continue  # in a list, or among variables, null is none of them
        cut = _replaced(payload, path, None) if null else _without(payload, path)
        job = decode_job(cut, IMAGES)
        assert job.id in repr(job)
        assert job.id in job._repr_html_()
        assert JobDescription.from_json(job.to_json()) == job


def test_what_a_server_left_out_of_a_container_is_empty():
    mounts = {"volumes": [{}], "disk_volumes": [{}], "secret_volumes": [{}]}
    payload = {"image": "a", "resources": {"shm": True}, **mounts}
    container = Container.from_dict(payload)
    assert container.resources == Resources(0, 0.0)
    assert container.volumes == [Volume(URL(), "", True)]
    assert container.disk_volumes == [DiskVolume(URL(), "", True)]
    assert container.secret_files == [SecretFile(URL(), "")]
    assert Container.from_json(container.to_json()) == container


def test_a_run_time_without_an_end_can_be_shown():
    job = decode_job(_replaced(PENDING_2026, ("history", "run_time_seconds"), float("inf")))
    assert job.id in job._repr_html_()


@given(
    st.dictionaries(
        st.sampled_from("cpu memory memory_bytes gpu_memory timestamp".split()), json_values
    )
)
def test_whatever_comes_is_a_sample_or_breaks_the_protocol(payload):
    try:
        JobTelemetry.from_dict(payload)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("id",), None, "'id' is missing"),
        (("id",), 5, "'id'"),
        (("container",), "ubuntu", "Container: expected a JSON object"),
        (("container", "image"), None, "'image' is missing"),
        (("container", "resources", "memory"), "much", "'memory'"),
        (("container", "volumes"), {"a": 1}, "'volumes'"),
        (("history", "created_at"), "noon", "'created_at'"),
        (("tags",), "nightly", "'tags'"),
        (("total_price_credits",), "many", "'total_price_credits'"),
        (("pass_config",), "yes", "'pass_config'"),
        (("uri",), "http://[::1]@", "'uri'"),
    ],
)
def test_what_breaks_the_protocol_is_named(path, value, words):
    with pytest.raises(ProtocolError, match=words):
        JobDescription.from_dict(_replaced(PENDING_2026, path, value))


@pytest.mark.parametrize("value", [None, [], "job", 5])
def test_what_is_no_object_breaks_the_protocol(value):
    with pytest.raises(ProtocolError, match="expected a JSON object"):
        JobDescription.from_dict(value)


def test_text_that_is_not_json_is_a_value_error():
    with pytest.raises(ValueError):
        JobDescription.from_json("{")


def test_the_json_is_the_servers_own_form():
    written = JobDescription.from_dict(RUNNING_2026).to_dict()
    doubled = {"is_preemptible", "is_preemptible_node_required", "http_url_named", "http_url"}
    assert {key for key in RUNNING_2026 if key not in written} <= doubled
    for key in set(RUNNING_2026) - doubled - {"statuses", "history", "container"}:
        assert written[key] == RUNNING_2026[key], key
    assert written["container"]["secret_volumes"] == RUNNING_2026["container"]["secret_volumes"]
    assert [item["status"] for item in written["statuses"]] == ["pending"] * 2 + ["running"] * 2
    assert "statuses" not in written["history"]


def test_a_job_of_2022():
    job = JobDescription.from_dict(FAILED_2022)
    assert (job.project_name, job.org_name) == ("bob", None)
    assert job.history.exit_code == 137
    assert job.http_url == URL()


def test_a_job_of_2026():
    job = JobDescription.from_dict(RUNNING_2026)
    assert job.http_url == URL(RUNNING_2026["http_url_named"])
    assert job.total_price_credits == Decimal("9.799305555555555555555555556")
    assert job.price_credits_per_hour == Decimal("2.777777777777777777777777778E-10")
    assert (job.history.transitions[-2].reason, job.history.transitions[-2].description) == ("", "")
    assert job.history.changed_at == datetime(2026, 9, 14, 9, 30, tzinfo=timezone.utc)
    assert job.history.run_time_seconds == 3527.75
    assert job.container.disk_volumes[0].read_only is False


def test_a_volume_without_a_word_on_it_is_read_only_as_the_server_has_it():
    volume = {"src_storage_uri": "storage://c/o/p", "dst_path": "/p"}
    payload = _replaced(PENDING_2026, ("container", "volumes"), [volume])
    assert JobDescription.from_dict(payload).container.volumes[0].read_only is True
    payload = _replaced(RUNNING_2026, ("container", "http"), {"port": 80})
    assert JobDescription.from_dict(payload).container.http.requires_auth is False


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"cpu": 1.0, "memory_mb": 16}, {"memory": 2**24}),
        ({"cpu": 1, "memory": 2.0**24}, {"memory": 2**24, "cpu": 1.0}),
        ({"cpu": 1, "memory": 1, "gpu": 2, "gpu_model": "v100"}, {"gpu": 2, "nvidia_gpu_model": "v100"}),
        (
            {"cpu": 1, "memory": 1, "gpu": 2, "gpu_model": "a", "nvidia_gpu": 3, "nvidia_gpu_model": "b"},
            {"nvidia_gpu": 3, "gpu_model": "b"},
        ),
        (
            {"cpu": 1, "memory": 1, "tpu": {"type": "v2-8", "software_version": "1.14"}},
            {"tpu_type": "v2-8", "tpu_software_version": "1.14"},
        ),
        ({"cpu": 1, "memory": 1}, {"shm": True, "gpu": None, "tpu_type": None}),
    ],
)  # fmt: skip
def test_resources_of_all_years(resources, expected):
    found = Resources.from_dict(resources)
    assert {name: getattr(found, name) for name in expected} == expected
    assert Resources.from_json(found.to_json()) == found


def test_replace_takes_both_words():
    resources = Resources(memory_mb=1024, cpu=1.0, gpu=1, gpu_model="a")
    changed = dataclasses.replace(resources, memory_mb=2048, gpu=2, gpu_model="b")
    assert changed == Resources(2**31, 1.0, nvidia_gpu=2, nvidia_gpu_model="b")
    assert dataclasses.replace(resources, memory=5).memory == 5
    sample = JobTelemetry(cpu=1.0, memory=2.0, timestamp=0.0, gpu_memory=1.0)
    assert dataclasses.replace(sample, memory=4.0, gpu_memory=3.0) == JobTelemetry(
        1.0, 4 * 2**20, 0.0, None, 3 * 2**20
    )


def test_what_is_needed_is_asked_for():
    with pytest.raises(TypeError, match="memory"):
        Resources(cpu=1.0)
    with pytest.raises(TypeError, match="memory"):
        JobTelemetry(cpu=1.0)


def test_a_schema_reads_and_writes_the_same():
    job = JobDescription.from_dict(PENDING_2026)
    schema = JobDescription.schema()
    assert schema.load(schema.dump(job)) == job
    assert schema.loads(schema.dumps(job)) == job
    several = JobDescription.schema(many=True)
    assert several.loads(several.dumps([job, job])) == [job, job]


def test_telemetry_before_2022_counts_in_mebibytes():
    sample = JobTelemetry.from_dict(
        {"cpu": 0.37, "memory": 512.125, "timestamp": 1.5, "gpu_memory": 100}
    )
    assert (sample.memory, sample.gpu_memory) == (512.125, 100.0)
    assert sample.memory_bytes == 512.125 * 2**20


@pytest.mark.parametrize("cls", [JobStatus, JobRestartPolicy])
@given(text=st.text())
def test_an_unknown_text_is_kept(cls, text):
    member = cls(text)
    assert member.value == text
    assert str(member) == "{}".format(member) == text
    assert pickle.loads(pickle.dumps(member)) == member
    assert copy.deepcopy(member) == member
    if text not in {known.value for known in cls}:
        assert member.name == "UNKNOWN"
        assert member == cls("something else that is not known")
        assert member not in set(cls) - {cls("unknown")}


def test_an_unknown_status_counts_as_unknown_and_not_as_an_end():
    status = JobStatus("frozen")
    assert status == JobStatus.UNKNOWN
    assert hash(status) == hash(JobStatus.UNKNOWN)
    assert (status.is_pending, status.is_running, status.is_finished) == (False, False, False)


def test_a_known_status_is_its_text_too():
    assert JobStatus.RUNNING == "running"
    assert JobStatus("running") is JobStatus.RUNNING
    assert json.dumps({"status": JobStatus.RUNNING}) == '{"status": "running"}'


def test_an_unknown_priority_is_kept():
    job = JobDescription.from_dict({**PENDING_2026, "priority": "urgent"})
    assert (job.priority.name, job.priority.text, job.priority.value) == ("UNKNOWN", "urgent", 0)
    assert job.to_dict()["priority"] == "urgent"
    assert JobDescription.from_json(job.to_json()) == job
    assert pickle.loads(pickle.dumps(job)).priority.text == "urgent"
    assert job.priority != JobPriority.from_text("whenever")
    assert job.priority < JobPriority.LOW < JobPriority.NORMAL < JobPriority.HIGH


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.default.example/acme/vision/a:v1", "image://default/acme/vision/a:v1"),
        ("registry.default.example/other/vision/a:v1", "image://default/other/vision/a:v1"),
        ("registry.default.example/vision/a:v1", "image://default/vision/a:v1"),
        ("registry.default.example/vision/deep/a:v1", "image://default/vision/deep/a:v1"),
        ("r2.example:5000/acme/vision/a", "image://second/acme/vision/a:latest"),
        ("registry.default.example/acme/vision/a@sha256:" + "0" * 64, None),
        ("registry.default.example/a", "registry.default.example/a:latest"),
        ("registry.default.example.evil/acme/vision/a:v1", "registry.default.example.evil/acme/vision/a:v1"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b:t"),
        ("Not An Image!!", "Not An Image!!:latest"),
    ],
)  # fmt: skip
def test_the_image_of_a_job_is_told_from_others_by_its_registry(image, expected):
    payload = _replaced(PENDING_2026, ("container", "image"), image)
    job = decode_job(payload, IMAGES)
    if expected is None:
        expected = "image://default/acme/vision/a@sha256:" + "0" * 64
    assert str(job.container.image) == expected
    assert JobDescription.from_json(job.to_json()) == job


def test_one_and_the_same_image_is_another_one_in_another_organisation():
    payload = _replaced(PENDING_2026, ("container", "image"), "registry.default.example/third/b/a")
    projects = {
        org: decode_job(_replaced(payload, ("org_name",), org), IMAGES).container.image.project_name
        for org in ("third", None)
    }
    assert projects == {"third": "b", None: "third"}


@pytest.mark.parametrize(
    "image",
    [
        RemoteImage("ubuntu"),
        RemoteImage("ubuntu", "22.04"),
        RemoteImage("a/b", None, "localhost:5000"),
        RemoteImage("a", digest="sha256:" + "0" * 64),
        RemoteImage("a:b", "c"),
        RemoteImage("a", "v1", "reg.example", "c", None, "p"),
    ],
    ids=str,
)
def test_a_container_is_equal_after_a_round_trip_whatever_its_image(image):
    container = Container(image=image, resources=Resources(1))
    assert Container.from_json(container.to_json()) == container


@pytest.mark.parametrize("kind", [list, tuple])
def test_what_is_made_of_lists_and_tuples_is_equal_after_a_round_trip(kind):
    container = Container(
        image=RemoteImage("ubuntu"),
        resources=Resources(1),
        volumes=kind([Volume(URL("storage:a"), "/a")]),
        secret_files=kind([SecretFile(URL("secret:b"), "/b")]),
        disk_volumes=kind([DiskVolume(URL("disk:c"), "/c")]),
    )
    history = JobStatusHistory(transitions=kind([JobStatusItem(JobStatus.PENDING)]))
    job = JobDescription(id="job-1", tags=kind("ab"), history=history, container=container)
    cluster = Cluster("default", orgs=kind("ab"))
    preset = Preset(resource_pool_names=kind("ab"), available_resource_pool_names=kind("a"))
    for item in (job, cluster, preset):
        assert type(item).from_json(item.to_json()) == item


def test_a_container_is_made_of_what_it_needs():
    container = Container(image=RemoteImage("ubuntu"), resources=Resources(1))
    assert (container.env, list(container.volumes), container.tty) == ({}, [], False)


def test_a_job_made_of_its_id_alone_can_be_shown_and_written():
    job = JobDescription(id="job-1")
    assert repr(job) == "<JobDescription job-1 unknown>"
    assert "job-1" in job._repr_html_()
    assert job == JobDescription(id="job-1", container=Container.from_dict({"image": ""}))
    assert JobDescription.from_json(job.to_json()) == job


def test_a_repr_is_short_and_says_what_counts():
    job = JobDescription.from_dict(FAILED_2022)
    assert repr(job) == (
        "<JobDescription job-3e9d0b44-1f0a-4c61-a9a7-0a1b2c3d4e5f failed (OOMKilled) "
        "exit_code=137 image=ubuntu:20.04>"
    )
    assert repr(job.container.resources) == "<Resources 1 cpu, 1024 MiB>"
    sample = JobTelemetry(cpu=0.5, memory=512.0, gpu_duty_cycle=97, gpu_memory=100.0)
    assert (
        repr(sample) == "<JobTelemetry cpu=0.50, memory=512.0 MiB, gpu=97%, gpu_memory=100.0 MiB>"
    )


def test_a_repr_shows_nothing_that_a_terminal_would_obey():
    image = "x\x1b]0;mine\x07"
    job = JobDescription.from_dict({**PENDING_2026, "container": {"image": image}})
    for shown in (job, job.container, job.container.image):
        assert "x\\x1b]0;mine\\x07" in repr(shown)
        assert repr(shown).isprintable()


@given(st.integers(1, 10**9))
def test_minutes_of_the_server_are_seconds_here(minutes):
    job = JobDescription.from_dict({**PENDING_2026, "max_run_time_minutes": minutes})
    assert job.life_span == minutes * 60.0
    assert job.to_dict()["max_run_time_minutes"] == minutes


@given(st.integers(0, 10**9) | st.integers(0, 10**9).map(lambda number: number / 1000))
def test_a_life_span_is_equal_after_a_round_trip(seconds):
    job = JobDescription(id="job-1", life_span=float(seconds))
    assert JobDescription.from_json(job.to_json()) == job


@given(st.datetimes(), st.integers(-23, 23))
def test_times_keep_their_moment(moment, hours):
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    payload = _replaced(PENDING_2026, ("history", "created_at"), aware.isoformat())
    job = JobDescription.from_dict(payload)
    assert job.history.created_at == aware
    assert JobDescription.from_json(job.to_json()).history.created_at == aware
