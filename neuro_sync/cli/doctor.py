"""Finds out what is wrong with a login, a server, or the way there."""

import argparse
import email.utils
import importlib
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple, Optional

from .._version import __version__
from ..errors import AuthError, ConnectionFailed, NeuroError
from ..wire.texts import printable

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["Finding", "clock_skew", "doctor", "examine"]

_LIBRARIES = ("requests", "urllib3", "websocket", "tenacity", "dataclasses_json", "yarl")
# Tokens carry times: from so many seconds of difference on they may seem expired, or not yet valid.
_SKEW_LIMIT = 60.0


class Finding(NamedTuple):
    """What one check found; ``advice`` says what to do where it did not go well."""

    ok: bool
    what: str
    found: str
    advice: str = ""


def doctor(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit code is 1 where one of them is bad."""
    from .parser import client_of

    good = True
    for finding in examine(lambda: client_of(arguments), arguments.url):
        good = good and finding.ok
        found = printable(finding.found)
        print("{:<5} {:<9} {}".format("ok" if finding.ok else "BAD", finding.what, found))
        if finding.advice:
            print("{:<15} {}".format("", printable(finding.advice)))
    return 0 if good else 1


def examine(open_client: "Callable[[], Client]", url: Optional[str] = None) -> Iterator[Finding]:
    """Check one thing after the other, as far as it goes."""
    yield Finding(True, "versions", _versions())
    if url is None:
        yield _login_on_disk()
    try:
        client = open_client()
    except (NeuroError, OSError, ValueError) as error:
        yield Finding(False, "login", str(error), "Log in with the platform's CLI, or give --url.")
        return
    with client:
        yield _way(client)
        yield from _server(client)


def _versions() -> str:
    parts = ["neuro_sync " + __version__, "Python " + platform.python_version(), sys.platform]
    for name in _LIBRARIES:
        module = importlib.import_module(name)
        version = getattr(module, "__version__", None)
        if version is not None:
            parts.append("{} {}".format(name, version))
    return ", ".join(parts)


def _login_on_disk() -> Finding:
    from ..config.factory import Factory, is_passed

    factory = Factory()
    path = Path(factory.path)
    if factory.is_config_present:
        return Finding(True, "config", "found in {}".format(path))
    if is_passed():
        found = "none in {} yet, but this job was given its owner's".format(path)
        return Finding(True, "config", found)
    return Finding(
        False,
        "config",
        "none in {}".format(path),
        "Log in with the platform's CLI (apolo login), or with neuro_sync.Factory().login().",
    )


def _way(client: "Client") -> Finding:
    from ..transport.environment import ca_bundle, proxy_for
    from ..wire.paths import redact

    url = str(client.config.api_url)
    proxy, bundle = proxy_for(url), ca_bundle()
    return Finding(
        True,
        "way",
        "{}, {}, certificates: {}".format(
            url,
            "directly" if proxy is None else "through the proxy {}".format(redact(proxy)),
            "those of certifi" if bundle is None else bundle,
        ),
    )


def _server(client: "Client") -> Iterator[Finding]:
    began = time.time()
    try:
        answer = client.config.ping()
    except ConnectionFailed as error:
        yield Finding(False, "server", str(error), "Check the address, the proxy and the network.")
        return
    except NeuroError as error:
        yield Finding(False, "server", str(error), "Is this the address of the API (.../api/v1)?")
        return
    took = time.time() - began
    version = answer.headers.get("X-Service-Version", "version unknown")
    yield Finding(True, "server", "{}, answered in {:.0f} ms".format(version, took * 1000))
    skew = clock_skew(answer.headers.get("Date"), began + took / 2)
    if skew is not None:
        yield Finding(
            abs(skew) <= _SKEW_LIMIT,
            "clock",
            "{:+.0f} s against the server's".format(skew),
            "" if abs(skew) <= _SKEW_LIMIT else "Set this machine's clock: tokens seem expired.",
        )
    try:
        client.config.fetch()
        yield Finding(
            True,
            "login",
            "{}, cluster {}, org {}, project {}".format(
                client.username,
                client.cluster_name,
                client.config.org_name,
                client.config.project_name,
            ),
        )
    except AuthError as error:
        yield Finding(
            False, "login", str(error), "The token is not valid (any more): log in again."
        )
    except NeuroError as error:
        yield Finding(False, "login", str(error))


def clock_skew(date: Optional[str], now: float) -> Optional[float]:
    """Seconds by which this machine's clock is ahead of the one in a Date header."""
    if not date:
        return None
    try:
        server = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    # The header has whole seconds: on average half a second is missing.
    return now - (server.timestamp() + 0.5)
