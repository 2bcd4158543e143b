"""A job's log as a stream of frames: what there is, then what comes, until the job has ended.

The archive part has the lines that are older than the border, the live part the others; between
the two goes the separator. The border lies where the platform's Loki backend has it.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, AsyncGenerator, Callable, List, Optional

from .logframes import LineFramer
from .logstore import LogFiles
from .runner import LogFeed

if TYPE_CHECKING:
    from .jobs import JobsService

__all__ = ["LogQuery", "follow_log"]

_SECOND = 10**9
_BLOCK = 256 * 1024
_LOOK_PERIOD = 5.0
_PENDING_LIMIT = 600.0  # how long the platform waits for a container, seconds


@dataclass(frozen=True)
class LogQuery:
    """What was asked for. Times are nanoseconds since the epoch, `archive_delay` is seconds."""

    separator: str
    since_ns: Optional[int] = None
    timestamps: bool = False
    debug: bool = False
    archive_delay: float = 5.0


class _LogReader:
    """Reads the log on and makes frames of it."""

    def __init__(self, files: LogFiles, *, timestamps: bool) -> None:
        self._files = files
        self._timestamps = timestamps
        self._since_ns = 0
        self._next = 0
        self.position = 0
        self.framer = LineFramer(timestamps=timestamps)

    def seek(self, since_ns: int) -> None:
        """Goes to the first line that is not older than ``since_ns``."""
        self._since_ns = since_ns
        self._next = self._files.find_time(since_ns)
        in_line = False
        for record in self._files.records(self._next, 1):
            self.position = record.offset
            in_line = record.offset > 0 and self._files.read(record.offset - 1, 1) != b"\n"
        self.framer = LineFramer(timestamps=self._timestamps, in_line=in_line)

    def read(self, border_ns: Optional[int] = None) -> Optional[List[bytes]]:
        """The next frames (there may be none yet), or None where the log, or the part of it that is
        older than ``border_ns``, ends for now."""
        records = []
        size = 0
        for record in self._files.records(self._next):
            if size >= _BLOCK or (border_ns is not None and record.time_ns >= border_ns):
                break
            records.append(record)
            size += record.length
        if not records:
            return None
        self._next += len(records)
        start = records[0].offset
        data = self._files.read(start, size)
        self.position = start + size
        feed = self.framer.feed
        first = max(0, self._since_ns - records[0].time_ns)
        if not self._timestamps and not first:
            return feed(0, data) if data else []
        frames: List[bytes] = []
        for record in records:
            if record.length:
                piece = data[record.offset - start : record.end - start]
                frames += feed(record.time_ns, piece, max(0, self._since_ns - record.time_ns))
        return frames


class _StatusChanges:
    """Looks whether a job has finished, again only after its status has changed."""

    def __init__(self, jobs: "JobsService", job_id: str) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._change: "Optional[asyncio.Task[None]]" = None

    async def is_finished(self) -> bool:
        if self._change is not None:
            if not self._change.done():
                return False
            self._change.result()
        self._change = asyncio.ensure_future(self._jobs.wait_change(self._job_id))
        await asyncio.sleep(0)  # it listens now: no change gets lost between here and the next line
        record = await self._jobs.find(self._job_id)
        return record is None or record.is_finished

    async def wait(self, news: "asyncio.Future[None]") -> None:
        """Waits for news of the log or for a change of status, at most `_LOOK_PERIOD` seconds."""
        assert self._change is not None
        await asyncio.wait(
            {news, self._change}, timeout=_LOOK_PERIOD, return_when=asyncio.FIRST_COMPLETED
        )

    def close(self) -> None:
        if self._change is not None:
            self._change.cancel()


async def follow_log(
    jobs: "JobsService",
    feed: LogFeed,
    job_id: str,
    query: LogQuery,
    *,
    is_gone: Callable[[], bool] = lambda: False,
    clock: Callable[[], int] = time.time_ns,
) -> AsyncGenerator[List[bytes], None]:
    """Yields the frames of a log, many at a time, and ends when the job has.

    Args:
        is_gone: whether nobody listens any more; looked at now and then while nothing comes.
        clock: the time now, in nanoseconds since the epoch.
    """
    files = feed.open()
    changes = _StatusChanges(jobs, job_id)
    try:
        reader = _LogReader(files, timestamps=query.timestamps)
        finished = await changes.is_finished()
        border = None if finished else _border(jobs, job_id, query, clock())
        if query.since_ns is not None:
            reader.seek(query.since_ns)
        if query.debug:
            yield [b"~~~ From archive\n"]
        archived = False
        for frames in iter(lambda: reader.read(border), None):
            if frames:
                archived = True
                yield frames
        if not finished:
            if not archived and border == query.since_ns:
                assert border is not None
                reader.seek(border - border % _SECOND)  # the live part knows whole seconds only
            async for frames in _follow(jobs, feed, job_id, reader, changes, is_gone):
                if archived:
                    archived = False
                    yield [query.separator.encode() + b"\n"]
                yield [b"".join(frames)] if query.debug else frames
        last = reader.framer.finish()
        if last:
            yield last
    finally:
        changes.close()
        files.close()


async def _follow(
    jobs: "JobsService",
    feed: LogFeed,
    job_id: str,
    reader: _LogReader,
    changes: _StatusChanges,
    is_gone: Callable[[], bool],
) -> AsyncGenerator[List[bytes], None]:
    """The live part: what comes from here on."""
    finished = False
    idle_since = time.monotonic()
    frames: Optional[List[bytes]] = reader.framer.go_live()
    while True:
        if frames:
            yield frames
        frames = reader.read()
        if frames is not None:
            continue
        if finished:
            return
        news = feed.news(reader.position)  # asked for before looking again: nothing is missed
        finished = await changes.is_finished()
        frames = reader.read()
        if frames is not None or finished:
            continue
        if jobs.running(job_id) is not None:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > _PENDING_LIMIT:
            return
        await changes.wait(news)
        if is_gone():
            return


def _border(jobs: "JobsService", job_id: str, query: LogQuery, now_ns: int) -> int:
    """Where the archive part ends, in nanoseconds."""
    running = jobs.running(job_id)
    if running is not None:
        oldest = now_ns - int(query.archive_delay * _SECOND)
        return max(oldest - oldest % _SECOND, running.started_ns, query.since_ns or 0)
    if jobs.is_pending(job_id):
        # Its first container may have said something before all else knows of it.
        return query.since_ns or 0
    return now_ns  # there is no container any more: all that was is in the archive
