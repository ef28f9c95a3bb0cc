"""Which ops have a gradient, and whose: ``GRADIENTS`` holds every op's, by name; the table attaches them to its rows.

A gradient is

- a text: the dotted name, below ``autograd``, of the function whose gradient is known there ("numpy.tanh");
- a function: a rewrite, ``rewrite(anp, *args, **kwargs)``, that gives the op's results by functions of autograd.numpy
  (``anp``; this floor doesn't import autograd) and raises NotImplementedError for arguments it has none for;
- ``CONSTANT``: the results are flat wherever they are smooth (comparisons, positions, roundings): the gradient is 0;
- None, or no entry: there is none.

Where there is a kink, one subgradient is taken: of absolute, norm, std and hypot at 0 it is 0; of maximum, minimum and
clip half goes to either of two that are equal; of max and min, and what is made of them, those that are equal share it
evenly; ``np.maximum(x, 0)`` has 1/2 at 0. Gradients are of real numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.ops import matrices, sums
from fedsock.ops import moves as m
from fedsock.ops.moves import plain
from fedsock.ops.registry import Gradient, Row

CONSTANT = "constant"
"""The gradient of what is flat: 0."""

_AUTOGRAD = (
    "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh",
    "deg2rad", "degrees", "divide", "exp", "exp2", "expm1", "fabs", "fmax", "fmin", "log", "log10", "log1p", "log2",
    "logaddexp", "logaddexp2", "maximum", "minimum", "multiply", "negative", "power", "rad2deg", "radians",
    "reciprocal", "remainder", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh",
    "conjugate", "real", "imag",
    "matmul", "dot", "inner", "transpose", "swapaxes", "moveaxis", "squeeze", "expand_dims",
    "linalg.inv", "linalg.det",
)  # fmt: skip
"""Ops whose gradient autograd knows for all of their arguments (``where`` and ``dtype`` apart, see ``masked``)."""

_TRUTHS = (
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip

_CONSTANT = (
    *_TRUTHS, *(f"{name}.outer" for name in (*_TRUTHS, "floor_divide")),
    "isfinite", "isinf", "isnan", "isnat",
    "isneginf", "isposinf", "isreal", "iscomplex", "isclose", "allclose", "array_equal", "array_equiv", "signbit",
    "sign", "floor", "ceil", "rint", "trunc", "fix", "round", "floor_divide", "ifloordiv", "spacing",
    "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "invert",
    "bitwise_count", "left_shift", "right_shift", "gcd", "lcm", "iand", "ior", "ixor", "ilshift", "irshift",
    "argmin", "argmax", "nanargmin", "nanargmax", "all", "any", "count_nonzero", "argsort", "argpartition", "lexsort",
    "searchsorted", "digitize", "nonzero", "flatnonzero", "argwhere", "isin", "zeros_like", "ones_like", "empty_like",
    "packbits", "unpackbits", "unravel_index", "ravel_multi_index", "ix_", "diag_indices_from", "tril_indices_from",
    "triu_indices_from", "linalg.matrix_rank",
)  # fmt: skip

_PAIRWISE = (
    "add", "arctan2", "copysign", "divide", "float_power", "fmax", "fmin", "fmod", "hypot", "logaddexp", "logaddexp2",
    "maximum", "minimum", "multiply", "power", "remainder", "subtract",
)  # fmt: skip


def masked(
    anp: Any, function: Callable[..., Any], args: tuple[Any, ...], where: Any, dtype: Any, **options: Any
) -> Any:
    """Return a ufunc's results as the op gives them: where a mask is true, else zeros; inputs in a dtype first.

    Args:
        anp: autograd.numpy.
        function: the ufunc, of arrays only.
        args: its inputs.
        where: a mask, or True.
        dtype: a dtype, or None.
        options: its other arguments.
    """
    args = tuple(m.cast(anp, arg, dtype) for arg in args)
    if where is True:
        return function(*args, **options)
    shape = np.broadcast_shapes(anp.shape(where), *map(anp.shape, args))
    # What the mask hides may be outside of the function's domain, where its gradient is NaN.
    args = tuple(anp.where(where, m.spread(anp, arg, shape), np.ones(shape, anp.result_type(arg))) for arg in args)
    result = function(*args, **options)
    return anp.where(where, result, np.zeros(shape, anp.result_type(result)))


def _ufunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rewrite of a ufunc that autograd has none for."""

    def rewrite(anp: Any, *args: Any, where: Any = True, dtype: Any = None) -> Any:
        return masked(anp, lambda *inputs: function(anp, *inputs), args, where, dtype)

    return rewrite


def _called(name: str) -> Callable[..., Any]:
    """Return the rewrite that is a ufunc of two arguments, whether autograd knows it or a rewrite here."""
    rewrite = _REWRITTEN.get(name)
    return rewrite or (lambda anp, *args: vars(anp)[name](*args))


def _outer(name: str) -> Callable[..., Any]:
    function = _called(name)

    def rewrite(anp: Any, A: Any, B: Any, *, dtype: Any = None) -> Any:
        A, B = m.cast(anp, A, dtype), m.cast(anp, B, dtype)
        return function(anp, anp.reshape(A, anp.shape(A) + (1,) * anp.ndim(B)), B)

    return rewrite


def _in_place(name: str) -> Callable[..., Any]:
    function = _called(name)

    def rewrite(anp: Any, x1: Any, x2: Any, *, overwrite: bool = False) -> Any:
        return m.cast(anp, function(anp, x1, x2), anp.result_type(x1))

    return rewrite


# --- elementwise --------------------------------------------------------------------------------------------


def _hypot(anp: Any, x: Any, y: Any) -> Any:
    zero = (plain(anp, x) == 0) & (plain(anp, y) == 0)
    x, y = m.spread(anp, x, np.shape(zero)), m.spread(anp, y, np.shape(zero))
    return anp.where(zero, 0.0 * x, anp.hypot(anp.where(zero, 1.0, x), y))


def _cbrt(anp: Any, x: Any) -> Any:
    return anp.sign(x) * anp.absolute(x) ** (1.0 / 3.0)


def _fmod(anp: Any, x: Any, y: Any) -> Any:
    return x - y * np.trunc(plain(anp, x) / plain(anp, y))


def _copysign(anp: Any, x: Any, y: Any) -> Any:
    return x * (np.copysign(1.0, plain(anp, x)) * np.copysign(1.0, plain(anp, y)))


def _heaviside(anp: Any, x: Any, y: Any) -> Any:
    return m.where(anp, plain(anp, x) == 0, y, np.heaviside(plain(anp, x), 0.5))


def _ldexp(anp: Any, x: Any, exponent: Any) -> Any:
    return x * np.ldexp(np.ones((), anp.result_type(x)), plain(anp, exponent))


def _modf(anp: Any, x: Any) -> Any:
    whole = np.trunc(plain(anp, x))
    return [x - whole, whole]


def _divmod(anp: Any, x: Any, y: Any) -> Any:
    return [np.floor_divide(plain(anp, x), plain(anp, y)), anp.remainder(x, y)]


def _float_power(anp: Any, x: Any, y: Any) -> Any:
    return anp.power(m.cast(anp, x, np.float64), m.cast(anp, y, np.float64))


def _sinc(anp: Any, x: Any) -> Any:
    near = np.abs(plain(anp, x)) < 1e-4
    # There the quotient's gradient is nearly 0/0; the next term of the series is below 1e-17.
    return anp.where(near, 1.0 - (np.pi * x) ** 2 / 6.0, anp.sinc(anp.where(near, 1.0, x)))


def _clip(anp: Any, a: Any, a_min: Any = None, a_max: Any = None, *, dtype: Any = None, **ends: Any) -> Any:
    low, high = ends.get("min", a_min), ends.get("max", a_max)
    result = m.cast(anp, a, dtype)
    result = result if low is None else anp.maximum(result, low)
    return result if high is None else anp.minimum(result, high)


def _nan_to_num(anp: Any, x: Any, *, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    ends = np.finfo(anp.result_type(x))
    value = plain(anp, x)
    x = m.where(anp, np.isnan(value), nan, x)
    x = m.where(anp, np.isposinf(value), ends.max if posinf is None else posinf, x)
    return m.where(anp, np.isneginf(value), ends.min if neginf is None else neginf, x)


def _unwrap(anp: Any, p: Any, *args: Any, **options: Any) -> Any:
    value = plain(anp, p)
    return p + (np.unwrap(value, *args, **options) - value)


def _same(anp: Any, x: Any, *_: Any, **__: Any) -> Any:
    return anp.array(x)


def _array(anp: Any, a: Any, dtype: Any = None, *, ndmin: int = 0, **_: Any) -> Any:
    x = m.cast(anp, anp.array(a), dtype)
    return anp.reshape(x, (1,) * (ndmin - anp.ndim(x)) + anp.shape(x)) if ndmin > anp.ndim(x) else x


def _full(anp: Any, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    shape = (shape,) if isinstance(shape, int) else shape
    return m.spread(anp, m.cast(anp, anp.array(fill_value), dtype), shape)


def _full_like(anp: Any, a: Any, fill_value: Any, dtype: Any = None, order: str = "K", *, shape: Any = None) -> Any:
    return _full(anp, anp.shape(a) if shape is None else shape, fill_value, dtype or anp.result_type(a))


def _linspace(
    anp: Any,
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    parts = max(num - 1 if endpoint else num, 1)
    shape = np.broadcast_shapes(anp.shape(start), anp.shape(stop))
    steps = np.arange(num).reshape((num,) + (1,) * len(shape)) / parts
    points = anp.moveaxis(m.cast(anp, start + (stop - start) * steps, dtype), 0, axis)
    return [points, (stop - start) / parts] if retstep else points


def _logspace(
    anp: Any,
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    *,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    if anp.ndim(base):
        raise NotImplementedError("an array of bases")
    return m.cast(anp, anp.power(base, _linspace(anp, start, stop, num, endpoint, axis=axis)), dtype)


def _vander(anp: Any, x: Any, N: Any = None, increasing: bool = False) -> Any:
    powers = np.arange(anp.shape(x)[0] if N is None else N)
    return anp.reshape(x, (-1, 1)) ** (powers if increasing else powers[::-1])


def _broadcast_to(anp: Any, array: Any, shape: Any) -> Any:
    return m.spread(anp, array, (shape,) if isinstance(shape, int) else shape)


def _append(anp: Any, arr: Any, values: Any, axis: Any = None) -> Any:
    return m.concatenate(anp, (arr, values), axis)


def _item(anp: Any, tree: Any, key: Any) -> Any:
    return tree[key]


_REWRITTEN: dict[str, Callable[..., Any]] = {
    "hypot": _hypot, "cbrt": _cbrt, "fmod": _fmod, "copysign": _copysign, "heaviside": _heaviside, "ldexp": _ldexp,
    "modf": _modf, "divmod": _divmod, "float_power": _float_power, "positive": _same,
}  # fmt: skip

_ELEMENTWISE: dict[str, Gradient] = {
    **{name: _ufunc(function) for name, function in _REWRITTEN.items()},
    **{f"{name}.outer": _outer(name) for name in _PAIRWISE},
    "pow": "numpy.power", "iadd": _in_place("add"), "isub": _in_place("subtract"), "imul": _in_place("multiply"),
    "itruediv": _in_place("divide"), "imod": _in_place("remainder"), "ipow": _in_place("power"),
    "imatmul": _in_place("matmul"),
    "sinc": _sinc, "clip": _clip, "nan_to_num": _nan_to_num, "unwrap": _unwrap, "real_if_close": _same,
    "where": m.where, "astype": _array, "array": _array, "asarray": _array, "copy": _same,
    "full": _full, "full_like": _full_like, "linspace": _linspace, "logspace": _logspace, "vander": _vander,
}  # fmt: skip

_SUMS: dict[str, Gradient] = {
    "sum": sums.sum_, "prod": sums.prod, "mean": sums.mean, "var": sums.var, "std": sums.std,
    "min": sums.min_, "max": sums.max_, "ptp": sums.ptp,
    "nansum": sums.without_nan(sums.sum_, 0.0), "nanprod": sums.without_nan(sums.prod, 1.0),
    "nanmean": sums.without_nan(sums.mean), "nanvar": sums.without_nan(sums.var),
    "nanstd": sums.without_nan(sums.std),
    "nanmin": sums.nan_extreme(sums.min_, 1.0), "nanmax": sums.nan_extreme(sums.max_, -1.0),
    "cumsum": sums.cumsum, "cumprod": sums.cumprod,
    "nancumsum": sums.without_nan(sums.cumsum, 0.0), "nancumprod": sums.without_nan(sums.cumprod, 1.0),
    "cumulative_sum": sums.cumulative(sums.cumsum, 0.0), "cumulative_prod": sums.cumulative(sums.cumprod, 1.0),
    "diff": sums.diff, "ediff1d": sums.ediff1d, "trapezoid": sums.trapezoid, "average": sums.average,
    "sort": sums.sort, "partition": sums.partition,
    "quantile": sums.quantile, "percentile": sums.percentile, "median": sums.median,
    "add.reduce": sums.over_first(sums.sum_), "multiply.reduce": sums.over_first(sums.prod),
    "maximum.reduce": sums.ufunc_extreme(sums.max_), "minimum.reduce": sums.ufunc_extreme(sums.min_),
    **{f"{name}.reduce": sums.over_first(sums.halved(name)) for name in ("logaddexp", "logaddexp2")},
    **{
        f"{name}.accumulate": sums.scanned(name)
        for name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2")
    },
}  # fmt: skip

_MOVES: dict[str, Gradient] = {
    "reshape": m.reshape, "ravel": m.ravel, "concatenate": m.concatenate, "append": _append,
    "broadcast_to": _broadcast_to, "broadcast_arrays": m.broadcast_arrays, "meshgrid": m.meshgrid, "pad": m.pad,
    "getitem": m.getitem, "getitem.array": m.getitem, "setitem": m.setitem, "setitem.array": m.setitem, "item": _item,
    "atleast_1d": m.each_reshaped(np.atleast_1d), "atleast_2d": m.each_reshaped(np.atleast_2d),
    "atleast_3d": m.each_reshaped(np.atleast_3d),
    **{name: m.joined(function)
       for name, function in (("stack", np.stack), ("vstack", np.vstack), ("hstack", np.hstack), ("dstack", np.dstack),
                              ("column_stack", np.column_stack), ("block", np.block))},
    **{name: m.moved(function, 0)
       for name, function in (
           ("matrix_transpose", np.matrix_transpose), ("rollaxis", np.rollaxis), ("roll", np.roll),
           ("rot90", np.rot90), ("flip", np.flip), ("fliplr", np.fliplr), ("flipud", np.flipud), ("tile", np.tile),
           ("repeat", np.repeat), ("resize", np.resize), ("delete", np.delete), ("split", np.split),
           ("array_split", np.array_split), ("hsplit", np.hsplit), ("vsplit", np.vsplit), ("dsplit", np.dsplit),
           ("unstack", np.unstack), ("take", np.take), ("take_along_axis", np.take_along_axis),
           ("diagonal", np.diagonal), ("linalg.diagonal", np.linalg.diagonal), ("fft.fftshift", np.fft.fftshift),
           ("linalg.matrix_transpose", np.linalg.matrix_transpose), ("fft.ifftshift", np.fft.ifftshift))},
    **{name: m.moved(function, 0, blank=True)
       for name, function in (("diag", np.diag), ("diagflat", np.diagflat), ("tril", np.tril), ("triu", np.triu))},
    "extract": m.moved(np.extract, 1), "compress": m.moved(np.compress, 1), "choose": m.moved(np.choose, 1),
    "insert": m.moved(np.insert, 0, 2), "select": m.moved(np.select, 1, 2),
}  # fmt: skip

_MATRICES: dict[str, Gradient] = {
    "linalg.matmul": "numpy.matmul",
    "outer": matrices.outer, "linalg.outer": matrices.outer, "vdot": matrices.vdot, "vecdot": matrices.vecdot,
    "linalg.vecdot": matrices.vecdot, "matvec": matrices.matvec, "vecmat": matrices.vecmat, "kron": matrices.kron,
    "tensordot": matrices.tensordot, "linalg.tensordot": matrices.tensordot, "einsum": matrices.einsum,
    "cross": matrices.cross, "linalg.cross": matrices.cross, "polyval": matrices.polyval,
    "trace": matrices.trace, "linalg.trace": matrices.matrix_trace,
    "linalg.multi_dot": matrices.multi_dot, "linalg.matrix_power": matrices.matrix_power,
    "linalg.solve": matrices.solve, "linalg.cholesky": matrices.cholesky, "linalg.eigh": matrices.eigh,
    "linalg.eigvalsh": matrices.eigvalsh, "linalg.slogdet": matrices.slogdet, "linalg.svd": matrices.svd,
    "linalg.svdvals": matrices.svdvals, "linalg.pinv": matrices.pinv, "linalg.tensorinv": matrices.tensorinv,
    "linalg.tensorsolve": matrices.tensorsolve, "linalg.vector_norm": matrices.vector_norm,
    "linalg.matrix_norm": matrices.matrix_norm, "linalg.norm": matrices.norm, "linalg.cond": matrices.cond,
    "cov": matrices.cov, "corrcoef": matrices.corrcoef, "convolve": matrices.convolve,
    "correlate": matrices.correlate, "interp": matrices.interp,
}  # fmt: skip

GRADIENTS: Mapping[str, Gradient] = MappingProxyType(
    {
        **{name: f"numpy.{name}" for name in _AUTOGRAD},
        **dict.fromkeys(_CONSTANT, CONSTANT),
        **_ELEMENTWISE,
        **_SUMS,
        **_MOVES,
        **_MATRICES,
    }
)
"""Op name -> its gradient."""


def kind_of(row: Row) -> str:
    """Return what a row's gradient is, in a word: "autograd", "rewrite", "constant" or "none"."""
    if row.gradient is None or row.gradient == CONSTANT:
        return "none" if row.gradient is None else CONSTANT
    return "autograd" if isinstance(row.gradient, str) else "rewrite"
