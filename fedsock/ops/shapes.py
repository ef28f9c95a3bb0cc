"""Ops that move elements about: shapes, axes, joining, splitting, repeating, padding, inserting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError
from fedsock.ops import bounds, limits
from fedsock.ops.bounds import broadcast_of, count, itemsize_of, like, reduced, shape_of, size_of
from fedsock.ops.creation import extent
from fedsock.ops.quiet import quiet
from fedsock.ops.registry import Bound, Row, Shapes, Template, argument, own
from fedsock.ops.schema import integer, integers, signature

FAMILY = "shapes"

# --- bounds -------------------------------------------------------------------------------------------------


def _broadcast_to(array: Any, shape: Any) -> Bound:
    return Bound(extent(shape), itemsize_of(array))


def _broadcast_arrays(*args: Any) -> Bound:
    return Bound(broadcast_of(*args), max(map(itemsize_of, args), default=0), len(args))


def _each(*arrays: Any) -> Bound:
    return Bound((sum(map(size_of, arrays)),), max(map(itemsize_of, arrays), default=0))


def _leaves(blocks: Any) -> list[Any]:
    if isinstance(blocks, list):
        return [leaf for block in blocks for leaf in _leaves(block)]
    return [blocks]


def _joined(arrays: Any, *_: Any, dtype: Any = None, **__: Any) -> Bound:
    parts = [arrays] if isinstance(arrays, np.ndarray) else arrays
    size = sum(map(size_of, parts))
    if dtype is None:
        return Bound((size,), itemsize_of(*parts))
    return Bound((size,), max(dtype.itemsize, bounds.TEXT_OF_NUMBER if dtype.kind == "U" else 0, _text(parts)))


def _text(parts: Any) -> int:
    return max((itemsize_of(part) for part in parts), default=0)


def _block(arrays: Any) -> Bound:
    parts = _leaves(arrays)
    return Bound((sum(map(size_of, parts)),), itemsize_of(*parts) if parts else 8)


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Bound:
    counts = extent(repeats)
    if len(counts) == 1:
        return Bound((*shape_of(a), *counts), itemsize_of(a))
    rest = reduced(shape_of(a), axis)
    return Bound((*rest, sum(counts)), itemsize_of(a))


def _pad(array: Any, pad_width: Any, *_: Any, **__: Any) -> Bound:
    shape = shape_of(array)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (len(shape), 2)).tolist()
    except ValueError:
        # numpy refuses it too.
        return Bound(shape, itemsize_of(array))
    sizes = (size + max(before, 0) + max(after, 0) for size, (before, after) in zip(shape, widths, strict=True))
    return Bound(tuple(sizes), itemsize_of(array))


def _insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Bound:
    shape = shape_of(arr)
    if axis is None:
        rest, length = 1, size_of(arr)
    else:
        rest = count(reduced(shape, axis))
        length = max(shape, default=1)
    places = length if isinstance(obj, slice) else size_of(obj)
    added = max(places, size_of(values), 1)
    return Bound((rest, length + added), itemsize_of(arr))


def _append(arr: Any, values: Any, axis: Any = None) -> Bound:
    return Bound((size_of(arr) + size_of(values),), itemsize_of(arr, values))


def _resize(a: Any, new_shape: Any) -> Bound:
    return Bound(extent(new_shape), itemsize_of(a))


def _cut(ary: Any, indices_or_sections: Any, axis: int = 0) -> Bound:
    shape = shape_of(ary)
    if isinstance(indices_or_sections, int) or not -len(shape) <= axis < len(shape):
        pieces = indices_or_sections if isinstance(indices_or_sections, int) else 0
        return Bound((size_of(ary) * itemsize_of(ary) + min(max(pieces, 0), limits.MOST_PARTS) * limits.PART_BYTES,), 1)
    # Indices may go back and forth, and each part is a slice of its own.
    ends = (0, *indices_or_sections, None)
    parts = (slice(start, stop).indices(shape[axis]) for start, stop in pairwise(ends))
    length = sum(len(range(*part)) for part in parts)
    return Bound((*reduced(shape, axis), length), itemsize_of(ary))


def _cut_columns(ary: Any, indices_or_sections: Any) -> Bound:
    return _cut(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)


def _cut_depth(ary: Any, indices_or_sections: Any) -> Bound:
    return _cut(ary, indices_or_sections, 2)


# --- results ------------------------------------------------------------------------------------------------


def _as_many(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * len(args)


def _one_or_as_many(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return None if len(args) == 1 else (None,) * len(args)


def _parts(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    sections = argument(args, kwargs, 1, "indices_or_sections", None)
    if isinstance(sections, (list, tuple, np.ndarray)):
        return [None] * (len(integers(sections)) + 1)
    try:
        # One result at least, for the worker's error to stand in.
        return [None] * max(integer(sections), 1)
    except OpTypeError:
        raise OpTypeError("indices_or_sections must be known here: an integer or a list of integers") from None


def _slices(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    shape, axis = shape_of(args[0]), integer(kwargs.get("axis", 0))
    return (None,) * shape[axis] if -len(shape) <= axis < len(shape) else (None,)


# --- functions ----------------------------------------------------------------------------------------------


def _reshape(a: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    return np.reshape(a, shape, order)  # type: ignore[call-overload]


def _pad_quietly(array: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    # numpy's "empty" shows freed memory.
    return _SILENT_PAD(array, pad_width, "constant" if mode == "empty" else mode, **options)


_SILENT_PAD = quiet(np.pad)


def _row(name: str, parameters: str, bound: Callable[..., Bound] = like, **more: Any) -> Row:
    function = getattr(np, name)
    settings = {"function": function, "value_dependent": False, "numpy": (function,)} | more
    return Row(name=name, family=FAMILY, parameters=signature(parameters), bound=bound, **settings)


_CUT = "ary:array indices_or_sections:int|ints"
_PAD_MODES = "constant|edge|linear_ramp|maximum|mean|median|minimum|reflect|symmetric|wrap|empty"


def _rearranged() -> list[Row]:
    return [
        _row("reshape", "a:array / shape:shape order:order=C * copy:none|bool=None", function=_reshape),
        _row("ravel", "a:array order:C|F|A|K=C", method="ravel"),
        _row("transpose", "a:array axes:none|ints=None", numpy=(np.transpose, np.permute_dims)),
        _row("matrix_transpose", "x:array /"),
        _row("swapaxes", "a:array axis1:int axis2:int", method="swapaxes"),
        _row("moveaxis", "a:array source:shape destination:shape"),
        _row("rollaxis", "a:array axis:int start:int=0"),
        _row("squeeze", "a:array axis:axes=None", function=own(np.squeeze), method="squeeze"),
        _row("expand_dims", "a:array axis:shape"),
        _row("roll", "a:array shift:shape axis:axes=None"),
        _row("rot90", "m:array k:int=1 axes:ints=(0,1)"),
        _row("flip", "m:array axis:axes=None"),
        _row("fliplr", "m:array"),
        _row("flipud", "m:array"),
        *(
            _row(name, "*arys:array", _each, function=own(getattr(np, name)), results=_one_or_as_many)
            for name in ("atleast_1d", "atleast_2d", "atleast_3d")
        ),
        _row(
            "trim_zeros",
            "filt:array trim:f|b|fb|bf=fb * axis:axes=None",
            function=own(np.trim_zeros),
            value_dependent=True,
        ),
    ]


def _joining() -> list[Row]:
    return [
        _row(
            "concatenate",
            "arrays:arrays / axis:axis=0 * dtype:dtype?=None",
            _joined,
            numpy=(np.concatenate, np.concat),
            function=quiet(np.concatenate),
        ),
        _row("stack", "arrays:arrays axis:int=0 * dtype:dtype?=None", _joined),
        _row("vstack", "tup:arrays * dtype:dtype?=None", _joined),
        _row("hstack", "tup:arrays * dtype:dtype?=None", _joined),
        _row("dstack", "tup:arrays", _joined),
        _row("column_stack", "tup:arrays", _joined),
        _row("block", "arrays:blocks", _block),
        _row("append", "arr:array values:array axis:axis=None", _append),
    ]


def _splitting() -> list[Row]:
    return [
        *(
            _row(
                name,
                text,
                bound,
                results=_parts,
                cost=limits.split_seconds,
                function=limits.split_by(getattr(np, name)),
            )
            for name, text, bound in (
                ("split", f"{_CUT} axis:int=0", _cut),
                ("array_split", f"{_CUT} axis:int=0", _cut),
                ("hsplit", _CUT, _cut_columns),
                ("vsplit", _CUT, _cut),
                ("dsplit", _CUT, _cut_depth),
            )
        ),
        _row("unstack", "x:array / * axis:int=0", results=_slices),
    ]


def _enlarging() -> list[Row]:
    return [
        _row("broadcast_to", "array:array shape:shape", _broadcast_to),
        _row(
            "broadcast_arrays",
            "*args:array",
            _broadcast_arrays,
            function=own(np.broadcast_arrays),
            results=_as_many,
        ),
        _row("tile", "A:array reps:shape", limits.tile_bound, function=limits.tile),
        _row("repeat", "a:array repeats:shape axis:axis=None", _repeat, method="repeat"),
        _row(
            "pad",
            f"array:array pad_width:nested mode:{_PAD_MODES}=constant * stat_length:none|nested=None "
            "constant_values:deciding=0 end_values:deciding=0 reflect_type:even|odd=even",
            _pad,
            function=_pad_quietly,
        ),
        _row("resize", "a:array new_shape:shape", _resize, function=own(limits.resize)),
        _row("delete", "arr:array obj:index axis:axis=None"),
        _row("insert", "arr:array obj:index values:array axis:axis=None", _insert),
    ]


ROWS: tuple[Row, ...] = (*_rearranged(), *_joining(), *_splitting(), *_enlarging())
