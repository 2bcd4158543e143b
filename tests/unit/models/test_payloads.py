"""What is sent to start a job, beyond what the calls show."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import JobPriority, JobRestartPolicy
from neuro_sync.models.payloads import Target, job_payload, whole_minutes

TARGET = Target("default", "acme", "vision")


@given(st.floats(60, 1e9))
def test_minutes_are_rounded_down_and_are_never_none(seconds):
    minutes = whole_minutes(seconds, "life_span")
    assert 1 <= minutes * 60 <= seconds < (minutes + 1) * 60


@pytest.mark.parametrize("seconds", [59.999, 0, -60, float("nan"), float("inf")])
def test_what_has_no_whole_minutes_is_refused(seconds):
    with pytest.raises(ValueError, match="life_span"):
        whole_minutes(seconds, "life_span")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (TARGET, {"cluster_name": "default", "org_name": "acme", "project_name": "vision"}),
        (Target("c", None, "p"), {"cluster_name": "c", "project_name": "p"}),
        (Target("c", "o", None), {"cluster_name": "c", "org_name": "o"}),
        (Target("c", "o", "p", send_project=False), {"cluster_name": "c", "org_name": "o"}),
    ],
)
def test_a_target_names_what_there_is(target, expected):
    assert target.to_dict() == expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(),
            "description": st.text(),
            "tags": st.lists(st.text()),
            "schedule_timeout": st.floats(0, 1e6),
            "restart_policy": st.sampled_from(list(JobRestartPolicy)),
            "priority": st.sampled_from(list(JobPriority)),
            "privileged": st.booleans(),
            "wait_for_jobs_quota": st.booleans(),
            "preset_name": st.text(),
            "energy_schedule_name": st.text(),
        },
    )
)
def test_nothing_empty_and_no_null_is_sent(options):
    payload = job_payload(TARGET, **options)
    assert None not in payload.values()
    assert "" not in payload.values()
    assert [] not in payload.values()
    assert json.loads(json.dumps(payload)) == payload


def test_words_of_the_wire_are_taken_as_well():
    payload = job_payload(TARGET, restart_policy="always", priority=3)
    assert (payload["restart_policy"], payload["priority"]) == ("always", "high")


def test_a_schedule_timeout_of_nothing_is_left_to_the_server_to_refuse():
    assert job_payload(TARGET, schedule_timeout=0)["schedule_timeout"] == 0
