"""A user's program: ``session.py API_URL TOKEN_FILE JOB [COMMAND]`` calls ``interact``, says what came of it."""

import sys

from neuro_sync import JobsClient


def main(api_url, token_file, job, cmd=None):
    with open(token_file) as file:
        token = file.read()
    with JobsClient(api_url, token) as jobs:
        print("before", flush=True)
        try:
            code = jobs.interact(job, cmd)
        except SystemExit:
            raise
        except BaseException as error:
            print("raised {}: {}".format(type(error).__name__, error), flush=True)
            sys.exit(1)
        print("returned {}".format(code), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
