"""JSON to dataclass and back, generated once per class from the metadata of its fields.

The metadata is dataclasses-json's own, as its ``config()`` makes it, so that there is one description of the
wire format and that library reads it too. What is generated here does the same in a fiftieth of the time: it
fills the dict of the new object and calls nothing that it need not call.
"""

import collections.abc
import dataclasses
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

from ..errors import ProtocolError

__all__ = ["decode", "encode", "keeps", "wire_field"]

T = TypeVar("T")
D = TypeVar("D", bound=Callable[[Any], Any])
_KEY = "dataclasses_json"
_MISSING = "missing"  # no word of that library, which passes over it
_Decoder = Callable[[Mapping[str, Any]], Any]
_decoders: Dict[type, _Decoder] = {}
_encoders: Dict[type, List[Tuple[str, str, Any, Any]]] = {}
_WRONG = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def wire_field(
    name: Optional[str] = None,
    *,
    decode: Optional[Callable[[Any], Any]] = None,
    encode: Optional[Callable[[Any], Any]] = None,
    omit: Optional[Callable[[Any], bool]] = None,
    missing: Any = None,
    **field: Any,
) -> Any:
    """A dataclass field with what dataclasses-json calls its config.

    Args:
        name: the key on the wire; None: the name of the field.
        decode, encode: between the value on the wire and that of the field.
        omit: tells of a value that it is left out on the wire.
        missing: what a value stands for that is not on the wire, where that is not the default of the field.
        **field: arguments of ``dataclasses.field``.
    """
    metadata: Dict[str, Any] = {}
    if name is not None:
        metadata["letter_case"] = lambda _: name
    if decode is not None:
        metadata["decoder"] = decode
    if encode is not None:
        metadata["encoder"] = encode
    if omit is not None:
        metadata["exclude"] = omit
    if missing is not None:
        metadata[_MISSING] = missing
    return dataclasses.field(metadata={_KEY: metadata}, **field)


def keeps(kind: type, *, converts: Optional[type] = None) -> Callable[[D], D]:
    """Says of a decoder that it gives back values of that class as they are: then it need not be called.

    Args:
        kind: the class.
        converts: values of this one become the other as Python has it, which spares the call, too.
    """

    def mark(decoder: D) -> D:
        decoder.keeps = kind  # type: ignore[attr-defined]
        decoder.converts = converts  # type: ignore[attr-defined]
        return decoder

    return mark


def decode(cls: Type[T], payload: Mapping[str, Any]) -> T:
    """Make an object of a JSON object. Unknown keys are ignored, null is as good as absent.

    A class whose JSON had other forms has a class method ``_canonical``, which gives it that of today.

    Raises:
        ProtocolError: a key is missing, or a value is of the wrong kind; the message names it.
    """
    try:
        result: T = (_decoders.get(cls) or _generate(cls))(payload)
    except ProtocolError:
        raise
    except _WRONG as error:
        raise _explain(cls, payload, error) from error
    return result


def encode(value: Any) -> Dict[str, Any]:
    """The JSON object of an object."""
    cls = type(value)
    steps = _encoders.get(cls)
    if steps is None:
        steps = _encoders[cls] = [
            (field.name, _wire_name(field), config.get("encoder"), config.get("exclude"))
            for field, config in _described(cls)
        ]
    result = {}
    for name, wire_name, encoder, omit in steps:
        item = getattr(value, name)
        if omit is not None and omit(item):
            continue
        result[wire_name] = encoder(item) if encoder is not None and item is not None else item
    return result


def _described(cls: type) -> List[Tuple[Any, Mapping[str, Any]]]:
    return [(field, field.metadata.get(_KEY, {})) for field in dataclasses.fields(cls)]


def _wire_name(field: Any) -> str:
    letter_case = field.metadata.get(_KEY, {}).get("letter_case")
    name: str = field.name if letter_case is None else letter_case(field.name)
    return name


def _generate(cls: type) -> _Decoder:
    """Write the source of a decoder for a class, and compile it."""
    space: Dict[str, Any] = {"cls": cls, "new": cls.__new__, "ProtocolError": ProtocolError}
    lines = ["def decoder(payload):"]
    if hasattr(cls, "_canonical"):
        space["canonical"] = cls._canonical
        lines.append("    payload = canonical(payload)")
    lines += [
        "    get = payload.get",
        "    self = new(cls)",
        "    to = self.__dict__",
    ]
    for number, (field, config) in enumerate(_described(cls)):
        lines.append("    value = get({!r})".format(_wire_name(field)))
        found = "to[{!r}] = value".format(field.name)
        decoder = config.get("decoder")
        branch = "if"
        if decoder is not None:
            for condition, result in _quick_ways(decoder, number, space):
                lines.append(
                    "    {} {}: to[{!r}] = {}".format(branch, condition, field.name, result)
                )
                branch = "elif"
            space["decode{}".format(number)] = decoder
            found = "to[{!r}] = decode{}(value)".format(field.name, number)
        lines.append("    {} value is not None: {}".format(branch, found))
        if _MISSING in config:
            space["missing{}".format(number)] = config[_MISSING]
            made = "decode{0}(missing{0})" if decoder is not None else "missing{0}"
            lines.append("    else: to[{!r}] = {}".format(field.name, made.format(number)))
        elif field.default is not dataclasses.MISSING:
            space["default{}".format(number)] = field.default
            lines.append("    else: to[{!r}] = default{}".format(field.name, number))
        elif field.default_factory is not dataclasses.MISSING:
            space["default{}".format(number)] = field.default_factory
            lines.append("    else: to[{!r}] = default{}()".format(field.name, number))
        else:
            lines.append("    else: raise KeyError({!r})".format(_wire_name(field)))
    lines.append("    return self")
    exec("\n".join(lines), space)
    generated: _Decoder = space["decoder"]
    _decoders[cls] = generated
    return generated


def _quick_ways(decoder: Any, number: int, space: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Conditions on ``value``, and the expressions that then stand for a call of its decoder."""
    if hasattr(decoder, "keeps"):
        space["kept{}".format(number)] = decoder.keeps
        ways = [("value.__class__ is kept{}".format(number), "value")]
        if decoder.converts is not None:
            space["from{}".format(number)] = decoder.converts
            ways.append(
                ("value.__class__ is from{}".format(number), "kept{}(value)".format(number))
            )
        return ways
    model = _model_of(decoder)
    if model is not None:
        space["new{}".format(number)] = _decoders.get(model) or _generate(model)
        return [("value.__class__ is dict", "new{}(value)".format(number))]
    item = getattr(decoder, "item", None)
    model = _model_of(item)
    if model is not None:
        space["new{}".format(number)] = _decoders.get(model) or _generate(model)
        space["item{}".format(number)] = item
        each = "[new{0}(x) if x.__class__ is dict else item{0}(x) for x in value]".format(number)
        return [("value.__class__ is list", each)]
    return []


def _model_of(decoder: Any) -> Optional[type]:
    """The data class whose ``from_dict`` that is, or None."""
    owner = getattr(decoder, "__self__", None)
    is_its = isinstance(owner, type) and getattr(decoder, "__name__", "") == "from_dict"
    return owner if is_its else None


def _explain(cls: type, payload: Any, error: Exception) -> ProtocolError:
    """Find the field that could not be decoded: slowly, for nobody waits for it."""
    if not isinstance(payload, collections.abc.Mapping):
        return ProtocolError(
            "{}: expected a JSON object, got {}".format(cls.__name__, type(payload).__name__)
        )
    if hasattr(cls, "_canonical"):
        try:
            payload = cls._canonical(payload)
        except _WRONG as inner:
            return ProtocolError("{}: {}".format(cls.__name__, str(inner)[:200]))
    subject = "{} {}".format(cls.__name__, payload["id"]) if "id" in payload else cls.__name__
    for field, config in _described(cls):
        name = _wire_name(field)
        value = payload.get(name)
        if value is None:
            if (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
                and _MISSING not in config
            ):
                return ProtocolError("{}: {!r} is missing".format(subject, name))
            continue
        try:
            config.get("decoder", lambda value: value)(value)
        except (ProtocolError, *_WRONG) as inner:
            return ProtocolError("{}: {!r}: {}".format(subject, name, str(inner)[:200]))
    return ProtocolError("{}: {}".format(subject, str(error)[:200]))
