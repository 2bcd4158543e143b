"""Our client's websockets before the suite's server: each case is a connection that echoes."""

import time

from neuro_sync.errors import NeuroError
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.retry import Retrier, RetryPolicy
from neuro_sync.transport.ws import WsTransport
from neuro_sync.transport.ws_frames import TEXT, FrameParser, frame_header
from neuro_sync.transport.ws_mask import apply_mask, new_key

from .wstest import free_port, wstest

__all__ = ["judge_client"]

_AGENT = "neuro_sync"
_PATIENCE = 30.0


class _Text(bytes):
    """A message that came as text; no endpoint of the platform cares, an echo does."""


class _Parser(FrameParser):
    def _take_short(self, data, position, messages):
        before = len(messages)
        end = super()._take_short(data, position, messages)
        for number, message in enumerate(messages[before:], before):
            if data[position] & 0x0F == TEXT:
                messages[number] = _Text(message)
            position += len(message) + (4 if data[position + 1] == 126 else 2)
        return end

    def _take_whole(self, first, payload, messages):
        taken = super()._take_whole(first, payload, messages)
        if taken:
            _mark(first & 0x0F, messages)
        return taken

    def _take_data(self, opcode, final, payload, messages):
        kind = opcode or self._fragments_opcode
        before = len(messages)
        super()._take_data(opcode, final, payload, messages)
        if len(messages) > before:
            _mark(kind, messages)


def _mark(kind, messages):
    if kind == TEXT:
        messages[-1] = _Text(messages[-1])


class _Client:
    def __init__(self, port):
        self._url = "ws://127.0.0.1:{}".format(port)
        self._ws = WsTransport(StaticToken("token"), retrier=Retrier(RetryPolicy(attempts=1)))

    def dial(self, path):
        conn = self._ws.dial(self._url + path)
        conn._parser = _Parser()
        return conn

    def count(self):
        """How many cases there are; the server may not listen yet."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                conn = self.dial("/getCaseCount")
                break
            except NeuroError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        with _closing(conn):
            return int(conn.recv_batch()[0])

    def run(self, number):
        conn = self.dial("/runCase?case={}&agent={}".format(number, _AGENT))
        with _closing(conn):
            try:
                while True:
                    for message in conn.recv_batch():
                        _echo(conn, message)
            except (NeuroError, OSError):
                pass  # the end of the case, be it as it is: the suite is the judge

    def report(self):
        with _closing(self.dial("/updateReports?agent=" + _AGENT)) as conn:
            try:
                conn.recv_batch()
            except NeuroError:
                pass  # it closes when it is done


class _closing:
    def __init__(self, conn):
        self._conn = conn

    def __enter__(self):
        return self._conn

    def __exit__(self, *exc_info):
        self._conn.close()


def _echo(conn, message):
    if isinstance(message, _Text):
        key = new_key()
        header = frame_header(TEXT, len(message), key)
        with conn._send_lock:
            conn._flush(header, apply_mask(bytes(message), key))
    else:
        conn.send(message)


def judge_client(python, suite, cases, work):
    port = free_port()
    spec = {"url": "ws://127.0.0.1:{}".format(port), "cases": cases, "exclude-cases": []}
    spec["exclude-agent-cases"] = {}
    with wstest(python, suite, "fuzzingserver", spec, work):
        client = _Client(port)
        for number in range(1, client.count() + 1):
            client.run(number)
        client.report()
