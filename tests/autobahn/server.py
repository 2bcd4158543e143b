"""The local platform's websockets before the suite's client: an endpoint that echoes."""

import asyncio
import threading

from aiohttp import WSMsgType, web

from neuro_sync.local.streams import FrameSink, converse, open_websocket, setup_streams

from .wstest import wstest

__all__ = ["judge_server"]

_PATIENCE = 300.0


async def _echo(request):
    ws = await open_websocket(request)
    sink = FrameSink(request, ws)

    async def listen():
        async for message in ws:
            if message.type == WSMsgType.BINARY:
                await sink.send([message.data])
            elif message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                return  # the peer broke the rules: the connection is closed with the reason

    # Nothing to say by itself: the conversation ends when the peer does.
    await converse(ws, asyncio.sleep(_PATIENCE), listen())
    return ws


class _Server(threading.Thread):
    """Listens on 127.0.0.1, in a thread and a loop of its own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()

    def run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._ended = asyncio.Event()
        app = web.Application()
        setup_streams(app)
        app.router.add_get("/", _echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    def __enter__(self):
        self.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc_info):
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join()


def judge_server(python, suite, cases, work):
    with _Server() as server:
        url = "ws://127.0.0.1:{}/".format(server.port)
        servers = [{"agent": "local platform", "url": url, "options": {"version": 18}}]
        spec = {"servers": servers, "cases": cases, "exclude-cases": []}
        spec["exclude-agent-cases"] = {}
        with wstest(python, suite, "fuzzingclient", spec, work) as process:
            process.wait(_PATIENCE)
