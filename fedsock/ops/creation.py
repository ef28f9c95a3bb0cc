"""Ops that make arrays: of constants, ranges, other arrays. Nothing is uninitialised: empty gives zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops import bounds, limits
from fedsock.ops.bounds import WIDE, broadcast_of, count, itemsize_of, shape_of, size_of
from fedsock.ops.quiet import quiet
from fedsock.ops.registry import Bound, Row, Shapes, Template, argument
from fedsock.ops.schema import signature

FAMILY = "creation"


def extent(shape: Any) -> tuple[int, ...]:
    """Return a shape argument as a tuple; sizes that numpy refuses count as nothing.

    Args:
        shape: an int or a tuple of ints.
    """
    sizes = shape if isinstance(shape, tuple) else (shape,)
    return tuple(max(size, 0) for size in sizes)


def _wide(dtype: Any, least: int = 8) -> int:
    return least if dtype is None else max(dtype.itemsize, 4)


def _constant(shape: Any, dtype: Any = None, order: str = "C") -> Bound:
    return Bound(extent(shape), _wide(dtype))


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Bound:
    return Bound(extent(shape), _text_or(dtype, itemsize_of(fill_value)))


def _text_or(dtype: Any, itemsize: int) -> int:
    """Return bytes of an element of dtype, where a str of no length takes what its text needs."""
    if dtype is None:
        return itemsize
    return max(dtype.itemsize, bounds.TEXT_OF_NUMBER, itemsize) if dtype.kind == "U" else int(dtype.itemsize)


def _like(a: Any, dtype: Any = None, *_: Any, shape: Any = None, **__: Any) -> Bound:
    return Bound(shape_of(a) if shape is None else extent(shape), _text_or(dtype, max(itemsize_of(a), 4)))


def _full_like(a: Any, fill_value: Any, dtype: Any = None, *_: Any, shape: Any = None, **__: Any) -> Bound:
    return _like(a, dtype, shape=shape)


def _length(start: Any, stop: Any, step: Any) -> int:
    """Return how many steps lie between two numbers or dates, and one for rounding."""
    span = stop - start
    dates = [part for part in (span, step) if isinstance(part, np.timedelta64)]
    if dates:
        # Integers count units of the date they stand beside.
        span, step = (
            np.asarray(part).astype(dates[0].dtype)[()] if part not in dates else part for part in (span, step)
        )
    if isinstance(span, int) and isinstance(step, int):
        return max(-(-span // step), 0) + 1
    whole: int = math.ceil(span / step)
    return max(whole, 0) + 1


def _arange(start_or_stop: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None) -> Bound:
    ends = (0, start_or_stop) if stop is None else (start_or_stop, stop)
    parts = [np.asarray(part)[()] for part in (*ends, step)]
    # Python's integers don't overflow.
    exact = [part.item() if part.dtype.kind in "biufc" else part for part in parts]
    try:
        with np.errstate(all="ignore"):
            length = _length(*exact)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        # What has no length is refused by numpy too.
        length = 0
    return Bound((length,), max(8, _wide(dtype), itemsize_of(*ends)))


def _number_or_text(*options: Any) -> int:
    """Return bytes of an element of any number, or of the text that a dtype among some options asks for."""
    texts = [_text_or(option, WIDE) for option in options if isinstance(option, np.dtype) and option.kind == "U"]
    return max([WIDE, *texts])


def _spaced(start: Any, stop: Any, num: int = 50, *rest: Any, **options: Any) -> Bound:
    shape = broadcast_of(start, stop, options.get("base"))
    return Bound((max(num, 0), *(max(size, 1) for size in shape)), _number_or_text(*rest, *options.values()))


def _linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, *rest: Any, **options: Any
) -> Bound:
    elements = max(count(broadcast_of(start, stop)), 1)
    steps = elements if retstep else 0
    return Bound((max(num, 0) * elements + steps,), _number_or_text(*rest, *options.values()))


def _linspace_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None, None) if argument(args, kwargs, 4, "retstep", False) is True else None


def _eye(N: int, M: Any = None, k: int = 0, dtype: Any = None, order: str = "C") -> Bound:
    # A side of nothing doesn't spare numpy the other one.
    return Bound((max(N, 1), max(N if M is None else M, 1)), _wide(dtype))


def _identity(n: int, dtype: Any = None) -> Bound:
    return _eye(n, dtype=dtype)


def _triangle(m: Any, k: int = 0) -> Bound:
    shape = shape_of(m)
    return Bound((*shape, *shape[:1]) if len(shape) == 1 else shape, itemsize_of(m))


def _vander(x: Any, N: Any = None, increasing: bool = False) -> Bound:
    n = size_of(x)
    return Bound((n, n if N is None else max(N, 0)), WIDE)


def _diagonal(v: Any, k: int = 0) -> Bound:
    side = size_of(v) + abs(k)
    return Bound((side, side), itemsize_of(v)) if len(shape_of(v)) < 2 else Bound(shape_of(v), itemsize_of(v))


def _diagflat(v: Any, k: int = 0) -> Bound:
    side = size_of(v) + abs(k)
    return Bound((side, side), itemsize_of(v))


def _indices(dimensions: tuple[int, ...], dtype: Any = None, sparse: bool = False) -> Bound:
    sizes = extent(dimensions)
    return Bound((sum(sizes),) if sparse else (len(sizes), *sizes), _wide(dtype))


def _indices_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    sparse = argument(args, kwargs, 2, "sparse", False) is True
    return (None,) * len(argument(args, kwargs, 0, "dimensions", ())) if sparse else None


def _meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy", copy: bool = True) -> Bound:
    sizes = [size_of(x) for x in xi]
    widest = max((itemsize_of(x) for x in xi), default=0)
    return Bound((sum(sizes),), widest) if sparse else Bound(tuple(sizes), widest, len(xi))


def _meshgrid_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * len(args)


def _triangle_indices(n: int, k: int = 0, m: Any = None) -> Bound:
    return Bound((max(n, 1), max(n if m is None else m, 1)), 8, 2)


def _diagonal_indices(n: int, ndim: int = 2) -> Bound:
    return Bound(extent((n,)), 8, max(ndim, 0))


def _diagonal_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None,) * argument(args, kwargs, 1, "ndim", 2)


def _window(M: int, *_: Any) -> Bound:
    return Bound(extent(M), 8)


def array(a: Any, dtype: Any = None, *, ndmin: int = 0, order: str = "K", copy: Any = None) -> Any:
    """Return an array of its own memory; ``copy`` is taken for numpy's sake and changes nothing here.

    Args:
        a: an array-like.
        dtype: the dtype, or None.
        ndmin: at least so many dimensions.
        order: "C", "F", "K" or "A", how it lies in memory.
        copy: True, False or None.
    """
    return np.array(a, dtype=dtype, ndmin=ndmin, order=order)  # type: ignore[call-overload]


def _array_bound(a: Any, dtype: Any = None, **_: Any) -> Bound:
    return Bound(shape_of(a), _text_or(dtype, itemsize_of(a)))


def _empty(shape: Any, dtype: Any = None, order: str = "C") -> Any:
    return np.zeros(shape, dtype, order)  # type: ignore[call-overload]


def _row(name: str, parameters: str, bound: Callable[..., Bound], **more: Any) -> Row:
    function = getattr(np, name)
    settings = {"function": function, "value_dependent": False, "numpy": (function,)} | more
    return Row(name=name, family=FAMILY, parameters=signature(parameters), bound=bound, **settings)


_SHAPE = "shape:shape dtype:dtype?=None order:order=C"
_LIKE = "dtype:dtype?=None order:C|F|A|K=K * shape:none|int|ints=None"

ROWS: tuple[Row, ...] = (
    _row("zeros", _SHAPE, _constant),
    _row("ones", _SHAPE, _constant),
    _row("empty", _SHAPE, _constant, function=_empty, summary="An array of zeros (never of freed memory)."),
    _row("full", "shape:shape fill_value:array dtype:dtype?=None order:order=C", _full, function=quiet(np.full)),
    _row("zeros_like", f"a:array {_LIKE}", _like),
    _row("ones_like", f"a:array {_LIKE}", _like),
    _row(
        "empty_like",
        f"a:array / {_LIKE}",
        _like,
        function=np.zeros_like,
        summary="An array of zeros like another (never of freed memory).",
    ),
    _row("full_like", f"a:array fill_value:array {_LIKE}", _full_like, function=quiet(np.full_like)),
    # How long a range is, and whether logarithms exist, depends on values.
    _row(
        "arange",
        "start_or_stop:number / stop:none|number=None step:number=1 * dtype:dtype?=None",
        _arange,
        value_dependent=True,
    ),
    _row(
        "linspace",
        "start:array stop:array num:int=50 endpoint:bool=True retstep:bool=False dtype:dtype?=None axis:int=0",
        _linspace,
        function=quiet(np.linspace),
        results=_linspace_results,
    ),
    _row(
        "logspace",
        "start:array stop:array num:int=50 endpoint:bool=True * base:array=10.0 dtype:dtype?=None axis:int=0",
        _spaced,
        function=quiet(np.logspace),
    ),
    _row(
        "geomspace",
        "start:array stop:array num:int=50 endpoint:bool=True dtype:dtype?=None axis:int=0",
        _spaced,
        function=quiet(np.geomspace),
        value_dependent=True,
    ),
    _row("eye", "N:int M:none|int=None k:int=0 dtype:dtype=float64 order:order=C", _eye),
    _row("identity", "n:int dtype:dtype?=None", _identity),
    _row("tri", "N:int M:none|int=None k:int=0 dtype:dtype=float64", _eye),
    _row("tril", "m:array k:int=0", _triangle),
    _row("triu", "m:array k:int=0", _triangle),
    _row("vander", "x:array N:none|int=None increasing:bool=False", _vander),
    _row("diag", "v:array k:int=0", _diagonal),
    _row("diagflat", "v:array k:int=0", _diagflat),
    _row("indices", "dimensions:ints dtype:dtype=int64 sparse:bool=False", _indices, results=_indices_results),
    _row("tril_indices", "n:int k:int=0 m:none|int=None", _triangle_indices, results=2),
    _row("triu_indices", "n:int k:int=0 m:none|int=None", _triangle_indices, results=2),
    _row(
        "diag_indices", "n:int ndim:int=2", _diagonal_indices, function=limits.diag_indices, results=_diagonal_results
    ),
    _row(
        "meshgrid",
        "*xi:array copy:bool=True sparse:bool=False indexing:xy|ij=xy",
        _meshgrid,
        results=_meshgrid_results,
    ),
    _row(
        "array",
        "a:array / dtype:dtype?=None * ndmin:int=0 order:C|F|A|K=K copy:none|bool=True",
        _array_bound,
        function=quiet(array),
    ),
    _row(
        "asarray",
        "a:array dtype:dtype?=None * order:none|C|F|A|K=None copy:none|bool=None",
        _array_bound,
        function=quiet(array),
    ),
    _row("copy", "a:array order:C|F|A|K=K", bounds.like),
    *(_row(name, "M:int", _window) for name in ("bartlett", "blackman", "hamming", "hanning")),
    _row("kaiser", "M:int beta:real", _window),
)
