"""Which part of a log is the archive, without the rest of the platform."""

import asyncio
import time

import pytest

from neuro_sync.local.joblogs import LogQuery, follow_log
from neuro_sync.local.logstore import STDOUT, LogWriter
from neuro_sync.local.runner import LogFeed

from .execution import run
from .test_jobs_service import REQUEST, finish, service

SEPARATOR = b"=== Live ===\n"


@pytest.mark.parametrize("has_begun", [False, True], ids=["pending", "between two containers"])
def test_what_a_first_container_says_before_it_is_known_is_live(tmp_path, has_begun):
    async def scenario():
        jobs = service(tmp_path)  # which knows of no container
        record = jobs.create(REQUEST, "user", {})
        if has_begun:
            record.change("running")
            record.change("running", "Restarting", None, 1)
            jobs.save(record)
        feed = LogFeed(str(tmp_path / "log"))
        log = LogWriter(feed.directory, clock=time.time_ns)
        log.start_container()
        log.write(STDOUT, b"step 1\n")
        frames = follow_log(jobs, feed, record.id, LogQuery("=== Live ==="))
        first = await asyncio.wait_for(frames.__anext__(), 10)
        while not first:
            first = await asyncio.wait_for(frames.__anext__(), 10)
        log.write(STDOUT, b"step 2\n")
        log.close()
        finish(jobs, record)
        rest = [frame async for some in frames for frame in some]
        jobs.store.close()
        return b"".join([*first, *rest])

    async def check():
        separator = SEPARATOR if has_begun else b""
        assert await scenario() == b"step 1\n" + separator + b"step 2\n"

    run(check())
