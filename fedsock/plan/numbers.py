"""What a plan computes with Python's own numbers: sizes of axes, and arithmetic on them.

numpy's functions make numpy scalars of Python's numbers, which would widen what they meet (``float32`` beside
``np.int64``); a plan that says ``total / x.shape[0]`` means Python's integer. So these few operations stay Python's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.errors import OpIndexError, OpOverflowError, OpTypeError
from fedsock.ops.schema import INT_MAX, INT_MIN

SIZE = "number.size"

NUMBERS = frozenset({int, float, bool, complex})
"""Python's types of numbers."""


def _size(x: Any, axis: Any) -> int:
    shape = np.shape(x)
    if type(axis) is not int or not -len(shape) <= axis < len(shape):
        raise OpIndexError(f"an array of {len(shape)} dimensions has no axis {axis!r}")
    return int(shape[axis])


def _python(function: Callable[..., Any]) -> Callable[..., Any]:
    def on_numbers(*values: Any) -> Any:
        if not all(type(value) in NUMBERS for value in values):
            raise OpTypeError("this is for Python's numbers")
        result = function(*values)
        if type(result) is int and not INT_MIN <= result <= INT_MAX:
            raise OpOverflowError("an integer beyond 64 bits")
        return result

    return on_numbers


OPERATIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        SIZE: _size,
        "number.add": _python(operator.add),
        "number.subtract": _python(operator.sub),
        "number.multiply": _python(operator.mul),
        "number.divide": _python(operator.truediv),
        "number.floor_divide": _python(operator.floordiv),
        "number.remainder": _python(operator.mod),
        "number.negative": _python(operator.neg),
        "number.positive": _python(operator.pos),
        "number.absolute": _python(abs),
    }
)
"""What a step may do beside the op table: name -> function."""

ARITIES: Mapping[str, int] = MappingProxyType(
    {name: 1 if name in ("number.negative", "number.positive", "number.absolute") else 2 for name in OPERATIONS}
)
