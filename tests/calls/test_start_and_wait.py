"""start_and_wait at the worst of moments: the job is there, and its answer is not, or not its log."""

import io
import os
import signal
import threading
import time

import pytest

from neuro_sync import IllegalArgumentError, JobStatus, JobWaitTimeout, OutcomeUnknown
from neuro_sync.jobs import running
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy

from ..peers.config import config_payload
from ..wire import raw_server, stream_server
from .conftest import JOB

ARGUMENTS = {"image": "ubuntu", "preset_name": "cpu-small", "command": "sleep 600"}
interruptible = pytest.mark.skipif(
    os.name != "posix" or threading.current_thread() is not threading.main_thread(),
    reason="Ctrl-C goes to the main thread",
)


class Platform:
    """Interrupts this process as it starts a job, and answers when it may."""

    def __init__(self, interrupts=True):
        self.interrupts = interrupts
        self.may_answer = threading.Event()
        self.killed = threading.Event()

    def __call__(self, request):
        if request.method == "POST":
            if self.interrupts:
                os.kill(os.getpid(), signal.SIGINT)
            self.may_answer.wait(30)
            return 202, JOB
        if request.method == "DELETE":
            assert request.url.endswith(JOB["id"])
            self.killed.set()
            return 204
        return 200, JOB


@interruptible
def test_a_job_whose_answer_comes_with_ctrl_c_is_killed_first(api, connect):
    platform = api.handler = Platform()
    platform.may_answer.set()
    with pytest.raises(KeyboardInterrupt):
        connect().start_and_wait(**ARGUMENTS)
    assert platform.killed.wait(30)


@interruptible
def test_a_job_whose_answer_comes_later_is_killed_then(api, connect):
    platform = api.handler = Platform()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        connect().start_and_wait(**ARGUMENTS)
    assert time.monotonic() - began < 10
    assert not platform.killed.is_set()
    platform.may_answer.set()
    assert platform.killed.wait(30)


@interruptible
def test_who_does_not_want_it_killed_keeps_it(api, connect):
    platform = api.handler = Platform()
    platform.may_answer.set()
    with pytest.raises(KeyboardInterrupt):
        connect().start_and_wait(kill_on_error=False, **ARGUMENTS)
    assert not any(request.method == "DELETE" for request in api.requests)


def test_what_prevents_a_start_is_raised_as_by_start(api, connect):
    api.answers((400, {"error": "no credits"}))
    with pytest.raises(IllegalArgumentError, match="no credits"):
        connect().start_and_wait(**ARGUMENTS)
    assert [request.method for request in api.requests] == ["POST"]


@pytest.mark.parametrize("kill_on_error", [True, False])
def test_a_start_that_is_not_answered_in_time_is_unknown(api, connect, monkeypatch, kill_on_error):
    """And its job is killed when the answer comes after all."""
    monkeypatch.setattr(running, "_START_PATIENCE", 0.1)
    platform = api.handler = Platform(interrupts=False)
    jobs = connect()
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="may have been started"):
        jobs.start_and_wait(timeout=0.1, kill_on_error=kill_on_error, **ARGUMENTS)
    assert time.monotonic() - began < 10
    platform.may_answer.set()
    for thread in threading.enumerate():
        if thread.name == "neuro_sync-start":
            thread.join(30)
    assert platform.killed.is_set() is kill_on_error


def test_a_log_that_does_not_open_does_not_take_more_time(api, connect):
    def silent(peer):
        peer.request()
        peer.sock.recv(1)

    platform = api.handler = Platform(interrupts=False)
    platform.may_answer.set()
    with raw_server.serve(silent) as server:
        api.config = config_payload(server.url)
        began = time.monotonic()
        with pytest.raises(JobWaitTimeout) as caught:
            connect().start_and_wait(timeout=0.2, output=io.BytesIO(), **ARGUMENTS)
        assert time.monotonic() - began < 10
    assert caught.value.job.id == JOB["id"]
    assert platform.killed.is_set()


def test_a_log_that_comes_faster_than_it_is_written_does_not_take_more_time(api, connect):
    def talk(peer):
        for second in range(1000):
            peer.send(b"2026-01-01T00:%02d:%02d.000000000Z line\n" % divmod(second, 60))
            time.sleep(0.01)
        peer.close()

    def write(data):
        written.append(data)
        assert len(written) < 40
        time.sleep(0.1)

    written = []
    platform = api.handler = Platform(interrupts=False)
    platform.may_answer.set()
    with stream_server.serve(talk) as server:
        api.config = config_payload("http://127.0.0.1:{}".format(server.port))
        with pytest.raises(JobWaitTimeout):
            connect().start_and_wait(timeout=0.5, output=write, **ARGUMENTS)
    assert written
    assert platform.killed.is_set()


SUCCEEDED = dict(JOB, status="succeeded", history=dict(JOB["history"], status="succeeded"))


class Ended:
    """Answers that the job has ended; it must not be killed."""

    def __call__(self, request):
        assert request.method in ("POST", "GET")
        return (202, JOB) if request.method == "POST" else (200, SUCCEEDED)


def run_with_log(api, jobs, server, **options):
    api.handler = Ended()
    api.config = config_payload("http://127.0.0.1:{}".format(server.port))
    output = io.BytesIO()
    job = jobs.start_and_wait(output=output, **options, **ARGUMENTS)
    assert job.status is JobStatus.SUCCEEDED
    return output.getvalue()


def test_a_log_that_the_server_does_not_end_does_not_look_whole(api, connect):
    def send(peer):
        peer.send(b"2026-09-14T08:11:01.000000000Z a\n")
        peer.recv()

    with stream_server.serve(send) as server:
        with pytest.raises(JobWaitTimeout, match="its log did not end") as caught:
            run_with_log(api, connect(), server, timeout=0.5, kill_on_error=False)
    assert caught.value.job.status is JobStatus.SUCCEEDED


def test_a_gap_in_the_log_is_no_reason_to_kill_the_job(api, connect, monkeypatch, caplog):
    quick = ReconnectPolicy(base=0.001, cap=0.01, gap_tries=2, archive_lag=0.0)
    monkeypatch.setitem(LogStream.__init__.__kwdefaults__, "policy", quick)

    def lose(peer):
        if "since" not in peer.query:
            peer.send(b"2026-09-14T08:11:01.000000000Z a\n")
            peer.reset()
        else:
            peer.send(b"2026-09-14T08:11:05.000000000Z b\n")
            peer.close()

    with stream_server.serve(lose) as server:
        assert run_with_log(api, connect(), server) == b"a\nb\n"
    assert "lines may be missing" in caplog.text


def test_nor_is_a_log_that_can_not_be_taken_up_again(api, connect, caplog):
    def say(peer):
        peer.send(b"failed to create fsnotify watcher: too many open files\n")
        peer.reset()

    with stream_server.serve(say) as server:
        assert run_with_log(api, connect(), server).startswith(b"failed to create")
    assert "can't be taken up again" in caplog.text
