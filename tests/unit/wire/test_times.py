"""Times as servers write them, and as we do."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.wire import times
from neuro_sync.wire.times import format_time, format_utc, parse_time

UTC = timezone.utc
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-14T08:00:00+00:00", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14T08:00:00.104211+00:00", datetime(2026, 9, 14, 8, 0, 0, 104211, UTC)),
        ("2026-09-14T08:10:02.5+00:00", datetime(2026, 9, 14, 8, 10, 2, 500000, UTC)),
        ("2026-09-14T08:00:00Z", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14T08:00:00.123456789Z", datetime(2026, 9, 14, 8, 0, 0, 123456, UTC)),
        ("2026-09-14T08:00:00", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14T10:00:00+02:00", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14T06:30:00-0130", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14 08:00", datetime(2026, 9, 14, 8, tzinfo=UTC)),
        ("2026-09-14t08:00:00,5z", datetime(2026, 9, 14, 8, 0, 0, 500000, UTC)),
    ],
)
def test_a_time_is_read_however_it_is_written(text, expected):
    # Each version of Python knows other forms; what it does not know is read by hand.
    for parse in (parse_time, times._parse_slowly):
        assert parse(text) == expected
        assert parse(text).tzinfo is not None


@pytest.mark.parametrize(
    "text",
    ["", "noon", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:00",
     "2026-01-01T00:00:00Z tail", "2026-01-01T00:00:60Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError):
        parse_time(text)


@given(st.text())
def test_any_text_is_an_aware_time_or_refused(text):
    try:
        assert parse_time(text).tzinfo is not None
    except ValueError:
        pass


@given(moments)
def test_a_time_comes_back(moment):
    assert parse_time(format_time(moment)) == moment
    assert parse_time(format_utc(moment)) == moment
    assert format_utc(moment).endswith("+00:00")


@given(moments)
def test_an_aware_time_keeps_its_offset(moment):
    assert parse_time(format_time(moment)).utcoffset() == moment.utcoffset()


@given(st.datetimes(datetime(1971, 1, 2), datetime(2200, 1, 1)))
def test_a_naive_time_is_local_and_goes_out_in_utc(moment):
    for written in (format_time(moment), format_utc(moment)):
        assert written.endswith("+00:00")
        assert parse_time(written).timestamp() == moment.timestamp()


@given(st.datetimes(), st.integers(0, 9), st.sampled_from(["Z", "+00:00", "+0000", ""]))
def test_both_readers_agree(moment, digits, zone):
    whole, fraction = moment.strftime("%S"), "{:06}000".format(moment.microsecond)[:digits]
    text = "{}T{}:{}".format(moment.date().isoformat(), moment.strftime("%H:%M"), whole)
    text += "." + fraction if fraction else ""
    expected = moment.replace(microsecond=int((fraction + "000000")[:6]), tzinfo=UTC)
    assert parse_time(text + zone) == expected
