"""Frames of RFC 6455: what goes in comes out, however the bytes are cut; what breaks the rules is refused."""

import pickle
import struct

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.transport.ws_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    CloseFrame,
    FrameError,
    FrameParser,
    close_payload,
    frame_header,
)
from neuro_sync.transport.ws_mask import apply_mask, new_key

KEY = b"\x01\x02\xfe\xff"


def frame(opcode, payload=b"", *, final=True, mask=None, reserved=0):
    """A frame as a server may write it."""
    first = (0x80 if final else 0) | reserved | opcode
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    return head + (mask + apply_mask(payload, mask) if mask else payload)


def closing(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def read(*pieces, **options):
    parser = FrameParser(**options)
    return [message for piece in pieces for message in parser.feed(piece)], parser


def cut(data, points):
    points = sorted({0, len(data), *(point % (len(data) + 1) for point in points)})
    return [data[a:b] for a, b in zip(points, points[1:])]


LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 70000]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask", [None, KEY], ids=["plain", "masked"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_a_message_of_any_length_comes_out(length, mask, opcode):
    payload = b"x" * length
    messages, parser = read(frame(opcode, payload, mask=mask))
    assert messages == [payload]
    assert parser.closed is None


SEVERAL = (
    frame(BINARY, b"one")
    + frame(PING, b"p")
    + frame(TEXT, "t\u00fcr".encode(), mask=KEY)
    + frame(BINARY, b"a", final=False)
    + frame(PONG, b"")
    + frame(CONTINUATION, b"b" * 200, final=False)
    + frame(CONTINUATION, b"", final=True)
    + frame(BINARY, b"")
    + closing(1000, b"bye")
)


@pytest.mark.parametrize("point", range(len(SEVERAL) + 1))
def test_a_cut_anywhere_changes_nothing(point):
    messages, parser = read(SEVERAL[:point], SEVERAL[point:])
    assert messages == [b"one", "t\u00fcr".encode(), b"a" + b"b" * 200, b""]
    assert parser.pings == [b"p"]
    assert parser.closed == CloseFrame(1000, "bye")


def test_single_bytes_change_nothing():
    messages, parser = read(*(SEVERAL[n : n + 1] for n in range(len(SEVERAL))))
    assert len(messages) == 4
    assert parser.closed == CloseFrame(1000, "bye")


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 4), st.booleans(), st.booleans())),
    st.lists(st.integers(0, 10**6), max_size=10),
)
def test_any_messages_in_any_fragments_and_any_pieces_come_out(messages, points):
    wire = b""
    for payload, fragments, masked, pinged in messages:
        size = len(payload) // fragments + 1
        parts = [payload[n : n + size] for n in range(0, len(payload), size)] or [b""]
        for number, part in enumerate(parts):
            opcode = BINARY if number == 0 else CONTINUATION
            final = number == len(parts) - 1
            wire += frame(opcode, part, final=final, mask=KEY if masked else None)
            if pinged:
                wire += frame(PING, b"?")
    found, _ = read(*cut(wire, points))
    assert found == [payload for payload, _, _, _ in messages]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_read_or_refused_the_same_however_they_are_cut(data, points):
    def outcome(pieces):
        parser = FrameParser(message_limit=1000)
        messages = [message for piece in pieces for message in parser.feed(piece)]
        code = parser.error and parser.error.close_code
        return messages, parser.pings, parser.closed, code

    assert outcome([data]) == outcome(cut(data, points) or [data])


@given(st.text(max_size=50), st.integers(0, 200))
def test_text_may_be_cut_within_a_character(text, point):
    data = text.encode()
    point %= len(data) + 1
    wire = frame(TEXT, data[:point], final=False) + frame(CONTINUATION, data[point:])
    assert read(wire)[0] == [data]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3"), 1007),
        (frame(TEXT, b"\xc3", final=False) + frame(CONTINUATION, b"x"), 1007),
        (frame(BINARY, reserved=0x40), 1002),
        (frame(BINARY, reserved=0x10), 1002),
        (frame(0x3), 1002),
        (frame(0xB), 1002),
        (frame(PING, final=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(BINARY, b"x", final=False) + frame(BINARY, b"y"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (closing(999), 1002),
        (closing(1004), 1002),
        (closing(1005), 1002),
        (closing(1006), 1002),
        (closing(1015), 1002),
        (closing(2999), 1002),
        (closing(5000), 1002),
        (closing(1000, b"\xff"), 1007),
        (frame(BINARY, b"x" * 11), 1009),
        (frame(BINARY, b"x" * 6, final=False) + frame(CONTINUATION, b"x" * 6), 1009),
        (b"\x82\x7f" + b"\xff" * 8, 1009),
    ],
)
def test_what_breaks_the_rules_is_refused_with_the_code_to_say(data, code):
    # What came before counts, and what comes behind does not, however they are cut.
    before, behind = frame(BINARY, b"before"), frame(BINARY, b"behind")
    for pieces in [(before + data + behind,), (before, data, behind), (before + data, behind)]:
        messages, parser = read(*pieces, message_limit=10)
        assert messages == [b"before"]
        assert parser.error.close_code == code
        assert parser.over
        assert parser.closed is None


def test_a_message_that_is_too_big_is_refused_by_its_header():
    _, parser = read(frame(BINARY, b"x" * 200)[:4], message_limit=100)
    assert "more than" in str(parser.error)


def test_what_breaks_the_rules_can_be_pickled():
    error = pickle.loads(pickle.dumps(FrameError("not UTF-8", 1007)))
    assert (type(error), str(error), error.close_code) == (FrameError, "not UTF-8", 1007)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1014, 3000, 4999])
def test_a_goodbye_is_read(code):
    assert read(closing(code, "g\u00fcnstig".encode()))[1].closed == CloseFrame(
        code, "g\u00fcnstig"
    )


def test_a_goodbye_without_a_code_is_1005():
    assert read(frame(CLOSE))[1].closed == CloseFrame(1005, "")


def test_what_comes_behind_a_goodbye_does_not_count():
    messages, parser = read(frame(BINARY, b"a") + closing(1000) + frame(BINARY, b"b"), b"\xff\xff")
    assert messages == [b"a"]
    assert parser.closed == CloseFrame(1000, "")


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [BINARY, PING, PONG, CLOSE])
def test_frames_are_written_as_websocket_client_writes_them(length, opcode):
    payload = bytes(n % 251 for n in range(length))
    theirs = websocket.ABNF.create_frame(payload, opcode)
    theirs.get_mask_key = lambda size: KEY
    assert frame_header(opcode, length, KEY) + apply_mask(payload, KEY) == theirs.format()


def test_a_goodbye_that_is_written_can_be_read():
    payload = close_payload(1011)
    wire = frame_header(CLOSE, len(payload), KEY) + apply_mask(payload, KEY)
    assert read(wire)[1].closed == CloseFrame(1011, "")


@given(st.binary(max_size=70000))
def test_what_we_write_we_can_read(payload):
    key = new_key()
    wire = frame_header(BINARY, len(payload), key) + apply_mask(payload, key)
    assert read(wire)[0] == [payload]
