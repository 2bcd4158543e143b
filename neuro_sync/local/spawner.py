"""Starts the supervisors of jobs: one small process, from which forking is cheap.

The platform runs it with ``python -S -E -c`` (see `runner`) and sends it a message for each
container to start; it answers nothing, the supervisor that it forks does. It ends when the
platform has gone.
"""

import gc
import os
import signal
import socket
import sys
import traceback
from typing import Any, List, Mapping

from .messages import MessageReader
from .supervisor import Supervisor

__all__ = ["main"]


def main(file: int) -> None:
    """Serves the socket with descriptor ``file`` until its other side is closed."""
    sock = socket.socket(fileno=file)
    os.set_inheritable(file, False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)  # of SIGCHLD: the system reaps the supervisors
    gc.collect()
    gc.freeze()  # a child's collector leaves these objects alone: their pages stay shared
    requests = MessageReader(sock)
    while True:
        messages = requests.receive()
        if messages is None:
            return
        for message in messages:
            if os.fork() == 0:
                sock.close()
                _supervise(message.body, message.files)
            for descriptor in message.files:
                os.close(descriptor)


def _supervise(spec: Mapping[str, Any], files: List[int]) -> None:
    code = 1
    try:
        channel, stdin = files[:2]
        terminal = files[2] if spec["tty"] else None
        Supervisor(spec, socket.socket(fileno=channel), stdin, terminal).run()
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)
