"""Whoever gives the token is told how long the call has left."""

import pytest

from neuro_sync.transport.auth import TokenSource
from neuro_sync.transport.http import HttpTransport
from neuro_sync.transport.retry import Retrier, RetryPolicy
from neuro_sync.transport.ws import WsTransport

from . import stream_server
from .raw_server import serve

POLICY = RetryPolicy(deadline=60.0)


class Source(TokenSource):
    """Its first token is refused."""

    def __init__(self):
        self.told = []

    def token(self, seconds=None):
        self.told.append(seconds)
        return "second" if len(self.told) > 1 else "first"

    def refresh(self, rejected, seconds=None):
        self.told.append(seconds)
        return True


def refusing_the_first(peer):
    while True:
        request = peer.request()
        if request is None:
            return
        peer.answer(401 if request.headers["authorization"] == "Bearer first" else 200)


@pytest.mark.parametrize("seconds", [7.0, None])
def test_of_a_call(seconds):
    source = Source()
    http = HttpTransport(source, retry=POLICY)
    with serve(refusing_the_first) as server:
        http.request("GET", server.url, seconds=seconds)
        http.close()
    assert_told(source, seconds or POLICY.deadline)


@pytest.mark.parametrize("seconds", [7.0, None])
def test_of_a_websocket(seconds):
    def admit(peer, number):
        if number == 1:
            raise stream_server.Refusal(401)

    source = Source()
    with stream_server.serve(lambda peer: peer.recv(), admit) as server:
        WsTransport(source, retrier=Retrier(POLICY)).dial(server.url, seconds=seconds).close()
    assert_told(source, seconds or POLICY.deadline)


def assert_told(source, seconds):
    """For the token, for the refresh, and for the other token: less each time."""
    assert len(source.told) == 3
    assert sorted(source.told, reverse=True) == source.told
    assert all(0 < told <= seconds for told in source.told)
