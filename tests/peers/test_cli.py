"""The platform's own CLIs do with the local platform what they do with the platform."""

import re
import select
import shlex
import shutil
import signal
import socket
import sqlite3
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

import neuro_sync
from neuro_sync import JobPriority, JobRestartPolicy, JobStatus

from .commands import CLIS, TIMEOUT, Cli, until

SERVER = (
    "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); "
    "print(s.server_address[1], flush=True); s.serve_forever()"
)
needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)


@pytest.fixture(scope="module", params=sorted(CLIS))
def cli(request, tmp_path_factory, platform):
    """A CLI that has logged in with the token."""
    cli = Cli(request.param, tmp_path_factory.mktemp("home"))
    cli("config", "login-with-token", platform.token, platform.api_url)
    return cli


@pytest.fixture(scope="module")
def running(cli, platform):
    """A job of the CLI, for several tests."""
    options = "--name cli-running --tag a --tag b -d text --life-span 1h".split()
    job = cli.start("sleep", "600", options=options)
    with platform.client() as client:
        client.jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
        yield job
        client.jobs.kill(job)


@pytest.fixture(scope="module")
def ended(cli, platform):
    """A job of another project that has ended."""
    job = cli.start("true", options=["--project", "user"])
    with platform.client() as client:
        client.jobs.wait(job, timeout=30)
    return job


class TestLogin:
    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_in_the_browser_and_out(self, name, tmp_path, platform):
        cli = Cli(name, tmp_path)
        cli("config", "login", platform.api_url)
        cli("config", "switch-project", "user")
        path = tmp_path / ".apolo"
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            (old,) = db.execute("SELECT token FROM main").fetchone()
            db.execute("UPDATE main SET expiration_time = 1")  # the time passes
        with neuro_sync.get(path=path) as client:
            assert client.username == "user"
            assert client.config.project_name == "user"
            client.config.switch_project("local-project")
            token = client.config.token()
        assert token != old
        assert "local-project" in cli("config", "show")
        assert cli("config", "show-token").strip() == token
        cli("config", "logout")
        assert not (tmp_path / ".apolo" / "db").exists()

    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_with_a_code_that_is_pasted(self, name, tmp_path, platform):
        def code(shown):
            page = re.search(rb"Open(.*)in a browser", shown, re.S).group(1)
            url = re.sub(rb"\s", b"", page).decode()  # the terminal wraps it
            with urllib.request.urlopen(url, timeout=20) as response:
                return parse_qs(urlsplit(response.geturl()).query)["code"][0].encode() + b"\r"

        cli = Cli(name, tmp_path)
        returned, shown = cli.at_a_terminal(
            ["config", "login-headless", platform.api_url], [(b"->", code)]
        )
        assert returned == 0, shown
        assert "local-org" in cli("config", "show")

    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_with_a_wrong_token(self, name, tmp_path, platform):
        code, text = Cli(name, tmp_path).run(
            "config", "login-with-token", "e30.e30.e30", platform.api_url
        )
        assert code != 0
        assert "authoriz" in text.lower()


def test_config(cli):
    text = cli("config", "show")
    for name in ("local-org", "local-project", "cpu-small"):
        assert name in text
    assert "cpu-large" in cli("config", "get-clusters")


def test_who_logged_in_with_the_cli_is_in(cli, monkeypatch):
    monkeypatch.setenv("HOME", str(cli.home))
    for name in ("APOLO_CONFIG", "NEUROMATION_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with neuro_sync.get() as client:
        assert client.username == "user"
        assert client.config.path == cli.home / ".apolo"
        job = client.jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="true")
    assert job.status is JobStatus.SUCCEEDED
    assert job.id in cli("-q", "job", "ls", "-s", "succeeded")


class TestListing:
    # Filters of a listing, and whether a running job and one of another project pass them.
    FILTERS = {
        "": (True, False),
        "-a --project user": (False, True),
        "-a --all-projects --all-orgs --recent-first --distinct": (True, True),
        "-s running -s pending --name cli-running --tag a --tag b --owner user --owner other "
        "--description text --since 1h --until 2090-01-01T00:00:00 --org local-org "
        "--cluster local --project user --project local-project": (True, False),
        "-s pending -s failed": (False, False),
        "-a --name cli": (False, False),
        "-a --tag a --tag c": (False, False),
        "-a --owner other": (False, False),
        "-a --description other": (False, False),
        "-a --since 2090-01-01": (False, False),
        "-a --until 1h": (False, False),
    }

    def test_every_filter(self, cli, running, ended):
        with ThreadPoolExecutor(3) as pool:
            texts = pool.map(
                lambda words: cli("-q", "job", "ls", *words.split()).split(), self.FILTERS
            )
            found = {
                words: (running in ids, ended in ids) for words, ids in zip(self.FILTERS, texts)
            }
        assert found == self.FILTERS

    def test_every_column(self, cli, running):
        columns = "id name tags status when created started finished image owner description"
        columns += " cluster_name org_name project_name command life_span workdir preset"
        text = cli("job", "ls", "--wide", "--name", "cli-running", "--format", columns)
        for shown in (running, "cli-running", "a,b", "running", "ubuntu:latest", "text"):
            assert shown in text
        for shown in ("local-org", "local-project", "sleep 600", "1h", "cpu-small"):
            assert shown in text


class TestRun:
    def test_the_exit_code_of_a_job(self, cli):
        text = cli(*"job run --preset cpu-small ubuntu -- sh -c".split(), "sleep 1; exit 4", code=4)
        assert "failed" in text

    def test_a_job_that_restarts_until_it_succeeds(self, cli):
        script = "test -e was && exit 0; touch was; exit 1"
        options = "--restart on-failure --name cli-restart".split()
        text = cli(
            "job", "run", "--preset", "cpu-small", *options, "ubuntu", "--", "sh", "-c", script
        )
        assert "succeeded" in text

    def test_every_option_that_can_be_honoured(self, cli, jobs):
        (cli.home / "env").write_text("# these\nFROM=file\n\n")
        job = cli.start(
            "'echo $ONE $FROM $EMPTY.; pwd'",
            options=shlex.split(
                "--http-port 8080 --no-http-auth --life-span 1h --description 'a text' --tag a --tag b "
                "--schedule-timeout 5m --priority high --pass-config --env ONE=1 --env EMPTY= "
                "--env-file env --entrypoint 'sh -c' --extshm --wait-for-seat --privileged "
                "--restart never --no-tty --project user --org local-org --cluster local "
                "--name cli-options"
            ),
        )
        ended = jobs.wait(job, timeout=30)
        assert ended.status is JobStatus.SUCCEEDED
        assert jobs.monitor(job).read().startswith(b"1 file .\n")
        assert (ended.name, ended.description, ended.tags) == ("cli-options", "a text", ("a", "b"))
        assert (ended.life_span, ended.schedule_timeout) == (3600, 300)
        assert ended.priority is JobPriority.HIGH
        assert ended.restart_policy is JobRestartPolicy.NEVER
        assert ended.pass_config
        assert ended.privileged
        assert ended.project_name == "user"
        container = ended.container
        assert (container.http.port, container.http.requires_auth) == (8080, False)
        assert (container.entrypoint, container.resources.shm, container.tty) == (
            "sh -c",
            True,
            False,
        )

    @needs_bubblewrap
    def test_what_is_mounted(self, cli, jobs, platform):
        secrets = platform.data_dir / "secrets" / "local-org" / "local-project"
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / "cli-key").write_text("hidden")
        script = "echo data > /data/file; pwd; cat /keys/key; echo .$KEY; touch /disk/x; touch /ro/x; exit 0"
        job = cli.start(
            "sh",
            "-c",
            script,
            options=shlex.split(
                "-v storage:cli:/data:rw -v storage:cli:/ro:ro -v secret:cli-key:/keys/key "
                "-v disk:disk-0123abcd-0123-0123-0123-0123456789ab:/disk:rw -e KEY=secret:cli-key "
                "--workdir /data"
            ),
        )
        jobs.wait(job, timeout=30)
        text = jobs.monitor(job).read().decode()
        assert "/data\nhidden.hidden\n" in text
        assert "Read-only" in text
        stored = platform.data_dir / "storage" / "local-org" / "local-project" / "cli" / "file"
        assert stored.read_text() == "data\n"

    def test_what_the_platform_refuses(self, cli):
        code, text = cli.run(
            "job", "run", "--preset", "cpu-small", "--energy-schedule", "x", "ubuntu"
        )
        assert code != 0
        assert "Energy schedule 'x' not found" in text

    def test_whom_a_job_cannot_be_shared_with(self, cli):
        code, text = cli.run(
            *"job run --preset cpu-small --detach --share somebody ubuntu -- true".split()
        )
        assert code != 0
        assert "cannot share with 'somebody': this platform has no users but 'user'" in text


class TestJob:
    def test_its_status_and_life_span(self, cli, jobs, running):
        for id in (running, "cli-running"):
            text = cli("job", "status", id)
            for shown in (running, "cli-running", "running", "text", "a, b"):
                assert shown in text
        command = {"apolo": "generate-run-command", "neuro": "generate-run"}[cli.name]
        assert "--name cli-running" in cli("job", command, running)
        before = jobs.status(running).life_span
        assert "life span" in cli("job", "bump-life-span", "cli-running", "2h")
        assert jobs.status(running).life_span == before + 7200

    def test_its_log_is_followed_to_its_end(self, cli, jobs):
        script = "echo first; while ! test -e go; do sleep 0.1; done; echo last"
        job = cli.start("sh", "-c", script)
        process = cli.popen("job", "logs", job)
        try:
            assert process.stdout.readline() == b"first\n"
            jobs.exec_run(job, "touch go", check=True)
            rest = process.communicate(timeout=TIMEOUT)[0].decode()
        finally:
            process.kill()
            process.communicate()
        assert "last\n" in rest
        assert "first" not in rest
        # And once it has ended.
        assert "first\nlast\n" in cli("job", "logs", job)
        assert re.search(r"20\d\d-\S+Z last\n", cli("job", "logs", "--timestamps", job))
        assert "last" not in cli("job", "logs", "--since", "2090-01-01", job)

    def test_the_exit_code_and_the_output_of_a_command(self, cli, running):
        text = cli(*"job exec -T cli-running -- sh -c".split(), "echo out; exit 3", code=3)
        assert "out" in text

    def test_telemetry(self, cli, running):
        process = cli.popen("job", "top", running)
        text = b""

        def seen():
            nonlocal text
            if select.select([process.stdout], [], [], 1)[0]:
                text += process.stdout.read1(65536)
            # A job has a row once there is a sample of it.
            return running.encode() in text

        try:
            assert until(seen), text
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)

    def test_a_port(self, cli, jobs):
        job = cli.start(sys.executable, "-c", SERVER)
        port = next(jobs.monitor(job).lines())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            local = probe.getsockname()[1]
        process = cli.popen("job", "port-forward", job, "{}:{}".format(local, port))

        def page():
            try:
                with urllib.request.urlopen(
                    "http://127.0.0.1:{}/".format(local), timeout=5
                ) as response:
                    return response.status
            except OSError:
                return None

        try:
            assert until(page) == 200
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)
            jobs.kill(job)

    def test_a_command_at_a_terminal(self, cli, running):
        code, shown = cli.at_a_terminal(
            ["job", "exec", running, "--", "sh"],
            [(b" ", b"tty; stty size; echo done=$((40+2))\r"), (b"done=42", b"exit 5\r")],
        )
        assert code == 5, shown
        assert b"/dev/pts/" in shown

    def test_attached_to_at_a_terminal(self, cli, jobs):
        job = cli.start("sh", options=["--tty"])
        jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
        code, shown = cli.at_a_terminal(
            ["job", "attach", job],
            [(b"", b"echo got=$((40+2))\r"), (b"got=42", b"exit 0\r")],
        )
        assert jobs.wait(job, timeout=30).status is JobStatus.SUCCEEDED
        assert code == 0, shown

    def test_saving_is_refused_in_the_platforms_way(self, cli, running):
        code, text = cli.run("job", "save", running, "image:saved:v1")
        assert code != 0
        assert "cannot save images" in text

    def test_its_end(self, cli, jobs):
        job = cli.start("sleep", "600")
        assert job in cli("job", "kill", job)
        assert jobs.wait(job, timeout=30).status is JobStatus.CANCELLED
        assert "cancelled" in cli("job", "status", job)
        code, text = cli.run("job", "exec", "-T", job, "--", "true")
        assert code != 0
        assert "not running" in text
        code, text = cli.run("job", "kill", "no-such-job")
        assert code != 0
        assert "no such job no-such-job" in text
