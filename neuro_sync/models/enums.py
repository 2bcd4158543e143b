"""Enumerations that newer servers may extend."""

from enum import Enum
from typing import Any, Dict, List, Type, TypeVar

__all__ = ["OpenTextEnum", "from_text"]

E = TypeVar("E", bound="OpenTextEnum")
_KEPT = 256
_UNKNOWN = "UNKNOWN"


class OpenTextEnum(str, Enum):
    """Its values are the texts on the wire.

    A text that is none of them becomes an unknown member: its ``name`` is ``UNKNOWN``, its ``value`` the text
    that came, and all unknown members are equal.
    """

    @classmethod
    def _missing_(cls: Type[E], value: Any) -> E:
        if not isinstance(value, str):
            raise ValueError("{!r} is no {}".format(value, cls.__name__))
        kept = _unknown.setdefault(cls, {})
        member = kept.get(value)
        if member is None:
            member = str.__new__(cls, value)
            member._name_ = _UNKNOWN
            member._value_ = value
            if len(kept) >= _KEPT:
                kept.clear()
            kept[value] = member
        return member

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if self._name_ == _UNKNOWN and isinstance(other, OpenTextEnum):
            return other._name_ == _UNKNOWN and type(other) is type(self)
        return str.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_UNKNOWN if self._name_ == _UNKNOWN else self._value_)

    def __str__(self) -> str:
        return str(self._value_)

    def __dir__(self) -> List[str]:
        # What a text can do is of no use here, and hides what a status can do.
        names = {name for kind in type(self).__mro__ for name in vars(kind)}
        return sorted((names - set(dir(str))) | {"name", "value"})

    def __format__(self, format_spec: str) -> str:
        return format(str(self._value_), format_spec)


_unknown: Dict[type, Dict[str, Any]] = {}


def from_text(cls: Type[E]) -> Any:
    """A decoder: a dict for the texts that are known, which is ten times as fast as a call of the class."""
    known = {member._value_: member for member in cls}

    def decode(value: Any) -> E:
        member = known.get(value)
        return cls(value) if member is None else member

    return decode
