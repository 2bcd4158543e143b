"""Says in words how a job stands."""

from typing import TYPE_CHECKING, List

if TYPE_CHECKING:
    from ..models.jobs import JobDescription

__all__ = ["outcome"]

_VERBS = {
    "cancelled": "it was cancelled",
    "failed": "it failed",
    "pending": "it is pending",
    "running": "it is running",
    "succeeded": "it succeeded",
    "suspended": "it is suspended",
}


def outcome(job: "JobDescription") -> str:
    """How a job stands and why, as in ``it failed: OOMKilled, exit code 137``."""
    history = job.history
    facts: List[str] = [text for text in (history.reason, history.description) if text]
    if history.exit_code is not None:
        facts.append("exit code {}".format(history.exit_code))
    verb = _VERBS.get(job.status.value, "its status is {}".format(job.status.value))
    return "{}: {}".format(verb, ", ".join(facts)) if facts else verb
