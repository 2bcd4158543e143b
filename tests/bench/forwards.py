"""The local programs that use a forwarded port: the same for both sides."""

import socket
import time
from statistics import median

from .server import DOWN, ECHO, UP

__all__ = ["FORWARDS"]

_MIB = 2**20
_CHUNK = 256 * 1024


def _connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exchange(connection, data):
    connection.sendall(data)
    left = len(data)
    while left:
        received = len(connection.recv(left))
        if not received:
            raise OSError("the connection was closed")
        left -= received


def down(port, mib):
    buffer = bytearray(_CHUNK)
    received = 0
    began = time.perf_counter()
    with _connect(port) as connection:
        while True:
            count = connection.recv_into(buffer)
            if not count:
                break
            received += count
    took = time.perf_counter() - began
    assert received == mib * _MIB, received
    return mib / took


def up(port, mib):
    chunk = b"x" * _CHUNK
    began = time.perf_counter()
    with _connect(port) as connection:
        for _ in range(mib * _MIB // _CHUNK):
            connection.sendall(chunk)
        assert connection.recv(1) == b"!"
    return mib / (time.perf_counter() - began)


def echo(port, rounds):
    times = []
    with _connect(port) as connection:
        for _ in range(rounds):
            began = time.perf_counter()
            _exchange(connection, b"x" * 64)
            times.append(time.perf_counter() - began)
    return median(times[len(times) // 2 :]) * 1000  # when all has settled


def new(port, rounds):
    began = time.perf_counter()
    for _ in range(rounds):
        with _connect(port) as connection:
            _exchange(connection, b"x")
    return rounds / (time.perf_counter() - began)


def many(port, connections, patience):
    """How many of the connections are served while all of them are open."""
    opened = [_connect(port) for _ in range(connections)]
    served = 0
    deadline = time.monotonic() + patience
    for connection in opened:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            _exchange(connection, b"x")
            served += 1
        except OSError:
            pass  # not served: what is counted
    for connection in opened:
        connection.close()
    return served


def seconds_to_serve(port, connections):
    began = time.perf_counter()
    opened = [_connect(port) for _ in range(connections)]
    for connection in opened:
        connection.settimeout(60)
        _exchange(connection, b"x")
    took = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return took


def _id(options):
    if "mib" in options:
        return "job-65536-{}-running".format(options["mib"] * 16)
    return "job-1-1-running"


#: Kind: port of the job, its id, the program.
FORWARDS = {
    "forward_down": (DOWN, _id, down),
    "forward_up": (UP, _id, up),
    "forward_echo": (ECHO, _id, echo),
    "forward_new": (ECHO, _id, new),
    "forward_many": (ECHO, _id, many),
    "forward_all": (ECHO, _id, seconds_to_serve),
}
