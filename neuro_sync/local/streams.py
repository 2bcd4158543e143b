"""Websockets as the monitoring endpoints use them: many frames in a write, and an orderly end."""

import asyncio
import logging
import struct
import weakref
from typing import Any, Coroutine, Dict, Optional, Sequence

from aiohttp import WSCloseCode, WSMsgType, web

from .keys import TURNS, WEBSOCKETS, fault_of
from .turns import Turns

__all__ = [
    "FrameSink",
    "converse",
    "ignore_incoming",
    "open_websocket",
    "setup_streams",
]

_log = logging.getLogger(__name__)

_BINARY = 0x82  # a whole message in one frame
_HEARTBEAT = 30.0


async def open_websocket(
    request: web.Request, *, protocols: Sequence[str] = (), heartbeat: bool = True
) -> web.WebSocketResponse:
    """Answers the handshake.

    Raises:
        ConnectionResetError: a fault was switched on that strikes at once.
    """
    ws = web.WebSocketResponse(
        protocols=protocols, heartbeat=_HEARTBEAT if heartbeat else None, compress=False
    )
    await ws.prepare(request)
    request.app[WEBSOCKETS].add(ws)
    fault = fault_of(request)
    if fault is not None:
        await fault.before_send(ws, 0)
    return ws


def setup_streams(app: web.Application) -> None:
    """Readies an application for streams; at its end all who are connected are told of it."""
    app[WEBSOCKETS] = weakref.WeakSet()
    app[TURNS] = Turns()
    app.on_shutdown.append(_close_websockets)


async def _close_websockets(app: web.Application) -> None:
    for ws in list(app[WEBSOCKETS]):
        await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the platform is stopping")


class _Headers(Dict[int, bytes]):
    """The header of an unmasked binary message for each length of payload."""

    def __missing__(self, length: int) -> bytes:
        if length < 126:
            header = struct.pack("!BB", _BINARY, length)
        elif length < 65536:
            header = struct.pack("!BBH", _BINARY, 126, length)
        else:
            header = struct.pack("!BBQ", _BINARY, 127, length)
        if length < 65536:  # so that the table stays small
            self[length] = header
        return header


_HEADERS = _Headers()


class FrameSink:
    """Sends binary messages; slows down with the peer.

    aiohttp's own ``send_bytes`` costs ten times what a short message is worth. Here all messages
    that there are go out in one write.
    """

    def __init__(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        self._request = request
        self._ws = ws
        self._fault = fault_of(request)

    async def send(self, payloads: Sequence[bytes]) -> None:
        """Sends a message for each payload.

        Raises:
            ConnectionResetError: the peer is gone.
        """
        if self._fault is None:
            await self._write(payloads)
            return
        for payload in payloads:
            await self._fault.before_send(self._ws, len(payload))
            await self._write([payload])

    async def _write(self, payloads: Sequence[bytes]) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._ws.closed:
            raise ConnectionResetError("the peer has closed the connection")
        headers = _HEADERS
        pieces = [piece for data in payloads for piece in (headers[len(data)], data)]
        transport.write(b"".join(pieces))
        await self._request.writer.drain()
        # A peer that is as fast as we are must not keep all others waiting.
        await self._request.app[TURNS].wait()


async def ignore_incoming(ws: web.WebSocketResponse) -> None:
    """Reads, and answers pings, until the peer closes; data that it sends is of no interest."""
    async for message in ws:
        _log.debug("ignored a %s message", WSMsgType(message.type).name)


async def converse(
    ws: web.WebSocketResponse,
    speak: Coroutine[Any, Any, None],
    listen: Optional[Coroutine[Any, Any, None]] = None,
    *,
    protocol_error: int = 1011,
) -> None:
    """Speaks and listens at once until one of them has ended, then closes the websocket.

    Args:
        speak: sends; its end is the orderly end of the conversation, its failure closes with 1011.
        listen: receives; ends when the peer has closed.
    """
    speaking = asyncio.ensure_future(speak)
    listening = asyncio.ensure_future(listen if listen is not None else ignore_incoming(ws))
    both = {speaking, listening}
    code, reason = 1000, b""
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)
    for task in (speaking, listening):
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, ConnectionError):
            continue
        _log.error("a stream has failed", exc_info=error)
        code, reason = protocol_error, str(error).encode()[:120]
    await ws.close(code=code, message=reason)
