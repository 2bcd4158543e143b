"""Run pytest in a job, see its output live, and exit with its code, as a CI step does.

``python examples/pytest_in_job.py tests -x`` gives pytest the arguments ``tests -x``. On the local
platform paths are those of this machine; on a real one they are paths in the image.
Ctrl-C, or any error here, kills the job.
"""

import shlex
import sys

from neuro_sync.local import LocalPlatform


def main(arguments):
    command = ["python3", "-m", "pytest", *arguments]
    with LocalPlatform() as platform, platform.client() as client:
        job = client.jobs.start_and_wait(
            image="python:3",
            preset_name="cpu-small",
            command=" ".join(map(shlex.quote, command)),
            output=sys.stdout,
        )
    if job.history.exit_code is None:
        sys.exit("pytest did not get to its end: {}".format(job))
    return job.history.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
