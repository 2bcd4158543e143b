"""The platform as a process: how it starts, what it leaves, and what it finds when it comes back."""

import json
import os
import pathlib
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

import neuro_sync
from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform

from .api import Api
from .processes import TIMEOUT, sh, wait_gone

COMMAND = [sys.executable, "-m", "neuro_sync.local"]
ENVIRONMENT = {
    **os.environ,
    # Found wherever the tests are run from; the real thing would be installed.
    "PYTHONPATH": os.pathsep.join(
        filter(
            None, (str(pathlib.Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))
        )
    ),
    # What a library says of the age of a Python is no word of the platform.
    "PYTHONWARNINGS": "ignore",
}


class Foreground:
    """``python -m neuro_sync.local``, as somebody types it."""

    def __init__(self, temporary, *arguments):
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, "TMPDIR": str(temporary)},
            universal_newlines=True,
        )
        self.pid = self.process.pid
        self.greeting = ""
        while "Ctrl-C" not in self.greeting:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.greeting += line
        self.api_url = re.search(r"API +(\S+)", self.greeting).group(1)
        self.token_file = pathlib.Path(re.search(r"token +(.+)", self.greeting).group(1))
        self.token = self.token_file.read_text()

    def end(self, number):
        """Sends a signal; returns the exit code and what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, words = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, words


@pytest.fixture
def foreground(tmp_path_factory):
    """Starts platforms in the foreground, and ends those that the test leaves."""
    started = []

    def start(*arguments):
        # One that is killed leaves its own directory behind.
        started.append(Foreground(tmp_path_factory.mktemp("temporary"), *arguments))
        return started[-1], Api(started[-1])

    yield start
    for platform in started:
        platform.end(signal.SIGKILL)


def tree(pid):
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def listening(pid):
    process = psutil.Process(pid)
    # Its name since psutil 6.
    connections = getattr(process, "net_connections", None) or process.connections
    return [item.laddr for item in connections(kind="inet") if item.status == psutil.CONN_LISTEN]


def fails(*arguments):
    """The words with which a platform does not start."""
    result = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        universal_newlines=True,
        timeout=TIMEOUT,
    )
    assert result.returncode != 0
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


# Starting


def test_the_greeting_is_enough_to_connect(foreground, tmp_path):
    platform, _ = foreground("--data-dir", tmp_path / "it's mine")
    with neuro_sync.JobsClient(platform.api_url, platform.token) as jobs:
        assert set(jobs.config.presets) == {"cpu-small", "cpu-medium", "cpu-large"}
    (command,) = re.findall(r"  python -m (neuro_sync[^\\]*\\\n.*)", platform.greeting)
    script = "exec {} -m {}".format(shlex.quote(sys.executable), command)
    output = subprocess.check_output(["sh", "-c", script], env=ENVIRONMENT)
    assert b"job-" not in output
    (program,) = re.findall(r"In Python:\n\n((?:  .*\n)+)", platform.greeting)
    program = textwrap.dedent(program) + "print(sorted(jobs.config.presets))"
    output = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", program], env=ENVIRONMENT
    )
    assert b"cpu-small" in output


def test_only_this_machine_can_connect(foreground):
    platform, _ = foreground()
    (address,) = listening(platform.pid)
    assert address.ip == "127.0.0.1"
    assert platform.api_url == "http://127.0.0.1:{}/api/v1".format(address.port)


def test_what_it_keeps_is_for_its_user_alone(foreground, tmp_path):
    directory = tmp_path / "data"
    platform, api = foreground("--data-dir", directory)
    api.run("true")
    assert platform.token_file == directory / "token"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("token", "secret.json", "jobs.sqlite", "lock"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name


def test_an_open_directory_does_not_open_the_token(foreground, tmp_path):
    os.chmod(str(tmp_path), 0o755)
    platform, _ = foreground("--data-dir", tmp_path)
    assert stat.S_IMODE(platform.token_file.stat().st_mode) == 0o600


def test_a_port_of_ones_choice(foreground):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    platform, _ = foreground("--port", port)
    assert platform.api_url == "http://127.0.0.1:{}/api/v1".format(port)


def test_two_platforms_do_not_know_each_other(own_platform):
    (first, api), (second, other_api) = own_platform(), own_platform()
    assert first.api_url != second.api_url
    assert first.data_dir != second.data_dir
    job = api.start("sleep 600")
    assert other_api.get("/jobs") == {"jobs": []}
    assert other_api.call("GET", "/jobs", headers=api.headers).status_code == 401
    second.close()
    assert api.wait_running(job["id"])


def test_a_port_that_is_taken(platform):
    port = int(platform.api_url.split(":")[2].split("/")[0])
    assert "port {} is taken".format(port) in fails("--port", port)
    with pytest.raises(RuntimeError, match="port {} is taken".format(port)):
        LocalPlatform(port=port)


def test_a_directory_that_is_taken(own_platform, tmp_path):
    platform, api = own_platform(data_dir=tmp_path)
    assert "in use by another local platform" in fails("--data-dir", tmp_path)
    with pytest.raises(RuntimeError, match="in use by another local platform"):
        LocalPlatform(data_dir=tmp_path)
    assert platform.token in api.headers["Authorization"]
    assert api.run("true")["status"] == "succeeded"


@pytest.mark.parametrize("port", ["http", "-1", "65536"])
def test_what_is_no_port(port):
    assert "{!r} is no port".format(port) in fails("--port=" + port)


def test_a_directory_that_is_none(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert str(file) in fails("--data-dir", file)


@pytest.mark.parametrize("name", ["jobs.sqlite", "secret.json"])
def test_a_file_that_is_damaged(tmp_path, name):
    (tmp_path / name).write_text("no" * 1000)
    words = fails("--data-dir", tmp_path)
    assert str(tmp_path / name) in words


def test_a_failed_start_leaves_nothing(tmp_path, monkeypatch, platform):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(RuntimeError):
        LocalPlatform(port=int(platform.api_url.split(":")[2].split("/")[0]))
    assert list(temporary.iterdir()) == []


def test_the_words_of_an_earlier_start_are_not_told_again(tmp_path):
    (tmp_path / "platform.log").write_text("words of last time\n")
    (tmp_path / "jobs.sqlite").write_text("no" * 1000)
    with pytest.raises(RuntimeError) as caught:
        LocalPlatform(data_dir=tmp_path)
    assert "jobs.sqlite" in str(caught.value)
    assert "last time" not in str(caught.value)


def test_files_of_the_current_directory_are_no_libraries(tmp_path, monkeypatch):
    for name in ("secrets.py", "aiohttp.py"):
        (tmp_path / name).write_text("raise RuntimeError('this is no library')")
    monkeypatch.chdir(tmp_path)
    with LocalPlatform() as platform, platform.client() as client:
        job = client.jobs.start(image="x", preset_name="cpu-small", command="true")
        assert client.jobs.wait(job.id, timeout=TIMEOUT).status == "succeeded"


def test_what_is_not_installed_is_named(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['aiohttp'] = None")
    path = os.pathsep.join((str(tmp_path), ENVIRONMENT["PYTHONPATH"]))
    result = subprocess.run(
        COMMAND, stderr=subprocess.PIPE, env={**ENVIRONMENT, "PYTHONPATH": path}, timeout=TIMEOUT
    )
    assert result.returncode == 1
    assert result.stderr == (b"the local platform needs aiohttp: pip install 'neuro_sync[local]'\n")


# Ending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_in_order_at_a_signal(foreground, number):
    platform, api = foreground()
    job_id = api.start(sh("trap '' TERM INT HUP; exec sleep 600"))["id"]
    api.wait_running(job_id)
    below = tree(platform.pid)
    assert len(below) >= 3
    code, words = platform.end(number)
    assert (code, words) == (0, "")
    wait_gone(*below)
    assert not platform.token_file.parent.exists()


def test_it_ends_in_order_where_nobody_reads_its_words_any_more(foreground):
    """As behind ``| tee``, which Ctrl-C ends, too."""
    platform, _ = foreground()
    platform.process.stdout.close()
    platform.process.send_signal(signal.SIGINT)
    with platform.process.stderr as words:
        assert words.read() == ""
    assert platform.process.wait(TIMEOUT) == 0


def test_ctrl_c_at_the_terminal_is_for_the_platform_alone(foreground):
    # A terminal sends it to the whole foreground group: jobs must not get it before their platform.
    platform, api = foreground()
    for _ in range(2):
        api.wait_running(api.start("sleep 600")["id"])
    group = os.getpgid(platform.pid)
    below = tree(platform.pid)
    assert len(below) >= 5
    assert group not in map(os.getpgid, below)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of others are Linux's")
def test_a_full_disk_keeps_nobody_waiting(own_platform, tmp_path):
    platform, _ = own_platform()
    go_on = tmp_path / "go on"
    with platform.client() as client:
        command = sh("echo one; while [ ! -e '{}' ]; do sleep 0.05; done; exit 3".format(go_on))
        job = client.jobs.start(image="x", preset_name="cpu-small", command=command)
        with client.jobs.monitor(job.id) as log:
            assert next(iter(log)) == b"one\n"
            client.jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=TIMEOUT)
            process = psutil.Process(int((platform.data_dir / "lock").read_text()))
            process.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
            go_on.touch()
            assert b"".join(log) == b""
        ended = client.jobs.wait(job.id, timeout=TIMEOUT)
        assert (ended.status, ended.history.exit_code) == ("failed", 3)


def test_followers_are_told_that_it_ends(own_platform):
    platform, api = own_platform()
    job_id = api.start("sleep 600")["id"]
    api.wait_running(job_id)
    with platform.client(retry=neuro_sync.RetryPolicy(attempts=1)) as client:
        with client.jobs.exec(job_id, "sleep 600", stdout=True) as stream:
            platform.close()
            with pytest.raises(neuro_sync.NeuroError):
                list(stream)


def test_no_job_outlives_a_platform_that_is_killed(foreground):
    platform, api = foreground()
    job_id = api.start(sh("(setsid sleep 1000 &) ; trap '' TERM HUP; sleep 1000"))["id"]
    api.wait_running(job_id)
    deadline = time.monotonic() + TIMEOUT
    while len(tree(platform.pid)) < 5:  # who starts jobs, who watches this one, and its three
        assert time.monotonic() < deadline
        time.sleep(0.01)
    below = tree(platform.pid)
    code, _ = platform.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    wait_gone(*below)


def test_it_ends_with_the_program_that_started_it(tmp_path):
    script = (
        "import os, neuro_sync.local\n"
        "platform = neuro_sync.local.LocalPlatform()\n"
        "print(platform.data_dir, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    output = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**ENVIRONMENT, "TMPDIR": str(temporary)},
        universal_newlines=True,
        timeout=TIMEOUT,
    ).stdout
    directory = output.strip()
    assert directory.startswith(str(temporary))
    deadline = time.monotonic() + TIMEOUT
    while os.path.exists(directory) or mentioned(directory):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def mentioned(word):
    """Whether a process has the word in its command line."""
    for process in psutil.process_iter():
        try:
            if word in " ".join(process.cmdline()):
                return True
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return False


def test_close_may_be_called_again(own_platform):
    platform, _ = own_platform()
    directory = platform.data_dir
    assert directory.exists()
    platform.close()
    platform.close()
    assert not directory.exists()


# Coming back


def start_some(api):
    """A job that has succeeded, one that has failed, one that runs and one that waits."""
    succeeded = api.run(sh("echo first; echo second >&2"), name="of-before", tags=["a", "b"])
    failed = api.run(sh("exit 5"))
    running = api.start(sh("echo started; exec sleep 600"), name="runs-on", restart_policy="always")
    api.wait_running(running["id"])
    body = {"container": {"image": "x", "resources": {"cpu": 10**6, "memory": 2**30}}}
    pending = api.post(body, "/jobs").json()
    with api.call("GET", "{}/{}/log".format(api.mon, running["id"]), stream=True) as response:
        assert next(response.iter_lines(chunk_size=1)) == b"started"
    return succeeded, failed, running, pending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_has_ended_is_kept_and_what_was_active_has_failed(foreground, tmp_path, number):
    platform, api = foreground("--data-dir", tmp_path)
    succeeded, failed, running, pending = start_some(api)
    log = api.log(succeeded["id"])
    below = tree(platform.pid)
    platform.end(number)
    wait_gone(*below)

    again, api = foreground("--data-dir", tmp_path)
    assert api.job(succeeded["id"]) == succeeded
    assert api.job("of-before") == succeeded
    assert api.job(failed["id"]) == failed
    assert api.log(succeeded["id"]) == log == b"first\nsecond\n"
    for job_id in (running["id"], pending["id"]):
        job = api.job(job_id)
        assert job["status"] == "failed"
        assert job["history"]["reason"] == "NotFound"
        assert "the local platform was stopped" in job["history"]["description"]
        assert "exit_code" not in job["history"]
        assert [item["status"] for item in job["statuses"]][-1] == "failed"
    assert api.log(running["id"]) == b"started\n"
    assert api.log(pending["id"]) == b""
    assert [job["id"] for job in api.get("/jobs")["jobs"]] == [
        job["id"] for job in (succeeded, failed, running, pending)
    ]
    # The name is free, all the room is there, and who was logged in still is.
    assert api.start("true", name="runs-on")
    before = {"Authorization": "Bearer " + platform.token}
    assert api.get("/config", headers=before)["authorized"] is True
    assert again.token_file == platform.token_file


def test_a_log_is_followed_to_its_end_after_the_platform_came_back(own_platform, tmp_path):
    platform, api = own_platform(data_dir=tmp_path)
    port = int(platform.api_url.split(":")[2].split("/")[0])
    job_id = api.start(sh("echo one; echo two; exec sleep 600"))["id"]
    api.wait_running(job_id)
    with platform.client() as client:
        with client.jobs.monitor(job_id, separator="") as log:
            lines = log.lines()
            assert [next(lines), next(lines)] == ["one", "two"]
            platform.close()
            own_platform(data_dir=tmp_path, port=port)
            assert list(lines) == []
            assert log.job.status is neuro_sync.JobStatus.FAILED


def test_it_comes_back_with_its_token(own_platform, tmp_path):
    platform, _ = own_platform(data_dir=tmp_path)
    platform.faults.expire_token()
    token = platform.token
    platform.close()
    _, api = own_platform(data_dir=tmp_path)
    config = api.get("/config", headers={"Authorization": "Bearer " + token})
    assert config["authorized"] is True
    secret = json.loads((tmp_path / "secret.json").read_text())
    assert secret["key"] not in token
