"""A start with a key makes one job, whatever gets lost on the way, over a platform that knows no keys."""

import itertools
import threading
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuro_sync import (
    IllegalArgumentError,
    JobStatus,
    OutcomeUnknown,
    RetryPolicy,
    ServerError,
    ServerNotAvailable,
)
from neuro_sync.jobs.starting import idempotency_tag

from .conftest import CUT, JOB, NOT_SENT, SILENT

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


class Platform:
    """Keeps jobs, and makes of each start what it is told: see ``script``."""

    def __init__(self):
        self.jobs = []
        self.starts = 0
        # For each start one of: "answer", "lose" (make the job and lose the answer), or what is answered
        # without making a job. Then "answer".
        self.script = []
        self.before_start = lambda: None
        self.away = set()  # methods that get no answer of it
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def make(self, body):
        number = next(self._numbers)
        created = (NOON + timedelta(seconds=number)).isoformat()
        job = {
            **JOB,
            "id": "job-{}".format(number),
            "name": body.get("name"),
            "status": "pending",
            "statuses": [],
            "history": {"status": "pending", "created_at": created},
            "tags": sorted(set(body.get("tags", ()))),
            "cluster_name": body["cluster_name"],
            "org_name": body["org_name"],
            "project_name": body["project_name"],
        }
        self.jobs.append(job)
        return job

    def __call__(self, request):
        if request.method in self.away:
            return 502
        if request.method == "POST":
            self.before_start()
            with self._lock:
                return self._start(request.json)
        with self._lock:
            if request.method == "DELETE":
                return self._kill(request.url.rpartition("/")[2])
            return 200, {"jobs": self._found(request.query)}

    def _start(self, body):
        self.starts += 1
        what = self.script.pop(0) if self.script else "answer"
        if body.get("name") in [job["name"] for job in self.jobs if job["name"]]:
            what = 400, {"error": "the name already exists"}
        if what not in ("answer", "lose"):
            return what
        job = self.make(body)
        return (202, job) if what == "answer" else CUT

    def _kill(self, id):
        for job in self.jobs:
            if job["id"] == id:
                job["status"] = "cancelled"
        return 204

    def _found(self, query):
        found = self.jobs
        for name in ("cluster_name", "org_name", "project_name"):
            wanted = [value for key, value in query if key == name]
            found = [job for job in found if not wanted or job[name] in wanted]
        for name in ("being_dropped", "logs_removed"):
            if (name, "False") in query:
                found = [job for job in found if not job.get(name)]
        tags = {value for key, value in query if key == "tag"}
        return [job for job in found if tags <= set(job["tags"])]

    def active(self):
        return [job["id"] for job in self.jobs if job["status"] not in ("cancelled", "failed")]


@pytest.fixture
def platform(api):
    platform = Platform()
    api.handler = platform
    return platform


def start(jobs, key="nightly", **options):
    return jobs.start(image="ubuntu", preset_name="cpu-small", idempotency_key=key, **options)


def test_the_job_has_the_tag_of_the_key_and_those_of_the_user(jobs, platform):
    job = start(jobs, tags=["mine"])
    assert set(job.tags) == {"mine", idempotency_tag("nightly")}


def test_a_second_start_returns_the_first_job(jobs, platform):
    first = start(jobs)
    assert start(jobs).id == first.id
    assert platform.starts == 1


def test_another_process_finds_it_too(connect, platform):
    first = start(connect())
    assert start(connect()).id == first.id
    assert len(platform.jobs) == 1


@pytest.mark.parametrize("status", sorted(status.value for status in JobStatus.items()))
def test_it_is_found_in_any_state(jobs, platform, status):
    first = start(jobs)
    platform.jobs[0]["status"] = status
    again = start(jobs)
    assert (again.id, again.status.value) == (first.id, status)


@pytest.mark.parametrize("gone", ["being_dropped", "logs_removed"])
def test_it_is_found_when_its_logs_are_gone(jobs, platform, gone):
    first = start(jobs)
    platform.jobs[0].update({"status": "succeeded", gone: True})
    assert start(jobs).id == first.id
    assert [job.id for job in jobs.list()] == []


def test_other_keys_make_other_jobs_and_no_key_makes_a_new_one(jobs, platform):
    started = [start(jobs, "a"), start(jobs, "b"), start(jobs, None), start(jobs, None)]
    assert len({job.id for job in started}) == 4


def test_a_key_counts_in_its_own_project(jobs, platform):
    first = start(jobs)
    other = start(jobs, project_name="zoo")
    assert other.id != first.id
    assert other.project_name == "zoo"


def test_the_job_of_a_lost_answer_is_found_and_no_second_one_made(jobs, platform):
    platform.script = ["lose"]
    job = start(jobs)
    assert [job.id] == platform.active() == ["job-1"]
    assert platform.starts == 1


@pytest.mark.parametrize("failure", [CUT, SILENT, 502, 500, 504], ids=repr)
def test_a_start_that_did_not_arrive_is_sent_again(jobs, platform, clock, failure):
    platform.script = [failure, failure]
    assert start(jobs).id == "job-1"
    assert platform.starts == 3
    assert clock.slept == [0.25, 0.5]


def test_a_start_that_was_not_even_sent_is_repeated_by_the_transport(jobs, platform):
    platform.script = [NOT_SENT]
    assert start(jobs).id == "job-1"


@pytest.mark.parametrize(("failure", "cls"), [(CUT, OutcomeUnknown), (502, ServerError)])
def test_when_every_start_is_lost_and_nothing_found_that_is_said(jobs, platform, failure, cls):
    platform.script = [failure] * 3
    with pytest.raises(cls):
        start(jobs)
    assert platform.starts == 3


def test_a_start_that_may_come_again_does_so_no_more_often_than_others(jobs, platform):
    platform.script = [(503, "", {"Retry-After": "0"})] * 9
    with pytest.raises(ServerNotAvailable):
        start(jobs)
    assert platform.starts == 3


def test_all_tries_of_a_start_have_one_deadline(connect, api, platform, clock):
    jobs = connect(retry=RetryPolicy(attempts=9, deadline=30.0))

    def silent():
        clock.now += min(20.0, api.requests[-1].timeout[1])

    platform.before_start = silent
    platform.script = [SILENT] * 9
    with pytest.raises(OutcomeUnknown):
        start(jobs)
    assert platform.starts == 2
    assert clock.now == 1030.0


def test_a_refused_start_is_final(jobs, platform):
    platform.script = [(400, {"error": "no credits"})]
    with pytest.raises(IllegalArgumentError, match="no credits"):
        start(jobs)
    assert platform.starts == 1


UNREADABLE = [(202, ""), (202, '{"id": '), (200, "<html>a portal</html>"), (202, "{}"), (202, "[]")]


@pytest.mark.parametrize("answer", UNREADABLE, ids=repr)
def test_an_answer_that_cannot_be_read_is_a_lost_one(jobs, platform, answer):
    platform.script = [answer]
    with pytest.raises(OutcomeUnknown, match="may have been started") as caught:
        start(jobs, None)
    assert (caught.value.status, caught.value.method) == (answer[0], "POST")
    platform.script = [answer]
    assert start(jobs).id == "job-1"
    assert platform.starts == 3


def test_without_a_key_a_lost_answer_is_told_and_nothing_is_looked_for(jobs, api, platform):
    platform.script = ["lose"]
    with pytest.raises(OutcomeUnknown):
        start(jobs, None)
    assert [request.method for request in api.requests] == ["POST"]


@pytest.mark.parametrize("name", [None, "train"])
@pytest.mark.parametrize("count", [2, 5])
def test_starts_at_one_moment_end_with_one_job_that_all_get(connect, platform, count, name):
    together = threading.Barrier(count)
    platform.before_start = lambda: together.wait(10)
    found = []

    def run():
        found.append(start(connect(), name=name).id)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert platform.starts == count
    assert platform.active() == ["job-1"]
    assert found == ["job-1"] * count


@pytest.mark.parametrize("script", [["lose", "answer"], ["lose", "lose"]], ids=repr)
def test_a_race_with_lost_answers_ends_with_one_job_too(connect, platform, script):
    platform.script = script
    together = threading.Barrier(2)
    platform.before_start = lambda: together.wait(10)
    found = []
    threads = [threading.Thread(target=lambda: found.append(start(connect()).id)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == ["job-1"] * 2
    assert platform.active() == ["job-1"]


def test_a_lost_start_that_cannot_be_looked_for_is_unknown(jobs, platform):
    platform.script = ["lose"]
    platform.before_start = lambda: platform.away.add("GET")
    with pytest.raises(OutcomeUnknown, match="can't be seen") as caught:
        start(jobs)
    assert caught.value.method == "POST"
    assert platform.starts == 1


def test_a_start_that_was_not_tried_is_not_unknown(jobs, platform):
    platform.away = {"GET"}
    with pytest.raises(ServerError):
        start(jobs)
    assert platform.starts == 0


@pytest.mark.parametrize("away", ["GET", "DELETE"])
def test_an_answered_start_is_returned_whatever_becomes_of_the_rest(jobs, platform, away, caplog):
    def at_the_same_moment():
        platform.make({"cluster_name": "default", "org_name": "acme", "project_name": "vision",
                       "tags": [idempotency_tag("nightly")]})  # fmt: skip
        platform.away.add(away)

    platform.before_start = at_the_same_moment
    assert start(jobs).id == ("job-2" if away == "GET" else "job-1")
    assert [record.levelname for record in caplog.records if record.name.startswith("neuro_sync")]


@settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(key=st.text())
def test_any_text_is_a_key(api, connect, key):
    api.handler = platform = Platform()
    jobs = connect()
    assert start(jobs, key).id == start(jobs, key).id
    assert len(platform.jobs) == 1


def test_ctrl_c_while_a_start_is_looked_for_is_not_kept_back(jobs, platform, api):
    def interrupted():
        raise KeyboardInterrupt

    platform.before_start = interrupted
    with pytest.raises(KeyboardInterrupt):
        start(jobs)
    assert platform.jobs == []
