"""Sockets that one thread reads while others write, plain ones and those with TLS."""

import platform
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from neuro_sync.transport import ws_socket
from neuro_sync.transport.tls_socket import TlsSocket

KINDS = [ws_socket.SharedSocket]
if hasattr(socket, "MSG_DONTWAIT"):
    KINDS.append(ws_socket._BlockingSocket)


@pytest.fixture
def connected():
    """Two sockets that are connected."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def over_tls(connected, authority, tls):
    """The same with TLS in between; the other end is the standard library's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    ours = TlsSocket(connected[0], context, "127.0.0.1")
    shaking = threading.Thread(target=ours.do_handshake, args=(10,))
    shaking.start()
    with tls().wrap_socket(connected[1], server_side=True) as theirs:
        shaking.join()
        yield ws_socket.share(ours), theirs


@pytest.fixture(params=[*KINDS, "tls"], ids=lambda kind: getattr(kind, "__name__", kind))
def pair(request):
    """The socket and its other end."""
    if request.param == "tls":
        shared, theirs = request.getfixturevalue("over_tls")
    else:
        ours, theirs = request.getfixturevalue("connected")
        shared = request.param(ours, b"")
    yield shared, theirs
    shared.close()


def test_what_arrives_is_read_and_then_the_end(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    assert ours.read(10) == b"abc"
    theirs.close()
    assert ours.read(10) == b""


def test_what_was_read_before_comes_first():
    ours, theirs = socket.socketpair()
    with theirs:
        shared = ws_socket.share(ours, b"first")
        theirs.sendall(b"second")
        assert [shared.read(10), shared.read(10)] == [b"first", b"second"]
        shared.close()


def test_nothing_in_time_is_none(pair):
    ours, theirs = pair
    began = time.monotonic()
    assert ours.read(0.2) is None
    assert 0.1 < time.monotonic() - began < 5
    theirs.sendall(b"late")
    assert ours.read(10) == b"late"


def test_in_bulk_it_reads_more_at_once(pair):
    ours, theirs = pair
    size = 16 * 2**20
    sender = threading.Thread(target=theirs.sendall, args=(bytes(size),))
    sender.start()
    longest = received = 0
    while received < size:
        count = len(ours.read(10))
        received += count
        longest = max(longest, count)
    sender.join()
    assert 64 * 1024 < longest <= 2**20


def test_a_write_takes_what_fits_and_never_waits(pair):
    ours, theirs = pair
    data = memoryview(bytes(range(256)) * 4096)
    sent = []
    while True:
        count = ours.write(data)
        if not count:
            break
        sent.append(bytes(data[:count]))
    assert not ours.wait_writable(0)
    expected = b"".join(sent)
    received = b""
    while len(received) < len(expected):
        received += theirs.recv(2**20)
    assert received == expected
    assert ours.wait_writable(10)


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 100_000])
def test_two_pieces_arrive_one_behind_the_other(pair, size):
    ours, theirs = pair
    second = bytes(range(256)) * (size // 256) + bytes(size % 256)
    whole = b"first" + second
    rest = memoryview(whole)[ours.write_both(b"first", second) :]
    received = b""
    while len(received) < len(whole):
        received += theirs.recv(2**20)
        rest = rest[ours.write(rest) :]
    assert received == whole


def test_two_pieces_are_not_written_where_nothing_fits(pair):
    ours, _ = pair
    data = bytes(2**20)
    while ours.write(data):
        pass
    assert ours.write_both(b"first", data) == 0


def test_an_abort_wakes_the_thread_that_reads(pair):
    ours, _ = pair
    ended = []

    def read():
        try:
            while ours.read(60):
                pass
            ended.append("in order")
        except ConnectionResetError:  # the other end was about to say something
            ended.append("reset")

    reader = threading.Thread(target=read)
    reader.start()
    ours.abort()
    reader.join(10)
    assert len(ended) == 1


def test_a_reset_is_an_error(pair):
    ours, theirs = pair
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    with pytest.raises(OSError):
        ours.read(10)


COMES_AND_GOES = """
import resource
from neuro_sync.transport.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        pieces = [b"x" * (512 * 1024 + n) for n in range(8)]
        del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they want"
)
def test_memory_of_a_stream_is_not_asked_for_anew():
    output = subprocess.check_output([sys.executable, "-c", COMES_AND_GOES], timeout=60)
    # Of 4 KiB each, for 80 MiB.
    assert int(output) < 2000
