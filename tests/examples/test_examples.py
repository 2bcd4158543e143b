"""Each example does what it says, run as a user runs it: as a program of its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import neuro_sync

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("**/*.py"))


@pytest.fixture
def run(tmp_path):
    """Runs an example to its end, in a directory of its own."""

    def run(name, *arguments):
        return subprocess.run(
            [sys.executable, str(EXAMPLES / name), *arguments],
            cwd=str(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=60,
        )

    return run


def output(result):
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_quickstart(run):
    shown = [line.split(None, 1) for line in output(run("quickstart.py"))]
    told = {words[0]: words[-1] for words in shown}
    assert told["exec"] == "wc -c says 12"
    assert told["page"] == "Hello from the job!"
    assert told["log"] == "served / to 127.0.0.1"
    assert told["telemetry"].endswith(" MiB")
    assert told["ended"] == "cancelled (UserRequested)"


def test_sweep(run):
    *results, best = output(run("sweep.py"))
    assert best == "best rate: 0.03"
    assert sorted(line.split(":")[0] for line in results) == sorted(
        "rate {}".format(rate) for rate in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    )


def test_many_logs(run):
    lines = output(run("many_logs.py"))
    for number in range(4):
        name = "worker-{}".format(number)
        mine = [line for line in lines if line.startswith(name)]
        assert mine == [
            name + " | step 1",
            name + " | step 2",
            name + " | step 3",
            name + " : succeeded",
        ]


def test_web_service(run):
    answers = [line.rsplit(" ", 1)[-1] for line in output(run("web_service.py"))]
    assert answers == ["1}", "2}", "3}", "cancelled"]


def test_resume(run):
    lines = output(run("resume.py"))
    assert lines[0] == "one job: True 1"
    log = [line for line in lines if line.startswith("line")]
    assert log == ["line {}".format(number) for number in range(1, 7)]
    assert lines.index("-- a new program goes on --") == lines.index("line 3") + 1
    # Both breaks struck, and each was followed by another connection.
    assert int(lines[-1].split(": ")[1]) >= 4


@pytest.mark.parametrize(("test", "code"), [("assert 1 + 1 == 2", 0), ("assert 1 + 1 == 3", 1)])
def test_pytest_in_a_job(run, tmp_path, test, code):
    (tmp_path / "test_it.py").write_text("def test_it():\n    {}\n".format(test))
    result = run("pytest_in_job.py", "-q", "-p", "no:cacheprovider", str(tmp_path))
    assert result.returncode == code, result.stderr
    assert ("1 passed" in result.stdout) == (code == 0)
    assert result.stderr == ""


def test_pytest_in_a_job_that_finds_no_tests(run, tmp_path):
    assert run("pytest_in_job.py", "-p", "no:cacheprovider", str(tmp_path)).returncode == 5


def test_shell(tmp_path):
    screen = pytest.importorskip("tests.terminal.screen", reason="there are no terminals here")
    with screen.Terminal([sys.executable, str(EXAMPLES / "shell.py")]) as terminal:
        terminal.until("Ctrl-P Ctrl-Q leaves").until(lambda shown: shown.is_raw)
        terminal.type(b"echo $((6 * 7)); exit 3\r")
        assert terminal.wait() == 3
        assert "42" in terminal.text
        assert terminal.text.endswith("the shell ended with 3")
        assert terminal.is_whole


@pytest.fixture
def token_file(platform):
    return str(platform.data_dir / "token")


def test_legacy_cleanup(run, platform, running, start, jobs, token_file):
    kept = start("sleep 600", tags=["keep"])
    jobs.wait(kept.id, statuses={neuro_sync.JobStatus.RUNNING}, timeout=30)
    words = ["--url", platform.api_url, "--token-file", token_file]

    assert running.id not in run("legacy_cleanup.py", *words, "--hours", "1").stderr
    result = run("legacy_cleanup.py", *words, "--hours", "0", "--dry-run")
    assert running.id in result.stderr
    assert jobs.status(running.id).status is neuro_sync.JobStatus.RUNNING

    result = run("legacy_cleanup.py", *words, "--hours", "0")
    assert result.returncode == 0, result.stderr
    assert running.id in result.stderr
    assert kept.id not in result.stderr
    assert jobs.wait(running.id, timeout=30).status is neuro_sync.JobStatus.CANCELLED
    assert jobs.status(kept.id).status is neuro_sync.JobStatus.RUNNING


def test_the_example_project_of_tests(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "testing")],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout
    assert "3 passed" in result.stdout


@pytest.mark.skipif(sys.version_info < (3, 8), reason="ast knows no older grammars before 3.8")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_oldest_python_can_read_it(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_test_is_here_for_each(path):
    tests = Path(__file__).parent.glob("test_*.py")
    name = path.parent.name if path.parent != EXAMPLES else path.name
    assert any(name in test.read_text(encoding="utf-8") for test in tests)
