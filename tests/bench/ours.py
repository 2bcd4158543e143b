"""Our side of each scenario."""

# ruff: noqa: E402 - the clock starts before what else is imported
import time

BEGAN = time.perf_counter()

import sys
import threading

from worker import API_URL, CONFIG, ID, MIB, TOKEN, answer, failed, orders, peak_memory, settled


def first_call():
    """Seconds from the start of the interpreter's work to the end of a first call, imports included."""
    import neuro_sync

    with neuro_sync.get(path=CONFIG) as client:
        client.jobs.status(ID)
        return time.perf_counter() - BEGAN


def memory():
    first_call()
    return peak_memory()


def list_memory(count):
    import neuro_sync

    with neuro_sync.get(path=CONFIG) as client:
        list_jobs(client.jobs, count)
    return peak_memory()


def open_client(rounds):
    import neuro_sync

    began = time.perf_counter()
    for _ in range(rounds):
        with neuro_sync.get(path=CONFIG) as client:
            client.jobs.status(ID)
    return (time.perf_counter() - began) / rounds * 1000


def status(jobs, rounds):
    return per_second(lambda: jobs.status(ID), rounds)


def start_kill(jobs, rounds):
    def pair():
        jobs.kill(jobs.start(image="ubuntu", preset_name="cpu-small", command="true").id)

    return per_second(pair, rounds)


def list_jobs(jobs, count):
    began = time.perf_counter()
    with jobs.list(limit=count) as listing:
        seen = sum(1 for _ in listing)
    assert seen == count, seen
    return seen / (time.perf_counter() - began)


def log(jobs, size, count):
    began = time.perf_counter()
    follow(jobs, size, count)
    return size * count / MIB / (time.perf_counter() - began)


def follow(jobs, size, count):
    with jobs.monitor("job-{}-{}".format(size, count)) as chunks:
        received = sum(map(len, chunks))
    assert received == size * count, received


def many_logs(jobs, followers, size, count):
    failures = []

    def run():
        try:
            follow(jobs, size, count)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(followers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return followers * size * count / MIB / (time.perf_counter() - began)


def top(jobs, count):
    began = time.perf_counter()
    with jobs.top("job-1-{}".format(count)) as samples:
        seen = sum(1 for _ in samples)
    assert seen == count, seen
    return seen / (time.perf_counter() - began)


def exec_echo(jobs, rounds):
    times = []
    with jobs.exec(ID, "cat", stdin=True, stdout=True) as stream:
        for _ in range(rounds):
            began = time.perf_counter()
            stream.write_in(b"x" * 64)
            stream.read_out()
            times.append(time.perf_counter() - began)
    return settled(times) * 1000


def exec_bulk(jobs, mib):
    chunk = b"x" * 65536

    def write():
        for _ in range(mib * 16):
            stream.write_in(chunk)

    left = mib * MIB
    with jobs.exec(ID, "cat", stdin=True, stdout=True) as stream:
        began = time.perf_counter()
        writer = threading.Thread(target=write)
        writer.start()
        while left > 0:
            left -= len(stream.read_out().data)
        took = time.perf_counter() - began
        writer.join()
    assert left == 0, left
    return mib / took


def idle(jobs, streams, seconds):
    opened = [jobs.monitor("job-1-1-idle") for _ in range(streams)]
    for stream in opened:
        stream.__enter__()
    before = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - before
    for stream in opened:
        stream.close()
    return used * 1000


def per_second(function, rounds):
    began = time.perf_counter()
    for _ in range(rounds):
        function()
    return rounds / (time.perf_counter() - began)


def main():
    if "--without-speed" in sys.argv:
        sys.modules["websockets.speedups"] = sys.modules["orjson"] = None
    jobs = forward = None
    for order in orders():
        kind, options = order["kind"], order["options"]
        try:
            if kind in ("first_call", "memory", "list_memory", "open_client"):
                answer(globals()[kind](**options))
                continue
            if jobs is None:
                from neuro_sync import JobsClient

                jobs = JobsClient(API_URL, TOKEN)
                jobs.status(ID)
            if kind == "open_forward":
                forward = jobs.port_forward(options["id"], 0, options["port"])
                answer(forward.local_port)
            elif kind == "close_forward":
                forward.close()
                answer(0)
            else:
                answer(globals()[kind](jobs, **options))
        except Exception:
            failed()


if __name__ == "__main__":
    main()
