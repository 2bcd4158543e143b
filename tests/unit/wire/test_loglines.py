"""Lines of a log: their time stamps in every form a server writes, and how they are taken off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.wire.loglines import (
    digest,
    digester,
    may_become_stamp,
    read_stamp,
    read_time,
    strip_stamps,
)

# 2026-01-01T12:00:00Z
NOON = 1767268800000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-01T12:00:00.123456789Z", NOON + 123),  # live
        ("2026-01-01T12:00:00.123456Z", NOON + 123),  # Loki
        ("2026-01-01T12:00:00.123Z", NOON + 123),  # Elasticsearch
        ("2026-01-01T12:00:00.999999", NOON + 999),  # S3: no zone is UTC
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T12:00:00.5Z", NOON + 500),
        ("2026-01-01T14:00:00.123+02:00", NOON + 123),
        ("2026-01-01T06:30:00.000-0530", NOON),
        ("2026-01-01T12:00:60Z", None),  # a leap second
    ],
)
def test_every_form_of_a_stamp_is_read(text, ms):
    stamp = read_stamp(text.encode() + b" hello")
    assert stamp is not None
    assert stamp.text == text
    assert stamp.width == len(text) + 1
    if ms is not None:
        assert stamp.ms == ms
    assert stamp.zoned == (text != "2026-01-01T12:00:00.999999")
    lines = b"before\n" + text.encode() + b" hello\n"
    assert read_time(lines, 7, len(lines) - 1) == (stamp.ms, 7 + stamp.width)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"2026-01-01T12:00:00Z",  # no line behind it: the space is part of the form
        b"2026-13-01T12:00:00Z x",
        b"0000-01-01T12:00:00Z x",
        b"2026-01-01T25:00:00Z x",
        b"2026-01-01 12:00:00Z x",
        b" 2026-01-01T12:00:00Z x",
        b"=== Live logs ===",
    ],
)
def test_what_is_no_stamp_is_not_taken_for_one(line):
    assert read_stamp(line) is None
    assert read_time(line + b" ", 0, len(line)) is None


stamps = st.sampled_from(
    [
        b"2026-01-01T12:00:00.123456789Z ",
        b"2026-01-01T12:00:00.000000001Z ",
        b"2026-01-01T12:01:00.123456789Z ",
        b"2026-01-01T12:00:00.123456Z ",
        b"2026-01-01T12:00:00.123Z ",
        b"2026-01-01T12:00:00Z ",
        b"2026-01-01T12:00:00.123456 ",
        b"",
    ]
)
contents = st.binary(max_size=40).map(lambda data: b"<" + data.replace(b"\n", b""))


@given(st.lists(st.tuples(stamps, contents), min_size=1))
def test_stamps_are_taken_off_and_nothing_else(lines):
    text = b"".join(stamp + content + b"\n" for stamp, content in lines)
    assert strip_stamps(text) == b"".join(content + b"\n" for _, content in lines)


@given(st.lists(contents, min_size=1))
def test_stamps_of_one_form_are_taken_off(lines):
    stamp = b"2026-01-01T12:00:00.%09dZ "
    text = b"".join(stamp % number + line + b"\n" for number, line in enumerate(lines))
    assert strip_stamps(text) == b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("size", [10, 510, 512, 5000])
def test_stamps_are_taken_off_lines_of_any_length(size):
    stamps = [b"2026-01-01T12:00:00.123456789Z ", b"", b"2026-01-01T12:00:00+02:00 "]
    contents = [bytes([65 + number]) * size + b"\n" for number in range(len(stamps))]
    text = b"".join(stamp + content for stamp, content in zip(stamps, contents))
    assert strip_stamps(text) == b"".join(contents)


@pytest.mark.parametrize(
    "line", [b"2026-01-01T12:00:00.123456789Z x", b"2026-01-01T12:00:00.123456 x"]
)
def test_the_start_of_a_stamp_waits_for_the_rest(line):
    width = line.index(b" ") + 1
    assert all(may_become_stamp(line[:size]) for size in range(1, width))
    assert not may_become_stamp(line[:width])


@pytest.mark.parametrize("start", [b"hello", b"", b"2026 was", b"1" * 100])
def test_what_can_be_no_stamp_does_not_wait(start):
    assert not may_become_stamp(start)


@given(st.lists(st.binary()))
def test_a_digest_does_not_depend_on_the_pieces(pieces):
    whole = digester()
    for piece in pieces:
        whole.update(piece)
    assert whole.digest() == digest(b"".join(pieces))
