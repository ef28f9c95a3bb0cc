"""Gradients of ops that only move elements: the op itself, done to positions, says where each element came from.

A rewrite's first argument is autograd.numpy (``anp``), for this floor doesn't import autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def moved(function: Callable[..., Any], *sources: int, blank: bool = False) -> Callable[..., Any]:
    """Return the rewrite of an op that gives elements of its arguments, and perhaps zeros, in other places.

    Args:
        function: the op's own.
        sources: the positions of the arguments (arrays, or trees of them) whose elements are moved; none: all.
        blank: some elements of the result are zeros.
    """

    def rewrite(anp: Any, *args: Any, **options: Any) -> Any:
        pieces: list[Any] = [np.zeros(1)] if blank else []
        count = len(pieces)

        def numbered(tree: Any) -> Any:
            nonlocal count
            if isinstance(tree, (list, tuple)):
                return type(tree)([numbered(part) for part in tree])
            shape = anp.shape(tree)
            size = int(np.prod(shape, dtype=np.int64))
            pieces.append(anp.ravel(tree))
            count += size
            return np.arange(count - size, count).reshape(shape)

        chosen = sources or range(len(args))
        places = function(*(numbered(arg) if k in chosen else arg for k, arg in enumerate(args)), **options)
        # A blank is float64, which would widen: it takes the dtype of what it stands beside.
        if blank:
            pieces[0] = np.zeros(1, anp.result_type(pieces[1]))
        source = pieces[0] if len(pieces) == 1 else anp.concatenate(pieces)
        return _picked(source, places)

    return rewrite


def _picked(source: Any, places: Any) -> Any:
    if isinstance(places, (list, tuple)):
        return [_picked(source, part) for part in places]
    return source[places]


def spread(anp: Any, x: Any, shape: Sequence[int]) -> Any:
    """Return x broadcast to a shape."""
    if anp.shape(x) == tuple(shape):
        return x
    return x + np.zeros(shape, anp.result_type(x))


def each_reshaped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rewrite of an op that gives each of its arguments another shape (atleast_1d)."""

    def rewrite(anp: Any, *arrays: Any) -> Any:
        shapes = [function(np.zeros(anp.shape(one))).shape for one in arrays]
        parts = [anp.reshape(one, shape) for one, shape in zip(arrays, shapes, strict=True)]
        return parts[0] if len(parts) == 1 else parts

    return rewrite


def reshape(anp: Any, a: Any, shape: Any, order: str = "C", copy: Any = None) -> Any:
    """As numpy's reshape."""
    if order == "C":
        return anp.reshape(a, shape)
    return moved(np.reshape, 0)(anp, a, shape, order=order)


def ravel(anp: Any, a: Any, order: str = "C") -> Any:
    """As numpy's ravel; where memory's order counts it is that of rows, as ops give it."""
    return anp.ravel(a) if order != "F" else moved(np.ravel, 0)(anp, a, "F")


def concatenate(anp: Any, arrays: Any, axis: Any = 0, *, dtype: Any = None) -> Any:
    """As numpy's concatenate."""
    parts = [anp.ravel(part) if axis is None else part for part in arrays]
    return cast(anp, anp.concatenate(parts, 0 if axis is None else axis), dtype)


def joined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rewrite of an op that joins a sequence of arrays (stack)."""
    move = moved(function, 0)

    def rewrite(anp: Any, arrays: Any, *args: Any, dtype: Any = None, **options: Any) -> Any:
        return cast(anp, move(anp, list(arrays), *args, **options), dtype)

    return rewrite


def meshgrid(anp: Any, *xi: Any, **options: Any) -> Any:
    """As numpy's meshgrid."""
    grids = np.meshgrid(*(np.arange(anp.size(x)) for x in xi), **options)
    return [anp.ravel(x)[grid] for x, grid in zip(xi, grids, strict=True)]


def broadcast_arrays(anp: Any, *args: Any) -> Any:
    """As numpy's broadcast_arrays."""
    shape = np.broadcast_shapes(*map(anp.shape, args))
    return [spread(anp, one, shape) for one in args]


def where(anp: Any, condition: Any, x: Any, y: Any) -> Any:
    """As numpy's where: what isn't chosen has gradient 0."""
    shape = np.broadcast_shapes(anp.shape(condition), anp.shape(x), anp.shape(y))
    return anp.where(condition, spread(anp, x, shape), spread(anp, y, shape))


def getitem(anp: Any, x: Any, index: Any) -> Any:
    """``x[index]``: an element that is read twice gets both gradients."""
    return x[tuple(index) if isinstance(index, list) and any(isinstance(i, slice) for i in index) else index]


def setitem(anp: Any, target: Any, index: Any, value: Any) -> Any:
    """``target`` with ``target[index] = value``: what is written over has no gradient."""

    def assigned(places: Any, subscript: Any, new: Any) -> Any:
        places[subscript] = new
        return places

    value = anp.array(value) if isinstance(value, (list, tuple)) else value
    return cast(anp, moved(assigned, 0, 2)(anp, target, index, value), anp.result_type(target))


def pad(anp: Any, array: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    """As numpy's pad in the modes that repeat elements, or put numbers that don't depend on the array.

    Raises:
        NotImplementedError: another mode.
    """
    if mode in ("edge", "symmetric", "reflect", "wrap"):
        if options.get("reflect_type", "even") != "even":
            raise NotImplementedError("reflect_type='odd'")
        return moved(np.pad, 0)(anp, array, pad_width, mode, **options)
    if mode != "constant":
        raise NotImplementedError(f"mode={mode!r}")
    padded = moved(np.pad, 0, blank=True)(anp, array, pad_width)
    numbers = options.get("constant_values", 0)
    around = np.pad(np.zeros(anp.shape(array), anp.result_type(array)), pad_width, constant_values=numbers)
    return padded + around


def cast(anp: Any, x: Any, dtype: Any) -> Any:
    """Return x in a dtype, or as it is for None; integers are flat, so they have no history."""
    if dtype is None or anp.result_type(x) == dtype:
        return x
    if np.dtype(dtype).kind in "fc":
        return anp.array(x).astype(dtype)
    return anp.array(plain(anp, x)).astype(dtype)


def plain(anp: Any, x: Any) -> Any:
    """Return what a value is now, without its history; comparisons and positions have no gradient.

    Where what is done is recorded, it is still a box: one that takes note, and has no gradient.
    """
    while hasattr(x, "_value") and not hasattr(x._node, "recording"):
        x = x._value
    return x
