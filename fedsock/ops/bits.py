"""Bits of bytes: packbits and unpackbits."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.bounds import shape_of, size_of
from fedsock.ops.registry import Bound
from fedsock.ops.rows import numpy_row

BITS = 8
"""Of a byte."""


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """Return np.unpackbits; bits asked for beyond those of no bytes are zeros, where numpy shows freed memory.

    Args:
        a: uint8.
        axis: along which, or None for the flat array.
        count: how many bits; those beyond the array's are zeros, a negative number is taken off.
        bitorder: "big" or "little".

    Raises:
        TypeError: a is no uint8.
        ValueError: another order, or more taken off than there are.
    """
    bits = np.unpackbits(a, axis, count, bitorder)  # type: ignore[call-overload]  # numpy names the orders
    return bits if size_of(a) else np.zeros_like(bits)


def _packed(a: Any, *_: Any, **__: Any) -> Bound:
    return Bound((max(size_of(a), 1),), 1)


def _unpacked(a: Any, axis: Any = None, count: Any = None, bitorder: Any = "big") -> Bound:
    shape = shape_of(a)
    if axis is None or not -len(shape) <= axis < len(shape):
        length, others = size_of(a), 1
    else:
        length = shape[axis]
        others = math.prod(shape[: axis % len(shape)]) * math.prod(shape[axis % len(shape) + 1 :])
    return Bound((others, max(BITS * length, BITS, count or 0)), 1)


_row = partial(numpy_row, np, "bits", value_dependent=False)

ROWS = (
    _row("packbits", "a:array / axis:axis=None bitorder:text=big", _packed),
    _row(
        "unpackbits",
        "a:array / axis:axis=None count:none|int=None bitorder:text=big",
        _unpacked,
        function=unpackbits,
    ),
)
