"""Logs of real jobs of the local platform, whose connections break: as users meet it."""

import random
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from neuro_sync import ConnectionFailed, JobRestartPolicy, JobStatus, LogGap, NeuroError
from neuro_sync.errors import ConcurrentRead
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy

from ..wire.stream_server import dial, serve
from .flaky_log import Job

ROOT = Path(__file__).resolve().parents[2]
LINES = 3000
# Numbers, in bursts, for about two seconds.
COUNT = """
import sys, time
for number in range(%d, %d):
    print("line %%05d %%s" %% (number, "x" * (number %% 50)), flush=number %% 100 == 0)
    if number %% 100 == 0:
        time.sleep(0.05)
"""


def numbered(first, last):
    return ["line {:05d} {}".format(number, "x" * (number % 50)) for number in range(first, last)]


@pytest.fixture
def start(flaky_jobs):
    started = []

    def start(script, **options):
        command = "{} -c {}".format(sys.executable, shlex.quote(script))
        job = flaky_jobs.start(image="ubuntu", preset_name="cpu-small", command=command, **options)
        started.append(job.id)
        return job.id

    yield start
    for id in started:
        flaky_jobs.kill(id)


def switch_faults_on(faults, rng, count):
    kinds = [
        lambda: faults.reset_after(rng.randrange(100000), endpoint="log_ws"),
        lambda: faults.close(1000, endpoint="log_ws", after=rng.randrange(100000)),
        lambda: faults.close(1001, endpoint="log_ws", after=rng.randrange(100000)),
        lambda: faults.close(1006, endpoint="log_ws", after=rng.randrange(100000)),
        lambda: faults.close(1011, endpoint="log_ws", after=rng.randrange(100000)),
        lambda: faults.refuse("log_ws", status=502),
        lambda: faults.refuse("status", status=503),
    ]
    for number in range(count):
        kinds[number % len(kinds)]()


def test_the_log_of_a_running_job_survives(nothing_left, flaky_jobs, faults, start):
    switch_faults_on(faults, random.Random(5), 7)
    id = start(COUNT % (0, LINES))
    with flaky_jobs.monitor(id, separator="") as log:
        assert list(log.lines()) == numbered(0, LINES)
        assert log.job.status is JobStatus.SUCCEEDED
        assert log.job.history.exit_code == 0
    assert faults.seen("log_ws") > 5


def test_a_token_that_expires_meanwhile_is_replaced(flaky_jobs, faults, start):
    id = start(COUNT % (0, LINES))
    received = []
    with flaky_jobs.monitor(id, separator="") as log:
        for line in log.lines():
            received.append(line)
            if len(received) in (500, 1500):
                faults.expire_token()
                # The connection that is open goes on; the next one needs the new token.
                faults.reset_after(2000, endpoint="log_ws")
    assert received == numbered(0, LINES)


def test_the_log_goes_on_over_restarts_of_the_container(flaky_jobs, faults, start, tmp_path):
    """Each run of it goes on counting where the last one has stopped, and then fails."""
    state = tmp_path / "runs"
    script = """
import os, sys
runs = os.path.getsize({0!r}) if os.path.exists({0!r}) else 0
with open({0!r}, "a") as file:
    file.write("x")
exec({1!r} % (runs * 300, runs * 300 + 300))
sys.exit(0 if runs == 3 else 1)
""".format(str(state), COUNT)
    for number in range(6):
        faults.close(1000, endpoint="log_ws", after=3000 * number)
    id = start(script, restart_policy=JobRestartPolicy.ON_FAILURE)
    with flaky_jobs.monitor(id, separator="") as log:
        assert list(log.lines()) == numbered(0, 1200)
        assert log.job.status is JobStatus.SUCCEEDED
        assert log.job.history.restarts == 3


READ_ON = """
import sys
from neuro_sync import JobsClient
with JobsClient(sys.argv[1], sys.argv[2]) as jobs:
    with jobs.monitor(sys.argv[3], after=sys.argv[4], separator="") as log:
        for line in log.lines():
            print(line)
"""


def test_another_process_goes_on_from_the_cursor(flaky_platform, flaky_jobs, start):
    id = start(COUNT % (0, LINES))
    first = []
    with flaky_jobs.monitor(id, separator="") as log:
        for line in log.lines():
            first.append(line)
            if len(first) == 1234:
                break
        cursor = log.cursor
    output = subprocess.check_output(
        [sys.executable, "-c", READ_ON, flaky_platform.api_url, flaky_platform.token, id, cursor],
        cwd=str(ROOT),
        timeout=60,
    )
    assert first + output.decode().splitlines() == numbered(0, LINES)


@pytest.mark.parametrize("script", ["", "print('short')"])
def test_the_log_of_a_job_that_has_ended_ends(flaky_jobs, start, script):
    """Also where there is none: clients of this platform have waited for ever there."""
    id = start(script)
    flaky_jobs.wait(id, timeout=30)
    began = time.monotonic()
    log = flaky_jobs.monitor(id)
    assert log.read() == (b"short\n" if script else b"")
    assert log.job.id == id
    assert time.monotonic() - began < 5


def test_a_log_that_is_not_to_be_taken_up_again_says_that_it_broke(flaky_jobs, faults, start):
    id = start(COUNT % (0, LINES))
    faults.reset_after(5000, endpoint="log_ws")
    log = flaky_jobs.monitor(id, separator="", reconnect=False)
    with pytest.raises(ConnectionFailed) as caught:
        log.read()
    assert log.job is None
    with flaky_jobs.monitor(id, separator="", after=caught.value.cursor) as rest:
        lines = list(rest.lines())
    assert lines[-1] == numbered(0, LINES)[-1]


def test_a_log_that_its_server_breaks_off_says_which_it_was(flaky_jobs, faults, sleeper):
    faults.close(1011, endpoint="log_ws")
    with pytest.raises(ConnectionFailed, match="broke the log off") as caught:
        flaky_jobs.monitor(sleeper.id, reconnect=False).read()
    assert caught.value.method == "GET"
    assert caught.value.url.endswith("/{}/log_ws".format(sleeper.id))


def test_two_readers_of_one_stream_are_told(flaky_jobs, sleeper):
    for stream in (
        flaky_jobs.monitor(sleeper.id),
        flaky_jobs.exec(sleeper.id, "sleep 600", stdout=True),
        flaky_jobs.top(sleeper.id),
    ):
        waiting = threading.Thread(target=lambda stream=stream: list(stream), daemon=True)
        with stream:
            waiting.start()
            while not stream._one_reader._reading:
                time.sleep(0.001)
            with pytest.raises(ConcurrentRead, match="another thread is reading"):
                next(stream)
        waiting.join(10)
        assert not waiting.is_alive()


# What a server can't bring back


LINE = "2026-09-14T08:11:{:02d}.000000000Z line {}\n"
QUICK = ReconnectPolicy(base=0.001, cap=0.01, gap_tries=3, archive_lag=0.0)


def losing(peer):
    """The first connection breaks behind line 2; what is kept then begins with line 5."""
    if "since" not in peer.query:
        peer.send(*(LINE.format(n, n).encode() for n in range(3)))
        peer.reset()
    else:
        peer.send(*(LINE.format(n, n).encode() for n in range(5, 8)))
        peer.close()


def monitor(server, **options):
    def connect(since, separator):
        url = server.url + ("" if since is None else "?since=" + since.isoformat()[:19])
        return dial(url)

    return LogStream(
        connect, lambda: Job(JobStatus.SUCCEEDED), separator="", policy=QUICK, **options
    )


def test_a_gap_that_can_not_be_excluded_is_raised():
    with serve(losing) as server, monitor(server) as log:
        received = []
        with pytest.raises(LogGap) as caught:
            received.extend(log.lines())
        assert received == ["line 0", "line 1", "line 2"]
        assert caught.value.after.startswith("2026-09-14T08:11:02")
        assert caught.value.before.startswith("2026-09-14T08:11:05")
        assert isinstance(caught.value, NeuroError)
        # Who reads on gets what is behind it.
        assert list(log.lines()) == ["line 5", "line 6", "line 7"]


def test_a_gap_that_can_not_be_excluded_is_told():
    told = []
    with serve(losing) as server, monitor(server, on_gap=told.append) as log:
        assert list(log.lines()) == ["line {}".format(n) for n in (0, 1, 2, 5, 6, 7)]
    assert [gap.after[:19] for gap in told] == ["2026-09-14T08:11:02"]
    assert server.dialled > QUICK.gap_tries


def test_an_outage_that_does_not_end_ends_the_log_with_where_it_was():
    def break_off(peer):
        peer.send(*(LINE.format(n, n).encode() for n in range(3)))
        peer.reset()

    policy = ReconnectPolicy(patience=0.5, base=0.001, cap=0.01)
    with serve(break_off) as server:
        log = LogStream(
            lambda since, separator: dial(server.url),
            lambda: Job(JobStatus.RUNNING),
            separator="",
            policy=policy,
        )
        received = []
        with pytest.raises(ConnectionFailed) as caught:
            received.extend(log.lines())
    assert received == ["line 0", "line 1", "line 2"]
    assert caught.value.cursor == log.cursor


@pytest.mark.parametrize("delivered", [1, 10, 12345])
def test_a_cursor_in_the_middle_of_much_that_came_at_once(delivered):
    text = "2026-09-14T08:11:{:02d}.{:03d}000000Z line {} {}\n"
    lines = [text.format(10 + n // 1000, n % 1000, n, "x" * 100).encode() for n in range(20000)]

    def all_at_once(peer):
        begin = max(0, int(peer.query.get("since", "0")[-2:]) - 10) * 1000
        peer.send(b"".join(lines[begin:]))
        peer.close()

    with serve(all_at_once) as server:
        with monitor(server) as log:
            numbers = log.lines()
            received = [next(numbers) for _ in range(delivered)]
            cursor = log.cursor
        with monitor(server, after=cursor) as log:
            received += log.lines()
    assert [line.split()[1] for line in received] == [str(n) for n in range(20000)]
