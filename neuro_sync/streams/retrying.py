"""When to connect again, and when to give up."""

from typing import Callable, NamedTuple, Optional

from ..errors import ConnectionFailed, RateLimited, ServerError

__all__ = ["PASSING", "ReconnectPolicy", "Retrying"]

#: What an outage looks like: at the next try it may be over.
PASSING = (ConnectionFailed, RateLimited, ServerError)
_MANY = 30


class ReconnectPolicy(NamedTuple):
    """How a log is taken up again.

    Attributes:
        patience: for how many seconds no connection may come about before it is given up.
        base, cap: a try waits a random time below ``min(cap, base * 2**n)`` seconds, n counted from
            the last connection that brought something; the first does not wait.
        gap_tries: how often to try again, because what is missing may still come into the archive,
            before a gap is told.
        archive_lag: for how many seconds after the end of a job its last lines may be on their way into the
            archive.
    """

    patience: float = 300.0
    base: float = 0.25
    cap: float = 8.0
    gap_tries: int = 5
    archive_lag: float = 5.0


class Retrying:
    """Counts what went wrong since it last went well."""

    def __init__(
        self, policy: ReconnectPolicy, clock: Callable[[], float], rng: Callable[[], float]
    ) -> None:
        self.policy = policy
        self.clock = clock
        self._rng = rng
        self._fruitless = 0
        self._failing_since: Optional[float] = None
        self._not_before: Optional[float] = None

    @property
    def wait(self) -> float:
        """Seconds until the next try may start."""
        return 0.0 if self._not_before is None else max(0.0, self._not_before - self.clock())

    def fruitful(self) -> None:
        """The connection brought something: the next try need not wait."""
        self._fruitless = 0
        self._failing_since = None
        self._not_before = None

    def fruitless(self, *, failed: bool, retry_after: Optional[float] = None) -> bool:
        """The connection brought nothing, or there was none.

        Args:
            failed: it counts against the patience.
            retry_after: how many seconds the server asks to wait.

        Returns:
            False where the patience has ended, or will have by the next try.
        """
        policy, now = self.policy, self.clock()
        pause = self._rng() * min(policy.cap, policy.base * 2 ** min(self._fruitless, _MANY))
        self._fruitless += 1
        self._not_before = now + max(pause, retry_after or 0.0)
        if not failed:
            self._failing_since = None
            return True
        if self._failing_since is None:
            self._failing_since = now
        return self._not_before - self._failing_since < policy.patience
