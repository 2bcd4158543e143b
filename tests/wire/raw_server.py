"""A TCP server whose handlers say byte by byte what goes over the wire, HTTP as well as WebSockets."""

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from typing import Dict, NamedTuple

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b""):
    """A whole message of a server."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


def _masked(data, mask):
    key = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")


class Request(NamedTuple):
    """What arrived; names of headers are in lower case."""

    method: str
    target: str
    headers: Dict[str, str]
    body: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock, server):
        self.sock = sock
        self._server = server
        self.reader = sock.makefile("rb")

    def request(self):
        """The next request, None at the end of the connection."""
        line = self.reader.readline()
        if not line:
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while True:
            line = self.reader.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self.reader.read(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body)
        self._server.requests.append(request)
        return request

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status=200, body=b"", headers=(), length=None):
        lines = ["HTTP/1.1 {} Whatever".format(status), *headers]
        lines.append("Content-Length: {}".format(len(body) if length is None else length))
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def upgrade(self, request, headers=(), tail=b""):
        """Accept a WebSocket; ``tail`` goes out with the handshake."""
        key = request.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Accept: " + accept, *headers, "", ""]
        self.send("\r\n".join(lines).encode() + tail)

    def frame(self):
        """The next frame of a client, unmasked: opcode and payload; None at the end of the connection."""
        try:
            head = self.reader.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self.reader.read(2 if size == 126 else 8), "big")
            mask = self.reader.read(4)
            payload = self.reader.read(size)
        except OSError:
            return None
        assert head[1] & 128, "a frame of a client has to be masked"
        return head[0] & 15, _masked(payload, mask)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class RawServer:
    """Listens on 127.0.0.1; the handlers take the connections in turn, the last all that are left.

    Attributes:
        url, port: of it.
        requests: all that arrived, in order.
        connections: how many there were.
        errors: what handlers raised.
    """

    def __init__(self, handlers, tls=None):
        self._handlers = list(handlers)
        self._tls = tls
        self.requests = []
        self.connections = 0
        self.errors = []
        self._socks = set()
        self._threads = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1000)
        self.port = self._listener.getsockname()[1]
        self.url = "{}://127.0.0.1:{}".format("https" if tls else "http", self.port)
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
            self.connections += 1
            handler = self._handlers.pop(0) if len(self._handlers) > 1 else self._handlers[0]
            self._socks.add(sock)
            self._start(self._serve, sock, handler)

    def _serve(self, sock, handler):
        plain = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.add(sock)
            peer = Peer(sock, self)
            with contextlib.closing(peer.reader):
                handler(peer)
        except OSError:
            pass  # the client has gone, or does not trust the certificate
        except Exception as error:
            self.errors.append(error)
        finally:
            self._socks -= {sock, plain}
            sock.close()

    def close(self):
        # A listener that another thread waits for is not freed by close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._socks):
            with contextlib.suppress(OSError):
                # The method of a TLS socket would make its reader go on without TLS.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


@contextlib.contextmanager
def serve(*handlers, tls=None):
    server = RawServer(handlers, tls)
    try:
        yield server
    finally:
        server.close()
    assert not server.errors, server.errors


def answering(status=200, body=b"{}", headers=()):
    """A handler that answers each request of a connection in the same way."""

    def handler(peer):
        while peer.request() is not None:
            peer.answer(status, body, headers)

    return handler


def closed_port():
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
