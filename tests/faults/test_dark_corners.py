"""What no peer should send and no environment should have: the same, and no harm, on both transports."""

import socket
import struct
import sys
import time
from urllib.parse import urlsplit

import psutil
import pytest

from neuro_sync import JobsClient, NeuroError, RetryPolicy, Timeout
from neuro_sync.errors import ConnectionFailed, OutcomeUnknown, ProtocolError
from neuro_sync.streams.std import StdStream
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport
from neuro_sync.transport.retry import Retrier
from neuro_sync.transport.ws import WsTransport

from ..wire.raw_server import serve
from .black_hole import black_hole
from .certificates import server_context

TIMEOUT = Timeout(connect=5.0, read=5.0)
TOKEN = "t0ken-of-the-user"
MIB = 2**20
EXIT = b'\x03{"exit_code": 0}'


def call_http(url, timeout=TIMEOUT):
    http = HttpTransport(StaticToken(TOKEN), timeout=timeout, retry=RetryPolicy(base=0.001))
    try:
        return http.request("GET", url + "/x").body
    finally:
        http.close()


def call_websocket(url, timeout=TIMEOUT):
    retrier = Retrier(RetryPolicy(base=0.001))
    conn = WsTransport(StaticToken(TOKEN), timeout=timeout, retrier=retrier).dial(url + "/x")
    conn.close()
    return b"fine"


def answer_both(peer):
    """Says yes to a call and to a handshake."""
    request = peer.request()
    if request is None:
        return
    if "upgrade" in request.headers:
        peer.upgrade(request)
        peer.frame()
    else:
        peer.answer(body=b"fine")


both = pytest.mark.parametrize("call", [call_http, call_websocket])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills the queue of Linux")
@pytest.mark.parametrize(
    "call",
    [
        lambda url: HttpTransport(StaticToken(TOKEN)).request("GET", url, seconds=1.0),
        lambda url: WsTransport(StaticToken(TOKEN)).dial(url, seconds=1.0),
    ],
    ids=["call", "websocket"],
)
def test_all_addresses_of_a_name_have_one_deadline(call, monkeypatch):
    with black_hole() as url:
        address = ("127.0.0.1", urlsplit(url).port)
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 20
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed):
            call("http://many.example:{}/x".format(address[1]))
        assert time.monotonic() - began < 10


# Where the token goes


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_the_token_goes_nowhere(call, status):
    with serve(answer_both) as elsewhere:

        def redirect(peer):
            peer.request()
            peer.answer(status, headers=["Location: " + elsewhere.url + "/x"])

        with serve(redirect) as server, pytest.raises(ProtocolError) as caught:
            call(server.url)
        assert caught.value.status == status
        assert elsewhere.connections == 0
        assert len(server.requests) == 1


@both
def test_a_netrc_does_not_replace_the_token(call, monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(answer_both) as server:
        assert call(server.url) == b"fine"
    assert server.requests[0].headers["authorization"] == "Bearer " + TOKEN


@both
@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "ä", "\u2028"])
def test_a_token_with_a_line_break_is_refused_before_anything_is_sent(call, bad):
    with pytest.raises(ValueError) as caught:
        StaticToken(bad)
    assert bad not in str(caught.value)
    assert "Evil" not in str(caught.value)


IDS = [
    "../users/x",
    "..",
    ".",
    "a/../../b",
    "a/b",
    "%2e%2e",
    "a?b=c",
    "a#b",
    "a b",
    "ä",
    "a;b",
    "a\\b",
]
WRONG_IDS = ["", ".", "..", "a\r\nX-Evil: 1", "a\nb", "a\0b", "x" * 10000, "\ud800"]


@pytest.fixture
def platform_like():
    """Answers each call with what its path was."""

    def handler(peer):
        while True:
            request = peer.request()
            if request is None:
                return
            peer.answer(400, b'{"error": "no such job x"}')

    with serve(handler) as server:
        yield server


@pytest.mark.parametrize("id", [id for id in IDS if id not in WRONG_IDS])
def test_an_id_is_one_segment_of_the_path_whatever_is_in_it(platform_like, id):
    with JobsClient(platform_like.url + "/api/v1", TOKEN) as jobs:
        with pytest.raises(NeuroError):
            jobs.status(id)
        with pytest.raises(NeuroError):
            jobs.kill(id)
    for request in platform_like.requests:
        path = request.target.split("?")[0]
        assert path.startswith("/api/v1/jobs/")
        segment = path[len("/api/v1/jobs/") :]
        assert not set(segment) & set("/?# \\;")
        assert segment not in (".", "..")


@pytest.mark.parametrize("id", WRONG_IDS)
def test_an_id_that_can_be_none_is_refused_before_anything_is_sent(platform_like, id):
    with JobsClient(platform_like.url + "/api/v1", TOKEN) as jobs:
        for use in (
            jobs.status,
            jobs.kill,
            jobs.monitor,
            jobs.top,
            jobs.send_signal,
            lambda id: jobs.exec(id, "true", stdout=True),
            lambda id: jobs.port_forward(id, 0, 80),
            lambda id: jobs.bump_life_span(id, 60),
        ):
            with pytest.raises(ValueError):
                use(id)
    assert platform_like.requests == []


# Servers that do not know when to stop


@both
def test_endless_headers_are_given_up(call):
    def endless(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.send(b"X-More: " + b"x" * 1000 + b"\r\n")

    before = psutil.Process().memory_info().rss
    with serve(endless) as server, pytest.raises(NeuroError):
        call(server.url)
    assert psutil.Process().memory_info().rss - before < 32 * MIB


@both
def test_a_head_that_drips_is_given_up(call):
    """Each read brings something, and none brings the end."""

    def drip(peer):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            peer.send(b"X")
            time.sleep(0.05)

    began = time.monotonic()
    with serve(drip) as server, pytest.raises(ConnectionFailed, match="time"):
        call(server.url, Timeout(connect=0.5, read=0.5))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.", b"HTTP/1.1 101 Switching Protocols\r\nUpg"])
@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_handshake_that_is_cut_is_a_lost_connection_and_tried_again(cut, how):
    def hang_up(peer):
        peer.request()
        peer.send(cut)
        if how == "reset":
            peer.reset()

    with serve(hang_up, hang_up, answer_both) as server:
        assert call_websocket(server.url) == b"fine"
        assert server.connections == 3
    with serve(hang_up) as server, pytest.raises(ConnectionFailed):
        call_websocket(server.url)


def test_a_command_whose_handshake_is_lost_is_not_sent_again():
    """It may have been started: whoever asked for it has to look."""

    def hang_up(peer):
        peer.request()
        peer.reset()

    with serve(hang_up) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            WsTransport(StaticToken(TOKEN)).dial(server.url + "/exec", repeatable=False)
        assert server.connections == 1
        assert "not repeated" in str(caught.value)


@both
@pytest.mark.parametrize("garbage", [b"\0" * 100, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1\r\n\r\n"])
def test_a_server_of_another_kind_is_an_error(call, garbage):
    def other(peer):
        peer.request()
        peer.send(garbage)

    with serve(other) as server, pytest.raises(NeuroError):
        call(server.url)


# Frames


def session(*sent, close=True):
    """A session whose server sends these bytes right behind the handshake."""

    def handler(peer):
        request = peer.request()
        peer.upgrade(request)
        for data in sent:
            peer.send(data)
        if close:
            peer.send(frame(struct.pack("!H", 1000), opcode=8))
        while peer.frame() is not None:
            pass

    return serve(handler)


def frame(payload, opcode=2, final=True, mask=None, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | opcode])
    bit = 0 if mask is None else 0x80
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if mask is not None:
        head += mask
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return head + payload


def read(server):
    """What comes on standard output, and the error at the end, if there is one."""
    received = []
    with StdStream(WsTransport(StaticToken(TOKEN)).dial(server.url + "/exec")) as stream:
        try:
            for message in stream:
                received.append(message.data)
        except NeuroError as error:
            return b"".join(received), error
        return b"".join(received), None


@pytest.mark.parametrize("length", [64 * MIB + 1, 2**31, 2**62, 2**63])
def test_a_frame_that_announces_too_much_is_refused_before_it_comes(length):
    before = psutil.Process().memory_info().rss
    with session(frame(b"\x01fine"), frame(b"\x01", length=length), close=False) as server:
        output, error = read(server)
    assert isinstance(error, ProtocolError)
    assert output in (b"", b"fine")
    assert psutil.Process().memory_info().rss - before < 32 * MIB


def test_four_thousand_fragments_are_put_together_in_linear_time():
    """In the way of websocket-client it would take half a minute."""
    piece = b"x" * 15000
    fragments = [frame(b"\x01" + piece, final=False)]
    fragments += [frame(piece, opcode=0, final=False) for _ in range(3998)]
    fragments.append(frame(piece, opcode=0))
    began = time.monotonic()
    with session(*fragments, frame(EXIT)) as server:
        output, error = read(server)
    assert error is None
    assert output == piece * 4000
    assert time.monotonic() - began < 10


def test_masked_frames_of_a_server_are_taken():
    with session(frame(b"\x01masked", mask=b"abcd"), frame(EXIT, mask=b"\0\1\2\3")) as server:
        assert read(server) == (b"masked", None)


@pytest.mark.parametrize(
    "wrong",
    [
        frame(b"\x01x", opcode=2 | 0x40),
        frame(b"\x01x", opcode=3),
        frame(b"\x01x", opcode=11),
        frame(b"\x01x", opcode=0),
        frame(b"x", opcode=9, final=False),
        frame(b"x" * 126, opcode=9),
        frame(b"x", opcode=8),
        frame(struct.pack("!H", 999), opcode=8),
        frame(struct.pack("!H", 1000) + b"\xff", opcode=8),
        frame(b"\xff\xfe", opcode=1),
    ],
)
def test_a_malformed_frame_ends_the_session_with_an_error(wrong):
    with session(wrong, frame(EXIT), close=False) as server:
        output, error = read(server)
    assert isinstance(error, ProtocolError)
    assert output == b""


def test_output_in_any_split_and_with_any_bytes_arrives_as_it_was():
    """A character over two frames, and over both streams; bytes that are no text at all."""
    text = "naïve Ω 漢字 \U0001f600".encode()
    frames = [frame(b"\x01" + text[at : at + 1]) for at in range(len(text))]
    frames += [frame(b"\x01\xff\xfe"), frame(b"\x02\xf0"), frame(b"\x01\x00"), frame(b"")]
    with session(*frames, frame(EXIT)) as server:
        with StdStream(WsTransport(StaticToken(TOKEN)).dial(server.url + "/exec")) as stream:
            out = {1: b"", 2: b""}
            for message in stream:
                out[message.fileno] += message.data
    assert out == {1: text + b"\xff\xfe\x00", 2: b"\xf0"}


# The way there


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_an_error_of_the_proxy(call, scheme, monkeypatch):
    def refuse(peer):
        peer.request()
        peer.answer(407, headers=['Proxy-Authenticate: Basic realm="x"'])

    with serve(refuse) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ConnectionFailed, match="the proxy") as caught:
            call(scheme + "://somewhere.invalid")
        assert caught.value.status == 407
        assert proxy.connections == 1


@both
def test_no_proxy_is_asked_for_a_host_that_needs_none(call, monkeypatch):
    with serve(answer_both) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
        assert call(server.url) == b"fine"


@both
def test_a_certificate_that_nobody_vouches_for_is_refused(call, authority):
    with serve(answer_both, tls=server_context(authority, "127.0.0.1")) as server:
        with pytest.raises(ConnectionFailed, match="certificate"):
            call(server.url)
        assert server.connections == 1  # another try would find the same
        assert server.requests == []


@both
def test_a_certificate_of_another_host_is_refused(call, authority, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with serve(answer_both, tls=server_context(authority, "elsewhere.example")) as server:
        with pytest.raises(ConnectionFailed, match="certificate"):
            call(server.url)
        assert server.connections == 1
        assert server.requests == []


@both
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_of_the_users_own_authority_is_taken(
    call, authority, monkeypatch, tmp_path, variable
):
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    with serve(answer_both, tls=server_context(authority, "127.0.0.1")) as server:
        assert call(server.url) == b"fine"


@both
def test_tls_that_is_cut_in_its_handshake_is_a_lost_connection(call):
    def cut(peer):
        peer.sock.recv(5)
        peer.reset()

    with serve(cut) as server, pytest.raises(ConnectionFailed):
        call(server.url.replace("http:", "https:"))
    assert server.connections == 3
