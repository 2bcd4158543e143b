"""What the platform's own SDKs hear on a stream is what we hear."""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .comparing import PEERS, fields_of, joined
from .payloads import FAILED_2022, TELEMETRY, telemetry

TEXT, BINARY, CLOSE = 0x81, 0x82, 0x88
STDOUT, STDERR, EXIT = b"\x01", b"\x02", b"\x03"


def frame(data, kind=BINARY):
    """A frame of a server, as it goes over the wire."""
    size = len(data)
    if size < 126:
        return bytes([kind, size]) + data
    if size < 65536:
        return bytes([kind, 126]) + struct.pack("!H", size) + data
    return bytes([kind, 127]) + struct.pack("!Q", size) + data


END = frame(struct.pack("!H", 1000), CLOSE)


def ask(both, path, frames, order):
    """What a peer and we make of a stream of a job that has ended by then."""
    both.comparisons += 1
    both.recorder.answers["GET", "/mon/jobs/job-1/" + path] = (101, {}, [*frames, END])
    # We ask whether it is the job that ended.
    both.recorder.answers["GET", "/jobs/job-1"] = (200, {}, json.dumps(FAILED_2022))
    arguments = {"id": "job-1", **order["arguments"]}
    order = {**order, "arguments": arguments, "fields": fields_of(both)}
    theirs, ours = both.peer(order)[0], both.us(order)[0]
    assert "result" in theirs, theirs
    assert "result" in ours, ours
    return theirs["result"], ours["result"]


@pytest.fixture(params=PEERS)
def both(request):
    return request.getfixturevalue(request.param)


def test_telemetry_is_the_same(both):
    frames = [frame(json.dumps(sample).encode(), TEXT) for sample in TELEMETRY]
    theirs, ours = ask(both, "top", frames, {"method": "top", "arguments": {}})
    assert ours == theirs
    assert len(ours) == len(TELEMETRY)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(samples=st.lists(telemetry(), min_size=1, max_size=3))
def test_any_telemetry_is_the_same(both, samples):
    frames = [frame(json.dumps(sample).encode(), TEXT) for sample in samples]
    theirs, ours = ask(both, "top", frames, {"method": "top", "arguments": {}})
    assert ours == theirs


STAMPS = ["2026-09-14T08:11:13.001Z", "2026-09-14T08:11:14.2501Z", "2026-09-14T08:11:15.000100000Z"]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        ["{0} one\n"],
        ["{0} one\n{1} two\n", "{2} three\n"],
        ["{0} on", "e\n{1} tw", "o\n"],
        ["{0} one\n", "{1} not ended"],
        ["{0} \u4e2d\u6587 \U0001f600\n", "{1}  spaces \n", "{2} \n"],
        ["{0} one\n", "=== live ===\n", "{2} three\n"],
    ],
)
def test_a_log_is_the_same(both, chunks):
    """With time stamps, which are always there between the platform and us."""
    frames = [frame(chunk.format(*STAMPS).encode()) for chunk in chunks]
    order = {"method": "monitor", "arguments": {"timestamps": True, "separator": "=== live ==="}}
    theirs, ours = ask(both, "log_ws", frames, order)
    assert "".join(ours) == "".join(theirs)


def _talk(both, method, frames, **arguments):
    order = {"method": method, "talk": True, "arguments": {"stdout": True, **arguments}}
    theirs, ours = ask(both, method, frames, order)
    for result in (theirs, ours):
        result["messages"] = joined(result["messages"])
    return theirs, ours


def test_an_empty_message_is_still_one_to_the_others(both):
    """The platform sends one for a start; we take no part of the output for it."""
    order = {"method": "exec", "talk": True, "arguments": {"stdout": True, "cmd": "x"}}
    theirs, ours = ask(both, "exec", [frame(STDOUT), _exit(0)], order)
    assert theirs["messages"] == [["1.0", ""]], "no difference any more: compare them, too"
    assert ours["messages"] == []


_EXEC = {"cmd": "x", "stderr": True}


def _exit(code, message="because"):
    return frame(EXIT + json.dumps({"exit_code": code, "message": message}).encode())


@pytest.mark.parametrize("code", [0, 1, 137, 255])
def test_a_command_has_the_same_output_and_exit_code(both, code):
    frames = [frame(STDOUT), frame(STDOUT + b"out\n"), frame(STDERR + b"err\n"), _exit(code)]
    theirs, ours = _talk(both, "exec", frames, **_EXEC)
    assert ours == theirs
    # An exit code of 0 is no error with us: read_out returns None.
    assert ours["exit_code"] == repr(float(code))


def test_a_job_that_is_attached_to_is_the_same(both):
    frames = [frame(STDOUT), frame(STDOUT + b"\x1b[0m$ "), frame(STDOUT + b"x" * 70000), _exit(0)]
    theirs, ours = _talk(both, "attach", frames, tty=True)
    assert ours == theirs


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    output=st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=200))),
    code=st.integers(0, 255),
)
def test_any_output_is_the_same(newest, output, code):
    frames = [frame(channel + data) for channel, data in output]
    theirs, ours = _talk(newest, "exec", [*frames, _exit(code)], **_EXEC)
    assert ours == theirs
