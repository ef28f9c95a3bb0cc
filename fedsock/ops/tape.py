"""What a gradient takes beside an op's results: what is kept for the way back, and what that makes.

The way back needs an op's inputs, some copies of them, and its slopes, which no bound of the op itself foresees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.ops.bounds import broadcast, count, shape_of, size_of
from fedsock.ops.registry import Bound, Row

COPIES = 6
"""Arrays of the size of inputs and results that a gradient makes for an op at most, where nothing else is said."""

ITEM = 8
"""Bytes of an element, or of a position."""

FAILS_BY_VALUE = frozenset({"linalg.det", "linalg.slogdet"})
"""Ops that never fail, though their gradients do for what a matrix holds (it is singular)."""


def tape_bytes(row: Row, bound: Bound, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Return how many bytes a gradient takes for one op on its path, at most.

    Args:
        row: the op.
        bound: of its results.
        args: checked arguments.
        kwargs: checked arguments by name.
    """
    same = COPIES * (bound.nbytes + sum(map(_held, (*args, *kwargs.values()))))
    more = _MORE.get(row.name)
    return same if more is None else same + more(same, *args, **kwargs)


def _held(value: Any) -> int:
    if isinstance(value, (list, tuple)):
        return sum(map(_held, value))
    return value.nbytes if isinstance(value, (np.ndarray, np.generic)) else ITEM


def _stacked(left: int, right: int) -> Callable[..., int]:
    """Return the bytes of both operands, broadcast to each other's stacks.

    Args:
        left: axes of the first that aren't of a stack.
        right: of the second.
    """

    def more(same: int, x1: Any, x2: Any, *_: Any, **__: Any) -> int:
        first, second = shape_of(x1), shape_of(x2)
        inner = count(first[-left:]) + count(second[-right:])
        return COPIES * ITEM * count(broadcast(first[:-left], second[:-right])) * inner

    return more


def _vectors(same: int, x1: Any, x2: Any, axis: int = -1, **_: Any) -> int:
    first, second = shape_of(x1), shape_of(x2)
    longest = max((*first, *second), default=1)
    return 2 * ITEM * count(broadcast(first[:-1], second[:-1])) * longest


def _windows(same: int, a: Any, v: Any, *_: Any, **__: Any) -> int:
    n, k = size_of(a), size_of(v)
    return COPIES * ITEM * (n + k) * min(n, k)


def _horner(same: int, p: Any, x: Any) -> int:
    return COPIES * ITEM * size_of(p) * size_of(x)


def _doublings(same: int, a: Any, *_: Any, **__: Any) -> int:
    return 2 * same * max(size_of(a), 1).bit_length()


def _powers(same: int, a: Any, n: int) -> int:
    return 2 * same * (abs(n) + 1).bit_length()


def _repeated(same: int, a: Any, n: int = 1, *_: Any, **__: Any) -> int:
    return same * max(n, 0)


def _spaces(same: int, a: Any, *_: Any, **__: Any) -> int:
    """The projections on what a matrix doesn't reach: as large as its larger side, squared."""
    shape = shape_of(a)
    return COPIES * ITEM * count(shape[:-2]) * max(shape[-2:], default=1) ** 2


def _norms(same: int, x: Any, ord: Any = None, axis: Any = None, *_: Any, **__: Any) -> int:
    shape = shape_of(x)
    if ord not in (2, -2, "nuc") or isinstance(axis, int) or len(shape) < 2:
        return 0
    chosen = range(len(shape))[-2:] if axis is None else axis
    sides = [shape[k] for k in chosen if -len(shape) <= k < len(shape)]
    return COPIES * ITEM * count(shape) * max(sides, default=1) ** 2


_MORE: Mapping[str, Callable[..., int]] = MappingProxyType(
    {
        **dict.fromkeys(("matmul", "linalg.matmul", "imatmul", "linalg.solve"), _stacked(2, 2)),
        "matvec": _stacked(2, 1), "vecmat": _stacked(1, 2), "vecdot": _vectors, "linalg.vecdot": _vectors,
        "convolve": _windows, "correlate": _windows, "polyval": _horner,
        **dict.fromkeys(("cumprod", "nancumprod", "cumulative_prod"), _doublings),
        **{
            f"{name}.accumulate": _doublings
            for name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2")
        },
        "linalg.matrix_power": _powers, "diff": _repeated,
        **dict.fromkeys(("linalg.svd", "linalg.svdvals", "linalg.pinv", "linalg.cond"), _spaces),
        "linalg.norm": _norms, "linalg.matrix_norm": _norms,
    }
)  # fmt: skip
"""Ops whose gradients take more: (the bytes of the common case, the op's arguments) -> bytes beside those."""
