"""What the platform's own SDKs make of a server's answer is what we make of it, attribute by attribute."""

import copy
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .payloads import FAILED_2022, JOBS, PENDING_2026, RUNNING_2026, jobs

OLDEST_FIELDS = {
    "JobDescription": "id owner cluster_name org_name status history container scheduler_enabled pass_config "
    "uri total_price_credits price_credits_per_hour name tags description http_url internal_hostname "
    "internal_hostname_named restart_policy life_span schedule_timeout preset_name preemptible_node "
    "privileged priority _internal",
    "JobDescriptionInternal": "materialized being_dropped logs_removed",
    "JobStatusHistory": "status reason description restarts created_at started_at finished_at "
    "run_time_seconds exit_code transitions",
    "JobStatusItem": "status transition_time reason description exit_code",
    "Container": "image resources entrypoint command working_dir http env volumes secret_env "
    "secret_files disk_volumes tty",
    "Resources": "memory cpu shm tpu_type tpu_software_version memory_mb gpu gpu_model",
    "HTTPPort": "port requires_auth",
    "Volume": "storage_uri container_path read_only",
    "DiskVolume": "disk_uri container_path read_only",
    "SecretFile": "secret_uri container_path",
    "RemoteImage": "name tag registry cluster_name org_name",
    "JobTelemetry": "cpu memory_bytes timestamp gpu_duty_cycle gpu_memory_bytes memory gpu_memory",
}
MIDDLE_FIELDS = dict(
    OLDEST_FIELDS,
    JobDescription=OLDEST_FIELDS["JobDescription"] + " project_name energy_schedule_name",
    Resources="memory cpu shm tpu_type tpu_software_version memory_mb nvidia_gpu amd_gpu intel_gpu "
    "nvidia_gpu_model amd_gpu_model intel_gpu_model",
    RemoteImage=OLDEST_FIELDS["RemoteImage"] + " project_name",
)
NEWEST_FIELDS = dict(MIDDLE_FIELDS, JobDescription=MIDDLE_FIELDS["JobDescription"] + " namespace")
FIELDS = {
    "neuro-22.7.1": OLDEST_FIELDS,
    "neuro-25.5.0": MIDDLE_FIELDS,
    "apolo-26.9.0": NEWEST_FIELDS,
}
PEERS = ["newest", "middle", "oldest"]

# Where we differ on purpose: which attribute, when, and why.
DELIBERATE = [
    (
        r"(history|transitions\.\d+)\.(reason|description)$",
        lambda theirs, ours: theirs is None and ours == "",
        "these are texts: where the server sends null, the others put None into them",
    ),
    (
        r"^privileged$",
        lambda theirs, ours: theirs is False and ours is True,
        "the others never take it over from the answer",
    ),
    (
        r"image\.(org_name|project_name|name)$",
        lambda theirs, ours: True,
        "an image of another organisation than the current one: kept whole",
    ),
    (
        r"resources\.gpu(_model)?$",
        lambda theirs, ours: theirs is None and ours is not None,
        "the SDK of 2022 does not know how GPUs are called since 2024",
    ),
]


def _fields(both):
    return {name: names.split() for name, names in FIELDS[both.name].items()}


def _status(both, payload):
    both.comparisons += 1
    both.recorder.answers["GET", "/jobs/x"] = (200, {}, json.dumps(payload))
    order = {"method": "status", "arguments": {"id": "x"}, "fields": _fields(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    return theirs, ours


def _differences(theirs, ours, path=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(set(theirs) | set(ours)):
            where = "{}.{}".format(path, key) if path else key
            yield from _differences(theirs.get(key), ours.get(key), where)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, pair in enumerate(zip(theirs, ours)):
            yield from _differences(*pair, path="{}.{}".format(path, number))
    elif theirs != ours:
        yield path, theirs, ours


def _reason(path, theirs, ours):
    for number, (pattern, applies, _) in enumerate(DELIBERATE):
        if re.search(pattern, path) and applies(theirs, ours):
            return number
    return None


def _assert_same(theirs, ours, *, other_organisation=False):
    """Returns the deliberate differences that were met."""
    assert "result" in theirs, theirs
    assert "result" in ours, ours
    found = list(_differences(theirs["result"], ours["result"]))
    if not other_organisation:
        assert not [difference for difference in found if ".image." in difference[0]]
    met = {_reason(*difference): difference for difference in found}
    assert None not in met, met[None]
    return set(met)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_is_the_same(request, peer, name):
    _assert_same(*_status(request.getfixturevalue(peer), JOBS[name]))


@pytest.mark.parametrize("peer", PEERS)
def test_any_job_is_the_same(request, peer):
    both = request.getfixturevalue(peer)

    @settings(
        max_examples=120,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(payload=jobs())
    def compare(payload):
        _assert_same(*_status(both, payload))

    compare()


def test_each_deliberate_difference_is_still_one(newest, middle, oldest):
    met = _assert_same(*_status(newest, RUNNING_2026))
    met |= _assert_same(*_status(newest, dict(PENDING_2026, privileged=True)))
    met |= _assert_same(*_status(middle, FAILED_2022))
    met |= _assert_same(*_status(oldest, RUNNING_2026))
    other = copy.deepcopy(PENDING_2026)
    other["container"]["image"] = "registry.default.example/other/vision/mine:v1"
    met |= _assert_same(*_status(newest, dict(other, org_name="other")), other_organisation=True)
    assert met == set(range(len(DELIBERATE))), "no difference any more: take it out of the table"


@pytest.mark.parametrize("peer", ["newest", "middle"])
def test_gpus_of_the_years_between_are_the_same(request, peer):
    payload = copy.deepcopy(RUNNING_2026)
    payload["container"]["resources"].update(gpu=2, gpu_model="nvidia-a100")
    _assert_same(*_status(request.getfixturevalue(peer), payload))


def test_gpus_of_2022_are_the_same(oldest):
    payload = copy.deepcopy(FAILED_2022)
    payload["container"]["resources"].update(gpu=1, gpu_model="nvidia-v100")
    _assert_same(*_status(oldest, payload))


@pytest.mark.parametrize("peer", PEERS)
def test_a_listing_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    lines = "".join(json.dumps(job) + "\n" for job in JOBS.values())
    headers = {"Content-Type": "application/x-ndjson"}
    both.recorder.answers["GET", "/jobs"] = (200, headers, lines)
    order = {"method": "list", "fields": _fields(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    _assert_same(theirs, ours)
    assert len(ours["result"]) == len(JOBS)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(payloads=st.lists(jobs(), max_size=4))
def test_any_listing_is_the_same(newest, payloads):
    newest.comparisons += 1
    lines = "".join(json.dumps(job) + "\n" for job in payloads)
    headers = {"Content-Type": "application/x-ndjson"}
    newest.recorder.answers["GET", "/jobs"] = (200, headers, lines)
    order = {"method": "list", "fields": _fields(newest)}
    theirs, ours = newest.peer(order)[0], newest.us(order)[0]
    _assert_same(theirs, ours)


@pytest.mark.parametrize("peer", PEERS)
def test_a_listing_in_one_document_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    document = json.dumps({"jobs": list(JOBS.values())})
    both.recorder.answers["GET", "/jobs"] = (200, {}, document)
    order = {"method": "list", "fields": _fields(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    _assert_same(theirs, ours)


@pytest.mark.parametrize("peer", PEERS)
def test_capacity_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    both.recorder.answers["GET", "/mon/jobs/capacity"] = (200, {}, '{"cpu-small": 3, "gpu": 0}')
    order = {"method": "get_capacity"}
    assert both.us(order)[0] == both.peer(order)[0]
