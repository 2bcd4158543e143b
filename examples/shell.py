"""An interactive shell in a job of its own: ``python examples/shell.py``, at a terminal.

Leave it with ``exit``, or with Ctrl-P Ctrl-Q; either way the job is killed then, and this program
exits with the code of the shell.
"""

import sys

from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform


def main():
    with LocalPlatform() as platform, platform.client() as client:
        jobs = client.jobs
        job = jobs.start(image="ubuntu", preset_name="cpu-small", command="sleep 1d")
        try:
            jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=300)
            print("in {}; Ctrl-P Ctrl-Q leaves".format(job.id))
            code = jobs.interact(job.id, "sh -i")
        finally:
            jobs.kill(job.id)
    print("detached" if code is None else "the shell ended with {}".format(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
