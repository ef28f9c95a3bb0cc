"""Gradients of products and linear algebra, as rewrites in functions that autograd differentiates; see ``sums``."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fedsock.ops.moves import cast, moved, plain, spread, where
from fedsock.ops.sums import axes_of, mean, root


def transposed(anp: Any, x: Any) -> Any:
    """Return x with its last two axes exchanged."""
    return anp.swapaxes(x, -1, -2)


# --- products -----------------------------------------------------------------------------------------------


def outer(anp: Any, a: Any, b: Any) -> Any:
    """As numpy's outer."""
    return anp.reshape(anp.ravel(a), (-1, 1)) * anp.reshape(anp.ravel(b), (1, -1))


def vdot(anp: Any, a: Any, b: Any) -> Any:
    """As numpy's vdot, of real numbers."""
    return anp.sum(anp.ravel(a) * anp.ravel(b))


def vecdot(anp: Any, x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """As numpy's vecdot, of real numbers."""
    left, right = anp.moveaxis(x1, axis, -1), anp.moveaxis(x2, axis, -1)
    return anp.matmul(anp.expand_dims(left, -2), anp.expand_dims(right, -1))[..., 0, 0]


def matvec(anp: Any, x1: Any, x2: Any) -> Any:
    """As numpy's matvec."""
    return anp.matmul(x1, anp.expand_dims(x2, -1))[..., 0]


def vecmat(anp: Any, x1: Any, x2: Any) -> Any:
    """As numpy's vecmat, of real numbers."""
    return anp.matmul(anp.expand_dims(x1, -2), x2)[..., 0, :]


def kron(anp: Any, a: Any, b: Any) -> Any:
    """As numpy's kron."""
    ndim = max(anp.ndim(a), anp.ndim(b))
    left = (1,) * (ndim - anp.ndim(a)) + anp.shape(a)
    right = (1,) * (ndim - anp.ndim(b)) + anp.shape(b)
    pairs = anp.reshape(a, [n for m in left for n in (m, 1)]) * anp.reshape(b, [n for m in right for n in (1, m)])
    return anp.reshape(pairs, [m * n for m, n in zip(left, right, strict=True)])


def tensordot(anp: Any, x1: Any, x2: Any, axes: Any = 2) -> Any:
    """As numpy's tensordot."""
    if isinstance(axes, int):
        axes = (tuple(range(anp.ndim(x1) - axes, anp.ndim(x1))), tuple(range(axes)))
    first, second = ((one,) if isinstance(one, int) else tuple(one) for one in axes)
    first, second = axes_of(anp, x1, first), axes_of(anp, x2, second)
    rows = [k for k in range(anp.ndim(x1)) if k not in first]
    columns = [k for k in range(anp.ndim(x2)) if k not in second]
    shape = [anp.shape(x1)[k] for k in rows] + [anp.shape(x2)[k] for k in columns]
    size = int(np.prod([anp.shape(x1)[k] for k in first], dtype=np.int64))
    left = anp.reshape(anp.transpose(x1, (*rows, *first)), (-1, size))
    right = anp.reshape(anp.transpose(x2, (*second, *columns)), (size, -1))
    return anp.reshape(anp.matmul(left, right), shape)


def einsum(anp: Any, subscripts: str, *operands: Any, optimize: Any = False, dtype: Any = None) -> Any:
    """As numpy's einsum; an operand's diagonal, as in "ii->i", is taken first."""
    terms, arrow, result = subscripts.replace(" ", "").partition("->")
    parts, taken = [], []
    for term, operand in zip(terms.split(","), operands, strict=True):
        labels = term.replace("...", "")
        if len(set(labels)) < len(labels):
            single = "".join(dict.fromkeys(labels))
            single = ("..." if "..." in term else "") + single
            operand = moved(partial(np.einsum, f"{term}->{single}"), 0)(anp, operand)
            # Without an arrow, what stands twice is summed: so it must not be among the results.
            if not arrow:
                every = terms.replace(",", "").replace("...", "")
                result = "".join(sorted(one for one in set(every) if every.count(one) == 1))
                arrow, result = "->", ("..." if "..." in terms else "") + result
            term = single
        parts.append(term)
        taken.append(cast(anp, operand, dtype))
    return anp.einsum(",".join(parts) + arrow + result, *taken)


def cross(anp: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """As numpy's cross, of vectors of three."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = anp.moveaxis(a, axisa, -1), anp.moveaxis(b, axisb, -1)
    if anp.shape(a)[-1] != 3 or anp.shape(b)[-1] != 3:
        raise NotImplementedError("vectors of two")
    after, before = [1, 2, 0], [2, 0, 1]
    found = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return anp.moveaxis(found, -1, axisc)


def polyval(anp: Any, p: Any, x: Any) -> Any:
    """As numpy's polyval, by Horner's rule."""
    value = x * 0.0
    for k in range(anp.shape(p)[0]):
        value = value * x + p[k]
    return value


def trace(anp: Any, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """As numpy's trace."""
    return anp.sum(moved(np.diagonal, 0)(anp, cast(anp, a, dtype), offset, axis1, axis2), axis=-1)


def matrix_trace(anp: Any, x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    """As numpy's linalg.trace."""
    return trace(anp, x, offset, -2, -1, dtype)


def multi_dot(anp: Any, arrays: Any) -> Any:
    """As numpy's multi_dot, from left to right."""
    found = arrays[0]
    for one in arrays[1:]:
        found = anp.dot(found, one)
    return found


def matrix_power(anp: Any, a: Any, n: int) -> Any:
    """As numpy's matrix_power, by squares."""
    base, left = (anp.linalg.inv(a), -n) if n < 0 else (a, n)
    found = spread(anp, a * 0.0, anp.shape(a)) + np.eye(anp.shape(a)[-1])
    while left:
        found = anp.matmul(found, base) if left % 2 else found
        left //= 2
        base = anp.matmul(base, base) if left else base
    return found


# --- solvers and decompositions -----------------------------------------------------------------------------


def solve(anp: Any, a: Any, b: Any) -> Any:
    """As numpy's solve."""
    column = anp.ndim(b) == 1
    right = anp.expand_dims(b, -1) if column else b
    stack = np.broadcast_shapes(anp.shape(a)[:-2], anp.shape(right)[:-2])
    a, right = (spread(anp, one, (*stack, *anp.shape(one)[-2:])) for one in (a, right))
    found = anp.linalg.solve(a, right)
    return found[..., 0] if column else found


def cholesky(anp: Any, a: Any, *, upper: bool = False) -> Any:
    """As numpy's cholesky; the gradient is among symmetric matrices."""
    lower = anp.linalg.cholesky(transposed(anp, a) if upper else a)
    return transposed(anp, lower) if upper else lower


def eigh(anp: Any, a: Any, UPLO: str = "L") -> Any:
    """As numpy's eigh; of equal eigenvalues only their sum has a gradient."""
    found = anp.linalg.eigh(a, UPLO.upper())
    return [found[0], found[1]]


def eigvalsh(anp: Any, a: Any, UPLO: str = "L") -> Any:
    """As numpy's eigvalsh."""
    return eigh(anp, a, UPLO)[0]


def slogdet(anp: Any, a: Any) -> Any:
    """As numpy's slogdet."""
    found = anp.linalg.slogdet(a)
    return [found[0], found[1]]


def svdvals(anp: Any, x: Any) -> Any:
    """As numpy's svdvals."""
    return anp.linalg.svd(x, full_matrices=False)[1]


def svd(anp: Any, a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """As numpy's svd.

    Raises:
        NotImplementedError: all of the larger space's vectors are asked for, and they aren't determined.
    """
    if not compute_uv:
        return svdvals(anp, a)
    rows, columns = anp.shape(a)[-2:]
    if full_matrices and rows != columns:
        raise NotImplementedError("full_matrices=True of a matrix that isn't square")
    found = anp.linalg.svd(a, full_matrices=False)
    return [found[0], found[1], found[2]]


def pinv(anp: Any, a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """As numpy's pinv, of a matrix of full rank.

    Raises:
        NotImplementedError: a cutoff is given.
    """
    if rcond is not None or rtol is not None or hermitian:
        raise NotImplementedError("rcond, rtol and hermitian")
    return anp.linalg.pinv(a)


def tensorinv(anp: Any, a: Any, ind: int = 2) -> Any:
    """As numpy's tensorinv."""
    shape = anp.shape(a)
    size = int(np.prod(shape[ind:], dtype=np.int64))
    return anp.reshape(anp.linalg.inv(anp.reshape(a, (size, size))), shape[ind:] + shape[:ind])


def tensorsolve(anp: Any, a: Any, b: Any, axes: Any = None) -> Any:
    """As numpy's tensorsolve."""
    if axes:
        kept = [k for k in range(anp.ndim(a)) if k not in axes_of(anp, a, axes)]
        a = anp.transpose(a, (*kept, *axes_of(anp, a, axes)))
    shape = anp.shape(a)[anp.ndim(b) :]
    size = int(np.prod(shape, dtype=np.int64))
    return anp.reshape(solve(anp, anp.reshape(a, (size, size)), anp.ravel(b)), shape)


# --- norms --------------------------------------------------------------------------------------------------


def _vector(anp: Any, x: Any, order: Any, axis: Any) -> Any:
    """Return norms of vectors, the axes kept; at 0 the subgradient is 0."""
    if order is None or order == 2:
        return root(anp, anp.sum(x * x, axis=axis, keepdims=True))
    size = anp.absolute(x)
    if order in (np.inf, -np.inf):
        return (anp.max if order > 0 else anp.min)(size, axis=axis, keepdims=True)
    if order == 0:
        return np.sum(plain(anp, x) != 0, axis=axis, keepdims=True).astype(anp.result_type(x))
    if order == 1:
        return anp.sum(size, axis=axis, keepdims=True)
    if order < 1:
        return anp.sum(size**order, axis=axis, keepdims=True) ** (1.0 / order)
    total = anp.sum(size**order, axis=axis, keepdims=True)
    zero = plain(anp, total) == 0
    return anp.where(zero, 0.0 * total, anp.where(zero, 1.0, total) ** (1.0 / order))


def _matrix(anp: Any, x: Any, order: Any, axes: tuple[int, int]) -> Any:
    """Return norms of matrices, the axes gone."""
    lines = anp.moveaxis(x, axes, (-2, -1))
    if order in (None, "fro", "f"):
        return _vector(anp, lines, 2, (-2, -1))[..., 0, 0]
    if order in ("nuc", 2, -2):
        values = svdvals(anp, lines)
        return anp.sum(values, axis=-1) if order == "nuc" else values[..., 0 if order > 0 else -1]
    if order not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    sums = anp.sum(anp.absolute(lines), axis=-2 if abs(order) == 1 else -1)
    return (anp.max if order > 0 else anp.min)(sums, axis=-1)


def vector_norm(anp: Any, x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """As numpy's vector_norm; at 0 the subgradient is 0."""
    found = _vector(anp, x, ord, axis)
    return found if keepdims else anp.squeeze(found, axes_of(anp, x, axis))


def matrix_norm(anp: Any, x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """As numpy's matrix_norm; at 0 the subgradient of the Frobenius norm is 0."""
    found = _matrix(anp, x, ord, (-2, -1))
    return found[..., None, None] if keepdims else found


def norm(anp: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """As numpy's norm; at 0 the subgradient is 0."""
    if axis is None and (ord is None or anp.ndim(x) == 1):
        return vector_norm(anp, x, axis=None, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = axes_of(anp, x, axis)
    if len(axes) == 1:
        return vector_norm(anp, x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    found = _matrix(anp, x, ord, axes)  # type: ignore[arg-type]  # numpy takes two axes here, or has refused before
    return anp.expand_dims(found, tuple(sorted(axes))) if keepdims else found


def cond(anp: Any, x: Any, p: Any = None) -> Any:
    """As numpy's cond."""
    if p in (None, 2, -2):
        values = svdvals(anp, x)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return _matrix(anp, x, p, (-2, -1)) * _matrix(anp, anp.linalg.inv(x), p, (-2, -1))


# --- statistics of rows -------------------------------------------------------------------------------------


def cov(
    anp: Any,
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """As numpy's cov.

    Raises:
        NotImplementedError: with weights.
    """
    if fweights is not None or aweights is not None:
        raise NotImplementedError("fweights and aweights")
    parts = []
    for part in (m, y):
        if part is not None:
            table = anp.reshape(part, (1, -1)) if anp.ndim(part) < 2 else part if rowvar else anp.transpose(part)
            parts.append(cast(anp, table, dtype))
    x = anp.concatenate(parts) if len(parts) > 1 else parts[0]
    apart = x - mean(anp, x, 1, keepdims=True)
    left = anp.shape(x)[1] - ((0 if bias else 1) if ddof is None else ddof)
    found = anp.matmul(apart, anp.transpose(apart)) / float(max(left, 0))
    return found[0, 0] if anp.shape(found) == (1, 1) else found


def corrcoef(anp: Any, x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """As numpy's corrcoef."""
    found = cov(anp, x, y, rowvar, dtype=dtype)
    if anp.ndim(found) == 0:
        return found / found
    scale = anp.sqrt(anp.diag(found))
    return found / anp.reshape(scale, (-1, 1)) / anp.reshape(scale, (1, -1))


def convolve(anp: Any, a: Any, v: Any, mode: str = "full") -> Any:
    """As numpy's convolve: the windows of the longer, times the shorter."""
    long, short = (a, v) if anp.size(a) >= anp.size(v) else (v, a)
    n, k = anp.size(long), anp.size(short)
    none = np.zeros(k - 1)
    padded = anp.concatenate([none, anp.ravel(long), none])
    windows = padded[np.arange(n + k - 1)[:, None] + np.arange(k)]
    full = anp.dot(windows, anp.ravel(short)[::-1])
    if mode == "full":
        return full
    first = k - 1 if mode == "valid" else (k - 1) // 2
    return full[first : first + (n - k + 1 if mode == "valid" else n)]


def correlate(anp: Any, a: Any, v: Any, mode: str = "valid") -> Any:
    """As numpy's correlate, of real numbers."""
    if anp.size(v) <= anp.size(a):
        return convolve(anp, a, anp.ravel(v)[::-1], mode)
    return convolve(anp, v, anp.ravel(a)[::-1], mode)[::-1]


def interp(anp: Any, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """As numpy's interp; at a point of xp, the slope to its right.

    Raises:
        NotImplementedError: with a period.
    """
    if period is not None:
        raise NotImplementedError("period")
    at, points = plain(anp, x), np.asarray(plain(anp, xp))
    k = np.clip(np.searchsorted(points, at, "right") - 1, 0, max(len(points) - 2, 0))
    after = np.minimum(k + 1, len(points) - 1)
    width = xp[after] - xp[k] if len(points) > 1 else 1.0
    found = fp[k] + (x - xp[k]) / width * (fp[after] - fp[k])
    found = where(anp, at < points[0], fp[0] if left is None else left, found)
    return where(anp, at > points[-1], fp[-1] if right is None else right, found)
