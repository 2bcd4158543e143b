"""The fault switch: how requests go wrong, so that those who make them can be tested."""

import asyncio
import json
import math
import socket
import struct
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional

from aiohttp import web

from .auth import Tokens, authorize
from .keys import FAULT
from .replies import refusal

__all__ = ["ENDPOINTS", "FaultSwitch", "setup_faults"]

ENDPOINTS = (
    "attach",
    "capacity",
    "config",
    "exec",
    "kill",
    "list",
    "log",
    "log_ws",
    "max_run_time",
    "port_forward",
    "run",
    "save",
    "signal",
    "start",
    "status",
    "token",
    "top",
)
_KINDS = ("answer", "reset_after", "lose_answer", "stall", "close")
_PATH = "/api/v1/_local/faults"
_STALL_LOOK = 0.1
# 1006 stands for an end without a close frame.
_CLOSE_CODES = (1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
_TYPES: Dict[str, Any] = {
    "times": (int, type(None)),
    "after": int,
    "status": int,
    "code": int,
    "retry_after": (int, float, type(None)),
    "body": (str, type(None)),
}
_LAST_PARTS = {"kill": "signal", "available": "capacity"}


class Fault:
    """One fault of one kind, which strikes a number of times.

    Attributes:
        endpoint: which requests it strikes; ``*``: all.
        times: how many more; None: any number.
        after: bytes of a stream that still arrive.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.kind: str = body["kind"]
        self.endpoint: str = body.get("endpoint", "*")
        self.times: Optional[int] = body.get("times", 1)
        self.after: int = body.get("after", 0)
        self.status: int = body.get("status", 503)
        self.code: int = body.get("code", 1011)
        self.retry_after: Optional[float] = body.get("retry_after")
        self.body: Optional[str] = body.get("body")
        for name, types in _TYPES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, types):
                raise ValueError("{} of a fault can't be {!r}".format(name, value))
        if self.kind not in _KINDS:
            raise ValueError("unknown kind of fault: {!r}".format(self.kind))
        if self.endpoint != "*" and self.endpoint not in ENDPOINTS:
            raise ValueError("unknown endpoint: {!r}".format(self.endpoint))
        if self.times is not None and self.times < 1:
            raise ValueError("a fault strikes at least once, not {} times".format(self.times))
        if self.retry_after is not None and not 0 <= self.retry_after < math.inf:
            raise ValueError("nobody can wait for {} s".format(self.retry_after))
        if self.after < 0:
            raise ValueError("a fault strikes after 0 bytes or more, not {}".format(self.after))
        if not 200 <= self.status <= 599:
            raise ValueError("not the status of an answer: {}".format(self.status))
        if not (self.code in _CLOSE_CODES or 3000 <= self.code <= 4999):
            raise ValueError("not a code that a stream is closed with: {}".format(self.code))

    def response(self) -> web.Response:
        """The answer of a fault that answers."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        text = self.body
        if text is None:
            text = json.dumps({"error": "a fault that was switched on"})
        return web.Response(
            status=self.status, text=text, headers=headers, content_type="application/json"
        )


class StreamFault:
    """A fault that strikes in the middle of a stream."""

    def __init__(self, fault: Fault, request: web.Request, switch: "FaultSwitch") -> None:
        self._fault = fault
        self._request = request
        self._switch = switch
        self._sent = 0

    async def before_send(self, response: web.StreamResponse, size: int) -> None:
        """Called before each message, and with no size when a websocket has been opened; raises, or
        does not return, where the fault strikes.

        Raises:
            ConnectionResetError: the stream has ended here.
        """
        self._sent += size
        # After no bytes at all is at once: the job may never print anything.
        if self._fault.after and self._sent <= self._fault.after:
            return
        if self._fault.kind == "stall":
            await self._switch.stall(self._request)
        elif self._fault.kind == "close" and self._fault.code == 1006:
            if self._request.transport is not None:
                self._request.transport.close()
        elif self._fault.kind == "close" and isinstance(response, web.WebSocketResponse):
            await response.close(code=self._fault.code, message=b"a fault that was switched on")
        else:
            reset(self._request)
        raise ConnectionResetError("a fault that was switched on")


class FaultSwitch:
    """All faults that are on, and a count of all requests."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._faults: List[Fault] = []
        self.seen: "Counter[str]" = Counter()

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()
        self._tokens.rotates = False
        self.seen.clear()

    def expire_token(self) -> None:
        self._tokens.expire_all()

    def rotate_refresh_tokens(self) -> None:
        self._tokens.rotates = True

    def take(self, endpoint: str) -> Optional[Fault]:
        """The fault that strikes a request now."""
        for fault in self._faults:
            if fault.endpoint in ("*", endpoint):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    async def stall(self, request: web.Request) -> None:
        """Go silent: neither read nor write, until the peer has given up."""
        transport = request.transport
        if transport is None:
            return
        try:
            transport.pause_reading()
        except RuntimeError:
            pass  # it is paused already
        connection = transport.get_extra_info("socket")
        while not transport.is_closing() and not _hung_up(connection):
            await asyncio.sleep(_STALL_LOOK)
        transport.abort()


def setup_faults(app: web.Application, switch: FaultSwitch) -> None:
    """Add the endpoint that turns faults on and off."""

    async def add(request: web.Request) -> web.StreamResponse:
        await authorize(request)
        body: Dict[str, Any] = await request.json()
        if body.get("kind") == "expire_token":
            switch.expire_token()
        elif body.get("kind") == "rotate_refresh_tokens":
            switch.rotate_refresh_tokens()
        else:
            try:
                switch.add(Fault(body))
            except (KeyError, ValueError) as error:
                raise refusal(web.HTTPBadRequest, error=str(error)) from None
        return web.json_response({})

    async def show(request: web.Request) -> web.StreamResponse:
        await authorize(request)
        return web.json_response({"seen": dict(switch.seen)})

    async def clear(request: web.Request) -> web.StreamResponse:
        await authorize(request)
        switch.clear()
        return web.json_response({})

    app.router.add_post(_PATH, add)
    app.router.add_get(_PATH, show)
    app.router.add_delete(_PATH, clear)
    app.middlewares.append(_middleware(switch))


def _middleware(switch: FaultSwitch) -> Any:
    @web.middleware
    async def strike(request: web.Request, handler: Any) -> web.StreamResponse:
        endpoint = _endpoint(request)
        if endpoint is None:
            return await handler(request)  # type: ignore[no-any-return]
        switch.seen[endpoint] += 1
        fault = switch.take(endpoint)
        if fault is None:
            return await handler(request)  # type: ignore[no-any-return]
        if fault.kind == "answer":
            return fault.response()
        if fault.kind == "lose_answer":
            await handler(request)
            reset(request)
            raise ConnectionResetError("a fault that was switched on")
        stream = StreamFault(fault, request, switch)
        request[FAULT] = stream
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            # It is no stream: all of the answer counts as one message.
            size = len(response.body or b"") if isinstance(response, web.Response) else 0  # type: ignore[arg-type]
            await stream.before_send(response, max(1, size))
        return response

    return strike


def _endpoint(request: web.Request) -> Optional[str]:
    """The name of an endpoint, as users of the switch know it."""
    path = request.path
    if path == "/oauth/token":
        return "token"
    if not path.startswith("/api/v1/") or path == _PATH:
        return None
    if path.startswith("/api/v1/monitoring/jobs/"):
        parts = path[len("/api/v1/monitoring/jobs/") :].split("/")
        name = parts[1] if len(parts) > 1 else parts[0]
        return _LAST_PARTS.get(name, name)
    name = getattr(request.match_info.route, "name", None) or ""
    if name == "start" and "from_preset" not in request.query:
        return "run"
    return name if name in ENDPOINTS else None


def reset(request: web.Request) -> None:
    """End the connection at once, with a reset."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _hung_up(connection: Any) -> bool:
    """Whether the peer has ended the connection, found out without reading from it."""
    if connection is None:
        return False
    try:
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except (OSError, AttributeError):
        return False
    return state[:1] not in (b"\x01",)  # TCP_ESTABLISHED
