"""Many jobs, in the small; ``python -m tests.local.scale`` has the whole figures."""

import json
import threading

import pytest

from neuro_sync import JobStatus

from .api import Api
from .processes import sh
from .scale import NDJSON, fill

COUNT = 8000


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The API of a platform with many finished jobs; and their ids, the oldest first."""
    from neuro_sync.local import LocalPlatform

    path = tmp_path_factory.mktemp("full")
    with LocalPlatform(data_dir=path) as platform:
        api = Api(platform)
        template = api.run("true")
        api.close()
    ids = [*fill(path, template, COUNT), template["id"]]
    with LocalPlatform(data_dir=path) as platform:
        api = Api(platform)
        yield api, ids
        api.close()


@pytest.mark.parametrize("accept", [NDJSON, "application/json"])
def test_a_long_listing_keeps_nobody_waiting(full, accept):
    api, ids = full
    headers = {**api.headers, "Accept": accept}
    with api.another() as other:
        with other.call("GET", "/jobs", headers=headers, stream=True) as response:
            first = response.raw.read(100)
            # It does not go on for as long as nobody reads it, and all else does.
            job = api.run("true", tags=["meanwhile"])
            assert api.get("/jobs?status=succeeded&reverse=1&limit=1")["jobs"] == [job]
            text = first + response.raw.read()
    if accept == NDJSON:
        found = [json.loads(line)["id"] for line in text.splitlines()]
    else:
        found = [job["id"] for job in json.loads(text.decode())["jobs"]]
    ids.append(job["id"])
    # All are there in order; that one too: each page is read when it is its turn.
    assert found == ids


def test_two_hundred_jobs_start_and_finish(own_platform):
    platform, _ = own_platform()
    with platform.client() as client:
        jobs = client.jobs
        started = [
            jobs.start(image="x", preset_name="cpu-small", command="true").id for _ in range(200)
        ]
        ended = list(jobs.as_completed(started, timeout=60))
    assert {job.id for job in ended} == set(started)
    assert {job.status for job in ended} == {JobStatus.SUCCEEDED}


def test_fifty_logs_are_followed_at_once(own_platform):
    # More than run at once: the others wait for their turn, and so do those who follow them.
    platform, _ = own_platform()
    logs = {}

    def follow(jobs, number, job_id):
        with jobs.monitor(job_id, separator="") as log:
            logs[number] = list(log.lines())

    with platform.client() as client:
        threads = []
        for number in range(50):
            command = sh("for i in 1 2 3; do echo {} $i; sleep 0.1; done".format(number))
            job = client.jobs.start(image="x", preset_name="cpu-small", command=command)
            threads.append(threading.Thread(target=follow, args=(client.jobs, number, job.id)))
            threads[-1].start()
        for thread in threads:
            thread.join()
    assert logs == {
        number: ["{} {}".format(number, line) for line in (1, 2, 3)] for number in range(50)
    }


def test_fifty_follow_one_log(own_platform):
    platform, _ = own_platform()
    logs = []

    def follow(jobs, job_id):
        with jobs.monitor(job_id, separator="") as log:
            logs.append(b"".join(log))

    with platform.client() as client:
        job = client.jobs.start(
            image="x", preset_name="cpu-small", command=sh("read go; seq 5000"), name="followed"
        )
        client.jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
        threads = [threading.Thread(target=follow, args=(client.jobs, job.id)) for _ in range(50)]
        for thread in threads:
            thread.start()
        with client.jobs.attach(job.id, stdin=True) as stream:
            stream.write_in(b"\n")
            for thread in threads:
                thread.join()
    assert len(logs) == 50
    assert set(logs) == {b"".join(b"%d\n" % number for number in range(1, 5001))}
