"""A log over many connections: whatever breaks, each line comes once and in order."""

from datetime import datetime, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from neuro_sync.wire.logposition import decode_cursor, encode_cursor
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

    def __init__(self, log, archived=0, digits=9):
        self.log, self.archived, self.digits = log, archived, digits

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


def texts(pieces):
    return b"".join(piece.data for piece in pieces if isinstance(piece, Chunk))


def read(server, cuts, *, timestamps=False, fragment=lambda line: [line], batch=3, cursors=False):
    """Read to the end, broken off after so many frames each time."""
    assembler = LogAssembler(timestamps=timestamps)
    out = []
    for cut in [*cuts, None]:
        assembler.connect(SEPARATOR)
        frames = list(server.frames(assembler.position().since, fragment))[:cut]
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
    ns = BASE + draw(st.integers(0, 2 * 10**9))
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
    archived=st.integers(0, 25),
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
    server = Server(log, min(archived, len(log)), digits)
    text = read(
        server, cuts, timestamps=timestamps, fragment=fragment, batch=batch, cursors=cursors
    )
    lines = text.split(b"\n")
    if timestamps:
        lines = [line.partition(b"Z ")[2] for line in lines[:-1]] + lines[-1:]
    assert lines == [content for _, content in log] + [b""]
