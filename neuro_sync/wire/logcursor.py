"""A position in a log as a text: the cursor, which another process goes on from."""

import base64
import json
from typing import Any, Dict, Mapping

from .logblocks import OpenLine
from .logposition import Position

__all__ = ["decode_cursor", "encode_cursor"]

_VERSION = 1


def encode_cursor(position: Position, name: str) -> str:
    """A position as a text of letters, digits, ``-`` and ``_``.

    Args:
        position: of :meth:`Tail.position`, ``only_window``.
        name: of what it is a position; checked by :func:`decode_cursor`.
    """
    base = position.ms if position.ms is not None else 0
    opened = position.open
    document: Dict[str, Any] = {
        "v": _VERSION,
        "of": name,
        "ms": position.ms,
        "text": position.text,
        "zoned": position.zoned,
        "from": position.known_from,
        "lines": [[ms - base, key.hex(), n] for (ms, key), n in position.lines],
        "folded": [[ms - base, n] for ms, n in position.folded.items() if n > 0],
        "divided": position.divided,
    }
    if position.behind:
        document["behind"] = position.behind
    if position.asked_ms is not None:
        document["asked"] = position.asked_ms
    if opened is not None:
        document["open"] = [opened.ms, opened.text, opened.zoned, opened.size, opened.digest.hex()]
    text = json.dumps(document, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def decode_cursor(cursor: str, name: str) -> Position:
    """The position that a cursor says.

    Raises:
        ValueError: it is no cursor, or one of something else.
    """
    if not isinstance(cursor, str):
        raise TypeError("a cursor is a str, not {}".format(type(cursor).__name__))
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        document = json.loads(base64.b64decode(padded.encode("ascii"), b"-_", validate=True))
        if document["v"] != _VERSION:
            raise ValueError("version {!r}".format(document["v"]))
        of, position = document["of"], _read_position(document)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError("not a cursor of a log: {!r}".format(cursor[:60])) from error
    if of != name:
        raise ValueError("the cursor is one of {!r}, not of {!r}".format(of, name))
    return position


def _read_position(document: Mapping[str, Any]) -> Position:
    ms = None if document["ms"] is None else _whole(document["ms"])
    base = ms if ms is not None else 0
    opened = None
    if "open" in document:
        open_ms, text, zoned, size, key = document["open"]
        opened = OpenLine.restored(
            _whole(open_ms), str(text), bool(zoned), _whole(size), bytes.fromhex(key)
        )
    position = Position(
        ms=ms,
        text=str(document["text"]),
        zoned=bool(document["zoned"]),
        known_from=None if document["from"] is None else _whole(document["from"]),
        lines=tuple(
            ((base + _whole(away), bytes.fromhex(key)), _whole(count))
            for away, key, count in document["lines"]
        ),
        folded={base + _whole(away): _whole(count) for away, count in document["folded"]},
        open=opened,
        divided=bool(document["divided"]),
        behind=_whole(document.get("behind", 0)),
        asked_ms=_whole(document["asked"]) if "asked" in document else None,
    )
    # A time that is none raises here, not at the next connection.
    position.since, position.asked  # noqa: B018
    return position


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("{!r} is no whole number".format(value))
    return value
