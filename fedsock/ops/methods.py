"""From a call as a user writes it to an op's name and arguments (used where pointers are, not at the worker).

numpy spells one op in several ways: a function, an ndarray method whose arguments stand otherwise, a ufunc's
method, an operator. ``call_function``, ``call_method`` and ``call_ufunc`` give each the op's name and its
arguments as the row's signature has them, without what means nothing here (``out=None``, ``subok``,
``device="cpu"``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fedsock.errors import InPlaceRefused, UnsupportedValue
from fedsock.ops.registry import Row, numpy_names
from fedsock.ops.schema import allowed_dtype
from fedsock.ops.table import TABLE

NAMES = numpy_names(TABLE)
"""numpy's function objects -> op names; read-only."""


class Call(NamedTuple):
    """An op's name and arguments."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


Adapter = Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
"""A method's (args, kwargs), the pointer first -> the function's."""


class Method(NamedTuple):
    """An ndarray method or property.

    Attributes:
        op: the op's name.
        adapt: how its arguments become the op's.
        is_property: it is read, not called.
    """

    op: str
    adapt: Adapter
    is_property: bool = False


def _same(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def _gathered(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    # p.reshape(2, 3) and p.transpose(1, 0): several numbers are one tuple.
    pointer, *rest = args
    if len(rest) > 1 or (rest and isinstance(rest[0], (int, np.integer))):
        return (pointer, tuple(rest)), kwargs
    return args, kwargs


def _condition_first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    pointer, *rest = args
    if rest:
        return (rest[0], pointer, *rest[1:]), kwargs
    return (), {"a": pointer, **kwargs}


def _converted(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    # astype(dtype, order, casting, subok, copy): order and what follows change no value.
    rest = {name: value for name, value in kwargs.items() if name not in ("order", "subok", "copy")}
    if rest.get("casting") == "unsafe":
        del rest["casting"]
    return args[:2], rest


_SAME_NAME = (
    "all any argmax argmin argpartition argsort choose clip cumprod cumsum diagonal dot max mean min nonzero "
    "prod ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
)

METHODS: Mapping[str, Method] = MappingProxyType(
    {name: Method(name, _same) for name in _SAME_NAME.split()}
    | {
        "astype": Method("astype", _converted),
        "compress": Method("compress", _condition_first),
        "conj": Method("conjugate", _same),
        "conjugate": Method("conjugate", _same),
        "flatten": Method("ravel", _same),
        "reshape": Method("reshape", _gathered),
        "transpose": Method("transpose", _gathered),
        "T": Method("transpose", _same, is_property=True),
        "mT": Method("matrix_transpose", _same, is_property=True),
        "real": Method("real", _same, is_property=True),
        "imag": Method("imag", _same, is_property=True),
    }
)
"""ndarray's methods and properties -> op and adapter; read-only."""

OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
        "mod": "remainder", "divmod": "divmod", "pow": "pow", "matmul": "matmul", "and": "bitwise_and",
        "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
        "lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal", "ge": "greater_equal",
        "gt": "greater", "neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert",
    }
    | {name: name for name in TABLE if TABLE[name].in_place and TABLE[name].family == "elementwise"}
)  # fmt: skip
"""Python's operators, without underscores -> op names; reflected ones are the same with operands swapped."""


def dtype_argument(value: Any) -> np.dtype[Any] | None:
    """Return the dtype a user means: an np.dtype, a scalar type, a Python type or a text of theirs.

    Raises:
        UnsupportedValue: no dtype, or one that values can't have (object, structured, bytes).
    """
    if value is None:
        return None
    try:
        dtype: np.dtype[Any] = np.dtype(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedValue(f"{value!r} is no dtype") from error
    if not allowed_dtype(dtype):
        raise UnsupportedValue(
            f"values can't have dtype {dtype}; use numbers, fixed-width str, datetime64 or timedelta64"
        )
    return dtype


_MEANINGLESS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "subok": (True, False),
        "like": (None,),
        "device": (None, "cpu"),
        "copy": (True, False, None),
        "order": ("K", "A", "C", None),
        "casting": ("same_kind",),
    }
)
"""Arguments that change no value when they are so."""


def _drops(row: Row, name: str, value: Any) -> bool:
    if name in row.named:
        return False
    return any(value is one or (type(value) is str and value == one) for one in _MEANINGLESS.get(name, ()))


def _tidy(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    kept: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name == "out":
            _refuse_out(row, value)
        elif value is not np._NoValue and not _drops(row, name, value):
            parameter = row.named.get(name)
            kept[name] = dtype_argument(value) if parameter and "dtype" in parameter.kind.name else value
    checked = tuple(
        dtype_argument(value) if "dtype" in parameter.kind.name else value
        for value, parameter in zip(args, row.positional, strict=False)
    )
    return Call(row.name, (*checked, *args[len(checked) :]), kept)


def _refuse_out(row: Row, value: Any) -> None:
    outs = value if isinstance(value, tuple) else (value,)
    if any(out is not None for out in outs):
        raise InPlaceRefused(f"{row.name}: out= is refused, stored values never change: write p = {row.name}(...)")


def call_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
    """Return the op that a call of a numpy function means, or None when there is none.

    Args:
        function: numpy's function object.
        args: as the user wrote them, pointers among them.
        kwargs: the same by name.

    Raises:
        InPlaceRefused: ``out=`` was given.
        UnsupportedValue: a dtype that values can't have.
        TypeError: more arguments than numpy's function takes.
    """
    name = NAMES.get(function)
    if name is None:
        return None
    if name == "where" and len(args) == 1 and not kwargs:
        name = "nonzero"
    row = TABLE[name]
    if row.variadic is None and len(args) > len(row.positional):
        # numpy lets out, keepdims and their like stand by position.
        names = list(inspect.signature(function).parameters)[len(row.positional) :]
        extra = args[len(row.positional) :]
        if len(extra) > len(names):
            raise TypeError(f"{name} takes at most {len(row.positional) + len(names)} arguments, not {len(args)}")
        kwargs = dict(zip(names, extra, strict=False)) | dict(kwargs)
        args = args[: len(row.positional)]
    return _tidy(row, args, kwargs)


def call_method(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Return the op that an ndarray method or property means.

    Args:
        name: a name of ``METHODS``.
        args: the pointer, then the method's arguments.
        kwargs: the method's arguments by name.

    Raises:
        KeyError: no such method.
        InPlaceRefused, UnsupportedValue, TypeError: as ``call_function``.
    """
    method = METHODS[name]
    row = TABLE[method.op]
    call = call_function(row.numpy[0], *method.adapt(args, kwargs))
    assert call is not None  # noqa: S101 (every method's op is a numpy function, as a test shows)
    return call


def call_ufunc(ufunc: np.ufunc, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
    """Return the op that a call of a ufunc, or of one of its methods, means, or None when there is none.

    Args:
        ufunc: numpy's.
        method: "__call__", "reduce", "accumulate", "outer", "reduceat" or "at", as numpy says it.
        args: its inputs.
        kwargs: its arguments by name.

    Raises:
        InPlaceRefused: ``out=`` was given, or the method is ``at``.
        UnsupportedValue: a dtype that values can't have.
    """
    name = NAMES.get(ufunc)
    if method == "at":
        raise InPlaceRefused(f"{ufunc.__name__}.at writes into its argument, and a stored value never changes")
    row = TABLE.get(name if method == "__call__" else f"{name}.{method}") if name is not None else None
    return None if row is None else _tidy(row, args, kwargs)
