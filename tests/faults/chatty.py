"""A job that prints all the time and echoes on a port."""

import shlex
import sys
from contextlib import contextmanager

from neuro_sync import JobStatus

__all__ = ["chatty_job"]

PORT_LINE = "listening on "

CHATTY = """
import socket, sys, threading, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
def talk(conn):
    try:
        while True:
            data = conn.recv(65536)
            if not data:
                break
            conn.sendall(data)
    except OSError:
        pass
    conn.close()
def serve():
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
print("listening on %d" % listener.getsockname()[1], flush=True)
number = 0
while True:
    number += 1
    print("line %d" % number, flush=True)
    time.sleep(0.005)
"""


@contextmanager
def chatty_job(jobs):
    """Runs it; yields its id, and the port that it listens on."""
    command = "{} -c {}".format(sys.executable, shlex.quote(CHATTY))
    job = jobs.start(image="ubuntu", preset_name="cpu-small", command=command)
    try:
        jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
        with jobs.monitor(job.id) as log:
            line = next(line for line in log.lines() if line.startswith(PORT_LINE))
        yield job.id, int(line[len(PORT_LINE) :])
    finally:
        jobs.kill(job.id)
