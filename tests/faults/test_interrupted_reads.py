"""Ctrl-C in the middle of a read: who reads on misses nothing and gets nothing twice, or is told why not."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import neuro_sync
from neuro_sync import JobStatus
from neuro_sync.errors import StreamClosed
from neuro_sync.models.telemetry import JobTelemetry
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy
from neuro_sync.streams.std import StdStream
from neuro_sync.streams.telemetry import TelemetryStream

from ..wire.stream_server import dial, serve

STREAMS = str(Path(neuro_sync.__file__).parent / "streams")
WIRE = str(Path(neuro_sync.__file__).parent / "wire")
# Where an item is on its way out to the caller, and nothing can be done any more.
ON_ITS_WAY = {"read_out", "read_chunk", "__next__", "__exit__", "lines", "_next_line"}
# Called by the garbage collector, which has no place for an exception.
FINALIZER = "shut"
LINES = [b"2026-01-01T00:00:00.%09dZ line %d\n" % (n, n) for n in range(6)]


class CtrlC:
    """Interrupts the thread before a line of the streams' code: a context manager.

    Args:
        at: before which one, counted from 1 as they are executed.
    """

    def __init__(self, at):
        self._left = at

    @property
    def pressed(self):
        return self._left <= 0

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *exc_info):
        sys.settrace(self._before)

    def _call(self, frame, event, argument):
        code = frame.f_code
        ours = code.co_filename.startswith((STREAMS, WIRE))
        return self._line if ours and code.co_name not in {*ON_ITS_WAY, FINALIZER} else None

    def _line(self, frame, event, argument):
        if event == "line" and not self.pressed:
            self._left -= 1
            if self.pressed:
                raise KeyboardInterrupt
        return self._line


def interrupted(read, at):
    """What a reader gets that goes on behind Ctrl-C, and whether there was one."""
    items = []
    with CtrlC(at) as ctrl_c:
        while True:
            try:
                item = read()
            except KeyboardInterrupt:
                continue
            if item is None:
                return items, ctrl_c.pressed
            items.append(item)


def everywhere(open_stream, stride=1):
    """What came of Ctrl-C at each line, one after the other, that the reading of a whole stream takes."""
    at = 0
    while True:
        at += stride
        with open_stream() as stream:
            try:
                items, pressed = interrupted(stream, at)
            except StreamClosed:
                yield at, None
                continue
        yield at, items
        if not pressed:
            assert at > 20  # else it was never there where something is done
            return


class Reading:
    """A stream and its way to be read, None at the end."""

    def __init__(self, stream, read):
        self._stream, self._read = stream, read

    def __enter__(self):
        return self._read

    def __exit__(self, *exc_info):
        self._stream.close()


def test_a_session_goes_on_where_it_was():
    def handler(peer):
        peer.send(b"\x01one ", b"\x02err ", b"\x01two ")
        peer.send(b"\x01three", b'\x03{"exit_code": 0}')
        peer.close()

    def open_stream():
        stream = StdStream(dial(server.url + "/exec", repeatable=False))
        return Reading(stream, stream.read_out)

    with serve(handler) as server:
        for at, messages in everywhere(open_stream):
            output = {1: b"", 2: b""}
            for message in messages:
                output[message.fileno] += message.data
            assert output == {1: b"one two three", 2: b"err "}, at


def test_telemetry_goes_on_where_it_was():
    def handler(peer):
        peer.text(*('{{"cpu": {}, "memory": 1, "timestamp": 1}}'.format(n) for n in range(3)))
        peer.text('{"cpu": 3, "memory": 1, "timestamp": 1}')
        peer.close()

    def open_stream():
        stream = TelemetryStream(lambda: dial(server.url + "/top"), JobTelemetry.from_dict)
        return Reading(stream, lambda: next(stream, None))

    with serve(handler) as server:
        for at, samples in everywhere(open_stream):
            assert [sample.cpu for sample in samples] == [0.0, 1.0, 2.0, 3.0], at


@pytest.mark.parametrize("by_lines", [False, True], ids=["chunks", "lines"])
@pytest.mark.parametrize("cut", [False, True], ids=["in one", "cut"])
def test_a_log_goes_on_where_it_was_or_says_that_it_cannot(by_lines, cut):
    def handler(peer):
        if cut and "since" not in peer.query:
            peer.send(*LINES[:3])
            peer.reset()
            return
        peer.send(*LINES[:4])
        peer.send(*LINES[4:])
        peer.close()

    def connect(since, separator):
        params = [] if since is None else [("since", since.isoformat())]
        return dial(server.url + "/log_ws", params=params)

    def open_stream():
        ended = SimpleNamespace(status=JobStatus.SUCCEEDED)
        log = LogStream(connect, lambda: ended, policy=ReconnectPolicy(archive_lag=0.0))
        if not by_lines:
            return Reading(log, log.read_chunk)

        def read():
            line = next(log.lines(), None)
            return None if line is None else line.encode() + b"\n"

        return Reading(log, read)

    expected = b"".join(line.split(b" ", 1)[1] for line in LINES)
    whole = told = 0
    with serve(handler) as server:
        for at, chunks in everywhere(open_stream, stride=3 if cut else 1):
            if chunks is None:
                told += 1
            else:
                whole += 1
                assert b"".join(chunks) == expected, at
    assert whole
    assert told
