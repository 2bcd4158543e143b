"""A user's program: ``session.py API_URL TOKEN_FILE JOB [COMMAND]`` calls ``interact``, says what came of it.

``--late`` behind the command: the terminal is connected when the command has ended already.
"""

import sys

from neuro_sync import JobsClient, StreamClosed
from neuro_sync.terminal import interact


def late(jobs, job, cmd):
    with jobs.exec(job, cmd, tty=True, stdin=True, stdout=True) as stream:
        try:
            while True:
                stream.resize(24, 80)
        except StreamClosed:
            return interact(stream, tty=True)


def main(api_url, token_file, job, cmd=None, when=None):
    with open(token_file) as file:
        token = file.read()
    with JobsClient(api_url, token) as jobs:
        print("before", flush=True)
        try:
            code = late(jobs, job, cmd) if when == "--late" else jobs.interact(job, cmd)
        except SystemExit:
            raise
        except BaseException as error:
            print("raised {}: {}".format(type(error).__name__, error), flush=True)
            sys.exit(1)
        print("returned {}".format(code), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
