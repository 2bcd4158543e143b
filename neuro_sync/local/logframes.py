"""From pieces of output to the frames of a log: lines, time stamps, fragments. No I/O.

The archive part of a log has one whole line in each frame. The live part has no frame with more
than one line, but a line that is still being written comes in fragments.
"""

import time
from typing import List, NamedTuple

__all__ = ["LineFramer"]

_SECOND = 10**9
_LONGEST_LINE = 1024 * 1024  # of the archive; a longer one comes in fragments there, too
_SHORTEST_FRAGMENT = 23  # at the start of a line; a shorter one waits for more


class _Part(NamedTuple):
    digits: int  # of the fraction of a second
    hold: int  # bytes of an unfinished line that wait for the rest


_ARCHIVE = _Part(digits=6, hold=_LONGEST_LINE)
_LIVE = _Part(digits=9, hold=_SHORTEST_FRAGMENT)


class LineFramer:
    """Cuts output into frames. It starts in the archive part.

    Args:
        timestamps: lines begin with the time at which they were received.
        in_line: the output that comes first goes on with a line whose start is not wanted.
    """

    def __init__(self, *, timestamps: bool, in_line: bool = False) -> None:
        self._timestamps = timestamps
        self._part = _ARCHIVE
        self._skip_rest = in_line
        self._held = bytearray()  # the start of a line, not sent yet,
        self._held_time = 0  # and its time
        self._in_line = False  # the start of a line has been sent, its end has not

    @property
    def is_live(self) -> bool:
        return self._part is _LIVE

    def go_live(self) -> List[bytes]:
        """Goes over to the live part; returns the fragment that need not wait any longer."""
        self._part = _LIVE
        return self._release()

    def feed(self, time_ns: int, data: bytes, first: int = 0) -> List[bytes]:
        """The frames that a piece of output completes.

        Args:
            time_ns: the time of the piece: that of its first line, the next is a nanosecond later.
            first: how many line ends in it are left out, with what is before them.
        """
        parts = data.split(b"\n")
        if first or self._skip_rest:
            skipped = max(first, 1)
            if len(parts) <= skipped:  # not even the last line begins late enough
                self._skip_rest = bool(parts[-1])
                return []
            self._skip_rest = False
            del parts[:skipped]
            time_ns += skipped
        rest = parts.pop()
        frames: List[bytes] = []
        if parts:
            opening = parts[0]
            if self._in_line:
                frames.append(opening + b"\n")
                self._in_line = False
            else:
                start = self._held_time if self._held else time_ns
                frames.append(self._stamp(start) + self._held + opening + b"\n")
                self._held.clear()
            self._whole_lines(frames, time_ns, parts)
        self._keep(time_ns + len(parts), rest)
        return frames + self._release()

    def finish(self) -> List[bytes]:
        """What is left at the end of the log: in the archive a line always has its end."""
        if not self._held:
            return []
        end = b"" if self.is_live else b"\n"
        frame = self._stamp(self._held_time) + self._held + end
        self._held.clear()
        return [frame]

    def _whole_lines(self, frames: List[bytes], time_ns: int, parts: List[bytes]) -> None:
        """Appends the lines after the first; they begin and end in one piece."""
        if not self._timestamps:
            frames += [part + b"\n" for part in parts[1:]]
            return
        second, fraction = divmod(time_ns, _SECOND)
        if fraction + len(parts) >= _SECOND:
            frames += [
                self._stamp(time_ns + number) + part + b"\n"
                for number, part in enumerate(parts[1:], 1)
            ]
            return
        prefix = _seconds(second)
        if self._part.digits == 9:
            frames += [
                b"%s%09dZ %s\n" % (prefix, number, part)
                for number, part in enumerate(parts[1:], fraction + 1)
            ]
        else:
            frames += [
                b"%s%06dZ %s\n" % (prefix, number // 1000, part)
                for number, part in enumerate(parts[1:], fraction + 1)
            ]

    def _stamp(self, time_ns: int) -> bytes:
        if not self._timestamps:
            return b""
        second, fraction = divmod(time_ns, _SECOND)
        return _seconds(second) + (b"%09d" % fraction)[: self._part.digits] + b"Z "

    def _keep(self, time_ns: int, rest: bytes) -> None:
        if not self._held and not self._in_line:
            self._held_time = time_ns
        self._held += rest

    def _release(self) -> List[bytes]:
        """The start, or the middle, of an unfinished line that is long enough to be sent."""
        if self._in_line:
            fragment = bytes(self._held)
        elif len(self._held) >= self._part.hold:
            fragment = self._stamp(self._held_time) + self._held
        else:
            return []
        self._held.clear()
        if not fragment:
            return []
        self._in_line = True
        return [fragment]


def _seconds(second: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)).encode()
