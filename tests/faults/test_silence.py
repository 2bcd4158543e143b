"""A peer that goes silent, without a word and without an end, is noticed under each kind of stream."""

import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from neuro_sync.errors import ConnectionFailed
from neuro_sync.streams.forward import PortForward
from neuro_sync.streams.std import StdStream
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.ws import WsTransport

from ..wire.stream_server import serve

LIMIT = 30.0
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Attempt(threading.Thread):
    """Runs a call in a thread of its own, and says how long it took and what it raised."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call = call
        self.error = self.took = None
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self._call()
        except BaseException as error:
            self.error = error
        self.took = time.monotonic() - began


def follow(jobs, faults, id):
    """Ends when the log was taken up on a second connection."""
    with jobs.monitor(id) as log:
        reader = Attempt(log.read)
        while faults.seen("log_ws") < 2:
            assert reader.took is None
            time.sleep(0.05)
        log.close()
        reader.join(10)


def converse(jobs, id):
    with jobs.exec(id, "echo hello", stdout=True) as stream:
        stream.read_out()


def test_silence_under_a_log_a_command_and_a_forward_is_noticed(
    nothing_left, flaky_jobs, sleeper, faults, figure
):
    """With the intervals that users have: the three at once, as it takes its time."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    port = listener.getsockname()[1]

    def greet():
        with listener, listener.accept()[0] as conn:
            conn.sendall(b"hello")
            conn.recv(1)

    greeter = Attempt(greet)

    def use_port():
        with flaky_jobs.port_forward(sleeper.id, 0, port) as forward:
            with socket.create_connection(("127.0.0.1", forward.local_port), timeout=60) as local:
                local.recv(1)

    for endpoint in ("log_ws", "exec", "port_forward"):
        faults.stall(endpoint)
    attempts = {
        "log": Attempt(lambda: follow(flaky_jobs, faults, sleeper.id)),
        "command": Attempt(lambda: converse(flaky_jobs, sleeper.id)),
        "forward": Attempt(use_port),
    }
    for attempt in (*attempts.values(), greeter):
        attempt.join(60)
    took = {name: attempt.took for name, attempt in attempts.items()}
    figure(
        "silent peer under a log, an exec, a forward",
        "noticed within 30 s",
        ", ".join("{} {:.1f} s".format(name, seconds or -1) for name, seconds in took.items()),
    )
    assert all(seconds is not None and seconds < LIMIT for seconds in took.values()), took
    assert attempts["log"].error is None
    assert isinstance(attempts["command"].error, ConnectionFailed)
    assert isinstance(attempts["forward"].error, ConnectionResetError)


@pytest.fixture
def quick():
    return WsTransport(StaticToken("secret"), heartbeat=0.1, silence=0.5)


def silent(peer):
    """Reads whatever comes and answers nothing, not even a ping."""
    while peer.sock.recv(65536):
        pass


def test_a_quiet_peer_that_answers_pings_is_not_given_up(quick):
    def tell(peer):
        peer.send(b"\x01hello", b'\x03{"exit_code": 0}')
        peer.send(b"", opcode=8)

    def quiet(peer):
        later = threading.Timer(2.0, tell, (peer,))
        later.start()
        peer.recv()  # answers pings until the client closes
        later.join()

    with serve(quiet) as server:
        with StdStream(quick.dial(server.url)) as stream:
            assert stream.read_out(timeout=30).data == b"hello"
            assert stream.read_out(timeout=30) is None


def test_a_writer_is_not_held_up_for_ever_by_a_silent_peer(quick):
    gone = threading.Event()
    with serve(lambda peer: gone.wait(60)) as server:
        with StdStream(quick.dial(server.url)) as stream:
            writer = Attempt(lambda: stream.write_in(b"x" * 2**26))
            with pytest.raises(ConnectionFailed, match="silent"):
                stream.read_out()
            writer.join(10)
            assert isinstance(writer.error, BrokenPipeError)
        gone.set()


@pytest.mark.parametrize("pause", [0.0, 0.003], ids=["at once", "slowly"])
def test_a_peer_that_takes_what_is_written_is_not_taken_for_silent(pause):
    """It has nothing to say all the while, and hears a ping only behind what was written before."""
    patient = WsTransport(StaticToken("secret"), heartbeat=0.3, silence=1.5)
    data = b"x" * 2**20

    def take(peer):
        message = peer.recv()
        while message not in (None, b"\x00end"):
            time.sleep(pause)
            message = peer.recv()
        peer.send(b'\x03{"exit_code": 0}')
        peer.close()

    with serve(take) as server:
        with StdStream(patient.dial(server.url)) as stream:
            reader = Attempt(stream.read_out)
            end = time.monotonic() + 4.5  # three times as long as silence may last
            while time.monotonic() < end:
                stream.write_in(data)
            stream.write_in(b"end")
            reader.join(60)
            assert reader.error is None
            assert stream.exit_code == 0


def test_a_peer_that_pings_hears_pongs_while_it_is_written_to():
    """One that counts them would end the connection."""
    hurried = threading.Event()

    def ping_on(peer):
        # Each is answered before the next comes.
        for number in range(10):
            peer.send(b"%d" % number, opcode=9)
            found = peer._raw.frame()
            while found != (10, b"%d" % number):
                assert found is not None
                assert found[0] == 2
                found = peer._raw.frame()
        hurried.set()
        while peer.recv() is not None:
            pass

    with serve(ping_on) as server:
        with StdStream(WsTransport(StaticToken("secret")).dial(server.url)) as stream:
            end = time.monotonic() + 30
            while not hurried.is_set():
                assert time.monotonic() < end, "no pong came"
                stream.write_in(b"x" * 2**20)


def test_a_reader_that_rests_does_not_take_its_peer_for_silent(quick):
    """While the queue is full nothing is read, and nothing that comes can be heard."""

    def flood(peer):
        for _ in range(160):
            peer.send(b"\x01" + b"x" * 2**16)
        peer.send(b'\x03{"exit_code": 0}')
        peer.close()

    with serve(flood) as server:
        with StdStream(quick.dial(server.url)) as stream:
            received = len(stream.read_out().data)
            time.sleep(1.5)  # three times as long as silence may last
            received += sum(len(message.data) for message in stream)
            assert received == 160 * 2**16
            assert stream.exit_code == 0


STOPPED = """
import sys
from neuro_sync.streams.std import StdStream
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.ws import WsTransport

transport = WsTransport(StaticToken("secret"), heartbeat=3.0, silence=5.0)
with StdStream(transport.dial(sys.argv[1])) as stream:
    print("open", flush=True)
    print(stream.read_out(timeout=60), stream.exit_code)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal here")
def test_a_process_that_was_stopped_does_not_take_its_peer_for_silent():
    """As by Ctrl-Z and fg: the peer had nothing to say, and was not asked."""
    stopped = threading.Event()

    def wait(peer):
        stopped.wait(60)
        # Answers a ping before it ends.
        assert peer._raw.frame()[0] == 9
        peer.send(b"", opcode=10)
        assert peer._raw.frame()[0] == 9
        peer.send(b'\x03{"exit_code": 0}')
        peer.close()

    with serve(wait) as server:
        command = [sys.executable, "-c", STOPPED, server.url]
        with subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout.readline().strip() == b"open"
                process.send_signal(signal.SIGSTOP)
                time.sleep(6)  # longer than silence may last
                process.send_signal(signal.SIGCONT)
                stopped.set()
                assert process.stdout.read().strip() == b"None 0"
            finally:
                process.kill()


def test_a_program_that_sends_through_a_silent_tunnel_is_reset(quick):
    with serve(silent) as server:
        with PortForward(lambda: quick.dial(server.url), 0, 80) as forward:
            with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as local:
                with pytest.raises(ConnectionResetError):
                    local.recv(1)
            assert str(forward.last_error).startswith("the connection was lost: the peer is silent")
