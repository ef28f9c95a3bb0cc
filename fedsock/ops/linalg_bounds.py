"""How large the results of linear algebra can get, and how long they take, from shapes alone."""

from __future__ import annotations

import math
from typing import Any

from fedsock.ops.bounds import WIDE, broadcast, itemsize_of, parts_of, shape_of
from fedsock.ops.registry import Bound

CALL_SECONDS = 1e-5
"""What a call of numpy's Python code costs before any arithmetic."""

SECONDS_PER_PRODUCT = 1e-9
"""A multiplication and an addition, with room to spare; BLAS does several at once."""


def matrices(x: Any) -> tuple[int, int, int]:
    """Return (batch, rows, columns) of a stack of matrices; axes that are missing count as one.

    Args:
        x: (..., m, n) array.
    """
    shape = (1, 1, *shape_of(x))
    return math.prod(shape[:-2]), shape[-2], shape[-1]


def like(a: Any, *_: Any, **__: Any) -> Bound:
    """As large as the first argument."""
    return Bound(shape_of(a), WIDE)


def stack(a: Any, *_: Any, **__: Any) -> Bound:
    """One number for each matrix of a stack, twice (slogdet)."""
    return Bound(shape_of(a)[:-2], WIDE, 2)


def one_of(a: Any, *_: Any, **__: Any) -> Bound:
    """One number for each matrix of a stack."""
    return Bound(shape_of(a)[:-2], WIDE)


def rank(A: Any, tol: Any = None, *_: Any, rtol: Any = None, **__: Any) -> Bound:
    """One number for each matrix of a stack and each tolerance."""
    given = [shape_of(part) for part in (tol, rtol) if part is not None]
    return Bound(broadcast(shape_of(A)[:-2], *given), WIDE)


def rows(a: Any, *_: Any, **__: Any) -> Bound:
    """One number for each row, or column, of each matrix: whichever are fewer."""
    batch, m, n = matrices(a)
    return Bound((batch, min(m, n)), WIDE)


def norm(x: Any, *_: Any, **__: Any) -> Bound:
    """No more numbers than the argument has; the norm of nothing is one as well."""
    return Bound(tuple(max(size, 1) for size in shape_of(x)), WIDE)


def eigen(a: Any, *_: Any, **__: Any) -> Bound:
    """A vector and a matrix for each matrix of a stack."""
    batch, m, n = matrices(a)
    return Bound((batch, m + 1, max(m, n)), WIDE)


def svd(a: Any, full_matrices: Any = True, *_: Any, **__: Any) -> Bound:
    """The two bases and the singular values."""
    batch, m, n = matrices(a)
    k = min(m, n)
    wide = m * m + n * n if full_matrices else k * (m + n)
    return Bound((batch * (wide + k),), WIDE)


def qr(a: Any, mode: Any = "reduced") -> Bound:
    """Q and R; complete ones have a square Q."""
    batch, m, n = matrices(a)
    k = m if mode == "complete" else min(m, n)
    return Bound((batch * (m * k + m * n + k * n + k),), WIDE)


def matmul_seconds(a: Any, b: Any) -> float:
    """Rows by columns by what is summed over."""
    shape, _, _ = matmul(a, b)
    return CALL_SECONDS + math.prod(shape) * math.prod(shape_of(a)[-1:]) * SECONDS_PER_PRODUCT


def pinv(a: Any, *_: Any, **__: Any) -> Bound:
    """The factors of the decomposition live beside the result."""
    return Bound(shape_of(a), WIDE, 3)


def solve(a: Any, b: Any) -> Bound:
    """One solution for each right-hand side; a vector is one for every matrix."""
    left, right = shape_of(a), shape_of(b)
    if len(right) < 2:
        return Bound(left[:-1], WIDE)
    return Bound((*broadcast(left[:-2], right[:-2]), *left[-1:], *right[-1:]), WIDE)


def lstsq(a: Any, b: Any, rcond: Any = None) -> Bound:
    """Solutions, residuals and singular values."""
    _, m, n = matrices(a)
    columns = math.prod(shape_of(b)[1:])
    return Bound(((n + 1) * columns + min(m, n) + 1,), WIDE)


def dot(a: Any, b: Any) -> Bound:
    """The last axis of a against the last but one of b; a 0-d one multiplies."""
    left, right = shape_of(a), shape_of(b)
    if not left or not right:
        return Bound(left + right, WIDE)
    return Bound((*left[:-1], *right[:-2], *(right[-1:] if len(right) > 1 else ())), WIDE)


def inner(a: Any, b: Any) -> Bound:
    """Last axis against last axis; a 0-d one multiplies."""
    left, right = shape_of(a), shape_of(b)
    if not left or not right:
        return Bound(left + right, WIDE)
    return Bound(left[:-1] + right[:-1], WIDE)


def vdot(a: Any, b: Any) -> Bound:
    """One number, beside flat copies of the arguments."""
    return Bound((), WIDE)


def outer(a: Any, b: Any) -> Bound:
    """Every element of a times every element of b (texts don't multiply)."""
    return Bound((math.prod(shape_of(a)), math.prod(shape_of(b))), WIDE)


def matmul(a: Any, b: Any) -> Bound:
    """Stacks of matrices broadcast."""
    left, right = shape_of(a), shape_of(b)
    rows = left[-2:-1]
    columns = right[-1:] if len(right) > 1 else ()
    return Bound((*broadcast(left[:-2], right[:-2]), *rows, *columns), WIDE)


def vecdot(a: Any, b: Any, *, axis: Any = -1) -> Bound:
    """The broadcast arguments, without the axis summed over."""
    shape = list(broadcast(shape_of(a), shape_of(b)))
    if isinstance(axis, int) and -len(shape) <= axis < len(shape):
        del shape[axis]
    return Bound(tuple(shape), WIDE)


def cross(a: Any, b: Any, *_: Any, **__: Any) -> Bound:
    """The broadcast vectors of at most three numbers; which axis holds them makes no difference."""
    left, right = shape_of(a), shape_of(b)
    small = 3 * max(math.prod(left), 1) * max(math.prod(right), 1)
    if len(left) == len(right):
        return Bound((*broadcast(left, right), 3), WIDE)
    return Bound((small,), WIDE)


def _kept(shape: tuple[int, ...], axes: Any) -> tuple[int, ...]:
    gone = {axes} if isinstance(axes, int) else set(axes)
    gone = {axis % len(shape) for axis in gone if shape and isinstance(axis, int)}
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Bound:
    """All axes of a and b but those summed over; an axis that isn't there is not summed over."""
    left, right = shape_of(a), shape_of(b)
    if isinstance(axes, int):
        count = max(axes, 0)
        return Bound(left[: max(len(left) - count, 0)] + right[count:], WIDE)
    of_a, of_b = axes
    return Bound(_kept(left, of_a) + _kept(right, of_b), WIDE)


def tensordot_seconds(a: Any, b: Any, axes: Any = 2) -> float:
    """Each element of the result sums over the axes that a loses."""
    shape, _, _ = tensordot(a, b, axes)
    left, right = math.prod(shape_of(a)), math.prod(shape_of(b))
    return CALL_SECONDS + math.isqrt(math.prod(shape) * left * right) * SECONDS_PER_PRODUCT


def kron(a: Any, b: Any) -> Bound:
    """Each axis as long as the product of the two."""
    left, right = shape_of(a), shape_of(b)
    ndim = max(len(left), len(right))
    left, right = ((1,) * (ndim - len(shape)) + shape for shape in (left, right))
    return Bound(tuple(m * n for m, n in zip(left, right, strict=True)), WIDE)


def trace(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None) -> Bound:
    """All axes but two."""
    return Bound(_kept(shape_of(a), (axis1, axis2)), WIDE)


def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Bound:
    """All axes but two, and a diagonal no longer than the shorter of the two."""
    shape = shape_of(a)
    two = [size for axis, size in enumerate(shape) if axis in {k % len(shape) for k in (axis1, axis2)}]
    return Bound((*_kept(shape, (axis1, axis2)), min(two, default=1)), itemsize_of(a))


def multi_dot(arrays: Any) -> Bound:
    """The two largest sizes of any operand: a product has two of them, whatever stands between (scalars too)."""
    arrays = parts_of(arrays)
    if len(arrays) == 2:
        # numpy takes two of any dimensions then.
        return dot(*arrays)
    shapes = [shape_of(array) for array in arrays]
    sizes = [size for shape in shapes for size in shape]
    return Bound(tuple(max(size, 1) for size in sorted(sizes)[-2:]), WIDE)
