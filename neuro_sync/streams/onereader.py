"""One thread at a time reads a stream."""

from threading import get_ident
from typing import Dict

from ..errors import ConcurrentRead

__all__ = ["OneReader"]


class OneReader:
    """Lets one thread at a time read a stream: a context manager around each read."""

    def __init__(self) -> None:
        # No lock: Ctrl-C on the way out of a read would leave it locked, for this thread, too.
        self._reading: Dict[str, int] = {}

    def __enter__(self) -> None:
        me = get_ident()
        if self._reading.setdefault("thread", me) != me:
            raise ConcurrentRead(
                "another thread is reading this stream; read it in one thread, or open one for each"
            )

    def __exit__(self, *exc_info: object) -> None:
        self._reading.clear()
