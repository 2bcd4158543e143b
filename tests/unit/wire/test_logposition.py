"""Positions in a log and the cursors that say them."""

import base64
import json
from collections import Counter
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.wire.logblocks import OpenLine
from neuro_sync.wire.logcursor import decode_cursor, encode_cursor
from neuro_sync.wire.loglines import digest
from neuro_sync.wire.logposition import TOLERANCE, Position, Tail

NOON = 1767268800000


def line(ms, content):
    moment = datetime.fromtimestamp(ms / 1000, timezone.utc)
    return "{:%Y-%m-%dT%H:%M:%S}.{:03}Z {}\n".format(moment, ms % 1000, content).encode()


def counted(position):
    """How often each line was delivered."""
    counts = Counter()
    for key, count in position.lines:
        counts[key] += count
    return counts


def test_a_position_is_behind_the_last_line():
    tail = Tail()
    tail.append(line(NOON, "a") + line(NOON + 5, "b") + line(NOON + 5, "b"))
    position = tail.position()
    assert position.ms == NOON + 5
    assert position.text == "2026-01-01T12:00:00.005Z"
    assert counted(position) == {(NOON, digest(b"a")): 1, (NOON + 5, digest(b"b")): 2}
    assert position.known_from is None


def test_lines_that_were_not_delivered_are_left_out():
    tail = Tail()
    tail.append(line(NOON, "a") + line(NOON + 5, "b"))
    assert tail.position(1).ms == tail.position(1).last_ms == NOON
    assert tail.position(2).ms is None


def test_the_last_line_may_be_earlier_than_others():
    tail = Tail()
    tail.append(line(NOON + 5000, "a") + line(NOON, "b"))
    position = tail.position(only_since=True)
    assert (position.ms, position.behind, position.last_ms) == (NOON + 5000, 5000, NOON)
    assert position.since.timestamp() * 1000 == NOON - 1000
    assert position.lines == (((NOON + 5000, digest(b"a")), 1), ((NOON, digest(b"b")), 1))
    restored = decode_cursor(encode_cursor(position, "job-1"), "job-1")
    assert restored.since == position.since
    assert Tail(restored).position().behind == 5000


def test_lines_that_were_not_delivered_may_be_of_several_blocks():
    tail = Tail()
    for name in "abc":
        tail.append(line(NOON, name + "1") + b"goes on\n" + line(NOON + 5, name + "2"))
    opened = OpenLine(NOON + 9, "2026-01-01T12:00:00.009Z", True)
    opened.extend(b"d")
    tail.append_open(opened)
    keys = [(NOON, b"1"), (NOON, None), (NOON + 5, b"2")]
    expected = [
        (ms, digest(b"goes on" if number is None else name + number))
        for name in (b"a", b"b", b"c")
        for ms, number in keys
    ]
    expected.append((NOON + 9, digest(b"d")))
    for without in range(len(expected) + 2):
        position = tail.position(without)
        left = Counter(expected[: max(0, len(expected) - without)])
        assert counted(position) == left
        assert position.ms == max((ms for ms, _ in left), default=None)


@pytest.mark.parametrize(("zone", "before"), [("Z", 6), ("", 66)])
def test_only_lines_that_a_server_may_send_again_are_looked_at(zone, before):
    tail = Tail()
    for second in range(-before, 6):
        tail.append(
            line(NOON + 1000 * second, "at {}".format(second)).replace(b"Z ", zone.encode() + b" ")
        )
    whole, asked = tail.position(), tail.position(only_since=True)
    assert asked.since == whole.since
    first = int(asked.since.timestamp() * 1000)
    assert asked.lines == tuple(line for line in whole.lines if line[0][0] >= first)
    assert whole.known_from is None
    assert first - 1000 < asked.known_from < first - TOLERANCE
    assert 0 < len(asked.lines) < len(whole.lines)


def test_a_server_is_asked_for_whole_seconds_in_utc():
    assert Position(ms=NOON + 999).since == datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    assert Position(ms=NOON + 999).since.tzinfo is timezone.utc


def test_the_next_second_may_have_begun_for_another_source():
    assert Position(ms=NOON).since == datetime(2026, 1, 1, 11, 59, 59, tzinfo=timezone.utc)


def test_an_archive_that_is_found_by_the_minute_is_asked_by_the_minute():
    since = Position(ms=NOON + 30500, zoned=False).since
    assert since == datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def test_a_line_without_an_end_is_a_place_too():
    opened = OpenLine(NOON + 10, "2026-01-01T12:00:00.010Z", True)
    assert Position(open=opened).since == datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def test_memory_of_a_long_log_is_bounded():
    tail = Tail()
    for number in range(300):
        tail.append(line(NOON + number * 10, "x" * 200) * 500)
        tail.trim()
    assert tail._size <= 3 * Tail.SOFT
    position = tail.position()
    assert position.ms == NOON + 2990
    assert counted(position)[(NOON + 2990, digest(b"x" * 200))] == 500


def test_what_may_not_have_been_delivered_is_all_kept():
    tail = Tail()
    tail.append(line(NOON, "before"))
    tail.trim()
    count = 8 * Tail.SOFT // 200
    for number in range(count):
        tail.append(line(NOON + 1000 + number, "x" * 200))
    position = tail.position(without=count - 10)
    assert position.ms == NOON + 1009


def test_lines_of_one_moment_are_counted_when_they_are_too_many_to_keep():
    tail = Tail()
    block = line(NOON, "x" * 200) * 500
    for _ in range(100):
        tail.append(block)
        tail.trim()
    assert tail._size <= Tail.HARD + 2 * len(block)
    position = tail.position()
    assert counted(position)[(NOON, digest(b"x" * 200))] + position.folded[NOON] == 50000


@given(
    contents=st.lists(st.tuples(st.integers(0, 5), st.text("ab", max_size=2)), max_size=20),
    opened=st.none() | st.binary(max_size=5),
)
def test_a_cursor_says_what_the_position_says(contents, opened):
    tail, ms = Tail(), NOON
    for step, content in contents:
        ms += step
        tail.append(line(ms, content))
    open_line = None
    if opened is not None:
        open_line = OpenLine(ms, "2026-01-01T12:00:00Z", True)
        open_line.extend(opened)
    position = tail.position(only_window=True)._replace(open=open_line)
    again = decode_cursor(encode_cursor(position, "job-1"), "job-1")
    assert again._replace(open=None) == position._replace(open=None)
    assert (again.open is None) == (open_line is None)
    if open_line is not None:
        assert (again.open.ms, again.open.size) == (open_line.ms, open_line.size)
        assert again.open.begins(opened + b" and more")
        if opened:
            assert not again.open.begins(bytes([opened[0] ^ 1]) + opened[1:])
    assert again.since == position.since


def test_a_cursor_is_short_and_fits_everywhere():
    tail = Tail()
    for number in range(1000):
        tail.append(line(NOON + number, "line {}".format(number)))
    cursor = encode_cursor(tail.position(only_window=True), "job-1")
    assert len(cursor) < 400
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_log_is_refused():
    cursor = encode_cursor(Position(), "job-1")
    with pytest.raises(ValueError, match=r"job-1.*job-2"):
        decode_cursor(cursor, "job-2")


def cursor_of(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "no cursor!",
        "é",
        cursor_of(None),
        cursor_of([]),
        cursor_of({}),
        cursor_of({"v": 2}),
        cursor_of({"v": 1, "of": "job-1", "ms": "1"}),
    ],
)
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(cursor, "job-1")


@pytest.mark.parametrize(
    "change", [{"ms": 10**30}, {"ms": True}, {"lines": [1]}, {"open": []}, {"asked": 10**30}]
)
def test_a_damaged_cursor_is_refused(change):
    text = encode_cursor(Position(ms=NOON), "job-1")
    document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    document.update(change)
    with pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(cursor_of(document), "job-1")


def test_a_cursor_of_another_type_is_a_type_error():
    with pytest.raises(TypeError):
        decode_cursor(b"x", "job-1")
