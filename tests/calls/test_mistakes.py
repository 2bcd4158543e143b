"""What is easily written wrong is said at once, in words that help, and nothing is sent."""

import inspect
from types import SimpleNamespace

import pytest

from neuro_sync import Client, Factory, JobsClient, Timeout, get
from neuro_sync.transport.retry import TimeoutLike

from .conftest import API, JOB, TOKEN

START = {"image": "ubuntu", "preset_name": "cpu-small"}

MISTAKES = [
    (lambda jobs: jobs.start(command=["ls", "/"], **START), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.start(entrypoint=["ls"], **START), TypeError, "entrypoint .*shlex.quote"),
    (lambda jobs: jobs.start(volumes="storage:d:/d", **START), ValueError, r"\['storage:d:/d'\]"),
    (lambda jobs: jobs.start(secret_files="secret:k:/k", **START), ValueError, "several"),
    (lambda jobs: jobs.start(disk_volumes="disk:d:/d", **START), ValueError, "several"),
    (lambda jobs: jobs.start(tags="one", **START), ValueError, r"\['one'\]"),
    (lambda jobs: jobs.start(tags="one", idempotency_key="k", **START), ValueError, r"\['one'\]"),
    (lambda jobs: jobs.wait(SimpleNamespace(id="job-1")), TypeError, "job id .*take its .id"),
    (lambda jobs: jobs.status(None), TypeError, "job id"),
    (lambda jobs: jobs.kill(None), TypeError, "job id"),
    (lambda jobs: jobs.bump_life_span(None, 60), TypeError, "job id"),
    (lambda jobs: jobs.send_signal(None), TypeError, "job id"),
    (lambda jobs: jobs.wait(None), TypeError, "job id"),
    (lambda jobs: jobs.as_completed([None]), TypeError, "job id"),
    (lambda jobs: jobs.save(None, "image:one:v1"), TypeError, "job id"),
    (lambda jobs: jobs.exec(None, "ls", stdout=True), TypeError, "job id"),
    (lambda jobs: jobs.attach(None, stdout=True), TypeError, "job id"),
    (lambda jobs: jobs.monitor(None), TypeError, "job id"),
    (lambda jobs: jobs.top(None), TypeError, "job id"),
    (lambda jobs: jobs.port_forward(None, 0, 80), TypeError, "job id"),
    (lambda jobs: jobs.exec_run("job-1", ["ls"]), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.exec_run("job-1", ["ls"], input=b"x"), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.exec_run("job-1", "", input=b"x"), ValueError, "command is empty"),
    (lambda jobs: jobs.exec_run("job-1", "cat", input="text"), TypeError, r"encode\(\)"),
    (lambda jobs: jobs.exec_run("job-1", "cat", input=3), TypeError, "bytes-like"),
    (lambda jobs: jobs.start_and_wait(output="log.txt", **START), TypeError, "file or a callable"),
]


@pytest.mark.parametrize(("call", "kind", "words"), MISTAKES)
def test_it_is_said_before_anything_is_sent(jobs, api, call, kind, words):
    with pytest.raises(kind, match=words):
        call(jobs)
    assert api.requests == []


ARGUMENTS = [
    ({"timeout": None}, TypeError, r"timeout must be a neuro_sync.Timeout, .*not NoneType"),
    ({"timeout": "5"}, TypeError, r"\(connect, read\), not str"),
    ({"timeout": True}, TypeError, "not bool"),
    ({"timeout": (1, 2, 3)}, TypeError, "not tuple"),
    ({"timeout": (None, 2)}, TypeError, "not tuple"),
    ({"timeout": 0}, ValueError, "above 0 seconds, not 0"),
    ({"timeout": (1, float("nan"))}, ValueError, "above 0 seconds"),
    ({"retry": 5}, TypeError, r"retry must be a neuro_sync.RetryPolicy, .*not int"),
    ({"retry": None}, TypeError, "not NoneType"),
    ({"token": None}, TypeError, "token must be a str, or a callable .*not NoneType"),
    ({"token": TOKEN.encode()}, TypeError, "not bytes"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), ARGUMENTS)
@pytest.mark.parametrize("make", [JobsClient, Client.from_token], ids=["JobsClient", "Client"])
def test_a_client_is_not_made_of_what_it_cannot_be(make, arguments, kind, words):
    with pytest.raises(kind, match=words) as caught:
        make(API, **{"token": TOKEN, **arguments})
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (5, Timeout(5, 5)),
        (0.5, Timeout(0.5, 0.5)),
        ((1, 2.5), Timeout(1, 2.5)),
        ((1, None), Timeout(1, None)),
        (Timeout(3, None), Timeout(3, None)),
    ],
)
def test_a_timeout_is_said_as_requests_has_it_too(api, connect, given, meant):
    jobs = connect(timeout=given)
    assert jobs._http.timeout == jobs._ws.timeout == meant
    api.answers((200, JOB))
    assert jobs.status("job-1").id == JOB["id"]


def test_a_login_on_disk_takes_the_same(api, tmp_path):
    api.answers((200, {}))
    factory = Factory(tmp_path / "login")
    factory.login_with_token(TOKEN, url=API, timeout=5)
    with factory.get(timeout=(1, 2)) as client:
        assert client.jobs._http.timeout == client.jobs._ws.timeout == Timeout(1, 2)
    for arguments, kind, words in ARGUMENTS:
        if "token" not in arguments:
            with pytest.raises(kind, match=words):
                factory.get(**arguments)


@pytest.mark.parametrize(
    "call",
    [
        JobsClient,
        Client.from_token,
        get,
        Factory.get,
        Factory.login,
        Factory.login_headless,
        Factory.login_with_token,
        Factory.login_with_passed_config,
    ],
    ids=lambda call: call.__qualname__,
)
def test_a_type_checker_is_told_what_a_timeout_may_be(call):
    assert inspect.signature(call).parameters["timeout"].annotation is TimeoutLike
