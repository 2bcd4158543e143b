"""What goes wrong most often: each has an error of its own, at once, before anything hangs."""

import errno
import socket

import pytest

import neuro_sync
from neuro_sync import (
    AuthenticationError,
    AuthorizationError,
    IllegalArgumentError,
    JobNotFound,
    JobsClient,
    ResourceNotFound,
    RetryPolicy,
)

REFUSED = "bm8.c3VjaA.dG9rZW4"
MISSING = "job-00000000-0000-4000-8000-000000000000"
SMALL = {"image": "ubuntu", "preset_name": "cpu-small"}

# What each method for one job does with it: the call, and whether it is one that opens a stream.
CALLS = {
    "status": lambda jobs, id: jobs.status(id),
    "kill": lambda jobs, id: jobs.kill(id),
    "bump_life_span": lambda jobs, id: jobs.bump_life_span(id, 60),
    "wait": lambda jobs, id: jobs.wait(id, timeout=30),
    "as_completed": lambda jobs, id: list(jobs.as_completed([id], timeout=30)),
    "send_signal": lambda jobs, id: jobs.send_signal(id),
    "save": lambda jobs, id: jobs.save(id, "image:mine:v1", progress=False),
}
STREAMS = {
    "monitor": lambda jobs, id: jobs.monitor(id).__enter__(),
    "iterated monitor": lambda jobs, id: next(iter(jobs.monitor(id))),
    "top": lambda jobs, id: jobs.top(id).__enter__(),
    "exec": lambda jobs, id: jobs.exec(id, "true", stdout=True),
    "exec_run": lambda jobs, id: jobs.exec_run(id, "true"),
    "attach": lambda jobs, id: jobs.attach(id, stdout=True),
    "port_forward": lambda jobs, id: jobs.port_forward(id, 0, 80),
}
ALL = {**CALLS, **STREAMS}
ELSE = {
    "start": lambda jobs, id: jobs.start(command="true", **SMALL),
    "list": lambda jobs, id: list(jobs.list()),
    "get_capacity": lambda jobs, id: jobs.get_capacity(),
}

pytestmark = pytest.mark.usefixtures("nothing_left")


def named(calls):
    return pytest.mark.parametrize("call", list(calls.values()), ids=list(calls))


# A job that does not exist


@named(ALL)
def test_a_job_that_does_not_exist(jobs, call):
    with pytest.raises(JobNotFound, match=MISSING) as caught:
        call(jobs, MISSING)
    assert isinstance(caught.value, (ResourceNotFound, IllegalArgumentError, ValueError))
    assert caught.value.status == 400
    assert caught.value.method in ("GET", "POST", "PUT", "DELETE")
    assert MISSING in str(caught.value.url)


@named({name: call for name, call in STREAMS.items() if name != "port_forward"})
def test_a_name_where_an_id_is_needed(jobs, start, call):
    start("sleep 600", name="of-e2e-errors")
    with pytest.raises(JobNotFound, match="id of a job"):
        call(jobs, "of-e2e-errors")


# A login that is refused


@pytest.fixture
def stranger(platform):
    """A client whose token was good when it came, and is refused now."""
    tokens = [platform.token]
    with JobsClient(platform.api_url, lambda: tokens[0]) as jobs:
        jobs.get_capacity()
        tokens[0] = REFUSED
        yield jobs


@named({**ALL, **ELSE})
def test_a_login_that_is_refused(stranger, quiet, call):
    with pytest.raises(AuthenticationError) as caught:
        call(stranger, quiet.id)
    assert caught.value.status == 401
    assert REFUSED not in str(caught.value) + repr(caught.value)


@named({**ALL, **ELSE})
def test_a_login_that_was_never_good(platform, call):
    with JobsClient(platform.api_url, REFUSED) as jobs:
        with pytest.raises(AuthenticationError):
            call(jobs, MISSING)


# Arguments that can't be right


@pytest.mark.parametrize(
    ("word", "call"),
    [
        ("port", lambda jobs, id: jobs.port_forward(id, 0, 0)),
        ("port", lambda jobs, id: jobs.port_forward(id, 0, 65536)),
        ("port", lambda jobs, id: jobs.port_forward(id, -1, 80)),
        ("port", lambda jobs, id: jobs.port_forward(id, 0, "http")),
        ("std", lambda jobs, id: jobs.exec(id, "true")),
        ("std", lambda jobs, id: jobs.attach(id)),
        ("tty", lambda jobs, id: jobs.exec(id, "true", tty=True, stdout=True, stderr=True)),
        ("tty", lambda jobs, id: jobs.attach(id, tty=True, stdout=True, stderr=True)),
        ("command", lambda jobs, id: jobs.exec(id, "", stdout=True)),
        ("command", lambda jobs, id: jobs.exec_run(id, "  ")),
        ("60", lambda jobs, id: jobs.bump_life_span(id, 59)),
        ("limit", lambda jobs, id: list(jobs.list(limit=0))),
        ("cursor", lambda jobs, id: jobs.monitor(id, after="no cursor").read()),
        ("platform", lambda jobs, id: jobs.save(id, "ubuntu:22.04", progress=False)),
        ("name", lambda jobs, id: jobs.start(command="true", name="X", **SMALL)),
        ("preset", lambda jobs, id: jobs.start(command="true", image="x", preset_name="none")),
        ("command", lambda jobs, id: jobs.start(command="'", **SMALL)),
        ("tags", lambda jobs, id: jobs.start(command="true", tags=["a b"], **SMALL)),
        ("owners", lambda jobs, id: list(jobs.list(owners="user"))),
    ],
)
def test_an_argument_that_is_not_right(jobs, quiet, word, call):
    with pytest.raises(ValueError, match="(?i)" + word):
        call(jobs, quiet.id)


@pytest.mark.parametrize("id", ["", "a\nb", "a\r\nX: y", "a\0b"])
@named(ALL)
def test_an_id_that_is_none(jobs, call, id):
    with pytest.raises(ValueError):
        call(jobs, id)


@pytest.mark.parametrize("id", ["a/b", "../config", "a?b=c", "a#b", "%2e%2e", "a b", "\u00fc"])
@named(ALL)
def test_an_id_stays_one_part_of_a_path(jobs, call, id):
    with pytest.raises(JobNotFound):
        call(jobs, id)


def test_a_cluster_that_is_not_known(jobs, quiet):
    for call in (
        lambda: jobs.get_capacity(cluster_name="other"),
        lambda: jobs.exec(quiet.id, "true", stdout=True, cluster_name="other"),
        lambda: jobs.monitor(quiet.id, cluster_name="other"),
    ):
        with pytest.raises(neuro_sync.ConfigError, match="'other' is not known"):
            call()


def test_another_cluster_or_project(jobs):
    for place in ({"cluster_name": "other"}, {"org_name": "other"}, {"project_name": "other"}):
        with pytest.raises((AuthorizationError, ValueError), match="other"):
            jobs.start(command="true", **SMALL, **place)


# A job that does not run


@named({name: STREAMS[name] for name in ("exec", "exec_run", "attach", "port_forward")})
def test_a_job_that_has_ended(jobs, start, call):
    job = jobs.wait(start("sh -c 'exit 3'").id, timeout=30)
    with pytest.raises(ResourceNotFound, match=r"is not running .*failed.*exit code 3"):
        call(jobs, job.id)


@named({"send_signal": CALLS["send_signal"]})
def test_a_process_that_has_ended(jobs, start, call):
    job = jobs.wait(start("true").id, timeout=30)
    with pytest.raises(ResourceNotFound, match="not running"):
        call(jobs, job.id)


def test_telemetry_of_a_job_that_has_ended(jobs, start):
    job = jobs.wait(start("true").id, timeout=30)
    with pytest.raises(ResourceNotFound):
        list(jobs.top(job.id))


def test_saving_a_job_that_has_ended(jobs, start):
    job = jobs.wait(start("true").id, timeout=30)
    with pytest.raises(neuro_sync.ImageSaveError, match="not running"):
        jobs.save(job.id, "image:mine:v1", progress=False)


def test_a_program_that_a_job_does_not_have(jobs, quiet):
    result = jobs.exec_run(quiet.id, "no-such-program")
    assert result.exit_code == 127
    with pytest.raises(neuro_sync.StdStreamError, match="no-such-program"):
        jobs.exec_run(quiet.id, "no-such-program", check=True)


# Ports


def test_a_closed_port_of_a_job(jobs, quiet, closed_port):
    with jobs.port_forward(quiet.id, 0, closed_port) as forward:
        with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as sock:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        assert isinstance(forward.last_error, IllegalArgumentError)
        assert "port {}".format(closed_port) in str(forward.last_error)
        assert forward.last_error.status == 400


def test_a_local_port_that_is_taken(jobs, quiet, closed_port):
    with pytest.raises(OSError, match=str(closed_port)) as caught:
        jobs.port_forward(quiet.id, closed_port, 80)
    assert caught.value.errno == errno.EADDRINUSE


# A server that is not there


@named({**ALL, **ELSE})
def test_a_server_that_is_not_there(closed_port, call):
    url = "http://127.0.0.1:{}/api/v1".format(closed_port)
    with JobsClient(url, "token", retry=RetryPolicy(attempts=1)) as jobs:
        with pytest.raises(neuro_sync.ConnectionFailed, match=str(closed_port)):
            call(jobs, MISSING)
