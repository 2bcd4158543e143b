"""TelemetryStream over real sockets."""

import threading
import time

import pytest

from neuro_sync.errors import (
    ConnectionFailed,
    NeuroError,
    ProtocolError,
    ResourceNotFound,
    ServerError,
)
from neuro_sync.streams.telemetry import TelemetryStream

from .stream_server import Refusal, dial, serve

pytestmark = pytest.mark.usefixtures("nothing_left")


class Status:
    value = "running"

    def __init__(self, is_finished):
        self.is_finished = is_finished


class Job:
    def __init__(self, is_finished):
        self.status = Status(is_finished)


def told(*texts, code=1000, reason=""):
    def handler(peer):
        peer.text(*texts)
        if code is not None:
            peer.close(code, reason)

    return handler


def follow(server, poll_job=None):
    def connect():
        return dial(server.url + "/top", params=[("of", "it")])

    return TelemetryStream(connect, dict, poll_job)


def is_of(error, server):
    return (error.method, error.url) == ("GET", server.url + "/top")


def test_samples_arrive_until_the_job_ends():
    with serve(told('{"cpu": 1}', "", '{"cpu": 2}')) as server:
        with follow(server) as samples:
            assert list(samples) == [{"cpu": 1}, {"cpu": 2}]
            assert list(samples) == []


def test_a_stream_opens_at_the_first_sample_without_with():
    with serve(told('{"cpu": 1}')) as server:
        samples = follow(server)
        assert server.dialled == 0
        assert next(samples) == {"cpu": 1}
        samples.close()
        assert list(samples) == []


def test_an_end_without_a_sample_is_an_error():
    with serve(told()) as server, follow(server) as samples:
        with pytest.raises(ValueError, match="not running") as caught:
            next(samples)
        assert isinstance(caught.value, ResourceNotFound)
        assert is_of(caught.value, server)


def test_what_the_collector_says_is_told():
    with serve(told('{"cpu": 1}', code=1011, reason="node is gone")) as server:
        with follow(server) as samples:
            assert next(samples) == {"cpu": 1}
            with pytest.raises(ServerError, match="node is gone") as caught:
                next(samples)
            assert is_of(caught.value, server)


@pytest.mark.parametrize("code", [None, 1001, 1012])
def test_a_lost_connection_is_no_end(code):
    with serve(told('{"cpu": 1}', code=code)) as server, follow(server) as samples:
        assert next(samples) == {"cpu": 1}
        with pytest.raises(ConnectionFailed) as caught:
            next(samples)
        assert is_of(caught.value, server)


def test_an_end_while_the_job_goes_on_is_an_error_where_the_job_can_be_asked():
    with serve(told('{"cpu": 1}')) as server:
        with follow(server, lambda: Job(False)) as samples:
            assert next(samples) == {"cpu": 1}
            with pytest.raises(ConnectionFailed, match="running") as caught:
                next(samples)
            assert is_of(caught.value, server)
        with follow(server, lambda: Job(True)) as samples:
            assert list(samples) == [{"cpu": 1}]


@pytest.mark.parametrize("text", ["[]", "1", "{", "null"])
def test_a_frame_that_is_no_sample_is_an_error(text):
    with serve(told(text)) as server, follow(server) as samples:
        with pytest.raises(ProtocolError):
            next(samples)


def test_a_refused_connection_is_raised_on_entry():
    def admit(peer, number):
        raise Refusal(404, ['X-Error: {"error": "Job is not running."}'])

    with serve(told(), admit) as server:
        with pytest.raises(NeuroError, match="not running"):
            with follow(server):
                pass


def test_close_in_another_thread_ends_the_iteration():
    with serve(lambda peer: peer.recv()) as server:
        samples = follow(server).__enter__()
        results = []
        reader = threading.Thread(target=lambda: results.append(list(samples)))
        reader.start()
        time.sleep(0.05)
        began = time.monotonic()
        samples.close()
        reader.join(5)
        assert time.monotonic() - began < 0.5
        assert results == [[]]


def test_close_in_another_thread_ends_the_iteration_while_the_job_is_asked_for():
    asked, answer = threading.Event(), threading.Event()

    def poll_job():
        asked.set()
        assert answer.wait(30)
        return Job(True)

    with serve(told('{"cpu": 1}')) as server:
        samples = follow(server, poll_job)
        assert next(samples) == {"cpu": 1}
        results = []
        reader = threading.Thread(target=lambda: results.append(list(samples)))
        reader.start()
        assert asked.wait(10)
        samples.close()
        reader.join(10)
        ended = list(results)
        answer.set()
        assert ended == [[]]


def test_what_prevents_that_the_job_is_asked_for_is_raised():
    def poll_job():
        raise ServerError("not today")

    with serve(told('{"cpu": 1}')) as server, follow(server, poll_job) as samples:
        assert next(samples) == {"cpu": 1}
        with pytest.raises(ServerError, match="not today"):
            next(samples)
        assert list(samples) == []
