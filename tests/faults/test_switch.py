"""The fault switch of the local platform: each fault strikes what it is to strike, as often as told."""

import socket
import time

import pytest

from neuro_sync import (
    AuthenticationError,
    ConnectionFailed,
    JobStatus,
    OutcomeUnknown,
    RateLimited,
    ResourceNotFound,
    RetryPolicy,
    ServerNotAvailable,
    Timeout,
)

# One try only, so that each fault shows.
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def once(flaky_platform):
    with flaky_platform.client(retry=ONCE, timeout=Timeout(connect=5.0, read=0.5)) as client:
        client.cluster_name  # noqa: B018  # the config is read now, before any fault is on
        yield client.jobs


@pytest.fixture
def counter(flaky_jobs):
    """A job that prints a number each 10 ms, and echoes its input."""
    command = "sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done'"
    job = flaky_jobs.start(image="ubuntu", preset_name="cpu-small", command=command)
    yield flaky_jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
    flaky_jobs.kill(job.id)


CALLS = {
    "attach": lambda jobs, id: list(jobs.attach(id, stdout=True, stderr=True)),
    "capacity": lambda jobs, id: jobs.get_capacity(),
    "config": lambda jobs, id: jobs.config.fetch(),
    "exec": lambda jobs, id: jobs.exec_run(id, "true"),
    "kill": lambda jobs, id: jobs.kill("job-none"),
    "list": lambda jobs, id: list(jobs.list()),
    "log_ws": lambda jobs, id: jobs.monitor(id, reconnect=False).read(),
    "max_run_time": lambda jobs, id: jobs.bump_life_span(id, 60),
    "save": lambda jobs, id: jobs.save(id, "image:mine:v1"),
    "signal": lambda jobs, id: jobs.send_signal(id),
    "start": lambda jobs, id: jobs.start(image="ubuntu", preset_name="cpu-small"),
    "status": lambda jobs, id: jobs.status(id),
    "top": lambda jobs, id: list(jobs.top(id)),
}


@pytest.mark.parametrize("endpoint", sorted(CALLS))
def test_answer_strikes_its_endpoint_and_no_other(once, counter, faults, endpoint):
    faults.answer(429, retry_after=7.5, endpoint=endpoint, body='{"error": "slow down"}')
    for other in sorted(set(CALLS) - {endpoint, "attach", "top", "log_ws", "save", "kill"}):
        if other not in ("signal", "start", "max_run_time"):
            CALLS[other](once, counter.id)
    with pytest.raises(RateLimited, match="slow down") as caught:
        CALLS[endpoint](once, counter.id)
    assert caught.value.retry_after == 7.5
    assert faults.seen(endpoint) == 1


def test_refuse_is_503_unless_told_otherwise(once, counter, faults):
    faults.refuse("status")
    with pytest.raises(ServerNotAvailable):
        once.status(counter.id)
    faults.refuse("status", status=404)
    with pytest.raises(ResourceNotFound):
        once.status(counter.id)
    assert once.status(counter.id).id == counter.id


def test_faults_are_counted_and_strike_in_order(once, counter, faults):
    faults.refuse("status", times=2)
    faults.answer(429, endpoint="*", times=None)
    for expected in (ServerNotAvailable, ServerNotAvailable, RateLimited, RateLimited):
        with pytest.raises(expected):
            once.status(counter.id)
    with pytest.raises(RateLimited):
        once.get_capacity()
    assert (faults.seen("status"), faults.seen("capacity")) == (4, 1)
    faults.clear()
    assert faults.seen("status") == 0
    once.status(counter.id)
    assert faults.seen("status") == 1


def test_lose_answer_does_what_was_asked(once, counter, faults):
    faults.lose_answer("max_run_time")
    with pytest.raises(OutcomeUnknown):
        once.bump_life_span(counter.id, 120)
    assert once.status(counter.id).life_span == 120


def test_stall_of_a_call_is_silence(once, counter, faults):
    faults.stall("status")
    began = time.monotonic()
    with pytest.raises(ConnectionFailed, match="in time"):
        once.status(counter.id)
    assert time.monotonic() - began >= 0.5


STREAMS = {
    "log_ws": lambda jobs, id: jobs.monitor(id, reconnect=False).read(),
    "exec": lambda jobs, id: list(jobs.exec(id, "yes", stdout=True)),
    "attach": lambda jobs, id: list(jobs.attach(id, stdout=True, stderr=True)),
    "top": lambda jobs, id: list(jobs.top(id)),
}


@pytest.mark.parametrize("endpoint", sorted(STREAMS))
@pytest.mark.parametrize("after", [0, 30])
def test_reset_after_and_close_strike_streams(once, counter, faults, endpoint, after):
    faults.reset_after(after, endpoint=endpoint)
    with pytest.raises(ConnectionFailed):
        STREAMS[endpoint](once, counter.id)
    faults.close(1006, endpoint=endpoint, after=after)
    with pytest.raises(ConnectionFailed, match="without a goodbye"):
        STREAMS[endpoint](once, counter.id)
    for code in (1001, 4000):
        faults.close(code, endpoint=endpoint, after=after)
        with pytest.raises(ConnectionFailed, match="close code {}".format(code)):
            STREAMS[endpoint](once, counter.id)


def test_telemetry_that_ends_while_the_job_goes_on_does_not_look_complete(once, counter, faults):
    faults.close(1000, endpoint="top", after=30)
    with pytest.raises(ConnectionFailed, match="the job goes on"):
        list(once.top(counter.id))


def test_so_many_bytes_still_arrive(once, counter, faults):
    """Of the frames, with their stamps and channels."""
    for after in (0, 100, 1000):
        faults.reset_after(after, endpoint="exec")
        received = []
        with pytest.raises(ConnectionFailed):
            received.extend(once.exec(counter.id, "yes", stdout=True))
        assert sum(len(message.data) for message in received) <= after


def use_port(forward):
    """The reset may come as soon as the connection does."""
    with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as local:
        local.recv(1)


def test_a_forward_is_struck_too(once, counter, faults):
    with once.port_forward(counter.id, 0, 9) as forward:
        faults.refuse("port_forward")
        with pytest.raises(ConnectionResetError):
            use_port(forward)
        assert faults.seen("port_forward") == 1


def test_an_expired_token_is_refused_and_the_new_one_is_not(flaky_platform, counter, faults):
    with flaky_platform.client() as before:
        before.jobs.status(counter.id)
        faults.expire_token()
        with pytest.raises(AuthenticationError):
            before.jobs.status(counter.id)
        with pytest.raises(AuthenticationError):
            before.jobs.exec_run(counter.id, "true")
    with flaky_platform.client() as after:
        assert after.jobs.status(counter.id).id == counter.id


@pytest.mark.parametrize(
    "wrong",
    [
        lambda faults: faults.refuse("nonsense"),
        lambda faults: faults.reset_after(-1),
        lambda faults: faults.refuse("status", times=0),
        lambda faults: faults.close(7),
        lambda faults: faults.close(1005),
        lambda faults: faults.answer(99),
        lambda faults: faults.answer("503"),
        lambda faults: faults.answer(503, body={"error": "text"}),
        lambda faults: faults.answer(429, retry_after=-1),
        lambda faults: faults.answer(429, retry_after=float("nan")),
        lambda faults: faults.refuse(times=1.5),
        lambda faults: faults.stall(after=None),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error_at_once(faults, wrong):
    with pytest.raises(ValueError):
        wrong(faults)
