"""How output is cut into the frames of a log."""

from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_sync.local.logframes import LineFramer

# 2026-01-01T12:00:00.123456789Z
NOON = 1767268800_123456789


def archive(*pieces: bytes, timestamps: bool = False) -> List[bytes]:
    framer = LineFramer(timestamps=timestamps)
    frames = [frame for piece in pieces for frame in framer.feed(NOON, piece)]
    return frames + framer.finish()


def live(*pieces: bytes, timestamps: bool = False) -> List[bytes]:
    framer = LineFramer(timestamps=timestamps)
    assert framer.go_live() == []
    frames = [frame for piece in pieces for frame in framer.feed(NOON, piece)]
    return frames + framer.finish()


def test_an_archive_frame_is_a_whole_line_with_its_end() -> None:
    assert archive(b"one\ntw", b"o\n\nla", b"st") == [b"one\n", b"two\n", b"\n", b"last\n"]


def test_a_live_frame_is_a_line_or_a_fragment_of_one() -> None:
    pieces = b"one\ntwo\nx" + b"y" * 30, b"-", b"end\nnext\nunfinished"
    assert live(*pieces) == [
        b"one\n",
        b"two\n",
        b"x" + b"y" * 30,
        b"-",
        b"end\n",
        b"next\n",
        b"unfinished",
    ]


def test_a_short_fragment_at_the_start_of_a_line_waits_for_more() -> None:
    framer = LineFramer(timestamps=False)
    framer.go_live()
    assert framer.feed(NOON, b"x" * 22) == []
    assert framer.feed(NOON, b"y") == [b"x" * 22 + b"y"]
    assert framer.feed(NOON, b"z") == [b"z"]
    assert framer.feed(NOON, b"\n") == [b"\n"]


def test_times_have_six_digits_in_the_archive_and_nine_live() -> None:
    assert archive(b"a\nb\n", timestamps=True) == [
        b"2026-01-01T12:00:00.123456Z a\n",
        b"2026-01-01T12:00:00.123456Z b\n",
    ]
    assert live(b"a\nb\n", timestamps=True) == [
        b"2026-01-01T12:00:00.123456789Z a\n",
        b"2026-01-01T12:00:00.123456790Z b\n",
    ]


def test_only_the_first_fragment_of_a_line_has_a_time() -> None:
    framer = LineFramer(timestamps=True)
    framer.go_live()
    first = framer.feed(NOON, b"x" * 23)
    assert first == [b"2026-01-01T12:00:00.123456789Z " + b"x" * 23]
    assert framer.feed(NOON + 5, b"rest\nnew\n") == [
        b"rest\n",
        b"2026-01-01T12:00:00.123456795Z new\n",
    ]


def test_a_line_has_the_time_of_its_first_byte() -> None:
    framer = LineFramer(timestamps=True)
    assert framer.feed(NOON, b"a\nstart") == [b"2026-01-01T12:00:00.123456Z a\n"]
    assert framer.feed(NOON + 10**9, b"end\n") == [b"2026-01-01T12:00:00.123456Z startend\n"]


def test_times_of_many_lines_go_over_a_full_second() -> None:
    framer = LineFramer(timestamps=True)
    framer.go_live()
    frames = framer.feed(NOON - NOON % 10**9 + 999_999_999, b"a\nb\nc\n")
    assert frames == [
        b"2026-01-01T12:00:00.999999999Z a\n",
        b"2026-01-01T12:00:01.000000000Z b\n",
        b"2026-01-01T12:00:01.000000001Z c\n",
    ]


def test_what_the_archive_holds_back_goes_live_as_a_fragment() -> None:
    framer = LineFramer(timestamps=True)
    assert framer.feed(NOON, b"x" * 30) == []
    assert framer.go_live() == [b"2026-01-01T12:00:00.123456789Z " + b"x" * 30]
    assert framer.feed(NOON, b"\n") == [b"\n"]


def test_a_line_of_the_archive_without_end_comes_in_fragments() -> None:
    framer = LineFramer(timestamps=False)
    frames = []
    for _ in range(40):
        frames += framer.feed(NOON, b"x" * 65536)
    frames += framer.feed(NOON, b"\n")
    assert b"".join(frames) == b"x" * 65536 * 40 + b"\n"
    assert max(len(frame) for frame in frames) <= 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("first", "expected"), [(0, [b"a\n", b"b\n", b"c\n"]), (1, [b"b\n", b"c\n"]), (3, []), (9, [])]
)
def test_lines_that_are_too_old_are_left_out(first: int, expected: List[bytes]) -> None:
    framer = LineFramer(timestamps=False)
    assert framer.feed(NOON, b"a\nb\nc\n", first) == expected
    assert framer.feed(NOON, b"next\n") == [b"next\n"]


def test_the_rest_of_a_line_that_is_too_old_is_left_out() -> None:
    framer = LineFramer(timestamps=False, in_line=True)
    assert framer.feed(NOON, b"rest") == []
    assert framer.feed(NOON, b" of it\nnext\n") == [b"next\n"]
    framer = LineFramer(timestamps=False)
    assert framer.feed(NOON, b"a\nold", 2) == []
    assert framer.feed(NOON, b" line\nnext\n") == [b"next\n"]


@given(
    st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"x", b"\n")), max_size=20),
    st.integers(0, 20),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_all_bytes_arrive_in_order_and_no_frame_spans_lines(
    pieces: List[bytes], border: int, timestamps: bool
) -> None:
    framer = LineFramer(timestamps=timestamps)
    frames: List[bytes] = []
    for number, piece in enumerate(pieces):
        if number == border:
            frames += framer.go_live()
        frames += framer.feed(NOON + number * 1000, piece)
    frames += framer.finish()
    assert all(frame.count(b"\n") <= 1 for frame in frames)
    assert all(b"\n" not in frame[:-1] for frame in frames)
    assert b"" not in frames
    if not timestamps:
        whole = b"".join(pieces)
        joined = b"".join(frames)
        assert joined in (whole, whole + b"\n")
