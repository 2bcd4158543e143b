"""A start that happens once, for a platform that has no such thing of its own.

The job gets a tag that is derived from the caller's key. Whoever starts with that key looks for the
tag before, instead of sending again after an answer got lost, and behind: of two jobs that were made at
the very same moment the earliest stays.
"""

import hashlib
import logging
import math
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional

from ..errors import (
    ConnectionFailed,
    IllegalArgumentError,
    JobNotFound,
    NDJSONError,
    NeuroError,
    OutcomeUnknown,
    ServerError,
)

if TYPE_CHECKING:
    from ..models.jobs import JobDescription
    from ..transport.retry import Retrier

__all__ = ["idempotency_tag", "start_once"]

_logger = logging.getLogger(__name__)


def idempotency_tag(key: str) -> str:
    """The tag of the jobs that are started with a key: any text fits, and none of it is shown."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return "idempotency-key:" + digest[:32]


def start_once(
    start: "Callable[[float], JobDescription]",
    find: "Callable[[], Iterable[JobDescription]]",
    kill: Callable[[str], None],
    retrier: "Retrier",
) -> "JobDescription":
    """Start a job unless it is there, and return the one that stays.

    Args:
        start: sends the start, which may take so many seconds.
        find: all jobs that have the tag.
        kill: ends a job.
        retrier: says how often and how patiently a start is sent at most, where the answers get lost.

    Raises:
        OutcomeUnknown: the last answer got lost too, and no job is to be found; or none can be looked for.
    """
    policy = retrier.policy
    lost: Optional[NeuroError] = None
    sent, until = 0, math.inf
    while True:
        found = _look(find, lost, retrier)
        if found:
            return _keep_earliest(found, kill)
        if lost is not None and (sent >= policy.attempts or not retrier.left(until)):
            raise lost
        until = min(until, retrier.clock() + policy.deadline)
        try:
            started = start(retrier.left(until))
        except (OutcomeUnknown, ServerError) as error:
            # Behind a 502 or 504 of a load balancer the start may have happened, too.
            lost = error
            _logger.info("the answer to a start got lost, looking for its job: %s", error)
            sent += error.attempts or 1
            if sent < policy.attempts and retrier.left(until):
                retrier.sleep(policy.pause(sent, retrier.rng))
            continue
        except IllegalArgumentError:
            # Whoever started with the same key at the same moment has the name by now, or the quota.
            found = _look_again(find, retrier)
            if not found:
                raise
            return _keep_earliest(found, kill)
        # Where that fails a second one is most unlikely. And a listing may lag behind and lack the job.
        by_id = {job.id: job for job in [started, *_look_again(find, retrier)]}
        return _keep_earliest(list(by_id.values()), kill)


def _all(
    find: "Callable[[], Iterable[JobDescription]]", retrier: "Retrier"
) -> "List[JobDescription]":
    """What is found; a listing that breaks off in the middle is asked for again, as the transport does not."""
    policy = retrier.policy
    number = 1
    while True:
        try:
            return list(find())
        except (ConnectionFailed, NDJSONError) as error:
            if error.status != 200 or number >= policy.attempts:
                raise
        retrier.sleep(policy.pause(number, retrier.rng))
        number += 1


def _look(
    find: "Callable[[], Iterable[JobDescription]]", lost: Optional[NeuroError], retrier: "Retrier"
) -> "List[JobDescription]":
    try:
        return _all(find, retrier)
    except NeuroError as error:
        if lost is None:
            raise
        raise OutcomeUnknown(
            "{}, and whether the job was started can't be seen: {}".format(
                lost.args[0], error.args[0]
            ),
            status=lost.status,
            method=lost.method,
            url=lost.url,
            attempts=lost.attempts,
        ) from error


def _look_again(
    find: "Callable[[], Iterable[JobDescription]]", retrier: "Retrier"
) -> "List[JobDescription]":
    try:
        return _all(find, retrier)
    except NeuroError as error:
        _logger.warning("could not look for another job with the same key: %s", error)
        return []


def _keep_earliest(found: "List[JobDescription]", kill: Callable[[str], None]) -> "JobDescription":
    earliest = min(
        found, key=lambda job: (job.history.created_at is None, job.history.created_at, job.id)
    )
    for job in found:
        if job.id != earliest.id and not job.status.is_finished:
            _logger.info("job %s was started twice at one moment, killing %s", earliest.id, job.id)
            try:
                kill(job.id)
            except JobNotFound:
                pass  # somebody else was quicker
            except NeuroError as error:
                _logger.warning("job %s goes on beside %s: %s", job.id, earliest.id, error)
    return earliest
