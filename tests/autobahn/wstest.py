"""Runs the Autobahn test suite, which listens and writes reports where it is told to."""

import json
import os
import socket
import subprocess
from contextlib import contextmanager

__all__ = ["free_port", "wstest"]

# By itself it listens on all addresses of the machine.
_LAUNCH = """
import autobahntestsuite.fuzzing as fuzzing
listen = fuzzing.listenWS
fuzzing.listenWS = lambda factory, context = None: listen(factory, context, interface = "127.0.0.1")
from autobahntestsuite.wstest import run
run()
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def wstest(python, suite, mode, spec, work):
    """The process of the suite; ended, where it has not ended by itself, behind the block."""
    path = work / "spec.json"
    path.write_text(json.dumps(dict(spec, outdir=str(work))))
    environment = dict(os.environ, PYTHONPATH=str(suite), PYTHONDONTWRITEBYTECODE="1")
    words = ["-m", mode, "-s", str(path), "-w", "0"]
    with (work / "wstest.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-W", "ignore", "-c", _LAUNCH, *words],
            cwd=str(work),
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
