"""linalg_bounds: no result of numpy's is larger than predicted, whatever the shapes; costs grow with the work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops import TABLE
from fedsock.ops import linalg_bounds as sizes
from fedsock.ops.products import cross
from fedsock.ops.registry import Bound
from tests.ops.harness import few
from tests.ops.oracle import NUMBERS, arrays, nbytes

SIDES = st.integers(0, 4)


@st.composite
def matrices(draw: Any, square: bool = False) -> Any:
    """Stacks of matrices, with elements that no decomposition stumbles over."""
    batch = draw(st.sampled_from([(), (), (2,), (0,), (2, 1)]))
    rows, columns = draw(SIDES), draw(SIDES)
    shape = (*batch, rows, rows if square else columns)
    made = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return made.astype(draw(st.sampled_from(["f4", "f8", "F", "D"])))


def flat(result: Any) -> list[Any]:
    return [part for one in result for part in flat(one)] if isinstance(result, (tuple, list)) else [result]


def holds(bound: Callable[..., Bound], function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Assert that what numpy returns is no larger than predicted; what it refuses has no size."""
    predicted = bound(*args, **options)
    assert all(type(size) is int and size >= 0 for size in predicted.shape)
    with np.errstate(all="ignore"):
        try:
            result = function(*args, **options)
        except (ValueError, TypeError, IndexError, OverflowError, np.linalg.LinAlgError):
            return
    assert nbytes(flat(result)) <= predicted.nbytes, (function, args, options, result, predicted)


ONE = [
    (sizes.like, np.linalg.inv), (sizes.like, np.linalg.cholesky), (sizes.like, np.linalg.tensorinv),
    (sizes.stack, np.linalg.slogdet), (sizes.stack, np.linalg.det), (sizes.stack, np.linalg.cond),
    (sizes.one_of, np.linalg.trace), (sizes.rank, np.linalg.matrix_rank), (sizes.rows, np.linalg.svdvals),
    (sizes.rows, np.linalg.eigvals), (sizes.rows, np.linalg.eigvalsh), (sizes.norm, np.linalg.norm),
    (sizes.norm, np.linalg.matrix_norm), (sizes.norm, np.linalg.vector_norm), (sizes.eigen, np.linalg.eig),
    (sizes.eigen, np.linalg.eigh), (sizes.svd, np.linalg.svd), (sizes.qr, np.linalg.qr), (sizes.pinv, np.linalg.pinv),
    (sizes.trace, np.trace), (sizes.diagonal, np.diagonal),
]  # fmt: skip


@pytest.mark.parametrize(("bound", "function"), ONE, ids=lambda part: part.__name__)
@few
@given(a=matrices() | matrices(square=True) | arrays(NUMBERS))
def test_of_one(bound: Any, function: Any, a: Any) -> None:
    holds(bound, function, a)


TWO = [
    (sizes.dot, np.dot), (sizes.inner, np.inner), (sizes.vdot, np.vdot), (sizes.outer, np.outer),
    (sizes.matmul, np.matmul), (sizes.vecdot, np.vecdot), (sizes.cross, cross), (sizes.kron, np.kron),
    (sizes.tensordot, np.tensordot), (sizes.solve, np.linalg.solve),
]  # fmt: skip


@pytest.mark.parametrize(("bound", "function"), TWO, ids=lambda part: part.__name__)
@few
@given(data=st.data())
def test_of_two(bound: Any, function: Any, data: Any) -> None:
    either = matrices() | matrices(square=True) | arrays(NUMBERS)
    a = data.draw(either)
    holds(bound, function, a, data.draw(either))
    holds(bound, function, a, a)
    if a.ndim > 1:
        holds(bound, function, a, np.swapaxes(a, -1, -2))


@pytest.mark.parametrize("rhs", [(), (4,), (4, 2), (4, 0), (3,)])
@pytest.mark.parametrize("shape", [(4, 3), (4, 4), (4, 6), (0, 3), (3, 0)])
def test_lstsq(shape: Any, rhs: Any) -> None:
    holds(sizes.lstsq, np.linalg.lstsq, np.ones(shape), np.ones(rhs))
    holds(sizes.lstsq, np.linalg.lstsq, np.ones(shape), np.ones((shape[0], *rhs[1:])))


@few
@given(a=matrices(), data=st.data())
def test_options(a: Any, data: Any) -> None:
    keep = {"keepdims": data.draw(st.booleans())}
    axis = data.draw(st.sampled_from([None, 0, -1, (0, 1), (1, -1), 7]))
    order = data.draw(st.sampled_from([None, 1, 2, np.inf, "fro", "nuc"]))
    holds(sizes.norm, np.linalg.norm, a, order, axis, **keep)
    holds(sizes.norm, np.linalg.matrix_norm, a, **keep)
    holds(sizes.norm, np.linalg.vector_norm, a, axis=axis, **keep)
    for mode in ("reduced", "complete", "r", "raw"):
        holds(sizes.qr, np.linalg.qr, a, mode)
    full, vectors = data.draw(st.booleans()), data.draw(st.booleans())
    holds(sizes.svd, np.linalg.svd, a, full, vectors)
    tolerance = data.draw(st.sampled_from([0.5, np.array([0.1, 2.0]), np.ones((3, 1))]))
    holds(sizes.rank, np.linalg.matrix_rank, a, tolerance)
    holds(sizes.rank, np.linalg.matrix_rank, a, rtol=tolerance)
    holds(sizes.pinv, np.linalg.pinv, a, tolerance)


AXES = st.integers(-4, 4)


@few
@given(a=arrays(NUMBERS), offset=AXES, first=AXES, second=AXES)
def test_diagonals(a: Any, offset: int, first: int, second: int) -> None:
    holds(sizes.diagonal, np.diagonal, a, offset, first, second)
    holds(sizes.trace, np.trace, a.real, offset, first, second)
    holds(sizes.trace, np.trace, a.real, offset, first, second, np.dtype("D"))


@pytest.mark.parametrize("axes", [0, 1, 2, -1, (0, 0), (0, 1), ((0, 1), (1, 0)), ((), ()), ((0,), (5,)), ((7,), (0,))])
@few
@given(data=st.data())
def test_tensordot(axes: Any, data: Any) -> None:
    a = data.draw(arrays(NUMBERS, dims=2))
    holds(sizes.tensordot, np.tensordot, a, data.draw(arrays(NUMBERS, dims=2)), axes)
    holds(sizes.tensordot, np.tensordot, a, a.T, axes)


@few
@given(data=st.data(), axis=AXES)
def test_vectors_along_an_axis(data: Any, axis: int) -> None:
    a = data.draw(arrays(NUMBERS))
    holds(sizes.vecdot, np.vecdot, a, a, axis=axis)
    shapes = st.sampled_from([(3,), (3, 3), (2, 3), (1, 3, 3), (3, 1), ()])
    a, b = data.draw(arrays(NUMBERS, shapes)), data.draw(arrays(NUMBERS, shapes))
    holds(sizes.cross, cross, a, b, axis=axis)


@few
@given(st.lists(st.integers(1, 4), min_size=3, max_size=5), st.booleans(), st.booleans())
def test_multi_dot(sides: list[int], row_first: bool, column_last: bool) -> None:
    chain = [np.ones(pair) for pair in itertools.pairwise(sides)]
    chain = [np.ones(sides[0])] * row_first + chain + [np.ones(sides[-1])] * column_last
    holds(sizes.multi_dot, np.linalg.multi_dot, chain)
    holds(sizes.multi_dot, np.linalg.multi_dot, [np.ones((2, *sides[:2])), np.ones((3, *sides[1:3]))])
    holds(sizes.multi_dot, np.linalg.multi_dot, np.ones((2, 3, sides[0], sides[0])))


def test_a_bound_is_no_larger_than_it_must_be() -> None:
    a = np.ones((5, 2, 3))
    assert sizes.matmul(a, np.ones((3, 7))).shape == (5, 2, 7)
    assert sizes.solve(np.ones((4, 4)), np.ones(4)).shape == (4,)
    assert sizes.stack(a).shape == (5,)
    assert sizes.diagonal(a).shape == (3, 2)
    assert sizes.tensordot(a, np.ones((2, 3, 4))).shape == (5, 4)
    assert sizes.svd(np.ones((1000, 2)), False).nbytes < 16 * 3000
    assert sizes.kron(a, np.ones((2, 2))).shape == (5, 4, 6)


def test_matrices_of_what_has_fewer_axes() -> None:
    assert sizes.matrices(np.ones((2, 3, 4, 5))) == (6, 4, 5)
    assert sizes.matrices(np.ones(5)) == (1, 1, 5)
    assert sizes.matrices(2.0) == (1, 1, 1)


def test_a_chain_of_products_costs_no_more_than_its_better_end() -> None:
    cost = TABLE["linalg.multi_dot"].cost
    assert cost is not None
    long, wide = np.empty((10**5, 2)), np.empty((2, 10**5))
    assert cost([long, wide, long]) < 1  # the last two first
    assert cost([wide, long, wide]) < 1
    assert cost([long, wide]) > 10
    assert cost([np.ones(3), np.ones((3, 3)), np.ones(3)]) < 1e-3
    assert cost([]) == 0


def test_costs_grow_with_the_products() -> None:
    small, large = np.ones((10, 10)), np.ones((1000, 1000))
    assert sizes.matmul_seconds(small, small) < 1e-3
    assert sizes.matmul_seconds(large, large) == pytest.approx(1, rel=0.1)
    assert sizes.tensordot_seconds(large, large, 1) == pytest.approx(1, rel=0.1)
    assert sizes.tensordot_seconds(small, small, 2) < sizes.tensordot_seconds(small, small, 0)
