"""PortForward over real sockets: what the local program sees is what happened at the job."""

import errno
import hashlib
import os
import resource
import selectors
import socket
import struct
import threading
import time
from contextlib import contextmanager

import pytest

from neuro_sync.errors import ConnectionFailed, ResourceNotFound
from neuro_sync.streams.forward import PortForward
from neuro_sync.streams.tunnel import Tunnel, prepare

from .raw_server import closed_port
from .stream_server import Refusal, dial, serve

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 2**20


@contextmanager
def forwarded(handler, admit=None):
    with serve(handler, admit) as server:
        with PortForward(lambda: dial(server.url + "/port_forward/80"), 0, 80) as forward:
            yield forward


def connect(forward, host="127.0.0.1"):
    local = socket.create_connection((host, forward.local_port), timeout=30)
    local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return local


def read_all(local):
    received = []
    while True:
        data = local.recv(MIB)
        if not data:
            return b"".join(received)
        received.append(data)


def until(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def echo(peer):
    while True:
        data = peer.recv()
        if data is None:
            return
        peer.send(data)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_bytes_go_both_ways(host):
    with forwarded(echo) as forward:
        try:
            local = connect(forward, host)
        except OSError:
            pytest.skip("this machine has no " + host)
        with local:
            local.sendall(b"hello")
            assert local.recv(100) == b"hello"
            assert forward.connections == 1
        until(lambda: forward.connections == 0)
        assert forward.last_error is None


@pytest.mark.parametrize("can_look", [True, False])
def test_a_job_that_speaks_first_is_heard(can_look, monkeypatch):
    if not can_look:  # as on Windows
        monkeypatch.setattr("neuro_sync.streams.tunnel._NOT_WAITING", 0)

    def handler(peer):
        peer.send(b"banner")
        peer.send(peer.recv())
        peer.close()

    with forwarded(handler) as forward, connect(forward) as local:
        assert local.recv(100) == b"banner"
        local.sendall(b"hello")
        assert read_all(local) == b"hello"
    assert forward.last_error is None


def test_it_listens_on_a_port_of_the_systems_choice_and_nowhere_else():
    with forwarded(echo) as forward:
        assert forward.local_port > 0
        assert forward.job_port == 80
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", forward.local_port), timeout=5)


def test_a_port_that_is_taken_is_an_error():
    with forwarded(echo) as forward:
        with pytest.raises(OSError, match="in use"):
            PortForward(lambda: None, forward.local_port, 80)


def test_where_there_are_no_file_descriptors_it_does_not_begin(monkeypatch):
    def no_selector():
        raise OSError(errno.EMFILE, "Too many open files")

    port = closed_port()
    with monkeypatch.context() as patch:
        patch.setattr(selectors, "DefaultSelector", no_selector)
        with pytest.raises(OSError, match="Too many") as caught:
            PortForward(lambda: None, port, 80)
    PortForward(lambda: None, port, 80).close()  # it is free, though the error is still there
    assert caught.value.errno == errno.EMFILE


def test_the_end_of_the_jobs_data_is_an_end_of_file():
    def handler(peer):
        assert peer.recv() == b"get"
        peer.send(*[b"x" * 65536] * 16)
        peer.close()

    with forwarded(handler) as forward, connect(forward) as local:
        local.sendall(b"get")
        assert len(read_all(local)) == MIB
    assert forward.last_error is None


def test_a_program_that_shuts_its_sending_side_down_gets_the_rest():
    shut = threading.Event()

    def handler(peer):
        assert peer.recv() == b"get"
        assert shut.wait(10)
        time.sleep(0.3)  # longer than it takes to notice the end of file
        peer.send(*[b"x" * 65536] * 16)
        peer.close()

    with forwarded(handler) as forward, connect(forward) as local:
        local.sendall(b"get")
        local.shutdown(socket.SHUT_WR)
        shut.set()
        assert len(read_all(local)) == MIB
        assert forward.last_error is None


def test_what_a_program_sends_before_it_closes_arrives():
    received = []
    done = threading.Event()

    def handler(peer):
        while True:
            data = peer.recv()
            if data is None:
                break
            received.append(data)
        done.set()

    with forwarded(handler) as forward:
        with connect(forward) as local:
            local.sendall(b"x" * MIB)
        assert done.wait(30)
        assert len(b"".join(received)) == MIB
        until(lambda: forward.connections == 0)


@pytest.mark.parametrize("end", ["drop", "reset", 1001, 1011])
def test_a_tunnel_that_breaks_is_a_reset_and_never_a_clean_end(end):
    def handler(peer):
        peer.recv()
        peer.send(b"x" * 100000)
        if end == "reset":
            peer.reset()
        elif end != "drop":
            peer.close(end)

    with forwarded(handler) as forward:
        for _ in range(10):
            with connect(forward) as local:
                local.sendall(b"get")
                with pytest.raises(ConnectionResetError):
                    read_all(local)
        until(lambda: forward.connections == 0)
        assert isinstance(forward.last_error, ConnectionFailed)
        assert forward.last_error.method == "GET"
        assert forward.last_error.url.endswith("/port_forward/80")


def test_a_refused_connection_is_a_reset_with_a_recorded_reason():
    def admit(peer, number):
        raise Refusal(404, ['X-Error: {"error": "Job is not running."}'])

    with forwarded(echo, admit) as forward:
        with connect(forward) as local:
            with pytest.raises(ConnectionResetError):
                read_all(local)
        until(lambda: forward.last_error is not None)
        assert isinstance(forward.last_error, ResourceNotFound)
        assert "not running" in str(forward.last_error)
        assert forward.connections == 0


def test_it_goes_on_after_a_broken_tunnel():
    def admit(peer, number):
        if number == 1:
            raise Refusal(404)

    with forwarded(echo, admit) as forward:
        with connect(forward) as local, pytest.raises(ConnectionResetError):
            read_all(local)
        with connect(forward) as local:
            local.sendall(b"x")
            assert local.recv(1) == b"x"


def test_a_program_that_crashes_ends_the_tunnel():
    ended = threading.Event()

    def handler(peer):
        peer.send(b"x")
        while peer.recv() is not None:
            pass
        ended.set()

    with forwarded(handler) as forward:
        local = connect(forward)
        assert local.recv(1) == b"x"
        local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        local.close()
        assert ended.wait(10)
        until(lambda: forward.connections == 0)
        assert forward.last_error is None


def test_bulk_both_ways_at_once_arrives_whole():
    block = os.urandom(MIB)
    blocks = 32
    expected = hashlib.sha256(block * blocks).digest()

    def handler(peer):
        received = hashlib.sha256()
        sender = threading.Thread(target=lambda: [peer.send(block) for _ in range(blocks)])
        sender.start()
        size = 0
        while size < blocks * MIB:
            data = peer.recv()
            size += len(data)
            received.update(data)
        sender.join()
        peer.send(received.digest())
        peer.close()

    with forwarded(handler) as forward, connect(forward) as local:
        sender = threading.Thread(target=lambda: [local.sendall(block) for _ in range(blocks)])
        sender.start()
        received = read_all(local)
        sender.join()
    assert hashlib.sha256(received[: blocks * MIB]).digest() == expected
    assert received[blocks * MIB :] == expected
    assert forward.last_error is None


def test_a_program_that_does_not_read_slows_the_job_down():
    sent = []

    def handler(peer):
        peer.recv()
        while True:
            peer.send(b"x" * 65536)
            sent.append(65536)

    with forwarded(handler) as forward, connect(forward) as local:
        local.sendall(b"get")
        before = None
        while before != len(sent):  # until nothing moves any more
            before = len(sent)
            time.sleep(0.3)
        assert sum(sent) < 32 * MIB


def test_a_tunnel_without_its_second_thread_is_a_reset(monkeypatch):
    start = threading.Thread.start

    def start_unless_it_sends_up(thread):
        if getattr(thread._target, "__name__", "") == "_send_up":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_unless_it_sends_up)
    with forwarded(echo) as forward:
        with connect(forward) as local, pytest.raises(ConnectionResetError):
            read_all(local)
        until(lambda: forward.connections == 0)
        assert "new thread" in str(forward.last_error)


def test_a_tunnel_that_is_stopped_is_never_a_clean_end():
    """However long it takes until the end is a reset: neither thread closes the connection before."""
    ended = threading.Event()

    class Slow(socket.socket):
        def setsockopt(self, level, option, value):
            if option == socket.SO_LINGER:
                ended.wait(0.5)
            super().setsockopt(level, option, value)

    def handler(peer):
        while True:
            peer.send(b"x" * 65536)

    with serve(handler) as server, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname(), timeout=30) as program:
            accepted = Slow(fileno=listener.accept()[0].detach())
            tunnel = Tunnel(prepare(accepted), lambda: dial(server.url), lambda *end: ended.set())
            tunnel.start()
            program.shutdown(socket.SHUT_WR)
            assert program.recv(1) == b"x"
            tunnel.stop()
            with pytest.raises(ConnectionResetError):
                read_all(program)
            tunnel.join(10)


def test_close_ends_everything_at_once():
    def handler(peer):
        while True:
            peer.send(b"x" * 65536)

    with serve(handler) as server:
        forward = PortForward(lambda: dial(server.url), 0, 80)
        locals_ = [connect(forward) for _ in range(20)]
        until(lambda: forward.connections == 20)
        for local in locals_:
            assert local.recv(1) == b"x"
        began = time.monotonic()
        forward.close()
        took = time.monotonic() - began
        assert took < 0.5 + 0.5  # and some for a busy machine
        forward.close()
        for local in locals_:
            with local, pytest.raises(ConnectionResetError):
                read_all(local)
        with pytest.raises(OSError):
            connect(forward)


def test_a_forgotten_forward_ends():
    with serve(echo) as server:
        forward = PortForward(lambda: dial(server.url), 0, 80)
        with connect(forward) as local:
            local.sendall(b"x")
            assert local.recv(1) == b"x"
            del forward
            with pytest.raises(ConnectionResetError):
                read_all(local)


def test_five_hundred_connections_at_once_are_served():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 500 if soft >= 4096 else 100
    with forwarded(echo) as forward:
        locals_ = [connect(forward) for _ in range(count)]
        for local in locals_:
            local.sendall(b"x")
        assert all(local.recv(1) == b"x" for local in locals_)
        assert forward.connections == count
        for local in locals_:
            local.close()
        until(lambda: forward.connections == 0)
        assert forward.last_error is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_hold_connections_open():
    with forwarded(echo) as forward, connect(forward) as local:
        local.sendall(b"x")
        assert local.recv(1) == b"x"
        ready, go_on = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            local.close()
            os.write(ready[1], b"x")
            os.read(go_on[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        forward.close()
        with pytest.raises(ConnectionResetError):
            read_all(local)
        os.write(go_on[1], b"x")
        os.waitpid(child, 0)
        for fd in (*ready, *go_on):
            os.close(fd)
