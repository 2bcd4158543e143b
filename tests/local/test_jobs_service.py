"""What the platform knows of its jobs, without the rest of it."""

import asyncio
import datetime

from neuro_sync.local.admission import Admission
from neuro_sync.local.jobs import JobsService
from neuro_sync.local.settings import Settings, machine_presets
from neuro_sync.local.store import Store

from .execution import run

REQUEST = {"container": {"image": "ubuntu"}}


def service(path):
    settings = Settings()
    presets = {preset.name: preset for preset in machine_presets()}
    return JobsService(
        Store(str(path / "jobs.sqlite")),
        settings,
        admission=Admission(settings, presets, lambda container: None),
        capacity=dict,
        running=lambda job_id: None,
    )


def finish(jobs, record):
    record.change("succeeded", "Completed", None, 0)
    record.container_gone = True
    jobs.save(record)


def test_whoever_waits_hears_of_each_change(tmp_path):
    async def scenario():
        jobs = service(tmp_path)
        record = jobs.create(REQUEST, "user", {})
        waiting = [asyncio.ensure_future(jobs.wait_change(record.id)) for _ in range(3)]
        await asyncio.sleep(0)
        record.change("running")
        jobs.save(record)
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        last = asyncio.ensure_future(jobs.wait_change(record.id))
        await asyncio.sleep(0)
        finish(jobs, record)
        await asyncio.wait_for(last, 10)
        jobs.store.close()

    run(scenario())


def test_nothing_is_remembered_of_jobs_that_have_finished(tmp_path):
    async def scenario():
        jobs = service(tmp_path)
        record = jobs.create(REQUEST, "user", {})
        early = asyncio.ensure_future(jobs.wait_change(record.id))
        await asyncio.sleep(0)
        finish(jobs, record)
        await early
        # Those who read its log go on to look for changes of it.
        late = [asyncio.ensure_future(jobs.wait_change(record.id)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in late:
            assert not task.done()
            task.cancel()
        assert not jobs.active
        assert not jobs._changes
        found = await jobs.find(record.id)
        assert found.status == "succeeded"
        jobs.store.close()

    run(scenario())


def test_run_time_is_that_of_all_containers(tmp_path):
    async def scenario():
        jobs = service(tmp_path)
        record = jobs.create(REQUEST, "user", {})
        assert record.run_time == 0.0
        record.change("running")
        record.running_since -= datetime.timedelta(seconds=10)
        record.change("running", "Restarting", None, 1)
        record.change("failed", "Error", None, 1)
        assert 10 <= record.run_time < 20
        assert record.restarts == 1
        assert record.to_payload()["history"]["run_time_seconds"] == record.run_time
        jobs.store.close()

    run(scenario())
