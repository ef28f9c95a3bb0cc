"""What an op's arguments may be: kinds of arguments, and signatures written as text.

A signature is a line of ``name:kind`` or ``name:kind=default`` words, with Python's ``/`` and ``*`` marks and
``*name:kind`` for any number of positional arguments: ``"a:array axis:axes=None / * keepdims:bool=False"``.
A kind is a name of ``KINDS`` or several of them, and literal texts, joined by ``|``: ``"side:left|right"``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.errors import OpOverflowError, OpTypeError, OpValueError

INT_MIN, INT_MAX = -(2**63), 2**64 - 1
"""Python integers outside this range fit no dtype."""

MAX_NESTING = 64
"""numpy has no array of more dimensions, so no nested list that stands for one goes deeper."""

ALLOWED_CHARS = frozenset("?bhilqBHILQefdFDUMm")
"""numpy's one-letter codes of the dtypes that values may have."""

NUMERIC_KINDS = frozenset("biufc")

_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
_NUMBER_NAMES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128", "str",
)  # fmt: skip

DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in _NUMBER_NAMES} | {
    f"{kind}[{unit}]": np.dtype(f"{kind}[{unit}]") for kind in ("datetime64", "timedelta64") for unit in _UNITS
}
"""Every dtype that may be named by a text; fixed-width str of a length comes as an np.dtype."""

_SCALAR_TYPES = frozenset(
    {
        np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
        np.longlong, np.ulonglong, np.float16, np.float32, np.float64, np.complex64, np.complex128,
        np.str_, np.datetime64, np.timedelta64,
    }
)  # fmt: skip

PLAIN_TYPES = _SCALAR_TYPES | {np.ndarray, bool, float, complex, str}
"""Types whose values stand as array-likes just as they are (an int must fit 64 bits as well)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of argument.

    Attributes:
        name: how it reads in the printed table and in errors ("an axis", "True or False").
        check: value -> the value as the op's function takes it; raises OpTypeError, OpValueError,
            OpOverflowError.
        data: its values are data (arrays); the value of anything else decides shape, dtype or success.
        parts: of a union, the kinds it joins.
    """

    name: str
    check: Callable[[Any], Any]
    data: bool = False
    parts: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an op.

    Attributes:
        name: numpy's own.
        kind: what it takes.
        default: numpy's default as text, or None when it must be given.
        mode: "positional" (only), "both", "keyword" (only) or "variadic".
    """

    name: str
    kind: Kind
    default: str | None = None
    mode: str = "both"

    def __str__(self) -> str:
        """Return the parameter as it reads in the printed table."""
        star = "*" if self.mode == "variadic" else ""
        return f"{star}{self.name}" + (f"={self.default}" if self.default is not None else "")


def allowed_dtype(dtype: np.dtype[Any]) -> bool:
    """Return whether values may have this dtype: a number, text or date in the machine's own byte order."""
    return dtype.char in ALLOWED_CHARS and dtype.isnative


def array_like(value: Any) -> Any:
    """Return an array-like as numpy takes it: arrays and scalars as they are, nested lists as an array.

    Args:
        value: an ndarray, numpy scalar, bool, int, float, complex, str, or (nested) lists and tuples of them.

    Raises:
        OpTypeError: anything else, or a list that makes an array of a dtype that isn't allowed.
        OpValueError: a ragged or too deeply nested list.
        OpOverflowError: an integer that fits no dtype.
    """
    kind = type(value)
    if kind in PLAIN_TYPES:
        return value
    if kind is int:
        if INT_MIN <= value <= INT_MAX:
            return value
        raise OpOverflowError("Python integer out of bounds: it fits no dtype")
    if isinstance(value, (list, tuple)):
        return _array(value)
    raise OpTypeError(f"expected an array, a number or a list of numbers, not {kind.__name__}")


def _array(value: list[Any] | tuple[Any, ...]) -> np.ndarray[Any, Any]:
    _leaves(value, 0)
    try:
        made = np.asarray(value)
    except ValueError as error:
        raise OpValueError("a list that is no array: its parts have different lengths") from error
    if not allowed_dtype(made.dtype):
        raise OpTypeError("a list that is no array of numbers, texts or dates")
    return made


def _leaves(value: Any, depth: int) -> None:
    """Refuse, before numpy sees it, whatever in a nested list is not an array-like."""
    if depth > MAX_NESTING:
        raise OpValueError(f"a list nested deeper than {MAX_NESTING}")
    for part in value:
        if isinstance(part, (list, tuple)):
            _leaves(part, depth + 1)
        elif type(part) not in PLAIN_TYPES:
            array_like(part)


def dtype_like(value: Any) -> np.dtype[Any]:
    """Return the dtype that a dtype argument means.

    Args:
        value: an np.dtype, or a name of ``DTYPES``.

    Raises:
        OpTypeError: anything else, another text, or a dtype that isn't allowed.
    """
    if isinstance(value, np.dtype):
        if allowed_dtype(value):
            return value
        raise OpTypeError(f"values can't have dtype {value.str}")
    found = DTYPES.get(value) if isinstance(value, str) else None
    if found is None:
        raise OpTypeError(f"no dtype; write one of {', '.join(_NUMBER_NAMES)}, datetime64[unit], timedelta64[unit]")
    return found


def integer(value: Any) -> int:
    """Return an int from an int, a numpy integer or a 0-d integer array.

    Raises:
        OpTypeError: not an integer.
        OpOverflowError: not within 64 bits.
    """
    if not isinstance(value, (int, np.integer, np.ndarray)):
        raise OpTypeError("not an integer")
    try:
        number = operator.index(value)
    except TypeError:
        raise OpTypeError("not an integer") from None
    if INT_MIN <= number <= INT_MAX:
        return number
    raise OpOverflowError("Python int too large to convert to C long")


def integers(value: Any) -> tuple[int, ...]:
    """Return a tuple of ints from a tuple, a list or a one-dimensional integer array of them.

    Raises:
        OpTypeError: anything else.
        OpOverflowError: one isn't within 64 bits.
    """
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
        return tuple(value.tolist())
    if isinstance(value, (list, tuple)):
        return tuple(integer(part) for part in value)
    raise OpTypeError("not a tuple of integers")


def _nested_integers(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_nested_integers(part) for part in value)
    return integer(value)


def _flag(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise OpTypeError("neither True nor False")


def _real(value: Any) -> Any:
    if isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        return array_like(value)
    raise OpTypeError("not a real number")


def _number(value: Any) -> Any:
    if np.ndim(array_like(value)) == 0 and np.asarray(value).dtype.kind != "c":
        return value
    raise OpTypeError("not one real number or date")


def _none(value: Any) -> None:
    if value is not None:
        raise OpTypeError("not None")


def _arrays(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(array_like(part) for part in value) if type(value) in (list, tuple) else _array(value)
    raise OpTypeError("not a sequence of arrays")


def _blocks(value: Any, depth: int = 0) -> Any:
    if depth > MAX_NESTING:
        raise OpValueError(f"a list nested deeper than {MAX_NESTING}")
    if isinstance(value, list):
        return [_blocks(part, depth + 1) for part in value]
    if isinstance(value, tuple):
        raise OpTypeError("nested lists of arrays may hold no tuple")
    return array_like(value)


def _index(value: Any) -> Any:
    if value is None or value is Ellipsis:
        return value
    if isinstance(value, slice):
        return slice(*(None if end is None else integer(end) for end in (value.start, value.stop, value.step)))
    if isinstance(value, tuple):
        return tuple(_index(part) for part in value)
    return array_like(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise OpTypeError("not a text")


def _generator(value: Any) -> np.random.Generator:
    if isinstance(value, np.random.Generator):
        return value
    raise OpTypeError("not a random.Generator")


KINDS: dict[str, Kind] = {
    "array": Kind("an array", array_like, data=True),
    "deciding": Kind("an array", array_like),
    "arrays": Kind("a sequence of arrays", _arrays, data=True),
    "blocks": Kind("nested lists of arrays", _blocks, data=True),
    "index": Kind("an index", _index),
    "any": Kind("a value", lambda value: value),
    "int": Kind("an integer", integer),
    "ints": Kind("a tuple of integers", integers),
    "nested": Kind("nested tuples of integers", _nested_integers),
    "bool": Kind("True or False", _flag),
    "real": Kind("a real number", _real),
    "number": Kind("one real number or date", _number),
    "text": Kind("a text", _text),
    "dtype": Kind("a dtype", dtype_like),
    "generator": Kind("a random.Generator", _generator),
    "none": Kind("None", _none),
}
"""The kinds by the names that signatures use; ``axis``, ``axes`` and ``shape`` are unions of these.

A ``deciding`` array is one whose values decide success or the result's shape (indices, weights that may sum to zero).
"""


def _literal(word: str) -> Kind:
    def check(value: Any) -> str:
        if isinstance(value, str) and value == word:
            return word
        raise OpTypeError(f"not {word!r}")

    return Kind(repr(word), check)


def union(*kinds: Kind) -> Kind:
    """Return the kind that takes what any of several kinds takes; the first that takes a value decides."""
    name = " or ".join(kind.name for kind in kinds)

    def check(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.check(value)
            except OpTypeError:
                continue
        raise OpTypeError(f"not {name}")

    return Kind(name, check, all(kind.data or kind is KINDS["none"] for kind in kinds), kinds)


def kind_of(text: str) -> Kind:
    """Return the kind that a word of a signature names, such as ``"axes"`` or ``"left|right"``."""
    if text in KINDS:
        return KINDS[text]
    return union(*(KINDS[word] if word in KINDS else _literal(word) for word in text.split("|")))


KINDS["axis"] = union(KINDS["none"], KINDS["int"])
KINDS["axes"] = union(KINDS["none"], KINDS["int"], KINDS["ints"])
KINDS["shape"] = union(KINDS["int"], KINDS["ints"])
KINDS["dtype?"] = union(KINDS["none"], KINDS["dtype"])
KINDS["order"] = kind_of("C|F")


def signature(text: str) -> tuple[Parameter, ...]:
    """Return the parameters that a signature's text describes (the module's docstring has its grammar)."""
    made: list[Parameter] = []
    mode = "both"
    for word in text.split():
        if word == "/":
            made = [Parameter(p.name, p.kind, p.default, "positional") for p in made]
            continue
        if word == "*":
            mode = "keyword"
            continue
        name, _, rest = word.partition(":")
        kind, equals, default = rest.partition("=")
        if name.startswith("*"):
            made.append(Parameter(name[1:], kind_of(kind), None, "variadic"))
            mode = "keyword"
        else:
            made.append(Parameter(name, kind_of(kind), default if equals else None, mode))
    return tuple(made)
