"""Tokens that expire: refreshed once, whoever asks, and kept for all."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

import neuro_sync
from neuro_sync import (
    AuthenticationError,
    ConnectionFailed,
    ProtocolError,
    RateLimited,
    RetryPolicy,
)
from neuro_sync.config.store import Store, Tokens
from neuro_sync.config.tokens import StoredToken, parse_token_answer
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport
from tests.peers.config import make_token

from .databases import GENERATIONS, row_of, write_login
from .test_store import nothing_can_be_written

ROOT = str(Path(__file__).resolve().parents[3])


@pytest.fixture
def path(tmp_path):
    """A login whose token has expired."""
    return write_login(tmp_path / "login", 2026, token="old", expiration_time=999.0)


@pytest.fixture
def source(path):
    return make_source(path)


def make_source(path, now=1000.0):
    http = HttpTransport(StaticToken(""), retry=RetryPolicy(attempts=1))
    return StoredToken(Store.open(path), http, clock=lambda: now)


class TestAnswer:
    """What a login service says."""

    def test_three_quarters_of_its_life_are_used(self):
        answer = {"access_token": "a", "expires_in": 1000, "refresh_token": "r"}
        assert parse_token_answer(answer, 500.0) == Tokens("a", 1250.0, "r")

    def test_a_refresh_token_stays_where_none_comes(self):
        answer = {"access_token": "a", "expires_in": 0.5}
        assert parse_token_answer(answer, 0.0, "kept").refresh_token == "kept"
        assert parse_token_answer({**answer, "refresh_token": None}, 0.0, "kept").refresh_token == (
            "kept"
        )

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            "secret",
            ["secret"],
            {},
            {"access_token": "secret"},
            {"access_token": "secret", "expires_in": "soon"},
            {"access_token": ["secret"], "expires_in": 1},
            {"access_token": "", "expires_in": 1},
            {"access_token": "secret", "expires_in": 1, "refresh_token": 5},
            {"expires_in": 1, "refresh_token": "secret"},
        ],
    )
    def test_anything_else_is_refused_and_not_shown(self, answer):
        with pytest.raises(ProtocolError, match="has no token in it") as caught:
            parse_token_answer(answer, 0.0)
        assert "secret" not in str(caught.value)

    def test_a_token_that_would_add_a_header_is_refused(self):
        with pytest.raises(ValueError, match="token"):
            parse_token_answer({"access_token": "a\r\nX: y", "expires_in": 1}, 0.0)


class TestRefresh:
    def test_one_that_is_fresh_is_used(self, path, server):
        assert make_source(path, now=998.0).token() == "old"
        assert server.forms == []

    def test_one_that_has_expired_is_refreshed_and_kept(self, source, server, path):
        before = row_of(path)
        began = time.time()
        token = source.token()
        assert server.forms == [
            {
                "grant_type": "refresh_token",
                "refresh_token": "refresh-0",
                "client_id": "cli-client",
            }
        ]
        after = row_of(path)
        assert token == after.pop("token") == make_token("user-1")
        assert after.pop("refresh_token") == "refresh-1"
        assert began + 750 <= after.pop("expiration_time") <= time.time() + 750
        assert after == {name: before[name] for name in after}
        assert source.token() == token
        assert len(server.forms) == 1

    @pytest.mark.parametrize("generation", GENERATIONS)
    def test_the_rotated_refresh_token_is_used_the_next_time(self, tmp_path, server, generation):
        path = write_login(tmp_path / "login", generation, token="old", expiration_time=0.0)
        make_source(path, now=1e12).token()
        make_source(path, now=1e12).token()
        make_source(path, now=1e12).token()
        used = [form["refresh_token"] for form in server.forms]
        assert used == ["refresh-0", "refresh-1", "refresh-2"]

    def test_a_service_that_does_not_rotate(self, path, server):
        server.answers = [{"refresh_token": None}]
        make_source(path).token()
        assert row_of(path)["refresh_token"] == "refresh-0"

    def test_one_that_the_server_refuses_is_refreshed(self, path, server):
        """A clock may be wrong, or a token withdrawn."""
        source = make_source(path, now=0.0)
        assert source.refresh("old")
        assert source.token() == make_token("user-1")
        assert source.refresh("old"), "another thread was quicker"
        assert len(server.forms) == 1

    def test_one_that_another_process_refreshed_is_taken(self, source, server, path):
        Store.open(path).save_tokens(Tokens("theirs", 5000.0, "theirs-too"))
        assert source.token() == "theirs"
        assert server.forms == []

    def test_one_that_another_process_refreshed_and_that_expired_again(self, source, server, path):
        Store.open(path).save_tokens(Tokens("theirs", 999.5, "theirs-too"))
        assert source.token() == make_token("user-1")
        assert server.forms[0]["refresh_token"] == "theirs-too"

    @pytest.mark.parametrize("until", [5000.0, 1.0])
    def test_the_login_at_another_platform_is_not_told_to_this_one(
        self, source, server, path, until
    ):
        """Somebody logged out and in while this client went on."""
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            db.execute(
                "UPDATE main SET url = 'https://elsewhere.example/api/v1', token = 'theirs', "
                "refresh_token = 'theirs-too', expiration_time = ?",
                [until],
            )
        before = row_of(path)
        assert source.token() == make_token("user-1")
        assert [form["refresh_token"] for form in server.forms] == ["refresh-0"]
        assert row_of(path) == before

    def test_a_cli_that_used_the_refresh_token_a_moment_ago(self, source, server, path):
        """It knows no lock: what it got is on disk when our try with the same token fails."""
        answer = server.answer_token

        def cli_first(request):
            Store.open(path).save_tokens(Tokens("theirs", 5000.0, "theirs-too"))
            return answer(request)

        server.answers = [403]
        with responses.RequestsMock() as mock:
            mock.add_callback(responses.POST, "https://api.example/oauth/token", cli_first)
            assert source.token() == "theirs"
        assert row_of(path)["refresh_token"] == "theirs-too"

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
    def test_a_service_that_refuses_says_to_log_in_again(self, source, server, path, status):
        before = row_of(path)
        server.answers = [status, status]
        with pytest.raises(
            AuthenticationError, match=r"refuses .*invalid_grant.*: log in again"
        ) as caught:
            source.token()
        error = caught.value
        assert (error.status, error.method, error.attempts) == (status, "POST", 1)
        assert error.url == "https://api.example/oauth/token"
        assert not source.refresh("old")
        assert row_of(path) == before

    def test_a_service_that_is_down_is_no_reason_to_log_in_again(self, source, server):
        with responses.RequestsMock() as mock:
            mock.add(
                responses.POST, "https://api.example/oauth/token", body=ConnectionError("down")
            )
            with pytest.raises(ConnectionFailed):
                source.token()
        assert source.token() == make_token("user-1")

    def test_a_service_that_has_too_much_to_do_is_none_either(self, source, server):
        with responses.RequestsMock() as mock:
            mock.add(
                responses.POST,
                "https://api.example/oauth/token",
                status=429,
                headers={"Retry-After": "30"},
                json={"error": "too_many_requests"},
            )
            for use in (source.token, lambda: source.refresh("old")):
                with pytest.raises(RateLimited, match="too_many_requests") as caught:
                    use()
                assert caught.value.retry_after == 30.0
        assert source.token() == make_token("user-1")

    @pytest.mark.parametrize("changes", [{"access_token": None}, {"expires_in": "soon"}])
    def test_an_answer_without_a_token_is_told_from_others(self, source, server, changes):
        server.answers = [changes]
        with pytest.raises(ProtocolError, match="has no token in it") as caught:
            source.token()
        error = caught.value
        assert (error.status, error.method, error.attempts) == (200, "POST", 1)
        assert error.url == "https://api.example/oauth/token"

    @pytest.mark.parametrize("refresh_token", ["", None])
    def test_a_login_with_a_token_alone_can_only_be_renewed(self, tmp_path, server, refresh_token):
        path = write_login(
            tmp_path / "login",
            2026,
            token="old",
            expiration_time=0.0,
            refresh_token=refresh_token,
        )
        with pytest.raises(AuthenticationError, match="log in again"):
            make_source(path).token()
        assert server.forms == []

    def test_no_token_is_logged(self, source, server, caplog):
        caplog.set_level(logging.DEBUG)
        source.token()
        assert caplog.records
        for secret in ("refresh-0", "refresh-1", make_token("user-1")):
            assert secret not in caplog.text
        assert repr(source) == "<StoredToken>"


class TestCalls:
    """A client of a login on disk."""

    def test_a_refused_call_is_repeated_once_with_a_new_token(self, tmp_path, server):
        path = write_login(tmp_path / "login", 2026, token="old")
        seen = []

        def kill(request):
            seen.append(request.headers["Authorization"])
            return (401 if seen[-1] == "Bearer old" else 204), {}, ""

        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            mock.add_callback(responses.DELETE, "https://api.example/api/v1/jobs/job-1", kill)
            mock.add_callback(
                responses.POST, "https://api.example/oauth/token", server.answer_token
            )
            with neuro_sync.get(path=path) as client:
                client.jobs.kill("job-1")
        assert seen == ["Bearer old", "Bearer " + make_token("user-1")]

    def test_a_config_for_nobody_is_asked_for_again_with_a_new_token(self, tmp_path, server):
        """A bad token is answered with 200 there, and that the user is not authorized."""
        path = write_login(tmp_path / "login", 2026, token="old")
        with neuro_sync.get(path=path) as client:
            client.config.fetch()
        assert server.asked == ["old", make_token("user-1")]

    def test_a_token_that_stays_refused(self, tmp_path, server):
        path = write_login(tmp_path / "login", 2026, token="old", refresh_token="")
        with neuro_sync.get(path=path) as client:
            with pytest.raises(AuthenticationError, match="log in again"):
                client.config.fetch()


class TestTime:
    """A call that has a limit."""

    @pytest.fixture
    def held(self, source, server):
        """The login service is about to answer another thread's refresh, until the test is over."""
        asked, may_answer = threading.Event(), threading.Event()
        answer = server.answer_token

        def hold(request):
            asked.set()
            may_answer.wait(30)
            return answer(request)

        with responses.RequestsMock() as mock:
            mock.add_callback(responses.POST, "https://api.example/oauth/token", hold)
            thread = threading.Thread(target=source.token)
            thread.start()
            assert asked.wait(30)
            yield
            may_answer.set()
            thread.join(30)
        assert source.token() == make_token("user-1")
        assert len(server.forms) == 1

    def test_another_thread_is_not_waited_for_any_longer(self, held, source):
        with pytest.raises(ConnectionFailed, match="takes too long"):
            source.token(0.05)
        with pytest.raises(ConnectionFailed, match="takes too long"):
            source.refresh("old", 0.0)

    def test_nor_another_process(self, held, path):
        pytest.importorskip("fcntl")
        with pytest.raises(ConnectionFailed, match="takes too long"):
            make_source(path).token(0.05)

    @pytest.mark.parametrize(
        ("seconds", "given"),
        [(20.0, 20.0), (0.5, 5.0), (0.0, 5.0), (float("inf"), 60.0), (None, 60.0)],
    )
    def test_a_refresh_gets_what_is_left_and_never_so_little_that_it_is_cut(
        self, source, server, seconds, given
    ):
        timeouts = []
        answer = server.answer_token

        def look(request):
            timeouts.append(request.req_kwargs["timeout"][1])
            return answer(request)

        with responses.RequestsMock() as mock:
            mock.add_callback(responses.POST, "https://api.example/oauth/token", look)
            source.token(seconds)
        assert timeouts == [pytest.approx(given, abs=1.0)]


class TestNowhereToWrite:
    def test_the_token_is_used_all_the_same(self, source, server, path, caplog):
        with nothing_can_be_written():
            token = source.token()
        assert token == make_token("user-1")
        assert source.token() == token
        assert row_of(path)["token"] == "old"
        (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "could not be kept" in record.getMessage()

    def test_no_call_is_stopped(self, path, server):
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            mock.add(responses.DELETE, "https://api.example/api/v1/jobs/job-1", status=204)
            mock.add_callback(
                responses.POST, "https://api.example/oauth/token", server.answer_token
            )
            with nothing_can_be_written(), neuro_sync.get(path=path) as client:
                client.jobs.kill("job-1")
            (killed,) = [call.request for call in mock.calls if call.request.method == "DELETE"]
        assert killed.headers["Authorization"] == "Bearer " + make_token("user-1")

    def test_a_login_that_is_gone_meanwhile_serves_its_client(self, source, server, path):
        Store.delete(path)
        assert source.token() == make_token("user-1")
        assert not path.exists()


def together(count, work):
    """Do it in so many threads at the same moment; returns what came of each."""
    barrier = threading.Barrier(count)
    results = []

    def one():
        barrier.wait(30)
        results.append(work())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_eight_threads_refresh_once(source, server):
    assert together(8, source.token) == [make_token("user-1")] * 8
    assert len(server.forms) == 1


def test_eight_clients_refresh_once(path, server):
    """Two clients of one process know as little of each other as two processes do."""
    sources = [make_source(path) for _ in range(8)]
    assert together(8, lambda: sources.pop().token()) == [make_token("user-1")] * 8
    assert len(server.forms) == 1


PROCESS = """
import sys, threading
sys.path.insert(0, sys.argv[1])
import neuro_sync
client = neuro_sync.get(path=sys.argv[2])
tokens, barrier = set(), threading.Barrier(8)
def work():
    barrier.wait(30)
    tokens.add(client.config.token())
threads = [threading.Thread(target=work) for _ in range(8)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*tokens, flush=True)
"""


def code_of(page):
    """What a person copies from the page of a local platform."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(str(page), timeout=20) as response:
        return parse_qs(urlsplit(response.geturl()).query)["code"][0]


def test_eight_threads_of_four_processes_refresh_once(tmp_path, platform):
    login = tmp_path / "login"
    neuro_sync.Factory(login).login_headless(code_of, url=platform.api_url)
    store = Store.open(login)
    store.save_tokens(replace(store.login.tokens, expiration_time=1.0))
    asked = platform.faults.seen("token")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, ROOT, str(login)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    tokens = {out for out, _ in answers}
    assert len(tokens) == 1, answers
    assert tokens.pop().split() == [row_of(login)["token"].encode()]
    assert platform.faults.seen("token") == asked + 1


@pytest.fixture
def fork_during_refresh(path, server):
    """Fork while a token is being refreshed; the child does something, and its exit code is returned."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    children = []

    def refresh(source, in_child):
        def answer(request):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    code = in_child()
                finally:
                    os._exit(code)
            children.append(pid)
            return server.answer_token(request)

        with responses.RequestsMock() as mock:
            mock.add_callback(responses.POST, "https://api.example/oauth/token", answer)
            source.token()
        return children[-1]

    yield refresh
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ChildProcessError, ProcessLookupError):
            pass  # the test has waited for it


FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@FORKS
def test_a_child_that_is_forked_during_a_refresh_keeps_no_lock(path, server, fork_during_refresh):
    """It has a copy of each descriptor that was open then, and may live long."""
    fork_during_refresh(make_source(path, now=1e12), lambda: time.sleep(600))
    done = []
    other = threading.Thread(
        target=lambda: done.append(make_source(path, now=1e12).token()), daemon=True
    )
    other.start()
    other.join(20)
    assert done, "the child has the lock"


@FORKS
def test_a_child_that_is_forked_during_a_refresh_gets_the_token(path, source, fork_during_refresh):
    """Its copy of the lock is one that nobody will release."""
    new = make_token("user-1")
    pid = fork_during_refresh(source, lambda: 0 if source.token() == new else 2)
    deadline = time.monotonic() + 20
    ended = 0
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    assert ended, "the child waits for ever"
    assert status == 0


@pytest.fixture
def kept():
    """Keeps what is in it from the garbage collector, which would close its connections."""
    return []


def test_closing_a_client_closes_all_connections(tmp_path, platform, kept, nothing_left):
    """Those to the login service, those for the config, and those for jobs."""
    login = tmp_path / "login"
    neuro_sync.Factory(login).login_headless(code_of, url=platform.api_url)
    store = Store.open(login)
    store.save_tokens(replace(store.login.tokens, expiration_time=1.0))
    client = neuro_sync.get(path=login)
    client.config.fetch()
    list(client.jobs.list(limit=1))
    client.close()
    kept.append(client)


@pytest.mark.parametrize("do", ["login", "login_headless", "login_with_token"])
def test_a_login_that_fails_leaves_no_connection(tmp_path, platform, kept, nothing_left, do):
    arguments = {"token": "t"} if do == "login_with_token" else {}
    with pytest.raises(neuro_sync.ResourceNotFound) as caught:
        getattr(neuro_sync.Factory(tmp_path / "login"), do)(
            url=platform.api_url + "/elsewhere", **arguments
        )
    kept.append(caught)
