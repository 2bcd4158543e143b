"""Lines of a log as the server sends them: a time stamp, a space, the line.

The stamps of one and the same line differ: nine digits where it is sent live, six, three or none
where it comes from an archive. Only their milliseconds can be compared, and those to within one.
"""

import calendar
import re
from functools import lru_cache
from hashlib import blake2b
from typing import Match, NamedTuple, Optional, Tuple

__all__ = [
    "Stamp",
    "content_of",
    "digest",
    "digester",
    "may_become_stamp",
    "read_stamp",
    "read_time",
    "starts_with_stamp",
    "strip_stamps",
]

_STAMP = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-]\d\d):?(\d\d)|()) ", re.ASCII
)
# The same without its parts, which take time.
_WHOLE_STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d|) "
_STAMP_OF_LINE = re.compile(_WHOLE_STAMP, re.ASCII)
_STAMP_OF_NEXT_LINE = re.compile(b"\n" + _WHOLE_STAMP, re.ASCII)
_LONGEST_STAMP = 48
_LONG_LINE = 512
_DIGEST_SIZE = 8


class Stamp(NamedTuple):
    """The time stamp at the start of a line.

    Attributes:
        text: as the server wrote it.
        ms: milliseconds since the epoch, cut off.
        width: how many bytes it takes, the space behind it included.
        zoned: False where it names no zone, which only one kind of archive does; it is UTC then.
    """

    text: str
    ms: int
    width: int
    zoned: bool


def read_stamp(line: bytes) -> Optional[Stamp]:
    """The stamp that a line starts with, or None."""
    match = _STAMP.match(line)
    ms = None if match is None else _milliseconds(match)
    if match is None or ms is None:
        return None
    width = match.end()
    return Stamp(line[: width - 1].decode("ascii"), ms, width, match.group(5) is None)


def content_of(line: bytes) -> bytes:
    """A complete line without its stamp and its end."""
    stamp = read_stamp(line)
    return line[0 if stamp is None else stamp.width : -1]


def starts_with_stamp(lines: bytes) -> bool:
    """Whether the first of them has a stamp; one that names no day there is counts, too."""
    return _STAMP_OF_LINE.match(lines) is not None


def read_time(lines: bytes, start: int, end: int) -> Optional[Tuple[int, int]]:
    """Of the stamp of the line that begins there: milliseconds since the epoch, and where the line goes on."""
    match = _STAMP.match(lines, start, end)
    ms = None if match is None else _milliseconds(match)
    return None if match is None or ms is None else (ms, match.end())


def _milliseconds(match: "Match[bytes]") -> Optional[int]:
    second, fraction, hours, minutes = match.group(1, 2, 3, 4)
    epoch = _epoch(second)
    if epoch is None:
        return None
    if hours is not None:
        offset = abs(int(hours)) * 3600 + int(minutes) * 60
        epoch += offset if hours.startswith(b"-") else -offset
    return epoch * 1000 + (int((fraction + b"00")[:3]) if fraction else 0)


@lru_cache(maxsize=256)
def _epoch(second: bytes) -> Optional[int]:
    parts = [int(part) for part in re.split(rb"[-T:]", second)]
    month, day, hour, minute = parts[1:5]
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60):
        return None
    try:
        return calendar.timegm((*parts, 0, 0, 0))
    except ValueError:  # no such year
        return None


def may_become_stamp(start: bytes) -> bool:
    """Whether the start of a line can be that of a stamp whose rest has not come yet."""
    return len(start) < _LONGEST_STAMP and b" " not in start and start[:1].isdigit()


def strip_stamps(lines: bytes) -> bytes:
    """Complete lines without their stamps; a line that has none stays as it is."""
    if lines.find(b"\n", 0, _LONG_LINE) < 0:
        return _strip_long_lines(lines)
    return b"\n".join(_STAMP_OF_NEXT_LINE.split(b"\n" + lines))[1:]


def _strip_long_lines(lines: bytes) -> bytes:
    """The same, by a call for each line: to look for a line end alone is much faster than to look for more."""
    view = memoryview(lines)
    parts = []
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", start) + 1
        match = _STAMP_OF_LINE.match(lines, start)
        parts.append(view[start if match is None else match.end() : end])
        start = end
    return b"".join(parts)


def digest(content: bytes) -> bytes:
    """What is kept of a line to know it again."""
    return blake2b(content, digest_size=_DIGEST_SIZE).digest()


def digester() -> "blake2b":
    """The same for a line that comes in pieces."""
    return blake2b(digest_size=_DIGEST_SIZE)
