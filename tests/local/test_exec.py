"""Commands beside a running job."""

import asyncio
import json
import os
import pathlib
from typing import Any, Dict, List

import aiohttp
import psutil
import pytest

from .execution import Platform, platform, run
from .test_runner import gone

ALL = {"stdin": "1", "stdout": "1", "stderr": "1", "tty": "0"}
TTY = {"stdin": "1", "stdout": "1", "stderr": "0", "tty": "1"}


class Session:
    """What came from one exec."""

    def __init__(self, frames: List[bytes]) -> None:
        self.frames = frames
        self.stdout = b"".join(frame[1:] for frame in frames if frame[:1] == b"\1")
        self.stderr = b"".join(frame[1:] for frame in frames if frame[:1] == b"\2")
        exits = [frame for frame in frames if frame[:1] == b"\3"]
        assert len(exits) == 1
        assert frames[-1] is exits[0]
        self.exit: Dict[str, Any] = json.loads(exits[0][1:].decode())


async def execute(site: Platform, cmd: str, **query: str) -> Session:
    return Session(await site.messages("/job-1/exec", cmd=cmd, **dict(ALL, **query)))


async def until(ws: aiohttp.ClientWebSocketResponse, text: bytes) -> bytes:
    """Reads output until the text has come."""
    output = b""
    while text not in output:
        frame = await ws.receive_bytes()
        assert frame[:1] in (b"\1", b"\2"), frame
        output += frame[1:]
    return output


def test_output_and_exit_code(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            session = await execute(site, "sh -c 'echo out; echo err >&2; exit 7'")
            assert session.frames[:2] == [b"\1", b"\2"]
            assert session.stdout == b"out\n"
            assert session.stderr == b"err\n"
            assert session.exit["exit_code"] == 7
            assert session.exit["message"]
            assert (await execute(site, "true")).exit == {"exit_code": 0}
            assert (await execute(site, "sh -c 'kill -9 $$'")).exit["exit_code"] == 137

    run(scenario())


def test_stdin_arrives(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/exec", cmd="head -c 6", **ALL) as ws:
                await ws.send_bytes(b"\0abc")
                await ws.send_bytes(b"\0")
                await ws.send_bytes(b"\0defg")
                session = Session(await site.drain(ws))
            assert session.stdout == b"abcdef"
            assert session.exit == {"exit_code": 0}

    run(scenario())


def test_much_goes_through_both_ways(tmp_path: pathlib.Path) -> None:
    size = 32 * 1024 * 1024

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            cmd = "head -c {}".format(size)
            async with site.connect("/job-1/exec", cmd=cmd, **ALL) as ws:

                async def send() -> None:
                    for number in range(size // 65536):
                        await ws.send_bytes(b"\0" + bytes([number % 256]) * 65536)

                sending = asyncio.ensure_future(send())
                session = Session(await site.drain(ws))
                await sending
            assert len(session.stdout) == size
            assert session.stdout[65536 * 300] == 300 % 256

    run(scenario())


def test_a_command_lives_in_the_jobs_world(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat", env={"NAME": "value"})
            session = await execute(site, "sh -c 'echo $NAME; pwd'")
            work = tmp_path / "jobs" / "job-1" / "work"
            assert session.stdout.decode() == "value\n{}\n".format(work)

    run(scenario())


def test_cmd_is_split_into_words_without_a_shell(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            session = await execute(site, "printf '<%s>' 'a  b' $HOME \"c'd\"")
            assert session.stdout == b"<a  b><$HOME><c'd>"

    run(scenario())


def test_a_tty(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/exec", cmd="sh", **TTY) as ws:
                await ws.send_bytes(b'\4{"height": 40, "width": 120}')
                await ws.send_bytes(b"\0stty size; echo $TERM; test -t 2; echo tty: $?\n")
                output = await until(ws, b"tty: 0\r\n")
                assert b"40 120\r\nxterm\r\n" in output
                await ws.send_bytes(b"\0exit 3\n")
                session = Session(await site.drain(ws))
            assert session.exit["exit_code"] == 3

    run(scenario())


def test_a_tty_is_told_when_its_size_changes(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            script = 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.02; done'
            async with site.connect("/job-1/exec", cmd="sh -c '{}'".format(script), **TTY) as ws:
                await until(ws, b"ready")
                await ws.send_bytes(b'\4{"height": 11, "width": 22}')
                session = Session(await site.drain(ws))
            assert b"11 22\r\n" in session.stdout

    run(scenario())


def test_ctrl_d_ends_the_input_of_a_tty(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/exec", cmd="cat", **TTY) as ws:
                await ws.send_bytes(b"\0line\n")
                await until(ws, b"line\r\nline\r\n")
                await ws.send_bytes(b"\0\4")
                assert Session(await site.drain(ws)).exit == {"exit_code": 0}

    run(scenario())


def test_only_what_was_asked_for_is_sent(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            session = await execute(site, "sh -c 'echo out; echo err >&2'", stdout="0")
            assert session.stdout == b""
            assert session.stderr == b"err\n"
            session = await execute(site, "cat", stdin="0")
            assert session.exit == {"exit_code": 0}  # it found an empty input

    run(scenario())


def test_what_a_command_leaves_behind_does_not_hold_the_session(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            session = await execute(site, "sh -c '(sleep 1000 & echo $!); exit 2'")
            assert session.exit["exit_code"] == 2
            assert psutil.pid_exists(int(session.stdout))

    run(scenario())


def test_closing_the_socket_hangs_up(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            for query in (ALL, TTY):
                cmd = "sh -c 'echo $$; exec sleep 1000'"
                async with site.connect("/job-1/exec", cmd=cmd, **query) as ws:
                    pid = int(await until(ws, b"\n"))
                await gone(pid)

    run(scenario())


def test_a_command_ends_with_its_job(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("cat")
            async with site.connect("/job-1/exec", cmd="sh -c 'echo up; sleep 1000'", **ALL) as ws:
                await until(ws, b"up\n")
                job.kill()
                assert Session(await site.drain(ws)).exit["exit_code"] == 137

    run(scenario())


def test_a_missing_program_is_told_in_the_exit_frame(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            session = await execute(site, "no-such-program")
            assert session.exit["exit_code"] == 127
            assert "no-such-program" in session.exit["message"]

    run(scenario())


@pytest.mark.parametrize("send", ["text", "empty"])
def test_a_message_without_channel_tears_the_stream_down(tmp_path: pathlib.Path, send: str) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/exec", cmd="cat", **ALL) as ws:
                await (ws.send_str("hello") if send == "text" else ws.send_bytes(b""))
                assert b"\3" not in {frame[:1] for frame in await site.drain(ws)}

    run(scenario())


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"cmd": ""}, 400),
        ({"cmd": "ls", "tty": "maybe"}, 400),
        ({"cmd": "ls", "stdout": "0", "stderr": "0"}, 400),
        ({"cmd": "ls", "tty": "1"}, 400),  # stdout and stderr are on unless turned off
        ({"cmd": "ls", "tty": "1", "stdout": "0", "stderr": "1"}, 404),
        ({"cmd": "echo 'unclosed"}, 404),
    ],
)
def test_what_is_refused(tmp_path: pathlib.Path, query: Dict[str, str], status: int) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            answer = await site.refusal("/job-1/exec", params=query)
            assert answer[0] == status
            assert answer[1]["error"]

    run(scenario())


def test_a_job_that_does_not_run(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("true")
            site.jobs.create("job-2")
            for job_id in ("job-1", "job-2"):
                for path in ("exec", "attach", "port_forward/80"):
                    answer = await site.refusal("/{}/{}".format(job_id, path), params={"cmd": "ls"})
                    text = "Job '{}' is not running.".format(job_id)
                    assert answer == (404, {"error": text})
                answer = await site.refusal("/{}/kill".format(job_id), "POST")
                assert answer == (404, {"error": "Job '{}' is not running.".format(job_id)})

    run(scenario())


def test_kill(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("sleep 1000")
            async with site.session.post(site.url + "/job-1/kill") as response:
                assert response.status == 204
            assert (await job.wait()).exit_code == 137

    run(scenario())


def test_sessions_leave_no_open_files(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            await execute(site, "true")
            before = len(os.listdir("/proc/self/fd"))
            for query in (ALL, TTY) * 5:
                await site.messages("/job-1/exec", cmd="true", **query)
                async with site.connect("/job-1/exec", cmd="cat", **query):
                    pass
            while len(os.listdir("/proc/self/fd")) > before:
                await asyncio.sleep(0.01)

    run(scenario())
