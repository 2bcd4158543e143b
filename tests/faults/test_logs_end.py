"""How a log ends, and what is left of it where a read is broken off."""

import os
import signal
import threading
import time
from datetime import datetime, timezone

import pytest

from neuro_sync import JobStatus, LogGap, RateLimited, ServerNotAvailable, StreamClosed
from neuro_sync.streams import following
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy

from ..wire.stream_server import Refusal, dial, serve
from .flaky_log import Job

LINES = ["2026-09-14T08:11:{:02d}.000000000Z line {}\n".format(n, n).encode() for n in range(8)]
SEEN = ["line {}".format(n) for n in range(8)]
QUICK = ReconnectPolicy(base=0.001, cap=0.01, gap_tries=2, archive_lag=0.2)


def monitor(server, poll=lambda: Job(JobStatus.SUCCEEDED), policy=QUICK, separator="", **options):
    def connect(since, separator):
        return dial(server.url + ("" if since is None else "?since=" + since.isoformat()[:19]))

    return LogStream(connect, poll, separator=separator, policy=policy, **options)


def asked(peer, lines):
    """Those of the lines that the client asks for."""
    return [line for line in lines if line[:19].decode() >= peer.query.get("since", "")]


def test_what_a_broken_connection_missed_is_awaited_from_an_archive_that_lags():
    ended = []

    def lagging(peer):
        if not ended:
            ended.append(time.monotonic())
            peer.send(*LINES[:4])
            peer.reset()
            return
        in_archive = 8 if time.monotonic() >= ended[0] + QUICK.archive_lag else 4
        peer.send(*asked(peer, LINES[:in_archive]))
        peer.close()

    with serve(lagging) as server, monitor(server) as log:
        assert list(log.lines()) == SEEN
        assert server.dialled < 8


def test_a_log_that_was_followed_to_its_end_is_not_waited_for():
    def in_order(peer):
        peer.send(*asked(peer, LINES))
        peer.close()

    patient = QUICK._replace(archive_lag=100.0)
    with serve(in_order) as server, monitor(server, policy=patient) as log:
        assert list(log.lines()) == SEEN
        assert server.dialled == 2


def losing(peer):
    """The first connection breaks behind line 2; what is kept then begins with line 5."""
    if "since" not in peer.query:
        peer.send(*LINES[:3])
        peer.reset()
    else:
        peer.send(*LINES[5:])
        peer.close()


TEXTS = [line[31:] for line in LINES]


def test_what_was_read_before_a_gap_comes_with_what_is_behind_it():
    with serve(losing) as server, monitor(server) as log:
        with pytest.raises(LogGap):
            log.read()
        assert log.read() == b"".join(TEXTS[:3] + TEXTS[5:])


def test_an_outage_behind_a_suspected_gap_is_outlasted():
    """A log that goes on from a cursor: its first connection is given up, and the next are refused."""

    def admit(peer, number):
        if 1 < number < 8:
            raise Refusal(502)

    with serve(losing) as server:
        log = monitor(server)
        assert log.read_chunk() == b"".join(TEXTS[:3])
        cursor = log.cursor
        log.close()
    with serve(losing, admit) as server, monitor(server, after=cursor) as log:
        with pytest.raises(LogGap):
            log.read()
        assert log.read() == b"".join(TEXTS[5:])


@pytest.mark.parametrize("way", ["read_chunk", "lines", "cursor"])
def test_what_a_broken_read_has_got_is_not_lost(way):
    def admit(peer, number):
        if number > 1:
            raise Refusal(429)

    def break_off(peer):
        peer.send(*LINES[:3])
        peer.reset()

    policy = QUICK._replace(patience=0.05)
    with serve(break_off, admit) as server:
        log = monitor(server, lambda: Job(JobStatus.RUNNING), policy)
        with pytest.raises(RateLimited) as caught:
            log.read()
    assert caught.value.cursor == log.cursor
    if way == "read_chunk":
        assert log.read_chunk() == b"".join(TEXTS[:3])
    elif way == "lines":
        lines = log.lines()
        assert [next(lines) for _ in range(3)] == SEEN[:3]
    else:
        with serve(lambda peer: (peer.send(*LINES), peer.close())) as server:
            assert monitor(server, after=log.cursor).read() == b"".join(TEXTS)


def test_nothing_is_delivered_after_close():
    def send(peer):
        peer.send(*LINES, b"2026-09-14T08:11:09.000000000Z half a li")
        peer.recv()

    with serve(send) as server:
        log = monitor(server, lambda: Job(JobStatus.RUNNING))
        lines = log.lines()
        assert next(lines) == SEEN[0]
        closing = threading.Thread(target=log.close)
        closing.start()
        closing.join()
        assert list(lines) == []
        assert log.read_chunk() is None


def test_reads_with_short_time_outs_see_that_a_silent_log_has_ended(monkeypatch):
    monkeypatch.setattr(following, "_SILENCE", 0.02)
    monkeypatch.setattr(following, "_SILENCES_AFTER_END", 2)

    def silent(peer):
        peer.send(*asked(peer, LINES))
        peer.recv()

    with serve(silent) as server, monitor(server) as log:
        assert log.read_chunk(timeout=10) == b"".join(TEXTS)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                assert log.read_chunk(timeout=0.005) is None
                break
            except TimeoutError:
                continue
        assert log.job.status is JobStatus.SUCCEEDED


def test_a_server_that_asks_for_more_patience_than_there_is_ends_the_log():
    def admit(peer, number):
        if number > 1:
            raise Refusal(503, ["Retry-After: 86400"])

    with serve(lambda peer: (peer.send(*LINES[:3]), peer.reset()), admit) as server:
        log = monitor(server, lambda: Job(JobStatus.RUNNING))
        with pytest.raises(ServerNotAvailable) as caught:
            log.read()
        assert caught.value.retry_after == 86400.0
        assert log.read_chunk() == b"".join(TEXTS[:3])


@pytest.mark.parametrize("came", [[], [b"2026-09-14T08:11:05.500000000Z", b" line 5\n"]])
def test_a_cursor_of_before_the_first_line_is_at_the_moment_asked_for(came):
    def send(peer):
        peer.send(*came)
        peer.recv()

    since = datetime(2026, 9, 14, 8, 11, 5, 400000, timezone.utc)
    with serve(send) as server, monitor(server, since=since) as log:
        for _ in came[1:]:
            log._follower.advance(None)  # as a thread that reads, while another one asks
        cursor = log.cursor
    with serve(lambda peer: (peer.send(*asked(peer, LINES)), peer.close())) as server:
        assert list(monitor(server, after=cursor).lines()) == SEEN[6:]


def test_the_separator_comes_behind_a_cursor_of_before_it():
    def send(peer):
        peer.send(*asked(peer, LINES[:4]), b"---\n", *LINES[4:])
        peer.close()

    expected = [*SEEN[:4], "---", *SEEN[4:]]
    with serve(send) as server:
        for count in range(len(expected)):
            with monitor(server, separator="---") as log:
                lines = log.lines()
                received = [next(lines) for _ in range(count)]
                cursor = log.cursor
            rest = monitor(server, separator="---", after=cursor).lines()
            assert received + list(rest) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_refused_while_a_thread_of_its_parent_reads():
    held, end = threading.Event(), threading.Event()

    def hold():
        with log._follower.lock:
            held.set()
            end.wait(30)

    with serve(lambda peer: (peer.send(*LINES), peer.recv())) as server, monitor(server) as log:
        reader = threading.Thread(target=hold)
        reader.start()
        assert held.wait(10)
        child = os.fork()
        if child == 0:
            told = ""
            signal.alarm(5)
            try:
                log.read()
            except StreamClosed as error:
                told = str(error)
            finally:
                os._exit(0 if "process" in told else 1)
        end.set()
        reader.join()
        assert os.waitpid(child, 0)[1] == 0
