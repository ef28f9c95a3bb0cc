"""Values in JSON: what stands as it is, and the one-key tagged objects that keep every type exact.

None, bool, str, finite floats, integers within 64 bits and lists stand as they are. Everything else is an object of
one key, so a user's own dict, whatever its keys, is never taken for a tag:

    {"$": 7}                      the object of id 7 (an integer), or the owner's data set of that name (a text)
    {"$tuple": [...]}             {"$dict": {"key": ...}}          {"$slice": [start, stop, step]}
    {"$ellipsis": true}           {"$dtype": "float32"}            {"$float": "nan" | "inf" | "-inf"}
    {"$int": "123…"}              {"$complex": [re, im]}           {"$scalar": ["float32", base64]}
    {"$array": {"dtype": …, "shape": […], "data": base64}}         or "stream": number in place of "data"
    {"$pointer": [worker, epoch, id]}                              a record of a value at another worker
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from fedsock.errors import BadMessage, UnsupportedValue, ValueTooLarge
from fedsock.protocol import arrays
from fedsock.typing import Array

MAX_DEPTH = 64
"""How deep values may nest."""

MAX_JSON_BYTES = 1 << 20
"""How many bytes of JSON one value may take (large arrays are streams and count as their headers)."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

MAX_INT_DIGITS = 4300
"""Python's own limit on integers written in decimal."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The object of an id in the session's own numbering, or a data set by its name."""

    id: int | str


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """What a worker holds for a pointer to a pointer: where another value lives.

    Attributes:
        worker: the other worker's name.
        epoch: the life of it that holds the value.
        id: the value's id there, in the session's numbering.
    """

    worker: str
    epoch: str
    id: int | str


Outgoing = Callable[[Array], int]
"""Takes a portable array that is to be streamed, returns the number of its stream."""

Announced = Callable[[np.dtype[Any], tuple[int, ...], int, int], Array]
"""(dtype, shape, nbytes, stream number) -> the array that the stream will fill; may refuse by raising."""


def to_json(value: Any, stream: Outgoing | None = None, depth: int = 0) -> Any:
    """Return what orjson is to write for a value.

    Args:
        value: a tree of what travels; Reference and RemoteRecord included.
        stream: opens a stream for an array above ``arrays.INLINE_BYTES``; None writes every array inline.
        depth: levels above this one.

    Raises:
        UnsupportedValue: a type or dtype that doesn't travel, naming it.
        ValueTooLarge: nested too deep.
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is int:
        return value if INT64_MIN <= value <= INT64_MAX else {"$int": _digits(value)}
    if value is None or kind is bool or kind is str:
        return value
    if kind is Reference:
        return {"$": value.id}
    if isinstance(value, np.generic):
        array = arrays.portable(np.asarray(value))  # its dtype, not the scalar's: an empty str_ is U0, its array U1
        return {"$scalar": [arrays.dtype_name(array.dtype), arrays.inline(array)]}
    if kind is np.ndarray or kind is np.memmap:
        return {"$array": _array(value, stream)}
    return _tagged(value, kind, stream, depth)


def _array(array: Array, stream: Outgoing | None) -> dict[str, Any]:
    array = arrays.portable(array)
    head = arrays.header(array)
    if stream is None or array.nbytes <= arrays.INLINE_BYTES:
        return {**head, "data": arrays.inline(array)}
    return {**head, "stream": stream(array)}


def _tagged(value: Any, kind: type[Any], stream: Outgoing | None, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        raise ValueTooLarge(f"a value nested deeper than {MAX_DEPTH}; flatten it or send its parts")
    if kind is list:
        return [to_json(part, stream, depth + 1) for part in value]
    if kind is tuple:
        return {"$tuple": [to_json(part, stream, depth + 1) for part in value]}
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise UnsupportedValue(f"a dict key of type {type(key).__name__} can't travel; keys are str")
        return {"$dict": {key: to_json(part, stream, depth + 1) for key, part in value.items()}}
    if kind is complex:
        return {"$complex": [to_json(value.real), to_json(value.imag)]}
    if kind is slice:
        return {"$slice": [to_json(end, stream, depth + 1) for end in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"$ellipsis": True}
    if isinstance(value, np.dtype):
        return {"$dtype": arrays.dtype_name(value)}
    if kind is RemoteRecord:
        return {"$pointer": [value.worker, value.epoch, value.id]}
    raise UnsupportedValue(
        f"a value of type {kind.__module__}.{kind.__qualname__} can't travel; send numbers, str, arrays, or lists, "
        "tuples and dicts of them"
    )


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        raise ValueTooLarge(f"an integer of more than {MAX_INT_DIGITS} digits can't travel") from None


def dumps(tree: Any) -> bytes:
    """Return the JSON of what ``to_json`` gave.

    Raises:
        UnsupportedValue: a text with a lone surrogate.
        ValueTooLarge: more than ``MAX_JSON_BYTES``.
    """
    try:
        encoded = orjson.dumps(tree)
    except (TypeError, RecursionError) as error:
        raise UnsupportedValue("a text with a lone surrogate can't travel") from error
    if len(encoded) > MAX_JSON_BYTES:
        raise ValueTooLarge(f"a value of {len(encoded)} bytes of JSON; at most {MAX_JSON_BYTES}: send arrays or parts")
    return encoded


def from_json(
    tree: Any,
    reference: Callable[[int | str], Any] | None = None,
    announced: Announced | None = None,
    depth: int = 0,
) -> Any:
    """Return the value that a JSON tree stands for; every type and size is checked.

    Args:
        tree: what orjson read.
        reference: id or name -> what takes its place; None refuses references.
        announced: gives the array that a stream will fill; None refuses streams.
        depth: levels above this one.

    Raises:
        BadMessage: it stands for nothing.
    """
    kind = type(tree)
    if kind is int or kind is float or kind is str or kind is bool or tree is None:
        return tree
    if depth > MAX_DEPTH:
        raise BadMessage("a value nested too deep")
    if kind is list:
        return [from_json(part, reference, announced, depth + 1) for part in tree]
    if len(tree) != 1:
        raise BadMessage("an object of a value has one key")
    [(tag, inner)] = tree.items()
    if tag == "$":
        if reference is None or not (type(inner) is int or type(inner) is str):
            raise BadMessage("no reference is due here, or it is neither an id nor a name")
        return reference(inner)
    if tag == "$tuple" and type(inner) is list:
        return tuple(from_json(part, reference, announced, depth + 1) for part in inner)
    if tag == "$dict" and type(inner) is dict:
        return {key: from_json(part, reference, announced, depth + 1) for key, part in inner.items()}
    if tag == "$array" and type(inner) is dict:
        return _read_array(inner, announced)
    if tag == "$slice" and type(inner) is list and len(inner) == 3:
        return slice(*(from_json(end, reference, announced, depth + 1) for end in inner))
    read = _READERS.get(tag)
    if read is None:
        raise BadMessage("an unknown tag, or a tag with the wrong content")
    return read(inner)


def _read_array(head: dict[str, Any], announced: Announced | None) -> Array:
    if head.keys() == {"dtype", "shape", "data"}:
        return arrays.from_inline(head["dtype"], head["shape"], head["data"])
    if head.keys() != {"dtype", "shape", "stream"} or announced is None:
        raise BadMessage("an array has dtype, shape and either data or, where one is due, stream")
    number = head["stream"]
    if type(number) is not int or number < 1:
        raise BadMessage("a stream has a positive number")
    dtype, shape, nbytes = arrays.read_header(head["dtype"], head["shape"])
    if nbytes == 0:
        raise BadMessage("an array without bytes comes inline")
    return announced(dtype, shape, nbytes, number)


def _read_float(inner: Any) -> float:
    if inner in ("nan", "inf", "-inf"):
        return float(inner)
    raise BadMessage("a tagged float is nan, inf or -inf")


def _read_int(inner: Any) -> int:
    digits = inner[1:] if isinstance(inner, str) and inner.startswith("-") else inner
    if isinstance(digits, str) and digits.isascii() and digits.isdigit() and len(digits) <= MAX_INT_DIGITS:
        return int(inner)
    raise BadMessage("a tagged integer is a text of digits")


def _read_complex(inner: Any) -> complex:
    if type(inner) is list and len(inner) == 2:
        parts = [from_json(part) for part in inner]
        if all(type(part) is float or type(part) is int for part in parts):
            try:
                return complex(*parts)
            except OverflowError:
                raise BadMessage("a complex number with a part beyond float64") from None
    raise BadMessage("a complex number is two numbers")


def _read_scalar(inner: Any) -> Any:
    if type(inner) is list and len(inner) == 2:
        return arrays.from_inline(inner[0], [], inner[1])[()]
    raise BadMessage("a numpy scalar is a dtype and its bytes")


def _read_ellipsis(inner: Any) -> Any:
    if inner is True:
        return ...
    raise BadMessage("an Ellipsis is true")


def _read_record(inner: Any) -> RemoteRecord:
    if type(inner) is list and [type(part) for part in inner] in ([str, str, int], [str, str, str]):
        return RemoteRecord(*inner)
    raise BadMessage("a record of a pointer is a worker, an epoch and an id")


_READERS: dict[str, Callable[[Any], Any]] = {
    "$float": _read_float,
    "$int": _read_int,
    "$complex": _read_complex,
    "$scalar": _read_scalar,
    "$ellipsis": _read_ellipsis,
    "$dtype": arrays.dtype_named,
    "$pointer": _read_record,
}
