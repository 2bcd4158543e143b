"""Telemetry: the measuring, and the stream of it."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any, Iterator, List

import pytest

from neuro_sync.local.telemetry import TreeUsage

from .execution import platform, run


@pytest.fixture
def tree() -> Iterator[Any]:
    """Two levels of processes below this one: one waits, the other works."""
    work = "import os; os.fork() or [0 for _ in iter(int, 1)]; import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", work], start_new_session=True)
    yield process
    os.killpg(process.pid, 9)
    process.wait()


def test_the_whole_tree_is_measured(tree: Any) -> None:
    usage = TreeUsage(os.getpid(), clock=lambda: 1234.5)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.1)
        sample = usage.sample()
        if sample["cpu"] > 0.05:  # the machine may be busy, but not for all of the time
            break
    assert 0.05 < sample["cpu"] < 3
    assert sample["memory_bytes"] > 4 << 20
    assert sample["memory"] == sample["memory_bytes"] // 2**20
    assert sample["timestamp"] == 1234.5


def test_a_process_that_is_gone_uses_nothing() -> None:
    usage = TreeUsage(2**22 + 1)  # more than the largest process id
    sample = usage.sample()
    assert (sample["cpu"], sample["memory_bytes"]) == (0.0, 0)


def test_the_stream_sends_text_until_the_job_ends(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("sleep 1000")
            async with site.connect("/job-1/top") as ws:
                samples: List[Any] = [json.loads(await ws.receive_str()) for _ in range(2)]
                job.kill()
                await site.drain(ws)
            for sample in samples:
                assert set(sample) == {"cpu", "memory", "memory_bytes", "timestamp"}
                assert isinstance(sample["cpu"], float)
            distance = samples[1]["timestamp"] - samples[0]["timestamp"]
            assert distance >= 0.9

    run(scenario())


def test_a_pending_job_is_silent_and_a_finished_one_closes(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            site.jobs.create()
            async with site.connect("/job-1/top") as ws:
                with pytest.raises(asyncio.TimeoutError):
                    await ws.receive(timeout=0.3)
            async with site.connect("/job-1/top") as ws:
                await site.jobs.start("sleep 1000")
                await ws.receive_str()
            site.jobs.running("job-1").kill()  # type: ignore[union-attr]
            await site.jobs.finished()
            assert await site.messages("/job-1/top") == []

    run(scenario())
