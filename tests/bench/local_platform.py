"""The local platform as a server: how fast a client that does nothing but receive gets its bytes.

``python -m tests.bench.local_platform``
"""

import argparse
import http.client
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform

from .report import machine, number, table, write_csv

_HEADER = ["what", "unit", "measured", "at least"]
_ROUNDS = 5
_JOBS = 100000
_MIB = 2**20
_LOG_MIB, _FORWARD_MIB = 256, 512
_LINE = 1024
_SERVER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        with listener.accept()[0] as connection:
            for _ in range({}):
                connection.sendall(bytes({}))
"""


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench.local_platform")
    parser.add_argument("--write", metavar="DIRECTORY", help="write the table as a CSV file, too")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        make_jobs(directory)
        with LocalPlatform(directory) as platform, platform.client() as client:
            for name, unit, target, measure in (
                ("a listing of 100,000 jobs", "jobs/s", 20000, listing),
                ("a log in lines of 1 KiB, stamped", "MiB/s", 200, log),
                ("a forward, down", "MiB/s", 300, forward),
            ):
                value = median(measure(platform, client.jobs))
                rows.append([name, unit, number(value), number(target)])
    print("The local platform, on {}.\n\n{}".format(machine(), table(_HEADER, rows)))
    if arguments.write:
        write_csv(_HEADER, rows, Path(arguments.write) / "local.csv")


def make_jobs(directory):
    """Fill the store of a platform with copies of one job."""
    with LocalPlatform(directory) as platform, platform.client() as client:
        run(client.jobs, "true")
    (path,) = Path(directory).rglob("jobs.sqlite")
    with sqlite3.connect(str(path)) as db:
        (row,) = db.execute("SELECT * FROM jobs").fetchall()
        columns = [column[1] for column in db.execute("PRAGMA table_info(jobs)")]
        job = dict(zip(columns, row))
        payload = json.loads(job["line"])
        rows = []
        for count in range(_JOBS):
            id = "job-copy-{}".format(count)
            line = json.dumps(dict(payload, id=id), separators=(",", ":")).encode()
            copy = dict(job, id=id, created=job["created"] + count + 1, line=line)
            rows.append([copy[column] for column in columns])
        db.executemany("INSERT INTO jobs VALUES ({})".format(",".join("?" * len(columns))), rows)
    db.close()


def run(jobs, command):
    job = jobs.start(image="ubuntu", preset_name="cpu-small", command=command)
    return jobs.wait(job.id)


def listing(platform, jobs):
    parts = urlsplit(platform.api_url)
    headers = {"Authorization": "Bearer " + platform.token, "Accept": "application/x-ndjson"}
    for _ in range(_ROUNDS):
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        began = time.perf_counter()
        connection.request("GET", parts.path + "/jobs", headers=headers)
        answer = connection.getresponse()
        seen = 0
        while True:
            data = answer.read(256 * 1024)
            if not data:
                break
            seen += data.count(b"\n")
        connection.close()
        assert seen >= _JOBS, seen
        yield seen / (time.perf_counter() - began)


def log(platform, jobs):
    line = "x" * (_LINE - 1)
    job = run(jobs, "sh -c 'yes {} | head -c {}'".format(line, _LOG_MIB * _MIB))
    assert job.status is JobStatus.SUCCEEDED, job
    url = "{}/{}/log_ws".format(jobs.config.monitoring_url, job.id)
    for _ in range(_ROUNDS):
        yield _LOG_MIB / drained(jobs, url, [("timestamps", "true")])


def forward(platform, jobs):
    program = _SERVER.format(_FORWARD_MIB * 4, _MIB // 4)
    job = jobs.start(
        image="ubuntu",
        preset_name="cpu-small",
        command="python3 -c 'exec(bytes.fromhex(\"{}\"))'".format(program.encode().hex()),
    )
    jobs.wait(job.id, statuses={JobStatus.RUNNING})
    with jobs.monitor(job.id) as chunks:
        port = int(next(chunks))
    url = "{}/{}/port_forward/{}".format(jobs.config.monitoring_url, job.id, port)
    for _ in range(_ROUNDS):
        yield _FORWARD_MIB / drained(jobs, url, [])
    jobs.kill(job.id)


def drained(jobs, url, query):
    """Seconds until the server has sent all of a WebSocket: its frames are not looked into."""
    connection = jobs._ws.dial(url, params=query)
    socket = connection._socket
    last = b""
    began = time.perf_counter()
    while not last.endswith(
        b"\x88\x02\x03\xe8"
    ):  # the close frame: the server waits for ours behind it
        data = socket.read(60.0)
        if not data:
            break
        last = data
    took = time.perf_counter() - began
    connection.close()
    return took


if __name__ == "__main__":
    main()
