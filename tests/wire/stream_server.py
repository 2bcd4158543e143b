"""A websocket server of a few lines whose handlers say what goes over the wire."""

import base64
import hashlib
import socket
import struct
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.ws import WsTransport

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def dial(url, **options):
    """A connection of ours."""
    return WsTransport(StaticToken("secret")).dial(url, **options)


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock, reader, target):
        self.sock = sock
        self._reader = reader
        query = parse_qs(urlsplit(target).query, keep_blank_values=True)
        self.query = {key: values[0] for key, values in query.items()}

    def send(self, *frames, opcode=2):
        """Binary messages, all in one piece of TCP where they fit."""
        self.sock.sendall(b"".join(_frame(opcode, frame) for frame in frames))

    def text(self, *texts):
        self.send(*(text.encode() for text in texts), opcode=1)

    def recv(self):
        """The next data message, None at the end of the connection."""
        while True:
            try:
                head = self._reader.read(2)
                if len(head) < 2:
                    return None
                size = head[1] & 127
                if size > 125:
                    width = 2 if size == 126 else 8
                    size = int.from_bytes(self._reader.read(width), "big")
                mask = self._reader.read(4)
                data = self._reader.read(size)
            except OSError:
                return None
            opcode = head[0] & 15
            if opcode == 8:
                return None
            if opcode == 9:
                self.send(_masked(data, mask), opcode=10)
            elif opcode in (1, 2):
                return _masked(data, mask)

    def close(self, code=1000, reason=""):
        """The close frame, and the answer to it."""
        self.send(struct.pack(">H", code) + reason.encode(), opcode=8)
        while self.recv() is not None:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _frame(opcode, payload):
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 128 | opcode, size)
    elif size < 65536:
        head = struct.pack(">BBH", 128 | opcode, 126, size)
    else:
        head = struct.pack(">BBQ", 128 | opcode, 127, size)
    return head + payload


def _masked(data, mask):
    key = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")


class Refusal(Exception):
    """Raised by a handler's ``admit`` to refuse the handshake."""

    def __init__(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, headers, body


class StreamServer:
    """Listens on 127.0.0.1 and gives each connection to the handler, in a thread of its own.

    Attributes:
        url: of it.
        dialled: how often it was connected to.
        errors: what handlers raised.
    """

    def __init__(self, handler, admit=None):
        self._handler = handler
        self._admit = admit
        self.dialled = 0
        self.errors = []
        self._socks = set()
        self._threads = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1000)
        self.url = "http://127.0.0.1:{}/api/v1/jobs/job-1".format(self._listener.getsockname()[1])
        self._start(self._accept)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.add(sock)
            self._start(self._serve, sock)

    def _serve(self, sock):
        reader = sock.makefile("rb")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = self._shake_hands(sock, reader)
            if peer is not None:
                self._handler(peer)
        except (ConnectionError, socket.timeout):
            pass  # the client has gone
        except OSError as error:
            if sock.fileno() >= 0:
                self.errors.append(error)
        except Exception as error:
            self.errors.append(error)
        finally:
            self._socks.discard(sock)
            reader.close()
            sock.close()

    def _shake_hands(self, sock, reader):
        request = reader.readline()
        if not request:
            return None  # the client has changed its mind
        target = request.split(b" ")[1].decode()
        headers = {}
        while True:
            line = reader.readline().strip()
            if not line:
                break
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        self.dialled += 1
        peer = Peer(sock, reader, target)
        peer.headers = headers
        try:
            if self._admit is not None:
                self._admit(peer, self.dialled)
        except Refusal as refusal:
            lines = ["HTTP/1.1 {} No".format(refusal.status), "Connection: close"]
            lines += ["Content-Length: {}".format(len(refusal.body)), *refusal.headers, "", ""]
            sock.sendall("\r\n".join(lines).encode() + refusal.body)
            return None
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _MAGIC).digest())
        answer = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket"]
        answer += [b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + accept]
        asked = headers.get(b"sec-websocket-protocol")
        if asked:
            answer.append(b"Sec-WebSocket-Protocol: " + asked.split(b",")[0])
        sock.sendall(b"\r\n".join(answer) + b"\r\n\r\n")
        return peer

    def close(self):
        # A listener that another thread waits for is not freed by close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._socks):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)


@contextmanager
def serve(handler, admit=None):
    server = StreamServer(handler, admit)
    try:
        yield server
    finally:
        server.close()
    assert not server.errors, server.errors
