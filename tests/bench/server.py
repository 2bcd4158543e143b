"""A server that costs as little as possible: it answers with bytes that it made before.

What it measures is therefore the client. A job's id says what its streams do: ``job-FRAME-COUNT`` sends
COUNT frames of FRAME bytes; one that ends in ``-running`` has not ended.
"""

import argparse
import asyncio
import itertools
import json
import socket
import ssl
import struct
from datetime import datetime, timedelta, timezone

from aiohttp import WSMsgType, web

from .payloads import config_payload, job_payload

__all__ = ["DOWN", "ECHO", "UP"]

# What the ports of each job do.
DOWN, UP, ECHO = 1001, 1002, 1003
_BLOCK = 256 * 1024
_LISTEN = 2048
_JOBS = 10000
_TEXT = b"INFO epoch 17/90 step 4211: loss=0.482193 accuracy=0.8617 lr=3.2e-05 (1.84 s, 41 GiB); "


def frame(payload, opcode=2):
    """A WebSocket frame as servers send it: unmasked."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x80 | opcode, len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, len(payload))
    return head + payload


class Log:
    """A log in blocks of about 256 KiB; with time stamps the lines of each block share a second of its own."""

    began = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def __init__(self, size, count):
        self._count = count
        # Text as it is in logs: a search is not to meet one and the same byte all the time.
        self._line = (_TEXT * (size // len(_TEXT) + 1))[: size - 1] + b"\n"
        self._batch = max(1, min(1000, _BLOCK // size))

    def plain(self):
        return repeated(frame(self._line), self._count)

    def stamped(self, since):
        """From the second of that time on, as servers have it."""
        away = (
            0.0 if since is None else (datetime.fromisoformat(since) - self.began).total_seconds()
        )
        whole = self._without_seconds(self._batch)
        for number in range(max(0, int(away)), -(-self._count // self._batch)):
            second = (self.began + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S")
            left = self._count - number * self._batch
            parts = whole if left >= self._batch else self._without_seconds(left)
            yield second.encode().join(parts)

    def _without_seconds(self, count):
        """What is between the seconds in a block of so many frames."""
        hole = b"YYYY-mm-ddTHH:MM:SS"
        step = 10**9 // self._batch
        frames = [frame(hole + b".%09dZ " % (n * step) + self._line) for n in range(count)]
        return b"".join(frames).split(hole)


async def send_blocks(request, blocks):
    """Send frames, many at a time, straight to the transport, and close the WebSocket."""
    ws = web.WebSocketResponse(heartbeat=30)
    await ws.prepare(request)
    transport = request.transport
    transport.set_write_buffer_limits(high=_BLOCK)
    for block in blocks:
        if transport.is_closing():
            break
        transport.write(block)
        await request.writer.drain()
    await ws.close()
    return ws


def spec(request):
    size, count = request.match_info["id"].split("-")[1:3]
    return int(size), int(count)


async def log_ws(request):
    if "-idle" in request.match_info["id"]:
        return await idle(request)
    log = Log(*spec(request))
    stamped = request.query.get("timestamps", "").lower() in ("1", "true")
    blocks = log.stamped(request.query.get("since")) if stamped else log.plain()
    return await send_blocks(request, blocks)


async def idle(request):
    """A stream on which nothing happens but pings."""
    ws = web.WebSocketResponse(heartbeat=30)
    await ws.prepare(request)
    async for _ in ws:
        pass
    return ws


def repeated(whole, count):
    batch = max(1, min(count, _BLOCK // len(whole)))
    block = whole * batch
    for _ in range(count // batch):
        yield block
    if count % batch:
        yield whole * (count % batch)


async def top(request):
    _, count = spec(request)
    sample = {"cpu": 0.37, "memory": 512, "memory_bytes": 537001984, "timestamp": 1789372801.25}
    return await send_blocks(request, repeated(frame(json.dumps(sample).encode(), opcode=1), count))


async def exec_(request):
    """Sends back what comes on standard input."""
    ws = web.WebSocketResponse(heartbeat=30, max_msg_size=0)
    await ws.prepare(request)
    await ws.send_bytes(b"\x01")
    async for message in ws:
        if message.type is not WSMsgType.BINARY:
            break
        await ws.send_bytes(b"\x01" + message.data[1:])
    await ws.close()
    return ws


async def port_forward(request):
    port = int(request.match_info["port"])
    size, count = spec(request)
    if port == DOWN:
        return await send_blocks(request, repeated(frame(b"x" * size), count))
    ws = web.WebSocketResponse(heartbeat=30, max_msg_size=0)
    await ws.prepare(request)
    try:
        await (echo(ws) if port == ECHO else swallow(ws, size * count))
    except ConnectionResetError:
        pass  # the client has gone: one that serves 100 of 500 leaves 400 requests behind
    await ws.close()
    return ws


async def echo(ws):
    async for message in ws:
        if message.type is not WSMsgType.BINARY:
            break
        await ws.send_bytes(message.data)


async def swallow(ws, size):
    """Take so many bytes and say that they have come."""
    async for message in ws:
        if message.type is not WSMsgType.BINARY:
            break
        size -= len(message.data)
        if size <= 0:
            await ws.send_bytes(b"!")
            break


class Calls:
    def __init__(self, url):
        self._config = json.dumps(config_payload(url)).encode()
        self._job = json.dumps(job_payload("job-256-1")).encode()
        self._running = json.dumps(job_payload("job-1-1-running", status="running")).encode()
        # All different, as jobs are: a client may remember what it has seen before.
        lines = [json.dumps(job_payload("job-{}".format(n), n)).encode() for n in range(_JOBS)]
        self._hundreds = [
            b"".join(line + b"\n" for line in lines[n : n + 100]) for n in range(0, _JOBS, 100)
        ]

    async def config(self, request):
        return web.Response(body=self._config, content_type="application/json")

    async def job(self, request):
        id = request.match_info["id"].encode()
        if id.endswith(b"-running"):
            body = self._running.replace(b"job-1-1-running", id)
        else:
            body = self._job.replace(b"job-256-1", id)
        return web.Response(body=body, content_type="application/json")

    async def start(self, request):
        await request.read()
        return web.Response(body=self._job, content_type="application/json", status=202)

    async def kill(self, request):
        return web.Response(status=204)

    async def list(self, request):
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        hundreds = itertools.cycle(self._hundreds)
        for _ in range(int(request.query.get("limit", "100")) // 100):
            await response.write(next(hundreds))
        await response.write_eof()
        return response


def application(url):
    calls = Calls(url)
    monitoring = "/api/v1/monitoring/jobs/{id}"
    app = web.Application()
    app.add_routes(
        [
            web.get("/api/v1/config", calls.config),
            web.get("/api/v1/jobs", calls.list),
            web.post("/api/v1/jobs", calls.start),
            web.get("/api/v1/jobs/{id}", calls.job),
            web.delete("/api/v1/jobs/{id}", calls.kill),
            web.get(monitoring + "/log_ws", log_ws),
            web.get(monitoring + "/top", top),
            web.get(monitoring + "/exec", exec_),
            web.get(monitoring + "/port_forward/{port}", port_forward),
        ]
    )
    return app


async def serve(listener, context):
    scheme = "http" if context is None else "https"
    url = "{}://127.0.0.1:{}".format(scheme, listener.getsockname()[1])
    runner = web.AppRunner(application(url), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=context).start()
    print(url + "/api/v1", flush=True)
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", help="file with key and certificate, for TLS")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_LISTEN)
        asyncio.run(serve(listener, context))


if __name__ == "__main__":
    main()
