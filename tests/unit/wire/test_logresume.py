"""A log over many connections: whatever breaks, each line comes once and in order."""

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_sync.wire import logresume
from neuro_sync.wire.logcursor import decode_cursor, encode_cursor
from neuro_sync.wire.loglines import read_stamp
from neuro_sync.wire.logposition import Tail
from neuro_sync.wire.logresume import Chunk, Gap, LogAssembler

BASE = int(datetime(2026, 9, 14, 8, 11, 12, tzinfo=timezone.utc).timestamp()) * 10**9
SEPARATOR = "=== Live logs ===5ec7"


def stamp(ns, digits):
    second = datetime.fromtimestamp(ns // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    if digits == 0:
        return second.encode() + b"Z "
    return second.encode() + b"." + ("%09d" % (ns % 10**9))[:digits].encode() + b"Z "


class Server:
    """A log of (nanoseconds, content), the first ``archived`` lines of it in an archive."""

    def __init__(self, log, digits=9):
        self.log, self.archived, self.digits = log, 0, digits

    def frames(self, since, fragment=lambda line: [line], live_digits=9):
        since_ns = 0 if since is None else int(since.timestamp()) * 10**9
        archive = [line for line in self.log[: self.archived] if line[0] >= since_ns]
        for ns, content in archive:
            yield stamp(ns, self.digits) + content + b"\n"
        border = max(since_ns, archive[-1][0] // 10**9 * 10**9 if archive else 0)
        live = (
            [line for line in self.log if line[0] >= border]
            if self.archived < len(self.log)
            else []
        )
        if not archive:
            live = [line for line in self.log[self.archived :] if line[0] >= since_ns]
        if live and archive:
            yield SEPARATOR.encode() + b"\n"
        for ns, content in live:
            for piece in fragment(stamp(ns, live_digits) + content + b"\n"):
                yield piece


class ServerOfAll(Server):
    """Looks for the first line of a moment, and sends all behind it."""

    def frames(self, since, fragment=lambda line: [line]):
        since_ns = 0 if since is None else int(since.timestamp()) * 10**9
        first = next((n for n, (ns, _) in enumerate(self.log) if ns >= since_ns), len(self.log))
        for ns, content in self.log[first:]:
            yield from fragment(stamp(ns, 9) + content + b"\n")


def texts(pieces):
    return b"".join(piece.data for piece in pieces if isinstance(piece, Chunk))


def read(
    server,
    cuts,
    archived,
    *,
    timestamps=False,
    fragment=lambda line: [line],
    batch=3,
    cursors=False,
):
    """Read to the end, broken off after so many frames each time."""
    assembler = LogAssembler(timestamps=timestamps)
    out = []
    for connection, cut in enumerate([*cuts, None]):
        # The archive grows, so that a line has another stamp when it comes again.
        server.archived = archived[min(connection, len(archived) - 1)]
        since = assembler.connect(SEPARATOR)
        frames = list(server.frames(since, fragment))[:cut]
        for start in range(0, len(frames), batch):
            pieces = assembler.feed(frames[start : start + batch])
            assert not [piece for piece in pieces if isinstance(piece, Gap)]
            out.append(texts(pieces))
        if cursors:
            cursor = encode_cursor(assembler.position(only_window=True), "job-1")
            assembler = LogAssembler(timestamps=timestamps, position=decode_cursor(cursor, "job-1"))
    out.append(texts(assembler.finish()))
    return b"".join(out)


contents = st.sampled_from([b"", b"a", b"b", b"aa", b"\xff\r", b"2026-09-14T08:11:12Z x", b" "])
steps = st.sampled_from([0, 1, 999, 10**6 - 1, 10**6, 5 * 10**6, 10**9 - 1, 10**9, 7 * 10**10])


@st.composite
def logs(draw):
    ns = BASE + draw(st.one_of(st.integers(0, 2 * 10**9), st.integers(999_999_990, 10**9)))
    log = []
    for _ in range(draw(st.integers(0, 25))):
        ns += draw(steps)
        log.append((ns, draw(contents)))
    return log


@st.composite
def fragments(draw):
    size = draw(st.integers(1, 40))

    def fragment(line):
        # As the server does it: no piece before the stamp is 23 bytes long.
        pieces = [line[:23]]
        pieces += [line[at : at + size] for at in range(23, len(line), size)]
        return pieces

    return fragment


@settings(deadline=None, max_examples=300)
@given(
    log=logs(),
    archived=st.lists(st.integers(0, 25), min_size=1).map(sorted),
    digits=st.sampled_from([0, 3, 6, 9]),
    cuts=st.lists(st.integers(0, 30), max_size=8),
    fragment=fragments(),
    batch=st.integers(1, 7),
    timestamps=st.booleans(),
    cursors=st.booleans(),
)
def test_no_line_is_lost_or_comes_twice(
    log, archived, digits, cuts, fragment, batch, timestamps, cursors
):
    if digits == 0:
        # Stamps of whole seconds say nothing within one: content and count are all there is.
        log = [(ns // 10**9 * 10**9, content) for ns, content in log]
    text = read(
        Server(log, digits),
        cuts,
        archived,
        timestamps=timestamps,
        fragment=fragment,
        batch=batch,
        cursors=cursors,
    )
    lines = text.split(b"\n")
    if timestamps:
        lines = [line.partition(b"Z ")[2] for line in lines[:-1]] + lines[-1:]
    assert lines == [content for _, content in log] + [b""]


@st.composite
def logs_of_bad_clocks(draw):
    # Lines a few milliseconds apart may have changed places; those of a clock that went back are far away.
    quarters, log = draw(st.integers(0, 8)), []
    for _ in range(draw(st.integers(0, 25))):
        quarters += draw(st.sampled_from([0, 0, 1, 2, 4, 280, -1, -2, -12]))
        log.append((BASE + quarters * 250 * 10**6, draw(contents)))
    return log


@settings(deadline=None, max_examples=300)
@given(
    log=logs_of_bad_clocks(),
    cuts=st.lists(st.integers(0, 30), max_size=8),
    fragment=fragments(),
    batch=st.integers(1, 7),
    cursors=st.booleans(),
)
def test_no_line_is_lost_where_the_clock_goes_back(log, cuts, fragment, batch, cursors):
    text = read(ServerOfAll(log), cuts, [0], fragment=fragment, batch=batch, cursors=cursors)
    assert text.split(b"\n") == [content for _, content in log] + [b""]


def test_lines_of_a_clock_that_went_back_are_known_by_what_came_after_it_did():
    first = [(BASE + 10**10 + 10**8 * n, b"before") for n in range(10)]
    log = first + [(BASE + 79 * 10**8 + 10**8 * n, b"after %d" % n) for n in range(10)]
    # A server that looks at each line alone sends those of before the moment in no place.
    assert read(Server(log), [26, 26], [0], fragment=lambda line: [line[:23], line[23:]]) == (
        b"".join(content + b"\n" for _, content in log)
    )


@pytest.mark.parametrize("cuts", [[5, 10], [5, 11], [7, 10], [5, 10, 12]])
def test_lines_that_a_clock_that_went_back_brings_again_are_told_from_those_before(cuts):
    quarters = [4, 5, 9, 13, 1, 1, 1, 1, 1, 5, 4, 4, 4, 4]
    log = [(BASE + number * 250 * 10**6, b"") for number in quarters]
    for batch in (1, 3):
        assert read(ServerOfAll(log), cuts, [0], batch=batch, cursors=True) == b"\n" * len(log)


def test_a_long_log_whose_clock_goes_back_loses_nothing(monkeypatch):
    monkeypatch.setattr(Tail, "SOFT", 4096)
    log = [(BASE + 10**10 + 10**8 * n, b"before %d" % n) for n in range(300)]
    log += [(BASE + 3 * 10**10 + 10**8 * n, b"after %d" % n) for n in range(100)]
    expected = b"".join(content + b"\n" for _, content in log)
    for cuts in ([320], [320, 150], [301, 120, 130]):
        for cursors in (False, True):
            assert read(Server(log), cuts, [0], batch=5, cursors=cursors) == expected


@pytest.mark.parametrize("digits", [3, 6, 9])
@pytest.mark.parametrize("last", [b"", b"b"])
def test_the_live_part_begins_with_a_second_and_not_with_a_line_just_before_it(digits, last):
    second = BASE + 10**9
    log = [(second - 1, b"")] * 4 + [(second, last)] + [(second, b"")] * 2
    for fragment in (lambda line: [line], lambda line: [line[:23], line[23:]]):
        assert read(Server(log, digits), [], [5], fragment=fragment) == b"\n" * 4 + last + b"\n" * 3


def test_a_line_whose_archive_has_it_a_microsecond_early_is_known_where_the_live_part_begins():
    archived = [b"2026-01-01T12:00:00.999999Z a\n", b"2026-01-01T12:00:01.001000Z b\n"]
    live = [
        b"2026-01-01T12:00:01.000000001Z a\n",
        b"2026-01-01T12:00:01.001000000Z b\n",
        b"2026-01-01T12:00:01.002000000Z a\n",
    ]
    connection, end = assembled((False, *archived, DIVIDER, *live))
    assert texts(connection + end) == b"a\nb\na\n"


def test_a_line_whose_archive_has_the_second_rounded_up_is_known_in_the_live_part():
    archived = [b"2026-01-01T12:00:01.000Z a\n", b"2026-01-01T12:00:01.000Z b\n"]
    live = [
        b"2026-01-01T12:00:00.999600000Z a\n",
        b"2026-01-01T12:00:00.999700000Z b\n",
        b"2026-01-01T12:00:01.000000000Z a\n",
    ]
    connection, end = assembled((False, *archived, DIVIDER, *live))
    assert texts(connection + end) == b"a\nb\na\n"


@st.composite
def changed(draw, frames):
    """What a connection may bring instead: less, something twice, in another order, in other pieces.

    Returns the frames, and whether they are still in the order of their times.
    """
    in_order = True
    for _ in range(draw(st.integers(0, 2))):
        if frames:
            at = draw(st.integers(0, len(frames) - 1))
            what = draw(st.sampled_from(["lost", "twice", "late", "text"]))
            if what == "lost":
                del frames[at]
            elif what == "twice":
                frames.insert(at, frames[at])
            elif what == "late":
                frames.insert(draw(st.integers(0, len(frames) - 1)), frames.pop(at))
                in_order = False
            elif frames[at] != DIVIDER:
                frames[at] = frames[at].partition(b"Z ")[0] + b"Z " + draw(contents) + b"\n"
                in_order = False
    if DIVIDER not in frames and draw(st.booleans()):
        data = b"".join(frames)
        size = draw(st.sampled_from([1, 7, 30, 100, 10**6]))
        frames = [data[start : start + size] for start in range(0, len(data), size)]
    return frames[: draw(st.sampled_from([1, 3, 10, 10**6]))], in_order


def state(assembler):
    """What the follower of a log goes by at the end of a connection."""
    return (
        assembler.fresh,
        assembler.lost,
        assembler.resumable,
        encode_cursor(assembler.position(only_window=True), "job-1"),
    )


@settings(deadline=None, max_examples=500)
@given(log=logs(), digits=st.sampled_from([0, 3, 9]), timestamps=st.booleans(), data=st.data())
def test_to_see_at_once_that_nothing_is_new_says_what_a_look_at_each_line_says(
    log, digits, timestamps, data
):
    if digits == 0:
        log = [(ns // 10**9 * 10**9, content) for ns, content in log]
    quick, careful = (LogAssembler(timestamps=timestamps) for _ in range(2))
    ordered = True
    for _ in range(data.draw(st.integers(2, 5))):
        server = Server(log[: data.draw(st.integers(0, len(log)))], digits)
        server.archived = data.draw(st.integers(0, len(server.log)))
        tolerant = data.draw(st.booleans())
        since = quick.connect(SEPARATOR, tolerant=tolerant)
        careful.connect(SEPARATOR, tolerant=tolerant)
        if careful._repetition is not None:
            assert careful._line_by_line() == b""
        frames, in_order = data.draw(changed(list(server.frames(since))))
        for frame in frames:
            assert texts(quick.feed([frame])) == texts(careful.feed([frame]))
        assert state(quick) == state(careful)
        ordered = ordered and in_order
        assert careful.caught_up or not quick.caught_up or not ordered
    assert quick.finish() == careful.finish()
    assert quick.unproven == careful.unproven


def assembled(*connections, **options):
    """Each connection: (tolerant, frames...). Returns the pieces of each."""
    assembler = LogAssembler(**options)
    out = []
    for tolerant, *frames in connections:
        assembler.connect(SEPARATOR, tolerant=tolerant)
        out.append([piece for frame in frames for piece in assembler.feed([frame])])
    out.append(assembler.finish())
    return out


A = b"2026-01-01T12:00:00.100Z a\n"
B = b"2026-01-01T12:00:00.200Z b\n"
C = b"2026-01-01T12:00:00.300Z c\n"
DIVIDER = SEPARATOR.encode() + b"\n"


def test_a_piece_of_a_line_comes_at_once():
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assert assembler.feed([b"2026-01-01T12:00:00.100Z load"]) == [Chunk(b"load")]
    assert assembler.feed([b"ing\n"]) == [Chunk(b"ing\n")]


def test_half_a_stamp_waits_for_the_rest():
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assert assembler.feed([b"2026-01-01T12:00:00.1000"]) == []
    assert assembler.feed([b"00000Z a\n"]) == [Chunk(b"a\n")]


def test_a_line_that_was_delivered_in_part_goes_on_where_it_stopped():
    first, second, _ = assembled((False, A, B[:-1]), (False, A, B, C))
    assert [first, second] == [[Chunk(b"a\n"), Chunk(b"b")], [Chunk(b"\n"), Chunk(b"c\n")]]


def test_a_line_that_goes_on_is_not_held_back_after_a_break():
    first, second, _ = assembled((False, A, B[:-1]), (False, A, B[:-1] + b"b", b"b\n"))
    assert texts(first + second) == b"a\nbbb\n"
    assert second == [Chunk(b"b"), Chunk(b"b\n")]


def test_the_rest_of_a_line_that_does_not_come_is_a_gap():
    other = b"2026-01-01T12:00:00.200Z x\n"
    first, second, third, _ = assembled((False, A, B[:-1]), (False, A, C), (True, A, other, C))
    assert second == [
        Gap(
            "2026-01-01T12:00:00.200Z",
            "2026-01-01T12:00:00.300Z",
            "the rest of the line before the break did not come",
        )
    ]
    # The line is ended, so that no other one is glued to it.
    assert texts(first + third) == b"a\nb\nx\nc\n"
    assert [type(piece) for piece in third] == [Chunk, Gap, Chunk, Chunk]


@pytest.mark.parametrize(
    ("timestamps", "expected"), [(False, b"a\nc\n"), (True, A + B[:25] + b"\n" + C)]
)
def test_a_line_of_which_only_the_stamp_has_come_leaves_no_empty_one(timestamps, expected):
    first, second, _ = assembled((False, A, B[:25]), (True, A, C), timestamps=timestamps)
    assert texts(first + second) == expected
    assert [piece.reason for piece in second if isinstance(piece, Gap)] == [
        "the rest of the line before the break did not come"
    ]


def test_a_last_line_that_does_not_come_again_is_a_gap():
    _, second, third, _ = assembled((False, A), (False, C), (True, C))
    gap = Gap(
        "2026-01-01T12:00:00.100Z",
        "2026-01-01T12:00:00.300Z",
        "the last line before the break did not come again",
    )
    assert second == [gap]
    assert third == [gap, Chunk(b"c\n")]


def test_new_lines_of_the_moment_of_the_last_one_do_not_hide_that_it_is_missing():
    late = B[:-2] + b"late\n"
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assembler.feed([B])
    for _ in range(2):
        assembler.connect(SEPARATOR)
        assert assembler.feed([late]) == []
        assert [type(piece) for piece in assembler.feed([C])] == [Gap]
        assert assembler.lost
        assert not assembler.fresh
    assembler.connect(SEPARATOR, tolerant=True)
    gap, *chunks = assembler.feed([late, C])
    assert gap == Gap(
        "2026-01-01T12:00:00.200Z",
        "2026-01-01T12:00:00.200Z",
        "the last line before the break did not come again",
    )
    assert texts(chunks) == b"late\nc\n"


def test_new_lines_of_the_moment_of_the_last_one_come_when_that_has_come_or_at_the_end():
    late = B[:-2] + b"late\n"
    first, second, _ = assembled((False, B), (False, late, B))
    assert texts(first + second) == b"b\nlate\n"
    first, second, end = assembled((False, B), (True, late))
    assert second == []
    reason = "the last line before the break did not come again"
    assert end == [Gap("2026-01-01T12:00:00.200Z", None, reason), Chunk(b"late\n")]


def test_a_new_line_that_archive_and_live_both_have_waits_once_for_what_is_before_it():
    late = B[:-2] + b"late\n"
    _, second, _ = assembled((False, A, B[:-1]), (False, A, late, DIVIDER, A, late, B))
    assert texts(second) == b"\nlate\n"


def test_behind_a_suspected_gap_nothing_is_taken():
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assembler.feed([A])
    assembler.connect(SEPARATOR)
    assembler.feed([C])
    assert assembler.lost
    assert assembler.feed([C]) == []
    assembler.connect(SEPARATOR)
    assert assembler.feed([A, B, C]) == [Chunk(b"b\nc\n")]


def test_a_line_with_the_zero_time_of_go_is_a_line():
    zero = b"0001-01-01T00:00:00Z "
    first, second, _ = assembled((False, zero + b"a\n"), (False, zero + b"a\n", zero + b"b\n"))
    assert texts(first + second) == b"a\nb\n"


def test_equal_lines_of_one_moment_are_counted():
    first, second, _ = assembled((False, A, A), (False, A, A, A))
    assert texts(first) == b"a\na\n"
    assert texts(second) == b"a\n"


def test_equal_lines_without_a_break_are_all_delivered():
    first, _ = assembled((False, A, A, A))
    assert texts(first) == b"a\na\na\n"


def test_a_line_that_comes_late_is_delivered():
    first, second, _ = assembled((False, A, C), (False, A, B, C))
    assert texts(first + second) == b"a\nc\nb\n"


def test_the_separator_comes_between_archive_and_live_once():
    connections = [(False, A, DIVIDER, B), (False, A, B, DIVIDER, B, C)]
    first, second, _ = assembled(*connections, separator=b"--- live ---")
    assert first == [Chunk(b"a\n"), Chunk(b"--- live ---\n", divider=True), Chunk(b"b\n")]
    assert second == [Chunk(b"c\n")]


def test_no_separator_is_shown_where_none_is_wanted():
    first, _ = assembled((False, A, DIVIDER, B))
    assert texts(first) == b"a\nb\n"


def test_a_line_of_the_job_is_never_taken_for_the_separator():
    stamped = b"2026-01-01T12:00:00.150Z " + DIVIDER
    first, _ = assembled((False, A, stamped, B[:25], DIVIDER), separator=b"-")
    assert texts(first) == b"a\n" + DIVIDER + DIVIDER


def test_lines_that_archive_and_live_both_have_come_once():
    live_a = b"2026-01-01T12:00:00.100999999Z a\n"
    live_b = b"2026-01-01T12:00:00.200000001Z b\n"
    first, _ = assembled((False, A, DIVIDER, live_a, live_b))
    assert texts(first) == b"a\nb\n"


def test_lines_before_the_moment_asked_for_are_dropped():
    since_ms = 1767268800200
    first, _ = assembled((False, A, B, A, C), since_ms=since_ms)
    assert texts(first) == b"b\na\nc\n"


def test_lines_before_the_moment_asked_for_do_not_come_later_either():
    since_ms = 1767268800200
    first, second, _ = assembled((False, B), (False, A, B, C), since_ms=since_ms)
    assert texts(first + second) == b"b\nc\n"
    first, _ = assembled((False, B, DIVIDER, A, B, C), since_ms=since_ms)
    assert texts(first) == b"b\nc\n"


def test_lines_just_before_the_moment_asked_for_do_not_come_behind_a_cursor_either():
    since_ms = 1767268800200
    before = b"2026-01-01T12:00:00.199Z "
    assembler = LogAssembler(since_ms=since_ms)
    assembler.connect(SEPARATOR)
    assert texts(assembler.feed([before + b"a\n", before + b"b\n", B])) == b"b\n"
    cursor = encode_cursor(assembler.position(only_window=True), "job-1")
    position = decode_cursor(cursor, "job-1")
    assert position.asked.timestamp() * 1000 == since_ms
    assembler = LogAssembler(since_ms=since_ms, position=position)
    assembler.connect(SEPARATOR)
    assert texts(assembler.feed([before + b"a\n", before + b"b\n", B, C])) == b"c\n"


def test_lines_of_a_clock_that_went_back_behind_the_moment_asked_for_are_new():
    earlier = b"2026-01-01T12:00:00.050Z a\n"
    first, second, _ = assembled((False, C, A), (False, earlier, C, A, B), since_ms=1767268800300)
    assert texts(first + second) == b"c\na\nb\n"


def test_lines_of_earlier_seconds_are_the_servers_word():
    first, _ = assembled((False, A, B), since_ms=1767268801200)
    assert texts(first) == b"a\nb\n"


def test_a_log_without_stamps_passes_and_can_not_be_resumed():
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assert assembler.resumable
    assert texts(assembler.feed([b"a\n", b"12", b"\n", b"", b"b"])) == b"a\n12\nb"
    assert not assembler.resumable


def test_a_last_line_without_an_end_is_delivered():
    for connections in [(False, A, B, b"12")], [(False, A), (False, A, b"12")]:
        *_, rest = assembled(*connections)
        assert texts(rest) == b"12"
    *_, rest = assembled((False, A, B), (False, A, B, b"2026-01-01T12:00:00.200Z new"))
    assert texts(rest) == b"new"


@pytest.mark.parametrize("timestamps", [False, True])
def test_the_end_of_a_log_is_behind_a_last_line_without_an_end(timestamps):
    last = (
        A[:-2] + b"b"
    )  # of the moment of the line before: it may be an old one until its end comes
    assembler = LogAssembler(timestamps=timestamps)
    for frames in ([A], [A, last]):
        assembler.connect(SEPARATOR)
        for frame in frames:
            assembler.feed([frame])
    assert texts(assembler.finish()) == (last if timestamps else b"b")
    assembler = LogAssembler(timestamps=timestamps, position=assembler.position(only_window=True))
    assembler.connect(SEPARATOR)
    assert texts(assembler.feed([A, last])) == b""
    assert assembler.finish() == []
    assert not assembler.unproven


def test_a_line_without_an_end_that_comes_again_is_no_new_one():
    connections = assembled((False, A, B[:-1]), (False, A, B[:-1]))
    assert [texts(pieces) for pieces in connections] == [b"a\nb", b"", b""]


def test_a_huge_line_in_many_pieces_after_a_break():
    line = A[:-1] + b"x" * 100000 + b"\n"
    pieces = [line[at : at + 100] for at in range(0, len(line), 100)]
    first, second, _ = assembled((False, *pieces[:500]), (False, *pieces))
    assert texts(first + second) == line[25:]


@pytest.mark.parametrize(
    ("delivered", "stamped"), [(0, False), (0, True), (150, True), (600, True)]
)
def test_a_huge_line_that_comes_again_is_not_looked_at_with_each_piece(
    monkeypatch, delivered, stamped
):
    looked_at = []

    def counting(line):
        looked_at.append(len(line))
        return read_stamp(line)

    monkeypatch.setattr(logresume, "read_stamp", counting)
    line = B[:-1] + b"x" * 100000 + b"\n" if stamped else b"x" * 100000 + b"\n"
    pieces = [line[at : at + 100] for at in range(0, len(line), 100)]
    first, second, _ = assembled((False, A, *pieces[:delivered]), (False, A, *pieces, C))
    assert texts(first + second) == A[25:] + line[25 if stamped else 0 :] + C[25:]
    assert len(looked_at) < 20


def test_not_all_known_lines_are_looked_through_for_each_line_of_the_first_moment():
    class Lines(dict):
        looked_through = 0

        def items(self):
            self.looked_through += 1
            return super().items()

    lines = [b"2026-01-01T12:00:00Z %d\n" % number for number in range(1000)]
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assembler.feed(lines)
    assembler.feed([DIVIDER])
    known = assembler._overlap._lines = Lines(assembler._overlap._lines)
    assert assembler.feed(lines) == []
    assert known.looked_through < 10


def test_a_huge_line_of_a_log_without_stamps_since_a_moment_is_not_looked_at_with_each_piece():
    assembler = LogAssembler(since_ms=1767268800200)
    assembler.connect(SEPARATOR)
    for _ in range(1000):
        assert assembler.feed([b"x" * 100]) == []
    assert len(assembler._head) == 100
    assert texts(assembler.finish()) == b"x" * 100000


def test_what_was_not_read_is_not_in_the_position():
    assembler = LogAssembler()
    assembler.connect(SEPARATOR)
    assembler.feed([A, B, C[:-1]])
    assert assembler.position().open is not None
    assert assembler.position(only_lines=True).open is None
    assert assembler.position(1).text == "2026-01-01T12:00:00.100Z"


def test_lines_behind_one_whose_rest_does_not_come_are_delivered_at_the_end():
    late = b"2026-01-01T12:00:00.201Z late\n"
    _, second, end = assembled((False, A, B[:-1]), (True, A, late))
    assert second == []
    reason = "the rest of the line before the break did not come"
    assert end == [Gap("2026-01-01T12:00:00.200Z", None, reason), Chunk(b"\nlate\n")]


WORDS = b"failed to create fsnotify watcher: too many open files"


def test_words_of_the_server_behind_the_last_line_come_once():
    for words in (WORDS, WORDS + b"\n"):
        assembler = LogAssembler()
        got = []
        for _ in range(3):
            assembler.connect(SEPARATOR)
            got.append(texts(assembler.feed([A]) + assembler.feed([words])))
            assert assembler.fresh == (len(got) == 1)
        assert got == [b"a\n" + words, b"", b""]
        assert not assembler.unproven
        assert assembler.finish() == []


def test_words_of_the_server_are_not_waited_for_where_they_do_not_come_again():
    first, second, end = assembled((False, A, WORDS), (False, A, B))
    assert texts(first) == b"a\n" + WORDS
    assert [*second, *end] == [Chunk(b"\nb\n")]


def test_what_the_server_says_first_belongs_to_the_line_before():
    assembler = LogAssembler()
    for expected in (b"a\n" + WORDS + b"\nb\n", b""):
        assembler.connect(SEPARATOR)
        pieces = assembler.feed([A]) + assembler.feed([WORDS + b"\n"]) + assembler.feed([B])
        assert texts(pieces) == expected
