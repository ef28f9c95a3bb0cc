"""Arrays as sets: unique values and how they occur, membership, union, intersection, difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops.bounds import itemsize_of, shape_of, size_of
from fedsock.ops.linalg import blank, named
from fedsock.ops.registry import Bound, Row, Shapes, Template, argument
from fedsock.ops.rows import numpy_row
from fedsock.ops.sorting import sort_seconds

_INDEX = 8


# --- results ------------------------------------------------------------------------------------------------

_EMPTY = np.empty(0)
_ALL = blank(np.unique_all(_EMPTY))
_COUNTS = blank(np.unique_counts(_EMPTY))
_INVERSE = blank(np.unique_inverse(_EMPTY))


def _unique_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    flags = ("return_index", "return_inverse", "return_counts")
    extra = sum(bool(argument(args, kwargs, place, name, False)) for place, name in enumerate(flags, 1))
    return (None,) * (1 + extra) if extra else None


def _intersect_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None, None, None) if argument(args, kwargs, 3, "return_indices", False) else None


# --- bounds and costs ---------------------------------------------------------------------------------------


def _unique(ar: Any, *_: Any, **__: Any) -> Bound:
    # Rows without elements are counted too.
    return Bound(tuple(max(size, 1) for size in shape_of(ar)), itemsize_of(ar) + 3 * _INDEX)


def _together(ar1: Any, ar2: Any, *_: Any, **__: Any) -> Bound:
    return Bound((size_of(ar1) + size_of(ar2),), itemsize_of(ar1, ar2) + 2 * _INDEX)


def _membership(element: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(element), 1)


def _pair_seconds(ar1: Any, ar2: Any, *_: Any, **__: Any) -> float:
    return 2e-5 + 2 * (sort_seconds(ar1) + sort_seconds(ar2))


# --- rows ---------------------------------------------------------------------------------------------------


def _row(
    name: str, text: str, bound: Callable[..., Bound], cost: Callable[..., float] = sort_seconds, **more: Any
) -> Row:
    return numpy_row(np, "sets", name, text, bound, cost, **more)


_PAIR = "ar1:array ar2:array assume_unique:bool=False"

ROWS: tuple[Row, ...] = (
    _row(
        "unique",
        "ar:array return_index:bool=False return_inverse:bool=False return_counts:bool=False "
        "axis:axis=None * equal_nan:bool=True sorted:bool=True",
        _unique,
        results=_unique_results,
    ),
    _row("unique_all", "x:array /", _unique, results=named(_ALL)),
    _row("unique_counts", "x:array /", _unique, results=named(_COUNTS)),
    _row("unique_inverse", "x:array /", _unique, results=named(_INVERSE)),
    _row("unique_values", "x:array /", _unique),
    _row(
        "isin",
        "element:array test_elements:array assume_unique:bool=False invert:bool=False * kind:none|sort=None",
        _membership,
        _pair_seconds,
        value_dependent=False,
    ),
    _row(
        "intersect1d",
        f"{_PAIR} return_indices:bool=False",
        _together,
        _pair_seconds,
        results=_intersect_results,
    ),
    _row("union1d", "ar1:array ar2:array", _together, _pair_seconds),
    _row("setdiff1d", _PAIR, _together, _pair_seconds),
    _row("setxor1d", _PAIR, _together, _pair_seconds),
)
