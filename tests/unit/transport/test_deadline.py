"""Deadlines."""

import pytest

from neuro_sync.transport import deadline as module
from neuro_sync.transport.deadline import Deadline


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        @classmethod
        def monotonic(cls):
            return cls.now

    monkeypatch.setattr(module, "time", Clock)
    return Clock


def test_it_counts_down_to_zero_and_stays_there(clock):
    deadline = Deadline(5.0)
    assert deadline.left == 5.0
    clock.now += 3.0
    assert deadline.left == 2.0
    clock.now += 3.0
    assert deadline.left == 0.0


def test_it_is_near_before_it_is_over(clock):
    deadline = Deadline(5.0)
    clock.now += 4.5
    assert deadline.is_within(0.5)
    assert not deadline.is_within(0.25)
    clock.now += 0.5
    assert deadline.is_within(0.0)


def test_without_seconds_it_never_comes(clock):
    deadline = Deadline(None)
    clock.now += 1e9
    assert deadline.left is None
    assert not deadline.is_within(1e9)
