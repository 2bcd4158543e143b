"""StdStream over real sockets: what it tells of a session is what happened in it."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from neuro_sync.errors import (
    ConcurrentRead,
    ConnectionFailed,
    ProtocolError,
    StdStreamError,
    StreamClosed,
)
from neuro_sync.models.messages import Message
from neuro_sync.streams.std import StdStream
from neuro_sync.wire import channels

from . import raw_server
from .stream_server import dial, serve

pytestmark = pytest.mark.usefixtures("nothing_left")

OK = b'\x03{"exit_code": 0}'


@pytest.fixture
def session():
    """Opens a session whose other side is the handler."""
    servers = []

    def session(handler):
        server = serve(handler)
        url = server.__enter__().url
        servers.append(server)
        return StdStream(dial(url + "/exec", params=[("cmd", "true")], repeatable=False))

    yield session
    for server in servers:
        server.__exit__(None, None, None)


def told(*frames, close=True):
    """A handler that sends these frames."""

    def handler(peer):
        peer.send(*frames)
        if close:
            peer.close()

    return handler


def output(stream):
    """What came on each stream, and how it ended."""
    out = {1: [], 2: []}
    error = None
    try:
        for message in stream:
            out[message.fileno].append(message.data)
    except (StdStreamError, ConnectionFailed, ProtocolError) as failure:
        error = failure
    return b"".join(out[1]), b"".join(out[2]), error


def test_output_arrives_and_then_none(session):
    with session(told(b"\x01", b"\x01a\n", b"\x02b\n", OK)) as stream:
        assert stream.read_out() == Message(fileno=1, data=b"a\n")
        assert stream.read_out() == Message(fileno=2, data=b"b\n")
        assert stream.read_out() is None
        assert stream.read_out() is None
        assert stream.exit_code == 0


def test_an_exit_code_other_than_0_is_raised_once(session):
    status = channels.encode_exit(3, "it said no")
    with session(told(b"\x01a", status)) as stream:
        assert stream.read_out().data == b"a"
        with pytest.raises(StdStreamError, match="it said no") as caught:
            stream.read_out()
        assert caught.value.exit_code == 3
        assert stream.exit_code == 3
        assert stream.read_out() is None


def test_output_behind_the_exit_frame_is_delivered(session):
    with session(told(b"\x01a", channels.encode_exit(1), b"\x01b", b"\x02c")) as stream:
        stdout, stderr, error = output(stream)
    assert (stdout, stderr) == (b"ab", b"c")
    assert error.exit_code == 1


@pytest.mark.parametrize("close", [True, False])
def test_an_end_without_an_exit_code_is_no_success(session, close):
    with session(told(b"\x01half", close=close)) as stream:
        stdout, _, error = output(stream)
        assert stdout == b"half"
        assert isinstance(error, ConnectionFailed)
        assert error.method == "GET"
        assert error.url.endswith("/jobs/job-1/exec")
        with pytest.raises(ConnectionFailed):
            stream.read_out()
        assert stream.exit_code is None


def test_a_server_that_does_not_close_behind_the_exit_code_is_not_waited_for(session, monkeypatch):
    monkeypatch.setattr("neuro_sync.streams.std._GOODBYE", 0.2)

    def handler(peer):
        peer.send(b"\x01a", b'\x03{"exit_code": 3}')
        assert peer.recv() is None

    with session(handler) as stream:
        assert stream.read_out(timeout=10).data == b"a"
        with pytest.raises(StdStreamError):
            stream.read_out(timeout=10)
        assert stream.read_out() is None
        assert stream.exit_code == 3


def test_who_asks_again_and_again_sees_the_end_of_a_server_that_does_not_close(
    session, monkeypatch
):
    monkeypatch.setattr("neuro_sync.streams.std._GOODBYE", 0.3)

    def handler(peer):
        peer.send(b"\x01a", OK)
        assert peer.recv() is None

    with session(handler) as stream:
        assert stream.read_out(timeout=10).data == b"a"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                assert stream.read_out(timeout=0.02) is None
                break
            except TimeoutError:
                pass
        else:
            pytest.fail("no end in sight")
        assert stream.exit_code == 0


def test_what_comes_behind_the_exit_code_puts_the_end_off(session, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("neuro_sync.streams.std._GOODBYE", 60.0)
    monkeypatch.setattr("neuro_sync.streams.std.time", SimpleNamespace(monotonic=lambda: now[0]))
    go_on = threading.Semaphore(0)

    def handler(peer):
        peer.send(OK)
        for text in (b"a", b"b", b"c"):
            peer.send(b"\x01" + text)
            assert go_on.acquire(timeout=10)
        peer.close()

    with session(handler) as stream:
        for text in (b"a", b"b", b"c"):
            assert stream.read_out().data == text
            now[0] += 50.0
            go_on.release()
        assert stream.read_out() is None


@pytest.mark.parametrize("bad", [b"\x03\xee", b"\x03\xe8\xc3"], ids=["1006", "cut reason"])
@pytest.mark.parametrize("known", [True, False])
def test_a_goodbye_against_the_rules_takes_nothing_back(session, bad, known):
    def handler(peer):
        status = raw_server.frame(2, OK) if known else b""
        peer.sock.sendall(raw_server.frame(2, b"\x01result") + status + raw_server.frame(8, bad))
        peer.recv()

    with session(handler) as stream:
        stdout, _, error = output(stream)
        assert stdout == b"result"
        assert stream.exit_code == (0 if known else None)
        assert (error is None) if known else isinstance(error, ProtocolError)


def test_a_connection_that_is_reset_is_no_success(session):
    def handler(peer):
        peer.send(b"\x01half")
        assert peer.recv() == b"\x00go"
        peer.reset()

    with session(handler) as stream:
        assert stream.read_out().data == b"half"
        stream.write_in(b"go")
        with pytest.raises(ConnectionFailed):
            stream.read_out()


@pytest.mark.parametrize("payload", [b"", b"{}", b"0", b'{"exit_code": "0"}'])
def test_a_malformed_exit_frame_is_no_success(session, payload):
    with session(told(b"\x01a", b"\x03" + payload, b"\x01b")) as stream:
        stdout, _, error = output(stream)
    assert stdout == b"ab"
    assert isinstance(error, ProtocolError)
    assert error.method == "GET"
    assert error.url.endswith("/jobs/job-1/exec")


def test_unknown_channels_and_empty_frames_are_passed_over(session):
    with session(told(b"", b"\x01", b"\x02", b"\x09x", b"\x01a", b"\xff", OK)) as stream:
        assert output(stream) == (b"a", b"", None)


def test_input_arrives_in_frames_of_64_kib_at_most(session):
    data = bytes(range(256)) * 1000

    def handler(peer):
        received = []
        while sum(map(len, received)) - len(received) < len(data):
            received.append(peer.recv())
        assert {frame[0] for frame in received} == {channels.STDIN}
        assert max(map(len, received)) <= 65536 + 1
        assert b"".join(frame[1:] for frame in received) == data
        peer.send(OK)
        peer.close()

    with session(handler) as stream:
        stream.write_in(memoryview(data))
        assert output(stream) == (b"", b"", None)


def test_no_data_sends_nothing(session):
    def handler(peer):
        assert peer.recv() == b"\x00x"
        peer.send(OK)
        peer.close()

    with session(handler) as stream:
        stream.write_in(b"")
        stream.write_in(bytearray(b"x"))
        assert output(stream) == (b"", b"", None)


def test_a_resize_tells_rows_and_columns(session):
    def handler(peer):
        for size in [(40, 120), (25, 80)]:
            channel, payload = channels.split(peer.recv())
            assert channel == channels.RESIZE
            assert channels.parse_resize(payload) == size
        peer.send(OK)
        peer.close()

    with session(handler) as stream:
        stream.resize(40, 120)
        stream.resize(h=25, w=80)
        assert output(stream) == (b"", b"", None)


def test_nothing_can_be_written_after_the_end(session):
    with session(told(OK)) as stream:
        assert stream.read_out() is None
        for data in (b"x", b""):
            with pytest.raises(StreamClosed):
                stream.write_in(data)
        with pytest.raises(BrokenPipeError):
            stream.resize(1, 1)


def test_nothing_can_be_written_after_close(session):
    stream = session(lambda peer: peer.recv())
    stream.close()
    stream.close()
    for data in (b"x", b""):
        with pytest.raises(StreamClosed):
            stream.write_in(data)
    assert stream.read_out() is None


def test_a_timeout_loses_nothing(session):
    go_on = threading.Event()

    def handler(peer):
        go_on.wait(10)
        peer.send(b"\x01late", OK)
        peer.close()

    with session(handler) as stream:
        for timeout in (0, 0.05):
            with pytest.raises(TimeoutError):
                stream.read_out(timeout=timeout)
        go_on.set()
        assert stream.read_out(timeout=10).data == b"late"
        assert stream.read_out(timeout=10) is None


def test_close_in_another_thread_wakes_a_reader(session):
    stream = session(lambda peer: peer.recv())
    results = []
    reader = threading.Thread(target=lambda: results.append(stream.read_out()))
    reader.start()
    time.sleep(0.05)
    began = time.monotonic()
    stream.close()
    reader.join(5)
    assert time.monotonic() - began < 0.5
    assert results == [None]


def test_two_readers_are_told_apart(session):
    with session(lambda peer: peer.recv()) as stream:
        reader = threading.Thread(target=stream.read_out)
        reader.start()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                stream.read_out(timeout=0.01)
            except ConcurrentRead:
                break
            except TimeoutError:
                pass
        else:
            pytest.fail("the second reader got no error")
        stream.close()
        reader.join(5)


def test_one_thread_may_write_while_another_reads(session):
    def echo(peer):
        for _ in range(200):
            frame = peer.recv()
            peer.send(b"\x01" + frame[1:])
        peer.send(OK)
        peer.close()

    with session(echo) as stream:
        writers = [
            threading.Thread(
                target=lambda byte: [stream.write_in(bytes([byte]) * 100) for _ in range(50)],
                args=(byte,),
            )
            for byte in range(4)
        ]
        for writer in writers:
            writer.start()
        stdout, _, error = output(stream)
        for writer in writers:
            writer.join()
    assert error is None
    assert sorted(stdout) == sorted(b"".join(bytes([byte]) * 5000 for byte in range(4)))
    assert all(len(set(stdout[at : at + 100])) == 1 for at in range(0, len(stdout), 100))


def test_a_reader_that_is_slow_does_not_hold_the_whole_output(session):
    sent = []

    def handler(peer):
        frame = b"\x01" + b"x" * 65535
        for _ in range(1600):
            peer.send(frame)
            sent.append(len(frame))
        peer.send(OK)
        peer.close()

    with session(handler) as stream:
        first = stream.read_out()
        before = None
        while before != len(sent):  # until nothing moves any more
            before = len(sent)
            time.sleep(0.3)
        assert sum(sent) < 32 * 2**20
        stdout, _, error = output(stream)
    assert error is None
    assert len(first.data) + len(stdout) == 1600 * 65535


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_refused_while_a_thread_of_its_parent_writes(session):
    writing, end = threading.Event(), threading.Event()

    def handler(peer):
        peer.recv()
        writing.set()
        end.wait(30)

    def write():
        with pytest.raises(StreamClosed):
            stream.write_in(bytes(50_000_000))  # more than the buffers of the system hold

    with session(handler) as stream:
        writer = threading.Thread(target=write)
        writer.start()
        assert writing.wait(10)
        child = os.fork()
        if child == 0:
            told = ""
            signal.alarm(5)
            try:
                stream.write_in(b"x")
            except StreamClosed as error:
                told = str(error)
            finally:
                os._exit(0 if "process" in told else 1)
        assert os.waitpid(child, 0)[1] == 0
        end.set()
    writer.join(10)
