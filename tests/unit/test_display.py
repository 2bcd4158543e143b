"""What a prompt and a notebook show."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import JobDescription, JobStatus, JobTelemetry, Preset
from neuro_sync.display import jobs_table_html, telemetry_html
from neuro_sync.models.cluster import Presets
from neuro_sync.streams.telemetry import TelemetryStream

RESOURCES = {"cpu": 1, "memory": 2**30}
EVIL = "<script>alert(1)</script>\"'&"


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


class Reader(HTMLParser):
    """Collects the tags and the text of a page; fails where tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._open = set(), [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "polyline":
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_a_job_is_a_row():
    cells = Reader(job(name="train")._repr_html_()).text[8:]
    assert cells == [
        "job-1",
        "train",
        "failed (OOMKilled), exit code 137",
        "2026-01-02 03:04:05",
        "1:02:05",
        "ubuntu:latest",
        "python train.py",
    ]


def test_a_long_command_is_cut():
    long = job(container={"image": "ubuntu", "command": "x" * 1000, "resources": RESOURCES})
    assert "x" * 57 + "..." in Reader(long._repr_html_()).text


@given(st.text(max_size=20))
def test_nothing_that_came_from_outside_is_markup(text):
    text = EVIL + text
    shown = Reader(
        job(
            id=text,
            name=text,
            status=text,
            preset_name=text,
            history={"status": text, "reason": text},
            container={"image": "ubuntu", "command": text, "resources": RESOURCES},
        )._repr_html_()
    )
    assert "script" not in shown.tags
    assert EVIL in "".join(shown.text)


def test_presets_are_a_table():
    presets = Presets({EVIL: Preset(credits_per_hour=10, cpu=0.5, memory=2**30)})
    shown = Reader(presets._repr_html_())
    assert "script" not in shown.tags
    assert shown.text[5:] == [EVIL, "0.5", "1024 MiB", "10"]


def test_one_sample_is_a_table_and_no_picture():
    shown = Reader(
        JobTelemetry(cpu=0.5, memory=12.25, gpu_duty_cycle=70, gpu_memory=1.5)._repr_html_()
    )
    assert "svg" not in shown.tags
    assert " ".join(shown.text[1:]) == "CPU 0.50 cores Memory 12.2 MiB GPU 70 % GPU memory 1.5 MiB"


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
    assert "at most 2.00 in 0:00:04" in page


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 2e9)), min_size=2, max_size=50
    )
)
def test_all_of_a_drawing_is_inside_it(samples):
    page = telemetry_html(
        [JobTelemetry(cpu=cpu, memory=memory, timestamp=at) for cpu, memory, at in samples]
    )
    Reader(page)
    size = re.search('width="(\\d+)" height="(\\d+)"', page)
    for line in points(page):
        assert len(line) == len(samples)
        assert all(0 <= x <= int(size.group(1)) and 0 <= y <= int(size.group(2)) for x, y in line)


def test_no_telemetry_yet():
    assert "no telemetry yet" in TelemetryStream(dial=None, decode=None)._repr_html_()


def test_no_jobs():
    assert Reader(jobs_table_html([])).tags == {"table", "thead", "tr", "th", "tbody"}


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
