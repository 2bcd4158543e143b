"""Which of the jobs that wait start first."""

from enum import Enum
from typing import Any

__all__ = ["JobPriority", "encode_priority"]


class JobPriority(int, Enum):
    """Which of the jobs that wait start first.

    A priority that this version does not know has the name ``UNKNOWN``, the value 0, and the text that came
    as its ``text``.

    Attributes:
        text: the priority on the wire.
    """

    LOW = 1
    NORMAL = 2
    HIGH = 3

    @property
    def text(self) -> str:
        shown: str = self.__dict__.get("_text") or self.name.lower()
        return shown

    @classmethod
    def from_text(cls, value: str) -> "JobPriority":
        """The priority of a text on the wire."""
        known = _PRIORITIES.get(value)
        if known is not None:
            return known
        if not isinstance(value, str):
            raise TypeError("expected a text, got {!r}".format(value))
        member = int.__new__(cls, 0)
        member._name_ = "UNKNOWN"
        member._value_ = 0
        member.__dict__["_text"] = value
        return member

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JobPriority):
            return self.text == other.text
        return int.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._value_)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return JobPriority.from_text, (self.text,)


_PRIORITIES = {member.name.lower(): member for member in JobPriority}


def encode_priority(priority: JobPriority) -> str:
    """The text of a priority on the wire."""
    return priority.text
