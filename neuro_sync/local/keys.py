"""What handlers find in the application and in the request.

aiohttp has typed keys for the application since 3.9 and for requests since 3.14, and warns of
others then; before, any string will do.
"""

from typing import Any

from aiohttp import web

__all__ = ["FAULT", "TOKENS", "TURNS", "WEBSOCKETS", "fault_of"]

# In the application: all websockets that are open.
WEBSOCKETS: Any = web.AppKey("websockets", set) if hasattr(web, "AppKey") else "websockets"

# In the application: whose turn it is to send much.
TURNS: Any = web.AppKey("turns", object) if hasattr(web, "AppKey") else "turns"

# In the application: who makes and checks tokens.
TOKENS: Any = web.AppKey("tokens", object) if hasattr(web, "AppKey") else "tokens"

# In a request: how it is to go wrong. ``await fault.before_send(response, size)`` comes before each
# message of a stream.
FAULT: Any = web.RequestKey("fault", object) if hasattr(web, "RequestKey") else "fault"


def fault_of(request: web.Request) -> Any:
    """The fault that is switched on for a request, or None."""
    return request.get(FAULT)
