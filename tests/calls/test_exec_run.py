"""exec_run keeps its time, whatever the server does not do."""

import time
from contextlib import contextmanager

import pytest

from neuro_sync import (
    ConnectionFailed,
    ExecResult,
    ExecTimeout,
    OutcomeUnknown,
    ResourceNotFound,
)

from ..peers.config import config_payload
from ..wire import raw_server, stream_server
from ..wire.raw_server import frame
from .conftest import JOB


@pytest.fixture
def exec_run(api, connect):
    def exec_run(server, **options):
        api.config = config_payload("http://127.0.0.1:{}".format(server.port))
        return connect().exec_run("job-1", "ls", **options)

    return exec_run


@contextmanager
def at_once():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("tail", [b"", b"HTTP/1.1 101 Switching"], ids=["nothing", "half of it"])
def test_a_handshake_that_is_not_answered_in_time_is_a_timeout(exec_run, tail):
    def silent(peer):
        peer.request()
        peer.send(tail)
        peer.sock.recv(1)

    with raw_server.serve(silent) as server:
        with at_once(), pytest.raises(ExecTimeout, match="may have been started") as caught:
            exec_run(server, timeout=0.2)
        assert isinstance(caught.value.__cause__, OutcomeUnknown)
        assert server.connections == 1


def test_a_connection_that_breaks_before_the_time_is_over_is_no_timeout(exec_run):
    with raw_server.serve(lambda peer: peer.request()) as server:
        with pytest.raises(OutcomeUnknown):
            exec_run(server, timeout=60)


def test_a_server_that_is_not_there_is_no_timeout(exec_run):
    with raw_server.serve(lambda peer: None) as server:
        pass
    with pytest.raises(ConnectionFailed):
        exec_run(server, timeout=60)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_command_that_has_ended_in_time_has_a_result(exec_run, exit_code):
    """Though the server does not end the session."""

    def talk(peer):
        peer.send(b"\x01out", b"\x02err", b'\x03{"exit_code": %d}' % exit_code)
        peer.recv()

    with stream_server.serve(talk) as server, at_once():
        result = exec_run(server, timeout=1)
    assert result == ExecResult(exit_code, b"out", b"err")


def test_a_command_that_has_not_ended_in_time_has_none(exec_run):
    def talk(peer):
        peer.send(b"\x01out", b"\x02err")
        peer.recv()

    with stream_server.serve(talk) as server, at_once(), pytest.raises(ExecTimeout) as caught:
        exec_run(server, timeout=1)
    assert (caught.value.stdout, caught.value.stderr) == (b"out", b"err")


def test_a_command_that_never_stops_to_write_has_no_more_time(exec_run):
    def talk(peer):
        # In turn, so that each is a message for itself: to take them takes longer than to send them.
        both = (frame(2, b"\x01y") + frame(2, b"\x02n")) * 10_000
        end = time.monotonic() + 15
        while time.monotonic() < end:
            peer.sock.sendall(both)
        peer.send(b'\x03{"exit_code": 0}')
        peer.close()

    with stream_server.serve(talk) as server, pytest.raises(ExecTimeout) as caught:
        exec_run(server, timeout=0.2)
    assert caught.value.stdout.strip(b"y") == caught.value.stderr.strip(b"n") == b""


def test_to_explain_a_refusal_takes_no_more_time(exec_run, api):
    """The job is asked for, to say why it is not running."""

    def refuse(peer):
        peer.request()
        peer.answer(404, b'{"error": "not running"}')

    api.answers((200, JOB))
    with raw_server.serve(refuse) as server:
        with pytest.raises(ResourceNotFound):
            exec_run(server, timeout=1)
    (question,) = api.requests
    assert question.url.endswith("/jobs/job-1")
    assert max(question.timeout) <= 1
