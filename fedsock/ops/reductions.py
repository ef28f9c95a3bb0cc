"""Ops that take axes together: sums, extremes, moments, truth, running totals and differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops import bounds, limits
from fedsock.ops.bounds import WIDE, broadcast, broadcast_of, itemsize_of, reduced, reduction, shape_of, size_of
from fedsock.ops.quiet import quiet, quiet_if_complex
from fedsock.ops.registry import Bound, Row, Shapes, Template, argument, own
from fedsock.ops.schema import signature

FAMILY = "reductions"


def _moment(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return mean, var or std without warnings: numpy warns of slices with no more elements than ddof."""
    silent = quiet(function)

    def moment(a: Any, axis: Any = None, dtype: Any = None, **options: Any) -> Any:
        shape = shape_of(a)
        left = size_of(a) and bounds.count(reduced(shape, axis))
        lost = options.get("ddof", 0) or options.get("correction", 0)
        plain = dtype is None and "where" not in options and left and bounds.count(shape) // left > lost
        return (function if plain else silent)(a, axis, dtype, **options)

    moment.__doc__ = function.__doc__
    return moment


def _deviation(a: Any, axis: Any = None, *rest: Any, mean: Any = 0, **options: Any) -> Bound:
    """Deviations from a mean that is given take its shape too."""
    shape = broadcast_of(a, mean)
    bound = reduction(a, axis, *rest, **options)
    return bound if shape == shape_of(a) else Bound(tuple(max(size, 1) for size in shape), bound.itemsize)


def _running(x: Any, *_: Any, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Bound:
    shape = shape_of(x)
    # With the initial value each line is one longer.
    lines = bounds.count(reduced(shape, axis)) if isinstance(axis, int) else 1
    size = bounds.count(shape) + (lines if include_initial else 0)
    return Bound((size,), max(WIDE, itemsize_of(x), getattr(dtype, "itemsize", 0)))


def _cumulated(a: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(a), max(WIDE, itemsize_of(a)))


def _extended(a: Any, n: Any = 1, axis: int = -1, *ends: Any, **more: Any) -> Bound:
    parts = [a, *ends, *(end for end in more.values() if isinstance(end, (np.ndarray, np.generic)))]
    scalars = sum(not shape_of(end) for end in (*ends, *more.values()))
    lines = bounds.count(reduced(shape_of(a), axis))
    return Bound((sum(map(size_of, parts)) + scalars * lines,), max(8, itemsize_of(*parts), WIDE))


def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Bound:
    return Bound((size_of(ary) + size_of(to_end) + size_of(to_begin),), max(8, itemsize_of(ary)))


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Bound:
    # The axis that goes leaves a zero even where it had no elements.
    shape = broadcast(shape_of(y), shape_of(x), shape_of(dx))
    return Bound(tuple(max(size, 1) for size in shape), WIDE)


def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Bound:
    return Bound(reduced(shape_of(a), axis), WIDE, 2 if returned else 1)


def _average_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return (None, None) if argument(args, kwargs, 3, "returned", False) is True else None


_AXES = "a:array axis:axes=None "
_KEEP = "* keepdims:bool=False "
_WHERE = "where:array=True "
_INITIAL = "initial:deciding=0 "
_DDOF = "ddof:real=0 mean:array=0 correction:real=0 "


def _row(name: str, parameters: str, bound: Any = reduction, **more: Any) -> Row:
    function = getattr(np, name)
    settings = {"function": function, "value_dependent": False, "numpy": (function,)} | more
    return Row(name=name, family=FAMILY, parameters=signature(parameters), bound=bound, **settings)


def _sums() -> list[Row]:
    text = _AXES + "dtype:dtype?=None " + _KEEP
    rows = [
        _row(name, text + _INITIAL + _WHERE, function=quiet_if_complex(getattr(np, name)), method=method)
        for name, method in (("sum", "sum"), ("prod", "prod"))
    ]
    rows += [_row(name, text + _INITIAL + _WHERE, function=quiet(getattr(np, name))) for name in ("nansum", "nanprod")]
    rows += [
        _row(
            name,
            text + (_WHERE if name == "mean" else _DDOF + _WHERE),
            reduction if name == "mean" else _deviation,
            function=_moment(getattr(np, name)),
            method=name,
        )
        for name in ("mean", "var", "std")
    ]
    rows += [
        _row(
            name,
            text + (_WHERE if name == "nanmean" else _DDOF + _WHERE),
            reduction if name == "nanmean" else _deviation,
            function=quiet(getattr(np, name)),
        )
        for name in ("nanmean", "nanvar", "nanstd")
    ]
    return rows


def _extremes() -> list[Row]:
    text = _AXES + _KEEP + _INITIAL + _WHERE
    return [
        _row("min", text, numpy=(np.min, np.amin), method="min"),
        _row("max", text, numpy=(np.max, np.amax), method="max"),
        _row("nanmin", text, function=quiet(np.nanmin)),
        _row("nanmax", text, function=quiet(np.nanmax)),
        _row("ptp", _AXES + _KEEP),
        _row("argmin", "a:array axis:axis=None " + _KEEP, method="argmin"),
        _row("argmax", "a:array axis:axis=None " + _KEEP, method="argmax"),
        # A slice of NaNs raises here.
        _row("nanargmin", "a:array axis:axis=None " + _KEEP, value_dependent=True),
        _row("nanargmax", "a:array axis:axis=None " + _KEEP, value_dependent=True),
        _row("all", _AXES + _KEEP + _WHERE, method="all"),
        _row("any", _AXES + _KEEP + _WHERE, method="any"),
        _row("count_nonzero", _AXES + _KEEP),
    ]


def _totals() -> list[Row]:
    text = "a:array axis:axis=None dtype:dtype?=None"
    rows = [
        _row(name, text, _cumulated, function=quiet_if_complex(getattr(np, name)), method=name)
        for name in ("cumsum", "cumprod")
    ]
    rows += [_row(name, text, _cumulated, function=quiet(getattr(np, name))) for name in ("nancumsum", "nancumprod")]
    standard = "x:array / * axis:axis=None dtype:dtype?=None include_initial:bool=False"
    rows += [
        _row(name, standard, _running, function=quiet(getattr(np, name)))
        for name in ("cumulative_sum", "cumulative_prod")
    ]
    return rows


ROWS: tuple[Row, ...] = (
    *_sums(),
    *_extremes(),
    *_totals(),
    _row(
        "diff",
        "a:array n:int=1 axis:int=-1 prepend:array=() append:array=()",
        _extended,
        function=own(limits.diff),
        cost=limits.diff_seconds,
    ),
    _row("ediff1d", "ary:array to_end:none|array=None to_begin:none|array=None", _ediff1d),
    _row("trapezoid", "y:array x:none|array=None dx:array=1.0 axis:int=-1", _trapezoid),
    # Weights that sum to zero raise.
    _row(
        "average",
        "a:array axis:axes=None weights:none|deciding=None returned:bool=False * keepdims:bool=False",
        _average,
        function=quiet(np.average),
        results=_average_results,
    ),
)
