"""Which calls are tried again, after what, how often and how patiently."""

import email.utils
import time

import pytest
import requests
import urllib3

from neuro_sync import (
    BadGateway,
    ConnectionFailed,
    Container,
    JobNotFound,
    NeuroError,
    OutcomeUnknown,
    RateLimited,
    RemoteImage,
    Resources,
    RetryPolicy,
    ServerError,
    ServerNotAvailable,
)
from neuro_sync.transport.retry import RetryQuota

from .conftest import CUT, JOB, NOT_SENT, SILENT

CONTAINER = Container(image=RemoteImage("ubuntu"), resources=Resources(2**24))

REPEATABLE = {
    "status": lambda jobs: jobs.status("job-1"),
    "kill": lambda jobs: jobs.kill("job-1"),
    "get_capacity": lambda jobs: jobs.get_capacity(),
    "list": lambda jobs: list(jobs.list()),
}
ONCE = {
    "start": lambda jobs: jobs.start(image="ubuntu", preset_name="cpu-small"),
    "run": lambda jobs: jobs.run(CONTAINER),
    "bump_life_span": lambda jobs: jobs.bump_life_span("job-1", 60),
    "send_signal": lambda jobs: jobs.send_signal("job-1"),
    "save": lambda jobs: jobs.save("job-1", "image:a", progress=False),
}
ANSWERS = {
    "status": (200, JOB),
    "kill": 204,
    "get_capacity": (200, {}),
    "list": (200, "", {"Content-Type": "application/x-ndjson"}),
    "start": (202, JOB),
    "run": (202, JOB),
    "bump_life_span": 204,
    "send_signal": 204,
}

repeatable = pytest.mark.parametrize("name", sorted(REPEATABLE))
once = pytest.mark.parametrize("name", sorted(ONCE))
pytestmark = pytest.mark.filterwarnings("ignore:run:DeprecationWarning")


@repeatable
@pytest.mark.parametrize("failure", [429, 500, 502, 503, 504, NOT_SENT, CUT, SILENT])
def test_what_may_be_repeated_is(jobs, api, clock, name, failure):
    api.answers(failure, failure, ANSWERS[name])
    REPEATABLE[name](jobs)
    assert len(api.requests) == 3
    assert clock.slept == [0.25, 0.5]


@repeatable
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 501])
def test_a_refusal_is_final(jobs, api, name, status):
    api.answers(status)
    with pytest.raises(NeuroError) as caught:
        REPEATABLE[name](jobs)
    assert len(api.requests) == 1
    assert caught.value.attempts == 1


@once
@pytest.mark.parametrize("failure", [CUT, SILENT], ids=["cut", "silent"])
def test_what_may_have_happened_is_not_repeated(jobs, api, name, failure):
    api.answers(failure)
    with pytest.raises(OutcomeUnknown, match="may have taken effect") as caught:
        ONCE[name](jobs)
    assert len(api.requests) == 1
    error = caught.value
    assert (error.attempts, error.method) == (1, api.requests[0].method)
    assert error.url == api.requests[0].url
    assert str(error).count(error.url) == 1


@once
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_does_not_say_that_nothing_happened(jobs, api, name, status):
    api.answers(status)
    with pytest.raises(ServerError):
        ONCE[name](jobs)
    assert len(api.requests) == 1


@pytest.mark.parametrize("name", sorted(set(ONCE) - {"save"}))
@pytest.mark.parametrize(
    "failure",
    [NOT_SENT, 429, (503, "", {"Retry-After": "1"}), (503, "", {"Retry-After": "0"})],
    ids=["not sent", "429", "503 with a time", "503 at once"],
)
def test_what_surely_did_not_happen_is_tried_again(jobs, api, name, failure):
    api.answers(failure, ANSWERS[name])
    ONCE[name](jobs)
    assert len(api.requests) == 2


@repeatable
def test_after_all_tries_the_last_error_says_how_many(jobs, api, name):
    api.answers(503, 502)
    with pytest.raises(BadGateway) as caught:
        REPEATABLE[name](jobs)
    assert caught.value.attempts == len(api.requests) == 3
    assert "3 tries" in str(caught.value)


def test_a_connection_that_never_comes_up_is_told_with_its_reason(jobs, api):
    api.answers(NOT_SENT)
    with pytest.raises(ConnectionFailed, match=r"no connection to api\.example") as caught:
        jobs.status("job-1")
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.attempts == 3
    assert caught.value.status is None
    assert caught.value.__cause__ is NOT_SENT


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_policy_says_how_often(api, connect, attempts):
    jobs = connect(retry=RetryPolicy(attempts=attempts))
    api.answers(CUT)
    with pytest.raises(ConnectionFailed):
        jobs.status("job-1")
    assert len(api.requests) == attempts


def test_pauses_grow_up_to_the_cap(api, connect, clock):
    api.answers(500)
    with pytest.raises(ServerError):
        connect(retry=RetryPolicy(attempts=6, base=1.0, cap=5.0)).status("job-1")
    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("1.5", 1.5), (" 3 ", 3.0), ("0", 0.0), ("soon", 0.25), ("-1", 0.25), ("", 0.25)],
)
def test_the_server_says_how_long_to_wait(jobs, api, clock, status, value, seconds):
    api.answers((status, "", {"Retry-After": value}), (200, JOB))
    jobs.status("job-1")
    assert clock.slept == [seconds]


def test_a_date_is_measured_by_the_servers_own_clock(jobs, api, clock):
    wrong = 86400.0 * 365
    headers = {
        "Date": email.utils.formatdate(wrong, usegmt=True),
        "Retry-After": email.utils.formatdate(wrong + 7, usegmt=True),
    }
    api.answers((503, "", headers), (200, JOB))
    jobs.status("job-1")
    assert clock.slept == [7.0]


def test_a_date_of_a_server_that_tells_no_time_is_measured_by_ours(jobs, api, clock):
    headers = {"Retry-After": email.utils.formatdate(time.time() + 40, usegmt=True)}
    api.answers((503, "", headers), (204, ""))
    jobs.send_signal("job-1")
    assert len(clock.slept) == 1
    assert 10 < clock.slept[0] <= 40


@pytest.mark.parametrize("status", [500, 502, 504])
def test_only_who_is_overloaded_is_waited_for_as_it_says(jobs, api, clock, status):
    api.answers((status, "", {"Retry-After": "7"}), (200, JOB))
    jobs.status("job-1")
    assert clock.slept == [0.25]


@pytest.mark.parametrize(("status", "cls"), [(429, RateLimited), (503, ServerNotAvailable)])
def test_a_wait_beyond_the_deadline_is_left_to_the_caller(jobs, api, clock, status, cls):
    api.answers((status, "", {"Retry-After": "3600"}))
    with pytest.raises(cls) as caught:
        jobs.status("job-1")
    assert caught.value.retry_after == 3600.0
    assert caught.value.attempts == 1
    assert clock.slept == []


def test_no_try_begins_after_the_deadline(api, connect, clock):
    def slow(request):
        clock.now += 6.0
        return CUT

    api.handler = slow
    with pytest.raises(ConnectionFailed):
        connect(retry=RetryPolicy(attempts=10, deadline=10.0)).status("job-1")
    assert len(api.requests) == 2


def test_in_an_outage_the_tries_of_a_client_end(jobs, api):
    jobs._http.retrier.quota = RetryQuota(capacity=20, cost=5)
    api.answers(502)
    tries = []
    for _ in range(4):
        with pytest.raises(BadGateway) as caught:
            jobs.status("job-1")
        tries.append(caught.value.attempts)
    assert tries == [3, 3, 1, 1]


def test_a_time_out_is_dearer_than_a_quick_failure(jobs, api):
    jobs._http.retrier.quota = RetryQuota(capacity=20, cost=5, timeout_cost=10)
    api.answers(SILENT)
    for expected in (3, 1):
        with pytest.raises(ConnectionFailed) as caught:
            jobs.status("job-1")
        assert caught.value.attempts == expected


def test_what_goes_well_gives_tries_back(jobs, api):
    quota = jobs._http.retrier.quota = RetryQuota(capacity=20, cost=5)
    api.answers(502)
    with pytest.raises(BadGateway):
        jobs.kill("job-1")
    assert quota.left == 10
    api.answers(204)
    jobs.kill("job-1")
    assert quota.left == 11
    api.answers(502, 204)
    jobs.kill("job-1")
    assert quota.left == 11


def test_clients_have_quotas_of_their_own(connect):
    assert connect()._http.retrier.quota is not connect()._http.retrier.quota


@repeatable
def test_ctrl_c_ends_a_call_at_once(jobs, api, clock, name):
    def interrupted(request):
        raise KeyboardInterrupt

    api.handler = interrupted
    with pytest.raises(KeyboardInterrupt):
        REPEATABLE[name](jobs)
    assert len(api.requests) == 1
    assert clock.slept == []


def test_a_bug_is_not_tried_again(jobs, api):
    api.answers(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        jobs.status("job-1")
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("failure", "cls", "words", "tries"),
    [
        (
            requests.exceptions.ProxyError(urllib3.exceptions.ProxyError("x", OSError("503 busy"))),
            ConnectionFailed,
            "the proxy for api.example refused",
            3,
        ),
        (
            requests.exceptions.ProxyError(OSError("Tunnel connection failed: 407 Auth")),
            ConnectionFailed,
            "407",
            1,
        ),
        (requests.exceptions.InvalidURL("x"), ValueError, "not a URL", 1),
        (requests.ConnectTimeout("x"), ConnectionFailed, "in time", 3),
        (requests.exceptions.ContentDecodingError("x"), ConnectionFailed, "broke", 3),
    ],
)
def test_what_the_libraries_raise_is_translated(jobs, api, failure, cls, words, tries):
    api.answers(failure)
    with pytest.raises(cls, match=words):
        jobs.status("job-1")
    assert len(api.requests) == tries


def test_a_job_that_is_not_there_ends_its_kill_at_once(jobs, api):
    api.answers(502, (400, {"error": "no such job job-1"}))
    with pytest.raises(JobNotFound) as caught:
        jobs.kill("job-1")
    assert caught.value.attempts == 2
