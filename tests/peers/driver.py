"""Runs in the environment of a peer: does with the SDK what it reads on standard input, prints what came of it.

Each line is a JSON object; so is each answer, after a first line that says that it has logged in.
"""

import asyncio
import json
import os
import pathlib
import socket
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import aiohttp
from values import build, describe, error
from yarl import URL

try:
    import apolo_sdk as sdk
except ImportError:
    import neuro_sdk as sdk

CALL_TIMEOUT = 20.0


async def use(result, limit):
    """Await, enter or iterate what a method returned."""
    if asyncio.iscoroutine(result):
        return await result
    async with result as entered:
        if not hasattr(entered, "__aiter__"):
            return None
        items = []
        async for item in entered:
            items.append(item)
            if len(items) == limit:
                break
        return items


async def talk(stream):
    """Read the output of a command to its end."""
    messages = []
    async with stream as entered:
        while True:
            try:
                message = await entered.read_out()
            except sdk.StdStreamError as error:
                return {"messages": messages, "exit_code": error.exit_code}
            if message is None:
                return {"messages": messages, "exit_code": None}
            messages.append([message.fileno, message.data])


async def forward(client, arguments):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with client.jobs.port_forward(local_port=port, **arguments):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        received = await reader.read()
        writer.close()
        return received


async def call(client, order):
    arguments = build(order.get("arguments", {}), sdk, client.parse)
    method = order["method"]
    if method == "port_forward":
        return await forward(client, arguments)
    target = client.parse if order.get("on") == "parse" else client.jobs
    result = getattr(target, method)(**arguments)
    if order.get("on") == "parse":
        return result
    if order.get("talk"):
        return await talk(result)
    return await use(result, order.get("limit"))


async def browse(page):
    """What a browser does with the page of a platform that lets everybody in."""
    async with aiohttp.ClientSession() as session, session.get(page) as response:
        response.raise_for_status()


async def look(client):
    """What is current, and whether the platform accepts the token."""
    config = client.config
    names = ("username", "cluster_name", "org_name", "project_name")
    seen = {name: getattr(config, name) for name in names if hasattr(config, name)}
    async with client.jobs.list(limit=1) as listing:
        async for _ in listing:
            pass
    return dict(seen, token=await config.token(), clusters=sorted(config.clusters))


async def log_in(order):
    """Use the login of a directory: ``do`` says how."""
    os.chdir(order.get("cwd", "/"))
    factory = sdk.Factory(pathlib.Path(order["path"]))
    do, url = order["do"], URL(order.get("url", ""))
    if do == "login":
        await factory.login(browse, url=url)
    elif do == "login_with_token":
        await factory.login_with_token(order["token"], url=url)
    elif do == "login_with_passed_config":
        await factory.login_with_passed_config(order["passed"])
    elif do == "logout":
        await factory.logout()
    else:
        async with await factory.get() as client:
            if do == "config":
                return {name: getattr(client.config, name) for name in order["names"]}
            if do == "start":
                arguments = build(order["arguments"], sdk, client.parse)
                return (await client.jobs.start(**arguments)).id
            if do != "look":
                await getattr(client.config, do)(*order.get("names", ()))
            return await look(client)
    return factory.is_config_present


async def answer(client, order):
    called = log_in(order) if order["method"] == "factory" else call(client, order)
    try:
        result = await asyncio.wait_for(called, CALL_TIMEOUT)
    except Exception as exception:
        return error(exception)
    return {"result": describe(result, order.get("fields", {}))}


async def main(url, token, directory):
    factory = sdk.Factory(pathlib.Path(directory))
    await factory.login_with_token(token, url=URL(url))
    async with await factory.get() as client:
        loop = asyncio.get_event_loop()
        print("ready", flush=True)
        while True:
            line = await loop.run_in_executor(None, sys.stdin.readline)
            if not line:
                return
            order = json.loads(line)
            reply = await answer(client, order)
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(main(*sys.argv[1:]))
