"""A lock for what both sides of a fork go on to use."""

import os
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

__all__ = ["ForkLock"]


class ForkLock:
    """A lock that is free in the child of a fork: a thread that held it in the parent is not there.

    Args:
        make: makes the lock.
    """

    def __init__(self, make: Callable[[], Any] = threading.Lock) -> None:
        self._make = make
        self._lock = make()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    @contextmanager
    def within(self, seconds: Optional[float]) -> Iterator[bool]:
        """Wait for it no longer than some seconds; None: no limit. Yields whether it is held."""
        timeout = -1 if seconds is None else min(seconds, threading.TIMEOUT_MAX)
        held = self._lock.acquire(timeout=timeout)
        try:
            yield held
        finally:
            if held:
                self.__exit__()

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            pass  # the child of a fork in here has another one

    def _renew(self) -> None:
        self._lock = self._make()


_locks: "weakref.WeakSet[ForkLock]" = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock._renew()


if hasattr(os, "register_at_fork"):
    # Before the child has a second thread: two that found a held lock would each put another one in its place.
    os.register_at_fork(after_in_child=_renew_all)
