"""Waiting for jobs while the platform is away, slow or failing."""

import io
import threading
import time

import pytest

from neuro_sync import (
    AuthorizationError,
    ConnectionFailed,
    ExecTimeout,
    JobStatus,
    JobWaitTimeout,
    RetryPolicy,
    ServerNotAvailable,
    Timeout,
)
from neuro_sync.local import LocalPlatform

from ..gates import WAIT_AT_GATE, open_gate

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(scope="module")
def platform():
    with LocalPlatform() as platform:
        yield platform


@pytest.fixture
def jobs(platform):
    with platform.client(retry=ONCE) as client:
        yield client.jobs
    platform.faults.clear()


@pytest.fixture
def pending(jobs):
    """Starts jobs that end when they are told to."""
    started = []

    def start():
        job = jobs.start(
            image="ubuntu",
            preset_name="cpu-small",
            command="sh -c '{}'".format(WAIT_AT_GATE),
        )
        started.append(job.id)
        return jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)

    yield start
    for id in started:
        jobs.kill(id)


def when(condition, action):
    """Do something in another thread once a condition holds."""

    def run():
        deadline = time.monotonic() + 30
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_wait_outlives_an_outage(platform, jobs, pending):
    job = pending()
    platform.faults.clear()
    seen = platform.faults.seen

    def break_down():
        platform.faults.refuse("status", status=503, times=2)
        platform.faults.reset_after(0, endpoint="status", times=2)

    def end_it():
        open_gate(jobs, job.id)

    down = when(lambda: seen("status") >= 1, break_down)
    up = when(lambda: seen("status") >= 7, end_it)
    assert jobs.wait(job.id, timeout=60).status is JobStatus.SUCCEEDED
    down.join()
    up.join()


def test_a_platform_that_was_never_there_is_an_error_at_once(platform, jobs, pending):
    job = pending()
    platform.faults.refuse("status", status=503)
    with pytest.raises(ServerNotAvailable):
        jobs.wait(job.id)


def test_a_wait_keeps_its_time_though_an_answer_hangs(platform, jobs, pending):
    job = pending()
    platform.faults.clear()
    seen = platform.faults.seen
    stalled = when(lambda: seen("status") >= 1, lambda: platform.faults.stall("status", times=None))
    began = time.monotonic()
    with pytest.raises(JobWaitTimeout) as caught:
        jobs.wait(job.id, timeout=2)
    assert time.monotonic() - began < 4
    assert caught.value.job.id == job.id
    stalled.join()


def test_as_completed_keeps_its_time_though_a_listing_hangs(platform, jobs, pending):
    waiting = [pending() for _ in range(4)]
    platform.faults.clear()
    seen = platform.faults.seen
    stalled = when(lambda: seen("list") >= 1, lambda: platform.faults.stall("list", times=None))
    began = time.monotonic()
    with pytest.raises(JobWaitTimeout) as caught:
        list(jobs.as_completed(waiting, timeout=2))
    assert time.monotonic() - began < 4
    assert caught.value.job in waiting
    stalled.join()


def test_as_completed_outlives_an_outage(platform, jobs, pending):
    waiting = [pending() for _ in range(5)]
    platform.faults.clear()
    seen = platform.faults.seen

    def break_down():
        platform.faults.refuse("list", status=502, times=2)
        platform.faults.reset_after(10, endpoint="list", times=2)

    def end_them():
        for job in waiting:
            open_gate(jobs, job.id)

    down = when(lambda: seen("list") >= 1, break_down)
    up = when(lambda: seen("list") >= 6, end_them)
    ended = {job.id for job in jobs.as_completed(waiting, timeout=60)}
    assert ended == {job.id for job in waiting}
    down.join()
    up.join()


def test_what_kills_the_job_does_not_hide_what_went_wrong(platform, jobs):
    platform.faults.refuse("kill", status=503)
    platform.faults.refuse("status", status=403)
    with pytest.raises(AuthorizationError) as caught:
        jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="sleep 60")
    assert caught.value.method == "GET"
    with jobs.list(statuses={JobStatus.PENDING, JobStatus.RUNNING}) as left:
        for job in left:
            jobs.kill(job.id)


def test_start_and_wait_outlives_an_outage_right_after_the_start(platform, jobs):
    platform.faults.refuse("status", status=503)
    job = jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="true", timeout=30)
    assert job.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("output", [None, io.BytesIO()], ids=["no output", "output"])
def test_start_and_wait_keeps_its_time_though_an_answer_hangs(platform, jobs, output):
    platform.faults.stall("status", times=None)
    began = time.monotonic()
    with pytest.raises(JobWaitTimeout) as caught:
        jobs.start_and_wait(
            image="ubuntu", preset_name="cpu-small", command="sleep 60", timeout=0.3, output=output
        )
    assert time.monotonic() - began < 4
    platform.faults.clear()
    assert jobs.status(caught.value.job.id).status is JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda jobs, id: jobs.exec_run(id, "true", timeout=0.3), ExecTimeout),
        (lambda jobs, id: jobs.wait(id, timeout=0.3), ConnectionFailed),
        (lambda jobs, id: list(jobs.as_completed([id], timeout=0.3)), ConnectionFailed),
    ],
    ids=["exec", "wait", "as_completed"],
)
def test_the_first_use_of_a_client_keeps_its_time_though_the_config_hangs(
    platform, pending, use, error, monkeypatch
):
    monkeypatch.setattr("neuro_sync.jobs.waiting._FIRST_LOOK", 1.0)
    job = pending()
    with platform.client(retry=ONCE) as client:
        platform.faults.stall("config", times=None)
        began = time.monotonic()
        with pytest.raises(error):
            use(client.jobs, job.id)
        assert time.monotonic() - began < 10
        platform.faults.clear()
        assert client.jobs.status(job.id).id == job.id


def test_a_host_that_is_not_there_ends_a_wait(platform):
    with LocalPlatform() as other:
        client = other.client(retry=ONCE, timeout=Timeout(connect=2, read=2))
        job = client.jobs.start(image="ubuntu", preset_name="cpu-small", command="sleep 60")
    with client, pytest.raises(ConnectionFailed):
        client.jobs.wait(job.id)


def test_top_that_the_server_ends_while_the_job_goes_on_is_an_error(platform, jobs, pending):
    job = pending()
    platform.faults.close(1000, endpoint="top")
    with pytest.raises(ConnectionFailed, match="the job goes on"):
        list(jobs.top(job.id))
