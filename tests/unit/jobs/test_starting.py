"""A start with a key happens once, whatever gets lost on the way."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.errors import (
    BadGateway,
    ConnectionFailed,
    IllegalArgumentError,
    NDJSONError,
    OutcomeUnknown,
)
from neuro_sync.jobs.starting import idempotency_tag, start_once
from neuro_sync.models.jobs import JobStatus
from neuro_sync.transport.retry import Retrier, RetryPolicy

from ...clock import Clock

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def a_job(number, *, status=JobStatus.PENDING):
    return SimpleNamespace(
        id="job-{}".format(number),
        status=status,
        history=SimpleNamespace(created_at=NOON + timedelta(seconds=number)),
    )


class Server:
    """Makes jobs, and loses answers as it is told."""

    def __init__(self, *answers):
        self.answers = list(answers)  # True: made and told; False: made, not told; else raised
        self.jobs = []
        self.clock = Clock()
        self.starts = 0

    def start(self, seconds):
        self.starts += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        job = a_job(len(self.jobs) + 10)
        self.jobs.append(job)
        if not answer:
            raise OutcomeUnknown("no answer")
        return job

    def kill(self, id):
        for job in self.jobs:
            if job.id == id:
                job.status = JobStatus.CANCELLED

    def run(self, find=None):
        retrier = Retrier(RetryPolicy(), clock=self.clock, sleep=self.clock.sleep, rng=lambda: 1.0)
        return start_once(self.start, find or (lambda: list(self.jobs)), self.kill, retrier)


def test_an_answered_start_is_sent_once():
    server = Server(True)
    assert server.run() is server.jobs[0]
    assert server.starts == 1


def test_a_job_that_is_there_is_returned_whatever_its_status():
    server = Server()
    server.jobs = [a_job(1, status=JobStatus.FAILED)]
    assert server.run() is server.jobs[0]
    assert server.starts == 0


def test_a_job_whose_answer_got_lost_is_found_and_not_made_again():
    server = Server(False, True)
    assert server.run() is server.jobs[0]
    assert server.starts == 1


@pytest.mark.parametrize("lost", [OutcomeUnknown("cut"), BadGateway("502")])
def test_a_start_that_never_arrived_is_sent_again(lost):
    server = Server(lost, lost, True)
    assert server.run() is server.jobs[0]
    assert server.clock.slept == [0.25, 0.5]


def test_when_nothing_is_found_after_all_tries_the_last_error_is_raised():
    server = Server(*[OutcomeUnknown(str(n)) for n in range(3)])
    with pytest.raises(OutcomeUnknown, match="2"):
        server.run()
    assert server.starts == 3


def test_a_job_made_by_the_last_try_is_found():
    server = Server(OutcomeUnknown("1"), OutcomeUnknown("2"), False)
    assert server.run() is server.jobs[0]


def test_a_refused_start_is_not_repeated():
    server = Server(IllegalArgumentError("no credits"))
    with pytest.raises(IllegalArgumentError, match="no credits"):
        server.run()
    assert server.starts == 1


def test_a_start_that_is_refused_beside_a_job_of_the_same_key_returns_that_job():
    server = Server(IllegalArgumentError("the name is taken"))
    other = a_job(1)
    looks = iter([[], [other]])
    assert server.run(lambda: next(looks)) is other


def test_a_refusal_is_told_though_the_second_look_fails():
    server = Server(IllegalArgumentError("the name is taken"))
    looks = iter([list, lambda: Server(ConnectionFailed("gone")).start(1.0)])
    with pytest.raises(IllegalArgumentError, match="name is taken"):
        server.run(lambda: next(looks)())


def test_of_two_jobs_made_at_one_moment_the_earliest_stays():
    server = Server(True)
    other = a_job(1)
    looks = iter([[], None])

    def find():
        return [*server.jobs, other] if next(looks) is None else []

    assert server.run(find) is other
    assert server.jobs[0].status is JobStatus.CANCELLED
    assert other.status is JobStatus.PENDING


def test_a_job_that_a_listing_does_not_show_yet_is_no_second_one():
    server = Server(True)
    other = a_job(1)
    looks = iter([[], [other]])
    assert server.run(lambda: next(looks)) is other
    assert server.jobs[0].status is JobStatus.CANCELLED


def test_a_started_job_that_no_listing_shows_yet_is_returned():
    server = Server(True)
    assert server.run(list) is server.jobs[0]
    assert server.jobs[0].status is JobStatus.PENDING


def test_a_started_job_is_returned_though_the_second_look_fails():
    server = Server(True)
    looks = iter([[], ConnectionFailed("gone")])

    def find():
        look = next(looks)
        if isinstance(look, Exception):
            raise look
        return look

    assert server.run(find) is server.jobs[0]


@pytest.mark.parametrize("cut", [ConnectionFailed, NDJSONError])
@pytest.mark.parametrize("answer", [True, False], ids=["answered", "lost"])
def test_a_look_that_breaks_off_in_the_middle_is_taken_again(cut, answer):
    server = Server(answer)
    other = a_job(1)
    looks = iter([cut, None, cut, cut, None])

    def find():
        look = next(looks)
        if look is not None:
            raise look("cut", status=200)
        return [*server.jobs, other] if server.jobs else []

    assert server.run(find) is other
    assert server.jobs[0].status is JobStatus.CANCELLED


def test_looks_that_break_off_again_and_again_are_told():
    looks = []

    def find():
        looks.append(1)
        raise ConnectionFailed("cut", status=200)

    with pytest.raises(ConnectionFailed, match="cut"):
        Server().run(find)
    assert len(looks) == 3


@given(st.text())
def test_any_key_makes_a_tag_that_the_platform_takes(key):
    tag = idempotency_tag(key)
    assert tag == idempotency_tag(key)
    assert 1 <= len(tag) <= 256
    assert not any(character.isspace() for character in tag)


def test_keys_of_surrogates_are_keys_too():
    assert idempotency_tag("\ud800") != idempotency_tag("\udfff")
