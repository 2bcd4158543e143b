"""The platform's server: the pieces put together, and errors as the platform answers them."""

import asyncio
import contextlib
import json
import logging
import os
import pathlib
from typing import Any, Optional

from aiohttp import web

from .._version import __version__
from .admin import setup_admin
from .admission import Admission
from .api import setup_api
from .auth import Tokens
from .configuration import REGISTRY
from .faults import FaultSwitch, setup_faults
from .jobs import JobsService
from .keys import TOKENS
from .lock import DirectoryLock
from .monitoring import setup_monitoring
from .oauth import setup_oauth
from .replies import Refusal
from .runner import Runner
from .sandbox import missing_reason
from .scheduler import Room, Scheduler
from .settings import Settings, machine_cpu, machine_memory, machine_presets
from .store import Store
from .validation import InvalidRequest

__all__ = ["Server"]

_log = logging.getLogger(__name__)
_TOKEN_LIFETIME = 3600.0
_LARGEST_BODY = 16 * 2**20
_MONITORING = "/api/v1/monitoring/"
_BACKLOG = 1024
_CLOSING = 5.0  # seconds that clients get to take their last bytes


class Server:
    """The platform in this process: ``await start()``, and ``await stop()`` at its end.

    Args:
        data_dir: where all of it is kept.
        port: TCP port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, data_dir: str, port: int = 0, settings: Optional[Settings] = None) -> None:
        self._data_dir = os.path.abspath(data_dir)
        self._port = port
        self._settings = settings or Settings()

    @property
    def base_url(self) -> str:
        return "http://127.0.0.1:{}".format(self._port)

    @property
    def api_url(self) -> str:
        return self.base_url + "/api/v1"

    @property
    def token_file(self) -> str:
        return self._tokens.token_file

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the directory cannot be used.
        """
        os.makedirs(self._data_dir, mode=0o700, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            lock = DirectoryLock(self._data_dir)
            stack.callback(lock.close)
            await self._start(stack)
            self._open = stack.pop_all()

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Put the pieces together; on the stack is how each of them ends."""
        settings, presets = self._settings, machine_presets()
        self._tokens = tokens = Tokens(self._data_dir, settings.user)
        store = Store(os.path.join(self._data_dir, "jobs.sqlite"))
        stack.callback(store.close)
        runner = Runner(pathlib.Path(self._data_dir))
        by_name = {preset.name: preset for preset in presets}
        scheduler = Scheduler(runner, Room(machine_cpu(), machine_memory()), by_name, settings)
        jobs = JobsService(
            store,
            settings,
            admission=Admission(settings, by_name, missing_reason),
            capacity=scheduler.capacity,
            running=scheduler.running,
        )
        scheduler.jobs = jobs
        app = web.Application(middlewares=[_answer_errors], client_max_size=_LARGEST_BODY)
        app[TOKENS] = tokens
        app.on_response_prepare.append(_sign)
        setup_faults(app, FaultSwitch(tokens))
        setup_admin(app, settings)
        setup_oauth(app, tokens, _TOKEN_LIFETIME)
        setup_api(app, jobs, scheduler, tokens, settings, presets, lambda: self.base_url)
        setup_monitoring(app, jobs, runner, registry=REGISTRY)
        self._web = web.AppRunner(app, access_log=None)
        stack.push_async_callback(self._close_connections)
        stack.push_async_callback(runner.close)
        stack.push_async_callback(scheduler.close)
        await self._web.setup()
        site = web.TCPSite(self._web, "127.0.0.1", self._port, backlog=_BACKLOG)
        await site.start()
        self._port = self._web.addresses[0][1]

    async def _close_connections(self) -> None:
        await asyncio.wait({asyncio.ensure_future(self._web.cleanup())}, timeout=_CLOSING)

    async def stop(self) -> None:
        """End all jobs and streams, and listen no more."""
        await self._open.aclose()


@web.middleware
async def _answer_errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refused = _refused(request, error.status, error.text or "", error.content_type)
        if "Allow" in error.headers:
            refused.headers["Allow"] = error.headers["Allow"]
        return refused
    except Refusal as error:
        return _refused(request, error.status, json.dumps(error.body))
    except (InvalidRequest, ValueError) as error:
        return _refused(request, 400, json.dumps({"error": str(error)}))
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        _log.exception("%s %s", request.method, request.path)
        text = "Unexpected exception {}: {}. Path with query: {}.".format(
            type(error).__name__, error, request.path_qs
        )
        return _refused(request, 500, json.dumps({"error": text}))


def _refused(
    request: web.Request, status: int, text: str, content_type: str = "application/json"
) -> web.Response:
    response = web.Response(status=status, text=text, content_type=content_type)
    if (
        request.headers.get("Connection", "").lower() == "upgrade"
        and request.headers.get("Upgrade", "").lower() == "websocket"
    ):
        response.headers["X-Error"] = text.replace("\r", " ").replace("\n", " ")
    return response


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    service = "monitoring" if request.path.startswith(_MONITORING) else "api"
    response.headers["X-Service-Version"] = "platform-{}/local-{}".format(service, __version__)
