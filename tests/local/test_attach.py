"""The input and output of the job itself."""

import pathlib
from typing import Dict

import pytest

from .execution import platform, run
from .test_exec import Session, until
from .test_log_endpoints import printed, say

PLAIN = {"stdin": "1", "stdout": "1", "stderr": "1", "tty": "0"}
TTY = {"stdin": "1", "stdout": "1", "stderr": "0", "tty": "1"}


def test_input_and_output_from_now_on(tmp_path: pathlib.Path) -> None:
    script = "while read line; do echo out $line; echo err $line >&2; done"

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("sh -c '{}'".format(script))
            await say(site, b"before\n")
            await printed(site, b"err before\n")
            async with site.connect("/job-1/attach", **PLAIN) as ws:
                assert [await ws.receive_bytes() for _ in range(2)] == [b"\1", b"\2"]
                await ws.send_bytes(b"\0now\n")
                frames = [await ws.receive_bytes() for _ in range(2)]
                assert sorted(frames) == [b"\1out now\n", b"\2err now\n"]
                job.kill()
                session = Session(await site.drain(ws))
            assert session.exit == {"exit_code": 0}  # whatever the job's own is

    run(scenario())


def test_all_that_is_printed_to_the_end_arrives(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("sh -c 'read x; seq 20000'")
            async with site.connect("/job-1/attach", **PLAIN) as ws:
                await ws.send_bytes(b"\0go\n")
                session = Session(await site.drain(ws))
            assert session.stdout.split() == [b"%d" % number for number in range(1, 20001)]

    run(scenario())


def test_a_tty_job(tmp_path: pathlib.Path) -> None:
    script = 'trap "stty size" WINCH; echo ready; while :; do read line && echo got $line; done'

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("sh -c '{}'".format(script), tty=True)
            await printed(site, b"ready\r\n")
            async with site.connect("/job-1/attach", **TTY) as ws:
                assert await ws.receive_bytes() == b"\1"
                await ws.send_bytes(b'\4{"height": 33, "width": 44}')
                await ws.send_bytes(b"\0word\n")
                output = await until(ws, b"got word\r\n")
                assert b"33 44\r\n" in output
                await ws.send_bytes(b"\0\3")  # Ctrl-C
                assert Session(await site.drain(ws)).exit == {"exit_code": 0}
            await site.jobs.finished()
            result = site.jobs.records["job-1"].exit
            assert result is not None
            assert result.exit_code == 130

    run(scenario())


def test_leaving_does_the_job_no_harm(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("cat", tty=True)
            for _ in range(3):
                async with site.connect("/job-1/attach", **TTY) as ws:
                    await ws.send_bytes(b"\0hello\n")
                    await until(ws, b"hello\r\nhello\r\n")
            assert job.is_running

    run(scenario())


def test_a_restart_ends_the_session(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start_container("cat")
            async with site.connect("/job-1/attach", **PLAIN) as ws:
                job.kill()
                await site.jobs.end_container("job-1", job, "pending")
                await site.jobs.start("echo other", restarts=1)
                session = Session(await site.drain(ws))
            assert session.stdout == b""

    run(scenario())


@pytest.mark.parametrize(
    ("tty", "query", "status"),
    [
        (False, {"stdout": "0", "stderr": "0"}, 400),
        (False, dict(TTY, stderr="1"), 400),
        # The job has a tty: so has the session, and that has no stderr.
        (True, PLAIN, 404),
        (True, dict(TTY, stdout="0", stderr="1"), 404),
    ],
)
def test_what_is_refused(
    tmp_path: pathlib.Path, tty: bool, query: Dict[str, str], status: int
) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat", tty=tty)
            answer = await site.refusal("/job-1/attach", params=query)
            assert answer[0] == status
            assert answer[1]["error"]

    run(scenario())


def test_a_tty_is_turned_off_for_a_job_without_one(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/attach", **TTY) as ws:
                await ws.send_bytes(b"\0plain\n")
                assert await until(ws, b"plain\n") == b"plain\n"

    run(scenario())


def test_the_subprotocol_that_clients_ask_for_is_selected(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            for wanted in ("v2.channels.neu.ro", "attach.apolo.us"):
                url = site.url + "/job-1/attach"
                async with site.session.ws_connect(url, protocols=[wanted]) as ws:
                    assert ws.protocol == wanted

    run(scenario())
