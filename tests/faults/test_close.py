"""close() from another thread ends any stream in any state at once, and wakes who waits for it."""

import socket
import sys
import threading
import time
from collections import namedtuple
from contextlib import ExitStack

import pytest
import urllib3

from neuro_sync import JobStatus
from neuro_sync.errors import ConnectionFailed, StreamClosed
from neuro_sync.models.telemetry import JobTelemetry
from neuro_sync.streams import following
from neuro_sync.streams.forward import PortForward
from neuro_sync.streams.listing import JobListing
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.std import StdStream
from neuro_sync.streams.telemetry import TelemetryStream
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.calloff import Making
from neuro_sync.transport.http import HttpTransport

from ..wire import raw_server
from ..wire.stream_server import Refusal, dial, serve
from .black_hole import black_hole
from .flaky_log import Job

pytestmark = pytest.mark.usefixtures("nothing_left")

AT_ONCE = 0.5
LINE = b"2026-09-14T08:11:12.123456789Z " + b"x" * 1000 + b"\n"
OUTPUT = b"\x01" + b"x" * 1000
SAMPLE = b'{"cpu": 0.5, "memory": 1, "timestamp": 1789372801.25}'


class Server:
    """Does to each connection what the state wants."""

    def __init__(self, state, frame):
        self.state, self.frame = state, frame
        self.go_on = threading.Event()
        self.sent = 0

    def admit(self, peer, number):
        if self.state == "connecting":
            while peer.sock.recv(4096):  # until the client has gone
                pass
        if self.state == "reconnecting" and number > 1:
            raise Refusal(503)

    def serve(self, peer):
        if self.state == "ended":
            peer.send(self.frame, b'\x03{"exit_code": 0}')
            peer.close()
        elif self.state == "broken":
            peer.send(self.frame)
            peer.reset()
        elif self.state in ("flooded", "held back"):
            frames = [self.frame] * 100
            while True:
                peer.send(*frames)
                self.sent += 1
        elif self.state == "not reading":
            self.go_on.wait(60)
        elif self.state != "reconnecting":
            while peer.recv() is not None:
                pass


def open_log(url):
    return LogStream(lambda since, separator: dial(url), lambda: Job(JobStatus.RUNNING))


def open_session(url):
    return StdStream(dial(url))


def open_telemetry(url):
    return TelemetryStream(lambda: dial(url), JobTelemetry.from_dict)


def open_forward(url):
    return PortForward(lambda: dial(url), 0, 80)


def read_all(stream):
    for _ in stream:
        pass


def write_on(stream):
    stream.written = 0
    try:
        while True:
            stream.write_in(b"x" * 100000)
            stream.written += 1
    except StreamClosed:
        pass


def take_one(stream):
    next(iter(stream))


def use_port(forward):
    address = ("127.0.0.1", forward.local_port)
    try:
        # The reset may come before connect() has returned.
        with socket.create_connection(address, timeout=30) as local:
            while local.recv(100000):
                pass
    except ConnectionResetError:
        return
    raise AssertionError("a cut transfer looked complete")


Case = namedtuple("Case", "open frame use state")

CASES = [
    Case(open_log, LINE, None, "new"),
    Case(open_log, LINE, read_all, "connecting"),
    Case(open_log, LINE, read_all, "idle"),
    Case(open_log, LINE, read_all, "flooded"),
    Case(open_log, LINE, take_one, "held back"),
    Case(open_log, LINE, read_all, "reconnecting"),
    Case(open_session, OUTPUT, None, "new"),
    Case(open_session, OUTPUT, read_all, "idle"),
    Case(open_session, OUTPUT, read_all, "flooded"),
    Case(open_session, OUTPUT, take_one, "held back"),
    Case(open_session, OUTPUT, write_on, "not reading"),
    Case(open_session, OUTPUT, None, "ended"),
    Case(open_session, OUTPUT, None, "broken"),
    Case(open_telemetry, SAMPLE, None, "new"),
    Case(open_telemetry, SAMPLE, read_all, "connecting"),
    Case(open_telemetry, SAMPLE, read_all, "idle"),
    Case(open_telemetry, SAMPLE, read_all, "flooded"),
    Case(open_telemetry, SAMPLE, take_one, "held back"),
    Case(open_forward, OUTPUT, None, "new"),
    Case(open_forward, OUTPUT, use_port, "connecting"),
    Case(open_forward, OUTPUT, use_port, "idle"),
    Case(open_forward, OUTPUT, use_port, "flooded"),
]


class User(threading.Thread):
    """Uses a stream until that ends, in a thread of its own."""

    def __init__(self, use, stream):
        super().__init__(daemon=True)
        self._use, self._stream = use, stream
        self.error = self.ended = None
        self.start()

    def run(self):
        try:
            self._use(self._stream)
        except BaseException as error:
            self.error = error
        self.ended = time.monotonic()


def until(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def closings(figure):
    """How long each close took, for the table."""
    closings = {}
    yield closings
    figure(
        "close() from another thread, {} streams and states".format(len(closings)),
        "within 0.5 s",
        "the longest {:.2f} s".format(max(closings.values())),
    )


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: "{}-{}".format(case.open.__name__[5:], case.state)
)
def test_close_ends_it_at_once(case, closings):
    script = Server(case.state, case.frame)
    with ExitStack() as stack:
        server = stack.enter_context(serve(script.serve, script.admit))
        stack.callback(script.go_on.set)
        stream = case.open(server.url)
        user = None if case.use is None else User(case.use, stream)
        if case.use not in (None, use_port):
            until(lambda: server.dialled)
        if case.use is use_port:
            until(lambda: stream.connections and server.dialled)
        if case.state == "held back":
            until_it_rests(lambda: script.sent)
        if case.state == "not reading":
            until_it_rests(lambda: stream.written)
        if case.state == "reconnecting":
            until(lambda: server.dialled > 3)
        if case.state in ("ended", "broken"):
            until(lambda: stream._reader.over)

        began = time.monotonic()
        stream.close()
        took = time.monotonic() - began
        if user is not None:
            user.join(10)
            assert user.ended is not None, "close() did not wake the thread that waits"
            assert user.error is None
            took = max(took, user.ended - began)
        until(lambda: not stream_threads(""), 5)
        closings[case] = took
        assert took < AT_ONCE
        stream.close()


def until_it_rests(count):
    """Until something that was counted up has not been for a while."""
    before, since = 0, time.monotonic()
    while not before or time.monotonic() - since < 0.3:
        if count() != before:
            before, since = count(), time.monotonic()
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills the queue of Linux")
@pytest.mark.parametrize("open_stream", [open_log, open_telemetry, open_forward])
def test_a_connection_that_does_not_come_about_is_called_off(open_stream):
    with black_hole() as url:
        stream = open_stream(url)
        user = User(use_port if open_stream is open_forward else read_all, stream)
        if open_stream is open_forward:
            until(lambda: stream.connections)
        else:
            until(lambda: stream_threads("neuro_sync-reader"))
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < AT_ONCE
        user.join(10)
        assert user.error is None
        until(lambda: not stream_threads(""), 5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills the queue of Linux")
def test_a_connection_that_was_called_off_before_it_began_does_not_begin():
    making = Making()
    making.call_off()
    with black_hole() as url:
        began = time.monotonic()
        with making, pytest.raises(ConnectionFailed):
            dial(url)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("why", ["a close frame", "silence"])
def test_close_calls_off_the_question_for_the_job(why, monkeypatch):
    """The log has stopped, and the server that knows the job does not answer."""
    asked = threading.Event()
    monkeypatch.setattr(following, "_SILENCE", 0.1)

    def say_nothing(peer):
        peer.request()
        asked.set()
        peer.sock.recv(1)

    def break_off(peer):
        if why == "a close frame":
            peer.close(1000)
        else:
            peer.recv()

    with raw_server.serve(say_nothing) as api, serve(break_off) as server:
        http = HttpTransport(StaticToken("secret"))
        log = LogStream(
            lambda since, separator: dial(server.url), lambda: http.request("GET", api.url)
        )
        user = User(read_all, log)
        assert asked.wait(30)
        log.close()
        user.join(10)
        assert user.error is None
        until(lambda: not stream_threads(""), 5)
        http.close()


@pytest.mark.parametrize("open_stream", [open_log, open_telemetry])
def test_close_ends_a_stream_over_tls_at_once(open_stream, tls, closings):
    opened = threading.Event()

    def quiet(peer):
        peer.upgrade(peer.request())
        opened.set()
        peer.frame()

    with raw_server.serve(quiet, tls=tls) as server:
        stream = open_stream(server.url)
        user = User(read_all, stream)
        assert opened.wait(30)
        until(lambda: stream_threads("neuro_sync-reader"))
        began = time.monotonic()
        stream.close()
        user.join(10)
        assert user.error is None
        closings["tls", open_stream] = user.ended - began
        assert user.ended - began < AT_ONCE
        until(lambda: not stream_threads(""), 5)


def test_a_handshake_of_tls_that_is_not_answered_is_called_off():
    accepted = threading.Event()

    def silent(peer):
        accepted.set()
        while peer.sock.recv(4096):
            pass

    with raw_server.serve(silent) as server:
        stream = open_log(server.url.replace("http:", "https:"))
        user = User(read_all, stream)
        assert accepted.wait(30)
        stream.close()
        user.join(10)
        assert user.error is None
        until(lambda: not stream_threads(""), 5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills the queue of Linux")
def test_the_connection_of_a_listing_that_does_not_come_about_is_called_off():
    with black_hole() as url:
        http = HttpTransport(StaticToken("secret"))
        listing = JobListing(lambda limit: http.stream("GET", url), decode=None)
        user = User(read_all, listing)
        until(lambda: listing._making._sock is not None)
        listing.close()
        user.join(5)
        assert user.ended is not None, "close() did not wake the thread that waits"
        assert user.error is None
        http.close()


@pytest.mark.skipif(urllib3.__version__.startswith("1."), reason="makes the settings itself")
def test_a_handshake_of_tls_for_a_listing_is_called_off():
    accepted = threading.Event()

    def silent(peer):
        peer.sock.recv(1)
        accepted.set()
        while peer.sock.recv(4096):
            pass

    with raw_server.serve(silent) as server:
        http = HttpTransport(StaticToken("secret"))
        url = server.url.replace("http:", "https:")
        listing = JobListing(lambda limit: http.stream("GET", url), decode=None)
        user = User(read_all, listing)
        assert accepted.wait(30)
        listing.close()
        user.join(5)
        assert user.ended is not None, "close() did not wake the thread that waits"
        assert user.error is None
        http.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"])
def test_close_ends_a_listing_at_once(sent, closings):
    """Whether it waits for the answer, for more of its head, or for the rest of a line."""
    arrived = threading.Event()

    def answer(peer):
        peer.request()
        peer.send(sent)
        arrived.set()
        peer.sock.recv(1)

    with raw_server.serve(answer) as server:
        http = HttpTransport(StaticToken("secret"))
        listing = JobListing(lambda limit: http.stream("GET", server.url), decode=None)
        user = User(read_all, listing)
        assert arrived.wait(30)
        began = time.monotonic()
        listing.close()
        assert time.monotonic() - began < AT_ONCE
        user.join(10)
        assert user.error is None
        closings["listing", len(sent)] = user.ended - began
        assert user.ended - began < AT_ONCE
        assert server.connections == 1
        http.close()


def stream_threads(name):
    return [t for t in threading.enumerate() if t.name.startswith(name or "neuro_sync")]


def test_a_closed_stream_stays_closed():
    with serve(Server("idle", b"").serve) as server:
        for open_stream in (open_log, open_telemetry):
            stream = open_stream(server.url)
            stream.close()
            assert list(stream) == []
        session = open_session(server.url)
        session.close()
        assert session.read_out() is None
        with pytest.raises(StreamClosed):
            session.write_in(b"x")
        forward = open_forward(server.url)
        forward.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", forward.local_port), timeout=5)


def test_many_threads_may_close_one_stream():
    with serve(Server("flooded", LINE).serve) as server:
        for open_stream in (open_log, open_session, open_telemetry, open_forward):
            if open_stream is open_telemetry:
                continue  # the frames of this server are no samples
            stream = open_stream(server.url)
            threads = [threading.Thread(target=stream.close) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            assert not any(thread.is_alive() for thread in threads)


def test_a_session_that_breaks_while_it_is_closed_raises_nothing():
    """Whoever waits gets the end, or what became of the session: nothing else."""
    with serve(Server("broken", OUTPUT).serve) as server:
        for _ in range(50):
            stream = open_session(server.url)
            user = User(read_all, stream)
            stream.close()
            user.join(10)
            assert user.ended is not None
            assert user.error is None or isinstance(user.error, ConnectionFailed)
