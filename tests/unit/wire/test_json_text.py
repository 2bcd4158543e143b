"""JSON of servers: what ``json.loads`` reads and refuses, nothing else, whatever is installed."""

import json
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_sync.wire.json_text import json_reader, load_json

INT64 = st.integers(-(2**63), 2**64 - 1)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MARGINS = st.text(alphabet=" \n\r\t", max_size=2)


@pytest.fixture(params=["load_json", "without orjson", "with orjson"], scope="module")
def read(request):
    """Each way to read a document."""
    if request.param == "load_json":
        yield load_json
        return
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "with orjson":
            pytest.importorskip("orjson", reason="the extra 'speed' is not installed")
        else:
            patch.setitem(sys.modules, "orjson", None)
        json_reader.cache_clear()
        yield json_reader()
        json_reader.cache_clear()


@given(DOCUMENTS, MARGINS, MARGINS)
def test_it_reads_what_was_written(read, document, before, after):
    data = (before + json.dumps(document) + after).encode()
    assert repr(read(data)) == repr(json.loads(data))


@given(st.integers())
def test_a_number_of_any_size_is_that_number(read, number):
    assert read(str(number).encode()) == pytest.approx(number, rel=1e-15)


@given(
    st.binary(max_size=20)
    | st.text(alphabet='{}[]",:0 1eE-.nulNa\ufeff\n', max_size=12).map(str.encode)
)
@example(b"\xef\xbb\xbf{}")
@example(b"{} {}")
@example(b"")
@example(b'["\\ud800"]')
@example(b'"\xed\xa0\x80"')
@example(b"[NaN, Infinity, 1e999]")
def test_it_refuses_what_the_standard_library_refuses(read, data):
    try:
        expected = json.loads(data.decode("utf-8"))
    except ValueError:
        with pytest.raises(ValueError):
            read(data)
    else:
        assert repr(read(data)) == repr(expected)


def test_a_document_that_is_nested_too_deeply_is_refused(read):
    with pytest.raises(ValueError, match="nested"):
        read(b"[" * 100000)
