"""A server that costs as little as possible: it answers with bytes that it made before.

What it measures is therefore the client. A job's id says what its streams do: ``job-FRAME-COUNT`` sends
COUNT frames of FRAME bytes; one that ends in ``-running`` has not ended.
"""

import argparse
import asyncio
import itertools
import json
import socket
import ssl
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import uvloop

from .connection import Connection, Echo, Idle, Sender, Swallow, frame, head
from .payloads import config_payload, job_payload

__all__ = ["DOWN", "ECHO", "UP"]

# What the ports of each job do.
DOWN, UP, ECHO = 1001, 1002, 1003
_BLOCK = 256 * 1024
_LISTEN = 2048
_JOBS = 10000
_TEXT = b"INFO epoch 17/90 step 4211: loss=0.482193 accuracy=0.8617 lr=3.2e-05 (1.84 s, 41 GiB); "
_SAMPLE = json.dumps(
    {"cpu": 0.37, "memory": 512, "memory_bytes": 537001984, "timestamp": 1789372801.25}
).encode()
_KILLED = b"HTTP/1.1 204 No Content\r\nServer: bench\r\n\r\n"


def complete(status, body):
    return head(status, body) + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Log:
    """A log in blocks of about 256 KiB; with time stamps the lines of each block share a second of its own."""

    began = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def __init__(self, size, count):
        self._count = count
        # Text as it is in logs: a search is not to meet one and the same byte all the time.
        self._line = (_TEXT * (size // len(_TEXT) + 1))[: size - 1] + b"\n"
        self._batch = max(1, min(1000, _BLOCK // size))

    def plain(self):
        return repeated(frame(self._line), self._count)

    def stamped(self, since):
        """From the second of that time on, as servers have it."""
        away = (
            0.0 if since is None else (datetime.fromisoformat(since) - self.began).total_seconds()
        )
        whole = self._without_seconds(self._batch)
        for number in range(max(0, int(away)), -(-self._count // self._batch)):
            second = (self.began + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S")
            left = self._count - number * self._batch
            parts = whole if left >= self._batch else self._without_seconds(left)
            yield second.encode().join(parts)

    def _without_seconds(self, count):
        """What is between the seconds in a block of so many frames."""
        hole = b"YYYY-mm-ddTHH:MM:SS"
        step = 10**9 // self._batch
        frames = [frame(hole + b".%09dZ " % (n * step) + self._line) for n in range(count)]
        return b"".join(frames).split(hole)


def repeated(whole, count):
    batch = max(1, min(count, _BLOCK // len(whole)))
    block = whole * batch
    for _ in range(count // batch):
        yield block
    if count % batch:
        yield whole * (count % batch)


class Platform:
    """What is answered to which request."""

    def __init__(self, url):
        self._config = complete("200 OK", json.dumps(config_payload(url)).encode())
        self._job = json.dumps(job_payload("job-256-1")).encode()
        self._running = json.dumps(job_payload("job-1-1-running", status="running")).encode()
        self._started = complete("202 Accepted", self._job)
        self._jobs = {}
        # All different, as jobs are: a client may remember what it has seen before.
        lines = [json.dumps(job_payload("job-{}".format(n), n)).encode() for n in range(_JOBS)]
        self._hundreds = [
            chunk(b"".join(line + b"\n" for line in lines[n : n + 100]))
            for n in range(0, _JOBS, 100)
        ]

    def answer(self, method, target):
        """The bytes of an answer, an iterable of its parts, or a stream."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        parts = url.path.split("/")[3:]
        if parts[:2] == ["monitoring", "jobs"]:
            return self._stream(parts[2], parts[3:], query)
        if method == b"POST":
            return self._started
        if method == b"DELETE":
            return _KILLED
        if parts == ["config"]:
            return self._config
        if parts == ["jobs"]:
            return self._list(int(query.get("limit", "100")))
        return self._job_of(parts[1])

    def _job_of(self, id):
        if id not in self._jobs:
            if id.endswith("-running"):
                body = self._running.replace(b"job-1-1-running", id.encode())
            else:
                body = self._job.replace(b"job-256-1", id.encode())
            self._jobs[id] = complete("200 OK", body)
        return self._jobs[id]

    def _list(self, count):
        yield head("200 OK", content_type="application/x-ndjson")
        yield from itertools.islice(itertools.cycle(self._hundreds), count // 100)
        yield chunk(b"")

    def _stream(self, id, what, query):
        if "-idle" in id:
            return Idle()
        size, count = map(int, id.split("-")[1:3])
        if what == ["log_ws"]:
            log = Log(size, count)
            stamped = query.get("timestamps", "").lower() in ("1", "true")
            return Sender(log.stamped(query.get("since")) if stamped else log.plain())
        if what == ["top"]:
            return Sender(repeated(frame(_SAMPLE, opcode=1), count))
        if what == ["exec"]:
            return Echo(b"\x01")
        port = int(what[1])
        if port == DOWN:
            return Sender(repeated(frame(b"x" * size), count))
        return Echo() if port == ECHO else Swallow(size * count)


async def serve(listener, context):
    scheme = "http" if context is None else "https"
    url = "{}://127.0.0.1:{}".format(scheme, listener.getsockname()[1])
    platform = Platform(url)
    server = await asyncio.get_event_loop().create_server(
        lambda: Connection(platform.answer), sock=listener, backlog=_LISTEN, ssl=context
    )
    print(url + "/api/v1", flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", help="file with key and certificate, for TLS")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_LISTEN)
        uvloop.install()
        asyncio.run(serve(listener, context))


if __name__ == "__main__":
    main()
