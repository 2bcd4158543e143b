"""Waiting for jobs without writing a polling loop."""

import logging
import time
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Optional,
    Set,
    Tuple,
    TypeVar,
    Union,
)

from ..errors import JobFinished, JobWaitTimeout, NDJSONError
from ..models.jobs import JobDescription, JobStatus
from ..progress import wait_bar
from ..streams.retrying import PASSING, ReconnectPolicy
from ..transport.deadline import Deadline
from .calls import Calls, several
from .outcome import outcome

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["FINISHED", "Waiting", "Watch"]

T = TypeVar("T")
_logger = logging.getLogger(__name__)

# Seconds between two looks: short at first, since many jobs are, and never so short in the long run
# that a waiting client is a load on the platform.
_FIRST_PAUSE = 0.1
_PAUSE_GROWTH = 1.4
_LONGEST_PAUSE = 5.0
# Up to so many jobs a status call for each costs less than a listing.
_FEW = 3
# Seconds that a look gets where less time is left: the first has to tell whether there is such a job at all.
_FIRST_LOOK = 5.0
_LATER_LOOK = 0.5
_PATIENCE = ReconnectPolicy().patience
FINISHED = frozenset(JobStatus.finished_items())


class Watch:
    """When to look again, how long the platform may be away, and when to give up.

    Attributes:
        timeout: seconds for all of it; None: no limit.
    """

    def __init__(self, timeout: Optional[float]) -> None:
        self.timeout = timeout
        self._pause = _FIRST_PAUSE
        self._deadline = Deadline(timeout)
        self._reached_at: Optional[float] = None

    @property
    def left(self) -> Optional[float]:
        """Seconds until the time is over; None: there is no limit."""
        return self._deadline.left

    @property
    def seconds(self) -> Optional[float]:
        """How long a call may take; None: as long as any other."""
        least = _FIRST_LOOK if self._reached_at is None else _LATER_LOOK
        return None if self.left is None else max(self.left, least)

    def call(self, call: Callable[..., T], *args: Any) -> T:
        """What the call returns."""
        found = call(*args)
        self._reached_at = time.monotonic()
        return found

    def look(self, otherwise: T, call: Callable[..., T], *args: Any) -> T:
        """What the call returns; or ``otherwise`` while the platform is away, once it was there."""
        try:
            return self.call(call, *args)
        except (*PASSING, NDJSONError) as error:
            if self._reached_at is None or time.monotonic() - self._reached_at >= _PATIENCE:
                raise
            _logger.warning("can't see how the jobs stand, and go on trying: %s", error)
            return otherwise

    def rest(self) -> bool:
        """Wait until the next look is due; False: no time is left."""
        left = self.left
        if left == 0.0:
            return False
        time.sleep(self._pause if left is None else min(self._pause, left))
        self._pause = min(self._pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
        return True

    def quicken(self) -> None:
        """Something has just happened: look soon again."""
        self._pause = _FIRST_PAUSE


class Waiting(Calls):
    """The methods of JobsClient that wait for jobs."""

    def wait(
        self,
        id: str,
        *,
        statuses: Iterable[JobStatus] = FINISHED,
        timeout: Optional[float] = None,
    ) -> JobDescription:
        """Wait until a job has one of some statuses.

        Once the job was seen, the platform may be away for up to five minutes.

        Args:
            id: job id, or the name of the newest job of yours that has it.
            statuses: the awaited ones; by default those of a job that has ended.
            timeout: seconds to wait at most; None waits as long as it takes.

        Returns:
            The job, with one of the awaited statuses.

        Raises:
            JobWaitTimeout: it did not get there in time; ``.job`` is how it stood.
            JobFinished: it has ended, with none of them; ``.job`` tells how. It may have had one before,
                as a short job that was running between two looks.
            JobNotFound: there is no such job.
            ConnectionFailed: the platform can't be reached, or was away for too long.

        Endpoint: ``GET {api}/jobs/{id}``, again and again: at first after 0.1 s, at last every 5 s.
        """
        awaited = frozenset(JobStatus(status) for status in several(statuses, "statuses"))
        watch = Watch(timeout)
        return self._wait(watch, watch.call(self._status, id, watch.seconds), awaited, id)

    def _wait(
        self, watch: Watch, job: JobDescription, awaited: FrozenSet[JobStatus], id: str
    ) -> JobDescription:
        """Wait for a job that was seen, and is called by an id or a name."""
        bar = wait_bar()
        try:
            while job.status not in awaited:
                if job.status.is_finished:
                    raise JobFinished(
                        "job {!r} has ended and will not become {} any more ({})".format(
                            id, _either(awaited), outcome(job)
                        ),
                        job=job,
                    )
                bar.show("{} is {}".format(job.name or job.id, job.status.value))
                if not watch.rest():
                    raise JobWaitTimeout(
                        "job {!r} did not {} within {:g} s ({})".format(
                            id, _reach(awaited), round(watch.timeout or 0.0, 1), outcome(job)
                        ),
                        job=job,
                    )
                # By its id: a name may be that of another job by now.
                job = watch.look(job, self._status, job.id, watch.seconds)
        finally:
            bar.hide()
        return job

    def as_completed(
        self, jobs_or_ids: Iterable[Union[str, JobDescription]], *, timeout: Optional[float] = None
    ) -> Iterator[JobDescription]:
        """Yield each of some jobs as it ends.

        All of them are watched with one listing at a time, however many they are. Once they were
        seen, the platform may be away for up to five minutes.

        Args:
            jobs_or_ids: jobs, or their ids. One that is given twice comes once.
            timeout: seconds for all of it; None waits as long as it takes.

        Raises:
            JobWaitTimeout: some did not end in time; ``.job`` is one of them.
            JobNotFound: there is no such job.
            ConnectionFailed: the platform can't be reached, or was away for too long.

        Endpoint: ``GET {api}/jobs`` for the active ones, and ``GET {api}/jobs/{id}`` for each that
        is no longer among them.
        """
        watch = Watch(timeout)
        waiting: Dict[str, JobDescription] = {}
        for given in several(jobs_or_ids, "jobs_or_ids"):
            # A description in hand may be old, but an ended job stays as it is.
            job = given if isinstance(given, JobDescription) else self._status(given, watch.seconds)
            waiting.setdefault(job.id, job)
        return self._as_completed(waiting, watch)

    def _as_completed(
        self, waiting: Dict[str, JobDescription], watch: Watch
    ) -> Iterator[JobDescription]:
        ended = [job for job in waiting.values() if job.status.is_finished]
        total, bar = len(waiting), wait_bar()
        try:
            while True:
                if ended:
                    bar.hide()  # the terminal is the caller's
                for job in ended:
                    del waiting[job.id]
                    yield job
                if not waiting:
                    return
                if ended:
                    watch.quicken()
                ended = watch.look([], self._newly_ended, waiting, watch)
                bar.show("waiting for jobs", total - len(waiting), total)
                if not ended and not watch.rest():
                    job = next(iter(waiting.values()))
                    raise JobWaitTimeout(
                        "{} of the jobs did not end within {} s, {!r} among them".format(
                            len(waiting), watch.timeout, job.id
                        ),
                        job=job,
                    )
        finally:
            bar.hide()

    def _newly_ended(
        self, waiting: Dict[str, JobDescription], watch: Watch
    ) -> List[JobDescription]:
        suspects = self._no_longer_active(waiting, watch)
        looked_at = [self._status(id, watch.seconds) for id in suspects]
        return [job for job in looked_at if job.status.is_finished]

    def _no_longer_active(self, waiting: Dict[str, JobDescription], watch: Watch) -> List[str]:
        """Ids of the jobs that are worth a look: all of a few, else those no listing has."""
        if len(waiting) <= _FEW:
            return list(waiting)
        clusters: Dict[str, List[JobDescription]] = {}
        for job in waiting.values():
            clusters.setdefault(job.cluster_name, []).append(job)
        active: Set[str] = set()
        for cluster_name, jobs in clusters.items():
            first, last = _span(jobs)
            with self._list(
                statuses=JobStatus.active_items(),
                owners=sorted({job.owner for job in jobs if job.owner}),
                org_names=sorted({job.org_name for job in jobs if job.org_name}),
                since=first,
                until=last,
                cluster_name=cluster_name,
                seconds=watch.seconds,
            ) as listing:
                active.update(job.id for job in listing)
        return [id for id in waiting if id not in active]


def _span(jobs: List[JobDescription]) -> "Tuple[Optional[datetime], Optional[datetime]]":
    created = [job.history.created_at for job in jobs if job.history.created_at is not None]
    if len(created) < len(jobs):
        return None, None
    return min(created), max(created)


def _reach(statuses: "FrozenSet[JobStatus]") -> str:
    return "end" if statuses == FINISHED else "become " + _either(statuses)


def _either(statuses: Iterable[JobStatus]) -> str:
    return " or ".join(sorted(status.value for status in statuses))
