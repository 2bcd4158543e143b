"""Arguments as JSON, and results as JSON, the same for every SDK: used on both sides of the comparison."""

import datetime
import enum
from decimal import Decimal
from pathlib import PurePath

__all__ = ["build", "describe", "error"]


def build(value, sdk, parse):
    """Make values of JSON: ``{"$": "Volume", ...}`` is a class of the SDK, ``{"$url": ...}`` a URL and so on."""
    if isinstance(value, list):
        return [build(item, sdk, parse) for item in value]
    if not isinstance(value, dict):
        return value
    if "$url" in value:
        from yarl import URL

        return URL(value["$url"])
    if "$time" in value:
        return datetime.datetime.fromisoformat(value["$time"])
    if "$image" in value:
        return parse.remote_image(value["$image"])
    if "$enum" in value:
        return getattr(getattr(sdk, value["$enum"]), value["member"])
    if "$" in value:
        arguments = {name: build(item, sdk, parse) for name, item in value.items() if name != "$"}
        return getattr(sdk, value["$"])(**arguments)
    return {name: build(item, sdk, parse) for name, item in value.items()}


def describe(value, fields):
    """What a result is, attribute by attribute, as JSON.

    Args:
        fields: names of the attributes to look at, by name of class.
    """
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (str, bool, type(None))):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (int, float)):
        return repr(float(value))
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): describe(item, fields) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        return [describe(item, fields) for item in value]
    names = fields.get(type(value).__name__)
    if names is None:
        return str(value)
    return {name: describe(getattr(value, name), fields) for name in names}


def error(exception):
    """What an exception is to an ``except`` clause of ported code."""
    names = [cls.__name__ for cls in type(exception).__mro__]
    return {"error": type(exception).__name__, "bases": names, "text": str(exception)}
