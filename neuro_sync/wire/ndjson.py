"""Newline-delimited JSON: bytes that come in any pieces become lines."""

from typing import List

from ..errors import ProtocolError

__all__ = ["NdjsonSplitter"]


class NdjsonSplitter:
    """Splits at ``\\n`` alone, in linear time.

    Args:
        limit: bytes that a line may have.
    """

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._parts: List[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> List[bytes]:
        """Returns the lines that are complete now, without their ends.

        Raises:
            ProtocolError: a line is longer than the limit.
        """
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts = []
            self._held = 0
        if rest:
            self._parts.append(rest)
            self._held += len(rest)
            if self._held > self._limit:
                raise ProtocolError("a line has more than {} bytes".format(self._limit))
        return lines

    def finish(self) -> bytes:
        """Returns what came behind the last line end: nothing, where the answer is whole."""
        rest = b"".join(self._parts)
        self._parts = []
        self._held = 0
        return rest
