"""Port forwarding: one websocket is one TCP connection to a port of the job."""

import asyncio
import socket

from aiohttp import WSMsgType, web

from .replies import refusal
from .streams import FrameSink, converse, open_websocket

__all__ = ["forward", "parse_port"]

_CHUNK = 512 * 1024  # the most that goes into one frame; the protocol allows for 4 MiB
_HOSTS = ("127.0.0.1", "::1")


def parse_port(text: str) -> int:
    """The port in the path.

    Raises:
        HTTPBadRequest: it is none.
    """
    try:
        port = int(text)
        if not 0 < port < 65536:
            raise ValueError(text)
    except ValueError:
        message = "Invalid port number {!r}".format(text)
        raise refusal(web.HTTPBadRequest, msg=message) from None
    return port


async def forward(request: web.Request, port: int) -> web.StreamResponse:
    """Connects to the port, then answers the handshake, then copies bytes both ways until either
    side ends."""
    sock = await _connect(port)
    with sock:
        try:
            ws = await open_websocket(request)
            sink = FrameSink(request, ws)
            await converse(ws, _download(sock, sink), _upload(ws, sock))
        finally:
            # Python 3.7 goes on watching what a cancelled call waited for, by a number that the
            # next socket gets.
            loop = asyncio.get_event_loop()
            loop.remove_reader(sock)
            loop.remove_writer(sock)
    return ws


async def _connect(port: int) -> socket.socket:
    """A connection to this machine's port; jobs have no addresses of their own here.

    Raises:
        HTTPBadRequest: nobody listens there.
    """
    first_error = None
    for host in _HOSTS:
        try:
            return await _connect_to(host, port)
        except OSError as error:
            first_error = first_error or error
    raise refusal(
        web.HTTPBadRequest,
        msg="Cannot connect to port {}".format(port),
        error=repr(first_error),
    )


async def _connect_to(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_event_loop().sock_connect(sock, (host, port))
        # The system may have chosen that port for our side, too: a connection to itself.
        if sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError(111, "Connect call failed {}".format((host, port)))
    except BaseException:
        sock.close()
        raise
    return sock


async def _download(sock: socket.socket, sink: FrameSink) -> None:
    loop = asyncio.get_event_loop()
    while True:
        data = await loop.sock_recv(sock, _CHUNK)
        if not data:
            return
        await sink.send([data])


async def _upload(ws: web.WebSocketResponse, sock: socket.socket) -> None:
    loop = asyncio.get_event_loop()
    async for message in ws:
        if message.type != WSMsgType.BINARY:
            return
        await loop.sock_sendall(sock, message.data)
