"""A script that runs a job ends as one that runs a program with ``subprocess.run(check=True)``."""

import io
import signal
import subprocess
import sys

import pytest

from neuro_sync import JobStatus
from neuro_sync.jobs.running import _writer

SCRIPT = """
import sys
from neuro_sync import JobsClient

api_url, token_file, command, output = sys.argv[1:]
with JobsClient(api_url, open(token_file).read()) as jobs:
    job = jobs.start_and_wait(
        image="ubuntu", preset_name="cpu-small", command=command, name="script", check=True,
        output={"shown": sys.stdout, "bytes": sys.stdout.buffer, "called": print}.get(output),
    )
print(job.status)
"""


@pytest.fixture
def script(platform):
    started = []

    def script(command, output="hidden"):
        words = [platform.api_url, str(platform.data_dir / "token"), command, output]
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        started.append(process)
        return process

    yield script
    for process in started:
        with process:
            if process.poll() is None:
                process.kill()


def test_a_job_that_succeeds(script):
    process = script("sh -c 'echo one; echo two'", "shown")
    assert process.communicate(timeout=60) == ("one\ntwo\nsucceeded\n", "")
    assert process.returncode == 0


def test_the_log_of_a_job_goes_to_a_file_of_bytes_or_a_callable_too(script):
    for output, shown in ("bytes", "one\n"), ("called", "b'one\\n'\n"):
        assert script("echo one", output).communicate(timeout=60) == (shown + "succeeded\n", "")


def test_text_may_be_cut_anywhere():
    text = "\u0439\u20ac\U0001f680 ok\n"
    file = io.StringIO()
    write = _writer(file)
    for byte in (text + "\udcff").encode("utf-8", "surrogateescape"):
        write(bytes([byte]))
    assert file.getvalue() == text + "\ufffd"


@pytest.mark.parametrize("output", ["shown", "hidden"])
def test_a_job_that_fails_says_why(script, output):
    process = script("sh -c 'exec 2>&1; seq 20; echo no such file >&2; exit 3'", output)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out.count("\n") == (21 if output == "shown" else 0)
    said = err[err.index("neuro_sync.errors.JobFailed: ") :].splitlines()
    assert "did not succeed (it failed: Error, exit code 3)" in said[0]
    # The last ten lines of its log.
    assert [line.strip() for line in said[1:]] == [*map(str, range(12, 21)), "no such file"]


def test_a_command_that_is_not_there_says_so(script):
    process = script("no-such-program --flag")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert "ContainerCannotRun" in last
    assert "'no-such-program': No such file or directory" in last
    assert "exit code 127" in last


@pytest.mark.parametrize("output", ["shown", "hidden"])
def test_ctrl_c_kills_the_job_first(script, jobs, output):
    process = script("sleep 600", output)
    job = running(jobs)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode != 0
    assert jobs.wait(job.id, timeout=30).status is JobStatus.CANCELLED


def running(jobs):
    """The job of the script, once it runs."""
    while True:
        with jobs.list(name="script", statuses=JobStatus.active_items()) as found:
            job = next(found, None)
        if job is not None:
            return jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
