"""HttpTransport over real sockets: what servers, proxies and networks do to a call."""

import gc
import gzip
import pickle
import socket
import threading
import time
import traceback
from contextlib import ExitStack

import pytest

from neuro_sync.errors import (
    ConnectionFailed,
    IllegalArgumentError,
    NeuroError,
    OutcomeUnknown,
    ProtocolError,
    ResourceNotFound,
)
from neuro_sync.transport import sessions
from neuro_sync.transport.auth import CallableToken, StaticToken
from neuro_sync.transport.http import HttpTransport
from neuro_sync.transport.retry import RetryPolicy, Timeout

from .raw_server import answering, closed_port, serve

pytestmark = pytest.mark.usefixtures("nothing_left")

TOKEN = "secret-token"


@pytest.fixture
def connect():
    """Makes transports that do not wait between two tries."""
    made = []

    def connect(token=TOKEN, *, timeout=Timeout(5.0, 5.0), retry=RetryPolicy()):
        auth = CallableToken(token) if callable(token) else StaticToken(token)
        transport = HttpTransport(auth, timeout=timeout, retry=retry)
        transport.retrier.sleep = lambda seconds: None
        made.append(transport)
        return transport

    yield connect
    for transport in made:
        transport.close()


def dropping(peer):
    """Take a request, and end the connection."""
    peer.request()


def resetting(peer):
    peer.request()
    peer.reset()


def cut_by_length(peer):
    peer.request()
    peer.answer(body=b'{"id": ', length=100)


def cut_in_chunks(peer):
    peer.request()
    peer.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')


def unavailable(peer):
    peer.request()
    peer.answer(503, headers=["Connection: close"])


def negative_chunk(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n")


def nonsense(peer):
    peer.request()
    peer.send(b"nonsense\r\n\r\n")


def test_a_call_and_its_answer(connect):
    with serve(answering(body=b'{"id": 1}', headers=["X-Y: z"])) as server:
        response = connect().request(
            "POST", server.url + "/a%2Fb", params=[("k", "v w"), ("k", "+")], json={"ü": 1}
        )
    assert response.json() == {"id": 1}
    assert (response.status, response.headers["x-y"], response.attempts) == (200, "z", 1)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/a%2Fb?k=v+w&k=%2B")
    assert request.headers["authorization"] == "Bearer " + TOKEN
    assert request.headers["content-type"] == "application/json"
    assert request.body == b'{"\\u00fc": 1}'


def test_a_call_without_a_body_says_that_it_has_none(connect):
    with serve(answering(204, b"")) as server:
        connect().request("POST", server.url)
        connect().request("DELETE", server.url)
    assert [r.headers.get("content-length") for r in server.requests] == ["0", None]
    assert all("content-type" not in request.headers for request in server.requests)


def test_a_call_goes_out_in_one_piece(connect):
    received = []

    def handler(peer):
        received.append(peer.sock.recv(65536))
        peer.answer(body=b"{}")

    with serve(handler) as server:
        connect().request("POST", server.url, json={"name": "train"})
    assert received[0].endswith(b'\r\n\r\n{"name": "train"}')


def test_the_head_of_an_answer_may_come_byte_by_byte(connect):
    def handler(peer):
        while peer.request() is not None:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Last: 1\r\n\r\n{}":
                peer.send(bytes([byte]))

    transport = connect()
    with serve(handler) as server:
        for _ in range(20):
            response = transport.request("GET", server.url)
            assert (response.status, response.headers["X-Last"], response.body) == (200, "1", b"{}")
    assert server.connections == 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\n"


@pytest.mark.parametrize("read", [5.0, None])
@pytest.mark.parametrize("size", [0, 12, 15, 17, 40, 43, 60, len(HEAD) - 2])
def test_an_answer_that_is_cut_in_its_head_is_none(connect, size, read):
    def cut(peer):
        peer.request()
        peer.send(HEAD[:size])

    with serve(cut, cut, answering(body=b"{}")) as server:
        transport = connect(timeout=Timeout(5.0, read))
        with pytest.raises(OutcomeUnknown, match="broke"):
            transport.request("POST", server.url)
        response = transport.request("GET", server.url)
    assert (response.body, response.attempts) == (b"{}", 2)


def test_calls_share_a_connection(connect):
    with serve(answering()) as server:
        transport = connect()
        for _ in range(5):
            transport.request("GET", server.url)
    assert server.connections == 1


def test_a_refusal_leaves_its_connection_to_the_next_call(connect):
    with serve(answering(400, b'{"error": "bad"}')) as server:
        transport = connect()
        for _ in range(3):
            with pytest.raises(IllegalArgumentError, match="bad"):
                transport.request("GET", server.url)
    assert server.connections == 1


def test_each_thread_has_a_connection_of_its_own(connect):
    with serve(answering()) as server:
        transport = connect()
        together = threading.Barrier(4)

        def call():
            together.wait(10)
            for _ in range(3):
                transport.request("GET", server.url)
            together.wait(10)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert server.connections == 4
        assert len(server.requests) == 12


def test_more_servers_than_are_remembered_are_called_in_turn(connect):
    with ExitStack() as stack:
        servers = [stack.enter_context(serve(answering())) for _ in range(12)]
        transport = connect()
        for _ in range(2):
            for server in servers:
                assert transport.request("GET", server.url).body == b"{}"


def in_a_thread(call, *args):
    thread = threading.Thread(target=call, args=args)
    thread.start()
    thread.join(10)


def test_a_thread_takes_over_the_connection_of_one_that_has_ended(connect):
    with serve(answering()) as server:
        transport = connect()
        for _ in range(3):
            in_a_thread(transport.request, "GET", server.url)
        assert server.connections == 1


def test_what_may_not_be_repeated_is_not_risked_on_a_connection_that_was_taken_over(connect):
    with serve(answering()) as server:
        transport = connect()
        in_a_thread(transport.request, "GET", server.url)
        in_a_thread(transport.request, "POST", server.url)
        assert server.connections == 2


def test_a_closed_transport_has_no_connections_and_can_be_used_again(connect):
    ended = threading.Event()

    def handler(peer):
        answering()(peer)
        ended.set()

    with serve(handler, answering()) as server:
        transport = connect()
        transport.request("GET", server.url)
        transport.close()
        assert ended.wait(10)
        transport.request("GET", server.url)
        assert server.connections == 2


BROKEN = [dropping, resetting, cut_by_length, cut_in_chunks, nonsense]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_call_that_may_be_repeated_survives_a_broken_connection(connect, broken):
    with serve(broken, answering(body=b"[1]")) as server:
        response = connect().request("GET", server.url)
    assert response.json() == [1]
    assert response.attempts == 2


@pytest.mark.parametrize("broken", BROKEN)
def test_a_call_that_may_not_be_repeated_is_not(connect, broken):
    with serve(broken) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            connect().request("POST", server.url + "/x", json={})
        assert len(server.requests) == 1
    assert (caught.value.method, caught.value.url) == ("POST", server.url + "/x")


@pytest.mark.parametrize("broken", BROKEN)
def test_when_each_try_breaks_that_is_said(connect, broken):
    with serve(broken) as server:
        with pytest.raises(ConnectionFailed) as caught:
            connect().request("GET", server.url)
        assert server.connections == caught.value.attempts == 3


def test_an_answer_that_a_library_fails_to_read_is_not_taken_for_a_request_that_was_not_sent(
    connect,
):
    with serve(negative_chunk) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            connect().request("POST", server.url + "/x", json={})
        assert (caught.value.method, caught.value.url) == ("POST", server.url + "/x")
        with pytest.raises((ProtocolError, ConnectionFailed)):
            connect().request("GET", server.url)
        with connect().stream("GET", server.url) as stream:
            with pytest.raises((ProtocolError, ConnectionFailed)):
                list(stream)


@pytest.mark.parametrize("location", ["http://[", "http://h]/?x", "", "//"])
def test_a_redirect_to_nowhere_is_an_answer_all_the_same(connect, location):
    with serve(answering(302, b"", ["Location: " + location])) as server:
        with pytest.raises(ProtocolError, match="unexpected redirect") as caught:
            connect().request("POST", server.url)
        assert (caught.value.status, server.connections) == (302, 1)


def _shown(error):
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join([*lines, repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")])


@pytest.mark.parametrize(
    "answer",
    [
        b'400 No\r\nContent-Length: 24\r\n\r\n{"error": "secret-token"}',
        b"500 secret-token\r\nContent-Length: 12\r\n\r\nsecret-token",
        b"302 No\r\nLocation: http://h/secret-token?secret-token\r\nContent-Length: 0\r\n\r\n",
        b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret-token\r\n",
        b"secret-token\r\n\r\n",
    ],
)
def test_a_server_that_says_the_token_again_does_not_get_it_into_an_error(connect, answer):
    def handler(peer):
        peer.request()
        peer.send(b"HTTP/1.1 " + answer)

    with serve(handler) as server:
        for method in ("GET", "POST"):
            with pytest.raises(NeuroError) as caught:
                connect().request(method, server.url)
            assert TOKEN not in _shown(caught.value)


def test_a_login_service_that_says_a_refresh_token_again_does_not_get_it_into_an_error(connect):
    with serve(answering(400, b'{"error": "refresh+token of client-id is no good"}')) as server:
        form = {"client_id": "client-id", "refresh_token": "refresh+token"}
        with pytest.raises(IllegalArgumentError, match=r"\*\*\* of client-id is no") as caught:
            connect().request("POST", server.url, form=form, authorize=False)
        assert "refresh+token" not in _shown(caught.value)


def test_where_nobody_listens_nothing_was_sent(connect):
    url = "http://127.0.0.1:{}/x".format(closed_port())
    for method in ("GET", "POST"):
        with pytest.raises(
            ConnectionFailed, match=r"no connection to 127\.0\.0\.1:.*refused"
        ) as caught:
            connect().request(method, url)
        assert caught.value.attempts == 3
        assert "object at" not in str(caught.value)


def test_what_a_caller_is_busy_with_is_not_the_reason(connect):
    try:
        raise PermissionError(13, "Permission denied")
    except PermissionError:
        with pytest.raises(ConnectionFailed, match="refused"):
            connect().request("GET", "http://127.0.0.1:{}/x".format(closed_port()))


def test_a_silent_server_is_given_up(connect):
    done = threading.Event()

    def silent(peer):
        peer.request()
        done.wait(10)

    with serve(silent) as server:
        transport = connect(timeout=Timeout(5.0, 0.05), retry=RetryPolicy(attempts=1))
        with pytest.raises(ConnectionFailed, match="did not answer in time"):
            transport.request("GET", server.url)
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            transport.request("POST", server.url)
        done.set()


def dripping(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"1\r\n \r\n")


def test_an_answer_that_drips_ends_with_the_deadline(connect):
    seconds = iter(range(1000))
    with serve(dripping) as server:
        transport = connect(retry=RetryPolicy(deadline=10.0))
        transport.retrier.clock = lambda: next(seconds)
        with pytest.raises(ConnectionFailed, match="longer than the deadline") as caught:
            transport.request("GET", server.url + "/x")
        assert caught.value.url == server.url + "/x"


def test_a_connection_that_rested_for_long_is_not_risked_for_what_may_not_be_repeated(
    connect, monkeypatch
):
    with serve(answering()) as server:
        transport = connect()
        transport.request("GET", server.url)
        transport.request("POST", server.url)
        assert server.connections == 1
        monkeypatch.setattr(sessions, "_STALE", -1.0)
        transport.request("GET", server.url)
        assert server.connections == 1
        transport.request("POST", server.url)
        assert server.connections == 2


def test_a_connection_that_is_just_being_closed_is_not_risked_either(connect, monkeypatch):
    monkeypatch.setattr(sessions, "_SETTLED", 30.0)
    may_close = threading.Event()

    def once(peer):
        peer.request()
        peer.answer(body=b"{}")
        may_close.wait(30)

    with serve(once, answering()) as server:
        transport = connect()
        transport.request("GET", server.url)
        timer = threading.Timer(0.2, may_close.set)
        timer.start()
        transport.request("POST", server.url)
        timer.join()
        assert server.connections == 2
        # One that went on once does so again.
        began = time.monotonic()
        transport.request("GET", server.url)
        transport.request("POST", server.url)
        assert server.connections == 2
        assert time.monotonic() - began < 15


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(connect):
    closed = threading.Event()

    def once(peer):
        peer.request()
        peer.answer(body=b"{}")
        peer.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with serve(once, answering()) as server:
        transport = connect()
        transport.request("GET", server.url)
        assert closed.wait(10)
        assert transport.request("POST", server.url).attempts == 1
        assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_does_not_follow_a_redirect(connect, status):
    with serve(answering()) as other:
        headers = ["Location: {}/x".format(other.url)]
        with serve(answering(status, b"", headers)) as server:
            with pytest.raises(ProtocolError, match="unexpected redirect to '{}".format(other.url)):
                connect().request("GET", server.url)
        assert other.connections == 0


def test_an_answer_may_be_compressed(connect):
    body = gzip.compress(b'{"a": 1}')
    with serve(answering(body=body, headers=["Content-Encoding: gzip"])) as server:
        assert connect().request("GET", server.url).json() == {"a": 1}
    assert "gzip" in server.requests[0].headers["accept-encoding"]


def test_an_answer_that_is_not_what_it_says_is_an_error(connect):
    with serve(answering(body=b"plain", headers=["Content-Encoding: gzip"])) as server:
        with pytest.raises(ConnectionFailed):
            connect().request("GET", server.url)


def test_an_answer_may_end_with_its_connection(connect):
    def old(peer):
        peer.request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\n[1, 2]")

    with serve(old) as server:
        assert connect().request("GET", server.url).json() == [1, 2]


def test_a_refused_token_is_replaced_on_the_same_connection(connect):
    def handler(peer):
        while True:
            request = peer.request()
            if request is None:
                return
            good = request.headers["authorization"] == "Bearer new"
            peer.answer(200 if good else 401, b"{}")

    tokens = iter(["old", "new", "new"])
    with serve(handler) as server:
        connect(lambda: next(tokens)).request("POST", server.url)
        assert server.connections == 1
        assert len(server.requests) == 2


def test_a_proxy_of_the_environment_is_used(connect, monkeypatch):
    with serve(answering(body=b"[1]")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert connect().request("GET", "http://api.example/x").json() == [1]
        assert proxy.requests[0].target == "http://api.example/x"


def test_who_needs_no_proxy_is_called_without(connect, monkeypatch):
    with serve(answering()) as proxy, serve(answering(body=b"[2]")) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert connect().request("GET", server.url).json() == [2]
        assert proxy.connections == 0


def test_a_change_of_the_environment_is_noticed(connect, monkeypatch):
    with serve(answering(body=b"[1]")) as proxy, serve(answering(body=b"[2]")) as server:
        transport = connect()
        assert transport.request("GET", server.url).json() == [2]
        monkeypatch.setenv("http_proxy", proxy.url)
        assert transport.request("GET", server.url).json() == [1]


@pytest.mark.parametrize("proxy", ["http://", "http://user:hunter2@h:x", "ftp://user:hunter2@h"])
def test_a_proxy_that_is_none_is_not_taken_for_the_server(connect, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConnectionFailed, match=r"the proxy for api\.example can't be") as caught:
        connect().request("POST", "http://api.example/x")
    assert caught.value.attempts == 1
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("status", "attempts"), [(407, 1), (503, 3)])
def test_a_proxy_that_refuses_is_named(connect, monkeypatch, status, attempts):
    with serve(answering(status, b"")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//user:hunter2@"))
        with pytest.raises(ConnectionFailed, match=r"the proxy for api\.example refused") as caught:
            connect().request("GET", "https://api.example/x")
        assert proxy.requests[0].method == "CONNECT"
    assert caught.value.attempts == attempts
    assert caught.value.status == (407 if status == 407 else None)
    assert "hunter2" not in str(caught.value)
    # Python 3.7 leaves the socket of a refused CONNECT to the collector.
    del caught
    gc.collect()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-Drip: "])
@pytest.mark.parametrize("by_proxy", [False, True])
def test_a_head_that_drips_ends_with_the_time_out(connect, monkeypatch, start, by_proxy):
    def dripping(peer):
        peer.request()
        peer.send(start)
        while True:
            peer.send(b"x")
            time.sleep(0.02)

    with serve(dripping) as server:
        url = server.url
        if by_proxy:
            monkeypatch.setenv("https_proxy", server.url)
            url = "https://api.example/x"
        transport = connect(timeout=Timeout(0.3, 0.3), retry=RetryPolicy(attempts=1))
        began = time.monotonic()
        with pytest.raises(ConnectionFailed):
            transport.request("GET", url)
        assert time.monotonic() - began < 5
    gc.collect()  # Python 3.7 leaves the socket of a refused CONNECT to the collector


def test_a_netrc_is_not_read(connect, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(answering()) as server:
        connect().request("GET", server.url)
    assert server.requests[0].headers["authorization"] == "Bearer " + TOKEN


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_an_authority_that_is_trusted(connect, tls):
    with serve(answering(body=b"[1]"), tls=tls()) as server:
        assert connect().request("GET", server.url).json() == [1]


def test_a_certificate_of_an_unknown_authority_is_refused_at_once(connect, tls):
    with serve(answering(), tls=tls()) as server:
        with pytest.raises(
            ConnectionFailed, match=r"certificate of 127\.0\.0\.1:.* is not valid"
        ) as caught:
            connect().request("POST", server.url)
        assert server.connections == caught.value.attempts == 1
        assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_somebody_else_is_refused(connect, tls):
    with serve(answering(), tls=tls("other.example")) as server:
        with pytest.raises(ConnectionFailed, match="is not valid"):
            connect().request("GET", server.url)
        assert server.requests == []


def test_a_stream_is_read_as_it_comes(connect):
    read = threading.Event()

    def slow(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert read.wait(10)
        peer.send(b"3\r\ntwo\r\n0\r\n\r\n")

    with serve(slow) as server, connect().stream("GET", server.url) as stream:
        chunks = iter(stream)
        assert next(chunks) == b"one"
        read.set()
        assert b"".join(chunks) == b"two"
        assert stream.status == 200


def test_a_stream_is_tried_again_until_its_body_begins(connect):
    with serve(dropping, unavailable, answering(body=b"x")) as server:
        with connect().stream("GET", server.url) as stream:
            assert b"".join(stream) == b"x"
            assert stream.attempts == 3


@pytest.mark.parametrize("cut", [cut_by_length, cut_in_chunks])
def test_a_stream_that_is_cut_is_an_error_with_its_request(connect, cut):
    with serve(cut) as server, connect().stream("GET", server.url + "/x") as stream:
        with pytest.raises(ConnectionFailed) as caught:
            list(stream)
        assert (caught.value.url, caught.value.status) == (server.url + "/x", 200)
        assert server.connections == 1


def test_a_stream_that_drips_ends_with_its_own_time_alone(connect):
    seconds = iter(range(1000))
    with serve(dripping) as server:
        transport = connect(retry=RetryPolicy(deadline=10.0))
        transport.retrier.clock = lambda: next(seconds)
        with transport.stream("GET", server.url + "/x", seconds=100.0) as stream:
            chunks = iter(stream)
            for _ in range(20):
                next(chunks)
            with pytest.raises(ConnectionFailed, match="longer than the deadline") as caught:
                list(chunks)
        assert (caught.value.url, caught.value.status) == (server.url + "/x", 200)
        assert next(seconds) < 200


def test_a_refused_stream_is_an_error_at_once(connect):
    with serve(answering(404, b'{"error": "gone"}')) as server:
        with pytest.raises(ResourceNotFound, match="gone"):
            connect().stream("GET", server.url)


def test_a_stream_is_closed_from_another_thread(connect):
    begun, ended = threading.Event(), threading.Event()

    def endless(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        peer.sock.recv(1)
        ended.set()

    with serve(endless) as server:
        stream = connect().stream("GET", server.url)
        found = []

        def read():
            for chunk in stream:
                found.append(chunk)
                begun.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(10)
        stream.close()
        thread.join(10)
        assert not thread.is_alive()
        assert ended.wait(10)
        assert found == [b"x"]
        stream.close()


def test_a_silent_stream_is_given_up(connect):
    done = threading.Event()

    def silent(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        done.wait(10)

    with serve(silent) as server:
        with connect(timeout=Timeout(5.0, 0.05)).stream("GET", server.url) as stream:
            with pytest.raises(ConnectionFailed, match="in time"):
                list(stream)
        done.set()
