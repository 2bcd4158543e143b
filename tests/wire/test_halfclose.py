"""Telling a program that has gone from one that has only stopped to send."""

import socket
import sys

import pytest

from neuro_sync.streams import halfclose
from neuro_sync.streams.halfclose import peer_has_gone

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells of the other end of a connection"
)


def connected(host, reached_as=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no {}".format(host))
        listener.listen()
        port = listener.getsockname()[1]
        program = socket.create_connection((reached_as or host, port))
        return listener.accept()[0], program


@pytest.fixture(params=["asked", "searched"])
def way(request, monkeypatch):
    """Both ways in which the kernel tells."""

    def refuse(*args):
        raise OSError("not on this system")

    if request.param == "searched":
        monkeypatch.setattr(halfclose, "_ask", refuse)
    else:
        monkeypatch.setattr(halfclose, "_search", refuse)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("host", "reached_as"),
    [("127.0.0.1", None), ("::1", None), ("127.0.0.1", "::ffff:127.0.0.1")],
    ids=["IPv4", "IPv6", "IPv4 through IPv6"],
)
def test_a_program_that_has_only_stopped_to_send_is_still_there(host, reached_as):
    local, program = connected(host, reached_as)
    with local:
        with program:
            program.shutdown(socket.SHUT_WR)
            assert local.recv(1) == b""
            assert peer_has_gone(local) is False
        assert peer_has_gone(local) is True
