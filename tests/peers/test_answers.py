"""What the platform's own SDKs make of a server's answer is what we make of it, attribute by attribute."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .comparing import DELIBERATE, PEERS, assert_same, fields_of
from .payloads import FAILED_2022, JOBS, PENDING_2026, RUNNING_2026, jobs


def _status(both, payload):
    both.comparisons += 1
    both.recorder.answers["GET", "/jobs/x"] = (200, {}, json.dumps(payload))
    order = {"method": "status", "arguments": {"id": "x"}, "fields": fields_of(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    return theirs, ours


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_is_the_same(request, peer, name):
    assert_same(*_status(request.getfixturevalue(peer), JOBS[name]))


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
        assert_same(*_status(both, payload))

    compare()


def test_each_deliberate_difference_is_still_one(newest, middle, oldest):
    met = assert_same(*_status(newest, RUNNING_2026))
    met |= assert_same(*_status(newest, dict(PENDING_2026, privileged=True)))
    met |= assert_same(*_status(middle, FAILED_2022))
    met |= assert_same(*_status(oldest, RUNNING_2026))
    other = copy.deepcopy(PENDING_2026)
    other["container"]["image"] = "registry.default.example/other/vision/mine:v1"
    met |= assert_same(*_status(newest, dict(other, org_name="other")), other_organisation=True)
    assert met == set(range(len(DELIBERATE))), "no difference any more: take it out of the table"


@pytest.mark.parametrize("peer", ["newest", "middle"])
def test_gpus_of_the_years_between_are_the_same(request, peer):
    payload = copy.deepcopy(RUNNING_2026)
    payload["container"]["resources"].update(gpu=2, gpu_model="nvidia-a100")
    assert_same(*_status(request.getfixturevalue(peer), payload))


def test_gpus_of_2022_are_the_same(oldest):
    payload = copy.deepcopy(FAILED_2022)
    payload["container"]["resources"].update(gpu=1, gpu_model="nvidia-v100")
    assert_same(*_status(oldest, payload))


@pytest.mark.parametrize("peer", PEERS)
def test_a_listing_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    lines = "".join(json.dumps(job) + "\n" for job in JOBS.values())
    headers = {"Content-Type": "application/x-ndjson"}
    both.recorder.answers["GET", "/jobs"] = (200, headers, lines)
    order = {"method": "list", "fields": fields_of(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    assert_same(theirs, ours)
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
    order = {"method": "list", "fields": fields_of(newest)}
    theirs, ours = newest.peer(order)[0], newest.us(order)[0]
    assert_same(theirs, ours)


@pytest.mark.parametrize("peer", PEERS)
def test_a_listing_in_one_document_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    document = json.dumps({"jobs": list(JOBS.values())})
    both.recorder.answers["GET", "/jobs"] = (200, {}, document)
    order = {"method": "list", "fields": fields_of(both)}
    theirs, _ = both.peer(order)
    ours, _ = both.us(order)
    assert_same(theirs, ours)


@pytest.mark.parametrize("peer", PEERS)
def test_capacity_is_the_same(request, peer):
    both = request.getfixturevalue(peer)
    both.comparisons += 1
    both.recorder.answers["GET", "/mon/jobs/capacity"] = (200, {}, '{"cpu-small": 3, "gpu": 0}')
    order = {"method": "get_capacity"}
    assert both.us(order)[0] == both.peer(order)[0]
