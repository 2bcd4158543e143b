"""The head of an HTTP answer, as nearly all of them are."""

import re
from typing import List, NamedTuple, Optional, Tuple

__all__ = ["HttpHead", "parse_head"]

# Final answers of HTTP/1.1 without anything that is obsolete, doubtful, or not ASCII.
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: ([ -~]*))?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*)\r\n"
)
_DIGITS = re.compile("[0-9]{1,18}")
_WITHOUT_BODY = (204, 304)


class HttpHead(NamedTuple):
    """What the head of an answer says.

    Attributes:
        status, reason: of the answer.
        headers: names and values in their order.
        chunked: the body comes in chunks.
        length: bytes of the body; None: it ends with the last chunk, or with the connection.
        will_close: the connection ends with this answer.
        size: bytes of the head.
    """

    status: int
    reason: str
    headers: List[Tuple[str, str]]
    chunked: bool
    length: Optional[int]
    will_close: bool
    size: int


def parse_head(data: bytes, method: Optional[str] = None) -> Optional[HttpHead]:
    """Read the head at the beginning of an answer.

    Args:
        data: what has come.
        method: of the request.

    Returns:
        None where it is not all there, or not as plain as most are: that is for a parser with more patience.
    """
    plain = _PLAIN.match(data)
    if plain is None:
        return None
    status = int(plain.group(1))
    headers: List[Tuple[str, str]] = []
    framing = {}
    for line in plain.group(3).decode("ascii").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            break  # behind the last one
        value = value.lstrip(" \t")
        headers.append((name, value))
        name = name.lower()
        if name in ("connection", "content-length", "transfer-encoding"):
            if name in framing:
                return None
            framing[name] = value
    length = framing.get("content-length")
    coding = framing.get("transfer-encoding")
    chunked = coding is not None
    if coding is not None and (coding.lower() != "chunked" or length is not None):
        return None
    if length is not None and not _DIGITS.fullmatch(length):
        return None
    size: Optional[int] = None if length is None else int(length)
    if status in _WITHOUT_BODY or method == "HEAD":
        size = 0
    will_close = "close" in framing.get("connection", "").lower()
    if size is None and not chunked:
        will_close = True
    return HttpHead(
        status,
        (plain.group(2) or b"").decode("ascii").strip(),
        headers,
        chunked,
        size,
        will_close,
        plain.end(),
    )
