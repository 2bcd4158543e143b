"""How often and how patiently a call is tried, by one tenacity policy for all of them."""

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Generic, Optional, Tuple, TypeVar, Union, cast

from ..errors import NeuroError, OutcomeUnknown
from .calloff import called_off, pause
from .forklock import ForkLock

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["AttemptFailed", "Retrier", "RetryPolicy", "RetryQuota", "Timeout", "TimeoutLike"]

T = TypeVar("T")


@dataclass(frozen=True)
class Timeout:
    """Seconds to wait for a connection, and for the next bytes of an answer; None as read: no limit."""

    connect: float = 10.0
    read: Optional[float] = 60.0

    @classmethod
    def of(cls, value: "TimeoutLike") -> "Timeout":
        """The timeout that is meant, said as requests has it, too: one number, or ``(connect, read)``.

        Raises:
            TypeError: it is nothing of that.
            ValueError: a number of it is not above 0.
        """
        if isinstance(value, cls):
            return value
        is_pair = isinstance(value, tuple) and len(value) == 2
        connect, read = cast(Tuple[float, Optional[float]], value if is_pair else (value, value))
        if not (_is_number(connect) and (read is None or _is_number(read))):
            raise TypeError(
                "timeout must be a neuro_sync.Timeout, a number of seconds, or two of them, "
                "(connect, read), not {}".format(type(value).__name__)
            )
        if not all(part is None or 0 < part < math.inf for part in (connect, read)):
            raise ValueError("timeout must be above 0 seconds, not {!r}".format(value))
        return cls(connect, read)


TimeoutLike = Union[Timeout, float, Tuple[float, Optional[float]]]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a call is tried.

    At most ``attempts`` tries within ``deadline`` seconds. Between two of them it waits a random time
    below ``min(cap, base * 2**n)`` seconds, or as long as the server's ``Retry-After`` says.
    """

    attempts: int = 3
    deadline: float = 60.0
    base: float = 0.25
    cap: float = 8.0

    def pause(self, number: int, rng: Callable[[], float] = random.random) -> float:
        """Seconds to wait after the try of a number, counted from 1."""
        return rng() * min(self.cap, self.base * 2.0 ** min(number - 1, 64))


class AttemptFailed(Exception):
    """One try failed; the retrier decides what that means for the call.

    Args:
        error: what the caller gets if it was the last try.
        sent: the server may have got the request.
        answered: the server has answered it.
        transient: it may go well another time.
        retry_after: seconds that the server asks to wait.
        invited: the server said that it did not execute the request and that it may come again.
        timed_out: it took too long, which is dearer for the quota than a quick failure.
    """

    def __init__(
        self,
        error: Exception,
        *,
        sent: bool,
        answered: bool = False,
        transient: bool = True,
        retry_after: Optional[float] = None,
        invited: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.sent = sent
        self.answered = answered
        self.transient = transient
        self.retry_after = retry_after
        self.invited = invited
        self.timed_out = timed_out

    def may_repeat(self, repeatable: bool) -> bool:
        return self.transient and (repeatable or not self.sent or self.invited)


class RetryQuota:
    """Keeps the tries of a client from making an outage worse: when nothing goes well, they end.

    Each try beyond the first takes from it, each success gives back.
    """

    def __init__(self, capacity: int = 500, cost: int = 5, timeout_cost: int = 10) -> None:
        self._capacity = self._left = capacity
        self._cost = cost
        self._timeout_cost = timeout_cost
        self._lock = ForkLock()

    @property
    def left(self) -> int:
        return self._left

    def take(self, *, timed_out: bool) -> int:
        """Returns what one more try takes, or 0 where there is not enough."""
        cost = self._timeout_cost if timed_out else self._cost
        with self._lock:
            if cost > self._left:
                return 0
            self._left -= cost
            return cost

    def give_back(self, taken: int) -> None:
        """A call went well, for which so much had been taken."""
        if self._left < self._capacity:
            with self._lock:
                self._left = min(self._capacity, self._left + (taken or 1))


class Retrier:
    """Tries calls by a policy.

    Args:
        policy: how often and how patiently.
        quota: of the client; by default one of its own.
        clock, sleep, rng: of the system by default.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        quota: Optional[RetryQuota] = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pause,
        rng: Callable[[], float] = random.random,
    ) -> None:
        if not isinstance(policy, RetryPolicy):
            raise TypeError(
                "retry must be a neuro_sync.RetryPolicy, as RetryPolicy(attempts=5), not {}".format(
                    type(policy).__name__
                )
            )
        self.policy = policy
        self.quota = quota or RetryQuota()
        self.clock = clock
        self.sleep = sleep
        self.rng = rng

    def left(self, deadline: float) -> float:
        """Seconds until a time of the clock."""
        return max(0.0, deadline - self.clock())

    def call(
        self,
        attempt: "Callable[[int, float], T]",
        *,
        repeatable: bool,
        seconds: Optional[float] = None,
    ) -> T:
        """Try until it goes well, may not be repeated, or the policy ends it.

        Args:
            attempt: gets the number of the try and the time, by the clock, when all has to be over.
                Raises AttemptFailed.
            repeatable: doing it twice does no harm.
            seconds: for all tries together, where they are fewer than those of the policy.

        Raises:
            OutcomeUnknown: it was sent, is not repeatable, and no answer came.
            NeuroError: the error of the last try, with ``attempts``.
        """
        limit = self.policy.deadline if seconds is None else min(self.policy.deadline, seconds)
        deadline = self.clock() + limit
        try:
            # Nearly all calls go well at once, and need neither tenacity nor the time to load it.
            result = attempt(1, deadline)
        except AttemptFailed as error:
            failed = error
        else:
            self.quota.give_back(0)
            return result
        # Out of the handler: else a traceback would show this failure again in front of the last one.
        return _Tries(self, attempt, repeatable, deadline).go_on(failed)


def _words(error: Exception) -> str:
    """What an error says, without the request that a NeuroError adds."""
    return str(error.args[0]) if isinstance(error, NeuroError) and error.args else str(error)


class _Tries(Generic[T]):
    """The tries of one call whose first failed."""

    def __init__(
        self,
        retrier: Retrier,
        attempt: "Callable[[int, float], T]",
        repeatable: bool,
        deadline: float,
    ) -> None:
        self._retrier = retrier
        self._attempt = attempt
        self._repeatable = repeatable
        self._deadline = deadline
        self._number = 0
        self._taken = 0
        self._pause = 0.0
        self._first: Optional[AttemptFailed] = None

    def go_on(self, first: AttemptFailed) -> T:
        from tenacity import Retrying

        self._first = first
        tries = Retrying(
            sleep=self._retrier.sleep,
            retry=self._again,
            wait=self._wait,
            reraise=True,
        )
        try:
            result: T = tries(self._try)
        except AttemptFailed as failed:
            raise self._verdict(failed) from failed.__cause__
        self._retrier.quota.give_back(self._taken)
        return result

    def _try(self) -> T:
        self._number += 1
        if self._first is not None:
            failed, self._first = self._first, None
            raise failed
        return self._attempt(self._number, self._deadline)

    def _wait(self, retry_state: "RetryCallState") -> float:
        return self._pause

    def _again(self, retry_state: "RetryCallState") -> bool:
        outcome = retry_state.outcome
        failed = outcome.exception() if outcome is not None else None
        if not isinstance(failed, AttemptFailed) or not failed.may_repeat(self._repeatable):
            return False
        retrier = self._retrier
        if self._number >= retrier.policy.attempts or called_off():
            return False
        if failed.retry_after is not None:
            self._pause = failed.retry_after
        else:
            self._pause = retrier.policy.pause(self._number, retrier.rng)
        if retrier.clock() + self._pause >= self._deadline:
            return False
        taken = retrier.quota.take(timed_out=failed.timed_out)
        self._taken += taken
        return taken > 0

    def _verdict(self, failed: AttemptFailed) -> Exception:
        error = failed.error
        if failed.sent and not failed.answered and not self._repeatable:
            unknown = OutcomeUnknown(
                "{}; the request may have taken effect and is not repeated".format(_words(error))
            )
            if isinstance(error, NeuroError):
                unknown.method, unknown.url = error.method, error.url
            error = unknown
        if isinstance(error, NeuroError):
            error.attempts = self._number
        return error
