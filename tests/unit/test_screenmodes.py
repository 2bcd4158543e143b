"""What a program has done to a terminal is undone, however its output was split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.screenmodes import ScreenModes


def undo(*pieces):
    modes = ScreenModes()
    for piece in pieces:
        modes.feed(piece)
    return modes.undo()


@pytest.mark.parametrize(
    ("output", "undone"),
    [
        (b"plain text\r\n\xd0\xb9", b""),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?25l..\x1b[?25h", b""),
        (b"\x1b[?7l", b"\x1b[?7h"),
        (b"\x1b[?25h", b""),
        (b"\x1b[?1000;1006h", b"\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1049h\x1b[?2004h", b"\x1b[?2004l\x1b[?1049l"),
        (b"\x1b=", b"\x1b>"),
        (b"\x1b=\x1b>", b""),
        (b"\x1b(0qqq", b"\x1b(B"),
        (b"\x1b(0qqq\x1b(B", b""),
        (b"\x1b[1;31mred", b"\x1b[0m"),
        (b"\x1b[1;31mred\x1b[0m", b""),
        (b"\x1b[1;31mred\x1b[m", b""),
        (b"\x1b[2;5r", b"\x1b7\x1b[r\x1b8"),
        (b"\x1b[2;5r\x1b[r", b""),
        (b"\x1b[?1049h\x1b=\x1b[1m\x1bc", b""),
    ],
)
def test_what_undoes_it(output, undone):
    assert undo(output) == undone


def test_once_is_enough():
    modes = ScreenModes()
    modes.feed(b"\x1b[?1049h\x1b[1m")
    assert modes.undo()
    assert modes.undo() == b""


SEQUENCES = st.sampled_from(
    [
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?25;7l",
        b"\x1b[?25h",
        b"\x1b=",
        b"\x1b(0",
        b"\x1b(B",
        b"\x1b[38;5;10m",
        b"\x1b[0m",
        b"\x1b[3;10r",
        b"\x1b[r",
        b"\x1bc",
        b"\x1b[10;20H",
        b"\x1b",
        b"text\r\n",
        "\u0439".encode(),
    ]
)


@given(st.lists(SEQUENCES), st.data())
def test_how_it_is_split_means_nothing(sequences, data):
    output = b"".join(sequences)
    places = sorted(data.draw(st.lists(st.integers(0, len(output)))))
    pieces = [output[a:b] for a, b in zip([0, *places], [*places, len(output)])]
    assert undo(*pieces) == undo(output)


def test_an_escape_that_never_ends_is_not_kept():
    modes = ScreenModes()
    for _ in range(1000):
        modes.feed(b"\x1b[" + b"1" * 1000)
    assert len(modes._held) < 100
