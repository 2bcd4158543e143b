"""Tokens stay out of logs, exceptions, reprs and whatever else somebody other than the user reads."""

import json
import logging
import os
import pickle
import socket
import sqlite3
import stat
import sys
import traceback
from contextlib import closing

import psutil
import pytest

from neuro_sync import JobsClient, RetryPolicy, Timeout
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport
from neuro_sync.transport.ws import WsTransport

from ..wire.stream_server import Refusal, serve

QUICK = {"retry": RetryPolicy(base=0.001), "timeout": Timeout(connect=2.0, read=5.0)}
PASSWORD = "proxy-pass-4711"


class Witness(logging.Handler):
    """Collects all that anybody could read."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        self.texts.append(logging.Formatter("%(name)s %(message)s").format(record))
        self.texts.append(repr(record.args))

    def shows(self, *things):
        self.texts += [repr(thing) for thing in things]
        self.texts += [str(thing) for thing in things]

    def fails(self, call):
        """Call it, and look at what it raises as a log, a debugger or another process does."""
        try:
            call()
        except BaseException as error:
            self.texts.append(traceback.format_exc())
            self.texts.append(pickle.dumps(error).decode("latin-1"))
            while error is not None:
                self.shows(error, error.args, vars(error) if hasattr(error, "__dict__") else None)
                error = error.__cause__ or error.__context__
            return
        raise AssertionError("{} did not fail".format(call))

    def count(self, secrets):
        return sum(text.count(secret) for text in self.texts for secret in secrets)


@pytest.fixture
def witness():
    witness = Witness()
    root = logging.getLogger()
    ours = logging.getLogger("neuro_sync")
    before = root.level, ours.level
    root.addHandler(witness)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    yield witness
    root.removeHandler(witness)
    root.setLevel(before[0])
    ours.setLevel(before[1])


def stored_secrets(directory):
    with closing(sqlite3.connect(str(directory / "db"))) as db:
        return list(db.execute("SELECT token, refresh_token FROM main").fetchone())


def use_everything(client, witness, job_id):
    """All kinds of calls and streams, as they go well."""
    jobs = client.jobs
    job = jobs.status(job_id)
    with jobs.monitor(job_id) as log, jobs.top(job_id) as top, jobs.list() as listing:
        next(listing)
        with jobs.exec(job_id, "cat", stdin=True, stdout=True) as session:
            session.write_in(b"x")
            session.read_out()
            with jobs.port_forward(job_id, 0, 9) as forward:
                witness.shows(client, jobs, client.config, client.parse, job, log, top, listing)
                witness.shows(session, forward, session._conn, jobs._http, jobs._ws, log.cursor)
                witness.shows(client.config.token_source, vars(log), vars(session), vars(forward))
                with pytest.raises(ConnectionResetError):
                    use_port(forward)
    witness.shows(job.to_json(), client.config.clusters, client.presets)


def use_port(forward):
    """The reset may come as soon as the connection does."""
    with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as local:
        local.recv(1)


def fail_in_every_way(client, faults, witness, job_id):
    jobs = client.jobs
    page = "<html>502 Bad Gateway</html>"
    for status in (400, 401, 403, 404, 409, 429, 500, 502, 503, 302):
        for endpoint, call in (
            ("status", lambda: jobs.status(job_id)),
            ("start", lambda: jobs.start(image="ubuntu", preset_name="cpu-small")),
            ("log_ws", lambda: jobs.monitor(job_id).__enter__()),
            ("exec", lambda: jobs.exec_run(job_id, "true")),
        ):
            faults.answer(status, endpoint=endpoint, times=3, body=page if status == 502 else None)
            witness.fails(call)
            faults.clear()
    for endpoint, call in (
        ("status", lambda: jobs.status(job_id)),
        ("start", lambda: jobs.start(image="ubuntu", preset_name="cpu-small")),
        ("exec", lambda: jobs.exec_run(job_id, "true")),
    ):
        faults.reset_after(0, endpoint=endpoint, times=3)
        witness.fails(call)
        faults.clear()
    witness.fails(lambda: jobs.status("job-none"))
    witness.fails(lambda: jobs.monitor("job-none").read())
    witness.fails(lambda: jobs.monitor(job_id, after="nonsense"))


def fail_with_the_token_said_again(client, faults, witness, job_id):
    """Returns the token."""
    token = client.config.token_source.token()
    body = json.dumps({"error": "can't read Authorization: Bearer " + token})
    for endpoint, call in (
        ("status", lambda: client.jobs.status(job_id)),
        ("log_ws", lambda: client.jobs.monitor(job_id).__enter__()),
        ("exec", lambda: client.jobs.exec_run(job_id, "true")),
    ):
        faults.answer(400, endpoint=endpoint, body=body)
        witness.fails(call)
        faults.clear()
    return token


def fail_without_a_server(token, witness, monkeypatch):
    """Nobody listens, an odd server, a proxy that refuses: with a token all the same."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:{}/api/v1".format(unused.getsockname()[1])
        with JobsClient(url, token, **QUICK) as jobs:
            witness.fails(lambda: jobs.status("job-1"))
        witness.fails(lambda: WsTransport(StaticToken(token)).dial(url))

    def admit(peer, number):
        raise Refusal(407, ["Proxy-Authenticate: Basic"], b"no")

    with serve(lambda peer: None, admit) as proxy:
        address = proxy.url.split("/")[2]
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://somebody:{}@{}".format(PASSWORD, address))
        monkeypatch.setenv("no_proxy", "")
        for url in ("http://somewhere.invalid/api/v1", "https://somewhere.invalid/api/v1"):
            with JobsClient(url, token, **QUICK) as jobs:
                witness.fails(lambda jobs=jobs: jobs.status("job-1"))
            witness.fails(lambda url=url: WsTransport(StaticToken(token)).dial(url))
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name)
    for bad in (token + "\r\nX: y", token + "\n", token + "\0", token + "ä"):
        witness.fails(lambda bad=bad: StaticToken(bad))
        witness.fails(lambda bad=bad: HttpTransport(StaticToken(bad)))
        with JobsClient("http://127.0.0.1:9/api/v1", lambda bad=bad: bad, **QUICK) as jobs:
            witness.fails(lambda jobs=jobs: jobs.status("job-1"))
    witness.fails(lambda: StaticToken(token.encode()))


def files_of_others(*directories):
    """What other users of the machine can read, and the command lines of processes."""
    found = []
    for directory in directories:
        if os.stat(str(directory)).st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0:
            continue  # they can't get in
        for path in directory.rglob("*"):
            if path.is_file() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                found.append(path.read_bytes().decode("latin-1"))
    for process in psutil.Process().children(recursive=True):
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue  # it has ended
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_no_token_is_seen_anywhere(
    login, flaky_platform, sleeper, faults, witness, tmp_path, figure, monkeypatch
):
    secrets = stored_secrets(tmp_path / "login")
    with login.get(retry=RetryPolicy(base=0.001)) as client:
        witness.shows(login, flaky_platform, flaky_platform.faults)
        use_everything(client, witness, sleeper.id)
        fail_in_every_way(client, faults, witness, sleeper.id)
        said_again = fail_with_the_token_said_again(client, faults, witness, sleeper.id)
        faults.rotate_refresh_tokens()
        faults.expire_token()  # the next call refreshes it
        client.jobs.status(sleeper.id)
    secrets += stored_secrets(tmp_path / "login")
    assert len(set(secrets)) == 4
    secrets += [flaky_platform.token, said_again]
    fail_without_a_server(flaky_platform.token, witness, monkeypatch)
    witness.texts += files_of_others(tmp_path, flaky_platform.data_dir)
    # That of the platform's own process, which is told to a log file.
    witness.texts.append((flaky_platform.data_dir / "platform.log").read_text())

    secrets.append(PASSWORD)
    seen = witness.count(secrets)
    figure(
        "the token in logs at DEBUG, exceptions, reprs, files of others ({:,} texts)".format(
            len(witness.texts)
        ),
        "0 times",
        "{} times".format(seen),
    )
    shown = [text[:2000] for text in witness.texts if any(secret in text for secret in secrets)]
    assert shown == []
    assert len(witness.texts) > 500


def test_the_witness_would_see_one(witness):
    """That the test above can fail."""
    logging.getLogger("neuro_sync.transport").debug("sent %s", "Bearer tok-1")
    witness.fails(lambda: {}["tok-1"])
    assert witness.count(["tok-1"]) >= 3


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_what_has_a_token_in_it_is_the_users_alone(login, flaky_platform, tmp_path):
    secrets = [*stored_secrets(tmp_path / "login"), flaky_platform.token]
    secrets = [secret.encode() for secret in secrets]
    holding = [
        path
        for directory in (tmp_path, flaky_platform.data_dir)
        for path in directory.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert holding
    for path in holding:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
