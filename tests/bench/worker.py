"""What the workers of both sides have in common: they take orders on standard input, and answer with numbers.

An order is a JSON object with the ``kind`` of a scenario and its ``options``. Run by the interpreter of its own
environment, so this imports nothing but the standard library.
"""

import json
import os
import resource
import sys
import traceback

__all__ = [
    "API_URL",
    "CONFIG",
    "ID",
    "MIB",
    "TOKEN",
    "answer",
    "failed",
    "orders",
    "peak_memory",
    "settled",
]

API_URL = os.environ["BENCH_API_URL"]
CONFIG = os.environ["BENCH_CONFIG"]
TOKEN = "token-of-the-benchmark"
ID = "job-256-1"
MIB = 2**20


def orders():
    """The orders that come, until there are no more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        yield json.loads(line)


def answer(value):
    print(json.dumps({"value": value}), flush=True)


def failed():
    print(json.dumps({"error": traceback.format_exc()}), flush=True)


def peak_memory():
    """The most that this process has had, in MiB."""
    # Not ru_maxrss: that begins with what the parent had when it started this process.
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def settled(times):
    """The median of the second half: a kernel may take a thousand messages to decide who runs where."""
    half = sorted(times[len(times) // 2 :])
    return half[len(half) // 2]
