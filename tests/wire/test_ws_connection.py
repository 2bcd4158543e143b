"""An open WebSocket over real sockets, plain and TLS: messages, pings, silence, and all ways to end."""

import signal
import socket
import struct
import threading

import pytest

from neuro_sync.errors import ConnectionFailed, ProtocolError, StreamClosed
from neuro_sync.transport import ws_connection
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.retry import Timeout
from neuro_sync.transport.ws import WsTransport
from neuro_sync.transport.ws_connection import WsAborted, WsClosed, WsConnection
from neuro_sync.transport.ws_frames import FrameParser, frame_header
from neuro_sync.transport.ws_handshake import Opened

from ..ctrl_c import CtrlC
from .raw_server import frame, serve

pytestmark = pytest.mark.usefixtures("nothing_left")

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def goodbye(code=1000, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Script:
    """The server's side: sends what it is given after the handshake, and keeps the frames that come.

    Attributes:
        frames: of the client, in order; None is the end of the connection.
    """

    def __init__(self, *frames, stay=True):
        self._out = b"".join(frames)
        self._stay = stay
        self.frames = []
        self._news = threading.Condition()
        self.peer = None

    def __call__(self, peer):
        peer.upgrade(peer.request(), tail=self._out)
        self.peer = peer
        while self._stay:
            found = peer.frame()
            with self._news:
                self.frames.append(found)
                self._news.notify_all()
            if found is None:
                return

    def wait_for(self, condition):
        """Wait until the frames are as wanted."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self.frames), timeout=10), self.frames


@pytest.fixture(params=["plain", "tls"])
def run(request):
    """Connects to a script."""
    running = []

    def run(script, **options):
        tls = None
        if request.param == "tls":
            request.getfixturevalue("trusted")
            tls = request.getfixturevalue("tls")()
        context = serve(script, tls=tls)
        server = context.__enter__()
        running.append(context)
        transport = WsTransport(StaticToken("t"), timeout=Timeout(5.0, 5.0), **options)
        connection = transport.dial(server.url)
        running.append(connection)
        return connection

    yield run
    for item in reversed(running):
        if hasattr(item, "recv_batch"):
            item.close()
        else:
            item.__exit__(None, None, None)


def all_messages(connection):
    """Everything until the end, and the end."""
    messages = []
    while True:
        try:
            messages += connection.recv_batch()
        except Exception as end:
            return messages, end


def test_messages_arrive_in_order_and_then_the_goodbye(run):
    big = b"x" * 300_000
    script = Script(
        frame(BINARY, b"a"), frame(TEXT, b"b"), frame(BINARY, big), goodbye(4000, b"bye")
    )
    messages, end = all_messages(run(script))
    assert messages == [b"a", b"b", big]
    assert isinstance(end, WsClosed)
    assert (end.code, end.reason) == (4000, "bye")
    script.wait_for(lambda frames: (CLOSE, struct.pack("!H", 4000)) in frames)


def test_the_end_is_told_again_to_who_asks_again(run):
    connection = run(Script(goodbye()))
    _, first = all_messages(connection)
    _, second = all_messages(connection)
    assert second is first


def test_a_goodbye_without_a_code_is_answered_without_one(run):
    script = Script(frame(CLOSE))
    _, end = all_messages(run(script))
    assert end.code == 1005
    script.wait_for(lambda frames: (CLOSE, b"") in frames)


def test_an_end_without_a_goodbye_is_a_lost_connection(run):
    messages, end = all_messages(run(Script(frame(BINARY, b"a"), stay=False)))
    assert messages == [b"a"]
    assert isinstance(end, ConnectionFailed)
    assert "lost" in str(end)


def test_half_a_message_is_no_message(run):
    messages, end = all_messages(run(Script(frame(BINARY, b"abc")[:-1], stay=False)))
    assert messages == []
    assert isinstance(end, ConnectionFailed)


def test_a_reset_is_a_lost_connection(run):
    def resetting(peer):
        peer.upgrade(peer.request())
        peer.reset()

    _, end = all_messages(run(resetting))
    assert isinstance(end, ConnectionFailed)


def test_who_breaks_the_rules_is_told_so(run):
    script = Script(frame(BINARY, b"a") + frame(PING) + frame(3))
    messages, end = all_messages(run(script))
    assert messages == [b"a"]
    assert isinstance(end, ProtocolError)
    assert end.method == "GET"
    assert "127.0.0.1" in end.url
    script.wait_for(lambda frames: (CLOSE, struct.pack("!H", 1002)) in frames)


def test_pings_are_answered_with_what_they_carry(run):
    script = Script(frame(PING, b"1"), frame(PING, b"2"), frame(BINARY, b"a"))
    assert run(script).recv_batch() == [b"a"]
    script.wait_for(lambda frames: frames[:2] == [(PONG, b"1"), (PONG, b"2")])


def test_a_peer_that_only_pings_does_not_fill_the_memory(run):
    """It hears none of the pongs: all of them together would not fit on the way."""
    heard = threading.Event()

    def ping_on(peer):
        peer.upgrade(peer.request())
        for _ in range(1000):
            peer.send(frame(PING, b"x" * 125) * 150)
        peer.send(frame(BINARY, b"at last"))
        heard.wait(30)

    connection = run(ping_on)
    assert connection.recv_batch() == [b"at last"]
    assert len(connection._unsent) < 1000
    heard.set()


def test_a_quiet_peer_is_pinged_and_one_that_answers_is_waited_for(run):
    class Answering(Script):
        def __call__(self, peer):
            peer.upgrade(peer.request())
            for _ in range(3):
                self.frames.append(peer.frame())
                peer.send(frame(PONG))
            peer.send(frame(BINARY, b"at last"))
            peer.frame()

    script = Answering()
    connection = run(script, heartbeat=0.02, silence=5.0)
    assert connection.recv_batch() == [b"at last"]
    assert [opcode for opcode, _ in script.frames] == [PING] * 3


def test_a_silent_peer_is_given_up(run):
    script = Script()
    connection = run(script, heartbeat=0.05, silence=0.15)
    _, end = all_messages(connection)
    assert isinstance(end, ConnectionFailed)
    assert "silent" in str(end)
    assert [found[0] for found in script.frames if found].count(PING) <= 3


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1_000_000])
def test_a_message_of_any_size_arrives(run, size):
    script = Script()
    run(script).send(b"x" * size)
    script.wait_for(lambda frames: frames)
    assert script.frames == [(BINARY, b"x" * size)]


def test_messages_of_several_threads_arrive_whole(run):
    script = Script()
    connection = run(script)
    texts = [bytes([65 + number]) * 20_000 for number in range(4)]
    threads = [
        threading.Thread(target=lambda text=text: [connection.send(text) for _ in range(5)])
        for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    script.wait_for(lambda frames: len(frames) == 20)
    assert sorted(payload for _, payload in script.frames) == sorted(texts * 5)


def test_one_thread_reads_while_another_writes(run):
    class Echo(Script):
        def __call__(self, peer):
            peer.upgrade(peer.request())
            while True:
                found = peer.frame()
                if found is None or found[0] == CLOSE:
                    return
                peer.send(frame(BINARY, found[1]))

    connection = run(Echo())
    sent = [b"%d" % number * 100 for number in range(200)]
    writer = threading.Thread(target=lambda: [connection.send(text) for text in sent])
    writer.start()
    found = []
    while len(found) < len(sent):
        found += connection.recv_batch()
    writer.join(10)
    assert found == sent


class Narrow(socket.socket):
    """A socket that takes so many bytes at each call, and then all that comes.

    Attributes:
        room: how many bytes fit into the next calls, in order.
    """

    room = ()

    def sendmsg(self, pieces, *options):
        return self._take(b"".join(pieces), super().send)

    def send(self, data, *flags):
        return self._take(data, super().send)

    def _take(self, data, send):
        if not self.room:
            return send(data)
        fits, *self.room = self.room
        if not fits:
            raise BlockingIOError
        return send(data[:fits])


class NarrowAndPlain(Narrow):
    """The same on a system that sends one piece at a time."""

    sendmsg = property()


@pytest.mark.parametrize("kind", [Narrow, NarrowAndPlain])
@pytest.mark.parametrize("size", [0, 200, 17_000])
@pytest.mark.parametrize("pinged", [False, True])
def test_a_message_arrives_whole_wherever_it_is_cut(kind, size, pinged):
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    parser = FrameParser()
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with theirs, kind(fileno=ours.detach()) as sock:
        connection = WsConnection(Opened(sock, b"", {}, None), "", heartbeat=60.0, silence=60.0)
        ping = 6 if pinged else 0
        header = len(frame_header(BINARY, size, b"mask"))
        ends = {0, ping, ping + header, ping + header + size}
        cuts = {at for end in ends for at in range(end - 1, end + 2) if 0 <= at <= max(ends)}
        for first in sorted(cuts):
            for second in (0, 1, header):
                if pinged:
                    sock.room = [0]
                    connection.keepalive()
                sock.room = [first, second]
                connection.send(data)
                messages = []
                while not messages:
                    messages = parser.feed(theirs.recv(2**20))
                assert messages == [data]
                assert parser.pings == [b""] * pinged
                parser.pings.clear()
        connection.close()


class Deaf(Script):
    """Takes nothing until the end."""

    def __init__(self):
        super().__init__()
        self.end = threading.Event()

    def __call__(self, peer):
        peer.upgrade(peer.request())
        self.end.wait(10)


def test_ctrl_c_in_the_middle_of_a_message_ends_the_connection(run):
    class Pressing(Deaf):
        def __call__(self, peer):
            peer.upgrade(peer.request())
            peer.reader.read(1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            self.end.wait(10)

    pressing = Pressing()
    connection = run(pressing)
    # More than the buffers of the system hold.
    with pytest.raises(KeyboardInterrupt):
        connection.send(b"x" * 50_000_000)
    # Half a message is out: nothing that follows could be understood.
    with pytest.raises(StreamClosed):
        connection.send(b"x")
    pressing.end.set()


@pytest.mark.parametrize("what", ["send", "keepalive"])
def test_ctrl_c_anywhere_in_a_write_leaves_no_lock_behind(what):
    behind = 0
    with serve(Script()) as server:
        while True:
            behind += 1
            connection = WsTransport(StaticToken("t")).dial(server.url)
            write = getattr(connection, what)
            try:
                with CtrlC(ws_connection, behind) as ctrl_c:
                    write(b"x") if what == "send" else write()
            except KeyboardInterrupt:
                pass
            closing = threading.Thread(target=connection.close, daemon=True)
            closing.start()
            closing.join(10)
            assert not closing.is_alive(), behind
            if not ctrl_c.pressed:
                break
    assert behind > 2  # else it was never there where something is done


def test_an_abort_ends_a_write_that_waits(run):
    deaf = Deaf()
    connection = run(deaf)
    failures = []

    def write():
        try:
            for _ in range(1000):
                connection.send(b"x" * 1_000_000)
        except StreamClosed as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    connection.abort()
    writer.join(10)
    assert not writer.is_alive()
    assert len(failures) == 1
    deaf.end.set()


def test_an_abort_ends_a_read_that_waits(run):
    connection = run(Script())
    ends = []
    reader = threading.Thread(target=lambda: ends.append(all_messages(connection)))
    reader.start()
    connection.abort()
    reader.join(10)
    ((messages, end),) = ends
    assert messages == []
    assert isinstance(end, WsAborted)


def test_a_close_says_goodbye_once_and_is_final(run):
    script = Script()
    connection = run(script)
    connection.close(1001)
    connection.close()
    script.wait_for(lambda frames: None in frames)
    assert script.frames == [(CLOSE, struct.pack("!H", 1001)), None]
    with pytest.raises(StreamClosed):
        connection.send(b"x")


def test_a_closed_pipe_is_what_a_write_after_the_end_is(run):
    connection = run(Script(goodbye()))
    all_messages(connection)
    with pytest.raises(BrokenPipeError):
        connection.send(b"x")


def test_an_abort_after_the_close_and_a_close_after_the_abort_do_nothing(run):
    connection = run(Script())
    connection.abort()
    connection.abort()
    connection.close()
    connection.abort()
    connection.close()
