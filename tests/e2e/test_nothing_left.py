"""Whoever leaves a ``with`` block, in whichever way, leaves no thread, no socket and no process."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform

from ..local.processes import alive, sh, wait_gone


class Leaving(Exception):
    """Raised in a block, to leave it."""


def leave(how):
    if how == "exception":
        raise Leaving
    if how == "interrupt":
        raise KeyboardInterrupt
    assert how == "break"


@contextmanager
def left(how):
    """The outside of a block that is left so."""
    try:
        yield
    except (Leaving, KeyboardInterrupt):
        assert how != "break"
    else:
        assert how == "break"


def list_jobs(jobs, job):
    return jobs.list()


def monitor(jobs, job):
    return jobs.monitor(job.id)


def top(jobs, job):
    return jobs.top(job.id)


def exec_(jobs, job):
    return jobs.exec(job.id, sh("while :; do echo x; sleep 0.02; done"), stdin=True, stdout=True)


def exec_terminal(jobs, job):
    command = sh("while :; do echo x; sleep 0.02; done")
    return jobs.exec(job.id, command, tty=True, stdin=True, stdout=True)


def attach(jobs, job):
    return jobs.attach(job.id, stdin=True, stdout=True, stderr=True)


@pytest.mark.parametrize("how", ["break", "exception", "interrupt"])
@pytest.mark.parametrize("open_stream", [list_jobs, monitor, top, exec_, exec_terminal, attach])
def test_a_stream(platform, chatty, nothing_left, open_stream, how):
    with left(how):
        with platform.client() as client, open_stream(client.jobs, chatty) as stream:
            for item in stream:
                assert item is not None
                leave(how)
                break


@pytest.mark.parametrize("how", ["break", "exception", "interrupt"])
@pytest.mark.parametrize("open_stream", [list_jobs, monitor, top, exec_, attach])
def test_a_stream_that_nobody_has_read_from(platform, chatty, nothing_left, open_stream, how):
    with left(how):
        with platform.client() as client, open_stream(client.jobs, chatty):
            leave(how)


@pytest.mark.parametrize("how", ["break", "exception", "interrupt"])
def test_a_forward_in_use(platform, echo, nothing_left, how):
    job, port = echo
    with left(how):
        with platform.client() as client, client.jobs.port_forward(job.id, 0, port) as forward:
            with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as sock:
                sock.sendall(b"words")
                assert sock.recv(100) == b"WORDS"
                leave(how)


def test_a_forward_that_is_left_before_its_connections(platform, echo, nothing_left):
    job, port = echo
    with platform.client() as client:
        with client.jobs.port_forward(job.id, 0, port) as forward:
            sock = socket.create_connection(("127.0.0.1", forward.local_port), timeout=30)
            sock.sendall(b"words")
            assert sock.recv(100) == b"WORDS"
        with sock, pytest.raises(ConnectionResetError):
            sock.recv(100)


@pytest.mark.parametrize(
    "use",
    [
        lambda jobs, job: next(iter(jobs.monitor(job.id))),
        lambda jobs, job: next(jobs.monitor(job.id).lines()),
        lambda jobs, job: next(iter(jobs.list())),
        lambda jobs, job: next(iter(jobs.top(job.id))),
        lambda jobs, job: jobs.exec(job.id, "sleep 600", stdout=True),
    ],
    ids=["monitor", "lines", "list", "top", "exec"],
)
def test_a_stream_that_is_forgotten(platform, chatty, nothing_left, use):
    with platform.client() as client:
        use(client.jobs, chatty)


def test_blocks_in_many_threads(platform, chatty, nothing_left):
    failures = []

    def work(jobs):
        try:
            with jobs.monitor(chatty.id) as log, jobs.top(chatty.id) as samples:
                next(iter(log))
                next(iter(samples))
                assert jobs.exec_run(chatty.id, "echo x").stdout == b"x\n"
                assert jobs.status(chatty.id).status is JobStatus.RUNNING
        except BaseException as error:
            failures.append(error)
            raise

    with platform.client() as client:
        threads = [threading.Thread(target=work, args=(client.jobs,)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("how", ["break", "exception"])
def test_a_command_loses_its_terminal_with_its_session(platform, quiet, nothing_left, tty, how):
    pid = None
    with left(how):
        with platform.client() as client:
            command = sh("echo $$; exec sleep 600")
            with client.jobs.exec(quiet.id, command, tty=tty, stdout=True) as stream:
                pid = int(stream.read_out(timeout=30).data)
                assert alive(pid)
                leave(how)
    wait_gone(pid)


def test_a_command_that_took_too_long(platform, quiet, nothing_left):
    with platform.client() as client:
        with pytest.raises(TimeoutError) as caught:
            client.jobs.exec_run(quiet.id, sh("echo $$; exec sleep 600"), timeout=1)
    wait_gone(int(caught.value.stdout))


@pytest.mark.parametrize("error", [Leaving, KeyboardInterrupt])
def test_a_job_that_is_waited_for(platform, nothing_left, error):
    seen = []

    def output(chunk):
        seen.append(int(chunk))
        raise error

    with platform.client() as client:
        with pytest.raises(error):
            client.jobs.start_and_wait(
                image="ubuntu",
                preset_name="cpu-small",
                command=sh("echo $$; exec sleep 600"),
                output=output,
            )
    wait_gone(*seen)


def test_a_platform_of_ones_own(nothing_left):
    with left("exception"):
        with LocalPlatform() as platform, platform.client() as client:
            job = client.jobs.start(
                image="ubuntu", preset_name="cpu-small", command=sh("echo $$; exec sleep 600")
            )
            with client.jobs.monitor(job.id) as log:
                pid = int(next(log.lines()))
            directory = platform.data_dir
            leave("exception")
    wait_gone(pid)
    assert not directory.exists()


SCRIPT = """
from neuro_sync.local import LocalPlatform

platform = LocalPlatform()
client = platform.client()
jobs = client.jobs
job = jobs.start(image="ubuntu", preset_name="cpu-small", command="sh -c 'echo $$; exec sleep 600'")
log = jobs.monitor(job.id)
print(next(log.lines()), platform.data_dir, flush=True)
session = jobs.exec(job.id, "sleep 600", stdin=True, stdout=True)
forward = jobs.port_forward(job.id, 0, 80)
samples = jobs.top(job.id)
next(iter(samples))
{end}
"""


@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise ValueError('the end')", 1)])
def test_a_program_that_ends_without_closing_anything(end, code):
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(end=end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=60,
    )
    assert result.returncode == code, result.stderr
    assert result.stderr.strip().splitlines()[-1:] == (
        ["ValueError: the end"] if "raise" in end else []
    )
    assert time.monotonic() - began < 30
    pid, directory = result.stdout.split()
    wait_gone(int(pid))
    assert not os.path.exists(directory)
