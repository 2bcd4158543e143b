"""Jobs as processes: how they start, what they see, and how they end."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from neuro_sync.local.runner import JobExit, JobSpec, LaunchError, Runner

from .execution import run
from .processes import alive

COMPLETED = JobExit(0, "Completed", "")


class Machine:
    """A runner, and what a test wants of it."""

    def __init__(self, path: pathlib.Path, **options: Any) -> None:
        self.path = path
        self.runner = Runner(path, **options)

    async def __aenter__(self) -> "Machine":
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.runner.close()

    async def start(self, command: Any, **spec: Any) -> Any:
        return await self.runner.start(JobSpec("job-1", command=command, **spec))

    async def run(self, command: Any, **spec: Any) -> JobExit:
        job = await self.start(command, **spec)
        return await job.wait()

    def output(self, job_id: str = "job-1") -> bytes:
        files = self.runner.log(job_id).open()
        try:
            return b"".join(
                files.read(record.offset, record.length)
                for start in range(0, len(files), 256)
                for record in files.records(start)
            )
        finally:
            files.close()

    async def line(self, number: int = 0) -> bytes:
        """A line of output, as soon as it is there."""
        while True:
            lines = self.output().split(b"\n")
            if len(lines) > number + 1:
                return lines[number]
            await asyncio.sleep(0.01)


async def gone(*pids: int) -> None:
    """Waits until the processes have ended."""
    while any(map(alive, pids)):
        await asyncio.sleep(0.01)


def new_children(before: Any) -> Any:
    """The children of this process that were not there: a platform of other tests may be."""
    return set(psutil.Process().children()) - before


def test_entrypoint_and_command_are_split_into_words_without_a_shell(
    tmp_path: pathlib.Path,
) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            result = await machine.run(
                "'a  b' $HOME \"c'd\" *", entrypoint="printf '<%s>' --", working_dir="/"
            )
            assert result == COMPLETED
            assert machine.output() == b"<--><a  b><$HOME><c'd><*>"

    run(scenario())


@pytest.mark.parametrize(
    ("command", "code"),
    [("true", 0), ("sh -c 'exit 3'", 3), ("sh -c 'kill -KILL $$'", 137), ("sh -c 'kill $$'", 143)],
)
def test_the_exit_code_is_that_of_a_shell(tmp_path: pathlib.Path, command: str, code: int) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            result = await machine.run(command)
            assert result == JobExit(code, "Error" if code else "Completed", "")

    run(scenario())


def test_nothing_to_run_prints_nothing_and_succeeds(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            assert await machine.run(None) == COMPLETED
            assert machine.output() == b""

    run(scenario())


def test_a_missing_program_is_a_container_that_cannot_run(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            assert await machine.run("no-such-program --now") == JobExit(
                127, "ContainerCannotRun", "cannot run 'no-such-program': No such file or directory"
            )
            assert (await machine.run("/etc/passwd")).exit_code == 126
            assert (await machine.run("true")) == COMPLETED

    run(scenario())


def test_a_job_sees_its_environment_and_nothing_of_the_platforms(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_SECRET", "hidden")

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("env", env={"NAME": "a\nb", "EMPTY": ""})
            text = machine.output().decode()
            assert "NAME=a\nb\n" in text
            assert "EMPTY=\n" in text
            assert "hidden" not in text
            names = {line.split("=")[0] for line in text.splitlines() if "=" in line}
            assert names == {"PATH", "HOME", "LANG", "NAME", "EMPTY"}

    run(scenario())


def test_the_working_directory_is_the_jobs_own_and_outlives_restarts(
    tmp_path: pathlib.Path,
) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("sh -c 'pwd; echo kept > file'")
            await machine.run("cat file", restarts=1)
            work = tmp_path / "jobs" / "job-1" / "work"
            assert machine.output().decode() == "{}\nkept\n".format(work)

    run(scenario())


def test_python_is_the_one_that_runs_the_platform(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("python -c 'import sys; print(sys.prefix)'")
            assert machine.output().decode().strip() == sys.prefix

    run(scenario())


def test_a_tty_is_the_controlling_terminal(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            # /dev/tty can be opened by those only who have a controlling terminal.
            await machine.run("sh -c 'test -t 0 -a -t 2; echo $?; stty size </dev/tty'", tty=True)
            assert machine.output() == b"0\r\n24 80\r\n"

    run(scenario())


def test_a_tty_loses_none_of_the_last_words(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            for number in range(20):
                await machine.run("seq 1000", tty=True)
                assert machine.output().count(b"1000\r\n") == number + 1

    run(scenario())


def test_stdin_is_open_and_quiet(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            job = await machine.start("sh -c 'read line; echo got $line'")
            os.write(job.stdin, b"words\n")
            assert await job.wait() == COMPLETED
            assert machine.output() == b"got words\n"

    run(scenario())


def test_both_streams_go_to_the_log_with_all_of_their_bytes(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("sh -c 'printf \"\\000\\377\\r\\n\"; printf end >&2'")
            assert machine.output() in (b"\0\xff\r\nend", b"end\0\xff\r\n")

    run(scenario())


def test_terminate_asks_first(tmp_path: pathlib.Path) -> None:
    script = "sh -c 'trap \"echo bye; exit 5\" TERM; echo ready; while :; do sleep 0.05; done'"

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            job = await machine.start(script)
            await machine.line()
            await job.terminate(30.0)
            assert await job.wait() == JobExit(5, "Error", "")
            assert machine.output().endswith(b"bye\n")

    run(scenario())


def test_terminate_kills_what_does_not_listen(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            script = 'trap "" TERM; sleep 1000 & echo $!; sleep 1000'
            job = await machine.start("sh -c '{}'".format(script))
            child = int(await machine.line())
            begin = time.monotonic()
            await job.terminate(0.2)
            assert await job.wait() == JobExit(137, "Error", "")
            assert 0.2 <= time.monotonic() - begin < 20
            await gone(job.pid, child)

    run(scenario())


def test_what_a_job_leaves_running_ends_with_it(tmp_path: pathlib.Path) -> None:
    # A grandchild in a session of its own, whose parent is gone, and which holds the pipe open.
    script = "(setsid sleep 1000 & echo $!) ; (sleep 1000 & echo $!); exit 4"

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            assert await machine.run("sh -c '{}'".format(script)) == JobExit(4, "Error", "")
            await gone(*(int(pid) for pid in machine.output().split()))

    run(scenario())


def test_kill_reaches_those_that_have_left_the_group(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            job = await machine.start("sh -c '(setsid sleep 1000 & echo $!); sleep 1000'")
            stray = int(await machine.line())
            job.kill()
            assert (await job.wait()).exit_code == 137
            await gone(stray, job.pid)

    run(scenario())


def test_a_job_that_closes_its_output_goes_on_to_run(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            job = await machine.start("sh -c 'exec >&- 2>&-; read line; exit 6'")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(job.wait(), 0.3)
            os.write(job.stdin, b"\n")
            assert (await job.wait()).exit_code == 6

    run(scenario())


def test_more_memory_than_the_job_has_kills_it(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            script = "x = bytearray(200 << 20); import time; time.sleep(60)"
            result = await machine.run("python -c '{}'".format(script), memory=64 << 20)
            assert result[:2] == (137, "OOMKilled")

    run(scenario())


def test_sixty_jobs_at_once(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            specs = [JobSpec("job-{}".format(i), command="sh -c 'read x'") for i in range(60)]
            jobs = await asyncio.gather(*(machine.runner.start(spec) for spec in specs))
            assert len({job.pid for job in jobs}) == 60
            for job in jobs:
                os.write(job.stdin, b"\n")
            results = await asyncio.gather(*(job.wait() for job in jobs))
            assert set(results) == {COMPLETED}

    run(scenario())


def test_close_leaves_no_process(tmp_path: pathlib.Path) -> None:
    before = new_children(set())

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            jobs = [await machine.start("sleep 1000") for _ in range(3)]
        await gone(*(job.pid for job in jobs), *(job.supervisor for job in jobs))

    run(scenario())
    assert new_children(before) == set()


def test_jobs_die_with_a_platform_that_is_killed(tmp_path: pathlib.Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from neuro_sync.local.runner import JobSpec, Runner\n"
        "async def main():\n"
        "    runner = Runner(pathlib.Path(sys.argv[1]))\n"
        "    job = await runner.start(JobSpec('job-1', command='sleep 1000'))\n"
        "    print(job.pid, job.supervisor, flush=True)\n"
        "    await job.wait()\n"
        "asyncio.run(main())\n"
    )
    root = str(pathlib.Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    with process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert len(pids) == 2
    run(gone(*pids))


def test_a_job_whose_supervisor_is_killed_has_failed(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            job = await machine.start("sleep 1000")
            os.kill(job.supervisor, signal.SIGKILL)
            result = await job.wait()
            assert result.reason == "Error"
            assert "lost" in result.description
            await gone(job.pid)

    run(scenario())


def test_a_runner_gets_over_the_loss_of_its_spawner(tmp_path: pathlib.Path) -> None:
    before = new_children(set())

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            assert await machine.run("true") == COMPLETED
            for child in new_children(before):
                child.kill()
            try:
                assert await machine.run("true") == COMPLETED
            except LaunchError:  # the request was taken, and the answer never came
                assert await machine.run("true") == COMPLETED

    run(scenario())


def test_the_spawner_loads_nothing_of_the_server(tmp_path: pathlib.Path) -> None:
    script = (
        "import sys; sys.path.insert(0, {!r}); import neuro_sync.local.spawner;"
        "print([name for name in ('aiohttp', 'asyncio', 'psutil', 'yarl') if name in sys.modules])"
    ).format(str(pathlib.Path(__file__).resolve().parents[2]))
    output = subprocess.check_output([sys.executable, "-S", "-E", "-c", script])
    assert output.split() == [b"[]"]


def test_a_job_id_stays_in_its_directory(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        runner = Runner(tmp_path)
        for bad in ("", ".", "..", "a/b", "a\0b"):
            with pytest.raises(ValueError):
                await runner.start(JobSpec(bad))

    run(scenario())
