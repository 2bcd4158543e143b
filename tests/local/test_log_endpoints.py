"""Logs over HTTP and websocket, of jobs that run, have run, and have not started."""

import asyncio
import datetime
import os
import pathlib
import re
from typing import Any, List

import aiohttp
import pytest

from .execution import Platform, platform, run

LIVE_TIME = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
ARCHIVE_TIME = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ")
SEPARATOR = {"separator": "=== Live ==="}
DIVIDER = b"=== Live ===\n"


async def say(site: Platform, data: bytes, job_id: str = "job-1") -> None:
    """Gives a job of ``cat`` something to print."""
    job = site.jobs.running(job_id)
    assert job is not None
    os.write(job.stdin, data)


async def printed(site: Platform, text: bytes, job_id: str = "job-1") -> None:
    """Waits until the log has the text."""
    files = site.runner.log(job_id).open()
    while text not in files.read(0, 1 << 20):
        await asyncio.sleep(0.01)
    files.close()


async def next_data(ws: aiohttp.ClientWebSocketResponse, count: int = 1) -> List[bytes]:
    return [await ws.receive_bytes() for _ in range(count)]


def test_a_finished_job_has_an_archive_and_nothing_live(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("printf 'one\\ntwo\\n\\nlast'")
            expected = [b"one\n", b"two\n", b"\n", b"last\n"]
            assert await site.messages("/job-1/log_ws", **SEPARATOR) == expected

    run(scenario())


def test_a_finished_job_without_output_ends_at_once(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("true")
            assert await site.messages("/job-1/log_ws", **SEPARATOR) == []
            async with site.session.get(site.url + "/job-1/log") as response:
                assert await response.read() == b""

    run(scenario())


def test_a_live_job_is_followed_to_its_end(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("cat")
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                for number in range(5):
                    line = b"line %d\n" % number
                    await say(site, line)
                    assert await next_data(ws) == [line]
                await say(site, b"unfinished")
                await printed(site, b"unfinished")
                job.kill()
                assert await site.drain(ws) == [b"unfinished"]

    run(scenario())


def test_the_separator_comes_between_archive_and_live_output(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            await say(site, b"old 1\nold 2\n")
            await printed(site, b"old 2\n")
            # Without delay the border is the start of this second: older lines are in the archive.
            await asyncio.sleep(1.0)
            query = dict(SEPARATOR, timestamps="1", archive_delay="0")
            async with site.connect("/job-1/log_ws", **query) as ws:
                old = await next_data(ws, 2)
                assert all(ARCHIVE_TIME.match(line) for line in old)
                await say(site, b"new\n")
                divider, new = await next_data(ws, 2)
                assert divider == DIVIDER
                assert LIVE_TIME.match(new)
                await say(site, b"newer\n")
                assert (await ws.receive_bytes()).endswith(b"Z newer\n")

    run(scenario())


def test_without_archive_lines_there_is_no_separator(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            await say(site, b"young\n")
            await printed(site, b"young\n")
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                assert await next_data(ws) == [b"young\n"]
                await say(site, b"younger\n")
                assert await next_data(ws) == [b"younger\n"]

    run(scenario())


def test_a_log_goes_on_over_a_restart(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start_container("cat")
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                await say(site, b"first\n")
                assert await next_data(ws) == [b"first\n"]
                job.kill()
                await site.jobs.end_container("job-1", job, "pending")
                await site.jobs.start("cat", restarts=1)
                await say(site, b"second\n")
                assert await next_data(ws) == [b"second\n"]
            # Who comes now finds the first container's output in the archive.
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                assert await next_data(ws, 3) == [b"first\n", DIVIDER, b"second\n"]

    run(scenario())


def test_a_pending_job_is_waited_for(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            site.jobs.create()
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                with pytest.raises(asyncio.TimeoutError):
                    await ws.receive(timeout=0.2)
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                await site.jobs.start("echo hello")
                assert await site.drain(ws) == [b"hello\n"]

    run(scenario())


def test_a_job_that_never_starts_ends_its_log(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            site.jobs.create()
            async with site.connect("/job-1/log_ws", **SEPARATOR) as ws:
                site.jobs.set_status("job-1", "failed")
                assert await site.drain(ws) == []

    run(scenario())


def test_since_leaves_older_lines_out(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("sh -c 'for i in 1 2 3 4; do echo $i; sleep 0.05; done'")
            lines = await site.messages("/job-1/log_ws", timestamps="true")
            third = lines[2].split()[0].decode()
            assert await site.messages("/job-1/log_ws", since=third) == [b"3\n", b"4\n"]
            naive = third[:-1]
            assert await site.messages("/job-1/log_ws", since=naive) == [b"3\n", b"4\n"]
            offset = datetime.datetime.fromisoformat(naive + "+00:00").astimezone(
                datetime.timezone(datetime.timedelta(hours=5))
            )
            text = offset.isoformat()
            assert await site.messages("/job-1/log_ws", since=text) == [b"3\n", b"4\n"]
            assert await site.messages("/job-1/log_ws", since="2100-01-01") == []

    run(scenario())


def test_the_live_part_knows_whole_seconds_only(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            now = datetime.datetime.now(datetime.timezone.utc)
            await asyncio.sleep(1.05 - now.microsecond / 1e6)  # early in a second
            await say(site, b"before\n")
            await printed(site, b"before\n")
            since = datetime.datetime.now(datetime.timezone.utc)
            async with site.connect("/job-1/log_ws", since=since.isoformat()) as ws:
                assert await next_data(ws) == [b"before\n"]

    run(scenario())


def test_the_http_log_is_the_same_in_one_body(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start_container("echo first")
            await site.jobs.end_container("job-1", job, "pending")
            await site.jobs.start("cat")
            await say(site, b"second\n")
            await printed(site, b"second\n")
            async with site.session.get(site.url + "/job-1/log", params=SEPARATOR) as response:
                assert response.headers["X-Separator"] == "=== Live ==="
                assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
                first = await response.content.readexactly(len(b"first\n" + DIVIDER + b"second\n"))
                assert first == b"first\n" + DIVIDER + b"second\n"
                site.jobs.running("job-1").kill()  # type: ignore[union-attr]
                assert await response.read() == b""

    run(scenario())


def test_the_separator_is_random_where_none_was_asked_for(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("true")
            found = set()
            for _ in range(2):
                async with site.session.get(site.url + "/job-1/log") as response:
                    found.add(response.headers["X-Separator"])
            assert len(found) == 2
            assert all(re.fullmatch("=== Live logs ===[0-9a-f]{60}", text) for text in found)

    run(scenario())


def test_many_followers_of_one_job(tmp_path: pathlib.Path) -> None:
    count = 50

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("sh -c 'read x; seq 2000'")
            sockets = [await site.connect("/job-1/log_ws") for _ in range(count)]
            await say(site, b"go\n")
            results = await asyncio.gather(*(site.drain(ws) for ws in sockets))
            whole = "".join("{}\n".format(number) for number in range(1, 2001)).encode()
            assert all(b"".join(frames) == whole for frames in results)

    run(scenario())


def test_a_follower_that_goes_away_leaves_nothing(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                async with site.connect("/job-1/log_ws"):
                    pass
            while len(os.listdir("/proc/self/fd")) > before + 1:  # the client keeps one connection
                await asyncio.sleep(0.01)

    run(scenario())


def test_bytes_arrive_as_they_were_printed(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            script = "import os; os.write(1, bytes(range(256)) * 4000)"
            await site.jobs.run("python -c '{}'".format(script))
            frames = await site.messages("/job-1/log_ws")
            assert b"".join(frames) == bytes(range(256)) * 4000 + b"\n"
            assert all(frame.count(b"\n") == 1 for frame in frames)

    run(scenario())


def test_what_a_follower_sends_is_ignored(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            async with site.connect("/job-1/log_ws") as ws:
                await ws.send_str("hello")
                await ws.send_bytes(b"")
                await say(site, b"line\n")
                assert await next_data(ws) == [b"line\n"]

    run(scenario())


def test_debug_adds_lines_of_its_own(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("echo text")
            frames = await site.messages("/job-1/log_ws", debug="1")
            assert frames[0].startswith(b"~~~ ")
            assert frames[-1] == b"text\n"

    run(scenario())


def test_deleting_a_log_deletes_nothing(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("echo kept")
            async with site.session.delete(site.url + "/job-1/log") as response:
                assert response.status == 204
            assert await site.messages("/job-1/log_ws") == [b"kept\n"]

    run(scenario())


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"timestamps": "yes"},
        {"debug": "2"},
        {"archive_delay": "soon"},
        {"archive_delay": "nan"},
        {"separator": "a\nb"},
    ],
)
@pytest.mark.parametrize("path", ["log", "log_ws"])
def test_a_wrong_parameter_is_a_bad_request_before_anything_else(
    tmp_path: pathlib.Path, path: str, query: Any
) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            status, body = await site.refusal("/no-such-job/" + path, params=query)
            assert status == 400
            assert "no such job" not in body["error"]

    run(scenario())


def test_an_unknown_job_is_a_bad_request_with_the_wrapped_answer(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            for path in ("log", "log_ws", "top"):
                status, body = await site.refusal("/a-name/" + path)
                assert (status, body) == (400, {"error": '{"error": "no such job a-name"}'})

    run(scenario())


def test_a_delay_beyond_all_numbers_leaves_nothing_to_the_archive(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            await say(site, b"one\n")
            await printed(site, b"one\n")
            query = dict(SEPARATOR, archive_delay="1e300")
            async with site.connect("/job-1/log_ws", **query) as ws:
                assert await next_data(ws) == [b"one\n"]

    run(scenario())
