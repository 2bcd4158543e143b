"""By when something has to be done, however many calls it takes."""

import time
from typing import Optional

__all__ = ["Deadline"]


class Deadline:
    """A moment, so many seconds from now; None: there is no limit."""

    def __init__(self, seconds: Optional[float]) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> Optional[float]:
        """Seconds until then, 0 at least; None: there is no limit."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def is_within(self, seconds: float) -> bool:
        """No more than so many seconds are left."""
        return self._at is not None and time.monotonic() >= self._at - seconds
