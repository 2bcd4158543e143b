"""``python -m tests.faults.long``: the fault suite with the full number of seeds, rounds and bytes."""

import os
import sys
import types

import pytest

__all__ = ["LONG", "main"]

#: Name of a plugin that does nothing but tell the tests that they have the time.
LONG = "neuro_sync_long_run"


def main():
    options = ["--timeout", "3000", *sys.argv[1:]]
    return pytest.main([os.path.dirname(__file__), *options], plugins=[types.ModuleType(LONG)])


if __name__ == "__main__":
    sys.exit(main())
