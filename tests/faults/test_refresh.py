"""A token that expires under many threads and processes is refreshed once, and nobody is logged out."""

import subprocess
import sys
import threading
from pathlib import Path

from neuro_sync import JobStatus, RetryPolicy

from ..gates import WAIT_AT_GATE, open_gate
from .test_waiting import when

ROOT = Path(__file__).resolve().parents[2]
THREADS, PROCESSES = 8, 4

# Each process has two threads of its own; all wait for a word, so that they call at one moment.
WORKER = """
import sys, threading
from neuro_sync import Factory

client = Factory(sys.argv[1]).get()
client.jobs.status(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
errors = []

def call():
    try:
        client.jobs.status(sys.argv[2])
    except BaseException as error:
        errors.append(error)

threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
client.close()
print(errors, flush=True)
"""


def call_at_once(client, id, errors):
    barrier = threading.Barrier(THREADS)

    def call():
        barrier.wait()
        try:
            client.jobs.status(id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    return threads


def test_one_refresh_serves_all(login, sleeper, faults, figure):
    arguments = [sys.executable, "-c", WORKER, str(login.path), sleeper.id]
    workers = [
        subprocess.Popen(arguments, cwd=str(ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    errors = []
    try:
        with login.get() as client:
            client.jobs.status(sleeper.id)
            for worker in workers:
                assert worker.stdout.readline() == b"ready\n"
            faults.clear()
            faults.rotate_refresh_tokens()  # a second refresh with the same one would be refused
            faults.expire_token()
            for worker in workers:
                worker.stdin.write(b"\n")
                worker.stdin.flush()
            for thread in call_at_once(client, sleeper.id, errors):
                thread.join(60)
            errors += [worker.communicate(timeout=60)[0].decode().strip() for worker in workers]
            refreshes = faults.seen("token")
            failed = [error for error in errors if error != "[]"]
            figure(
                "a token that expires under {} threads and {} processes".format(THREADS, PROCESSES),
                "refreshed once, nobody logged out",
                "{} refresh, {} logged out".format(refreshes, len(failed)),
            )
            assert failed == []
            assert refreshes == 1
            client.jobs.status(sleeper.id)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    with login.get() as client:
        client.jobs.status(sleeper.id)


def test_a_wait_outlives_a_login_service_that_has_too_much_to_do(login, flaky_jobs, faults):
    waiting = "sh -c '{}'".format(WAIT_AT_GATE)
    job = flaky_jobs.start(image="ubuntu", preset_name="cpu-small", command=waiting)
    flaky_jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
    faults.clear()

    opened = []

    def make_it_busy():
        faults.answer(429, endpoint="token", times=2)
        faults.expire_token()
        # Not at the same time: it asks with the token that expires here.
        opened.append(
            when(lambda: faults.seen("token") >= 3, lambda: open_gate(flaky_jobs, job.id))
        )

    try:
        with login.get(retry=RetryPolicy(attempts=1)) as client:
            busy = when(lambda: faults.seen("status") >= 1, make_it_busy)
            assert client.jobs.wait(job.id, timeout=60).status is JobStatus.SUCCEEDED
        busy.join()
        opened[0].join()
    finally:
        flaky_jobs.kill(job.id)
