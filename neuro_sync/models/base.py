"""What all data classes have in common: their JSON, in dataclasses-json's words."""

import collections.abc
import json
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from yarl import URL

from ..errors import ProtocolError
from ..wire.codec import decode, encode, keeps

__all__ = [
    "JsonModel",
    "absent",
    "boolean",
    "dict_of",
    "dump_all",
    "integer",
    "list_of",
    "nothing",
    "number",
    "sequences_as",
    "text",
    "texts",
    "to_url",
]

M = TypeVar("M", bound="JsonModel")
T = TypeVar("T")
# What is written in one way only, so that nothing of it has to be quoted, resolved or made lower case.
_PLAIN_URL = re.compile(r"([a-z]+)://([a-z0-9.-]+)((?:/[\w~-]+(?:\.[\w~-]+)*)*/?)", re.ASCII)
_URLS_KEPT = 256
_urls: Dict[str, URL] = {}


class JsonModel:
    """Turns into JSON and back: ``to_dict``, ``from_dict``, ``to_json``, ``from_json``, ``schema``.

    The JSON is the server's own form, so that ``from_dict`` takes an answer of any server since 2022.
    Unknown fields are ignored, null is as good as absent.
    """

    @classmethod
    def from_dict(cls: Type[M], kvs: Mapping[str, Any], *, infer_missing: bool = False) -> M:
        """Make an object of the server's JSON object.

        Args:
            kvs: the JSON object.
            infer_missing: for compatibility; what may be missing has a default anyway.

        Raises:
            ProtocolError: something that has to be there is missing or of the wrong kind.
        """
        # typing's own Mapping takes twenty times as long to ask.
        if kvs.__class__ is not dict and not isinstance(kvs, collections.abc.Mapping):
            raise ProtocolError(
                "{}: expected a JSON object, got {}".format(cls.__name__, type(kvs).__name__)
            )
        return decode(cls, kvs)

    def to_dict(self, encode_json: bool = False) -> Dict[str, Any]:
        """The JSON object; all values in it are JSON already, so ``encode_json`` changes nothing."""
        return encode(self)

    @classmethod
    def from_json(
        cls: Type[M],
        s: Union[str, bytes],
        *,
        parse_float: Optional[Callable[[str], Any]] = None,
        parse_int: Optional[Callable[[str], Any]] = None,
        parse_constant: Optional[Callable[[str], Any]] = None,
        infer_missing: bool = False,
        **kw: Any,
    ) -> M:
        """Make an object of JSON text.

        Raises:
            ValueError: it is not JSON.
            ProtocolError: it is not the JSON of this class.
        """
        payload = json.loads(
            s, parse_float=parse_float, parse_int=parse_int, parse_constant=parse_constant, **kw
        )
        return cls.from_dict(payload, infer_missing=infer_missing)

    def to_json(self, **kw: Any) -> str:
        """The JSON text; takes the arguments of ``json.dumps``."""
        return json.dumps(self.to_dict(), **kw)

    @classmethod
    def schema(cls, *, many: bool = False, **kw: Any) -> Any:
        """A marshmallow schema with ``load``, ``loads``, ``dump`` and ``dumps``."""
        from .schema import schema_of

        return schema_of(cls, many=many, **kw)


@keeps(str)
def text(value: Any) -> str:
    if value.__class__ is not str:
        raise TypeError("expected a text, got {!r}".format(value))
    return value


@keeps(int)
def integer(value: Any) -> int:
    if value.__class__ is not int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise TypeError("expected a whole number, got {!r}".format(value))
    return value


@keeps(float, converts=int)
def number(value: Any) -> float:
    if value.__class__ is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("expected a number, got {!r}".format(value))
        return float(value)
    return value


@keeps(bool)
def boolean(value: Any) -> bool:
    if value.__class__ is not bool:
        raise TypeError("expected true or false, got {!r}".format(value))
    return value


def to_url(value: Any) -> URL:
    """A URL; one that is plain costs half, one that was seen before a tenth."""
    if value.__class__ is URL:
        return value
    url = _urls.get(value)
    if url is None:
        url = _new_url(value)
        if len(_urls) >= _URLS_KEPT:
            _urls.clear()
        _urls[value] = url
    return url


def _new_url(value: Any) -> URL:
    plain = _PLAIN_URL.fullmatch(value) if value.__class__ is str else None
    if plain is None:
        return URL(value)
    scheme, authority, path = plain.groups()
    return URL.build(scheme=scheme, authority=authority, path=path, encoded=True)


def list_of(item: Callable[[Any], T]) -> Callable[[Any], List[T]]:
    """A decoder of JSON arrays."""

    def decode_list(values: Any) -> List[T]:
        if not isinstance(values, (list, tuple)):
            raise TypeError("expected an array, got {!r}".format(values))
        return [item(value) for value in values]

    decode_list.item = item  # type: ignore[attr-defined]
    return decode_list


def dict_of(item: Callable[[Any], T]) -> Callable[[Any], Dict[str, T]]:
    """A decoder of JSON objects whose keys are data."""

    def decode_dict(values: Any) -> Dict[str, T]:
        if values.__class__ is not dict and not isinstance(values, collections.abc.Mapping):
            raise TypeError("expected an object, got {!r}".format(values))
        return {key: item(value) for key, value in values.items()}

    return decode_dict


def texts(values: Any) -> Tuple[str, ...]:
    if not isinstance(values, (list, tuple)):
        raise TypeError("expected an array, got {!r}".format(values))
    return tuple([text(value) for value in values])


def sequences_as(kind: Type[Any], item: Any, *names: str) -> None:
    """Make sequences that a user gave, lists or tuples, what JSON becomes: else they are not equal to it."""
    for name in names:
        value = getattr(item, name)
        if value.__class__ is not kind and isinstance(value, (list, tuple)):
            item.__dict__[name] = kind(value)


def dump_all(values: Any) -> List[Dict[str, Any]]:
    return [value.to_dict() for value in values]


def absent(value: Any) -> bool:
    """Tells of a value that it is left out: there is none."""
    return value is None


def nothing(value: Any) -> bool:
    """Tells of a value that it is left out: there is none, or nothing in it."""
    return value is None or (not value and value.__class__ in (list, tuple, dict, str))
