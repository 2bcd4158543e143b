"""How much a local platform holds: ``python -m tests.local.scale``.

A hundred thousand finished jobs, listed whole while other calls go on; two hundred jobs at once; fifty
followers of one log. Prints a table; ``--jobs``, ``--at-once`` and ``--followers`` make it smaller.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import tempfile
import threading
import time

from neuro_sync.local import LocalPlatform
from neuro_sync.local.store import Store

from .api import Api
from .processes import python

NDJSON = "application/x-ndjson"


def fill(path, template, count, *, at_once=7):
    """Adds finished jobs to a store without the trouble of running them; returns their ids in order.

    Args:
        path: of the data directory.
        template: a job's payload.
        at_once: how many have been made in the same microsecond.
    """
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    store = Store(str(path / "jobs.sqlite"))
    places = []
    try:
        for number in range(count):
            job_id = "job-{:036d}".format(count - number)
            moment = start + datetime.timedelta(seconds=number // at_once)
            places.append((moment, job_id))
            history = {**template["history"], "created_at": moment.isoformat()}
            payload = {**template, "id": job_id, "history": history}
            payload["tags"] = ["tag-{}".format(number % 100)]
            store.save(payload, json.dumps(payload, separators=(",", ":")).encode())
    finally:
        store.close()
    return [job_id for _, job_id in sorted(places)]


class Listing(threading.Thread):
    """Lists all jobs as fast as they come, in a thread of its own.

    Attributes:
        count: of the jobs that have come, once it has ended.
        reading: set with the first bytes of the answer.
        seconds: from the first byte to the last.
    """

    def __init__(self, api, accept=NDJSON):
        super().__init__(daemon=True)
        self._api = api
        self._accept = accept
        self.reading = threading.Event()
        self.count = 0
        self.seconds = 0.0

    def run(self):
        api = self._api.another()
        headers = {**api.headers, "Accept": self._accept}
        with api.call("GET", "/jobs", headers=headers, stream=True) as response:
            assert response.status_code == 200
            began = time.monotonic()
            for chunk in response.iter_content(2**20):
                self.reading.set()
                self.count += chunk.count(b'{"id":"job-')
            self.seconds = time.monotonic() - began
        api.close()


def latencies(call, until):
    """Milliseconds that each call takes, one after the other, until something has happened."""
    found = []
    while not until():
        began = time.monotonic()
        call()
        found.append((time.monotonic() - began) * 1000)
    return found


def say(what, text):
    print("{:<44}{}".format(what, text), flush=True)


def say_latencies(what, found):
    found = sorted(found)
    say(
        what,
        "median {:.1f} ms, 99% {:.1f} ms, longest {:.1f} ms ({} calls)".format(
            statistics.median(found), found[int(len(found) * 0.99)], found[-1], len(found)
        ),
    )


def measure_listing(path, count):
    with LocalPlatform(data_dir=path) as platform:
        api = Api(platform)
        template = api.run("true")
        api.close()
    began = time.monotonic()
    fill(path, template, count)
    say("{} jobs put into the store".format(count), "{:.1f} s".format(time.monotonic() - began))
    began = time.monotonic()
    with LocalPlatform(data_dir=path) as platform:
        say("start with them", "{:.2f} s".format(time.monotonic() - began))
        api = Api(platform)
        last = "job-{:036d}".format(1)
        deadline = time.monotonic() + 2
        say_latencies(
            "status, nothing else",
            latencies(lambda: api.job(last), lambda: time.monotonic() > deadline),
        )
        for accept in (NDJSON, "application/json"):
            listing = Listing(api, accept)
            listing.start()
            listing.reading.wait()
            found = latencies(lambda: api.job(last), lambda listing=listing: not listing.is_alive())
            listing.join()
            say(
                "a listing as " + accept,
                "{} jobs in {:.1f} s".format(listing.count, listing.seconds),
            )
            say_latencies("status meanwhile", found)
        for query in (
            "limit=100",
            "limit=100&reverse=1",
            "status=running",
            "tag=tag-5&limit=100",
            "tag=no-such-tag",
            "name=no-such-name",
            "since=2026-01-01T01:00:00Z&until=2026-01-01T01:00:10Z",
        ):
            times = [_timed(lambda query=query: api.get("/jobs?" + query)) for _ in range(5)]
            say("GET /jobs?" + query, "{:.1f} ms".format(statistics.median(times)))
        api.close()


def _timed(call):
    began = time.monotonic()
    call()
    return (time.monotonic() - began) * 1000


def measure_jobs(count):
    with LocalPlatform() as platform:
        api = Api(platform)
        began = time.monotonic()
        jobs = [api.start("true")["id"] for _ in range(count)]
        say("{} jobs started".format(count), "{:.1f} s".format(time.monotonic() - began))
        for job_id in jobs:
            assert api.wait(job_id)["status"] == "succeeded"
        say("and finished", "{:.1f} s".format(time.monotonic() - began))
        api.close()


def measure_followers(count, lines=20000):
    program = "for number in range({}): print('line', number, 'x' * 60)".format(lines)
    with LocalPlatform() as platform, platform.client() as client:
        gate = "import sys; sys.stdin.readline()\n"
        job = client.jobs.start(image="x", preset_name="cpu-small", command=python(gate + program))
        client.jobs.wait(job.id, statuses=["running"], timeout=60)
        sizes = []

        def follow():
            with client.jobs.monitor(job.id) as log:
                sizes.append(sum(map(len, log)))

        threads = [threading.Thread(target=follow) for _ in range(count)]
        for thread in threads:
            thread.start()
        api = Api(platform)
        with client.jobs.attach(job.id, stdin=True) as stream:
            began = time.monotonic()
            stream.write_in(b"\n")
            found = latencies(lambda: api.job(job.id), lambda: len(sizes) == count)
            for thread in threads:
                thread.join()
        seconds = time.monotonic() - began
        api.close()
        assert len(sizes) == count
        assert len(set(sizes)) == 1
        say(
            "{} followers of {} lines".format(count, lines),
            "{:.1f} s, {:.0f} MB/s".format(seconds, sum(sizes) / seconds / 1e6),
        )
        say_latencies("status meanwhile, from the same process", found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--followers", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure_listing(pathlib.Path(directory), arguments.jobs)
    measure_jobs(arguments.at_once)
    measure_followers(arguments.followers)


if __name__ == "__main__":
    main()
