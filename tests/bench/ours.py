"""Our side: ``python -m tests.bench.ours KIND URL OPTIONS``, prints one number."""

import json
import os
import resource
import socket
import sys
import threading
import time

_MIB = 1024 * 1024
_ID = "job-256-1"


def first_call(url, began):
    from neuro_sync import JobsClient

    with JobsClient(url, _TOKEN, cluster_name="default") as jobs:
        jobs.status(_ID)
    return time.perf_counter() - began


def open_client(url, began, rounds):
    from neuro_sync import Factory

    client = Factory(_CONFIG).get()
    client.jobs.status(_ID)
    client.close()
    began = time.perf_counter()
    for _ in range(rounds):
        with Factory(_CONFIG).get() as client:
            client.jobs.status(_ID)
    return (time.perf_counter() - began) / rounds


def memory(url, began):
    first_call(url, began)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def status(jobs, rounds):
    return _per_second(lambda: jobs.status(_ID), rounds)


def start_kill(jobs, rounds):
    def pair():
        jobs.kill(jobs.start(image="ubuntu", preset_name="cpu-small", command="true").id)

    return _per_second(pair, rounds)


def list_jobs(jobs, jobs_count):
    began = time.perf_counter()
    with jobs.list(limit=jobs_count) as listing:
        seen = sum(1 for _ in listing)
    assert seen == jobs_count, seen
    return seen / (time.perf_counter() - began)


def log(jobs, size, count):
    began = time.perf_counter()
    with jobs.monitor("job-{}-{}".format(size, count)) as chunks:
        received = sum(map(len, chunks))
    took = time.perf_counter() - began
    assert received == size * count, received
    return received / took / _MIB


def many_logs(jobs, followers, size, count):
    received = []

    def follow():
        with jobs.monitor("job-{}-{}".format(size, count)) as chunks:
            received.append(sum(map(len, chunks)))

    threads = [threading.Thread(target=follow) for _ in range(followers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    assert sum(received) == followers * size * count, sum(received)
    return sum(received) / took / _MIB


def top(jobs, count):
    began = time.perf_counter()
    with jobs.top("job-1-{}".format(count)) as samples:
        seen = sum(1 for _ in samples)
    assert seen == count, seen
    return seen / (time.perf_counter() - began)


def exec_echo(jobs, rounds):
    times = []
    with jobs.exec(_ID, "cat", stdin=True, stdout=True) as stream:
        for _ in range(rounds):
            began = time.perf_counter()
            stream.write_in(b"x" * 64)
            stream.read_out()
            times.append(time.perf_counter() - began)
    return _median(times) * 1000


def exec_bulk(jobs, mib):
    chunk = b"x" * 65536

    def write():
        for _ in range(mib * 16):
            stream.write_in(chunk)

    left = mib * _MIB
    with jobs.exec(_ID, "cat", stdin=True, stdout=True) as stream:
        began = time.perf_counter()
        writer = threading.Thread(target=write)
        writer.start()
        while left > 0:
            left -= len(stream.read_out().data)
        took = time.perf_counter() - began
        writer.join()
    return mib / took


def forward_down(jobs, mib):
    size = 64 * 1024
    with _forward(jobs, 1001, size, mib * 16) as (connect, _):
        began = time.perf_counter()
        with connect() as connection:
            assert _drain(connection) == mib * _MIB
        return mib / (time.perf_counter() - began)


def forward_up(jobs, mib):
    chunk = b"x" * 262144
    with _forward(jobs, 1002, 1024, mib * 1024) as (connect, _):
        began = time.perf_counter()
        with connect() as connection:
            for _ in range(mib * 4):
                connection.sendall(chunk)
            assert connection.recv(1) == b"!"
        return mib / (time.perf_counter() - began)


def forward_echo(jobs, rounds):
    times = []
    with _forward(jobs, 1003, 1, 1) as (connect, _):
        with connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(rounds):
                began = time.perf_counter()
                connection.sendall(b"x" * 64)
                _receive(connection, 64)
                times.append(time.perf_counter() - began)
    return _median(times) * 1000


def forward_new(jobs, rounds):
    def exchange():
        with connect() as connection:
            connection.sendall(b"x")
            _receive(connection, 1)

    with _forward(jobs, 1003, 1, 1) as (connect, _):
        return _per_second(exchange, rounds)


def forward_many(jobs, connections):
    with _forward(jobs, 1003, 1, 1) as (connect, _):
        opened = [connect() for _ in range(connections)]
        served = 0
        for connection in opened:
            connection.settimeout(20)
            try:
                connection.sendall(b"x")
                _receive(connection, 1)
                served += 1
            except OSError:
                pass
        for connection in opened:
            connection.close()
    return served


def idle(jobs, streams, seconds):
    opened = [jobs.monitor("job-1-1-idle").__enter__() for _ in range(streams)]
    before = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - before
    for stream in opened:
        stream.close()
    return used


def _per_second(function, rounds):
    function()
    began = time.perf_counter()
    for _ in range(rounds):
        function()
    return rounds / (time.perf_counter() - began)


def _median(times):
    return sorted(times)[len(times) // 2]


class _forward:
    def __init__(self, jobs, port, size, count):
        self._forward = jobs.port_forward("job-{}-{}".format(size, count), 0, port)

    def __enter__(self):
        forward = self._forward.__enter__()

        def connect():
            return socket.create_connection(("127.0.0.1", forward.local_port))

        return connect, forward

    def __exit__(self, *exc_info):
        self._forward.close()


def _receive(connection, length):
    while length > 0:
        data = connection.recv(length)
        if not data:
            raise OSError("the connection was closed")
        length -= len(data)


def _drain(connection):
    received = 0
    buffer = bytearray(262144)
    while True:
        length = connection.recv_into(buffer)
        if not length:
            return received
        received += length


_TOKEN = os.environ.get("BENCH_TOKEN", "token")
_CONFIG = os.environ.get("BENCH_CONFIG", "")


def main():
    began = time.perf_counter()
    kind, url, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if kind in ("first_call", "open_client", "memory"):
        print(globals()[kind](url, began, **options))
        return
    if "jobs" in options:
        options["jobs_count"] = options.pop("jobs")
    from neuro_sync import JobsClient

    with JobsClient(url, _TOKEN) as jobs:
        jobs.status(_ID)
        print(globals()[kind](jobs, **options))


if __name__ == "__main__":
    main()
