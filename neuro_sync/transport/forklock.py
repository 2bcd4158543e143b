"""A lock for what both sides of a fork go on to use."""

import os
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional

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

    # Those of the lock itself: Ctrl-C in a method of ours would leave it locked for ever.
    @property
    def __enter__(self) -> Callable[[], Any]:
        return self._lock.__enter__  # type: ignore[no-any-return]

    @property
    def __exit__(self) -> Callable[..., None]:
        # Called on that lock also in the child of a fork in here, which has another one by then.
        return self._lock.__exit__  # type: ignore[no-any-return]

    @contextmanager
    def within(self, seconds: Optional[float]) -> Iterator[bool]:
        """Wait for it no longer than some seconds; None: no limit. Yields whether it is held."""
        lock = self._lock
        timeout = -1 if seconds is None else min(seconds, threading.TIMEOUT_MAX)
        held: List[bool] = []
        try:
            # In one step, as by ``with``.
            held.extend(filter(None, map(lock.acquire, (True,), (timeout,))))
            yield bool(held)
        finally:
            if held:
                lock.release()

    def _renew(self) -> None:
        self._lock = self._make()


_locks: "weakref.WeakSet[ForkLock]" = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock._renew()


if hasattr(os, "register_at_fork"):
    # Before the child has a second thread: two that found a held lock would each put another one in its place.
    os.register_at_fork(after_in_child=_renew_all)
