"""What happens when the network breaks: a start that is repeated, a log that goes on.

The fault switch of the local platform breaks connections on purpose. A start with a key makes one
job, however often it is sent. A log is taken up again by itself; and ``cursor``, stored on disk,
takes it up in a program that was started anew.
"""

import os
import tempfile

from neuro_sync import ConnectionFailed, OutcomeUnknown
from neuro_sync.local import LocalPlatform

COUNT = "sh -c 'for number in 1 2 3 4 5 6; do echo line $number; sleep 0.1; done'"


def start_once(jobs, key):
    """Start the job of this key, until it is known that there is one."""
    while True:
        try:
            return jobs.start(
                image="ubuntu", preset_name="cpu-small", command=COUNT, idempotency_key=key
            )
        except (ConnectionFailed, OutcomeUnknown) as error:
            print("again, after:", type(error).__name__)


def read_some(jobs, id, cursor_file, count=None):
    """Print a log from where the last call stopped, and remember how far it got."""
    after = None
    if os.path.exists(cursor_file):
        with open(cursor_file) as file:
            after = file.read()
    with jobs.monitor(id, after=after) as log:
        for number, line in enumerate(log.lines(), 1):
            print(line)
            # Stored after the line is dealt with: a crash in between repeats it, and loses nothing.
            with open(cursor_file, "w") as file:
                file.write(log.cursor)
            if number == count:
                break


def main():
    with LocalPlatform() as platform, platform.client() as client:
        jobs = client.jobs

        platform.faults.lose_answer("start")
        job = start_once(jobs, "count to six")
        again = start_once(jobs, "count to six")
        print("one job:", job.id == again.id, len(list(jobs.list())))

        platform.faults.reset_after(20, endpoint="log_ws", times=2)
        with tempfile.TemporaryDirectory() as directory:
            cursor_file = os.path.join(directory, "cursor")
            read_some(jobs, job.id, cursor_file, count=3)
            print("-- a new program goes on --")
            read_some(jobs, job.id, cursor_file)
        print("connections made:", platform.faults.seen("log_ws"))


if __name__ == "__main__":
    main()
