"""What comes from outside and goes into a URL or a header."""

import re
from typing import Iterable
from urllib.parse import quote

__all__ = ["header_value", "hide", "path_segment", "redact"]

_REFUSED = re.compile("[\r\n\0]")
# What quoting leaves as it is, in a name that is no dots.
_PLAIN = re.compile("[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,254}")
# Longer than any id or name, shorter than what a server or a proxy cuts.
_LONGEST = 4096
_USER_INFO = re.compile(r"\A((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?[^/]*@")
_QUERY = re.compile("[?#].*", re.DOTALL)
# What is shorter may be part of any word.
_SHORTEST_SECRET = 8


def path_segment(text: str, what: str = "job id") -> str:
    """Quote a text so that it is one segment of a path, whatever is in it.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, too long, ``.`` or ``..``, or has a CR, LF or NUL in it.
    """
    if not isinstance(text, str):
        hint = ": take its .id" if hasattr(text, "id") else ""
        raise TypeError("{} must be a str, not {}{}".format(what, type(text).__name__, hint))
    if _PLAIN.fullmatch(text):
        return text
    if not text:
        raise ValueError("{} is empty".format(what))
    if len(text) > _LONGEST:
        raise ValueError("{} has {} characters".format(what, len(text)))
    if text in (".", ".."):
        # Quoting does not help: clients and proxies resolve dots before they look at anything else.
        raise ValueError("{} {!r} is no name".format(what, text))
    _refuse_breaks(text, what)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise ValueError("{} is not valid text".format(what)) from error


def header_value(text: str, what: str = "header value") -> str:
    """Check a text that becomes a header; the error does not show it.

    Raises:
        ValueError: it has a character in it that does not belong into a header.
    """
    _refuse_breaks(text, what)
    if not text.isascii():
        raise ValueError("{} has characters in it that are not ASCII".format(what))
    return text


def redact(url: str) -> str:
    """A URL without what may be secret: user info, query, fragment. Takes what is no URL, too."""
    return _USER_INFO.sub(r"\1", _QUERY.sub("", url))


def hide(text: str, secrets: Iterable[str]) -> str:
    """What somebody else has said, without the secrets that he was told."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _refuse_breaks(text: str, what: str) -> None:
    if _REFUSED.search(text):
        raise ValueError("{} has a line break or a NUL in it".format(what))
