"""The platform's own CLIs do with the local platform what they do with the platform."""

import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import neuro_sync
from neuro_sync import JobStatus

from .environments import peer_python

TIMEOUT = 60
CLIS = {"apolo": "apolo-26.9.0", "neuro": "neuro-cli-25.5.0"}
SERVER = "import http.server as h; h.HTTPServer(('127.0.0.1', {}), h.SimpleHTTPRequestHandler).serve_forever()"


class Cli:
    """A CLI with a home of its own, logged in."""

    def __init__(self, name, home, platform):
        self.program = str(Path(peer_python(CLIS[name])).with_name(name))
        self.home = home
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("APOLO_", "NEURO"))
        }
        self.env.update(HOME=str(home), COLUMNS="200", PYTHONWARNINGS="ignore")
        self("config", "login-with-token", platform.token, platform.api_url)

    def command(self, *words):
        return [self.program, "--color", "no", *words]

    def run(self, *words, **options):
        done = subprocess.run(
            self.command(*words),
            env=self.env,
            cwd=str(self.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            **options,
        )
        return done.returncode, done.stdout.decode()

    def __call__(self, *words, code=0, **options):
        returned, text = self.run(*words, **options)
        assert returned == code, text
        assert "Traceback" not in text, text
        return text

    def start(self, *words, name=None, options=()):
        """Start a job; returns its id."""
        if name is not None:
            options = ["--name", name, *options]
        text = self(
            "job", "run", "--preset", "cpu-small", "--detach", *options, "ubuntu", "--", *words
        )
        return re.search("job-[0-9a-f-]{36}", text).group()


@pytest.fixture(scope="module", params=sorted(CLIS))
def cli(request, tmp_path_factory, platform):
    return Cli(request.param, tmp_path_factory.mktemp("home"), platform)


def test_config(cli):
    text = cli("config", "show")
    assert "local-org" in text
    assert "local-project" in text
    assert "cpu-small" in text
    assert "cpu-large" in cli("config", "get-clusters")


def test_the_life_of_a_job(cli, jobs):
    job = cli.start(
        "sh",
        "-c",
        "echo $A; exec sleep 600",
        name="cli-life",
        options=["-e", "A=one", "--tag", "tagged"],
    )
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    assert job in cli("job", "ls")
    assert job in cli("-q", "job", "ls", "--tag", "tagged")
    assert job not in cli("-q", "job", "ls", "--status", "pending")
    assert job in cli("-q", "job", "ls", "--name", "cli-life", "--owner", "user")
    assert job not in cli("-q", "job", "ls", "--until", "2020-01-01T00:00:00")
    assert "running" in cli("job", "status", "cli-life")
    before = jobs.status(job).life_span
    cli("job", "bump-life-span", job, "2h")
    assert jobs.status(job).life_span == before + 7200
    cli("job", "kill", job)
    assert "cancelled" in cli("job", "status", job)
    assert "one\n" in cli("job", "logs", job)


def test_logs_of_a_live_job_are_followed_to_its_end(cli, jobs):
    script = "echo first; while ! test -e go; do sleep 0.1; done; echo last"
    job = cli.start("sh", "-c", script)
    process = subprocess.Popen(
        cli.command("job", "logs", job),
        env=cli.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout.readline() == b"first\n"
        jobs.exec_run(job, "touch go", check=True)
        rest = process.communicate(timeout=TIMEOUT)[0].decode()
    finally:
        process.kill()
        process.communicate()
    assert "last\n" in rest
    assert "first" not in rest


def test_exec_has_the_exit_code_and_the_output(cli, jobs):
    job = cli.start("sleep", "600")
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    text = cli("job", "exec", "-T", job, "--", "sh", "-c", "echo out; exit 3", code=3)
    assert "out" in text
    cli("job", "kill", job)


def test_a_finished_job_cannot_be_worked_in(cli, jobs):
    job = cli.start("true")
    jobs.wait(job, timeout=30)
    code, text = cli.run("job", "exec", "-T", job, "--", "true")
    assert code != 0
    assert "not running" in text


def test_top_shows_samples(cli, jobs):
    job = cli.start("sleep", "600", name="cli-top")
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    process = subprocess.Popen(
        cli.command("job", "top", job),
        env=cli.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        text = b""
        deadline = time.monotonic() + TIMEOUT
        while not re.search(rb"second|moment|now", text) and time.monotonic() < deadline:
            if select.select([process.stdout], [], [], 1)[0]:
                text += os.read(process.stdout.fileno(), 65536)
        assert job.encode() in text
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
    cli("job", "kill", job)


def test_a_port_is_forwarded(cli, jobs, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        local = probe.getsockname()[1]
    job = cli.start(sys.executable, "-c", SERVER.format(port))
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    process = subprocess.Popen(
        cli.command("job", "port-forward", job, "{}:{}".format(local, port)),
        env=cli.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                with urllib.request.urlopen(
                    "http://127.0.0.1:{}/".format(local), timeout=5
                ) as page:
                    assert page.status == 200
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)
    cli("job", "kill", job)


def _at_a_terminal(cli, words, steps):
    """Run at a terminal: wait for each text, then type the next; returns the exit code and all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(str(cli.home))
        os.execve(cli.program, cli.command(*words), dict(cli.env, TERM="xterm"))
    shown = b""
    try:
        for expected, typed in steps:
            deadline = time.monotonic() + TIMEOUT
            while expected not in shown:
                assert time.monotonic() < deadline, shown
                if select.select([terminal], [], [], 1)[0]:
                    try:
                        shown += os.read(terminal, 65536)
                    except OSError:
                        break
            assert expected in shown, shown
            if typed:
                os.write(terminal, typed)
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        status = os.waitpid(pid, 0)[1]
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(terminal)
    return os.WEXITSTATUS(status), shown


def test_exec_at_a_terminal(cli, jobs):
    job = cli.start("sleep", "600")
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    code, shown = _at_a_terminal(
        cli,
        ["job", "exec", job, "--", "sh"],
        [(b" ", b"tty; stty size; echo done=$((40+2))\r"), (b"done=42", b"exit 5\r")],
    )
    assert code == 5, shown
    assert b"/dev/pts/" in shown
    cli("job", "kill", job)


def test_attach_at_a_terminal(cli, jobs):
    job = cli.start("sh", options=["--tty"])
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    code, shown = _at_a_terminal(
        cli, ["job", "attach", job], [(b"", b"echo got=$((40+2))\r"), (b"got=42", b"exit 0\r")]
    )
    assert jobs.wait(job, timeout=30).status is JobStatus.SUCCEEDED
    assert code == 0, shown


def test_the_exit_code_of_a_job(cli):
    code, text = cli.run(
        "job", "run", "--preset", "cpu-small", "ubuntu", "--", "sh", "-c", "exit 4"
    )
    assert code == 4, text


def test_every_option_that_can_be_honoured(cli, jobs):
    job = cli.start(
        "sh",
        "-c",
        "cat /mnt/data/file; pwd; exit 0",
        options=shlex.split(
            "--http-port 8080 --no-http-auth --restart never --life-span 1h --description text "
            "--tag a --tag b -v storage:cli:/mnt/data:rw --schedule-timeout 5m --priority high --pass-config "
            "--env B=2 --workdir /mnt/data"
        ),
    )
    ended = jobs.wait(job, timeout=30)
    assert ended.description == "text"
    assert ended.tags == ("a", "b")
    assert ended.life_span == 3600
    assert ended.priority is neuro_sync.JobPriority.HIGH
    assert ended.container.working_dir == "/mnt/data"
    assert ended.pass_config


def test_saving_is_refused_in_the_platforms_way(cli, jobs):
    job = cli.start("sleep", "600")
    jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
    code, text = cli.run("job", "save", job, "image:saved:v1")
    assert code != 0
    assert "Traceback" not in text
    assert "cannot save images" in text
    cli("job", "kill", job)


def test_who_logged_in_with_the_cli_is_in(cli, platform, monkeypatch):
    monkeypatch.setenv("HOME", str(cli.home))
    for name in ("APOLO_CONFIG", "NEUROMATION_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with neuro_sync.get() as client:
        assert client.username == "user"
        assert client.config.path == cli.home / ".apolo"
        job = client.jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="true")
    assert job.status is JobStatus.SUCCEEDED
    assert json.dumps("local-project")[1:-1] in cli("config", "show")


def test_what_we_switch_the_cli_sees(cli, monkeypatch):
    monkeypatch.setenv("HOME", str(cli.home))
    with neuro_sync.get() as client:
        client.config.fetch()
        client.config.switch_project("user")
    assert re.search(r"Current Project\s+user|project.*user", cli("config", "show"), re.I)
    cli("config", "switch-project", "local-project")
    with neuro_sync.get() as client:
        assert client.config.project_name == "local-project"
