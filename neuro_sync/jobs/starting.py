"""A start that happens once, for a platform that has no such thing of its own.

The job gets a tag that is derived from the caller's key. Whoever starts with that key looks for the
tag before, instead of sending again after an answer got lost, and behind: of two jobs that were made at
the very same moment the earliest stays.
"""

import hashlib
import logging
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional

from ..errors import ConnectionFailed, JobNotFound, OutcomeUnknown, ServerError

if TYPE_CHECKING:
    from ..models.jobs import JobDescription

__all__ = ["idempotency_tag", "start_once"]

_logger = logging.getLogger(__name__)


def idempotency_tag(key: str) -> str:
    """The tag of the jobs that are started with a key: any text fits, and none of it is shown."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return "idempotency-key:" + digest[:32]


def start_once(
    start: "Callable[[], JobDescription]",
    find: "Callable[[], Iterable[JobDescription]]",
    kill: Callable[[str], None],
    *,
    attempts: int,
    pause: Callable[[int], None],
) -> "JobDescription":
    """Start a job unless it is there, and return the one that stays.

    Args:
        start: sends the start, once.
        find: all jobs that have the tag.
        kill: ends a job.
        attempts: how often a start is sent at most, where the answers get lost.
        pause: waits before another attempt, whose number it is given.

    Raises:
        OutcomeUnknown: the last answer got lost too, and no job is to be found.
    """
    attempts = max(attempts, 1)
    for attempt in range(1, attempts + 1):
        earliest = _earliest(find())
        if earliest is not None:
            return earliest
        try:
            started = start()
        except (OutcomeUnknown, ServerError) as error:
            # Behind a 502 or 504 of a load balancer the start may have happened, too.
            lost = error
            _logger.info("the answer to a start got lost, looking for its job: %s", error)
        else:
            return _keep_earliest(started, find, kill)
        if attempt < attempts:
            pause(attempt)
    earliest = _earliest(find())
    if earliest is not None:
        return earliest
    raise lost


def _keep_earliest(
    started: "JobDescription",
    find: "Callable[[], Iterable[JobDescription]]",
    kill: Callable[[str], None],
) -> "JobDescription":
    try:
        found = list(find())
    except (ConnectionFailed, ServerError) as error:
        # The job is there; that a second one was made at the same moment is most unlikely.
        _logger.warning("could not look for a second job with the same key: %s", error)
        return started
    earliest = _earliest(found) or started
    for job in found:
        if job.id != earliest.id and not job.status.is_finished:
            _logger.info("job %s was started twice at one moment, killing %s", earliest.id, job.id)
            try:
                kill(job.id)
            except JobNotFound:
                pass  # somebody else was quicker
    return earliest


def _earliest(jobs: "Iterable[JobDescription]") -> "Optional[JobDescription]":
    ordered: List[JobDescription] = sorted(
        jobs, key=lambda job: (job.history.created_at is None, job.history.created_at, job.id)
    )
    return ordered[0] if ordered else None
