"""What a person sees at a prompt and in a notebook, and what the Tab key offers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import JobDescription, JobStatus, JobStatusHistory, JobTelemetry
from neuro_sync.display import telemetry_html
from neuro_sync.streams.telemetry import TelemetryStream

from .test_display import Page

RESOURCES = {"cpu": 1, "memory": 2**30}


def job(**fields):
    payload = {
        "id": "job-1",
        "status": "failed",
        "owner": "user",
        "cluster_name": "default",
        "history": {
            "status": "failed",
            "reason": "OOMKilled",
            "exit_code": 137,
            "created_at": "2026-01-02T03:04:05.6+00:00",
            "run_time_seconds": 3725,
        },
        "container": {"image": "ubuntu", "command": "python train.py", "resources": RESOURCES},
    }
    payload.update(fields)
    return JobDescription.from_dict(payload)


def test_a_job_is_a_row():
    cells = Page(job(name="train")._repr_html_()).cells[8:]
    assert cells == [
        "job-1",
        "train",
        "failed (OOMKilled), exit code 137",
        "2026-01-02 03:04:05",
        "1:02:05",
        "",
        "ubuntu:latest",
        "python train.py",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.25, "0.2 s"), (59.94, "59.9 s"), (61, "0:01:01"), (90000, "25:00:00")]
)
def test_how_long_it_ran(seconds, shown):
    history = {"status": "running", "run_time_seconds": seconds}
    assert shown in Page(job(history=history)._repr_html_()).cells


def test_a_job_that_succeeded_needs_no_reason():
    history = {"status": "succeeded", "reason": "Completed", "exit_code": 0}
    assert "succeeded" in Page(job(status="succeeded", history=history)._repr_html_()).cells


def points(page):
    return [
        [tuple(map(float, point.split(","))) for point in line.split()]
        for line in re.findall('points="([^"]*)"', page)
    ]


def test_samples_are_drawn_over_time():
    page = telemetry_html(
        [
            JobTelemetry(cpu=cpu, memory=memory, timestamp=timestamp)
            for timestamp, cpu, memory in [(100, 0, 50), (101, 2, 50), (104, 1, 100)]
        ]
    )
    cpu, memory = points(page)
    width = cpu[-1][0]
    # The time between the samples, not their number, is the distance between them.
    assert [x for x, _ in cpu] == [0.0, pytest.approx(width / 4), width] == [x for x, _ in memory]
    bottom, top, middle = [y for _, y in cpu]
    assert top < middle < bottom  # y goes down
    assert middle - top == pytest.approx(bottom - middle, abs=0.1)
    assert "at most 2.00 in 4.0 s" in page


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 2e9)), min_size=2, max_size=50
    )
)
def test_all_of_a_drawing_is_inside_it(samples):
    page = telemetry_html(
        [JobTelemetry(cpu=cpu, memory=memory, timestamp=at) for cpu, memory, at in samples]
    )
    Page(page)  # all that was opened is closed
    size = re.search('width="(\\d+)" height="(\\d+)"', page)
    for line in points(page):
        assert len(line) == len(samples)
        assert all(0 <= x <= int(size.group(1)) and 0 <= y <= int(size.group(2)) for x, y in line)


def test_no_telemetry_yet():
    assert "no telemetry yet" in TelemetryStream(dial=None, decode=None)._repr_html_()


def test_a_repr_shows_what_matters_in_a_line():
    assert repr(job(name="train", preset_name="gpu")) == (
        "<JobDescription job-1 name='train' failed (OOMKilled) exit_code=137 "
        "image=ubuntu:latest preset=gpu>"
    )


def completions(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def test_a_status_completes_to_what_a_status_can_do():
    assert completions(JobStatus.RUNNING) == sorted(
        [status.name for status in JobStatus]
        + ["active_items", "finished_items", "items"]
        + ["is_finished", "is_pending", "is_running", "name", "value"]
    )


def test_a_client_completes_to_what_is_documented(client):
    assert set(completions(client.jobs)) == set(
        """as_completed attach bump_life_span close config exec exec_run get_capacity interact kill
        list monitor parse port_forward run save send_signal start start_and_wait status top
        wait""".split()
    )
    assert set(completions(client.config)) == set(
        """api_url available_orgs check_server cluster_name cluster_org_projects cluster_orgs clusters
        current_cluster fetch get_cluster monitoring_url org_name path presets project_name
        project_name_or_raise projects resource_pools switch_cluster switch_org switch_project token
        username""".split()
    )


def test_a_history_shows_how_it_ended_and_when():
    item = {"status": "running", "transition_time": "2026-01-02T03:04:05+00:00", "reason": ""}
    history = JobStatusHistory.from_dict(
        {
            "status": "failed",
            "reason": "OOMKilled",
            "exit_code": 137,
            "created_at": "2026-01-02T03:04:05.6+00:00",
            "finished_at": "2026-01-02T04:00:00+00:00",
            "statuses": [item],
        }
    )
    assert repr(history) == (
        "<JobStatusHistory failed (OOMKilled) exit_code=137 "
        "created_at=2026-01-02 03:04:05 UTC finished_at=2026-01-02 04:00:00 UTC>"
    )
    assert repr(history.transitions) == "[<JobStatusItem running at 2026-01-02 03:04:05 UTC>]"
