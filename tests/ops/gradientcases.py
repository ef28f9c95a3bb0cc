"""Calls whose gradients are tried, by every float array among their arguments: op -> [(args, options), …]."""

# ruff: noqa: E501  # a table: each op is a line

from __future__ import annotations

from typing import Any

import numpy as np

_RNG = np.random.default_rng(4)


def n(*shape: int) -> Any:
    """Normal numbers, none near another or near 0."""
    size = int(np.prod(shape, dtype=int))
    values = (_RNG.permutation(size) - size / 2 + 0.37) * (3.0 / max(size, 3))
    return values.reshape(shape) + 0.0 if shape else np.float64(_RNG.uniform(0.5, 1.5))


def p(*shape: int) -> Any:
    """Positive numbers."""
    return np.abs(n(*shape)) + 0.3


def u(*shape: int) -> Any:
    """Numbers between -1 and 1."""
    return n(*shape) * 0.6


def square(*shape: int) -> Any:
    """Well-conditioned square matrices."""
    return n(*shape) + 3 * np.eye(shape[-1])


def holes(*shape: int) -> Any:
    """Numbers and a NaN."""
    values = n(*shape)
    values.flat[1] = np.nan
    return values


MASK = np.array([[True, False, True], [False, True, True]])

Cases = list[tuple[list[Any], dict[str, Any]]]


def _unary(draw: Any) -> Cases:
    return [([draw(3)], {}), ([draw(2, 3)], {"where": MASK}), ([draw()], {}), ([draw(2, 2)], {"dtype": np.dtype("f8")})]


def _binary(left: Any, right: Any) -> Cases:
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,))]
    found: Cases = [([left(*a), right(*b)], {}) for a, b in shapes]
    return [*found, ([left(2, 3), right(3)], {"where": MASK})]


_REAL = "absolute fabs arctan arcsinh cos cosh sin sinh tan tanh exp exp2 expm1 negative positive square"
_REAL += " deg2rad rad2deg degrees radians cbrt reciprocal conjugate"
_POSITIVE = "log log2 log10 log1p sqrt"
_PAIRS = (
    "add subtract multiply divide arctan2 hypot logaddexp logaddexp2 maximum minimum fmax fmin copysign fmod remainder"
)
_AXES: Cases = [
    ([n(2, 3)], {}), ([n(2, 3)], {"axis": 0}), ([n(2, 3, 2)], {"axis": -1, "keepdims": True}),
    ([n(2, 3, 2)], {"axis": (0, 2)}), ([n(4)], {}), ([n()], {}), ([n(2, 3)], {"keepdims": True}),
]  # fmt: skip
_WHERE: Cases = [([n(2, 3)], {"axis": 1, "where": MASK}), ([n(2, 3)], {"where": MASK, "keepdims": True})]
_HOLES: Cases = [([holes(2, 3)], {}), ([holes(2, 3)], {"axis": 1}), ([holes(3, 2)], {"axis": 0, "keepdims": True})]
_MOMENTS: Cases = [
    ([n(2, 3)], {"axis": 1, "ddof": 1}),
    ([n(4)], {"correction": 1}),
    ([n(2, 3)], {"mean": n(1, 3), "axis": 0}),
]
_RUNNING: Cases = [
    ([n(4)], {}),
    ([n(2, 3)], {}),
    ([n(2, 3)], {"axis": 0}),
    ([n(2, 3)], {"axis": -1}),
    ([n(5, 1)], {"axis": 0}),
]
_ZERO = np.array([[0.0, 1.3, -2.0], [0.7, 0.0, 0.0]])
_LEVELS: Cases = [
    ([n(5), 0.3], {}), ([n(4), 0.5], {"keepdims": True}), ([n(3, 4), 0.2], {"axis": 1}), ([n(3, 4), 0.9], {"axis": (0, 1)}),
    ([n(3, 4), 0.7], {"axis": 0, "keepdims": True, "method": "hazen"}), ([n(5), 0.5], {"method": "nearest"}),
    ([n(6), 0.5], {"method": "inverted_cdf"}),
]  # fmt: skip
_MATRIX: Cases = [([n(2, 3), n(3, 2)], {}), ([n(3), n(3)], {}), ([n(2, 3), n(3)], {}), ([n(3), n(3, 2)], {})]
_STACKS: Cases = [
    ([n(2, 2, 3), n(3, 2)], {}),
    ([n(2, 3), n(2, 3, 2)], {}),
    ([n(1, 2, 3), n(4, 3, 2)], {}),
    ([n(3), n(2, 3, 2)], {}),
]
_INVERTIBLE: Cases = [([square(3, 3)], {}), ([square(2, 2, 2)], {})]
_RECTANGLES: Cases = [([n(3, 2)], {}), ([n(2, 3)], {}), ([n(3, 3)], {}), ([n(2, 3, 2)], {})]

CASES: dict[str, Cases] = {
    **{name: _unary(n) for name in _REAL.split()},
    **{name: _unary(p) for name in _POSITIVE.split()},
    **{name: _unary(u) for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": _unary(lambda *s: p(*s) + 1.0),
    **{name: _binary(n, p) for name in _PAIRS.split()},
    **{name: _binary(p, n) for name in ("power", "float_power")},
    "pow": [([n(3), 2], {}), ([n(3), 3.0], {}), ([p(3), n(3)], {}), ([p(2, 3), -1], {}), ([p(3), 0.5], {})],
    "heaviside": [([n(3), n(3)], {}), ([np.array([1, 0, -2]), n(3)], {})],
    "ldexp": [([n(3), np.array([1, 0, -2])], {})],
    "modf": [([n(3)], {})], "divmod": [([n(3), p(3)], {}), ([n(2, 3), p(3)], {})],
    "real": [([n(3)], {})], "imag": [([n(3)], {})], "real_if_close": [([n(3)], {})],
    **{f"{name}.outer": [([n(2), p(3)], {}), ([n(2, 2), p()], {})] for name in (*_PAIRS.split(),)},
    **{f"{name}.outer": [([p(2), n(3)], {})] for name in ("power", "float_power")},
    **{name: [([n(2, 3), p(3)], {})] for name in ("iadd", "isub", "imul", "itruediv", "imod")},
    "ipow": [([p(2, 3), n(3)], {})], "imatmul": [([n(2, 3), n(3, 3)], {})],
    "sinc": [([n(3)], {}), ([np.zeros(2)], {})],
    "clip": [([n(6), -0.5, 0.7], {}), ([n(6)], {"max": 0.2}), ([n(2, 3), n(3) - 2, n(3) + 2], {}), ([n(4), None, 0.3], {})],
    "nan_to_num": [([n(3)], {}), ([holes(3)], {"nan": 2.0})],
    "unwrap": [([n(5) * 4], {})],
    "where": [([MASK, n(2, 3), n(2, 3)], {}), ([MASK, n(3), 0.0], {}), ([True, n(2), n(3, 1)], {}), ([MASK, n(), n(2, 1)], {})],
    "astype": [([n(3), np.dtype("f8")], {})], "array": [([n(3)], {"ndmin": 3}), ([n()], {})], "asarray": [([n(3)], {})],
    "copy": [([n(2, 3)], {})], "full": [([(2, 3), n()], {}), ([(2, 3), n(3)], {}), ([3, n()], {})],
    "full_like": [([np.zeros((2, 3)), n(3)], {})],
    "linspace": [([n(), n()], {"num": 4}), ([n(2), n(2), 3], {"endpoint": False, "axis": 1}), ([n(), n()], {"num": 3, "retstep": True})],
    "logspace": [([n(), n()], {"num": 3}), ([n(2), n(2), 3], {"base": 2.0, "axis": -1})],
    "vander": [([n(3)], {}), ([n(3), 2], {"increasing": True})],
    "sum": [*_AXES, *_WHERE, ([n(2, 3)], {"axis": 0, "initial": 2.0})],
    "prod": [*_AXES, *_WHERE, ([_ZERO], {}), ([_ZERO], {"axis": 1}), ([_ZERO], {"axis": 0})],
    "mean": [*_AXES, *_WHERE], "var": [*_AXES, *_WHERE, *_MOMENTS],
    "std": [*_AXES[:5], *_AXES[6:], *_WHERE, *_MOMENTS],
    **{name: [*_HOLES, *_WHERE] for name in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd")},
    **{name: [*_AXES, ([n(2, 3)], {"axis": 1, "where": MASK, "initial": 0.1})] for name in ("min", "max")},
    "ptp": [*_AXES], "nanmin": [*_HOLES], "nanmax": [*_HOLES],
    **{name: [*_RUNNING] for name in ("cumsum", "cumprod")},
    **{name: [([holes(4)], {}), ([holes(2, 3)], {"axis": 1})] for name in ("nancumsum", "nancumprod")},
    **{name: [([n(4)], {}), ([n(2, 3)], {"axis": 0, "include_initial": True}), ([n(2, 3)], {"axis": -1})]
       for name in ("cumulative_sum", "cumulative_prod")},
    "diff": [([n(4)], {}), ([n(2, 4), 2], {}), ([n(3, 2)], {"axis": 0}), ([n(2, 3)], {"prepend": n(2, 1), "append": 0.5})],
    "ediff1d": [([n(2, 3)], {}), ([n(4), n(2), n(1)], {})],
    "trapezoid": [([n(4)], {}), ([n(2, 3), n(3)], {}), ([n(2, 3)], {"dx": 0.5, "axis": 0}), ([n(2, 3), n(2, 3)], {})],
    "average": [([n(2, 3)], {}), ([n(2, 3), 1, p(3)], {}), ([n(2, 3), None, p(2, 3), True], {}), ([n(2, 3), 0, p(2)], {"keepdims": True})],
    "sort": [([n(4)], {}), ([n(3, 4), 0], {}), ([n(3, 4), None], {})], "partition": [([n(5), 2], {}), ([n(2, 5), 1, 1], {})],
    "quantile": [*_LEVELS, ([n(3, 4), [0.2, 0.5]], {"axis": 1}), ([n(5), [[0.1], [0.8]]], {"keepdims": True})],
    "percentile": [([args[0], args[1] * 100], options) for args, options in _LEVELS],
    "median": [([n(5)], {}), ([n(4)], {}), ([n(3, 4)], {"axis": 0, "keepdims": True}), ([n(3, 4)], {"axis": (0, 1)})],
    **{f"{name}.reduce": [([n(4)], {}), ([n(3, 2)], {}), ([n(2, 3)], {"axis": 1, "keepdims": True}), ([n(2, 3, 2)], {"axis": (0, 1)})]
       for name in ("add", "multiply", "maximum", "minimum", "logaddexp")},
    "logaddexp2.reduce": [([n(5)], {})],
    **{f"{name}.accumulate": [([n(5)], {}), ([n(3, 2)], {}), ([n(2, 3)], {"axis": 1})]
       for name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2")},
    "reshape": [([n(2, 3), (3, 2)], {}), ([n(2, 3), -1], {}), ([n(2, 3), (3, 2)], {"order": "F"})],
    "ravel": [([n(2, 3)], {}), ([n(2, 3), "F"], {})], "transpose": [([n(2, 3)], {}), ([n(2, 3, 4), (2, 0, 1)], {})],
    "matrix_transpose": [([n(2, 2, 3)], {})], "linalg.matrix_transpose": [([n(2, 3)], {})],
    "swapaxes": [([n(2, 3, 2), 0, -1], {})], "moveaxis": [([n(2, 3, 2), 0, -1], {}), ([n(2, 3, 2), (0, 1), (1, 2)], {})],
    "rollaxis": [([n(2, 3, 2), 2], {}), ([n(2, 3, 2), -1, 1], {})], "squeeze": [([n(1, 3, 1)], {}), ([n(1, 3, 1), 0], {})],
    "expand_dims": [([n(3), 0], {}), ([n(3), (0, 2)], {})], "roll": [([n(4), 1], {}), ([n(2, 3), (1, 2), (0, 1)], {})],
    "rot90": [([n(2, 3)], {}), ([n(2, 3, 2), 3, (1, 2)], {})], "flip": [([n(2, 3)], {}), ([n(2, 3), 1], {}), ([n(2, 3), (0, 1)], {})],
    "fliplr": [([n(2, 3)], {})], "flipud": [([n(2, 3)], {})],
    **{f"atleast_{k}d": [([n()], {}), ([n(3)], {}), ([n(2, 3), n()], {})] for k in (1, 2, 3)},
    "concatenate": [([[n(2), n(3)]], {}), ([[n(2, 3), n(2, 1)], 1], {}), ([[n(2, 3), n(4)], None], {}), ([[n(2, 3), n(2, 1)], -1], {})],
    "stack": [([[n(2), n(2)]], {}), ([[n(2, 3), n(2, 3)], -1], {}), ([[n(), n()]], {})], "vstack": [([[n(3), n(2, 3)]], {})],
    "hstack": [([[n(3), n(2)]], {})], "dstack": [([[n(2, 3), n(2, 3)]], {})], "column_stack": [([[n(3), n(3, 2)]], {})],
    "block": [([[[n(2, 2), n(2, 1)], [n(1, 2), n(1, 1)]]], {})], "append": [([n(3), n(2)], {}), ([n(2, 3), n(1, 3), 0], {})],
    "split": [([n(4), 2], {}), ([n(2, 4), (1, 3), 1], {})], "array_split": [([n(5), 2], {})], "hsplit": [([n(2, 4), 2], {})],
    "vsplit": [([n(4, 2), 2], {})], "dsplit": [([n(1, 2, 4), 2], {})], "unstack": [([n(2, 3)], {}), ([n(2, 3)], {"axis": 1})],
    "broadcast_to": [([n(3), (2, 3)], {}), ([n(2, 1), (3, 2, 4)], {}), ([n(), 3], {})],
    "broadcast_arrays": [([n(3), n(2, 1)], {})], "meshgrid": [([n(2), n(3)], {}), ([n(2), n(3)], {"indexing": "ij", "sparse": True})],
    "tile": [([n(2), 3], {}), ([n(2, 3), (2, 1, 2)], {})], "repeat": [([n(3), 2], {}), ([n(2, 3), (1, 0, 2), 1], {})],
    "pad": [([n(2, 3), 1], {}), ([n(3), (1, 2), "edge"], {}), ([n(4), 2, "reflect"], {}), ([n(3), 1], {"constant_values": 2.0})],
    "resize": [([n(2, 3), (4, 2)], {})], "delete": [([n(4), 1], {}), ([n(2, 3), slice(0, 2), 1], {})],
    "insert": [([n(4), 1, n()], {}), ([n(2, 3), 1, n(2), 1], {})],
    "getitem": [([n(4), 1], {}), ([n(2, 3), (slice(None), slice(None, None, -2))], {}), ([n(2, 3), (None, Ellipsis, 1)], {})],
    "getitem.array": [([n(4), np.array([0, 2, 2])], {}), ([n(2, 3), MASK], {}), ([n(3, 2), (np.array([0, 0]), 1)], {})],
    "setitem": [([n(4), 1, n()], {}), ([n(2, 3), (slice(None), 0), n(2)], {}), ([n(2, 3), 0, n()], {})],
    "setitem.array": [([n(4), np.array([0, 2]), n(2)], {}), ([n(2, 3), MASK, n(4)], {}), ([n(2, 3), MASK, 1.5], {})],
    "item": [([[n(2), n(3)], 1], {})], "take": [([n(2, 3), np.array([0, 4])], {}), ([n(3, 2), [2, 0, 2], 0], {}), ([n(3), 7], {"mode": "wrap"})],
    "take_along_axis": [([n(2, 3), np.array([[0, 2], [1, 1]]), 1], {})],
    "diag": [([n(3)], {}), ([n(3, 3), 1], {}), ([n(2), -1], {})], "diagflat": [([n(2, 2)], {})],
    "tril": [([n(3, 3)], {}), ([n(2, 3, 3), 1], {})], "triu": [([n(3, 3), 1], {})],
    "diagonal": [([n(3, 3)], {}), ([n(2, 3, 3), 1, 1, 2], {})], "linalg.diagonal": [([n(2, 3, 3)], {"offset": -1})],
    "fft.fftshift": [([n(5)], {})], "fft.ifftshift": [([n(2, 3)], {"axes": 1})],
    "extract": [([MASK, n(2, 3)], {})], "compress": [([np.array([True, False, True]), n(2, 3), 1], {})],
    "choose": [([np.array([0, 1, 1]), [n(3), n(3)]], {})], "select": [([[MASK, ~MASK], [n(2, 3), n(3)]], {})],
    "matmul": [*_MATRIX, *_STACKS], "linalg.matmul": [*_MATRIX[:1], *_STACKS[:3]],
    "dot": [*_MATRIX, ([n(2, 2, 3), n(3, 2)], {}), ([n(), n(3)], {})],
    "inner": [([n(3), n(3)], {}), ([n(2, 3), n(4, 3)], {})], "outer": [([n(2), n(3)], {}), ([n(2, 2), n(3)], {})],
    "linalg.outer": [([n(2), n(3)], {})], "vdot": [([n(2, 3), n(2, 3)], {})],
    "vecdot": [([n(2, 3), n(3)], {}), ([n(3, 2), n(3, 2)], {"axis": 0})], "linalg.vecdot": [([n(2, 3), n(2, 3)], {})],
    "matvec": [([n(2, 3), n(3)], {}), ([n(2, 2, 3), n(2, 3)], {})], "vecmat": [([n(2), n(2, 3)], {}), ([n(2, 2), n(2, 2, 3)], {})],
    "kron": [([n(2), n(3)], {}), ([n(2, 2), n(1, 3)], {}), ([n(2), n(2, 2)], {})],
    "tensordot": [([n(2, 3, 2), n(3, 2, 2)], {}), ([n(2, 3), n(4, 2), ((0,), (1,))], {}), ([n(2), n(3), 0], {}),
                  ([n(2, 3, 4), n(4, 2), ((2, 0), (0, 1))], {})],
    "linalg.tensordot": [([n(2, 3), n(3, 2)], {"axes": 1})],
    "einsum": [(["ij,jk->ik", n(2, 3), n(3, 2)], {}), (["ii", n(3, 3)], {}), (["ii->i", n(3, 3)], {}), (["...i,i", n(2, 2, 3), n(3)], {}),
               (["ij->", n(2, 3)], {}), (["ij,ij->j", n(2, 3), n(2, 3)], {}), (["iij,j", n(2, 2, 3), n(3)], {}), (["ij->ji", n(2, 3)], {})],
    "cross": [([n(3), n(3)], {}), ([n(2, 3), n(3)], {}), ([n(3, 2), n(3, 2)], {"axis": 0})], "linalg.cross": [([n(2, 3), n(2, 3)], {})],
    "polyval": [([n(3), n(2)], {}), ([n(3), n()], {})], "trace": [([n(3, 3)], {}), ([n(2, 3, 3), 1, 1, 2], {})],
    "linalg.trace": [([n(2, 3, 3)], {"offset": 1})],
    "linalg.multi_dot": [([[n(2, 3), n(3, 4), n(4, 2)]], {}), ([[n(3), n(3, 2), n(2)]], {})],
    "linalg.matrix_power": [([square(3, 3), 3], {}), ([square(2, 2), -2], {}), ([square(2, 2, 2), 0], {}), ([n(2, 2), 1], {})],
    "linalg.inv": _INVERTIBLE, "linalg.det": _INVERTIBLE, "linalg.slogdet": _INVERTIBLE, "linalg.pinv": [*_RECTANGLES[:3]],
    "linalg.solve": [([square(3, 3), n(3)], {}), ([square(3, 3), n(3, 2)], {}), ([square(2, 3, 3), n(3, 2)], {}),
                     ([square(3, 3), n(2, 3, 1)], {}), ([square(2, 3, 3), n(3)], {})],
    "linalg.svdvals": _RECTANGLES,
    "linalg.svd": [([n(3, 2), False], {}), ([n(3, 3)], {}), ([n(2, 3)], {"full_matrices": False}), ([n(2, 3)], {"compute_uv": False})],
    "linalg.tensorinv": [([square(4, 4).reshape(2, 2, 4), 2], {}), ([square(4, 4).reshape(4, 2, 2), 1], {})],
    "linalg.tensorsolve": [([square(4, 4).reshape(2, 2, 4), n(2, 2)], {})],
    "linalg.vector_norm": [([n(2, 3)], {}), ([n(2, 3)], {"axis": 1, "keepdims": True}), ([n(4)], {"ord": 1}), ([n(4)], {"ord": np.inf}),
                           ([n(4)], {"ord": 3}), ([n(2, 3)], {"ord": 2.5, "axis": 0}), ([n(4)], {"ord": -np.inf}), ([n(4)], {"ord": 0.5})],
    "linalg.matrix_norm": [([n(2, 3)], {}), ([n(2, 3, 2)], {"keepdims": True}), *[([n(3, 2)], {"ord": o}) for o in ("nuc", 2, -2, 1, np.inf)]],
    "linalg.norm": [([n(4)], {}), ([n(2, 3)], {}), ([n(2, 3), 1, 1], {}), ([n(2, 3), None, 0, True], {}), ([n(2, 3), "nuc"], {}),
                    ([n(2, 3, 2), "fro", (0, 2)], {}), ([n(2, 3, 2), 1, (2, 0), True], {}), ([n(2, 3, 2)], {})],
    "linalg.cond": [([square(3, 3)], {}), ([np.array([[3.0, 0.4], [0.7, 2.0]]), 1], {}), ([square(2, 2), "fro"], {}), ([n(3, 2), -2], {})],
    "cov": [([n(2, 4)], {}), ([n(4)], {}), ([n(4, 2)], {"rowvar": False, "bias": True}), ([n(2, 4), n(4)], {"ddof": 0})],
    "corrcoef": [([n(2, 4)], {}), ([n(4, 2)], {"rowvar": False}), ([n(4), n(4)], {})],
    **{name: [([n(4), n(2)], {"mode": mode}) for mode in ("full", "same", "valid")] + [([n(2), n(5)], {"mode": mode}) for mode in ("full", "same", "valid")]
       + [([n(4), n(3)], {"mode": "same"}), ([n(3), n(3)], {})] for name in ("convolve", "correlate")},
    "interp": [([np.array([-0.5, 0.2, 1.7, 2.6, 9.0]), np.array([0.0, 1.0, 2.5, 4.0]), n(4)], {}),
               ([0.4, np.array([0.0, 1.0]), n(2)], {}), ([np.array([-1.0, 0.5, 7.0]), np.array([0.0, 1.0]), n(2), -1.5, 4.5], {})],
}  # fmt: skip
