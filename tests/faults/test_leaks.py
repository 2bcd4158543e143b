"""Streams that are broken off at random points leave no thread, no socket and no process behind."""

import gc
import os
import random
import socket
import sys
import threading
import time

import psutil
import pytest

ROUNDS = 200


class Interrupted(Exception):
    """Stands for whatever goes wrong in a user's code."""


def perhaps_fail(rng):
    if rng.random() < 0.3:
        raise Interrupted


def use_log(jobs, id, port, rng):
    with jobs.monitor(id) as log:
        perhaps_fail(rng)
        for number, _ in enumerate(log, 1):
            if number >= rng.randrange(4):
                break


def use_exec(jobs, id, port, rng):
    with jobs.exec(id, "cat", stdin=True, stdout=True) as stream:
        for _ in range(rng.randrange(4)):
            stream.write_in(b"x" * rng.randrange(1, 100000))
            if rng.random() < 0.5:
                stream.read_out()
        perhaps_fail(rng)


def use_attach(jobs, id, port, rng):
    with jobs.attach(id, stdout=True, stderr=True) as stream:
        for _ in range(rng.randrange(3)):
            stream.read_out()
        perhaps_fail(rng)


def use_top(jobs, id, port, rng):
    with jobs.top(id) as samples:
        if rng.random() < 0.05:
            next(samples)
        perhaps_fail(rng)


def use_forward(jobs, id, port, rng):
    with jobs.port_forward(id, 0, port) as forward:
        for _ in range(rng.randrange(3)):
            with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as local:
                data = b"x" * rng.randrange(1, 100000)
                local.sendall(data)
                perhaps_fail(rng)
                local.recv(rng.randrange(1, 100000))


def use_list(jobs, id, port, rng):
    with jobs.list() as listing:
        for _ in range(rng.randrange(2)):
            next(listing)
        perhaps_fail(rng)


def forget(jobs, id, port, rng):
    """Streams that nobody closes: they end when nobody holds them any more."""
    log = jobs.monitor(id)
    next(log)
    session = jobs.exec(id, "cat", stdin=True, stdout=True)
    session.write_in(b"x")
    forward = jobs.port_forward(id, 0, port)
    local = socket.create_connection(("127.0.0.1", forward.local_port), timeout=30)
    local.sendall(b"x")
    assert local.recv(1) == b"x"
    local.close()
    telemetry = jobs.top(id)
    telemetry.__enter__()


def what_there_is():
    """Threads and connections of this process, and processes below it, with their connections."""
    family = psutil.Process().children(recursive=True)
    theirs = sum(_connections(process.pid) for process in family)
    return threading.active_count(), _connections(os.getpid()), len(family), theirs


def _connections(pid):
    """How many sockets and pipes a process has open."""
    directory = "/proc/{}/fd".format(pid)
    count = 0
    try:
        for name in os.listdir(directory):
            try:
                count += os.readlink(directory + "/" + name).startswith(("socket:", "pipe:"))
            except OSError:
                continue  # that of the listing itself
    except OSError:
        return 0  # it has ended
    return count


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts what /proc lists")
@pytest.mark.parametrize(
    "use", [use_log, use_exec, use_attach, use_top, use_forward, use_list, forget]
)
def test_streams_that_are_broken_off_leave_nothing(chatty, use, leaks):
    rounds = ROUNDS if use is not forget else ROUNDS // 4
    use(*chatty, random.Random(0))  # what is made once for all streams is made now
    gc.collect()
    before = settled()
    rng = random.Random(1)
    for _ in range(rounds):
        try:
            use(*chatty, rng)
        except Interrupted:
            pass
    gc.collect()
    deadline = time.monotonic() + 10
    while True:
        left = tuple(max(0, now - then) for now, then in zip(what_there_is(), before))
        if not any(left) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    leaks.append(left)
    threads, sockets, processes, theirs = left
    assert (threads, sockets, processes) == (0, 0, 0)
    assert theirs == 0, "the platform holds connections of streams that have ended"


def settled():
    """What there is once it has been the same for a while."""
    before, since = what_there_is(), time.monotonic()
    while time.monotonic() - since < 0.3:
        now = what_there_is()
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.05)
    return before


@pytest.fixture(scope="module")
def leaks(figure):
    leaks = []
    yield leaks
    figure(
        "{} open and close of each kind of stream, broken off at random points".format(ROUNDS),
        "0 threads, 0 sockets, 0 processes left",
        "{} threads, {} sockets, {} processes left".format(
            *(sum(counts) for counts in list(zip(*leaks))[:3])
        ),
    )
