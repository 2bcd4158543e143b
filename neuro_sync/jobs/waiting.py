"""Waiting for jobs without writing a polling loop."""

import time
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Set, Tuple, Union

from ..errors import JobFinished, JobWaitTimeout
from ..models.jobs import JobDescription, JobStatus
from .calls import Calls
from .outcome import outcome

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Waiting"]

# Seconds between two looks: short at first, since many jobs are, and never so short in the long run
# that a waiting client is a load on the platform.
_FIRST_PAUSE = 0.1
_PAUSE_GROWTH = 1.4
_LONGEST_PAUSE = 5.0
# Up to so many jobs a status call for each costs less than a listing.
_FEW = 3


_FINISHED = frozenset(JobStatus.finished_items())


class _Pace:
    """When to look again, and when to give up."""

    def __init__(self, timeout: Optional[float]) -> None:
        self._pause = _FIRST_PAUSE
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def rest(self) -> bool:
        """Wait until the next look is due; False: no time is left."""
        pause = self._pause
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return False
            pause = min(pause, left)
        time.sleep(pause)
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
        statuses: Iterable[JobStatus] = _FINISHED,
        timeout: Optional[float] = None,
    ) -> JobDescription:
        """Wait until a job has one of some statuses.

        Args:
            id: job id.
            statuses: the awaited ones; by default those of a job that has ended.
            timeout: seconds to wait at most; None waits as long as it takes.

        Returns:
            The job, with one of the awaited statuses.

        Raises:
            JobWaitTimeout: it did not get there in time; ``.job`` is how it stood.
            JobFinished: it ended, and so will never get there; ``.job`` tells how.
            JobNotFound: there is no such job.

        Endpoint: ``GET {api}/jobs/{id}``, again and again: at first after 0.1 s, at last every 5 s.
        """
        awaited = frozenset(statuses)
        pace = _Pace(timeout)
        while True:
            job = self.status(id)
            if job.status in awaited:
                return job
            if job.status.is_finished:
                raise JobFinished(
                    "job {!r} ended without becoming {} ({})".format(
                        id, _either(awaited), outcome(job)
                    ),
                    job=job,
                )
            if not pace.rest():
                raise JobWaitTimeout(
                    "job {!r} did not become {} within {} s ({})".format(
                        id, _either(awaited), timeout, outcome(job)
                    ),
                    job=job,
                )

    def as_completed(
        self, jobs: Iterable[Union[str, JobDescription]], *, timeout: Optional[float] = None
    ) -> Iterator[JobDescription]:
        """Yield each of some jobs as it ends.

        All of them are watched with one listing at a time, however many they are.

        Args:
            jobs: jobs, or their ids. One that is given twice comes once.
            timeout: seconds for all of it; None waits as long as it takes.

        Raises:
            JobWaitTimeout: some did not end in time; ``.job`` is one of them.
            JobNotFound: there is no such job.

        Endpoint: ``GET {api}/jobs`` for the active ones, and ``GET {api}/jobs/{id}`` for each that
        is no longer among them.
        """
        pace = _Pace(timeout)
        waiting: Dict[str, JobDescription] = {}
        for given in list(jobs):
            # A description in hand may be old, but an ended job stays as it is.
            job = given if isinstance(given, JobDescription) else self.status(given)
            waiting.setdefault(job.id, job)
        return self._as_completed(waiting, pace, timeout)

    def _as_completed(
        self, waiting: Dict[str, JobDescription], pace: _Pace, timeout: Optional[float]
    ) -> Iterator[JobDescription]:
        ended = [job for job in waiting.values() if job.status.is_finished]
        while True:
            for job in ended:
                del waiting[job.id]
                yield job
            if not waiting:
                return
            if ended:
                pace.quicken()
            candidates = self._no_longer_active(waiting)
            looked_at = [self.status(id) for id in candidates]
            ended = [job for job in looked_at if job.status.is_finished]
            if not ended and not pace.rest():
                job = next(iter(waiting.values()))
                raise JobWaitTimeout(
                    "{} of the jobs did not end within {} s, {!r} among them".format(
                        len(waiting), timeout, job.id
                    ),
                    job=job,
                )

    def _no_longer_active(self, waiting: Dict[str, JobDescription]) -> List[str]:
        """Ids of the jobs that are worth a look: all of a few, else those no listing has."""
        if len(waiting) <= _FEW:
            return list(waiting)
        clusters: Dict[str, List[JobDescription]] = {}
        for job in waiting.values():
            clusters.setdefault(job.cluster_name, []).append(job)
        active: Set[str] = set()
        for cluster_name, jobs in clusters.items():
            first, last = _span(jobs)
            with self.list(
                statuses=JobStatus.active_items(),
                owners=sorted({job.owner for job in jobs if job.owner}),
                org_names=sorted({job.org_name for job in jobs if job.org_name}),
                since=first,
                until=last,
                cluster_name=cluster_name,
            ) as listing:
                active.update(job.id for job in listing)
        return [id for id in waiting if id not in active]


def _span(jobs: List[JobDescription]) -> "Tuple[Optional[datetime], Optional[datetime]]":
    created = [job.history.created_at for job in jobs if job.history.created_at is not None]
    if len(created) < len(jobs):
        return None, None
    return min(created), max(created)


def _either(statuses: Iterable[JobStatus]) -> str:
    return " or ".join(sorted(status.value for status in statuses))
