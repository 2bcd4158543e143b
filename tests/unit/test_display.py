"""What notebooks show: tables in which nothing from outside is markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import JobDescription, JobTelemetry, Preset
from neuro_sync.display import jobs_table_html, presets_table_html, telemetry_html
from neuro_sync.models.cluster import Presets

from ..peers.payloads import FAILED_2022, JOBS, PENDING_2026, RUNNING_2026

OURS = {"table", "thead", "tbody", "tr", "th", "td", "code", "span", "em"}
CHART = {"figure", "figcaption", "small", "svg", "polyline"}
marked_up = st.text(alphabet="<>&\"'/=abcscript \n;", min_size=1, max_size=20)


class Page(HTMLParser):
    """Tags, attributes and text of a piece of HTML, which has to be well-formed."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.cells = [], [], []
        self._open = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
        if tag != "polyline":
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag != "polyline":
            assert self._open.pop() == tag

    def handle_data(self, data):
        if "td" in self._open or "th" in self._open:
            self.cells[-1] += data


def test_jobs_are_a_table_with_a_row_for_each():
    page = Page(jobs_table_html([JobDescription.from_dict(job) for job in JOBS.values()]))
    assert page.tags.count("tr") == 1 + len(JOBS)
    assert page.cells[:8] == "Job,Name,Status,Created (UTC),Ran,Preset,Image,Command".split(",")


def test_a_row_says_how_the_job_stands():
    failed = Page(JobDescription.from_dict(FAILED_2022)._repr_html_()).cells[8:]
    assert failed[2:5] == ["failed (OOMKilled), exit code 137", "2022-07-01 10:00:00", "0:03:00"]
    running = Page(JobDescription.from_dict(RUNNING_2026)._repr_html_()).cells[8:]
    assert running[1] == "train-resnet"
    assert running[5:] == ["cpu-small", "ghcr.io/acme/serve:2", "bash -c 'serve --port 8080'"]


def test_a_long_command_is_cut():
    container = {**PENDING_2026["container"], "command": "x" * 1000}
    job = JobDescription.from_dict({**PENDING_2026, "container": container})
    assert len(Page(job._repr_html_()).cells[-1]) == 60


@given(st.data())
def test_what_comes_from_outside_is_text_in_the_table_of_jobs(data):
    text = data.draw(marked_up)
    job = JobDescription.from_dict(
        {
            **PENDING_2026,
            "id": text,
            "name": text,
            "preset_name": text,
            "status": text,
            "history": {"status": text, "reason": text, "created_at": "2026-01-01T00:00:00Z"},
            "container": {**PENDING_2026["container"], "image": text, "command": text},
        }
    )
    page = Page(job._repr_html_())
    assert set(page.tags) <= OURS
    assert set(page.attributes) <= {"style"}
    assert page.cells[8:10] == [text, text]
    assert page.cells[10].startswith(text)
    assert page.cells[13] == text
    assert page.cells[15] == text


@given(marked_up)
def test_what_comes_from_outside_is_text_in_the_table_of_presets(text):
    preset = Preset.from_dict(
        {
            "cpu": 0.5,
            "memory": 2**30,
            "nvidia_gpu": {"count": 1, "model": text},
            "credits_per_hour": "1",
        }
    )
    page = Page(Presets({text: preset})._repr_html_())
    assert set(page.tags) <= OURS
    assert page.cells[5:] == [text, "0.5", "1024 MiB", "1 x " + text, "1"]


def test_a_sample_is_shown_with_its_units():
    sample = JobTelemetry(0.5, memory=512.0, gpu_duty_cycle=97, gpu_memory=100.0)
    cells = Page(sample._repr_html_()).cells[2:]
    shown = dict(zip(cells[::2], cells[1::2]))
    assert shown == {
        "CPU": "0.50 cores",
        "Memory": "512.0 MiB",
        "GPU": "97 %",
        "GPU memory": "100.0 MiB",
    }


def test_several_samples_have_charts():
    samples = [JobTelemetry(float(n), memory=float(n)) for n in range(5)]
    page = Page(telemetry_html(samples))
    assert page.tags.count("polyline") == 2
    assert set(page.tags) <= OURS | CHART


@given(st.lists(st.floats(0, 1e12), max_size=5))
def test_any_samples_can_be_shown(values):
    html = telemetry_html([JobTelemetry(value, memory=value) for value in values])
    assert "nan" not in html
    Page(html)


def test_a_duty_cycle_that_is_no_number_is_text_too():
    sample = JobTelemetry.from_dict(
        {"cpu": 1, "memory": 1, "timestamp": 1, "gpu_duty_cycle": "<script>"}
    )
    assert "script" not in Page(sample._repr_html_()).tags


@pytest.mark.parametrize("show", [jobs_table_html, lambda rows: presets_table_html(dict(rows))])
def test_nothing_is_an_empty_table(show):
    assert Page(show([])).tags.count("td") == 0
