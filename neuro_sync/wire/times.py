"""Times as the servers write and read them: ISO 8601 with an offset."""

import re
from datetime import datetime, timedelta, timezone

__all__ = ["format_time", "format_utc", "parse_time"]

_PATTERN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"(?:([Zz])|([+-])(\d\d):?(\d\d)?)?"
)
_fromisoformat = datetime.fromisoformat


def parse_time(text: str) -> datetime:
    """Read a time; one without an offset is UTC. Digits beyond microseconds are cut off.

    Raises:
        ValueError: it is no time.
    """
    try:
        moment = _fromisoformat(text)
    except ValueError:
        moment = _parse_slowly(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment


def _parse_slowly(text: str) -> datetime:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError("no time: {!r}".format(text[:100]))
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = match.groups()
    zone = timezone.utc
    if sign is not None:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second or 0),
        int((fraction or "0")[:6].ljust(6, "0")),
        zone,
    )


def format_time(moment: datetime) -> str:
    """Write a time with its offset; one without is local time and is sent as UTC."""
    if moment.tzinfo is None:
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat()


def format_utc(moment: datetime) -> str:
    """Write a time in UTC; one without an offset is local time."""
    return moment.astimezone(timezone.utc).isoformat()
