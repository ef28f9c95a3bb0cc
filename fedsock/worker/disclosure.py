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


def share_of(template: str, args: Any, kwargs: Any, row_axes: tuple[int, ...]) -> float:
    """Return how much of what is added up the two largest rows make up: the most of any cell.

    Signs don't count, nor does what all rows have in common: looked at are the sizes of what rows add, and how far
    they are from their median. Of a variance or a covariance, rows add the squares of their distances from the mean.

    Args:
        template: one of ``facts.TEMPLATES`` but "count".
        args: the op's arguments.
        kwargs: the same by name.
        row_axes: where the rows are in each of the private arguments.
    """
    if template == "product":
        left, right = (np.moveaxis(part, axis, 0) for part, axis in zip(args[:2], row_axes, strict=True))
        return _share_of_product(_columns(left), _columns(right))
    if template in ("cov", "corrcoef"):
        parts = [part for part in (*args[:2], kwargs.get("y")) if isinstance(part, np.ndarray)]
        variables = [_columns(np.moveaxis(part, axis, 0)) for part, axis in zip(parts, row_axes, strict=True)]
        return max(_share_of_spread(one) for one in variables)
    axis = args[1] if len(args) > 1 else kwargs.get("axis")
    if template in ("var", "std"):
        return _share_of_spread(_columns(np.moveaxis(args[0], row_axes[0], 0)))
    return _share(_row_sums(args[0], axis, row_axes[0]))


def _columns(rows: Array) -> Array:
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _row_sums(array: Array, axis: Any, row_axis: int) -> Array:
    """Return (rows, cells): what each row adds to each cell."""
    axes = range(array.ndim) if axis is None else [range(array.ndim)[k] for k in np.atleast_1d(axis)]
    others = tuple(k for k in axes if k != row_axis)
    rows = np.moveaxis(array.sum(axis=others, keepdims=True) if others else array, row_axis, 0)
    return _columns(rows)


def _share_of_spread(rows: Array) -> float:
    wide = rows.astype(np.complex128 if rows.dtype.kind == "c" else np.float64)
    return _share(np.abs(wide - wide.mean(axis=0)) ** 2)


def _share(rows: Array) -> float:
    """Return the share of the two largest of (rows, cells)."""
    if not rows.size:
        return 0.0
    if len(rows) <= LARGEST_ROWS:
        return 1.0
    rows = rows.astype(np.complex128 if rows.dtype.kind == "c" else np.float64)
    middle = np.median(rows.real, axis=0) + (1j * np.median(rows.imag, axis=0) if rows.dtype.kind == "c" else 0)
    return max(_largest(np.abs(rows)), _largest(np.abs(rows - middle)))


def _largest(sizes: Array) -> float:
    total = sizes.sum(axis=0)
    largest = np.partition(sizes, len(sizes) - LARGEST_ROWS, axis=0)[-LARGEST_ROWS:].sum(axis=0)
    return float(np.max(largest[total > 0] / total[total > 0], initial=0.0))


def _share_of_product(left: Array, right: Array) -> float:
    share = 0.0
    for column in range(left.shape[1]):
        share = max(share, _share(left[:, column, None] * right))
    return share


def measure_seconds(template: str, args: Any) -> float:
    """Return how long ``share_of`` takes, roughly.

    Args:
        template: see ``share_of``.
        args: the op's arguments, or what stands in for them.
    """
    elements = sum(part.size for part in args[:2] if isinstance(part, np.ndarray))
    if template == "product":
        elements *= max(min(part.shape[-1] if part.ndim > 1 else 1 for part in args[:2]), 1)
    return 2e-5 + elements * 3e-8


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


def counted(categories: int) -> Callable[..., Any]:
    """Return a bincount that counts listed categories only, and can't fail on others.

    Args:
        categories: how many are listed: 0, 1, ….
    """

    def compute(x: Any, *_: Any, **__: Any) -> Array:
        return np.bincount(x[(x >= 0) & (x < categories)].astype(np.int64), minlength=categories)

    return compute


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
            note(share_of(template, args, kwargs, axes) if np.isfinite(result).all() else 1.0)
        except Exception:  # whether the op fails is for the op to say
            note(1.0)
        return result

    return compute
