"""Ctrl-P Ctrl-Q is found however it is split, and no other key is lost."""

from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.terminal import DetachKeys

# Mostly the two keys themselves: that is where it can go wrong.
KEYS = st.lists(st.sampled_from([b"\x10", b"\x11", b"a", b"\x1b"]), max_size=12)


@given(st.lists(KEYS))
def test_all_before_the_keys_arrives(pieces):
    pieces = [b"".join(piece) for piece in pieces]
    typed = b"".join(pieces)
    keys, arrived, left = DetachKeys(), b"", False
    for piece in pieces:
        data, left = keys.feed(piece)
        arrived += data
        if left:
            break
    assert left == (b"\x10\x11" in typed)
    if left:
        assert arrived == typed.partition(b"\x10\x11")[0]
    else:
        assert arrived + keys.release() == typed


def test_what_is_released_is_no_first_half_any_more():
    keys = DetachKeys()
    assert keys.feed(b"a\x10") == (b"a", False)
    assert keys.release() == b"\x10"
    assert keys.release() == b""
    assert keys.feed(b"\x11") == (b"\x11", False)
