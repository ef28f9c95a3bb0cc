"""Gradients of reductions, running totals and statistics, as rewrites in functions that autograd differentiates.

A rewrite's first argument is autograd.numpy (``anp``), for this floor doesn't import autograd; the rest are the op's
own.
NotImplementedError says which argument has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.moves import cast, moved, plain, spread


def root(anp: Any, x: Any) -> Any:
    """The square root, whose subgradient at 0 is 0: norms and deviations have a kink there, not an edge."""
    zero = plain(anp, x) == 0
    return anp.where(zero, 0.0 * x, anp.sqrt(anp.where(zero, 1.0, x)))


def axes_of(anp: Any, x: Any, axis: Any) -> tuple[int, ...]:
    """Return the axes that an argument means, none negative."""
    ndim = anp.ndim(x)
    if axis is None:
        return tuple(range(ndim))
    return tuple(one % ndim for one in (axis if isinstance(axis, (tuple, list)) else (axis,)))


def flat_last(anp: Any, x: Any, axis: Any) -> Any:
    """Return x with the axes that are reduced made one, the last."""
    axes = axes_of(anp, x, axis)
    left = [k for k in range(anp.ndim(x)) if k not in axes]
    shape = anp.shape(x)
    size = int(np.prod([shape[k] for k in axes], dtype=np.int64))
    turned = anp.transpose(x, (*left, *axes)) if anp.ndim(x) > 1 else x
    return anp.reshape(turned, (*(shape[k] for k in left), size))


def kept(anp: Any, result: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Return a reduction's result with the reduced axes of length 1, if they are kept."""
    if not keepdims:
        return result
    axes = axes_of(anp, x, axis)
    return anp.reshape(result, tuple(1 if k in axes else n for k, n in enumerate(anp.shape(x))))


def _masked(anp: Any, x: Any, mask: Any, other: Any) -> Any:
    if mask is True:
        return x
    shape = np.broadcast_shapes(anp.shape(x), anp.shape(mask))
    return anp.where(mask, spread(anp, x, shape), np.full(shape, other, anp.result_type(x)))


def sum_(
    anp: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """As numpy's sum."""
    total = anp.sum(_masked(anp, cast(anp, a, dtype), where, 0), axis=axis, keepdims=keepdims)
    return total if type(initial) is int and initial == 0 else total + initial


def halved(function: str) -> Callable[..., Any]:
    """Return the rewrite of a ufunc's reduction: halves are joined until one is left, so that zeros do no harm."""

    def rewrite(
        anp: Any,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        *,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        join = vars(anp)[function]
        x = cast(anp, a, dtype)
        if where is not True:
            identity = vars(np)[function].identity if initial is None else initial
            x = _masked(anp, x, where, identity)
        lines = flat_last(anp, x, axis)
        size = anp.shape(lines)[-1]
        if not size:
            return kept(anp, anp.sum(lines, axis=-1) + vars(np)[function].reduce(np.zeros(0)), x, axis, keepdims)
        while size > 1:
            half = size // 2
            joined = join(lines[..., :half], lines[..., half : 2 * half])
            lines = anp.concatenate([joined, lines[..., 2 * half :]], axis=-1) if size % 2 else joined
            size -= half
        result = kept(anp, lines[..., 0], x, axis, keepdims)
        return result if initial is None else join(result, initial)

    return rewrite


prod_halved = halved("multiply")


def prod(anp: Any, a: Any, axis: Any = None, dtype: Any = None, *, initial: Any = None, **options: Any) -> Any:
    """As numpy's prod."""
    return prod_halved(anp, a, axis, dtype, initial=initial, **options)


def over_first(rewrite: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction's rewrite with the axis that a ufunc's ``reduce`` takes by default: the first."""

    def reduced(anp: Any, array: Any, axis: Any = 0, dtype: Any = None, **options: Any) -> Any:
        if options.get("initial", 0) is None:
            del options["initial"]
        return rewrite(anp, array, axis, dtype, **options)

    return reduced


def scanned(function: str) -> Callable[..., Any]:
    """Return the rewrite of a ufunc's running results, in as many passes as the length has binary digits."""

    def rewrite(anp: Any, array: Any, axis: Any = 0, dtype: Any = None) -> Any:
        x = cast(anp, array, dtype)
        x = anp.ravel(x) if axis is None else anp.swapaxes(x, axis, -1)
        step = 1
        while step < anp.shape(x)[-1]:
            joined = vars(anp)[function](x[..., step:], x[..., :-step])
            x = anp.concatenate([x[..., :step], joined], axis=-1)
            step *= 2
        return x if axis is None else anp.swapaxes(x, axis, -1)

    return rewrite


def cumsum(anp: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """As numpy's cumsum."""
    x = cast(anp, a, dtype)
    return anp.cumsum(anp.ravel(x), 0) if axis is None else anp.cumsum(x, axis % anp.ndim(x))


def cumprod(anp: Any, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """As numpy's cumprod."""
    return scanned("multiply")(anp, a, axis, dtype)


def cumulative(running: Callable[..., Any], first: float) -> Callable[..., Any]:
    """Return the rewrite of a cumulative sum or product of the array API.

    Args:
        running: cumsum or cumprod.
        first: what stands before all, if that is asked for.
    """

    def rewrite(anp: Any, x: Any, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        axis = 0 if axis is None else axis
        done = running(anp, x, axis, dtype)
        if not include_initial:
            return done
        shape = tuple(1 if k == axis % anp.ndim(x) else n for k, n in enumerate(anp.shape(x)))
        return anp.concatenate([np.full(shape, first, anp.result_type(done)), done], axis=axis)

    return rewrite


def _extreme(name: str, sign: float) -> Callable[..., Any]:
    def rewrite(
        anp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        x = a if where is True else _masked(anp, a, where, sign * np.inf if initial is None else initial)
        found = vars(anp)[name](x, axis=axis, keepdims=keepdims)
        return found if initial is None else vars(anp)[f"{name}imum"](found, initial)

    return rewrite


max_, min_ = _extreme("max", -1.0), _extreme("min", 1.0)
"""Those that are equal share the gradient."""


def ufunc_extreme(rewrite: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rewrite of ``maximum.reduce`` from that of max."""

    def reduced(anp: Any, array: Any, axis: Any = 0, dtype: Any = None, **options: Any) -> Any:
        return rewrite(anp, cast(anp, array, dtype), axis, **options)

    return reduced


def nan_extreme(rewrite: Callable[..., Any], sign: float) -> Callable[..., Any]:
    """Return the rewrite of nanmax from that of max.

    Args:
        rewrite: of max or min.
        sign: of the infinity that no number is beyond.
    """

    def without_nan(anp: Any, a: Any, axis: Any = None, **options: Any) -> Any:
        lost = np.isnan(plain(anp, a))
        found = rewrite(anp, anp.where(lost, sign * np.inf, a), axis, **options)
        none_left = lost.all(axis=axis, keepdims=options.get("keepdims", False))
        return anp.where(none_left, np.nan, found) if none_left.any() else found

    return without_nan


def ptp(anp: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """As numpy's ptp."""
    return anp.max(a, axis=axis, keepdims=keepdims) - anp.min(a, axis=axis, keepdims=keepdims)


def _count(anp: Any, x: Any, axis: Any, where: Any) -> Any:
    counted = np.broadcast_to(where, np.broadcast_shapes(anp.shape(x), np.shape(where)))
    return np.sum(counted, axis=axis, keepdims=True, dtype=np.float64)


def mean(anp: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """As numpy's mean."""
    x = cast(anp, a, dtype)
    if where is True:
        # autograd's own would make float64 of float32's gradient.
        total = anp.sum(x, axis=axis, keepdims=keepdims)
        return total / (anp.size(x) / (anp.size(total) or 1) or np.nan)
    found = sum_(anp, x, axis, keepdims=True, where=where) / _count(anp, x, axis, where)
    return found if keepdims else anp.squeeze(found, axes_of(anp, x, axis))


def var(
    anp: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: bool = False,
    ddof: Any = 0,
    correction: Any = 0,
    where: Any = True,
    **given: Any,
) -> Any:
    """As numpy's var."""
    x = cast(anp, a, dtype)
    middle = given["mean"] if "mean" in given else mean(anp, x, axis, keepdims=True, where=where)
    apart = x - middle
    squares = sum_(anp, apart * apart, axis, keepdims=True, where=where)
    left = np.maximum(_count(anp, x, axis, where) - (ddof or correction), 0)
    # A Python number leaves the dtype as it is.
    found = squares / (float(left.flat[0]) if left.size and (left == left.flat[0]).all() else left)
    return found if keepdims else anp.squeeze(found, axes_of(anp, x, axis))


def std(anp: Any, *args: Any, **options: Any) -> Any:
    """As numpy's std; 0, not NaN, where all are equal."""
    return root(anp, var(anp, *args, **options))


def without_nan(rewrite: Callable[..., Any], number: float | None = None) -> Callable[..., Any]:
    """Return the rewrite of a function that passes over NaN, from that of the one that doesn't.

    Args:
        rewrite: of sum, var and the like.
        number: what does no harm in the place of a NaN; None: rewrite has ``where``.
    """

    def passing_over(anp: Any, a: Any, *args: Any, **options: Any) -> Any:
        lost = np.isnan(plain(anp, a))
        clean = anp.where(lost, 0.0 if number is None else number, a)
        if number is None:
            options["where"] = np.logical_and(~lost, options.get("where", True))
        return rewrite(anp, clean, *args, **options)

    return passing_over


def diff(anp: Any, a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """As numpy's diff."""
    parts = [a]
    for end, place in ((prepend, 0), (append, len(parts) + 1)):
        if end is not None:
            shape = tuple(1 if k == axis % anp.ndim(a) else m for k, m in enumerate(anp.shape(a)))
            parts.insert(place, spread(anp, end, shape) if anp.ndim(end) == 0 else end)
    x = anp.swapaxes(anp.concatenate(parts, axis=axis) if len(parts) > 1 else a, axis, -1)
    for _ in range(n):
        x = x[..., 1:] - x[..., :-1]
    return anp.swapaxes(x, axis, -1)


def ediff1d(anp: Any, ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """As numpy's ediff1d."""
    flat = anp.ravel(ary)
    parts = [to_begin, flat[1:] - flat[:-1], to_end]
    return anp.concatenate([anp.ravel(part) for part in parts if part is not None])


def trapezoid(anp: Any, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """As numpy's trapezoid."""
    if x is not None:
        dx = x[1:] - x[:-1] if anp.ndim(x) == 1 else diff(anp, x, 1, axis)
    if anp.ndim(dx) == 1:
        dx = anp.reshape(dx, tuple(-1 if k == axis % anp.ndim(y) else 1 for k in range(anp.ndim(y))))
    lines = anp.swapaxes(y, axis, -1)
    between = anp.swapaxes(lines[..., 1:] + lines[..., :-1], axis, -1)
    return anp.sum(dx * between / 2.0, axis=axis)


def average(
    anp: Any, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """As numpy's average."""
    if weights is None:
        found = anp.mean(a, axis=axis, keepdims=keepdims)
        total: Any = anp.size(a) / max(anp.size(found), 1)
    else:
        if anp.shape(weights) != anp.shape(a):
            axes = axes_of(anp, a, axis)
            order = np.argsort(axes)
            shape = tuple(n if k in axes else 1 for k, n in enumerate(anp.shape(a)))
            weights = anp.reshape(anp.transpose(weights, tuple(order)) if len(axes) > 1 else weights, shape)
        total = anp.sum(spread(anp, weights, anp.shape(a)), axis=axis, keepdims=keepdims)
        found = anp.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return [found, spread(anp, total, anp.shape(found))] if returned else found


# --- order --------------------------------------------------------------------------------------------------


def _along(anp: Any, a: Any, places: Any, axis: int) -> Any:
    return moved(partial(np.take_along_axis, indices=places, axis=axis), 0)(anp, a)


def sort(anp: Any, a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    """As numpy's sort."""
    x, axis = (anp.ravel(a), -1) if axis is None else (a, axis)
    return _along(anp, x, np.argsort(plain(anp, x), axis, kind="stable"), axis)


def partition(anp: Any, a: Any, kth: Any, axis: Any = -1, kind: str = "introselect") -> Any:
    """As numpy's partition."""
    x, axis = (anp.ravel(a), -1) if axis is None else (a, axis)
    return _along(anp, x, np.argpartition(plain(anp, x), kth, axis), axis)


_level: Callable[..., Any] = np.quantile


def quantile(
    anp: Any, a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None
) -> Any:
    """As numpy's quantile, by a; each is between two elements of the sorted array, and they have the gradient.

    Raises:
        NotImplementedError: with weights, or by q.
    """
    if weights is not None or q is not plain(anp, q):
        raise NotImplementedError("weights" if weights is not None else "q")
    lines = sort(anp, flat_last(anp, a, axis))
    places: Any = _level(np.arange(float(anp.shape(lines)[-1])), q, method=method)
    low = np.floor(places).astype(int)
    part = (places - low).astype(_level(np.zeros(1, anp.result_type(a)), q, method=method).dtype)
    high = np.minimum(low + 1, anp.shape(lines)[-1] - 1)
    found = lines[..., low] * (1.0 - part) + anp.where(part == 0, 0.0, lines[..., high]) * part
    found = anp.where(
        np.isnan(plain(anp, lines)[..., -1:].reshape((*anp.shape(lines)[:-1], *[1] * np.ndim(q)))), np.nan, found
    )
    count = np.ndim(q)
    found = anp.moveaxis(found, tuple(range(-count, 0)), tuple(range(count))) if count else found
    return _kept_behind(anp, found, a, axis, keepdims, count)


def _kept_behind(anp: Any, found: Any, a: Any, axis: Any, keepdims: bool, count: int) -> Any:
    if not keepdims:
        return found
    axes = axes_of(anp, a, axis)
    rest = tuple(1 if k in axes else n for k, n in enumerate(anp.shape(a)))
    return anp.reshape(found, (*anp.shape(found)[:count], *rest))


def percentile(anp: Any, a: Any, q: Any, axis: Any = None, **options: Any) -> Any:
    """As numpy's percentile, by a; see quantile."""
    return quantile(anp, a, np.true_divide(plain(anp, q), 100), axis, **options)


def median(anp: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """As numpy's median; of an even number, each of the middle two has half the gradient."""
    return quantile(anp, a, 0.5, axis, keepdims=keepdims)
