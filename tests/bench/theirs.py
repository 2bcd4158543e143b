"""The async SDK's side of each scenario. Run by the interpreter of its environment."""

# ruff: noqa: E402 - the clock starts before what else is imported
import time

BEGAN = time.perf_counter()

import asyncio
import os
import socket
from pathlib import Path

from worker import API_URL, CONFIG, ID, MIB, TOKEN, answer, failed, orders, peak_memory, settled


def factory():
    if os.environ.get("BENCH_CA_BUNDLE"):
        import certifi

        # It asks nothing else for the certificates that it trusts.
        certifi.contents = Path(os.environ["BENCH_CA_BUNDLE"]).read_text
    import apolo_sdk

    return apolo_sdk.Factory(Path(CONFIG))


async def login():
    """Leave a login on disk, for both sides."""
    from yarl import URL

    await factory().login_with_token(TOKEN, url=URL(API_URL))
    return 0


async def first_call():
    async with await factory().get() as client:
        await client.jobs.status(ID)
        return time.perf_counter() - BEGAN


async def memory():
    await first_call()
    return peak_memory()


async def list_memory(count):
    async with await factory().get() as client:
        await list_jobs(client, count)
    return peak_memory()


async def open_client(rounds):
    began = time.perf_counter()
    for _ in range(rounds):
        async with await factory().get() as client:
            await client.jobs.status(ID)
    return (time.perf_counter() - began) / rounds * 1000


async def status(client, rounds):
    began = time.perf_counter()
    for _ in range(rounds):
        await client.jobs.status(ID)
    return rounds / (time.perf_counter() - began)


async def start_kill(client, rounds):
    image = client.parse.remote_image("ubuntu")
    began = time.perf_counter()
    for _ in range(rounds):
        job = await client.jobs.start(image=image, preset_name="cpu-small", command="true")
        await client.jobs.kill(job.id)
    return rounds / (time.perf_counter() - began)


async def list_jobs(client, count):
    began = time.perf_counter()
    seen = 0
    async with client.jobs.list(limit=count) as listing:
        async for _ in listing:
            seen += 1
    assert seen == count, seen
    return seen / (time.perf_counter() - began)


async def log(client, size, count):
    began = time.perf_counter()
    await follow(client, size, count)
    return size * count / MIB / (time.perf_counter() - began)


async def follow(client, size, count):
    received = 0
    async with client.jobs.monitor("job-{}-{}".format(size, count)) as chunks:
        async for chunk in chunks:
            received += len(chunk)
    assert received == size * count, received


async def many_logs(client, followers, size, count):
    began = time.perf_counter()
    await asyncio.gather(*(follow(client, size, count) for _ in range(followers)))
    return followers * size * count / MIB / (time.perf_counter() - began)


async def top(client, count):
    began = time.perf_counter()
    seen = 0
    async with client.jobs.top("job-1-{}".format(count)) as samples:
        async for _ in samples:
            seen += 1
    assert seen == count, seen
    return seen / (time.perf_counter() - began)


async def exec_echo(client, rounds):
    times = []
    async with client.jobs.exec(ID, "cat", stdin=True, stdout=True) as stream:
        await stream.read_out()  # the empty message that a server begins with
        for _ in range(rounds):
            began = time.perf_counter()
            await stream.write_in(b"x" * 64)
            await stream.read_out()
            times.append(time.perf_counter() - began)
    return settled(times) * 1000


async def exec_bulk(client, mib):
    chunk = b"x" * 65536

    async def write():
        for _ in range(mib * 16):
            await stream.write_in(chunk)

    left = mib * MIB
    async with client.jobs.exec(ID, "cat", stdin=True, stdout=True) as stream:
        began = time.perf_counter()
        writer = asyncio.ensure_future(write())
        while left > 0:
            left -= len((await stream.read_out()).data)
        took = time.perf_counter() - began
        await writer
    assert left == 0, left
    return mib / took


async def idle(client, streams, seconds):
    opened = [client.jobs.monitor("job-1-1-idle") for _ in range(streams)]
    waiting = []
    for stream in opened:
        chunks = await stream.__aenter__()
        waiting.append(asyncio.ensure_future(chunks.__anext__()))
    await asyncio.sleep(1)  # until they are connected: nothing tells
    before = time.process_time()
    await asyncio.sleep(seconds)
    used = time.process_time() - before
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in opened:
        await stream.__aexit__(None, None, None)
    return used * 1000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def main():
    loop = asyncio.get_running_loop()
    client = forward = None
    remaining = orders()
    while True:
        order = await loop.run_in_executor(None, next, remaining, None)
        if order is None:
            break
        kind, options = order["kind"], order["options"]
        try:
            if kind in ("login", "first_call", "memory", "list_memory", "open_client"):
                answer(await globals()[kind](**options))
                continue
            if client is None:
                client = await factory().get()
                await client.jobs.status(ID)
            if kind == "open_forward":
                port = free_port()
                forward = client.jobs.port_forward(options["id"], port, options["port"])
                await forward.__aenter__()
                answer(port)
            elif kind == "close_forward":
                await forward.__aexit__(None, None, None)
                answer(0)
            else:
                answer(await globals()[kind](client, **options))
        except Exception:
            failed()
    if client is not None:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
