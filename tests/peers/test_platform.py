"""The platform's own SDKs do with a local platform what they do with the platform, and see there what we see."""

import sys

import pytest

from neuro_sync import JobStatus

from .comparing import assert_same, fields_of, joined

START = {"image": {"$image": "ubuntu"}, "preset_name": "cpu-small"}
GREETER = (
    "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(9); "
    "print(s.getsockname()[1], flush=True)\n"
    "while True: c = s.accept()[0]; c.sendall(b'hello'); c.close()"
)


def _order(both, method, *, talk=False, limit=None, **arguments):
    order = {"method": method, "arguments": arguments, "fields": fields_of(both)}
    return dict(order, talk=talk, limit=limit)


@pytest.fixture
def they(at_platform):
    """What comes of something in the peer, which has to succeed."""

    def they(*what, **arguments):
        result = at_platform.peer(_order(at_platform, *what, **arguments))[0]
        assert "result" in result, result
        return result["result"]

    return they


@pytest.fixture
def same(at_platform):
    """What comes of something with us, which has to be what comes of it in the peer."""

    def same(*what, **arguments):
        at_platform.comparisons += 1
        order = _order(at_platform, *what, **arguments)
        theirs, ours = at_platform.peer(order)[0], at_platform.us(order)[0]
        if order["talk"]:
            for answer in (theirs, ours):
                answer["result"]["messages"] = joined(answer["result"]["messages"])
        assert_same(theirs, ours)
        return ours["result"]

    return same


@pytest.fixture(scope="module")
def running(at_platform):
    """A job that the peer has started, and that runs."""
    order = {
        "method": "start",
        "arguments": {**START, "command": "sleep 600", "life_span": 3600, "tags": ["peers"]},
        "fields": {"JobDescription": ["id"]},
    }
    job = at_platform.peer(order)[0]["result"]["id"]
    at_platform.ours.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    yield job
    at_platform.ours.kill(job)


def test_a_job_from_its_start_to_its_end(they, same, at_platform):
    job = they(
        "start",
        **START,
        command="sh -c 'echo $A; exit 3'",
        env={"A": "one", "EMPTY": ""},
        http={"$": "HTTPPort", "port": 8080, "requires_auth": False},
        tags=["b", "a"],
        description="text",
        life_span=3600,
        schedule_timeout=60.0,
        priority={"$enum": "JobPriority", "member": "HIGH"},
        restart_policy={"$enum": "JobRestartPolicy", "member": "NEVER"},
        pass_config=True,
        wait_for_jobs_quota=True,
        shm=True,
        name="sdk-job",
    )["id"]
    at_platform.ours.wait(job, timeout=30)
    ended = same("status", id=job)
    assert ended["status"] == "FAILED"
    assert ended["history"]["exit_code"] == "3.0"
    assert ended["tags"] == ["a", "b"]
    assert ended["life_span"] == "3600.0"
    assert [job["id"] for job in same("list", name="sdk-job", limit=1, reverse=True)] == [
        ended["id"]
    ]
    assert "".join(same("monitor", id=job)) == "one\n"
    assert "".join(same("monitor", id=job, timestamps=True)).endswith("Z one\n")


def test_a_container_with_resources_of_its_own(they, same, at_platform):
    resources = {"$": "Resources", "memory": 2**27, "cpu": 0.1}
    container = {
        "$": "Container",
        "image": {"$image": "ubuntu"},
        "resources": resources,
        "command": "true",
    }
    job = they("run", container=container)["id"]
    at_platform.ours.wait(job, timeout=30)
    assert same("status", id=job)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_in_a_job(same, running, code):
    result = same(
        "exec",
        talk=True,
        id=running,
        cmd="sh -c 'echo out; exit {}'".format(code),
        stdout=True,
        stderr=True,
    )
    assert "".join(data for _, data in result["messages"]) == "out\n"
    assert result["exit_code"] == repr(float(code))


def test_telemetry(they, running):
    (sample,) = they("top", id=running, limit=1)
    assert float(sample["memory_bytes"]) > 0


def test_capacity(same):
    assert set(same("get_capacity")) == {"cpu-small", "cpu-medium", "cpu-large"}


def test_more_time(they, at_platform, running):
    before = at_platform.ours.status(running).life_span
    they("bump_life_span", id=running, additional_life_span=3600)
    assert at_platform.ours.status(running).life_span == before + 3600


def test_a_port(they, same, at_platform):
    job = they("start", **START, command='{} -c "{}"'.format(sys.executable, GREETER))["id"]
    port = int(next(at_platform.ours.monitor(job).lines()))
    assert same("port_forward", id=job, job_port=port) == "hello"
    at_platform.ours.kill(job)


def test_a_signal_and_an_end(they, at_platform):
    jobs = [they("start", **START, command="sleep 600")["id"] for _ in range(2)]
    for job in jobs:
        at_platform.ours.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    they("send_signal", id=jobs[0])
    they("kill", id=jobs[1])
    ended = [at_platform.ours.wait(job, timeout=30) for job in jobs]
    assert [job.status for job in ended] == [JobStatus.FAILED, JobStatus.CANCELLED]


NOT_THERE = {"id": "job-0"}


@pytest.mark.parametrize(
    ("method", "arguments", "reason"),
    [
        ("start", {**START, "preset_name": "no-such"}, "no-such"),
        ("start", {**START, "name": "-"}, "name"),
        ("status", NOT_THERE, "no such job job-0"),
        ("kill", NOT_THERE, "no such job job-0"),
        ("exec", {**NOT_THERE, "cmd": "true", "stdout": True}, "no such job job-0"),
        ("top", NOT_THERE, "no such job job-0"),
        ("save", {**NOT_THERE, "image": {"$image": "image:a:v1"}}, "no such job job-0"),
    ],
)
def test_what_is_refused_is_refused_for_the_same_reason(at_platform, method, arguments, reason):
    at_platform.comparisons += 1
    order = _order(at_platform, method, **arguments)
    theirs, ours = at_platform.peer(order)[0], at_platform.us(order)[0]
    assert set(theirs["bases"]) <= set(ours["bases"])
    assert reason in theirs["text"]
    assert reason in ours["text"]


def test_saving_is_refused_in_the_answer(at_platform, running):
    arguments = {"id": running, "image": {"$image": "image:a:v1"}}
    order = _order(at_platform, "save", **arguments)
    for answer in (at_platform.peer(order)[0], at_platform.us(order)[0]):
        assert "cannot save images" in answer["text"]
