"""The end of a log that comes once more is known by its bytes."""

import pytest

from neuro_sync.wire.loglines import read_stamp
from neuro_sync.wire.logposition import Tail
from neuro_sync.wire.logrepetition import Repetition


def line(ms, text, second=12):
    return b"2026-09-14T08:11:%02d.%03dZ %s\n" % (second, ms, text)


A, B, C, D = line(100, b"a"), line(200, b"b"), line(300, b"c"), line(400, b"d")


def repetition(delivered, all_of_it=False):
    last = delivered[delivered.rfind(b"\n", 0, -1) + 1 :]
    return Repetition(delivered, read_stamp(last), all_of_it=all_of_it)


@pytest.mark.parametrize("size", [1, 5, 29, 30, 1000])
@pytest.mark.parametrize("came", [B + C + D, C + D], ids=["three lines", "two lines"])
def test_it_is_complete_with_the_last_byte(came, size):
    again = repetition(A + B + C + D)
    for at in range(0, len(came), size):
        assert not again.complete
        assert again.goes_on(came[at : at + size])
        assert again.came == came[: at + size]
    assert again.complete


@pytest.mark.parametrize(
    "came",
    [
        C + D + line(500, b"e"),
        C + line(400, b"x"),
        C + D + b"2",
        line(200, b"x") + C,
        line(900, b"new"),
        b"c\n" + D,
        D[:-1] + b" and more",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_something_else_is_not_taken(came, size):
    again = repetition(A + B + C + D)
    taken = b""
    for at in range(0, len(came), size):
        if not again.goes_on(came[at : at + size]):
            break
        taken = came[: at + size]
    else:
        pytest.fail("it took all of it")
    assert again.came == taken


def test_all_lines_of_the_last_time_have_to_come():
    delivered = A + line(400, b"c") + D
    assert not repetition(delivered).goes_on(D)
    assert not repetition(D).goes_on(D)
    assert repetition(D, all_of_it=True).goes_on(D)


def test_a_first_line_without_a_time_says_nothing():
    delivered = b"no stamp\n" + A + D
    assert not repetition(delivered, all_of_it=True).goes_on(b"no stamp\n")


def test_a_huge_first_line_is_not_looked_for_with_each_piece():
    huge = line(400, b"x" * 10**6)
    again = repetition(A + huge)
    taken = 0
    while again.goes_on(huge[taken : taken + 1000]):
        taken += 1000
    assert 0 < taken < 10**5
    assert again.came == huge[:taken]


def test_it_asks_for_the_second_of_the_last_line_or_its_minute_where_no_zone_is_known():
    assert repetition(A + D).since.isoformat() == "2026-09-14T08:11:12+00:00"
    assert repetition(line(1, b"x")).since.isoformat() == "2026-09-14T08:11:11+00:00"
    unzoned = D.replace(b"Z ", b" ")
    assert repetition(unzoned).since.isoformat() == "2026-09-14T08:11:00+00:00"


class TestLastLines:
    def test_they_go_back_to_what_comes_again(self):
        tail = Tail()
        blocks = [line(0, b"x", second) * 3 for second in range(10)]
        for block in blocks:
            tail.append(block)
        lines, last, all_of_it = tail.last_lines()
        # The last one is asked for by a second that is 2 ms before it.
        assert lines == b"".join(blocks[7:])
        assert last.text == "2026-09-14T08:11:09.000Z"
        assert not all_of_it

    def test_of_a_short_log_they_are_all(self):
        tail = Tail()
        tail.append(A)
        tail.append(B + C)
        assert tail.last_lines() == (A + B + C, read_stamp(C), True)

    def test_there_are_none_without_a_time(self):
        tail = Tail()
        assert tail.last_lines() == (b"", None, False)
        tail.append(A + b"no stamp\n")
        assert tail.last_lines() == (b"", None, False)
