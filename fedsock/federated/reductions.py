"""What is asked of each worker, and how it is put together, for every op that takes rows together.

Each function takes an op's arguments as numpy does, a federated array among them, and returns a Result.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.errors import ExportDenied, OpTypeError, PointersApart
from fedsock.federated import moments
from fedsock.federated.moments import Moments
from fedsock.federated.parts import Parts, Result, Several
from fedsock.federated.passing import tried
from fedsock.typing import Array


class RoundedMeans(RuntimeWarning):
    """Values are so far from 0 that the last digits of a variance are lost, and a policy keeps what would tell them."""


def _options(name: str, **given: Any) -> None:
    """Refuse arguments that aren't supported over the rows of many workers; ``None`` means not given."""
    unsupported = [option for option, value in given.items() if value is not None and value is not True]
    if unsupported:
        raise OpTypeError(
            f"{name} over the rows of many workers takes no {', '.join(unsupported)}; apply np.where(…), .astype(…) or "
            "a product to the array before",
            op=name,
        )


def _like(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return a result of the shape and dtype that numpy gives."""
    return tried(name, args, kwargs, lambda value: getattr(value, "_kind", None))[0]


def _as(like: Any, value: Any) -> Any:
    """Return a value with the shape and dtype of another; what has no axes is a numpy scalar where that is one."""
    found = np.asarray(value).astype(like.dtype, copy=False).reshape(np.shape(like))
    return found if isinstance(like, np.ndarray) else found[()]


def _wide(dtype: np.dtype[Any], part: Any) -> Any:
    """Return a pointer to the same in double precision, where numpy would add up in less."""
    if dtype.kind == "f" and dtype.itemsize < 8:
        return part.astype("float64")
    if dtype.kind == "c" and dtype.itemsize < 16:
        return part.astype("complex128")
    return part


def _axes(array: Any, axis: Any) -> tuple[int, ...]:
    axes = range(array.ndim) if axis is None else np.atleast_1d(axis)
    return tuple(int(one) % array.ndim for one in axes)


def _observations(array: Any, axis: Any) -> Callable[[str], int]:
    """Return worker name -> how many elements a reduction takes together there."""
    shape = array.shape
    others = math.prod(shape[one] for one in _axes(array, axis) if one != array.axis)
    return lambda place: int(array.rows[place] * others)


def total(
    array: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Result:
    """Return the sum; of integers exactly, as numpy's it wraps."""
    _options("sum", initial=initial, where=where)
    array = array if dtype is None else array.astype(dtype)
    like = _like("sum", (array,), {"axis": axis, "keepdims": keepdims})
    kind = array.dtype

    async def run(parts: Parts) -> Any:
        found = await parts.ask(lambda place: [np.sum(_wide(kind, array.at(place)), axis=axis)])
        return _as(like, moments.total([value for (value,) in found.values()]))

    return Result(array, run)


def mean(array: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, where: Any = None) -> Result:
    """Return the mean, of the means at each worker."""
    _options("mean", where=where)
    array = array if dtype is None else array.astype(dtype)
    like = _like("mean", (array,), {"axis": axis, "keepdims": keepdims})
    kind, observations = array.dtype, _observations(array, axis)

    async def run(parts: Parts) -> Any:
        found = await parts.ask(lambda place: [np.mean(_wide(kind, array.at(place)), axis=axis)])
        return _as(like, moments.mean([observations(place) for place in found], [one for (one,) in found.values()]))

    return Result(array, run)


def variance(name: str) -> Callable[..., Result]:
    """Return what gives the variance or the standard deviation, merged as (n, mean, M2)."""

    def spread(
        array: Any,
        axis: Any = None,
        dtype: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        where: Any = None,
        mean: Any = None,
        correction: Any = None,
    ) -> Result:
        _options(name, where=where, mean=mean)
        array = array if dtype is None else array.astype(dtype)
        like = _like(name, (array,), {"axis": axis, "keepdims": keepdims})
        kind, observations = array.dtype, _observations(array, axis)
        less = ddof if correction is None else correction

        def wanted(part: Any) -> list[Any]:
            wide = _wide(kind, part)
            return [np.mean(wide, axis=axis, keepdims=True), np.var(wide, axis=axis, keepdims=True)]

        def made(place: str, center: Any, squares: Any) -> Moments:
            return Moments(observations(place), center, squares)

        async def run(parts: Parts) -> Any:
            found = await parts.ask(lambda place: wanted(array.at(place)))
            pieces = {place: made(place, one, two * observations(place)) for place, (one, two) in found.items()}
            whole = await _sharpened(
                parts,
                pieces,
                lambda place, center: [np.mean(_wide(kind, array.at(place)) - center, axis=axis, keepdims=True)],
            )
            with np.errstate(all="ignore"):
                value = np.true_divide(whole.squares, max(whole.n - less, 0))
                return _as(like, np.sqrt(value) if name == "std" else value)

        return Result(array, run)

    return spread


async def _sharpened(
    parts: Parts,
    pieces: Mapping[str, Moments],
    again: Callable[[str, Array], Sequence[Any]],
    crossed: bool = False,
) -> Moments:
    """Return the moments of all, with means taken again, of distances from the common one, where rounding shows.

    Args:
        parts: asks the workers.
        pieces: what each worker gave.
        again: (worker name, common mean) -> pointers to the means of the distances from it.
        crossed: squares are products of all pairs of variables.
    """
    found = list(pieces.values())
    whole = moments.merged(found, crossed)
    if len(found) < 2 or not moments.is_rounded(found, whole, crossed):
        return whole
    try:
        told = await parts.ask(lambda place: again(place, whole.mean), optional=True)
    except ExportDenied as error:
        text = f"the values are so far from 0 that rounding shows in the last digits; {error}"
        warnings.warn(text, RoundedMeans, stacklevel=2)
        return whole
    sharper = {place: np.concatenate(means, axis=None) if crossed else means[0] for place, means in told.items()}
    return moments.merged([pieces[place]._replace(mean=center) for place, center in sharper.items()], crossed)


def crossed(variables: Sequence[Any], rowvar: bool) -> Callable[[Parts], Coroutine[Any, Any, Moments]]:
    """Return what gives the moments of variables whose observations are the rows, squares and products of all pairs.

    Args:
        variables: one or two arrays of one or two axes, of the same rows.
        rowvar: as for ``numpy.cov``.
    """
    sizes = [one.shape[1 - one.axis] if one.ndim == 2 else 1 for one in variables]

    def wanted(place: str) -> list[Any]:
        here: list[Any] = [_wide(one.dtype, one.at(place)) for one in variables]
        centers = [np.mean(part, axis=one.axis) for part, one in zip(here, variables, strict=True)]
        return [*centers, np.cov(here[0], here[1] if len(here) > 1 else None, rowvar=rowvar, ddof=0)]

    def again(place: str, center: Array) -> list[Any]:
        found = []
        for one, own in zip(variables, np.split(center, np.cumsum(sizes)[:-1]), strict=True):
            beside = own[:, None] if one.ndim == 2 and one.axis else own
            found.append(np.mean(_wide(one.dtype, one.at(place)) - beside, axis=one.axis))
        return found

    async def run(parts: Parts) -> Moments:
        found = await parts.ask(wanted)
        rows = variables[0].rows
        pieces = {
            place: Moments(rows[place], np.concatenate(centers, axis=None), np.atleast_2d(squares) * rows[place])
            for place, (*centers, squares) in found.items()
        }
        return await _sharpened(parts, pieces, again, crossed=True)

    return run


def covariance(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    dtype: Any = None,
    name: str = "cov",
) -> Result:
    """Return the covariance of variables whose observations are the rows, merged as (n, mean, M2)."""
    _options(name, fweights=fweights, aweights=aweights)
    variables = [m] if y is None else [m, y]
    for one in variables:
        if not hasattr(one, "rows"):
            raise PointersApart(f"np.{name} over rows takes federated arrays for both of its variables")
        observations = one.ndim - 1 if rowvar else 0
        if one.axis != observations or one.ndim > 2:
            raise PointersApart(
                f"np.{name} takes rows for variables; write np.{name}(fx, rowvar=False), or fx.{name}()"
            )
    variables = [one if dtype is None else one.astype(dtype) for one in variables]
    like = _like(name, (*variables,), {"rowvar": rowvar})
    less = ddof if ddof is not None else int(not bias)
    moments_of = crossed(variables, rowvar)

    async def run(parts: Parts) -> Any:
        whole = await moments_of(parts)
        with np.errstate(all="ignore"):
            value = np.true_divide(whole.squares, max(whole.n - less, 0)).squeeze()
        return _as(like, moments.correlations(value) if name == "corrcoef" else value)

    return Result(m, run)


def correlation(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Result:
    """Return the correlations of variables whose observations are the rows."""
    return covariance(x, y, rowvar, dtype=dtype, name="corrcoef")


def product(name: str) -> Callable[..., Result]:
    """Return what gives a product that is summed over rows, ``fx.T @ fy``; of integers exactly."""

    def contraction(left: Any, right: Any) -> Result:
        last, first = (getattr(side, "axis", None) for side in (left, right))
        if last is None or first is None or last != left.ndim - 1 or first != max(right.ndim - 2, 0):
            raise PointersApart(
                f"{name}: rows are summed where both are federated, such as in fx.T @ fy; weights that belong to rows "
                "can't come from here"
            )
        like = _like(name, (left, right), {})

        def wanted(place: str) -> list[Any]:
            return [_wide(left.dtype, left.at(place)) @ _wide(right.dtype, right.at(place))]

        async def run(parts: Parts) -> Any:
            found = await parts.ask(wanted)
            return _as(like, moments.total([value for (value,) in found.values()]))

        return Result(left, run)

    return contraction


def histogram(array: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Several:
    """Return counts and edges; of edges that are given, or that a range is cut into."""
    _options("histogram", weights=weights)
    if isinstance(bins, str) or (range is None and np.ndim(bins) == 0):
        raise OpTypeError(
            "histogram over the rows of many workers needs edges, or a range: fx.histogram(20, range=(low, high))",
            op="histogram",
        )
    edges = np.histogram_bin_edges(np.zeros(0), bins, range)

    async def run(parts: Parts) -> Any:
        found = await parts.ask(lambda place: [np.histogram(array.at(place), bins=edges)[0]])
        counts = moments.total([value for (value,) in found.values()])
        return (counts / np.diff(edges) / counts.sum() if density else counts), edges

    return Several(array, run, 2)


def bincount(array: Any, weights: Any = None, minlength: int = 0) -> Result:
    """Return how often each category occurs."""
    _options("bincount", weights=weights)

    async def run(parts: Parts) -> Any:
        found = await parts.ask(lambda place: [np.bincount(array.at(place), minlength=minlength)], free=0)
        return moments.tallied([value for (value,) in found.values()])

    return Result(array, run)


def extreme(name: str, merge: np.ufunc) -> Callable[..., Result]:
    """Return what gives the least or the largest; every owner's policy must be "public"."""

    def found(array: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Result:
        _options(name, initial=initial, where=where)
        like = _like(name, (array,), {"axis": axis, "keepdims": keepdims})

        async def run(parts: Parts) -> Any:
            await parts.need(name, "use mean, std or histogram(edges)")
            found = await parts.ask(lambda place: [getattr(array.at(place), name)(axis=axis)])
            return _as(like, merge.reduce(np.stack([value for (value,) in found.values()])))

        return Result(array, run)

    return found


def together(name: str) -> Callable[..., Result]:
    """Return what gives an order statistic of all rows, which are fetched: every owner's policy must be "public"."""
    function = getattr(np, name)

    def found(array: Any, *args: Any, **kwargs: Any) -> Result:
        async def run(parts: Parts) -> Any:
            await parts.need(name, "use mean, std or histogram(edges)")
            found = await parts.ask(lambda place: [array.at(place)], free=array.axis)
            return function(np.concatenate([rows for (rows,) in found.values()], axis=array.axis), *args, **kwargs)

        return Result(array, run)

    return found


_OPS: dict[str, Callable[..., Result]] = {
    "sum": total,
    "mean": mean,
    "var": variance("var"),
    "std": variance("std"),
    "cov": covariance,
    "corrcoef": correlation,
    "histogram": histogram,
    "bincount": bincount,
    "min": extreme("min", np.minimum),
    "max": extreme("max", np.maximum),
    **{name: product(name) for name in ("matmul", "linalg.matmul", "dot")},
    **{name: together(name) for name in ("median", "quantile", "percentile")},
}

OVER_ROWS: Mapping[str, Callable[..., Result]] = MappingProxyType(_OPS)
"""Op -> what gives it over rows; read-only."""

PAIRS = frozenset({"matmul", "linalg.matmul", "dot", "cov", "corrcoef"})
"""Those that say themselves what is wrong when only their second argument is federated."""
