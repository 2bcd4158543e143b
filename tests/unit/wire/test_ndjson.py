"""Lines come out as they went in, however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.errors import ProtocolError
from neuro_sync.wire.ndjson import NdjsonSplitter

TEXT = b'{"id": "job-1"}\n\n{"id": "\xc3\xbc"}\r\n{"error": "x"}'
LINES = [b'{"id": "job-1"}', b"", b'{"id": "\xc3\xbc"}\r']


def split(*pieces):
    splitter = NdjsonSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return lines, splitter.finish()


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_a_cut_anywhere_changes_nothing(cut):
    assert split(TEXT[:cut], TEXT[cut:]) == (LINES, b'{"error": "x"}')


def test_single_bytes_change_nothing():
    assert split(*(TEXT[n : n + 1] for n in range(len(TEXT)))) == (LINES, b'{"error": "x"}')


@given(st.lists(st.binary(max_size=8)))
def test_lines_are_what_python_splits_at_line_feeds(pieces):
    *lines, rest = b"".join(pieces).split(b"\n")
    assert split(*pieces) == (lines, rest)


def test_other_line_ends_are_data():
    assert split(b"a\rb\x0bc\x0cd\x1ce\x85f\n") == ([b"a\rb\x0bc\x0cd\x1ce\x85f"], b"")


def test_a_whole_answer_has_no_rest():
    assert split(b"a\n") == ([b"a"], b"")
    assert split() == ([], b"")


def test_a_line_without_an_end_is_given_up():
    splitter = NdjsonSplitter(limit=10)
    assert splitter.feed(b"12345\n1234567890") == [b"12345"]
    with pytest.raises(ProtocolError, match="more than 10 bytes"):
        splitter.feed(b"1")


def test_many_short_lines_are_no_long_line():
    splitter = NdjsonSplitter(limit=10)
    for _ in range(100):
        assert splitter.feed(b"12345678\n") == [b"12345678"]


def test_after_the_end_it_begins_anew():
    splitter = NdjsonSplitter()
    splitter.feed(b"rest")
    assert splitter.finish() == b"rest"
    assert splitter.finish() == b""
