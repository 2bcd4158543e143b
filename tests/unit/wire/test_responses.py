"""Refusals and Retry-After headers of any kind are read without a failure of our own."""

import email.utils
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuro_sync.errors import NeuroError
from neuro_sync.wire.responses import error_from_response, parse_retry_after

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "msg", "missing", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
bodies = st.binary() | json_values.map(lambda value: json.dumps(value).encode())


@given(st.integers(400, 599), bodies, st.none() | st.text(min_size=1))
@example(400, b'{"error": "\\r"}', None)
def test_any_answer_makes_an_error_with_words(status, body, x_error):
    error = error_from_response(status, body, x_error=x_error, method="GET", url="https://h/a?b=c")
    assert isinstance(error, NeuroError)
    assert (error.status, error.method, error.url) == (status, "GET", "https://h/a")
    assert error.args[0].strip()
    assert len(error.args[0]) < 1200


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("-1", None),
        ("1e3", None),
        ("1,5", None),
        ("inf", None),
        ("nan", None),
        ("\u0661", None),  # a digit to Python, not to HTTP
        ("soon", None),
        ("9" * 13, None),
    ],
)
def test_seconds_are_read_and_nonsense_is_none(value, seconds):
    assert parse_retry_after(value) == seconds


def _date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


@given(st.integers(0, 4 * 10**9), st.integers(1, 10**6))
def test_a_date_is_measured_from_the_date_of_the_answer(now, later):
    assert parse_retry_after(_date(now + later), date=_date(now)) == later


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (_date(100), None),
        (_date(100), "nonsense"),
        ("Wed, 99 Foo 2026 00:00:00 GMT", _date(100)),
        ("Wed, 21 Oct 99999 07:28:00 GMT", _date(100)),
    ],
)
def test_a_date_that_cannot_be_measured_is_none(value, date):
    assert parse_retry_after(value, date=date) is None


@given(st.none() | st.text(), st.none() | st.text())
def test_any_header_is_a_number_or_none(value, date):
    seconds = parse_retry_after(value, date=date)
    assert seconds is None or seconds >= 0
