"""A websocket server of a few lines whose handlers say which messages go over the wire."""

import socket
import struct
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.ws import WsTransport

from .raw_server import RawServer, frame


def dial(url, **options):
    """A connection of ours."""
    return WsTransport(StaticToken("secret")).dial(url, **options)


class Peer:
    """The server's end of one connection.

    Attributes:
        query, headers: of the handshake.
    """

    def __init__(self, raw, request):
        self._raw = raw
        self.sock = raw.sock
        self.headers = request.headers
        query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        self.query = {key: values[0] for key, values in query.items()}

    def send(self, *payloads, opcode=2):
        """Binary messages, all in one piece of TCP where they fit."""
        self._raw.send(b"".join(frame(opcode, payload) for payload in payloads))

    def text(self, *texts):
        self.send(*(text.encode() for text in texts), opcode=1)

    def recv(self):
        """The next data message, None at the end of the connection."""
        while True:
            found = self._raw.frame()
            if found is None or found[0] == 8:
                return None
            opcode, payload = found
            if opcode == 9:
                self.send(payload, opcode=10)
            elif opcode in (1, 2):
                return payload

    def close(self, code=1000, reason=""):
        """The close frame, and the answer to it."""
        self.send(struct.pack(">H", code) + reason.encode(), opcode=8)
        while self.recv() is not None:
            pass

    def reset(self):
        self._raw.reset()


class Refusal(Exception):
    """Raised by a handler's ``admit`` to refuse the handshake."""

    def __init__(self, status, headers=(), body=b""):
        self.status, self.headers, self.body = status, headers, body


class StreamServer(RawServer):
    """Gives each connection to the handler after its handshake.

    Attributes:
        url: of it.
        dialled: how often a handshake was begun.
    """

    def __init__(self, handler, admit=None):
        self._handler = handler
        self._admit = admit
        self.dialled = 0
        super().__init__([self._stream])
        self.url += "/api/v1/jobs/job-1"

    def _stream(self, raw):
        try:
            peer = self._shake_hands(raw)
            if peer is not None:
                self._handler(peer)
        except (ConnectionError, socket.timeout):
            pass  # the client has gone
        except OSError as error:
            if raw.sock.fileno() >= 0:
                self.errors.append(error)

    def _shake_hands(self, raw):
        request = raw.request()
        if request is None:
            return None  # the client has changed its mind
        self.dialled += 1
        peer = Peer(raw, request)
        try:
            if self._admit is not None:
                self._admit(peer, self.dialled)
        except Refusal as refusal:
            raw.answer(refusal.status, refusal.body, ["Connection: close", *refusal.headers])
            return None
        asked = request.headers.get("sec-websocket-protocol")
        chosen = ["Sec-WebSocket-Protocol: " + asked.split(",")[0]] if asked else []
        raw.upgrade(request, chosen)
        return peer


@contextmanager
def serve(handler, admit=None):
    server = StreamServer(handler, admit)
    try:
        yield server
    finally:
        server.close()
    assert not server.errors, server.errors
