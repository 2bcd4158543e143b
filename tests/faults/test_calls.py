"""Calls whose answers get lost or are refused: reads never fail for it, starts happen once."""

from collections import Counter

import pytest

from neuro_sync import (
    AuthenticationError,
    ConnectionFailed,
    JobsClient,
    JobStatus,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
)
from neuro_sync.local import LocalPlatform

CALLS = 1000
STARTS = 500


def test_a_thousand_reads_of_which_a_tenth_goes_wrong(flaky_jobs, sleeper, faults, figure):
    switches = [
        lambda: faults.reset_after(0, endpoint="status"),
        lambda: faults.refuse("status", status=502),
        lambda: faults.refuse("status", status=503),
        lambda: faults.answer(429, retry_after=0.01, endpoint="status"),
    ]
    raised = Counter()
    for number in range(CALLS):
        if number % 10 == 0:
            switches[number // 10 % len(switches)]()
        try:
            assert flaky_jobs.status(sleeper.id).status is JobStatus.RUNNING
        except Exception as error:
            raised[type(error).__name__] += 1
    figure(
        "{:,} status calls, a tenth answered by reset, 502, 503 or 429".format(CALLS),
        "0 raised",
        "{} raised".format(sum(raised.values())),
    )
    assert not raised
    assert faults.seen("status") == CALLS + CALLS // 10


def test_reads_survive_a_flaky_way_to_each_endpoint(flaky_jobs, sleeper, faults):
    """Each call that may be repeated is."""
    calls = {
        "status": lambda: flaky_jobs.status(sleeper.id),
        "capacity": flaky_jobs.get_capacity,
        "config": lambda: flaky_jobs.config.fetch(),
    }
    for endpoint, call in calls.items():
        for status in (429, 500, 502, 503, 504):
            faults.answer(status, endpoint=endpoint)
            call()
        faults.reset_after(0, endpoint=endpoint)
        call()
        faults.lose_answer(endpoint)
        call()
        assert faults.seen(endpoint) == 14


def test_a_listing_is_asked_for_again_until_it_has_begun(flaky_jobs, sleeper, faults):
    for status in (429, 500, 502, 503, 504):
        faults.answer(status, endpoint="list")
        assert sleeper.id in {job.id for job in flaky_jobs.list()}
    faults.reset_after(0, endpoint="list")
    with pytest.raises(ConnectionFailed):
        list(flaky_jobs.list())


@pytest.fixture
def start(flaky_jobs):
    """Starts jobs of a tag, and kills them."""
    used = set()

    def start(tag):
        used.add(tag)
        return flaky_jobs.start(
            image="ubuntu", preset_name="cpu-small", command="sleep 600", tags=[tag]
        )

    yield start
    for tag in used:
        for job in flaky_jobs.list(tags=[tag], statuses=JobStatus.active_items()):
            flaky_jobs.kill(job.id)


def test_starts_whose_answers_get_lost_happen_once(figure):
    """On a platform of its own: so many jobs would be a burden for what comes after."""
    with LocalPlatform() as platform, platform.client(retry=RetryPolicy(base=0.01)) as client:
        jobs, faults = client.jobs, platform.faults

        def start(**options):
            return jobs.start(
                image="ubuntu", preset_name="cpu-small", command="sleep 600", **options
            )

        faults.lose_answer("start", times=STARTS)
        answers = [
            start(tags=["keyed"], idempotency_key="key-{}".format(number)).id
            for number in range(STARTS)
        ]
        keyed = [job.id for job in jobs.list(tags=["keyed"])]

        faults.clear()
        faults.lose_answer("start", times=STARTS)
        unknown = 0
        for number in range(STARTS):
            try:
                start(tags=["unkeyed"], name="unkeyed-{}".format(number))
            except OutcomeUnknown:
                unknown += 1
        unkeyed = Counter(job.name for job in jobs.list(tags=["unkeyed"]))
        sent = faults.seen("start")

    figure(
        "{} starts with the answer cut after the job was made".format(STARTS),
        "with a key {0} jobs, {0} answers; without no job twice".format(STARTS),
        "with a key {} jobs, {} answers; without {} jobs twice".format(
            len(keyed), len(set(answers)), sum(count > 1 for count in unkeyed.values())
        ),
    )
    assert len(keyed) == STARTS
    assert set(answers) == set(keyed)
    assert unknown == STARTS
    assert sent == STARTS
    assert len(unkeyed) == STARTS
    assert set(unkeyed.values()) == {1}


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_refused_start_without_a_key_is_not_sent_again(faults, start, status):
    faults.refuse("start", status=status)
    with pytest.raises(ServerError) as caught:
        start("once")
    assert caught.value.status == status
    assert faults.seen("start") == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_start_that_the_server_invites_again_is_sent_again(faults, start, status):
    faults.answer(status, retry_after=0.01, endpoint="start")
    start("again")
    assert faults.seen("start") == 2


def test_a_life_span_is_never_added_twice(flaky_jobs, sleeper, faults):
    faults.lose_answer("max_run_time")
    with pytest.raises(OutcomeUnknown):
        flaky_jobs.bump_life_span(sleeper.id, 600)
    assert faults.seen("max_run_time") == 1
    assert flaky_jobs.status(sleeper.id).life_span == 600


def test_a_signal_and_a_command_are_not_sent_twice(flaky_jobs, sleeper, faults):
    faults.reset_after(0, endpoint="exec")
    with pytest.raises(ConnectionFailed):
        flaky_jobs.exec_run(sleeper.id, "true")
    faults.lose_answer("signal")
    with pytest.raises(OutcomeUnknown):
        flaky_jobs.send_signal(sleeper.id)
    assert (faults.seen("signal"), faults.seen("exec")) == (1, 1)


def test_a_kill_whose_answer_gets_lost_is_repeated(flaky_jobs, sleeper, faults):
    faults.lose_answer("kill")
    flaky_jobs.kill(sleeper.id)
    assert faults.seen("kill") == 2
    assert flaky_jobs.wait(sleeper.id, timeout=30).status is JobStatus.CANCELLED


def test_an_expired_token_of_a_function_is_asked_for_anew(flaky_platform, faults):
    tokens = [flaky_platform.token]
    asked = []

    def token():
        asked.append(tokens[-1])
        return tokens[-1]

    with JobsClient(flaky_platform.api_url, token) as jobs:
        list(jobs.list(limit=1))
        faults.expire_token()
        with pytest.raises(AuthenticationError):
            list(jobs.list(limit=1))
        tokens.append(flaky_platform.token)
        list(jobs.list(limit=1))
    assert set(asked) == set(tokens)
