"""The little of the admin service that clients ask: who the user is on the cluster, and with which quota."""

from typing import Any, Dict

from aiohttp import web

from .auth import authorize
from .replies import refusal
from .settings import Settings

__all__ = ["setup_admin"]

_ORG = "/apis/admin/v1/clusters/{cluster}/orgs/{org}"


def setup_admin(app: web.Application, settings: Settings) -> None:
    """Add the endpoints."""

    def quota() -> Dict[str, Any]:
        return {} if settings.jobs_quota is None else {"total_running_jobs": settings.jobs_quota}

    def check(request: web.Request, user: str) -> None:
        asked = {**request.match_info}
        known = {"cluster": settings.cluster, "org": settings.org, "user": user}
        for kind, name in asked.items():
            if name != known[kind]:
                raise refusal(web.HTTPNotFound, error="{} {!r} not found".format(kind, name))

    async def org(request: web.Request) -> web.StreamResponse:
        check(request, await authorize(request))
        return web.json_response(
            {
                "org_name": settings.org,
                "quota": quota(),
                "balance": {"spent_credits": "0"},
                "default_role": "user",
                "maintenance": False,
            }
        )

    async def user(request: web.Request) -> web.StreamResponse:
        name = await authorize(request)
        check(request, name)
        return web.json_response(
            {
                "user_name": name,
                "org_name": settings.org,
                "role": "user",
                "quota": quota(),
                "balance": {"spent_credits": "0"},
            }
        )

    app.router.add_get(_ORG, org)
    app.router.add_get(_ORG + "/users/{user}", user)
