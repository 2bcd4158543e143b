"""TLS in memory, against the standard library's own on the other side: no network in between."""

import contextlib
import itertools
import socket
import ssl
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_sync.transport.tls_socket import TlsLayer, TlsSocket
from neuro_sync.transport.ws_socket import SharedTlsSocket

RECORD = 16 * 1024
VERSIONS = [ssl.TLSVersion.TLSv1_2] if hasattr(ssl, "TLSVersion") else [None]
if ssl.HAS_TLSv1_3:
    VERSIONS.append(ssl.TLSVersion.TLSv1_3)


class Server:
    """The other side. Bytes for it go into ``incoming``, its own come out of ``outgoing``."""

    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def shake_hands(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()

    def says(self, data):
        """The bytes that say it."""
        while data:
            data = data[self.tls.write(data) :]
        return self.outgoing.read()

    def says_goodbye(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()

    def hears(self):
        heard = []
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                heard.append(self.tls.read(RECORD))
        return b"".join(heard)


@pytest.fixture(scope="module", params=VERSIONS, ids=str)
def contexts(request, authority):
    """Settings of both sides."""
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("server.example").configure_cert(theirs)
    if request.param is not None:
        ours.minimum_version = ours.maximum_version = request.param
    return ours, theirs


@pytest.fixture(scope="module")
def connect(contexts):
    """Makes both sides of a connection after their handshake."""

    def connect(host="server.example"):
        layer, server = TlsLayer(contexts[0], host), Server(contexts[1])
        while not layer.handshake():
            server.incoming.write(layer.to_send())
            server.shake_hands()
            layer.feed(server.outgoing.read())
        server.incoming.write(layer.to_send())
        server.shake_hands()
        return layer, server

    return connect


@pytest.fixture
def sides(connect):
    return connect()


def drained(layer):
    """All that can be read without feeding more."""
    pieces = [layer.read()]
    while layer.more:
        pieces.append(layer.read())
    return [piece for piece in pieces if piece is not None]


@given(data=st.data())
@settings(max_examples=50)
def test_what_is_said_arrives_however_it_is_cut(connect, data):
    layer, server = connect()
    said = data.draw(st.lists(st.integers(1, 3 * RECORD), max_size=5))
    said = [bytes([n % 256]) * size for n, size in enumerate(said)]
    wire = b"".join(map(server.says, said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    heard = []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)]):
        if start < stop:
            layer.feed(wire[start:stop])
            heard += drained(layer)
    assert b"".join(heard) == b"".join(said)
    assert b"" not in heard
    assert layer.read() is None


@given(sizes=st.lists(st.integers(1, 5 * RECORD), max_size=5))
@settings(max_examples=30)
def test_what_is_written_is_heard(connect, sizes):
    layer, server = connect()
    for size in sizes:
        data = b"x" * size
        assert layer.write(memoryview(data)) == size
        server.incoming.write(layer.to_send())
        assert server.hears() == data
    assert layer.to_send() == b""


def test_what_came_with_the_end_of_the_handshake_is_read_without_feeding(contexts):
    layer, server = TlsLayer(contexts[0], "server.example"), Server(contexts[1])
    said = []
    while not layer.handshake():
        server.incoming.write(layer.to_send())
        server.shake_hands()
        flight = server.outgoing.read()
        with contextlib.suppress(ssl.SSLError):  # the handshake is not over for the server
            flight += server.says(b"hello")
            said.append(b"hello")
        layer.feed(flight)
    # In TLS 1.3 the client has the last word.
    assert said or VERSIONS[-1] in (None, contexts[0].maximum_version)
    assert drained(layer) == said


class Carrier:
    """The socket below: has room for so much, and brings what is put into it."""

    def __init__(self, rooms):
        self.rooms = rooms
        self.sent = b""
        self.arrived = []

    def write(self, data):
        count = min(next(self.rooms), len(data))
        self.sent += data[:count]
        return count

    def read(self, timeout):
        return self.arrived.pop(0) if self.arrived else None


@given(
    sizes=st.lists(st.integers(1, 2 * RECORD), max_size=4),
    rooms=st.lists(st.integers(0, 2 * RECORD), max_size=12),
    reads=st.lists(st.booleans(), max_size=12),
)
@settings(max_examples=200)
def test_each_byte_is_sent_once_though_there_is_little_room_and_somebody_reads(
    connect, sizes, rooms, reads
):
    layer, server = connect()
    drained(layer)
    carrier = Carrier(itertools.chain(rooms, itertools.repeat(RECORD)))
    shared = SharedTlsSocket(carrier, layer, b"")
    data = b"".join(bytes([n + 1]) * size for n, size in enumerate(sizes))
    rest = memoryview(data)
    reading = itertools.chain(reads, itertools.repeat(False))
    while rest:
        rest = rest[shared.write(rest) :]
        if next(reading):
            carrier.arrived.append(server.says(b"."))
            assert shared.read(10) == b"."
    server.incoming.write(carrier.sent)
    assert server.hears() == data


def test_what_a_peer_said_that_hears_nothing_any_more_is_read(sides):
    layer, server = sides
    drained(layer)

    def rooms():
        yield 1
        raise BrokenPipeError

    carrier = Carrier(rooms())
    shared = SharedTlsSocket(carrier, layer, b"")
    assert shared.write(b"question") == 0
    carrier.arrived.append(server.says(b"answer"))
    assert shared.read(10) == b"answer"


def test_a_goodbye_is_the_end_behind_what_was_said(sides):
    layer, server = sides
    layer.feed(server.says(b"last words") + server.says_goodbye())
    assert drained(layer) == [b"last words", b""]
    layer.feed(b"")
    assert layer.read() == b""


def test_an_end_without_a_goodbye_is_the_end_too(sides):
    layer, server = sides
    layer.feed(server.says(b"last words")[:-1])
    assert layer.read() is None
    layer.feed(b"")
    assert drained(layer) == [b""]


def test_what_somebody_has_changed_on_the_way_is_refused_behind_what_was_good(sides):
    layer, server = sides
    good, bad = server.says(b"good"), bytearray(server.says(b"bad"))
    bad[-1] ^= 1
    layer.feed(good + bad)
    assert layer.read() == b"good"
    with pytest.raises(ssl.SSLError):
        drained(layer)


def test_another_host_than_the_certificate_says_is_refused(connect):
    with pytest.raises(ssl.SSLCertVerificationError):
        connect("other.example")


class TestASocket:
    @pytest.fixture
    def pair(self):
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        theirs.settimeout(10)
        with ours, theirs:
            yield ours, theirs

    @pytest.fixture
    def served(self, pair, contexts):
        """Our socket, and a thread that shakes hands on the other side and then echoes; what went wrong there."""
        ours, theirs = pair
        wrong = []

        def serve():
            try:
                with contexts[1].wrap_socket(theirs, server_side=True) as tls:
                    data = tls.recv(RECORD)
                    while data:
                        tls.sendall(data)
                        data = tls.recv(RECORD)
            except OSError as error:
                wrong.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        yield ours, wrong, thread
        ours.close()
        thread.join(10)

    def test_it_shakes_hands_sends_and_receives(self, served, contexts):
        sock = TlsSocket(served[0], contexts[0], "server.example")
        sock.do_handshake(10)
        data = bytes(range(256)) * 64
        for _ in range(3):
            sock.sendall(data)
            received = b""
            while len(received) < len(data):
                received += sock.recv(1)
            assert received == data

    def test_a_server_is_told_why_it_is_not_trusted(self, served, contexts):
        ours, wrong, thread = served
        with pytest.raises(ssl.SSLCertVerificationError):
            TlsSocket(ours, contexts[0], "other.example").do_handshake(10)
        thread.join(10)
        assert "alert" in str(wrong[0]).lower()

    def test_a_server_that_drips_has_the_time_of_one_handshake(self, pair, contexts):
        ours, theirs = pair
        over = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                # The head of a record that promises more.
                for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
                    theirs.sendall(bytes([byte]))
                    if over.wait(0.1):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(socket.timeout):
                TlsSocket(ours, contexts[0], "server.example").do_handshake(0.5)
        finally:
            over.set()
            thread.join(10)
        assert time.monotonic() - began < 5

    def test_a_record_that_drips_has_the_time_of_one_read(self, pair, contexts):
        ours, theirs = pair
        over = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                with contexts[1].wrap_socket(theirs, server_side=True) as tls:
                    # Past TLS: the head of a record that promises more.
                    for byte in b"\x17\x03\x03\x40\x00" + bytes(1000):
                        socket.socket.send(tls, bytes([byte]))
                        if over.wait(0.1):
                            return

        thread = threading.Thread(target=drip)
        thread.start()
        sock = TlsSocket(ours, contexts[0], "server.example")
        sock.do_handshake(10)
        sock.settimeout(0.5)
        began = time.monotonic()
        try:
            with pytest.raises(socket.timeout):
                sock.recv(1)
        finally:
            over.set()
            thread.join(10)
        assert time.monotonic() - began < 20

    def test_a_server_that_hangs_up_is_an_error(self, pair, contexts):
        ours, theirs = pair
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
            TlsSocket(ours, contexts[0], "server.example").do_handshake(10)
