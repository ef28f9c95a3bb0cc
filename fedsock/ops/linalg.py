"""np.linalg: decompositions, solvers, norms, and the array API's products of matrices and vectors.

A row that can fail for what its matrix holds (singular, not positive definite, no convergence) is
value-dependent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops import limits
from fedsock.ops import linalg_bounds as sizes
from fedsock.ops.bounds import like, parts_of, shape_of
from fedsock.ops.finite import converging, unless_hermitian
from fedsock.ops.linalg_bounds import CALL_SECONDS, SECONDS_PER_PRODUCT, matrices
from fedsock.ops.quiet import quiet_if_complex
from fedsock.ops.registry import Row, Shapes, Template, argument, own
from fedsock.ops.rows import numpy_row


def blank(example: Any) -> Template:
    """Return the template of results like an example's: numpy's named tuples have no public names.

    Args:
        example: a named tuple that numpy returned.
    """
    return type(example)._make([None] * len(example))


_ONE = np.eye(1)
_EIG = blank(np.linalg.eig(_ONE))
_EIGH = blank(np.linalg.eigh(_ONE))
_QR = blank(np.linalg.qr(_ONE))
_SLOGDET = blank(np.linalg.slogdet(_ONE))
_SVD = blank(np.linalg.svd(_ONE))


# --- functions that differ from numpy's ---------------------------------------------------------------------


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return numpy's qr.

    Args:
        a: (..., m, n) numbers.
        mode: "reduced", "complete", "r" or "raw"; numpy's deprecated others are refused.

    Raises:
        ValueError: another mode.
        LinAlgError: a is no matrix.
    """
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"unrecognized mode {mode!r}")
    return np.linalg.qr(a, mode)  # type: ignore[call-overload]  # mode is one of the four


def _without_svd(x: Any, ord: Any = None, *_: Any, **__: Any) -> bool:
    """Whether a norm is computed without singular values, which needn't converge."""
    return ord not in (2, -2, "nuc")


def _frobenius(x: Any, *, ord: Any = "fro", **_: Any) -> bool:
    return _without_svd(x, ord)


def _singular_norm(x: Any, ord: Any = None, axis: Any = None, *_: Any, **__: Any) -> bool:
    """Whether it is a norm of singular values, which a vector has not."""
    axes = shape_of(x) if axis is None else axis
    return not (_without_svd(x, ord) or isinstance(axes, int)) and len(axes) == 2


def _singular_rank(A: Any, tol: Any = None, hermitian: bool = False, **_: Any) -> bool:
    return not hermitian and len(shape_of(A)) > 1  # the rank of a vector is whether it holds anything


def _singular_condition(x: Any, p: Any = None) -> bool:
    return p in (None, 2, -2)


# --- results ------------------------------------------------------------------------------------------------


def _qr_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    mode = argument(args, kwargs, 1, "mode", "reduced")
    if mode == "r":
        return None
    return (None, None) if mode == "raw" else _QR


def _svd_results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    return _SVD if argument(args, kwargs, 2, "compute_uv", True) else None


def named(template: Template) -> Callable[..., Template]:
    """Return a results function that always gives one template.

    Args:
        template: numpy's tuple, with None for each result.
    """

    def results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
        return template

    return results


# --- costs --------------------------------------------------------------------------------------------------


def _cubic(factor: float) -> Callable[..., float]:
    """Return a cost of factor * m * n * min(m, n) products a matrix."""

    def cost(a: Any, *_: Any, **__: Any) -> float:
        batch, m, n = matrices(a)
        return CALL_SECONDS + factor * batch * m * n * min(m, n) * SECONDS_PER_PRODUCT

    return cost


def _solve_cost(a: Any, b: Any, rcond: Any = None) -> float:
    batch, m, n = matrices(a)
    columns = matrices(b)[2]
    return CALL_SECONDS + batch * m * n * (min(m, n) + columns) * 4 * SECONDS_PER_PRODUCT


def _power_cost(a: Any, n: int) -> float:
    doublings = 2 * max(abs(n), 1).bit_length()
    return doublings * _cubic(2)(a) + _cubic(5)(a)


def _tensor_cost(a: Any, *_: Any, **__: Any) -> float:
    # The matrix it becomes is square, so its side is the root of its size.
    size = math.prod(shape_of(a))
    return CALL_SECONDS + 5 * size * math.sqrt(size) * SECONDS_PER_PRODUCT


def _tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return limits.tensordot(x1, x2, axes)


def _multi_dot_cost(arrays: Any) -> float:
    # numpy finds the best order, which is at least as good as from left to right or from right to left.
    shapes = [shape_of(part) for part in parts_of(arrays)]
    rows, columns = math.prod(shapes[0][:-1]) if shapes else 1, math.prod(shapes[-1][1:]) if shapes else 1
    rightwards = rows * sum(map(math.prod, shapes[1:]))
    leftwards = columns * sum(map(math.prod, shapes[:-1]))
    return CALL_SECONDS * len(shapes) ** 2 + min(rightwards, leftwards) * SECONDS_PER_PRODUCT


# --- rows ---------------------------------------------------------------------------------------------------


_row = partial(numpy_row, np.linalg, "linalg")


_PINV = "a:array rcond:array|none=None hermitian:bool=False * rtol:array|none=None"
_RANK = "A:array tol:array|none=None hermitian:bool=False * rtol:array|none=None"
_SVD_ARGUMENTS = "a:array full_matrices:bool=True compute_uv:bool=True hermitian:bool=False"
_VECTOR_NORM = "x:array / * axis:axes=None keepdims:bool=False ord:real=2"

ROWS: tuple[Row, ...] = (
    _row("cholesky", "a:array / * upper:bool=False", sizes.like, _cubic(2)),
    _row(
        "cond",
        "x:array p:real|text|none=None",
        sizes.stack,
        _cubic(20),
        function=converging(np.linalg.cond, _singular_condition),
    ),
    _row("cross", "x1:array x2:array / * axis:int=-1", sizes.cross, value_dependent=False),
    _row("det", "a:array", sizes.stack, _cubic(2), value_dependent=False),
    _row("diagonal", "x:array / * offset:int=0", like, value_dependent=False),
    _row("eig", "a:array", sizes.eigen, _cubic(60), results=named(_EIG)),
    _row("eigh", "a:array UPLO:text=L", sizes.eigen, _cubic(20), results=named(_EIGH)),
    _row("eigvals", "a:array", sizes.rows, _cubic(30)),
    _row("eigvalsh", "a:array UPLO:text=L", sizes.rows, _cubic(8)),
    _row("inv", "a:array", sizes.like, _cubic(5)),
    _row(
        "lstsq",
        "a:array b:array rcond:real|none=None",
        sizes.lstsq,
        _solve_cost,
        function=converging(np.linalg.lstsq),
        results=4,
    ),
    _row("matmul", "x1:array x2:array /", sizes.matmul, sizes.matmul_seconds, value_dependent=False),
    _row(
        "matrix_norm",
        "x:array / * keepdims:bool=False ord:real|text|none=fro",
        sizes.norm,
        _cubic(20),
        function=converging(np.linalg.matrix_norm, lambda *args, **options: not _frobenius(*args, **options)),
        unless=_frobenius,
    ),
    _row("matrix_power", "a:array n:int", sizes.like, _power_cost, function=own(np.linalg.matrix_power)),
    _row(
        "matrix_rank",
        _RANK,
        sizes.rank,
        _cubic(20),
        function=converging(np.linalg.matrix_rank, _singular_rank),
    ),
    _row("matrix_transpose", "x:array /", like, value_dependent=False),
    _row("multi_dot", "arrays:arrays", sizes.multi_dot, _multi_dot_cost, value_dependent=False),
    _row(
        "norm",
        "x:array ord:real|text|none=None axis:axes=None keepdims:bool=False",
        sizes.norm,
        _cubic(20),
        function=converging(np.linalg.norm, _singular_norm),
        unless=_without_svd,
    ),
    _row("outer", "x1:array x2:array /", sizes.outer, value_dependent=False),
    _row("pinv", _PINV, sizes.pinv, _cubic(40), function=converging(np.linalg.pinv, unless_hermitian(2))),
    _row(
        "qr",
        "a:array mode:text=reduced",
        sizes.qr,
        _cubic(8),
        function=qr,
        results=_qr_results,
        value_dependent=False,
    ),
    _row("slogdet", "a:array", sizes.stack, _cubic(2), results=named(_SLOGDET), value_dependent=False),
    _row("solve", "a:array b:array", sizes.solve, _solve_cost),
    _row(
        "svd",
        _SVD_ARGUMENTS,
        sizes.svd,
        _cubic(40),
        function=converging(np.linalg.svd, unless_hermitian(3)),
        results=_svd_results,
    ),
    _row("svdvals", "x:array /", sizes.rows, _cubic(20), function=converging(np.linalg.svdvals)),
    _row(
        "tensordot",
        "x1:array x2:array / * axes:int|nested=2",
        sizes.tensordot,
        sizes.tensordot_seconds,
        function=_tensordot,
        value_dependent=False,
    ),
    _row("tensorinv", "a:array ind:int=2", sizes.like, _tensor_cost),
    _row("tensorsolve", "a:array b:array axes:ints|none=None", sizes.like, _tensor_cost),
    _row(
        "trace",
        "x:array / * offset:int=0 dtype:dtype?=None",
        sizes.one_of,
        function=quiet_if_complex(np.linalg.trace),
        value_dependent=False,
    ),
    _row("vecdot", "x1:array x2:array / * axis:int=-1", sizes.vecdot, value_dependent=False),
    _row("vector_norm", _VECTOR_NORM, sizes.norm, value_dependent=False),
)
