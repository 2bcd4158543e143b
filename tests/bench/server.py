"""A server that costs as little as possible: it answers with bytes that it made before.

What it measures is therefore the client. A job's id says what its streams do: ``job-FRAME-COUNT`` sends
COUNT frames of FRAME bytes.
"""

import argparse
import asyncio
import json
import ssl
import struct

from aiohttp import WSMsgType, web

_CREATED = "2026-09-14T08:00:00.104211+00:00"
_DOWN, _UP, _ECHO = 1001, 1002, 1003
_CHUNK = 256 * 1024
_STAMP = b"2026-09-14T08:11:15.%09dZ "


def job(id, number=0, status="succeeded"):
    """A job of about 2.5 KB, as a server of 2026 describes it."""
    transitions = [
        {"status": s, "transition_time": _CREATED, "reason": reason, "description": None}
        for s, reason in (
            ("pending", "Creating"),
            ("pending", "Pulling"),
            ("running", None),
            (status, None),
        )
    ]
    return {
        "id": id,
        "owner": "alice",
        "namespace": "platform--acme--vision--3f2a",
        "cluster_name": "default",
        "org_name": "acme",
        "project_name": "vision",
        "org_project_hash": "8c41d0a2be",
        "uri": "job://default/acme/vision/" + id,
        "name": "train-{}".format(number),
        "preset_name": "cpu-small",
        "description": "nightly run of the training with all of its data",
        "tags": ["nightly", "project:resnet"],
        "status": status,
        "statuses": transitions,
        "history": {
            "status": status,
            "reason": None,
            "description": None,
            "created_at": _CREATED,
            "started_at": _CREATED,
            "finished_at": _CREATED,
            "exit_code": 0,
            "run_time_seconds": 12.5,
            "restarts": 0,
        },
        "container": {
            "image": "registry.default.example/acme/vision/resnet:v3",
            "env": {"EPOCHS": "10", "EMPTY": "", "DATA": "/data"},
            "volumes": [
                {
                    "src_storage_uri": "storage://default/acme/vision/data",
                    "dst_path": "/data",
                    "read_only": True,
                }
            ],
            "command": "python train.py --epochs 10",
            "resources": {"cpu": 2.0, "memory": 4294967296, "memory_mb": 4096, "shm": False},
            "http": {"port": 8080, "health_check_path": "/", "requires_auth": True},
        },
        "http_url": "https://{}.jobs.default.example".format(id),
        "internal_hostname": id + ".platform--acme--vision--3f2a",
        "scheduler_enabled": False,
        "preemptible_node": False,
        "is_preemptible": False,
        "is_preemptible_node_required": False,
        "pass_config": False,
        "privileged": False,
        "restart_policy": "never",
        "priority": "normal",
        "materialized": True,
        "being_dropped": False,
        "logs_removed": False,
        "total_price_credits": "9.799305555555555555555555556",
        "price_credits_per_hour": "0.5",
        "max_run_time_minutes": 1440,
    }


def config(url):
    services = {
        "registry_url": "https://registry.default.example",
        "monitoring_url": url + "/api/v1/monitoring/jobs",
    }
    for name in ("storage", "users", "secrets", "disks", "buckets"):
        services[name + "_url"] = url + "/api/v1/" + name
    cluster = {
        "name": "default",
        "orgs": ["acme"],
        "resource_pool_types": [],
        "resource_presets": [
            {
                "name": "cpu-small",
                "credits_per_hour": "0.5",
                "cpu": 2.0,
                "memory": 4294967296,
                "memory_mb": 4096,
                "scheduler_enabled": False,
                "preemptible_node": False,
                "is_preemptible": False,
                "is_preemptible_node_required": False,
            }
        ],
    }
    cluster.update(services)
    answer = {
        "authorized": True,
        "orgs": [{"name": "acme", "role": "user"}],
        "clusters": [cluster],
        "projects": [
            {"name": "vision", "role": "writer", "cluster_name": "default", "org_name": "acme"}
        ],
        "admin_url": url + "/apis/admin/v1",
        "vcluster_url": url + "/apis/vcluster/v1",
        "client_id": "cli-client",
        "audience": url,
        "callback_urls": ["http://127.0.0.1:54540"],
    }
    for name in ("auth", "token", "logout", "headless_callback"):
        answer[name + "_url"] = url + "/" + name
    return answer


def frame(payload, opcode=2):
    """A WebSocket frame as servers send it: unmasked."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x80 | opcode, len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, len(payload))
    return head + payload


async def send_frames(request, make_frame, count):
    """Send many frames, several at a time, straight to the transport."""
    ws = web.WebSocketResponse(heartbeat=30)
    await ws.prepare(request)
    transport = request.transport
    transport.set_write_buffer_limits(high=_CHUNK)
    sent = 0
    size = len(make_frame(0))
    batch = max(1, min(count, _CHUNK // size))
    while sent < count and not transport.is_closing():
        batch = min(batch, count - sent)
        transport.write(b"".join([make_frame(sent + n) for n in range(batch)]))
        sent += batch
        await request.writer.drain()
    await ws.close()
    return ws


def spec(request):
    _, size, count = request.match_info["id"].split("-")[:3]
    return int(size), int(count)


async def log_ws(request):
    size, count = spec(request)
    line = b"x" * (size - 1) + b"\n"
    if request.query.get("timestamps", "").lower() not in ("1", "true"):
        whole = frame(line)
        return await send_frames(request, lambda n: whole, count)
    # One time stamp for each block of frames: making them must not be what is measured.
    frames = [frame(_STAMP % (n * 1000) + line) for n in range(1024 if size < 65536 else 16)]
    return await send_frames(request, lambda n: frames[n % len(frames)], count)


async def top(request):
    _, count = spec(request)
    sample = frame(
        json.dumps(
            {"cpu": 0.37, "memory": 512, "memory_bytes": 537001984, "timestamp": 1789372801.25}
        ).encode(),
        opcode=1,
    )
    return await send_frames(request, lambda n: sample, count)


async def exec_(request):
    """Sends back what comes on standard input; "exit" ends it."""
    ws = web.WebSocketResponse(heartbeat=30, max_msg_size=0)
    await ws.prepare(request)
    await ws.send_bytes(b"\x01")
    async for message in ws:
        if message.type is not WSMsgType.BINARY:
            break
        if message.data == b"\x00exit":
            await ws.send_bytes(b'\x03{"exit_code": 0}')
            break
        await ws.send_bytes(b"\x01" + message.data[1:])
    await ws.close()
    return ws


async def port_forward(request):
    port = int(request.match_info["port"])
    if port == _DOWN:
        size, count = spec(request)
        whole = frame(b"x" * size)
        return await send_frames(request, lambda n: whole, count)
    ws = web.WebSocketResponse(heartbeat=30, max_msg_size=0)
    await ws.prepare(request)
    size, count = spec(request)
    left = size * count
    async for message in ws:
        if message.type is not WSMsgType.BINARY:
            break
        if port == _ECHO:
            await ws.send_bytes(message.data)
            continue
        left -= len(message.data)
        if left <= 0:
            await ws.send_bytes(b"!")
            break
    await ws.close()
    return ws


class Calls:
    def __init__(self, url):
        self._config = json.dumps(config(url)).encode()
        self._job = json.dumps(job("job-256-1")).encode()
        lines = [json.dumps(job("job-{}".format(n), n)).encode() + b"\n" for n in range(100)]
        self._hundred = b"".join(lines)

    async def config(self, request):
        return web.Response(body=self._config, content_type="application/json")

    async def job(self, request):
        return web.Response(body=self._job, content_type="application/json")

    async def start(self, request):
        await request.read()
        return web.Response(body=self._job, content_type="application/json", status=202)

    async def kill(self, request):
        return web.Response(status=204)

    async def list(self, request):
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        for _ in range(int(request.query.get("limit", "100")) // 100):
            await response.write(self._hundred)
        await response.write_eof()
        return response


async def idle(request):
    """A stream on which nothing happens but pings."""
    ws = web.WebSocketResponse(heartbeat=30)
    await ws.prepare(request)
    async for _ in ws:
        pass
    return ws


async def log_or_idle(request):
    return await (idle if "-idle" in request.match_info["id"] else log_ws)(request)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)

    async def serve():
        app = web.Application()
        runner = web.AppRunner(app, access_log=None)
        scheme = "https" if context else "http"
        loop = asyncio.get_running_loop()
        sock = await loop.run_in_executor(None, _listen)
        url = "{}://127.0.0.1:{}".format(scheme, sock.getsockname()[1])
        calls = Calls(url)
        app.router.add_get("/api/v1/config", calls.config)
        app.router.add_get("/api/v1/jobs", calls.list)
        app.router.add_post("/api/v1/jobs", calls.start)
        app.router.add_get("/api/v1/jobs/{id}", calls.job)
        app.router.add_delete("/api/v1/jobs/{id}", calls.kill)
        monitoring = "/api/v1/monitoring/jobs/{id}"
        app.router.add_get(monitoring + "/log_ws", log_or_idle)
        app.router.add_get(monitoring + "/top", top)
        app.router.add_get(monitoring + "/exec", exec_)
        app.router.add_get(monitoring + "/port_forward/{port}", port_forward)
        await runner.setup()
        await web.SockSite(runner, sock, ssl_context=context).start()
        print(url, flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


def _listen():
    import socket

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(1024)
    return sock


if __name__ == "__main__":
    main()
