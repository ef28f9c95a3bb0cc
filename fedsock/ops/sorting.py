"""Order and selection: sorting, searching, picking by index or condition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.bounds import WIDE, broadcast, broadcast_of, itemsize_of, like, parts_of, shape_of, size_of
from fedsock.ops.registry import Bound, Row, Shapes, Template
from fedsock.ops.rows import numpy_row

_INDEX = 8
"""Bytes of an intp."""

_SECONDS_PER_STEP = 5e-9
"""One element in one of the log2(n) passes of a sort."""


def _wrapped(indices: Any, count: int) -> Any:
    """Return indices modulo count, where they are integers; numpy subtracts count again and again, for years."""
    array = np.asarray(indices)
    too_large = isinstance(indices, int) and array.dtype == np.uint64  # as numpy says of a number, not of an array
    if count and array.dtype.kind in "iu" and not too_large:
        return array.astype(np.intp) % count
    return indices


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Return the elements of a at indices.

    Args:
        a: an array.
        indices: integers.
        axis: along which, or None for the flat array.
        mode: what happens to indices out of range: "raise", "wrap" or "clip".

    Raises:
        IndexError: an index out of range.
        AxisError: a has no such axis.
        TypeError, ValueError: indices aren't integers; another mode.
    """
    if mode == "wrap":
        shape = shape_of(a)
        sizes = {-1 - i: size for i, size in enumerate(reversed(shape))} | dict(enumerate(shape))
        count = math.prod(shape) if axis is None else sizes.get(axis, 1)
        if not count:
            # Adding nothing brings no index into range, and numpy adds it for ever.
            return np.take(a, indices, axis, mode="clip")
        indices = _wrapped(indices, count)
    return np.take(a, indices, axis, mode=mode)  # type: ignore[call-overload]  # numpy names the modes


def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """Return elements of several arrays, each from the one that a says.

    Args:
        a: integers.
        choices: the arrays.
        mode: what happens to integers out of range: "raise", "wrap" or "clip".

    Raises:
        ValueError: an integer out of range, shapes that don't broadcast, another mode.
        TypeError: a holds no integers.
    """
    if mode == "wrap" and np.asarray(a).dtype != np.uint64:  # which numpy refuses here
        a = _wrapped(a, len(choices))
    return np.choose(a, choices, mode=mode)  # type: ignore[call-overload]


def sort_seconds(a: Any, *_: Any, **__: Any) -> float:
    """Return how many seconds sorting takes: n log n steps.

    Args:
        a: what is sorted.
    """
    count = size_of(a)
    return 5e-6 + count * count.bit_length() * _SECONDS_PER_STEP


def _indices(a: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(a), _INDEX)


def _complex(a: Any) -> Bound:
    return Bound(shape_of(a), WIDE)


def _lexsort_seconds(keys: Any, axis: Any = -1) -> float:
    return sum(map(sort_seconds, parts_of(keys)))


def _lexsort(keys: Any, axis: Any = -1) -> Bound:
    return Bound(broadcast_of(*parts_of(keys)), _INDEX)


def _searchsorted(a: Any, v: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(v), _INDEX)


def _coordinates(a: Any) -> Bound:
    """All elements may count, each with an index for every axis."""
    shape = shape_of(a)
    return Bound((max(len(shape), 1), math.prod(shape)), _INDEX)


def _take(a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Bound:
    shape, picked = shape_of(a), shape_of(indices)
    if isinstance(axis, int) and -len(shape) <= axis < len(shape):
        axis %= len(shape)
        return Bound((*shape[:axis], *picked, *shape[axis + 1 :]), itemsize_of(a))
    return Bound(picked, itemsize_of(a))


def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Bound:
    # The axes but one broadcast against arr's; the one has the indices' length.
    shape = broadcast(shape_of(arr), shape_of(indices)) if axis is not None else shape_of(indices)
    return Bound(shape, itemsize_of(arr))


def _compress(condition: Any, a: Any, axis: Any = None) -> Bound:
    return like(a)


def _extract(condition: Any, arr: Any) -> Bound:
    return like(arr)


def _choose(a: Any, choices: Any, mode: Any = "raise") -> Bound:
    parts = parts_of(choices)
    return Bound(broadcast_of(a, *parts), itemsize_of(*parts))


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Bound:
    parts = [*parts_of(choicelist), default]
    return Bound(broadcast_of(*parts_of(condlist), *parts), itemsize_of(*parts))


def _without_sorter(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> bool:
    """Whether no element can be out of range: how far a search gets in a sorter depends on all values."""
    return sorter is None


# --- results ------------------------------------------------------------------------------------------------


def _nonzero_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * len(shape_of(args[0] if args else kwargs["a"]))


# --- rows ---------------------------------------------------------------------------------------------------


_row = partial(numpy_row, np, "sorting")


_SORT = "a:array axis:axis=-1 kind:none|text=None * stable:none|bool=None"
_PARTITION = "a:array kth:shape axis:axis=-1 kind:text=introselect"

ROWS: tuple[Row, ...] = (
    _row("sort", _SORT, like, sort_seconds, value_dependent=False),
    _row("argsort", _SORT, _indices, sort_seconds, value_dependent=False, method="argsort"),
    _row("sort_complex", "a:array", _complex, sort_seconds, value_dependent=False),
    _row("partition", _PARTITION, like, sort_seconds, value_dependent=False),
    _row("argpartition", _PARTITION, _indices, sort_seconds, value_dependent=False, method="argpartition"),
    _row("lexsort", "keys:arrays axis:int=-1", _lexsort, _lexsort_seconds, value_dependent=False),
    _row(
        "searchsorted",
        "a:array v:array side:text=left sorter:none|array=None",
        _searchsorted,
        unless=_without_sorter,
        method="searchsorted",
    ),
    _row("nonzero", "a:array", _coordinates, results=_nonzero_results, method="nonzero"),
    _row("flatnonzero", "a:array", _coordinates),
    _row("argwhere", "a:array", _coordinates),
    _row("extract", "condition:deciding arr:array", _extract, value_dependent=False),
    _row("compress", "condition:deciding a:array axis:axis=None", _compress, value_dependent=False),
    _row(
        "take",
        "a:array indices:deciding axis:axis=None * mode:text=raise",
        _take,
        function=take,
        value_dependent=False,
        method="take",
    ),
    _row("take_along_axis", "arr:array indices:deciding axis:axis=-1", _take_along_axis, value_dependent=False),
    _row(
        "choose",
        "a:deciding choices:arrays * mode:text=raise",
        _choose,
        function=choose,
        value_dependent=False,
        method="choose",
    ),
    _row("select", "condlist:arrays choicelist:arrays default:array=0", _select, value_dependent=False),
)
