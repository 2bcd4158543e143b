"""Follows a log over as many connections as it takes, and decides when it has ended."""

import threading
from collections import deque
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Iterator, List, Optional

from ..errors import ConnectionFailed, JobNotFound, LogGap, ResourceNotFound, StreamClosed
from ..transport.ws_connection import WsClosed
from ..wire.logresume import Gap, LogAssembler, Piece
from .errand import Errand
from .reader import Reader, close_text
from .retrying import PASSING, Retrying

if TYPE_CHECKING:
    from ..transport.ws_connection import WsConnection

__all__ = ["LogFollower"]

_ORDERLY = (1000, 1005)
# A connection that lasted so long was a good one, even if nothing came over it.
_GOOD_AFTER = 10.0
# After so many seconds without a word it is asked whether the job goes on at all.
_SILENCE = 30.0
# A server may look for the last lines in its archive for three minutes after the end of a job.
_SILENCES_AFTER_END = 8


class LogFollower:
    """Makes connections one after the other until the job has ended and its log has arrived.

    Used by one thread at a time; :meth:`close` by any.

    Args:
        dial: called as ``dial(since, separator)``, in another thread.
        poll_job: tells the job as it is now; called in another thread.
        assembler: what becomes of the frames.
        since: the moment asked for, as long as there is no position.
        separator: what the server is asked to put between the archive and the live part.
        reconnect: False: one connection only.
        retrying: when to connect again.
    """

    def __init__(
        self,
        dial: "Callable[[Optional[datetime], str], WsConnection]",
        poll_job: Callable[[], Any],
        assembler: LogAssembler,
        *,
        since: Optional[datetime],
        separator: str,
        reconnect: bool,
        retrying: Retrying,
    ) -> None:
        self._dial = dial
        self._poll_job = poll_job
        self._assembler = assembler
        self._since = since
        self._separator = separator
        self._reconnect = reconnect
        self._retrying = retrying
        self._clock = retrying.clock
        self._reader: Optional[Reader] = None
        self._closed = threading.Event()
        self._started_at = 0.0
        self._ever_opened = False
        self._ended_in_order = False
        self._gap_tries = 0
        self._finished: Any = None
        self._finished_at = 0.0
        self._finished_before_dial = False
        # The connection that followed the job to its end broke, so its last lines may be in no archive yet.
        self._cut_off = False
        self._heard_at = 0.0
        self._silences = 0
        self._errand: Optional[Errand] = None
        # What errors of the last connection tell.
        self._facts: Dict[str, Any] = {}
        self._torn = False
        #: What has come and is not delivered yet.
        self.pieces: Deque[Piece] = deque()
        #: Held while that or the assembler changes, so that any thread can ask for the position.
        self.lock = threading.RLock()
        #: The log has ended, or can't be followed any further.
        self.over = False

    @property
    def job(self) -> Any:
        """The job that has ended, once its log has."""
        return self._finished if self.over else None

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, be it in the making."""
        return self._reader is not None

    def check_process(self) -> None:
        if self._reader is not None:
            self._reader.check_process()

    def check_whole(self) -> None:
        """Raise StreamClosed where Ctrl-C left a step half done: that is not the end of the log."""
        if self._torn:
            self.close()
            raise StreamClosed(
                "the reading of this log was interrupted in the middle of a step: follow it anew, "
                "after a cursor that was taken before"
            )

    def close(self) -> None:
        """End it, from any thread, at any time."""
        self._closed.set()
        reader, errand = self._reader, self._errand
        if errand is not None:
            errand.call_off()
        if reader is not None:
            reader.close()

    def open(self) -> None:
        """Make the first connection, or raise what prevents it."""
        if not self.over and not self.closed:
            reader = self._connected(None)
            if not reader.opened() and not reader.closed:
                self._connection_ended(reader)

    def advance(self, deadline: Optional[float]) -> None:
        """Wait for what comes next: pieces of the log, or nothing but some progress.

        Args:
            deadline: of the clock; None: no limit.
        """
        reader = self._connected(deadline)
        left = self._left(deadline)
        silence = max(0.0, self._heard_at + _SILENCE - self._clock())
        try:
            frames = reader.get(silence if left is None else min(left, silence))
        except TimeoutError:
            if left is not None and left < silence:
                raise
            self._heard_at = self._clock()
            self._after_silence(reader)
            return
        with self.step():
            if frames is not None:
                self._take(reader, frames)
            elif not reader.closed:
                self._connection_ended(reader)

    @contextmanager
    def step(self) -> Iterator[None]:
        """What Ctrl-C leaves half done can't be gone on from, nor be done again."""
        self._torn = True
        try:
            yield
        except Exception:
            self._torn = False
            raise
        self._torn = False

    def _take(self, reader: Reader, frames: List[bytes]) -> None:
        self._silences = 0
        self._heard_at = self._clock()
        with self.lock:
            self.pieces.extend(self._assembler.feed(frames))
            lost = self._assembler.lost
            if lost:
                # What is missing may only be late: not told before other tries confirm it.
                self.pieces.pop()
        reader.done()
        if lost:
            self._gap_tries += 1
            self._retrying.fruitless(failed=False)
            self._drop(reader)

    def _left(self, deadline: Optional[float]) -> Optional[float]:
        return None if deadline is None else deadline - self._clock()

    def _connected(self, deadline: Optional[float]) -> Reader:
        """The reader of the connection, which may still be in the making."""
        if self._reader is not None:
            return self._reader
        while self._retrying.wait and not self.closed:
            left = self._left(deadline)
            if left is not None and left <= 0:
                raise TimeoutError("nothing came in time")
            wait = self._retrying.wait
            self._closed.wait(wait if left is None else min(wait, left))
        with self.lock:
            since = self._assembler.connect(self._separator, tolerant=self._tolerant) or self._since
        # Neither callable may know this object: the thread would keep it alive.
        reader = self._reader = Reader(
            partial(self._dial, since, self._separator),
            partial(_poll_after, self._poll_job, self._finished),
        )
        self._started_at = self._heard_at = self._clock()
        self._silences = 0
        if self.closed:  # close() in another thread came in between
            reader.close()
        return reader

    @property
    def _tolerant(self) -> bool:
        return not self._reconnect or self._gap_tries >= self._retrying.policy.gap_tries

    def _drop(self, reader: Reader) -> None:
        self._ever_opened = self._ever_opened or reader.was_opened
        reader.close()
        self._reader = None

    def _after_silence(self, reader: Reader) -> None:
        """Some servers never end a log: nothing comes, and the job has ended long ago."""
        self._silences += 1
        if self._finished is not None:
            if self._silences >= _SILENCES_AFTER_END:
                self._drop(reader)
                self._go_on(WsClosed(1000, "silent after the end of the job"), opened=True)
        elif self._errand is None:
            self._errand = Errand(self._poll_job)
            if self.closed:  # close() in another thread came in between
                self._errand.call_off()
        elif self._errand.done:
            job, self._errand = self._errand.result, None
            if job is not None and job.status.is_finished:
                self._set_finished(job)
                self._silences = 0

    def _connection_ended(self, reader: Reader) -> None:
        self._reader = None
        error, opened, job = reader.error, reader.was_opened, reader.afterwards
        if reader.connection is not None:
            self._facts = reader.connection.facts
        if not opened and not self._ever_opened:
            raise error
        self._ever_opened = True
        if isinstance(job, BaseException):
            if not _passing(job):
                raise job
        elif job is not None and job.status.is_finished:
            self._set_finished(job)
        self._go_on(error, opened)

    def _set_finished(self, job: Any) -> None:
        if self._finished is None:
            self._finished_at = self._clock()
        self._finished = job

    def _go_on(self, error: BaseException, opened: bool) -> None:
        """Decide what follows a connection: the end, another one, or an error."""
        in_order = isinstance(error, WsClosed) and error.code in _ORDERLY
        if not in_order:
            self._cut_off = self._cut_off or opened or self._finished is None
        elif self._lasted >= self._retrying.policy.archive_lag:
            self._cut_off = False
        if self._has_ended(error, in_order):
            self._end(in_order)
            return
        self._finished_before_dial = self._finished is not None
        self._ended_in_order = in_order
        if not self._reconnect:
            self.over = True
            raise self._lost(error)
        if not _passing(error):
            raise error
        if not self._assembler.resumable:
            self.over = True
            reason = "a log without time stamps can't be taken up again"
            raise LogGap("the connection broke: " + reason, reason=reason) from error
        self._plan_next(error, opened, in_order)

    def _end(self, in_order: bool) -> None:
        self.over = True
        with self.lock:
            self.pieces.extend(self._assembler.finish())
            if self._assembler.unproven and self._reconnect and in_order:
                after = self._assembler.position().text or None
                reason = "the last line did not come again at the end"
                self.pieces.append(Gap(after, None, reason))

    def _has_ended(self, error: BaseException, in_order: bool) -> bool:
        if not in_order:
            # Nothing was wrong with the connection before, and now there is no log any more.
            gone = isinstance(error, ResourceNotFound)
            return gone and self._finished is not None and self._ended_in_order
        if not self._reconnect:
            return True
        if self._finished is None:
            return False
        if not self._assembler.resumable:
            return True
        # A server that fails in the middle closes as it does at the end. So it is the end when a
        # connection that was made after the end of the job had nothing new.
        if not self._finished_before_dial or self._assembler.fresh:
            return False
        if self._assembler.caught_up or self._tolerant:
            return not self._cut_off or self._started_at >= self._archived_at
        self._gap_tries += 1
        return False

    @property
    def _lasted(self) -> float:
        """How long the connection has lasted, in seconds."""
        return self._clock() - self._started_at

    @property
    def _archived_at(self) -> float:
        """When the whole log of the job that has ended is in the archive."""
        return self._finished_at + self._retrying.policy.archive_lag

    def _lost(self, error: BaseException) -> BaseException:
        """The error to raise where the log breaks off."""
        if not isinstance(error, WsClosed):
            return error
        text = "the server broke the log off" + close_text(error)
        failure = ConnectionFailed(text, **self._facts)
        failure.__cause__ = error
        return failure

    def _plan_next(self, error: BaseException, opened: bool, in_order: bool) -> None:
        if self._assembler.fresh:
            self._gap_tries = 0
            self._retrying.fruitful()
            return
        if self._finished is not None and in_order and self._gap_tries == 0:
            # Only to make sure that the log is complete.
            if self._cut_off:
                left = self._archived_at - self._clock()
                self._retrying.fruitless(failed=False, retry_after=left)
            return
        good = opened and self._lasted >= _GOOD_AFTER
        retry_after = getattr(error, "retry_after", None)
        if not self._retrying.fruitless(failed=not in_order and not good, retry_after=retry_after):
            raise self._lost(error)


def _poll_after(
    poll_job: Callable[[], Any], finished: Any, error: BaseException, opened: bool
) -> Any:
    """Ask for the job where that says something: not where the network is down."""
    if finished is not None:
        return finished
    return poll_job() if opened or isinstance(error, ResourceNotFound) else None


def _passing(error: BaseException) -> bool:
    """Whether an error is one that may be over at the next try."""
    if isinstance(error, JobNotFound):
        return False
    return isinstance(error, (*PASSING, WsClosed, ResourceNotFound, TimeoutError))
