"""How large a result can be: shapes and item sizes from arguments, without computing anything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fedsock.ops.registry import Bound

WIDE = 16
"""Bytes of a complex128, the widest number."""

TEXT_OF_NUMBER = 4 * 64
"""Bytes of the longest text numpy makes of a number or date (64 letters, of a complex128)."""


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, scalar or nested list (of a ragged one, a shape that holds it)."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.shape
    if isinstance(value, (list, tuple)):
        return (len(value), *broadcast(*(shape_of(part) for part in value)))
    return ()


def parts_of(arrays: Any) -> list[Any]:
    """Return the arrays of a sequence of them; those of an array stand along its first axis."""
    return [arrays] if isinstance(arrays, np.ndarray) and not arrays.ndim else list(arrays)


def size_of(value: Any) -> int:
    """Return the number of elements of an array, scalar or nested list."""
    return math.prod(shape_of(value))


def nbytes_of(value: Any) -> int:
    """Return the bytes of an array, scalar or nested list as an array."""
    return size_of(value) * itemsize_of(value)


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape at least as large as the one these broadcast to; never raises."""
    result: tuple[int, ...] = ()
    for shape in shapes:
        if shape == result or not shape:
            continue
        if not result:
            result = shape
            continue
        if len(shape) < len(result):
            shape, result = result, shape
        lead = len(shape) - len(result)
        result = shape[:lead] + tuple(map(max, shape[lead:], result))
    return result


def broadcast_of(*values: Any) -> tuple[int, ...]:
    """Return a shape at least as large as the one these values broadcast to."""
    return broadcast(*map(shape_of, values))


def itemsize_of(*values: Any) -> int:
    """Return the bytes of an element, at most, of what numpy promotes these values to.

    Args:
        values: arrays, scalars and nested lists; others count as numbers of eight bytes.
    """
    dtypes = {_dtype_of(value) for value in values}
    if len(dtypes) == 1:
        kind, size = dtypes.pop()
        return size * len(values) if kind == "U" else size
    texts = [size for kind, size in map(_dtype_of, values) if kind == "U"]
    if texts:
        # Texts add up, or take in the text of a number.
        return max(sum(texts), TEXT_OF_NUMBER if len(texts) < len(values) else 0)
    # A complex64 beside a float64 becomes a complex128, an int32 beside a float32 a float64.
    return max((WIDE if kind == "c" else max(8, size) for kind, size in dtypes), default=8)


def _dtype_of(value: Any) -> tuple[str, int]:
    """Return kind and bytes of an element; a Python number is of kind "" (or "c")."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind, value.itemsize
    if isinstance(value, str):
        return "U", 4 * max(len(value), 1)
    if isinstance(value, (list, tuple)):
        return ("U" if _is_text(value) else "", itemsize_of(*value))
    return ("c", WIDE) if isinstance(value, complex) else ("", 8)


def _is_text(value: Any) -> bool:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind == "U"
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and any(map(_is_text, value)))


_ARRAY = np.ndarray
_PYTHON_NUMBERS = frozenset({int, float, bool})

_RESULT_BYTES = dict.fromkeys("?bhilqBHILQmM", 8) | {"e": 2, "f": 4, "d": 8, "F": 8, "D": 16}
"""dtype letter of all arrays of an op -> bytes of an element of its result, at most."""


def elementwise(*values: Any, **options: Any) -> Bound:
    """Bound an op that broadcasts its arguments and works element by element.

    Args:
        values: checked array-likes.
        options: ``where`` (broadcasts too) and ``dtype``.
    """
    # On the road of every op: one pass, no list, no call for arrays of one shape and dtype.
    shape: tuple[int, ...] = ()
    dtype: Any = None
    mixed = False
    for value in values:
        kind = type(value)
        if kind is not _ARRAY:
            if kind in _PYTHON_NUMBERS:
                continue
            if kind is str or kind is complex:
                mixed = True
                continue
        other = value.shape
        if other and other != shape:
            shape = broadcast(shape, other) if shape else other
        if dtype is None:
            dtype = value.dtype
        elif dtype is not value.dtype:
            mixed = True
    if options:
        shape = broadcast(shape, shape_of(options.get("where")))
    elif not mixed and dtype is not None:
        itemsize = _RESULT_BYTES.get(dtype.char)
        if itemsize is not None:
            return _bound(Bound, (shape, itemsize, 1))
    return Bound(shape, _widest(values, options.get("dtype")))


# A NamedTuple's own constructor costs as much as the rest of a bound.
_bound = tuple.__new__


def _widest(values: tuple[Any, ...], dtype: np.dtype[Any] | None) -> int:
    if dtype is not None:
        return _texts(values, dtype) if dtype.kind == "U" else dtype.itemsize
    return max(8, itemsize_of(*values))


def _texts(values: tuple[Any, ...], dtype: np.dtype[Any]) -> int:
    """Return bytes of what adds the texts of some values."""
    return max(dtype.itemsize, sum(max(itemsize_of(value), TEXT_OF_NUMBER) for value in values))


def computed(*values: Any, dtype: np.dtype[Any] | None = None) -> int:
    """Return the bytes of an element, at most, of what any function of numbers, or of texts, makes of values.

    Args:
        values: array-likes.
        dtype: what to compute in, or None.
    """
    return max(WIDE, itemsize_of(*values), _texts(values, dtype) if dtype is not None and dtype.kind == "U" else 0)


def truths(*values: Any, **options: Any) -> Bound:
    """Bound an op that broadcasts its arguments, those by name too, and answers with bool."""
    return Bound(broadcast_of(*values, *options.values()), 1)


def wide(*values: Any, **options: Any) -> Bound:
    """Bound an op that broadcasts its arguments and may answer in any number type."""
    return Bound(broadcast_of(*values, options.get("where")), max(WIDE, itemsize_of(*values)))


def twice(*values: Any, **options: Any) -> Bound:
    """Bound an op that broadcasts its arguments and has two results."""
    shape, itemsize, _ = wide(*values, **options)
    return Bound(shape, itemsize, 2)


def like(value: Any, *_: Any, **__: Any) -> Bound:
    """Bound an op whose result has the shape and dtype of its first argument."""
    return Bound(shape_of(value), itemsize_of(value))


def scalar(*_: Any, **__: Any) -> Bound:
    """Bound an op with one number as its result."""
    return Bound((), WIDE)


def reduced(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """Return the shape that is left of a reduction over axis; the whole shape if there is no such axis.

    Args:
        shape: the argument's.
        axis: None, an int or a tuple of ints.
    """
    if axis is None:
        return ()
    ndim = len(shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(one, int) and -ndim <= one < ndim for one in axes):
        return shape
    gone = {one % ndim for one in axes}
    return tuple(size for place, size in enumerate(shape) if place not in gone)


def reduction(a: Any, axis: Any = None, dtype: Any = None, *_: Any, **options: Any) -> Bound:
    """Bound a reduction: the shape without its axes, in any number type (or that of a text)."""
    itemsize = max(WIDE, itemsize_of(a), itemsize_of(options.get("initial", 0)), getattr(dtype, "itemsize", 0))
    return Bound(reduced(shape_of(a), axis), itemsize)


def product(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an outer product: all axes one after the other."""
    return tuple(size for shape in shapes for size in shape)


def matrix_product(x1: Any, x2: Any, *_: Any, **__: Any) -> Bound:
    """Bound ``x1 @ x2``: stacks of matrices broadcast, rows of x1 by columns of x2."""
    left, right = shape_of(x1), shape_of(x2)
    rows = left[-2:-1]
    columns = right[-1:] if len(right) > 1 else ()
    return Bound((*broadcast(left[:-2], right[:-2]), *rows, *columns), max(8, itemsize_of(x1, x2)))


def ufunc_reduction(array: Any, axis: Any = 0, dtype: Any = None, **options: Any) -> Bound:
    """Bound ``ufunc.reduce``, whose axis is 0 unless given."""
    shape, itemsize, _ = reduction(array, axis, dtype, **options)
    return Bound((*shape, 1), itemsize)


def count(shape: tuple[int, ...]) -> int:
    """Return the number of elements of a shape, exactly."""
    return math.prod(shape)
