"""Bars: seen by a person at a terminal, and by nobody else."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="there are no such terminals on this system")

from neuro_sync import JobStatus

from .screen import Terminal

WAITS = Path(__file__).with_name("waits.py")
LIBRARIES = [
    pytest.param(
        [other], id=name, marks=pytest.mark.skipif(find_spec(name) is None, reason="not installed")
    )
    for name, other in (("tqdm", "rich"), ("rich", "tqdm"))
]


@pytest.fixture
def words(platform, jobs):
    yield [sys.executable, str(WAITS), platform.api_url, str(platform.data_dir / "token")]
    for job in active(jobs):
        jobs.kill(job.id)


def active(jobs):
    """The jobs of the program that have not ended."""
    return list(jobs.list(tags={"waits"}, statuses=JobStatus.active_items()))


@pytest.mark.parametrize("missing", LIBRARIES)
def test_waiting_for_a_job(words, jobs, missing):
    with Terminal([*words, "wait", *missing]) as shown:
        shown.until(" is running")
        for job in active(jobs):
            jobs.kill(job.id)
        assert shown.until("the end").wait() == 0
        # The bar is gone.
        assert shown.text == "the end"


@pytest.mark.skipif(find_spec("rich") is None, reason="not installed")
def test_a_program_may_show_something_of_its_own_meanwhile(words, jobs):
    with Terminal([*words, "within", "tqdm"]) as shown:
        shown.until("its own").until(lambda _: len(active(jobs)) == 2)
        for job in active(jobs):
            jobs.kill(job.id)
        assert shown.until("the end").wait() == 0
        assert "its own" in shown.text


@pytest.mark.parametrize("missing", LIBRARIES)
def test_waiting_for_many(words, jobs, missing):
    with Terminal([*words, "as_completed", *missing]) as shown:
        shown.until("waiting for jobs").until("0/2")
        first, second = active(jobs)
        jobs.kill(first.id)
        shown.until("ended: cancelled").until("1/2")
        jobs.kill(second.id)
        assert shown.until("the end").wait() == 0
        assert shown.text.split() == "ended: cancelled ended: cancelled the end".split()


@pytest.mark.parametrize("missing", LIBRARIES)
def test_saving(words, jobs, missing):
    with Terminal([*words, "save", *missing]) as shown:
        assert shown.until("the end").wait() == 0
        assert shown.text.split() == "saved the end".split()
        assert b"copying the container" in shown.raw
        assert b"pushing" in shown.raw
        assert re.search(rb"3\.0\d?M?/4\.0\d?(M| MB)", shown.raw)


def test_nothing_where_neither_is_installed(words, jobs):
    with Terminal([*words, "save", "rich", "tqdm"]) as shown:
        assert shown.until("the end").wait() == 0
        assert shown.raw == b"saved\r\nthe end\r\n"


def test_nothing_where_nobody_is_looking(words):
    ran = subprocess.run(
        [*words, "save"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"saved\nthe end\n", b"")
