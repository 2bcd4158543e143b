"""Proxies and certificates, decided once and the same way for HTTP and for WebSockets.

requests reads the environment for each request again, which is a fifth of its cost, and
websocket-client reads other variables than requests does.
"""

import os
from functools import lru_cache
from typing import Any, Dict, Optional, Tuple
from urllib.parse import urlsplit

__all__ = ["ca_bundle", "proxy_for"]

_SCHEMES = {"ws": "http", "wss": "https"}
_proxies: Dict[Tuple[Any, ...], Optional[str]] = {}


def proxy_for(url: str) -> Optional[str]:
    """The proxy for a URL as requests chooses it, always with a scheme; or None."""
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    netloc = parts.netloc.rpartition("@")[2]
    key = (scheme, netloc, _settings(scheme))
    # Without a lock: one that a thread holds at a fork would never be free in the child.
    try:
        return _proxies[key]
    except KeyError:
        pass
    from requests.utils import get_environ_proxies, select_proxy

    plain = "{}://{}/".format(scheme, netloc)
    proxy = select_proxy(plain, get_environ_proxies(plain))
    if proxy and "://" not in proxy:
        # What curl takes, and requests too.
        proxy = "http://" + proxy.lstrip("/")
    if len(_proxies) >= 64:
        _proxies.clear()
    _proxies[key] = proxy
    return proxy


def ca_bundle() -> Optional[str]:
    """File or directory with the certificates that are trusted; None: those of certifi."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def _settings(scheme: str) -> Tuple[Tuple[str, str], ...]:
    """What the answer depends on: a change of it, as tests and notebooks make, is noticed."""
    environ = os.environ
    # Most of them are not there, and "in" says so in a fraction of the time that get() takes.
    return tuple([(name, environ.get(name, "")) for name in _variables(scheme) if name in environ])


@lru_cache(maxsize=None)
def _variables(scheme: str) -> Tuple[str, ...]:
    lower = (scheme + "_proxy", "all_proxy", "no_proxy")
    return (*lower, *(name.upper() for name in lower))
