"""The sessions of requests that calls go through."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Tuple

from .forklock import ForkLock

if TYPE_CHECKING:
    import requests

__all__ = ["Sessions"]

# An idle connection may have been closed by the other side a moment ago. A request that is lost on it may or may
# not have arrived: one that may not be repeated goes on a new connection when the old one rested so long.
_STALE = 5.0
# And a server may close behind each answer without having said so: where a connection has had one only, that long
# it is waited for its end, which comes right behind.
_SETTLED = 0.01


class Sessions:
    """A requests.Session for each thread: they are not made for several."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._local = threading.local()
        self._all: "List[Tuple[threading.Thread, requests.Session]]" = []

    def adapter(self, url: str, fresh: bool) -> Any:
        """What sends this thread's requests to a URL.

        Args:
            url: of the request.
            fresh: not on a connection that rested for long, or is just being closed.
        """
        if self._pid != os.getpid():
            # The child of a fork shares the sockets of its parent and must not touch them.
            self._start_anew()
        session: "Optional[requests.Session]" = getattr(self._local, "session", None)
        now = time.monotonic()
        if session is None:
            session = self._take_over() or _new_session()
            self._local.session = session
            self._local.used = now - 2 * _STALE
            with self._lock:
                self._all.append((threading.current_thread(), session))
        if fresh:
            if now - self._local.used > _STALE:
                _close(session)
            else:
                _settle(session)
        self._local.used = now
        return session.get_adapter(url)

    def _take_over(self) -> "Optional[requests.Session]":
        """The session of a thread that has ended, with its connections: threads of streams live for one call."""
        with self._lock:
            ended = [entry for entry in self._all if not entry[0].is_alive()]
            self._all = [entry for entry in self._all if entry[0].is_alive()]
        for _, old in ended[1:]:
            _close(old)
        return ended[0][1] if ended else None

    def close(self) -> None:
        """Close the connections that rest, of all threads."""
        if self._pid == os.getpid():
            with self._lock:
                sessions = [session for _, session in self._all]
            for session in sessions:
                _close(session)


def _new_session() -> "requests.Session":
    import requests

    from .connections import Adapter

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session


def _pools(session: "requests.Session") -> Iterator[Any]:
    adapters: List[Any] = list(session.adapters.values())
    for adapter in adapters:
        for manager in [adapter.poolmanager, *adapter.proxy_manager.values()]:
            for key in list(manager.pools.keys()):
                pool = manager.pools.get(key)
                if pool is not None:
                    yield pool


def _settle(session: "requests.Session") -> None:
    """Let the end of a connection arrive that is on its way: urllib3 sees it then, and makes another one."""
    from urllib3.util.wait import wait_for_read

    for pool in _pools(session):
        resting = pool.pool
        for connection in [] if resting is None else list(resting.queue):
            sock = getattr(connection, "sock", None)
            if sock is not None and connection.requests == 1:
                try:
                    wait_for_read(sock, timeout=_SETTLED)
                except (OSError, ValueError):
                    pass  # another thread closed the client


def _close(session: "requests.Session") -> None:
    # urllib3 2 closes a pool when nobody refers to it any more, and the traceback of an error may do so for long.
    for pool in _pools(session):
        pool.close()
    session.close()
