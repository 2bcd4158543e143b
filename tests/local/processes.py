"""Processes: of which program, and whether they are still there."""

import shlex
import sys
import time

import psutil

TIMEOUT = 30


def sh(program):
    """The command line for a program in the words of a shell."""
    return "sh -c {}".format(shlex.quote(program))


def python(program):
    """The command line for a program in Python."""
    return "{} -c {}".format(shlex.quote(sys.executable), shlex.quote(program))


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(*pids):
    """Waits until the processes have ended."""
    deadline = time.monotonic() + TIMEOUT
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if alive(pid)]
        time.sleep(0.01)
