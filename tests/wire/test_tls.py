"""The TLS settings that calls and WebSockets share."""

import ssl

import pytest
import urllib3

from neuro_sync.errors import ConfigError
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport
from neuro_sync.transport.ws import WsTransport

from .raw_server import answering, serve

pytestmark = pytest.mark.usefixtures("nothing_left")


def call(url, method="GET"):
    transport = HttpTransport(StaticToken("token"))
    try:
        transport.request(method, url)
    finally:
        transport.close()


def dial(url):
    WsTransport(StaticToken("token")).dial(url, repeatable=False).close()


def greeting(peer):
    peer.upgrade(peer.request())
    peer.frame()


@pytest.fixture
def loads(monkeypatch):
    """How often certificates are read."""
    seen = []
    original = ssl.SSLContext.load_verify_locations

    def load(self, *args, **options):
        seen.append(args or options)
        return original(self, *args, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    return seen


@pytest.mark.skipif(urllib3.__version__ < "2", reason="urllib3 1 reads them for each connection")
@pytest.mark.usefixtures("trusted")
def test_certificates_are_read_once_for_all_connections(tls, loads):
    with serve(answering(), tls=tls()) as server:
        call(server.url)
        call(server.url)
        assert server.connections == 2
    with serve(greeting, tls=tls()) as server:
        dial(server.url)
    assert len(loads) == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("open_it", [call, lambda url: call(url, "POST"), dial])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_named(
    tls, monkeypatch, tmp_path, variable, open_it, content
):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(path))
    with serve(answering(), tls=tls()) as server:
        with pytest.raises(ConfigError, match=r"ca\.pem.*CA_BUNDLE") as caught:
            open_it(server.url)
        assert caught.value.attempts == 1
        assert server.requests == []
