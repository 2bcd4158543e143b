"""Reads a long log slowly and tells how its memory grew: ``python -m tests.faults.slow_reader URL``.

A process of its own, so that nothing else is measured.
"""

import json
import sys
import time

import psutil

from neuro_sync import JobStatus
from neuro_sync.streams.log import LogStream

from ..wire.stream_server import dial
from .flaky_log import Job

# Now and then it does something else, once for so long that all queues on the way are full.
PIECE = 32 * 2**20
PAUSE = 0.05
LONG_PAUSE = 2.0


def main(url):
    process = psutil.Process()
    log = LogStream(
        lambda since, separator: dial(url + "/log_ws"),
        lambda: Job(JobStatus.RUNNING),
        separator="",
        reconnect=False,
    )
    size = 0
    worst = before = None
    for chunk in log:
        if before is None:
            before = worst = process.memory_info().rss
            time.sleep(LONG_PAUSE)
        if size // PIECE != (size + len(chunk)) // PIECE:
            time.sleep(PAUSE)
        size += len(chunk)
        worst = max(worst, process.memory_info().rss)
    print(json.dumps({"size": size, "grown": worst - before}))


if __name__ == "__main__":
    main(sys.argv[1])
