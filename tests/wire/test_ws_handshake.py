"""Opening WebSockets over real sockets: what is asked, what is refused, what stands in the way."""

import base64
import json
import pickle
import threading
import time
import traceback

import pytest

from neuro_sync.errors import (
    AuthenticationError,
    AuthorizationError,
    BadGateway,
    ClientError,
    ConnectionFailed,
    IllegalArgumentError,
    JobNotFound,
    NeuroError,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    ResourceNotFound,
    ServerError,
    ServerNotAvailable,
)
from neuro_sync.transport import ws_answer
from neuro_sync.transport.auth import CallableToken, StaticToken
from neuro_sync.transport.calloff import Making
from neuro_sync.transport.http import USER_AGENT
from neuro_sync.transport.retry import Retrier, RetryPolicy, Timeout
from neuro_sync.transport.ws import WsTransport

from .raw_server import Peer, answering, closed_port, serve

pytestmark = pytest.mark.usefixtures("nothing_left")

TOKEN = "secret-token"
HELLO = b"\x82\x05hello"


class Clock:
    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dial(clock):
    """Opens WebSockets without waiting between two tries, and closes them after the test."""
    opened = []

    def dial(url, token=TOKEN, *, timeout=Timeout(5.0, 5.0), attempts=3, **options):
        auth = CallableToken(token) if callable(token) else StaticToken(token)
        retrier = Retrier(RetryPolicy(attempts=attempts), sleep=clock.sleep, rng=lambda: 1.0)
        connection = WsTransport(auth, timeout=timeout, retrier=retrier).dial(url, **options)
        opened.append(connection)
        return connection

    yield dial
    for connection in opened:
        connection.close()


def greeting(peer):
    """Accept, say hello in the same breath, and wait for the end."""
    peer.upgrade(peer.request(), tail=HELLO)
    while peer.frame() is not None:
        pass


def refusing(status, body=b"", headers=()):
    def handler(peer):
        peer.request()
        peer.answer(status, body, [*headers, "Connection: close"])

    return handler


def raw(data):
    def handler(peer):
        peer.request()
        peer.send(data)

    return handler


def test_what_is_asked(dial):
    with serve(greeting) as server:
        dial(
            server.url + "/a%2Fb/exec",
            params=[("cmd", "sh -c 'a b'"), ("tty", "0")],
            subprotocols=("v2.channels.neu.ro", "x"),
        )
        (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/a%2Fb/exec?cmd=sh+-c+%27a+b%27&tty=0")
    headers = request.headers
    assert headers["authorization"] == "Bearer " + TOKEN
    assert headers["user-agent"] == USER_AGENT
    assert headers["sec-websocket-protocol"] == "v2.channels.neu.ro, x"
    assert headers["host"] == "127.0.0.1:{}".format(server.port)
    # The platform's servers compare the whole value of both.
    assert (headers["connection"].lower(), headers["upgrade"].lower()) == ("upgrade", "websocket")
    assert headers["sec-websocket-version"] == "13"
    assert "origin" not in headers


def test_no_subprotocol_is_asked_for_where_none_is_wanted(dial):
    with serve(greeting) as server:
        assert dial(server.url).subprotocol is None
        assert "sec-websocket-protocol" not in server.requests[0].headers


def test_messages_that_come_with_the_handshake_are_not_lost(dial):
    with serve(greeting) as server:
        assert dial(server.url).recv_batch() == [b"hello"]


def test_the_servers_choice_of_a_subprotocol_is_told(dial):
    def handler(peer):
        peer.upgrade(peer.request(), ["Sec-WebSocket-Protocol: b", "X-Y: z"])
        peer.frame()

    with serve(handler) as server:
        connection = dial(server.url, subprotocols=("a", "b"))
        assert connection.subprotocol == "b"
        assert connection.response_headers["x-y"] == "z"


def test_a_server_may_choose_no_subprotocol(dial):
    with serve(greeting) as server:
        assert dial(server.url, subprotocols=("a",)).subprotocol is None


MISSING = json.dumps({"missing": [{"uri": "job://c/p", "action": "write"}]})
NOT_RUNNING = json.dumps({"error": "Job 'job-1' is not running."})
NESTED = json.dumps({"error": json.dumps({"error": "no such job job-1"})})
PORT = json.dumps({"msg": "Cannot connect to port 60001"})


@pytest.mark.parametrize(
    ("status", "text", "cls", "words"),
    [
        (400, json.dumps({"error": "no streams"}), IllegalArgumentError, "no streams"),
        (400, NESTED, JobNotFound, "no such job job-1"),
        (400, PORT, IllegalArgumentError, "Cannot connect to port 60001"),
        (401, "401: Unauthorized", AuthenticationError, "log in again"),
        (403, MISSING, AuthorizationError, "write on job://c/p"),
        (404, NOT_RUNNING, ResourceNotFound, "Job 'job-1' is not running."),
        (405, "405: Method Not Allowed", ClientError, "405"),
    ],
)
@pytest.mark.parametrize("where", ["header", "body", "both", "chunked"])
def test_a_refusal_is_told_in_the_words_of_the_server(dial, status, text, cls, words, where):
    if where == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text.encode())
        head = "HTTP/1.1 {} No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        handler = raw(head.format(status).encode() + body)
    else:
        headers = ["X-Error: " + text] if where != "body" else []
        handler = refusing(status, b"<html>" if where == "header" else text.encode(), headers)
    with serve(handler) as server:
        with pytest.raises(cls) as caught:
            dial(server.url + "/x?token=y", attempts=1)
    error = caught.value
    assert type(error) is cls
    assert words in error.args[0]
    assert (error.status, error.method, error.url) == (status, "GET", server.url + "/x")


def test_a_refusal_whose_body_does_not_come_is_told_by_its_status(dial):
    done = threading.Event()

    def half(peer):
        peer.request()
        peer.send(b"HTTP/1.1 404 No\r\nContent-Length: 1000\r\n\r\nhalf of ")
        done.wait(10)

    with serve(half) as server:
        with pytest.raises(ResourceNotFound, match="half of"):
            dial(server.url, timeout=Timeout(0.5, 0.5), attempts=1)
        done.set()


@pytest.mark.parametrize(
    "body",
    [b"Transfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n", b"Content-Length: 4\r\n\r\ngone"],
)
def test_a_refusal_is_told_when_its_last_byte_is_there(dial, body):
    def kept_open(peer):
        peer.request()
        peer.send(b"HTTP/1.1 404 No\r\n" + body)
        peer.sock.recv(1)

    began = time.monotonic()
    with serve(kept_open) as server:
        with pytest.raises(ResourceNotFound, match="gone"):
            dial(server.url, timeout=Timeout(5.0, 30.0))
    assert time.monotonic() - began < ws_answer._WORDS


@pytest.mark.parametrize(
    "begun", [b"\r\ngone", b"Transfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n", b"X-Error: gone\r\n"]
)
def test_a_refusal_does_not_wait_long_for_its_words(dial, monkeypatch, begun):
    monkeypatch.setattr(ws_answer, "_WORDS", 0.1)

    def endless(peer):
        peer.request()
        peer.send(b"HTTP/1.1 404 No\r\n" + begun)
        peer.sock.recv(1)

    began = time.monotonic()
    with serve(endless) as server:
        with pytest.raises(ResourceNotFound, match="gone"):
            dial(server.url, timeout=Timeout(5.0, 30.0))
    assert time.monotonic() - began < 10


SAID_AGAIN = json.dumps({"error": "can't read Authorization: Bearer " + TOKEN})


@pytest.mark.parametrize(
    "answer",
    [
        "400 No\r\nX-Error: {0}\r\n\r\n",
        "400 No\r\nContent-Length: {1}\r\n\r\n{0}",
        "400 No\r\nTransfer-Encoding: chunked\r\n\r\n{1:x}\r\n{0}\r\n0\r\n\r\n",
        "503 {0}\r\n\r\n{0}",
        "302 {0}\r\nLocation: http://h/?{0}\r\n\r\n",
        "+302 {0}\r\n\r\n{0}",
        "{0}\r\n{0}\r\n\r\n",
        "101 {0}\r\nX: {0}\r\n{0}\r\n\r\n",
    ],
)
def test_a_server_that_says_the_token_again_does_not_get_it_into_an_error(dial, answer):
    data = "HTTP/1.1 " + answer.format(SAID_AGAIN, len(SAID_AGAIN))
    with serve(raw(data.encode())) as server:
        with pytest.raises(NeuroError) as caught:
            dial(server.url, attempts=1)
    error = caught.value
    shown = traceback.format_exception(type(error), error, error.__traceback__)
    shown += [repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")]
    assert TOKEN not in "".join(shown)


@pytest.mark.parametrize(
    ("status", "cls"),
    [(429, RateLimited), (500, ServerError), (502, BadGateway), (503, ServerNotAvailable)],
)
def test_what_may_pass_is_tried_again_where_it_does_no_harm(dial, status, cls):
    with serve(refusing(status), greeting) as server:
        dial(server.url, repeatable=True)
        assert server.connections == 2
    with serve(refusing(status)) as server:
        with pytest.raises(cls) as caught:
            dial(server.url, repeatable=True)
        assert server.connections == caught.value.attempts == 3


@pytest.mark.parametrize(
    ("status", "headers", "again"),
    [(429, [], True), (503, ["Retry-After: 2"], True), (503, [], False), (502, [], False)],
)
def test_a_command_is_started_again_only_where_the_server_invites_that(
    dial, status, headers, again
):
    with serve(refusing(status, b"", headers), greeting) as server:
        if again:
            dial(server.url, repeatable=False)
        else:
            with pytest.raises(ServerError):
                dial(server.url, repeatable=False)
        assert server.connections == 1 + again


def test_the_server_says_how_long_to_wait(dial, clock):
    with serve(refusing(503, b"", ["Retry-After: 2"]), refusing(502), greeting) as server:
        dial(server.url)
    assert clock.slept == [2.0, 0.5]


def test_a_refused_token_is_replaced_once(dial, clock):
    tokens = iter(["old", "new", "new"])
    with serve(refusing(401), greeting) as server:
        dial(server.url, lambda: next(tokens), repeatable=False)
        seen = [request.headers["authorization"] for request in server.requests]
    assert seen == ["Bearer old", "Bearer new"]
    assert clock.slept == []
    counter = iter(range(100))
    with serve(refusing(401)) as server:
        with pytest.raises(AuthenticationError):
            dial(server.url, lambda: str(next(counter)))
        assert server.connections == 2


@pytest.mark.parametrize("status", [200, 204, 301, 302])
def test_an_answer_that_is_no_websocket_breaks_the_protocol(dial, status):
    with serve(answering()) as other:
        location = "Location: {}/x".format(other.url)
        with serve(refusing(status, b"", [location])) as server:
            with pytest.raises(ProtocolError, match="the server answered {}".format(status)):
                dial(server.url)
            assert server.connections == 1
        assert other.connections == 0


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        UPGRADE + b"\r\n",
        UPGRADE + b"Sec-WebSocket-Accept: bm90IHRoZSBrZXk=\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc Def\r\n\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
    ],
)
def test_a_server_that_speaks_something_else_breaks_the_protocol(dial, answer):
    with serve(raw(answer)) as server:
        with pytest.raises((ProtocolError, ConnectionFailed)) as caught:
            dial(server.url, attempts=1)
    assert caught.value.url == server.url


def test_an_answer_without_an_end_is_given_up(dial, monkeypatch):
    monkeypatch.setattr(ws_answer, "_LONGEST_ANSWER", 10_000)

    def endless(peer):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            peer.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")

    with serve(endless) as server:
        with pytest.raises(ProtocolError, match="does not end"):
            dial(server.url)
        assert server.connections == 1


def test_an_answer_that_drips_is_given_up_in_time(dial):
    stop = threading.Event()

    def dripping(peer):
        peer.request()
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX-Filler: " + b"x" * 10**6:
            peer.send(bytes([byte]))
            if stop.wait(0.01):
                return

    with serve(dripping) as server:
        with pytest.raises(ConnectionFailed, match="broke in the handshake"):
            dial(server.url, timeout=Timeout(0.1, 0.1), attempts=1)
        stop.set()


def dropping(peer):
    peer.request()


BROKEN = [dropping, raw(b"HTTP/1.1 1"), raw(UPGRADE), raw(UPGRADE + b"Sec-Web")]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_handshake_that_breaks_is_tried_again_where_it_does_no_harm(dial, broken):
    with serve(broken, greeting) as server:
        dial(server.url, repeatable=True)
        assert server.connections == 2


@pytest.mark.parametrize("broken", BROKEN)
def test_a_handshake_that_breaks_may_have_started_the_command(dial, broken):
    with serve(broken, greeting) as server:
        with pytest.raises(OutcomeUnknown, match="may have taken effect") as caught:
            dial(server.url + "/exec", repeatable=False)
        assert server.connections == 1
    assert caught.value.url.endswith("/exec")


def test_where_nobody_listens_nothing_was_sent(dial):
    with pytest.raises(ConnectionFailed, match=r"no connection to .*refused") as caught:
        dial("http://127.0.0.1:{}/exec".format(closed_port()), repeatable=False)
    assert caught.value.attempts == 3
    assert "object at" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "https:///x", "http://h/a b", "http://h/a\r\nX: 1", "h", ""]
)
def test_what_is_no_address_of_a_websocket_is_refused(dial, url):
    with pytest.raises(ValueError):
        dial(url)


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_both_names_of_the_scheme_are_taken(dial, scheme):
    with serve(greeting) as server:
        assert dial(server.url.replace("http", scheme)).recv_batch() == [b"hello"]


def tunnelling(status=200):
    """A proxy that lets one connection through, to a server that says hello."""

    def handler(peer):
        peer.request()
        peer.send("HTTP/1.1 {} Whatever\r\n\r\n".format(status).encode())
        if status == 200:
            greeting(peer)

    return handler


def test_a_proxy_of_the_environment_is_used(dial, monkeypatch):
    with serve(tunnelling()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:hunter2@"))
        assert dial("http://api.example/x").recv_batch() == [b"hello"]
        connect, request = proxy.requests
    assert (connect.method, connect.target) == ("CONNECT", "api.example:80")
    assert connect.headers["host"] == "api.example:80"
    assert connect.headers["proxy-authorization"] == "Basic dXNlcjpodW50ZXIy"
    assert request.target == "/x"
    assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize(
    ("form", "login"),
    [
        ("127.0.0.1:{}", None),
        ("//127.0.0.1:{}", None),
        ("http://user:p%40ss%3A@127.0.0.1:{}", "user:p@ss:"),
        ("us%65r:@127.0.0.1:{}/", "user:"),
        ("http://user@127.0.0.1:{}", None),
    ],
)
def test_a_proxy_is_understood_as_it_is_for_calls(dial, monkeypatch, form, login):
    with serve(tunnelling()) as proxy:
        monkeypatch.setenv("http_proxy", form.format(proxy.port))
        assert dial("http://api.example:8080/x").recv_batch() == [b"hello"]
        connect = proxy.requests[0]
    assert connect.target == "api.example:8080"
    told = connect.headers.get("proxy-authorization")
    if login is None:
        assert told is None
    else:
        assert base64.b64decode(told.split()[1]).decode() == login


def test_an_ipv6_address_is_reached_through_a_proxy(dial, monkeypatch):
    with serve(tunnelling()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert dial("http://[fd00::1]:8080/x").recv_batch() == [b"hello"]
        assert proxy.requests[0].target == "[fd00::1]:8080"
        assert proxy.requests[0].headers["host"] == "[fd00::1]:8080"


@pytest.mark.usefixtures("trusted")
def test_tls_goes_through_a_proxy(dial, monkeypatch, tls):
    def tunnel(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with tls().wrap_socket(peer.sock, server_side=True) as secure:
            inner = Peer(secure, proxy)
            with inner.reader:
                greeting(inner)

    with serve(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        connection = dial("https://127.0.0.1:9/x")
        assert connection.recv_batch() == [b"hello"]
        connection.close()
    assert [request.target for request in proxy.requests] == ["127.0.0.1:9", "/x"]


@pytest.mark.parametrize("scheme", ["https", "socks5", "socks5h", "socks4"])
def test_a_proxy_that_streams_know_nothing_of_gets_nothing(dial, monkeypatch, scheme):
    with serve(tunnelling()) as proxy:
        monkeypatch.setenv(
            "http_proxy", "{}://user:hunter2@127.0.0.1:{}".format(scheme, proxy.port)
        )
        with pytest.raises(ConnectionFailed, match=scheme + "://, not of http://") as caught:
            dial("http://api.example/x", repeatable=False)
        assert proxy.connections == 0
    assert caught.value.attempts == 1
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["http://", "http://[", "http://user:hunter2@h:x", "http://:hunter2"]
)
def test_a_proxy_that_is_none_is_refused_without_being_shown(dial, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConnectionFailed, match=r"URL of the proxy for api\.example") as caught:
        dial("http://api.example/x")
    error = caught.value
    shown = traceback.format_exception(type(error), error, error.__traceback__)
    assert "hunter2" not in "".join(shown)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-Drip: "])
def test_a_proxy_that_drips_is_given_up_in_time(dial, monkeypatch, start):
    stop = threading.Event()

    def dripping(peer):
        peer.request()
        peer.send(start)
        while not stop.wait(0.02):
            if start:
                peer.send(b"x")

    with serve(dripping) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed, match="did not answer in time"):
            dial("http://api.example/x", timeout=Timeout(0.2, 30.0), attempts=1)
        assert time.monotonic() - began < 5
        stop.set()


def test_a_dial_through_a_silent_proxy_can_be_called_off(dial, monkeypatch):
    asked = threading.Event()

    def silent(peer):
        peer.request()
        asked.set()
        peer.sock.recv(1)

    making, failures = Making(), []

    def make():
        with making:
            try:
                dial("http://api.example/x", timeout=Timeout(60.0, 60.0))
            except ConnectionFailed as error:
                failures.append(error)

    with serve(silent) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        thread = threading.Thread(target=make)
        thread.start()
        assert asked.wait(10)
        making.call_off()
        thread.join(10)
        assert not thread.is_alive()
        assert len(failures) == proxy.connections == 1


def test_an_answer_of_a_proxy_without_an_end_is_given_up(dial, monkeypatch):
    monkeypatch.setattr(ws_answer, "_LONGEST_ANSWER", 10_000)

    def endless(peer):
        peer.request()
        while True:
            peer.send(b"HTTP/1.1 200 OK" + b"x" * 1000)

    with serve(endless) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ConnectionFailed, match=r"the proxy for .* does not end"):
            dial("http://api.example/x", attempts=1)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n\r\n"])
def test_a_proxy_that_does_not_answer_is_named(dial, monkeypatch, answer):
    with serve(raw(answer)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ConnectionFailed, match=r"the proxy for api\.example failed") as caught:
            dial("http://api.example/x", repeatable=False)
        assert caught.value.attempts == proxy.connections == 3


def test_where_no_proxy_listens_it_is_named(dial, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:{}".format(closed_port()))
    with pytest.raises(ConnectionFailed, match=r"no connection to the proxy for api\.example: "):
        dial("http://api.example/x", repeatable=False)


def test_who_needs_no_proxy_is_called_without(dial, monkeypatch):
    with serve(tunnelling()) as proxy, serve(greeting) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        dial(server.url)
        assert proxy.connections == 0


@pytest.mark.parametrize(("status", "attempts"), [(407, 1), (503, 3)])
def test_a_proxy_that_refuses_is_named(dial, monkeypatch, status, attempts):
    with serve(tunnelling(status)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:hunter2@"))
        with pytest.raises(ConnectionFailed, match=r"the proxy for api\.example refused") as caught:
            dial("http://api.example/x", repeatable=False)
        assert proxy.connections == caught.value.attempts == attempts
    assert caught.value.status == status
    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_an_authority_that_is_trusted(dial, tls):
    with serve(greeting, tls=tls()) as server:
        assert dial(server.url).recv_batch() == [b"hello"]


def test_a_certificate_of_an_unknown_authority_is_refused_at_once(dial, tls):
    with serve(greeting, tls=tls()) as server:
        with pytest.raises(
            ConnectionFailed, match=r"certificate of 127\.0\.0\.1:.* is not valid"
        ) as caught:
            dial(server.url, repeatable=False)
        assert server.connections == caught.value.attempts == 1
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_somebody_else_is_refused(dial, tls):
    with serve(greeting, tls=tls("other.example")) as server:
        with pytest.raises(ConnectionFailed, match="is not valid"):
            dial(server.url)
        assert server.requests == []


def test_tls_where_there_is_none_is_named(dial):
    with serve(lambda peer: peer.send(b"plain text, no TLS")) as server:
        with pytest.raises(ConnectionFailed, match=r"no TLS with 127\.0\.0\.1"):
            dial(server.url.replace("http", "https"), attempts=1)


@pytest.mark.parametrize("token", ["a\r\nX: 1", "a\nb", "a\0b", "\u20ac"])
def test_a_token_that_would_break_a_header_is_not_sent(dial, token):
    with serve(greeting) as server:
        with pytest.raises(ValueError, match="the token has") as caught:
            dial(server.url, lambda: token)
        assert server.requests == []
    assert token not in str(caught.value)
