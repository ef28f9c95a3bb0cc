"""Positions in arrays: flat and by axis, of diagonals and triangles, and open meshes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.bounds import broadcast_of, itemsize_of, parts_of, shape_of, size_of
from fedsock.ops.registry import Bound, Shapes, Template, argument
from fedsock.ops.rows import numpy_row
from fedsock.ops.schema import Kind, array_like

_INDEX = 8
"""Bytes of an intp."""


def _axis_positions(value: Any) -> Any:
    """Return an array-like; an empty list holds no indices, not no floats."""
    made = array_like(value)
    return made.astype(np.intp) if isinstance(value, (list, tuple)) and not made.size else made


def _unravelled_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    shape = argument(args, kwargs, 1, "shape", ())
    return (None,) * (len(shape) if isinstance(shape, (tuple, list)) else 1)


def _mesh_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * len(args)


def _diagonal_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * len(shape_of(argument(args, kwargs, 0, "arr", None)))


def _unravelled(indices: Any, shape: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(indices), _INDEX, len(shape) if isinstance(shape, tuple) else 1)


def _ravelled(multi_index: Any, *_: Any, **__: Any) -> Bound:
    return Bound(broadcast_of(*parts_of(multi_index)), _INDEX)


def _mesh(*args: Any) -> Bound:
    return Bound((max(map(size_of, args), default=0),), max(_INDEX, itemsize_of(*args)), len(args))


def _triangle(arr: Any, k: int = 0) -> Bound:
    return Bound(shape_of(arr), _INDEX, 2)


def _diagonal(arr: Any) -> Bound:
    shape = shape_of(arr)
    return Bound(shape[:1], _INDEX, len(shape))


_row = partial(numpy_row, np, "positions")

ROWS = (
    _row("unravel_index", "indices:deciding shape:shape order:order=C", _unravelled, results=_unravelled_results),
    _row("ravel_multi_index", "multi_index:arrays dims:shape mode:text=raise order:order=C", _ravelled),
    _row("ix_", "*args:deciding", _mesh, results=_mesh_results, kinds={"args": Kind("an array", _axis_positions)}),
    _row("diag_indices_from", "arr:array", _diagonal, results=_diagonal_results, value_dependent=False),
    _row("tril_indices_from", "arr:array k:int=0", _triangle, results=2, value_dependent=False),
    _row("triu_indices_from", "arr:array k:int=0", _triangle, results=2, value_dependent=False),
)
