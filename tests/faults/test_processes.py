"""Clients and streams where processes fork, spawn and end."""

import atexit
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from neuro_sync import JobsClient, JobStatus, StreamClosed

ROOT = Path(__file__).resolve().parents[2]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
# Python 3.12 and later warn of a fork with threads: that it goes well is what is tested here.
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_child(function):
    """Run a function in a forked child; returns what it returned, or fails with its words."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there)
        try:
            answer = (True, function())
        except BaseException as error:
            answer = (False, repr(error))
        os.write(here, pickle.dumps(answer))
        os._exit(0)
    os.close(here)
    with os.fdopen(there, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    fine, value = pickle.loads(text)
    assert fine, value
    return value


@needs_fork
@forks
def test_a_client_works_on_both_sides_of_a_fork(flaky_jobs, sleeper):
    """The child has the sockets of its parent, and must not send a byte over them."""
    for _ in range(10):
        assert flaky_jobs.status(sleeper.id).status is JobStatus.RUNNING
        theirs = in_child(lambda: [flaky_jobs.status(sleeper.id).id for _ in range(5)])
        assert theirs == [sleeper.id] * 5
        assert flaky_jobs.status(sleeper.id).status is JobStatus.RUNNING


@needs_fork
@forks
def test_a_child_opens_streams_of_its_own(flaky_jobs, sleeper):
    with flaky_jobs.exec(sleeper.id, "cat", stdin=True, stdout=True) as session:
        session.write_in(b"before\n")
        assert session.read_out().data == b"before\n"
        theirs = in_child(lambda: flaky_jobs.exec_run(sleeper.id, "echo child").stdout)
        assert theirs == b"child\n"
        session.write_in(b"after\n")
        assert session.read_out().data == b"after\n"


@needs_fork
@forks
def test_a_stream_belongs_to_the_process_that_opened_it(flaky_jobs, sleeper):
    log = flaky_jobs.monitor(sleeper.id)
    session = flaky_jobs.exec(sleeper.id, "cat", stdin=True, stdout=True)
    top = flaky_jobs.top(sleeper.id)
    with log, session, top:

        def use_all():
            told = []
            for use in (
                lambda: session.write_in(b"child\n"),
                lambda: session.read_out(),
                lambda: log.read_chunk(),
                lambda: next(top),
            ):
                with pytest.raises(StreamClosed) as caught:
                    use()
                told.append(str(caught.value))
            # And its end in the child is none for the parent.
            for stream in (session, log, top):
                stream.close()
            return told

        assert all("process" in words for words in in_child(use_all))
        session.write_in(b"parent\n")
        assert session.read_out().data == b"parent\n"
        assert next(top).cpu >= 0


@needs_fork
@forks
def test_a_child_that_ends_takes_no_stream_of_its_parent_along(flaky_jobs, sleeper):
    """Neither by the finalizers of the interpreter's end, nor by those of the garbage collector."""
    session = flaky_jobs.exec(sleeper.id, "cat", stdin=True, stdout=True)
    with session, flaky_jobs.port_forward(sleeper.id, 0, 9) as forward:
        child = os.fork()
        if child == 0:
            session = forward = None
            gc.collect()
            atexit._run_exitfuncs()
            os._exit(0)
        os.waitpid(child, 0)
        session.write_in(b"still here\n")
        assert session.read_out().data == b"still here\n"
        assert "closed" not in repr(forward)


def _status_in_pool(arguments):
    url, token, id = arguments
    with JobsClient(url, token) as jobs:
        return jobs.status(id).status


@forks
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_with_a_live_client(flaky_platform, flaky_jobs, sleeper, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("no {} here".format(method))
    flaky_jobs.status(sleeper.id)
    context = multiprocessing.get_context(method)
    arguments = (flaky_platform.api_url, flaky_platform.token, sleeper.id)
    with flaky_jobs.monitor(sleeper.id), context.Pool(2) as pool:
        assert pool.map(_status_in_pool, [arguments] * 8) == [JobStatus.RUNNING] * 8
        assert flaky_jobs.status(sleeper.id).status is JobStatus.RUNNING


def test_who_pickles_a_client_is_told_what_to_do_instead(flaky_platform):
    with flaky_platform.client() as client:
        for thing in (client, client.jobs, client.config):
            with pytest.raises(TypeError, match="make one in each process"):
                pickle.dumps(thing)


ENDS = {
    "end of the script": "",
    "sys.exit": "sys.exit(3)",
    "an exception": "raise SystemError('by the test')",
    "os._exit": "os._exit(4)",
}

SCRIPT = """
import os, socket, sys, threading, time
import neuro_sync
from neuro_sync import JobsClient

jobs = JobsClient(sys.argv[1], sys.argv[2])
id, port = sys.argv[3], int(sys.argv[4])
log = jobs.monitor(id)
log.__enter__()
lines = jobs.monitor(id).lines()
session = jobs.exec(id, "cat", stdin=True, stdout=True)
session.write_in(b"x")
session.read_out()
top = jobs.top(id)
top.__enter__()
listing = jobs.list()
next(listing)
forward = jobs.port_forward(id, 0, port)
local = socket.create_connection(("127.0.0.1", forward.local_port))
local.sendall(b"x")

def read():
    for _ in log:
        pass

def write():
    stream = jobs.exec(id, "sleep 600", stdin=True)
    while True:
        stream.write_in(b"x" * 100000)

for target in (read, write):
    threading.Thread(target=target, daemon=True).start()
print("live", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_interpreter_ends_with_all_kinds_of_streams_open(
    flaky_platform, flaky_jobs, sleeper, end
):
    command = [sys.executable, "-X", "faulthandler", "-c", SCRIPT + ENDS[end]]
    url, token = flaky_platform.api_url, flaky_platform.token
    process = subprocess.Popen(
        [*command, url, token, sleeper.id, url.rpartition(":")[2].split("/")[0]],
        cwd=str(ROOT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout.readline() == b"live\n", process.stderr.read()
            began = time.monotonic()
            process.stdin.write(b"\n")
            process.stdin.close()
            code = process.wait(30)
            took = time.monotonic() - began
            words = process.stderr.read().decode()
        finally:
            process.kill()
    assert took < 2.0
    if end == "an exception":
        assert words.count("Traceback") == 1
        assert words.rstrip().endswith("SystemError: by the test")
        assert code == 1
    else:
        assert words == ""
        assert code == {"sys.exit": 3, "os._exit": 4}.get(end, 0)
    assert flaky_jobs.status(sleeper.id).status is JobStatus.RUNNING


def test_development_mode_has_nothing_to_complain_about(flaky_platform, sleeper):
    """No ResourceWarning where everything is used as a context manager."""
    script = textwrap.dedent(
        """
        import socket, sys
        from neuro_sync import JobsClient

        with JobsClient(sys.argv[1], sys.argv[2]) as jobs:
            id = sys.argv[3]
            with jobs.monitor(id), jobs.top(id) as top, jobs.list() as listing:
                next(top)
                next(listing)
                assert jobs.exec_run(id, "cat", input=b"x").stdout == b"x"
                with jobs.port_forward(id, 0, 9) as forward:
                    try:
                        with socket.create_connection(("127.0.0.1", forward.local_port)) as local:
                            local.recv(1)
                    except ConnectionResetError:
                        pass
        """
    )
    options = ["-X", "dev", "-W", "error::ResourceWarning", "-c", script]
    output = subprocess.check_output(
        [sys.executable, *options, flaky_platform.api_url, flaky_platform.token, sleeper.id],
        cwd=str(ROOT),
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    words = [line for line in output.decode().splitlines() if "a connection to port 9" not in line]
    assert words == []
