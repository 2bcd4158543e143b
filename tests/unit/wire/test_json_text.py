"""JSON of servers: what ``json.loads`` reads and refuses, nothing else."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_sync.wire.json_text import load_json

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MARGINS = st.text(alphabet=" \n\r\t", max_size=2)


@given(DOCUMENTS, MARGINS, MARGINS)
def test_it_reads_what_was_written(document, before, after):
    assert load_json((before + json.dumps(document) + after).encode()) == document


@given(
    st.binary(max_size=20)
    | st.text(alphabet='{}[]",:0 1eE-.nulNa\ufeff\n', max_size=12).map(str.encode)
)
@example(b"\xef\xbb\xbf{}")
@example(b"{} {}")
@example(b"")
def test_it_refuses_what_the_standard_library_refuses(data):
    try:
        expected = json.loads(data.decode("utf-8"))
    except ValueError:
        with pytest.raises(ValueError):
            load_json(data)
    else:
        assert repr(load_json(data)) == repr(expected)


def test_a_document_that_is_nested_too_deeply_is_refused():
    with pytest.raises(ValueError, match="nested"):
        load_json(b"[" * 100000)
