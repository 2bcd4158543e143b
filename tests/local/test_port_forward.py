"""Port forwarding: one websocket, one connection."""

import asyncio
import contextlib
import hashlib
import json
import pathlib
from typing import Any, AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from .execution import Platform, platform, run

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def service(handler: Handler) -> AsyncIterator[int]:
    """A service on this machine, as a job would open it; its port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=1 << 20)
    assert server.sockets is not None
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def site_with_job(path: pathlib.Path) -> AsyncIterator[Platform]:
    async with platform(path) as site:
        await site.jobs.start("cat")
        yield site


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        data = await reader.read(1 << 16)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()


def test_bytes_go_both_ways(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with site_with_job(tmp_path) as site, service(echo) as port:
            async with site.connect("/job-1/port_forward/{}".format(port)) as ws:
                await ws.send_bytes(b"hello")
                assert await ws.receive_bytes() == b"hello"
                await ws.send_bytes(b"")
                await ws.send_bytes(b"again")
                assert await ws.receive_bytes() == b"again"

    run(scenario())


def test_a_real_job_is_reached(tmp_path: pathlib.Path) -> None:
    script = (
        'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(5);'
        ' print(s.getsockname()[1], flush=True); c, _ = s.accept(); c.sendall(b"from the job")'
    )

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("python -c '{}'".format(script))
            async with site.connect("/job-1/log_ws") as log:
                port = int(await log.receive_bytes())
                frames = await site.messages("/job-1/port_forward/{}".format(port))
                assert b"".join(frames) == b"from the job"

    run(scenario())


def test_the_end_of_the_service_ends_the_tunnel_after_all_of_its_bytes(
    tmp_path: pathlib.Path,
) -> None:
    whole = bytes(range(256)) * 65536  # 16 MiB

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with site_with_job(tmp_path) as site, service(send) as port:
            frames = await site.messages("/job-1/port_forward/{}".format(port))
            assert b"".join(frames) == whole
            assert max(len(frame) for frame in frames) <= 4 << 20

    run(scenario())


@pytest.mark.parametrize("how", ["close", "text"])
def test_the_end_of_the_client_ends_the_connection(tmp_path: pathlib.Path, how: str) -> None:
    async def scenario() -> None:
        ended: "asyncio.Future[bytes]" = asyncio.get_event_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ended.set_result(await reader.read())
            writer.close()

        async with site_with_job(tmp_path) as site, service(listen) as port:
            async with site.connect("/job-1/port_forward/{}".format(port)) as ws:
                await ws.send_bytes(b"some")
                if how == "text":
                    await ws.send_str("text is not spoken here")
                    await site.drain(ws)
            assert await ended == b"some"

    run(scenario())


def test_much_goes_through_unharmed(tmp_path: pathlib.Path) -> None:
    total, block = 64 << 20, bytes(range(256)) * 1024

    async def scenario() -> None:
        async with site_with_job(tmp_path) as site, service(echo) as port:
            async with site.connect("/job-1/port_forward/{}".format(port)) as ws:
                sent, received = hashlib.sha256(), hashlib.sha256()

                async def send() -> None:
                    for number in range(total // len(block)):
                        data = bytes([number % 256]) + block[1:]
                        sent.update(data)
                        await ws.send_bytes(data)

                sending = asyncio.ensure_future(send())
                count = 0
                while count < total:
                    data = await ws.receive_bytes()
                    received.update(data)
                    count += len(data)
                await sending
                assert received.digest() == sent.digest()

    run(scenario())


def test_nobody_listens(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with site_with_job(tmp_path) as site:
            async with service(echo) as port:
                pass
            path = "/job-1/port_forward/{}".format(port)
            status, body = await site.refusal(path)
            assert status == 400
            assert body["msg"] == "Cannot connect to port {}".format(port)
            assert body["error"].startswith("ConnectionRefusedError(111, ")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await site.connect(path)
            assert refused.value.status == 400

    run(scenario())


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "1.5"])
def test_what_is_no_port(tmp_path: pathlib.Path, port: str) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            answer = await site.refusal("/no-such-job/port_forward/" + port)
            assert answer == (400, {"msg": "Invalid port number '{}'".format(port)})

    run(scenario())


class Cut:
    """A fault: the connection is reset before the second message."""

    def __init__(self) -> None:
        self.sizes: "list[int]" = []

    async def before_send(self, target: Any, size: int) -> None:
        self.sizes.append(size)
        if len(self.sizes) == 3:
            raise ConnectionResetError("cut by the test")


def test_faults_are_asked_at_the_start_and_before_each_message(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("printf '1\\n22\\n333\\n'")
            site.fault = Cut()
            async with site.connect("/job-1/log_ws") as ws:
                received = [message.data async for message in ws]
            assert received == [b"1\n"]
            assert site.fault.sizes == [0, 2, 3]

    run(scenario())


def test_capacity(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            for method, path in (("GET", "/capacity"), ("POST", "/available")):
                async with site.session.request(method, site.url + path) as response:
                    assert response.status == 200
                    assert json.loads(await response.text()) == {"cpu-small": 3}

    run(scenario())
