"""``python -m tests.faults.long``: the fault suite with the full number of seeds, rounds and bytes."""

import os
import subprocess
import sys

__all__ = ["VARIABLE", "main"]

#: Tells the tests that they have the time. pytest has to be the first to import them.
VARIABLE = "NEURO_SYNC_LONG_TESTS"


def main():
    return subprocess.call(
        [
            *[
                sys.executable,
                "-m",
                "pytest",
                os.path.dirname(__file__),
                "--timeout",
                "3000",
                "-n",
                "0",
            ],
            *sys.argv[1:],
        ],
        env=dict(os.environ, **{VARIABLE: "1"}),
    )


if __name__ == "__main__":
    sys.exit(main())
