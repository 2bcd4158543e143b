"""How much room a cluster has."""

from typing import Any, Dict

from ..errors import ProtocolError

__all__ = ["decode_capacity"]


def decode_capacity(payload: Any) -> Dict[str, int]:
    """Number of jobs by name of preset.

    Raises:
        ProtocolError: it is something else.
    """
    if not isinstance(payload, dict) or not all(type(count) is int for count in payload.values()):
        raise ProtocolError("the capacity is not an object of numbers")
    return payload
