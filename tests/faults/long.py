"""``python -m tests.faults.long``: the fault suite with the full number of seeds, rounds and bytes."""

import os
import sys

import pytest

__all__ = ["main"]


def main():
    # Loaded as a plugin it tells the tests that they have the time.
    return pytest.main(
        ["-p", "tests.faults.long", "--timeout", "3000", os.path.dirname(__file__), *sys.argv[1:]]
    )


if __name__ == "__main__":
    sys.exit(main())
