"""The policy, the quota and the retrier, with a clock of their own."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.errors import ConnectionFailed, OutcomeUnknown
from neuro_sync.transport.retry import AttemptFailed, Retrier, RetryPolicy, RetryQuota

from ...clock import Clock


def retrier(policy=RetryPolicy(), quota=None, rng=lambda: 1.0):
    clock = Clock(0.0)
    made = Retrier(policy, quota, clock=clock, sleep=clock.sleep, rng=rng)
    return made, clock


def failing(*failures, result="done"):
    """An attempt that fails as it is told, and then succeeds; it writes down its calls."""
    calls = []
    waiting = list(failures)

    def attempt(number, deadline):
        calls.append((number, deadline))
        if waiting:
            raise waiting.pop(0)
        return result

    attempt.calls = calls
    return attempt


def failure(**facts):
    return AttemptFailed(
        ConnectionFailed("no", method="GET", url="https://h/x"), **{"sent": True, **facts}
    )


@given(
    st.integers(1, 2000), st.floats(0, 1, exclude_max=True), st.floats(0, 100), st.floats(0, 100)
)
def test_a_pause_is_below_its_bounds(number, chance, base, cap):
    pause = RetryPolicy(base=base, cap=cap).pause(number, lambda: chance)
    assert 0 <= pause <= cap
    assert pause <= base * 2.0 ** min(number - 1, 64)


def test_pauses_double():
    policy = RetryPolicy(base=0.25, cap=8.0)
    bounds = [policy.pause(number, lambda: 1.0) for number in range(1, 8)]
    assert bounds == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


@given(st.integers(0, 6), st.integers(1, 5))
def test_there_are_as_many_tries_as_are_needed_and_allowed(failures, attempts):
    made, clock = retrier(RetryPolicy(attempts=attempts))
    attempt = failing(*[failure() for _ in range(failures)])
    if failures < attempts:
        assert made.call(attempt, repeatable=True) == "done"
    else:
        with pytest.raises(ConnectionFailed) as caught:
            made.call(attempt, repeatable=True)
        assert caught.value.attempts == attempts
    assert [number for number, _ in attempt.calls] == list(
        range(1, min(failures + 1, attempts) + 1)
    )
    assert len(clock.slept) == len(attempt.calls) - 1


def test_all_tries_have_one_deadline():
    made, _ = retrier(RetryPolicy(deadline=30.0))
    attempt = failing(failure(), failure())
    made.call(attempt, repeatable=True)
    assert {deadline for _, deadline in attempt.calls} == {30.0}


def test_a_call_may_have_less_time_than_the_policy():
    made, _ = retrier(RetryPolicy(deadline=30.0))
    attempt = failing()
    made.call(attempt, repeatable=True, seconds=5.0)
    made.call(attempt, repeatable=True, seconds=50.0)
    assert [deadline for _, deadline in attempt.calls] == [5.0, 30.0]


def test_there_is_no_pause_that_ends_behind_the_deadline():
    made, clock = retrier(RetryPolicy(deadline=10.0))
    with pytest.raises(ConnectionFailed):
        made.call(failing(failure(retry_after=10.0)), repeatable=True)
    assert clock.slept == []
    made.call(failing(failure(retry_after=9.9)), repeatable=True)
    assert clock.slept == [9.9]


@pytest.mark.parametrize(
    ("facts", "repeatable", "again"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"sent": False}, False, True),
        ({"answered": True, "invited": True}, False, True),
        ({"answered": True}, False, False),
        ({"transient": False}, True, False),
        ({"transient": False, "sent": False}, True, False),
        ({"transient": False, "invited": True}, False, False),
    ],
)
def test_what_is_tried_again(facts, repeatable, again):
    assert failure(**facts).may_repeat(repeatable) is again
    attempt = failing(failure(**facts))
    made, _ = retrier()
    if again:
        assert made.call(attempt, repeatable=repeatable) == "done"
    else:
        with pytest.raises((ConnectionFailed, OutcomeUnknown)):
            made.call(attempt, repeatable=repeatable)
    assert len(attempt.calls) == 1 + again


@pytest.mark.parametrize(
    ("facts", "cls"),
    [
        ({}, OutcomeUnknown),
        ({"transient": False}, OutcomeUnknown),
        ({"answered": True}, ConnectionFailed),
        ({"sent": False, "transient": False}, ConnectionFailed),
    ],
)
def test_an_outcome_is_unknown_when_it_was_sent_and_not_answered(facts, cls):
    made, _ = retrier()
    with pytest.raises(cls) as caught:
        made.call(failing(failure(**facts)), repeatable=False)
    error = caught.value
    assert type(error) is cls
    assert (error.method, error.url, error.attempts) == ("GET", "https://h/x", 1)


def test_the_cause_of_the_last_try_is_kept():
    reason = OSError("reset")

    def attempt(number, deadline):
        raise failure() from reason

    made, _ = retrier(RetryPolicy(attempts=2))
    with pytest.raises(ConnectionFailed) as caught:
        made.call(attempt, repeatable=True)
    assert caught.value.__cause__ is reason


def test_a_traceback_shows_the_last_try_alone():
    def attempt(number, deadline):
        try:
            raise OSError("try {}".format(number))
        except OSError as error:
            raise failure() from error

    made, _ = retrier(RetryPolicy(attempts=3))
    with pytest.raises(ConnectionFailed) as caught:
        made.call(attempt, repeatable=True)
    shown = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__))
    assert [number for number in (1, 2, 3) if "OSError: try {}".format(number) in shown] == [3]


def test_other_exceptions_come_as_they_are():
    made, _ = retrier()
    attempt = failing(failure(), ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        made.call(attempt, repeatable=True)
    assert len(attempt.calls) == 2


def test_ctrl_c_in_a_pause_ends_the_call():
    def interrupted(seconds):
        raise KeyboardInterrupt

    made, _ = retrier()
    made.sleep = interrupted
    attempt = failing(failure())
    with pytest.raises(KeyboardInterrupt):
        made.call(attempt, repeatable=True)
    assert len(attempt.calls) == 1


@given(st.lists(st.sampled_from(["fail", "time out", "succeed", "succeed at last"]), max_size=60))
def test_a_quota_stays_within_its_bounds(events):
    quota = RetryQuota(capacity=12)
    taken = []
    for event in events:
        if event.startswith("succeed"):
            quota.give_back(taken.pop() if event == "succeed at last" and taken else 0)
        else:
            taken.append(quota.take(timed_out=event == "time out"))
            assert taken[-1] in (0, 10 if event == "time out" else 5)
        assert 0 <= quota.left <= 12


def test_an_empty_quota_ends_the_tries():
    quota = RetryQuota(capacity=5, cost=5)
    made, _ = retrier(quota=quota)
    attempt = failing(*[failure() for _ in range(3)])
    with pytest.raises(ConnectionFailed) as caught:
        made.call(attempt, repeatable=True)
    assert caught.value.attempts == 2
    assert quota.left == 0


def test_a_call_that_goes_well_after_all_gives_all_back():
    quota = RetryQuota(capacity=50)
    made, _ = retrier(quota=quota)
    made.call(failing(failure(), failure(timed_out=True)), repeatable=True)
    assert quota.left == 50
