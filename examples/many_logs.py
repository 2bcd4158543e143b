"""Follow the logs of many jobs at once, each line with the name of its job, as they come.

A log is read by blocking calls, so each gets a thread; a client may be used from all of them.
``python examples/many_logs.py`` runs it on a local platform.
"""

from concurrent.futures import ThreadPoolExecutor

from neuro_sync.local import LocalPlatform

WORK = "sh -c 'for step in 1 2 3; do echo step $step; sleep 0.2; done'"


def follow(jobs, job):
    """Print a log to its end; returns the job as it ended."""
    # No separator: where the archive ends and the live part begins is of no interest here.
    with jobs.monitor(job.id, separator="") as log:
        for line in log.lines():
            # One write for a line and its end: others print at the same time.
            print("{:<8} | {}\n".format(job.name, line), end="", flush=True)
    return log.job


def main():
    with LocalPlatform() as platform, platform.client() as client:
        jobs = client.jobs
        started = [
            jobs.start(
                image="ubuntu", preset_name="cpu-small", command=WORK, name="worker-{}".format(n)
            )
            for n in range(4)
        ]
        with ThreadPoolExecutor(len(started)) as pool:
            for job in pool.map(lambda job: follow(jobs, job), started):
                print("{:<8} : {}\n".format(job.name, job.status.value), end="", flush=True)


if __name__ == "__main__":
    main()
