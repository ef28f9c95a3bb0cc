"""numpy functions whose work or memory follows from a number among their arguments, kept within what is predicted.

numpy takes any number there and loops, allocates or, once, crashes. Nothing here gives another result than numpy does:
what would take for ever is refused, or left out where it can't change the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.ops.bounds import count, itemsize_of, shape_of, size_of
from fedsock.ops.registry import Bound

MOST_DECIMALS = 1000
"""No number has decimals beyond it; numpy multiplies tens one by one."""

MOST_DIMENSIONS = 64
"""What numpy's arrays may have."""

MOST_PARTS = 100_000
"""Parts that an array is split into, and generators spawned, at most: each is an object of its own."""

PART_BYTES = 200
PART_SECONDS = 5e-6
"""What one part takes beside its elements."""

PASS_SECONDS_PER_BYTE = 1e-9
CALL_SECONDS = 2e-6


def tile(A: Any, reps: Any) -> Any:
    """Return np.tile; a negative number of repetitions of something, with which numpy may crash, is refused.

    Args:
        A: what is repeated.
        reps: an int or a tuple of ints.

    Raises:
        ValueError: a negative one.
    """
    if size_of(A) and min(reps if isinstance(reps, tuple) else (reps,), default=0) < 0:
        raise ValueError("repetitions can't be negative")
    return np.tile(A, reps)


def tile_bound(A: Any, reps: Any) -> Bound:
    """The axes are repeated one after the other, so that one repeated no times comes too late to help."""
    sizes = reps if isinstance(reps, tuple) else (reps,)
    return Bound((*shape_of(A), *(max(size, 1) for size in sizes)), itemsize_of(A))


def resize(a: Any, new_shape: Any) -> Any:
    """Return np.resize, without a list of all the copies that are joined.

    Args:
        a: the elements, over and over.
        new_shape: an int or a tuple of ints.

    Raises:
        ValueError: a negative size.
    """
    shape = new_shape if isinstance(new_shape, tuple) else (new_shape,)
    if min(shape, default=0) < 0:
        raise ValueError("all elements of `new_shape` must be non-negative")
    flat, size = np.ravel(a), count(shape)
    if not flat.size or not size:
        return np.zeros(shape, flat.dtype)
    return np.tile(flat, -(-size // flat.size))[:size].reshape(shape)


def diff(a: Any, n: int = 1, axis: int = -1, *ends: Any, **more: Any) -> Any:
    """Return np.diff; differences of what has no elements left are taken no further.

    Args:
        a: the array.
        n: how many times.
        axis: along which.
        ends: prepend and append, by place.
        more: the same by name.
    """
    return np.diff(a, min(n, _times(a, axis, *ends, *more.values())), axis, *ends, **more)


def diff_seconds(a: Any, n: int = 1, axis: int = -1, *ends: Any, **more: Any) -> float:
    """One pass over what is left each time."""
    ends = (*ends, *more.values())
    times = min(max(n, 0), _times(a, axis, *ends))
    elements = size_of(a) + sum(size_of(end) if shape_of(end) else max(size_of(a), 1) for end in ends)
    return times * (CALL_SECONDS + 8 * elements * PASS_SECONDS_PER_BYTE)


def _times(a: Any, axis: int, *ends: Any) -> int:
    # As often as takes all elements away, and once more for their dtype; a number at an end is one more in each line.
    lengths = [shape_of(part)[axis] for part in (a, *ends) if -len(shape_of(part)) <= axis < len(shape_of(part))]
    return sum(lengths) + len(ends) + 1


def round_(a: Any, decimals: int = 0) -> Any:
    """Return np.round.

    Args:
        a: the numbers.
        decimals: of which ``MOST_DECIMALS`` at most.

    Raises:
        ValueError: more decimals.
    """
    if abs(decimals) > MOST_DECIMALS:
        raise ValueError(f"decimals are between -{MOST_DECIMALS} and {MOST_DECIMALS}")
    return np.round(a, decimals)


def split_by(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return one of numpy's functions that split an array, for ``MOST_PARTS`` at most.

    Args:
        function: np.split or another.
    """

    def split(ary: Any, indices_or_sections: Any, *axis: Any, **more: Any) -> Any:
        if isinstance(indices_or_sections, int) and indices_or_sections > MOST_PARTS:
            raise ValueError(f"an array is split into at most {MOST_PARTS} parts")
        return function(ary, indices_or_sections, *axis, **more)

    split.__doc__ = function.__doc__
    return split


def split_seconds(ary: Any, indices_or_sections: Any, *_: Any, **__: Any) -> float:
    """One view a part, and a copy of all elements."""
    parts = indices_or_sections if isinstance(indices_or_sections, int) else len(indices_or_sections) + 1
    parts = min(max(parts, 1), MOST_PARTS)
    return parts * PART_SECONDS + size_of(ary) * itemsize_of(ary) * PASS_SECONDS_PER_BYTE


def diag_indices(n: int, ndim: int = 2) -> Any:
    """Return np.diag_indices.

    Args:
        n: the size of each axis.
        ndim: how many axes.

    Raises:
        ValueError: more than an array can have.
    """
    if ndim > MOST_DIMENSIONS:
        raise ValueError(f"an array has at most {MOST_DIMENSIONS} dimensions")
    return np.diag_indices(n, ndim)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return np.tensordot; more axes than an array has are refused before they are listed.

    Args:
        a: an array.
        b: another.
        axes: how many to sum over, or which.

    Raises:
        ValueError: more than an array can have, or any that doesn't fit.
    """
    if isinstance(axes, int) and axes > MOST_DIMENSIONS:
        raise ValueError("shape-mismatch for sum")
    return np.tensordot(a, b, axes)
