"""A job's output on disk: the bytes as they came, and beside them when they came.

``output`` holds the bytes and nothing else. ``index`` has a record for each piece: where it is,
when it was received (nanoseconds since the epoch), which stream it came from, and marks for the
start of a container and for the place where the log was cut. Bytes are written before their
record: what has a record is there.

The lines of a piece have distinct times: the piece's own, and a nanosecond more for each line.
"""

import errno
import os
import struct
import time
from typing import BinaryIO, Callable, List, NamedTuple, Optional

__all__ = ["CONTAINER", "CUT", "STDERR", "STDOUT", "LogFiles", "LogWriter", "Record"]

CONTAINER = 0  # a container starts here; no bytes
STDOUT = 1
STDERR = 2
CUT = 3  # the last words of a log that has reached its limit

DEFAULT_LIMIT = 8 * 1024**3
_RECORD = struct.Struct("<QQII")
_BATCH = 256
_CUT_TEXT = "\n--- cut here: this log has reached its limit of {} bytes ---\n"


class Record(NamedTuple):
    """A piece of output."""

    offset: int
    time_ns: int
    length: int
    kind: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class LogFiles:
    """Reads the log in ``directory``; one that has not been started yet is empty."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._output: Optional[BinaryIO] = None
        self._index: Optional[BinaryIO] = None

    def _opened(self) -> bool:
        if self._index is None:
            try:
                self._output = open(os.path.join(self.directory, "output"), "rb", buffering=0)  # noqa: SIM115
                self._index = open(os.path.join(self.directory, "index"), "rb", buffering=0)  # noqa: SIM115
            except FileNotFoundError:
                self.close()
                return False
        return True

    def close(self) -> None:
        for file in (self._output, self._index):
            if file is not None:
                file.close()
        self._output = self._index = None

    def __len__(self) -> int:
        """How many records there are now."""
        if not self._opened():
            return 0
        assert self._index is not None
        return os.fstat(self._index.fileno()).st_size // _RECORD.size

    def records(self, start: int, count: int = _BATCH) -> List[Record]:
        """Up to ``count`` records from number ``start`` on."""
        if not self._opened():
            return []
        assert self._index is not None
        data = os.pread(self._index.fileno(), count * _RECORD.size, start * _RECORD.size)
        whole = len(data) - len(data) % _RECORD.size
        return [Record(*fields) for fields in _RECORD.iter_unpack(data[:whole])]

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of the output from ``offset`` on."""
        if length <= 0 or not self._opened():
            return b""
        assert self._output is not None
        return os.pread(self._output.fileno(), length, offset)

    def find_time(self, time_ns: int) -> int:
        """The number of the last record that is not later than ``time_ns``; 0 where all are
        later."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.records(middle, 1)[0].time_ns <= time_ns:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0)


class LogWriter:
    """Appends to the log in ``directory``, for one container; there is one writer at a time.

    Args:
        limit: bytes on disk, the records included; what comes after them is dropped, and the log
            says so where it was cut.
        on_failure: told, once, why the log cannot be written any more (a full disk). Output is
            dropped from there on: the job itself goes on.
    """

    def __init__(
        self,
        directory: str,
        *,
        limit: int = DEFAULT_LIMIT,
        on_failure: Callable[[str], None] = lambda reason: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._limit = limit
        self._on_failure = on_failure
        self._clock = clock
        self._output = open(os.path.join(directory, "output"), "ab", buffering=0)  # noqa: SIM115
        self._index = open(os.path.join(directory, "index"), "ab", buffering=0)  # noqa: SIM115
        self._last_ns = 0
        self._in_line = False
        self.position = 0
        self._closed = False  # for good: cut, or failed
        self._records = 0
        self._continue(directory)

    def _continue(self, directory: str) -> None:
        """Takes up the log of earlier containers; drops what a killed writer left without a
        record."""
        files = LogFiles(directory)
        try:
            self._records = len(files)
            if self._records:
                last = files.records(self._records - 1, 1)[0]
                self.position = last.end
                self._last_ns = last.time_ns + last.length
                self._in_line = self.position > 0 and files.read(last.end - 1, 1) != b"\n"
                self._closed = last.kind == CUT
        finally:
            files.close()
        os.ftruncate(self._index.fileno(), self._records * _RECORD.size)
        os.ftruncate(self._output.fileno(), self.position)

    def start_container(self) -> int:
        """Notes that a container starts now; returns that time in nanoseconds."""
        if self._in_line:
            self.write(STDOUT, b"\n")  # a line does not go on in another container
        started = self._next_time()
        if not self._closed:
            self._try(self._append, CONTAINER, b"", started)
        return started

    def write(self, kind: int, data: bytes) -> None:
        """Appends what came from a stream of the job."""
        if self._closed or not data:
            return
        room = self._limit - self.position - (self._records + 1) * _RECORD.size
        if len(data) <= room:
            self._try(self._append, kind, data, self._next_time())
            return
        if room > 0:
            self._try(self._append, kind, data[:room], self._next_time())
        self._try(self._append, CUT, _CUT_TEXT.format(self._limit).encode(), self._next_time())
        self._closed = True

    def _next_time(self) -> int:
        return max(self._clock(), self._last_ns + 1)

    def _append(self, kind: int, data: bytes, time_ns: int) -> None:
        view = memoryview(data)
        while view:
            view = view[self._output.write(view) :]
        self._index.write(_RECORD.pack(self.position, time_ns, len(data), kind))
        self._records += 1
        self.position += len(data)
        self._last_ns = time_ns + data.count(b"\n")
        self._in_line = data[-1:] != b"\n" if data else self._in_line

    def _try(
        self, step: Callable[[int, bytes, int], None], kind: int, data: bytes, now: int
    ) -> None:
        try:
            step(kind, data, now)
        except OSError as error:
            self._closed = True
            reason = os.strerror(error.errno or errno.EIO)
            self._on_failure("the log cannot be written any more: {}".format(reason))

    def close(self) -> None:
        self._output.close()
        self._index.close()
