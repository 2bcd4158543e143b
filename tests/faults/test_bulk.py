"""Much data, both ways at once, through slow readers and cut tunnels."""

import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ..wire.raw_server import frame
from ..wire.stream_server import serve

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
SIZE = 256 * MIB
LOG_SIZE = 2**30
ALLOWED = 32 * MIB
CUTS = 40


class Far:
    """A service on a port of this machine, which is where the local platform forwards to."""

    def __init__(self, talk):
        self._talk = talk
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(100)
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, conn):
        with conn:
            try:
                self._talk(conn)
            except OSError:
                pass  # the tunnel was cut

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(30)


class Blocks:
    """A stream of random bytes that does not have to be kept."""

    def __init__(self, seed, size):
        self._block = random.Random(seed).getrandbits(8 * MIB).to_bytes(MIB, "little")
        self._count = size // MIB
        self.sum = hashlib.sha256()

    def send(self, sock):
        for number in range(self._count):
            block = number.to_bytes(8, "big") + self._block[8:]
            self.sum.update(block)
            sock.sendall(block)


def receive(sock, size):
    """The checksum of so many bytes."""
    found = hashlib.sha256()
    buffer = memoryview(bytearray(MIB))
    while size:
        count = sock.recv_into(buffer[: min(size, MIB)])
        if not count:
            raise EOFError("{} bytes are missing".format(size))
        found.update(buffer[:count])
        size -= count
    return found.hexdigest()


def exchange(sock, blocks, size):
    """Send and receive at once; returns the checksum of what came."""
    sender = threading.Thread(target=blocks.send, args=(sock,), daemon=True)
    sender.start()
    came = receive(sock, size)
    sender.join()
    return came


def test_bulk_both_ways_at_once_arrives_whole(nothing_left, flaky_jobs, sleeper, faults, figure):
    ours, theirs = Blocks(1, SIZE), Blocks(2, SIZE)
    came = []
    with Far(lambda conn: came.append(exchange(conn, theirs, SIZE))) as far:
        with flaky_jobs.port_forward(sleeper.id, 0, far.port) as forward:
            with socket.create_connection(("127.0.0.1", forward.local_port), 60) as local:
                came.insert(0, exchange(local, ours, SIZE))
                local.recv(1)
            assert forward.last_error is None
    equal = came == [theirs.sum.hexdigest(), ours.sum.hexdigest()]
    figure(
        "{} MiB through a forward each way at once".format(SIZE // MIB),
        "equal checksums",
        "equal checksums" if equal else "DIFFERENT checksums",
    )
    assert equal


def test_a_transfer_that_is_cut_is_an_error_every_time(flaky_jobs, sleeper, faults, figure):
    rng = random.Random(3)
    told = 0

    def talk(conn):
        Blocks(4, 4 * MIB).send(conn)

    with Far(talk) as far, flaky_jobs.port_forward(sleeper.id, 0, far.port) as forward:
        for number in range(CUTS):
            after = rng.randrange(4 * MIB)
            if number % 2:
                faults.reset_after(after, endpoint="port_forward")
            else:
                faults.close(rng.choice((1001, 1011)), endpoint="port_forward", after=after)
            try:
                with socket.create_connection(("127.0.0.1", forward.local_port), 60) as local:
                    receive(local, 4 * MIB)
            except ConnectionResetError:
                told += 1
    figure(
        "a transfer through a forward, cut in the middle {} times".format(CUTS),
        "an error on the local side, every time",
        "{} times an error".format(told),
    )
    assert told == CUTS


EXHAUSTED = """
import ctypes, resource, socket, sys, time
from neuro_sync import JobsClient

if sys.version_info < (3, 10) and sys.platform == "linux":
    # The first thread to end opens this file there, and the interpreter aborts where it can't.
    ctypes.CDLL("libgcc_s.so.1")

with JobsClient(sys.argv[1], sys.argv[2]) as jobs:
    with jobs.port_forward(sys.argv[3], 0, int(sys.argv[4])) as forward:
        def connect():
            local = socket.create_connection(("127.0.0.1", forward.local_port), timeout=30)
            local.sendall(b"x")
            return local

        with connect() as local:
            assert local.recv(1) == b"y"
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        locals_ = []
        while forward.last_error is None:
            try:
                locals_.append(connect())
            except OSError:  # here, too, there is none left
                time.sleep(0.01)
        for local in locals_:
            local.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                with connect() as local:
                    assert local.recv(1) == b"y"
                    break
            except OSError:
                assert time.monotonic() < deadline
"""


@pytest.mark.skipif(os.name != "posix", reason="limits are those of POSIX")
def test_a_forward_outlives_a_time_without_file_descriptors(flaky_platform, sleeper):
    def talk(conn):
        while conn.recv(1):
            conn.sendall(b"y")

    with Far(talk) as far:
        done = subprocess.run(
            [
                *[sys.executable, "-c", EXHAUSTED, flaky_platform.api_url, flaky_platform.token],
                *[sleeper.id, str(far.port)],
            ],
            cwd=str(ROOT),
            stderr=subprocess.PIPE,  # the warnings of the forward, and why it failed
            timeout=60,
        )
    assert done.returncode == 0, done.stderr.decode()


def log_of(size):
    """The handler of a connection that sends a log of so many bytes, about 10,000 lines a second."""
    lines = [b"@.%09dZ " % (number * 100000) + b"x" * 93 + b"\n" for number in range(10000)]
    second = b"".join(frame(2, line.replace(b"@", b"2026-09-14T08:00:00")) for line in lines)

    def handler(peer):
        sent = number = 0
        while sent < size:
            time = b"T%02d:%02d:%02d." % (8 + number // 3600, number // 60 % 60, number % 60)
            piece = second.replace(b"T08:00:00.", time)
            peer.sock.sendall(piece)
            sent += len(piece)
            number += 1
        peer.close()

    return handler


@pytest.mark.skipif(os.name != "posix", reason="what a process takes is counted in another way")
def test_the_memory_of_a_slow_reader_stays_flat(figure):
    with serve(log_of(LOG_SIZE)) as server:
        output = subprocess.check_output(
            [sys.executable, "-m", "tests.faults.slow_reader", server.url],
            cwd=str(ROOT),
            timeout=110,
        )
    told = json.loads(output.decode())
    figure(
        "1 GiB of log, a consumer that sleeps",
        "memory grows by less than 32 MiB",
        "{:.1f} MiB".format(told["grown"] / MIB),
    )
    assert told["size"] > 0.7 * LOG_SIZE  # the rest were stamps and frames
    assert told["grown"] < ALLOWED
