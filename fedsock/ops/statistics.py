"""Statistics: quantiles, histograms, covariance, correlation, convolution, interpolation, gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.bounds import WIDE, itemsize_of, shape_of, size_of
from fedsock.ops.quiet import quiet
from fedsock.ops.registry import Bound, Row, Shapes, Template
from fedsock.ops.rows import numpy_row
from fedsock.ops.schema import Kind, array_like
from fedsock.ops.sorting import sort_seconds

BIN_LIMIT = 1 << 20
"""Bins that values alone may ask for (bincount's maximum, an estimator's width): 8 MiB of counts; a caller
who asks for more himself (minlength, a number of bins) gets them."""

# --- functions that differ from numpy's by a check ----------------------------------------------------------


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each integer occurs in x, or the sum of its weights.

    Args:
        x: (n,) integers of 0 or more.
        weights: (n,) numbers, or None.
        minlength: bins to give at least.

    Raises:
        ValueError: x is negative, not flat, or larger than BIN_LIMIT and minlength.
        TypeError: x holds no integers.
    """
    largest = max(int(minlength), BIN_LIMIT)
    if x.ndim == 1 and x.size and x.dtype.kind in "iu" and int(x.max()) >= largest:
        raise ValueError(f"more than {largest} bins; give minlength to say that so many are meant")
    return np.bincount(x, weights, minlength)


def _narrowest(values: Any, estimator: str) -> float:
    """Return a width that the estimator's bins don't go below; 0 where it gives a single bin."""
    n = values.size
    if estimator == "fd":
        return float(2.0 * np.subtract(*np.percentile(values, [75, 25])) * n ** (-1 / 3))
    if estimator == "scott":
        return float((24.0 * math.pi**0.5 / n) ** (1 / 3) * np.std(values))
    # All others divide the spread by no more than this.
    return float(np.ptp(values.astype(float))) / (100 + 2 * math.sqrt(n))


def _check_estimate(a: Any, bins: Any, span: Any) -> None:
    """Refuse an estimator that would make too many bins; what numpy refuses itself is left to it.

    Raises:
        ValueError: more than BIN_LIMIT bins.
    """
    if not isinstance(bins, str) or a.dtype.kind not in "biuf":
        return
    values = a.ravel().astype(np.uint8) if a.dtype.kind == "b" else a.ravel()
    if span is not None:
        values = values[(values >= span[0]) & (values <= span[1])]
    if not values.size or not np.isfinite(values).all():
        return
    low, high = (values.min(), values.max()) if span is None else span
    spread = float(high) - float(low) or 1.0
    if not math.isfinite(spread):
        return
    width = _narrowest(values, bins)
    if values.dtype.kind in "iu":
        width = max(width, 1.0) if width else width
    if width and spread / width > BIN_LIMIT:
        raise ValueError(f"{bins!r} asks for more than {BIN_LIMIT} bins; give their number")


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Return (counts, edges) as numpy does; an estimator that asks for more than BIN_LIMIT bins is refused.

    Raises:
        ValueError: values or range aren't finite, edges aren't sorted, too many bins.
        TypeError: an estimator together with weights.
    """
    if weights is None:
        _check_estimate(a, bins, range)
    counts, edges = np.histogram(a, bins, range, density, weights)
    return counts, edges.copy()


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Return the edges that histogram would use.

    Raises:
        ValueError, TypeError: as histogram.
    """
    if weights is None:
        _check_estimate(a, bins, range)
    return np.histogram_bin_edges(a, bins, range, weights).copy()


def histogram2d(x: Any, y: Any, *args: Any, **options: Any) -> Any:
    """Return (counts, edges of x, edges of y) as numpy does, with edges of their own.

    Raises:
        ValueError: values or range aren't finite, edges aren't sorted, x and y differ in length.
    """
    counts, of_x, of_y = np.histogram2d(x, y, *args, **options)
    return counts, of_x.copy(), of_y.copy()


def histogramdd(sample: Any, *args: Any, **options: Any) -> Any:
    """Return (counts, [edges, …]) as numpy does, with edges of their own.

    Raises:
        ValueError: values or range aren't finite, edges aren't sorted, or their number is wrong.
    """
    counts, edges = np.histogramdd(sample, *args, **options)
    return counts, [along.copy() for along in edges]


# --- bounds -------------------------------------------------------------------------------------------------


def _along(shape: tuple[int, ...], axis: Any, keepdims: Any) -> tuple[int, ...]:
    """Return the shape that is left when axes are reduced; one that isn't there is not reduced."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {k % len(shape) for k in axes if shape}
    return tuple(1 if k in gone else n for k, n in enumerate(shape) if k not in gone or keepdims is True)


def _quantile(a: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: Any = False, **_: Any) -> Bound:
    # The quantiles of nothing are one NaN.
    shape = (*shape_of(q), *_along(shape_of(a), axis, keepdims))
    return Bound(tuple(max(size, 1) for size in shape), max(WIDE, itemsize_of(a)))


def _median(a: Any, axis: Any = None, keepdims: Any = False) -> Bound:
    return _quantile(a, 0.5, axis, keepdims=keepdims)


def _bins(bins: Any) -> int:
    """Return how many edges a specification of bins gives at most."""
    if isinstance(bins, str):
        return BIN_LIMIT + 2
    if isinstance(bins, (int, np.integer)):
        return max(int(bins), 0) + 1
    return math.prod(shape_of(bins))


def _histogram(a: Any, bins: Any = 10, *_: Any, **__: Any) -> Bound:
    return Bound((_bins(bins), 2), WIDE)


def _grid(edges: list[int]) -> Bound:
    # numpy counts in a grid with one bin more at each end of each axis.
    return Bound((math.prod(n + 1 for n in edges) + sum(edges),), WIDE, 2)


def _histogram2d(x: Any, y: Any, bins: Any = 10, *_: Any, **__: Any) -> Bound:
    # Two are one an axis, as numbers or as edges; anything else serves both.
    two = not isinstance(bins, (int, np.integer)) and len(bins) == 2
    return _grid([_bins(part) for part in bins] if two else [_bins(bins)] * 2)


def _samples(shape: tuple[int, ...]) -> int:
    """Return how many dimensions the points of histogramdd's sample have (one when it is flat)."""
    return shape[1] if len(shape) == 2 else 1


def _histogramdd(sample: Any, bins: Any = 10, *_: Any, **__: Any) -> Bound:
    dimensions = _samples(shape_of(sample)) if isinstance(sample, np.ndarray) else len(sample)
    parts = [bins] * dimensions if isinstance(bins, (int, np.integer)) else bins
    return _grid([_bins(part) for part in parts])


def _bincount(x: Any, weights: Any = None, minlength: Any = 0) -> Bound:
    return Bound((max(int(minlength), BIN_LIMIT),), 8)


def _digitize(x: Any, bins: Any, right: Any = False) -> Bound:
    return Bound(shape_of(x), 8)


def _cov(m: Any, y: Any = None, rowvar: Any = True, *_: Any, **__: Any) -> Bound:
    variables = 0
    for part in (m, y):
        shape = () if part is None else shape_of(part)
        rows = shape[:1] if rowvar else shape[1:]
        variables += math.prod(rows) if len(shape) > 1 else 1
    return Bound((variables, variables), WIDE)


def _convolve(a: Any, v: Any, mode: Any = "full") -> Bound:
    return Bound((math.prod(shape_of(a)) + math.prod(shape_of(v)),), WIDE)


def _interp(x: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(x), WIDE)


def _gradient(f: Any, *_: Any, **__: Any) -> Bound:
    shape = shape_of(f)
    return Bound((max(len(shape), 1), *shape), WIDE)


_METHODS = frozenset(
    {
        "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
        "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
    }
)  # fmt: skip


def _nan_is_alike(a: Any, q: Any, *_: Any, method: str = "linear", weights: Any = None, **__: Any) -> bool:
    """Whether NaN gives what other values give.

    It gives small floats another dtype, is weighed as an error or as an array, and has no look at the method.
    """
    dtype = getattr(a, "dtype", np.dtype("f8"))
    plain = method in _METHODS and weights is None and np.asarray(q).dtype.kind in "biuf"
    return plain and (dtype.kind in "biu" or dtype == "f8")


# --- results ------------------------------------------------------------------------------------------------


def _gradient_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    axis = kwargs.get("axis")
    if isinstance(axis, int):
        return None
    count = len(shape_of(args[0])) if axis is None else len(axis)
    return None if count == 1 else (None,) * count


def _histogramdd_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    sample = args[0] if args else kwargs["sample"]
    listed = isinstance(sample, (list, tuple))
    return (None, [None] * (len(sample) if listed else _samples(shape_of(sample))))


# --- costs --------------------------------------------------------------------------------------------------


def _sorted(a: Any, *_: Any, **__: Any) -> float:
    return 5e-5 + sort_seconds(a)


def _binned(a: Any, *_: Any, **__: Any) -> float:
    return 5e-5 + size_of(a) * 5e-8


def _histogram_seconds(a: Any, bins: Any = 10, *_: Any, **__: Any) -> float:
    # "stone" makes a histogram of each number of bins up to the root of n.
    times = max(100, math.isqrt(size_of(a))) if isinstance(bins, str) and bins == "stone" else 1
    return times * _binned(a)


def _slid(a: Any, v: Any, mode: Any = "full") -> float:
    return 1e-5 + size_of(a) * size_of(v) * 1e-9


def _cov_seconds(m: Any, y: Any = None, *args: Any, **options: Any) -> float:
    variables, _ = _cov(m, y, *args, **options).shape
    return 5e-5 + variables * (size_of(m) + size_of(y)) * 1e-9


# --- rows ---------------------------------------------------------------------------------------------------


def _range(value: Any) -> Any:
    """Return a range, or a sequence of them, with the numbers as they came: an array would give them a dtype.

    Raises:
        OpTypeError: it holds anything but numbers and None.
    """
    if isinstance(value, (list, tuple)):
        return tuple(map(_range, value))
    return None if value is None else array_like(value)


_RANGE = Kind("a pair of numbers, or one for each axis", _range, data=True)


_row = partial(numpy_row, np, "statistics", kinds={"range": _RANGE})


_QUANTILE = "a:array q:deciding axis:axes=None * method:text=linear keepdims:bool=False weights:deciding|none=None"
_MEDIAN = "a:array axis:axes=None * keepdims:bool=False"
_BINS = "bins:int|text|array=10 range:any=None"
_GRID_BINS = "bins:int|arrays=10 range:any=None density:none|bool=None weights:none|array=None"

ROWS: tuple[Row, ...] = (
    *(_row(name, _QUANTILE, _quantile, _sorted, unless=_nan_is_alike) for name in ("percentile", "quantile")),
    *(
        _row(name, _QUANTILE, _quantile, _sorted, function=quiet(getattr(np, name)), unless=_nan_is_alike)
        for name in ("nanpercentile", "nanquantile")
    ),
    _row("median", _MEDIAN, _median, _sorted, function=quiet(np.median), value_dependent=False),
    _row("nanmedian", _MEDIAN, _median, _sorted, function=quiet(np.nanmedian), value_dependent=False),
    _row(
        "histogram",
        f"a:array {_BINS} density:none|bool=None weights:none|array=None",
        _histogram,
        _histogram_seconds,
        function=quiet(histogram),
        results=2,
    ),
    _row(
        "histogram_bin_edges",
        f"a:array {_BINS} weights:none|array=None",
        _histogram,
        _histogram_seconds,
        function=quiet(histogram_bin_edges),
    ),
    _row("histogram2d", f"x:array y:array {_GRID_BINS}", _histogram2d, _binned, function=histogram2d, results=3),
    _row(
        "histogramdd",
        f"sample:arrays {_GRID_BINS}",
        _histogramdd,
        _binned,
        function=histogramdd,
        results=_histogramdd_results,
    ),
    _row("bincount", "x:array / weights:none|array=None minlength:int=0", _bincount, function=bincount),
    _row("digitize", "x:array bins:deciding right:bool=False", _digitize, _binned, value_dependent=False),
    _row(
        "cov",
        "m:array y:none|array=None rowvar:bool=True bias:bool=False ddof:none|int=None "
        "fweights:none|deciding=None aweights:none|deciding=None * dtype:dtype?=None",
        _cov,
        _cov_seconds,
        function=quiet(np.cov),
        value_dependent=False,
    ),
    _row(
        "corrcoef",
        "x:array y:none|array=None rowvar:bool=True * dtype:dtype?=None",
        _cov,
        _cov_seconds,
        function=quiet(np.corrcoef),
        value_dependent=False,
    ),
    _row("correlate", "a:array v:array mode:text=valid", _convolve, _slid, value_dependent=False),
    _row("convolve", "a:array v:array mode:text=full", _convolve, _slid, value_dependent=False),
    _row(
        "interp",
        "x:array xp:array fp:array left:none|array=None right:none|array=None period:none|real=None",
        _interp,
        _binned,
        function=quiet(np.interp),
        value_dependent=False,
    ),
    _row(
        "gradient",
        "f:array *varargs:deciding axis:axes=None edge_order:int=1",
        _gradient,
        results=_gradient_results,
        value_dependent=False,
    ),
)
