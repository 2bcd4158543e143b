"""The platform's own CLIs at the streams of jobs: logs, telemetry, ports, terminals."""

import re
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from neuro_sync import JobStatus

from ..gates import WAIT_AT_GATE, open_gate
from .commands import TIMEOUT, free_port, page, until

SERVER = (
    "import http.server as h, sys; "
    "s = h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler); "
    "print(s.server_address[1], flush=True); s.serve_forever()"
)


def test_a_log_is_followed_to_its_end(cli, jobs):
    job = cli.start("sh", "-c", "echo first; {}; echo last".format(WAIT_AT_GATE))
    process = cli.popen("job", "logs", job)
    try:
        assert process.stdout.readline() == b"first\n"
        open_gate(jobs, job)
        rest = process.communicate(timeout=TIMEOUT)[0].decode()
    finally:
        process.kill()
        process.communicate()
    assert "last\n" in rest
    assert "first" not in rest
    # And once it has ended.
    assert "first\nlast\n" in cli("job", "logs", job)
    text = cli("job", "logs", "--timestamps", "--since", "1h", job)
    assert re.search(r"20\d\d-\S+Z first\n20\d\d-\S+Z last\n", text)
    assert "last" not in cli("job", "logs", "--since", "2090-01-01", job)


@pytest.fixture(scope="module")
def other(cli, running, platform):
    """A younger job, of another project."""
    options = "--name cli-other --tag c --description other --project user".split()
    job = cli.start("sleep", "600", options=options)
    with platform.client() as client:
        yield client.jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
        client.jobs.kill(job)


class TestTop:
    def test_every_filter(self, cli, jobs, running, other):
        # Filters, and the jobs that pass them.
        filters = {
            "": {running, other.id},
            "{} cli-running cli-other".format(running): {running, other.id},
            "--name cli-running --tag a --tag b --description text --owner ME --owner user "
            "--since 1h --until 2090-01-01 --cluster local --project local-project": {running},
            "--name cli-other --tag c --description other --owner ALL --project user": {other.id},
            "--since {}".format(other.history.created_at.isoformat()): {other.id},
            "--until {}".format(jobs.status(running).history.created_at.isoformat()): {running},
        }

        def shown(words):
            with cli.going("job", "top", "--format", "id", *words.split()) as top:
                # By the second sample of one job there is a first one of every other.
                top.until(lambda text: all(text.count(id) >= 2 for id in filters[words]))
                return {id for id in (running, other.id) if id in top.text}

        with ThreadPoolExecutor(3) as pool:
            assert dict(zip(filters, pool.map(shown, filters))) == filters

    def test_every_column_in_order(self, cli, running, other):
        columns = "id name tags status when created started image owner description cluster_name"
        columns += " org_name project_name command life_span preset cpu memory gpu gpu_memory"
        words = ["--full-uri", "--sort", "-created,id", "--format", columns]
        with cli.going("job", "top", *words) as top:
            top.until(lambda text: re.search(other.id + ".*" + running, text, re.S))
        row = top.text[top.text.rindex(running) :].splitlines()[0]
        for shown in ("cli-running", "a,b", "running", "ubuntu:latest", "YOU", "text", "local-org"):
            assert shown in row
        assert re.search(r"sleep 600 +1h +cpu-small +\d\.\d{3} +\d+\.\d{3} +0 +0 *$", row)

    def test_it_ends_in_time(self, cli, running):
        text = cli("job", "top", "--owner", "other", "--timeout", "2", code=124)
        assert "MEMORY (MB)" in text
        assert running not in text


class TestPorts:
    def test_of_a_job_that_is_there(self, cli, jobs):
        job = cli.start(sys.executable, "-c", SERVER, "0")
        port = next(jobs.monitor(job).lines())
        local = [free_port(), free_port()]
        words = ["{}:{}".format(number, port) for number in local]
        with cli.going("job", "port-forward", job, *words):
            for number in local:
                assert until(lambda number=number: page(_url(number))) == 200
        jobs.kill(job)

    def test_of_a_job_that_is_run_and_of_one_attached_to(self, cli, jobs):
        port, first, second = free_port(), free_port(), free_port()
        forward = "--port-forward {}:{}".format
        command = [sys.executable, "-c", SERVER, str(port)]
        options = shlex.split("--preset cpu-small " + forward(first, port))
        with cli.going("run", *options, "ubuntu", "--", *command) as run:
            assert until(lambda: page(_url(first))) == 200
            run.until(lambda text: "will be forwarded to port {}".format(port) in text)
            job = re.search("job-[0-9a-f-]{36}", run.text).group()
        with cli.going("attach", *shlex.split(forward(second, port)), job) as attach:
            assert until(lambda: page(_url(second))) == 200
            jobs.kill(job)
            assert attach.end() == 0
        assert "was cancelled" in attach.text
        assert "ERROR" not in attach.text


class TestAtATerminal:
    def test_a_command(self, cli, running):
        code, shown = cli.at_a_terminal(
            ["job", "exec", running, "--", "sh"],
            [(b" ", b"tty; stty size; echo done=$((40+2))\r"), (b"done=42", b"exit 5\r")],
        )
        assert code == 5, shown
        assert b"/dev/pts/" in shown

    def test_a_job_that_is_run(self, cli):
        code, shown = cli.at_a_terminal(
            "run --tty --preset cpu-small ubuntu -- sh".split(),
            [(b"detach from the job", b"tty; echo got=$((40+2))\r"), (b"got=42", b"exit 6\r")],
        )
        assert code == 6, shown
        assert b"/dev/pts/" in shown

    def test_a_job_is_attached_to_left_and_attached_to_again(self, cli, jobs):
        job = cli.start("sh", options=["--tty"])
        jobs.wait(job, statuses={JobStatus.RUNNING}, timeout=30)
        code, shown = cli.at_a_terminal(
            ["job", "attach", job], [(b"", b"echo got=$((40+2))\r"), (b"got=42", b"\x10\x11")]
        )
        assert code == 0, shown
        code, shown = cli.at_a_terminal(
            # What is typed to leave has come to the shell, too.
            ["job", "attach", job],
            [(b"", b"\recho got=$((40+3))\r"), (b"got=43", b"exit 0\r")],
        )
        assert code == 0, shown
        assert jobs.wait(job, timeout=30).status is JobStatus.SUCCEEDED

    def test_a_job_without_a_terminal_is_left_and_killed(self, cli, jobs):
        script = "while read number; do echo got=$((number + 2)); done"
        code, shown = cli.at_a_terminal(
            ["run", "--no-tty", "--preset", "cpu-small", "ubuntu", "--", "sh", "-c", script],
            [(b"detach", b"40\r"), (b"got=42", b"\x03"), (b"Detach", b"d")],
        )
        assert code == 0, shown
        job = re.search(b"job-[0-9a-f-]{36}", shown).group().decode()
        assert jobs.status(job).status is JobStatus.RUNNING
        code, shown = cli.at_a_terminal(
            ["attach", job], [(b"detach", b"41\r"), (b"got=43", b"\x03"), (b"Detach", b"c")]
        )
        assert code == 130, shown
        assert jobs.wait(job, timeout=30).status is JobStatus.CANCELLED


def _url(port):
    return "http://127.0.0.1:{}/".format(port)
