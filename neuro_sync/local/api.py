"""The jobs API: handlers that read a request, ask the service, and answer."""

import base64
import json
from typing import Any, Callable, Dict, Sequence

from aiohttp import web

from .auth import Tokens, authorize, user_of
from .configuration import config_payload
from .jobs import JobRecord, JobsService
from .listing import answer_listing
from .replies import refusal
from .scheduler import Scheduler
from .settings import Preset, Settings
from .validation import validate_life_span, validate_run, validate_start

__all__ = ["setup_api"]

_PASSED_CONFIG = "NEURO_PASSED_CONFIG"
_JOB = "/api/v1/jobs/{id}"


def setup_api(
    app: web.Application,
    jobs: JobsService,
    scheduler: Scheduler,
    tokens: Tokens,
    settings: Settings,
    presets: Sequence[Preset],
    base_url: Callable[[], str],
) -> None:
    """Add the endpoints below ``/api/v1``.

    Args:
        base_url: scheme, host and port of this platform, known once it listens.
    """
    handlers = _Api(jobs, scheduler, tokens, settings, presets, base_url)
    add = app.router.add_route
    add("GET", "/ping", handlers.ping)
    add("GET", "/api/v1/ping", handlers.ping)
    add("GET", "/api/v1/config", handlers.config, name="config")
    add("POST", "/api/v1/users/{user}/permissions", handlers.share)
    add("POST", "/api/v1/jobs", handlers.start, name="start")
    add("GET", "/api/v1/jobs", handlers.list, name="list")
    add("GET", _JOB, handlers.status, name="status")
    add("DELETE", _JOB, handlers.kill, name="kill")
    add("PUT", _JOB + "/max_run_time_minutes", handlers.extend, name="max_run_time")


class _Api:
    def __init__(
        self,
        jobs: JobsService,
        scheduler: Scheduler,
        tokens: Tokens,
        settings: Settings,
        presets: Sequence[Preset],
        base_url: Callable[[], str],
    ) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._tokens = tokens
        self._settings = settings
        self._presets = presets
        self._base_url = base_url

    async def ping(self, request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def share(self, request: web.Request) -> web.StreamResponse:
        # What the CLI's "run --share" asks for once the job is there.
        text = "cannot share with {!r}: this platform has no users but {!r}".format(
            request.match_info["user"], await authorize(request)
        )
        raise refusal(web.HTTPNotFound, error=text)

    async def config(self, request: web.Request) -> web.StreamResponse:
        # A bad token is no error here: the answer says that it is one.
        authorized = user_of(request) is not None
        return web.json_response(
            config_payload(self._base_url(), self._settings, self._presets, authorized=authorized)
        )

    async def start(self, request: web.Request) -> web.StreamResponse:
        user = await authorize(request)
        body = await _body(request)
        check = validate_start if "from_preset" in request.query else validate_run
        checked = check(body)
        env: Dict[str, str] = {}
        if checked.get("pass_config"):
            env[_PASSED_CONFIG] = self._passed_config(checked, user)
        record = self._jobs.create(checked, user, env)
        self._scheduler.submit(record)
        return web.json_response(record.to_payload(), status=202)

    def _passed_config(self, request: Dict[str, Any], user: str) -> str:
        settings = self._settings
        payload = {
            "token": self._tokens.make(),
            "cluster": request.get("cluster_name") or settings.cluster,
            "org_name": request.get("org_name") or settings.org,
            "url": self._base_url() + "/api/v1",
            "project_name": request.get("project_name") or user,
        }
        return base64.b64encode(json.dumps(payload).encode()).decode()

    async def list(self, request: web.Request) -> web.StreamResponse:
        await authorize(request)
        return await answer_listing(request, self._jobs)

    async def status(self, request: web.Request) -> web.StreamResponse:
        record = await self._resolve(request)
        return web.json_response(record.to_payload())

    async def kill(self, request: web.Request) -> web.StreamResponse:
        self._scheduler.cancel(await self._resolve(request))
        return web.Response(status=204)

    async def extend(self, request: web.Request) -> web.StreamResponse:
        record = await self._resolve(request)
        self._jobs.extend(record, validate_life_span(await _body(request)))
        self._scheduler.extended(record)
        return web.Response(status=204)

    async def _resolve(self, request: web.Request) -> JobRecord:
        user = await authorize(request)
        return await self._jobs.resolve(request.match_info["id"], user)


async def _body(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise refusal(web.HTTPBadRequest, error="the body is not JSON: {}".format(error)) from None
