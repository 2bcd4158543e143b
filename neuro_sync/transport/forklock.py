"""A lock for what both sides of a fork go on to use."""

import os
import threading
from typing import Any, Callable

__all__ = ["ForkLock"]


class ForkLock:
    """A lock that is free in the child of a fork: a thread that held it in the parent is not there.

    Args:
        make: makes the lock.
    """

    def __init__(self, make: Callable[[], Any] = threading.Lock) -> None:
        self._make = make
        self._lock = make()
        self._pid = os.getpid()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            self._lock, self._pid = self._make(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()
