"""What is done to private values as they become results that may leave: dominance is measured, counts are rounded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.policy.rules import Rounding
from fedsock.typing import Array

LARGEST_ROWS = 2
"""So many rows together must not dominate a sum."""


SUMS = frozenset({"sum", "mean", "product"})
"""Templates that add up what rows contribute."""


def share_of(template: str, args: Any, kwargs: Any, row_axes: tuple[int, ...]) -> float:
    """Return how much of a sum its two largest rows make up: the most of any cell whose rows are all positive or 0.

    Args:
        template: "sum", "mean" or "product".
        args: the op's arguments.
        kwargs: the same by name.
        row_axes: where the rows are in the first argument, and of a product in the second.
    """
    if template == "product":
        left, right = (np.moveaxis(part, axis, 0) for part, axis in zip(args[:2], row_axes, strict=True))
        return _share_of_product(_columns(left), _columns(right))
    axis = args[1] if len(args) > 1 else kwargs.get("axis")
    return _share(_row_sums(args[0], axis, row_axes[0]))


def _columns(rows: Array) -> Array:
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _row_sums(array: Array, axis: Any, row_axis: int) -> Array:
    """Return (rows, cells): what each row adds to each cell."""
    axes = range(array.ndim) if axis is None else [range(array.ndim)[k] for k in np.atleast_1d(axis)]
    others = tuple(k for k in axes if k != row_axis)
    rows = np.moveaxis(array.sum(axis=others, keepdims=True) if others else array, row_axis, 0)
    return _columns(rows)


def _share(rows: Array) -> float:
    if rows.dtype.kind not in "biuf" or not rows.size:
        return 0.0
    rows = rows.astype(np.float64)
    if len(rows) <= LARGEST_ROWS:
        return 1.0
    rows = rows[:, (rows >= 0).all(axis=0)]
    total = rows.sum(axis=0)
    largest = np.partition(rows, len(rows) - LARGEST_ROWS, axis=0)[-LARGEST_ROWS:].sum(axis=0)
    return float(np.max(largest[total > 0] / total[total > 0], initial=0.0))


def _share_of_product(left: Array, right: Array) -> float:
    if left.dtype.kind not in "biuf" or right.dtype.kind not in "biuf":
        return 0.0
    left, right = left.astype(np.float64), right.astype(np.float64)
    total = left.T @ right
    # No two rows of a cell make up more than twice its largest product can: few cells need a closer look.
    most = LARGEST_ROWS * np.outer(np.abs(left).max(axis=0, initial=0), np.abs(right).max(axis=0, initial=0))
    share = 0.0
    for column in range(left.shape[1]):
        close = np.flatnonzero((total[column] > 0) & (most[column] > share * total[column]))
        if close.size:
            share = max(share, _share(left[:, column, None] * right[:, close]))
    return share


def rounded(counts: Any, rounding: Rounding) -> Array:
    """Return a table of counts as it leaves: of the listed categories, small cells as 0, others rounded.

    Args:
        counts: the table.
        rounding: what its owner asks for.
    """
    table = np.asarray(counts)
    for axis, size in enumerate(rounding.cells):
        if size is not None:
            held = [slice(None)] * table.ndim
            held[axis] = slice(size)
            table = table[tuple(held)]
            missing = [(0, size - table.shape[axis] if k == axis else 0) for k in range(table.ndim)]
            table = np.pad(table, missing)
    whole = np.rint(table / rounding.round_to).astype(np.int64) * rounding.round_to
    return np.where(table < rounding.min_rows, 0, whole)


def measured(function: Callable[..., Any], note: Callable[[float], None], template: str, axes: tuple[int, ...]) -> Any:
    """Return a function that computes the same and notes the share of its largest rows.

    Args:
        function: what is computed.
        note: told the share, in the same thread.
        template: see ``share_of``.
        axes: see ``share_of``.
    """

    def compute(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        try:
            share = share_of(template, args, kwargs, axes) if template in SUMS else 0.0
            note(share if np.isfinite(result).all() else 1.0)
        except Exception:  # whether the op fails is for the op to say
            note(1.0)
        return result

    return compute
