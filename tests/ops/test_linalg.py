"""linalg: equal to numpy for every matrix, and no larger than predicted."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.errors import OpTypeError
from fedsock.ops.linalg import ROWS
from fedsock.ops.registry import check, depends_on_values
from tests.ops.harness import few
from tests.ops.oracle import EVERY, NUMBERS, agree, arrays


@pytest.fixture(autouse=True, scope="module")
def singular_values_that_end() -> Iterator[None]:
    """numpy, but for what ``fedsock.ops.finite`` refuses: with an infinity LAPACK may go on for ever."""
    lapack = importlib.import_module("numpy.linalg._linalg")
    svd = lapack.svd

    def ending(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
        if not hermitian and a.dtype.char in "fdFD" and not np.isfinite(a).all():
            svd(np.zeros_like(a), full_matrices, compute_uv)
            raise np.linalg.LinAlgError("SVD did not converge")
        return svd(a, full_matrices, compute_uv, hermitian)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lapack, "svd", ending)
        yield


def svd(a: Any, *args: Any, **options: Any) -> Any:
    return importlib.import_module("numpy.linalg._linalg").svd(np.asarray(a), *args, **options)


def lstsq(a: Any, *args: Any, **options: Any) -> Any:
    if a.dtype.char in "fdFD" and not np.isfinite(a).all():
        np.linalg.lstsq(np.zeros_like(a), *args, **options)
        raise np.linalg.LinAlgError("SVD did not converge")
    return np.linalg.lstsq(a, *args, **options)


ORACLES = {"svd": svd, "lstsq": lstsq}
TABLE = {row.name.removeprefix("linalg."): row for row in ROWS}
SQUARES = st.tuples(st.integers(0, 3)).map(lambda n: n * 2) | st.just((2, 3, 3)) | st.just((0, 2, 2))


def matrices(dtypes: Any = NUMBERS) -> st.SearchStrategy[Any]:
    """Stacks of matrices, most of them square."""
    return arrays(dtypes) | arrays(dtypes, SQUARES) | arrays(dtypes, SQUARES)


@pytest.mark.parametrize(
    "name",
    [
        "cholesky",
        "cond",
        "det",
        "diagonal",
        "eig",
        "eigh",
        "eigvals",
        "eigvalsh",
        "inv",
        "matrix_norm",
        "matrix_rank",
        "matrix_transpose",
        "norm",
        "pinv",
        "qr",
        "slogdet",
        "svd",
        "svdvals",
        "trace",
        "vector_norm",
    ],
)
@few
@given(data=st.data())
def test_of_one_matrix(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(matrices(EVERY)), oracle=ORACLES.get(name))


OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "cholesky": {"upper": st.booleans()},
    "cond": {"p": st.sampled_from([None, 1, -1, 2, -2, np.inf, "fro", "nuc", "no"])},
    "diagonal": {"offset": st.integers(-3, 3)},
    "eigh": {"UPLO": st.sampled_from(["U", "L", "x"])},
    "eigvalsh": {"UPLO": st.sampled_from(["U", "L", "x"])},
    "matrix_norm": {"ord": st.sampled_from([1, -1, 2, -np.inf, "fro", "nuc", 7]), "keepdims": st.booleans()},
    "matrix_power": {"n": st.integers(-3, 5)},
    "matrix_rank": {"tol": st.sampled_from([None, 0.5, np.array([0.1, 2.0])]), "hermitian": st.booleans()},
    "norm": {
        "ord": st.sampled_from([None, 0, 1, 2, -2, 3, np.inf, -np.inf, "fro", "nuc", "no"]),
        "axis": st.sampled_from([None, 0, -1, 5, (0, 1), (1, -1), (0, 0), (0, 1, 2)]),
        "keepdims": st.booleans(),
    },
    "pinv": {"rcond": st.sampled_from([None, 0.5, np.array([0.1, 2.0])]), "hermitian": st.booleans()},
    "qr": {"mode": st.sampled_from(["reduced", "complete", "r", "raw", "no"])},
    "svd": {"full_matrices": st.booleans(), "compute_uv": st.booleans(), "hermitian": st.booleans()},
    "tensorinv": {"ind": st.integers(-1, 3)},
    "trace": {"offset": st.integers(-3, 3), "dtype": st.sampled_from([None, np.dtype("f4"), np.dtype("D")])},
    "vector_norm": {
        "ord": st.sampled_from([0, 1, 2, 3.5, np.inf, -np.inf]),
        "axis": st.sampled_from([None, 0, -1, 5, (0, 1)]),
        "keepdims": st.booleans(),
    },
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
@few
@given(data=st.data())
def test_options(name: str, data: Any) -> None:
    options = {key: data.draw(strategy) for key, strategy in OPTIONS[name].items()}
    agree(TABLE[name], data.draw(matrices()), oracle=ORACLES.get(name), **options)


@pytest.mark.parametrize("name", ["cross", "matmul", "outer", "solve", "tensordot", "vecdot", "tensorsolve", "lstsq"])
@few
@given(data=st.data())
def test_of_two_arrays(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(matrices()), data.draw(matrices()), oracle=ORACLES.get(name))


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 2, 2), (1, 0, 0)])
@pytest.mark.parametrize("rhs", [(2,), (3,), (2, 5), (3, 1), (4, 2, 3), (0, 0), (0,)])
def test_solve_takes_vectors_and_stacks(shape: tuple[int, ...], rhs: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    agree(TABLE["solve"], rng.normal(size=shape), rng.normal(size=rhs))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (0, 2), (2, 0), (3, 3)])
@pytest.mark.parametrize("rhs", [(), (0,), (2, 0), (0, 4), (3, 4)])
@pytest.mark.parametrize("rcond", [None, -1, 0.5])
def test_lstsq(shape: tuple[int, ...], rhs: tuple[int, ...], rcond: Any) -> None:
    rng = np.random.default_rng(1)
    agree(TABLE["lstsq"], rng.normal(size=shape), rng.normal(size=(shape[0], *rhs[1:])), rcond)
    agree(TABLE["lstsq"], rng.normal(size=shape), rng.normal(size=rhs), rcond=rcond)


def test_tensors() -> None:
    rng = np.random.default_rng(1)
    agree(TABLE["tensorinv"], rng.normal(size=(4, 6, 8, 3)))
    agree(TABLE["tensorsolve"], rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 3)))
    agree(TABLE["tensorsolve"], rng.normal(size=(2, 6, 3)), rng.normal(size=6), axes=[1])


@pytest.mark.parametrize("axes", [0, 1, 2, 3, -1, (0, 0), ((0, 1), (1, 0)), ((0,), (5,)), (1, 2, 3), ((0, 0), (0, 0))])
@few
@given(data=st.data())
def test_tensordot(axes: Any, data: Any) -> None:
    agree(TABLE["tensordot"], data.draw(arrays()), data.draw(arrays()), axes=axes)


@pytest.mark.parametrize("axis", [-1, 0, 1, 7])
@few
@given(data=st.data())
def test_axis_of_vectors(axis: int, data: Any) -> None:
    agree(TABLE["vecdot"], data.draw(arrays()), data.draw(arrays()), axis=axis)
    shapes = st.sampled_from([(3,), (3, 3), (2, 3), (1, 3, 3), (3, 2), (2,), ()])
    agree(TABLE["cross"], data.draw(arrays(shape=shapes)), data.draw(arrays(shape=shapes)), axis=axis)


@few
@given(st.lists(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4), max_size=4))
def test_multi_dot(shapes: list[tuple[int, ...]]) -> None:
    agree(TABLE["multi_dot"], [np.full(shape, 2.0) for shape in shapes])


@pytest.mark.parametrize("sizes", [(2, 3), (2, 3, 4), (5, 1, 5, 1), (1, 5, 1, 5, 2), (0, 2, 3)])
def test_multi_dot_that_fits(sizes: tuple[int, ...]) -> None:
    matrices = [np.ones(shape) for shape in itertools.pairwise(sizes)]
    agree(TABLE["multi_dot"], matrices)
    agree(TABLE["multi_dot"], [np.ones(sizes[0]), *matrices])
    agree(TABLE["multi_dot"], [*matrices, np.ones(sizes[-1])])


def test_multi_dot_of_two_takes_any_dimensions() -> None:
    agree(TABLE["multi_dot"], [np.ones((3, 4, 5)), np.ones((2, 5, 6))])
    agree(TABLE["multi_dot"], np.ones((2, 3, 3)))
    agree(TABLE["multi_dot"], np.array(1.0))


@pytest.mark.parametrize("name", ["cholesky", "inv", "solve", "svd", "eigvals", "pinv", "lstsq"])
def test_what_may_fail_for_its_values_says_so(name: str) -> None:
    assert depends_on_values(TABLE[name], [np.eye(2), np.eye(2)], {}, [0])


@pytest.mark.parametrize("name", ["det", "slogdet", "qr", "trace", "vector_norm", "norm", "matrix_norm"])
def test_what_follows_from_shapes_says_so(name: str) -> None:
    assert not depends_on_values(TABLE[name], [np.eye(2)], {}, [0])


@pytest.mark.parametrize("name", ["norm", "matrix_norm"])
@pytest.mark.parametrize("ord", [2, -2, "nuc"])
def test_norms_of_singular_values_may_not_converge(name: str, ord: Any) -> None:
    assert depends_on_values(TABLE[name], [np.eye(2)], {"ord": ord}, [0])
    assert not depends_on_values(TABLE[name], [np.eye(2)], {"ord": 1}, [0])


@pytest.mark.parametrize("mode", ["full", "f", "economic", "e"])
def test_deprecated_modes_of_qr_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        TABLE["qr"].function(np.eye(2), mode)


def test_out_is_refused() -> None:
    with pytest.raises(OpTypeError, match="out"):
        check(TABLE["multi_dot"], [[np.eye(2), np.eye(2)]], {"out": np.eye(2)})
