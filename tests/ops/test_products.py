"""dot, outer, kron, tensordot, einsum and their kin: equal to numpy, and no larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.products import ROWS, index_sizes
from fedsock.ops.registry import check
from tests.ops.harness import few
from tests.ops.oracle import EVERY, agree, arrays

TABLE = {row.name: row for row in ROWS}


@pytest.mark.parametrize("name", ["dot", "vdot", "inner", "outer", "kron", "tensordot"])
@few
@given(data=st.data())
def test_of_two_arrays(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(arrays(EVERY)), data.draw(arrays(EVERY)))


@few
@given(data=st.data())
def test_polyval(data: Any) -> None:
    p = data.draw(arrays(EVERY, dims=2) | st.lists(st.integers(-3, 3), max_size=4).map(np.array))
    agree(TABLE["polyval"], p, data.draw(arrays(EVERY) | st.sampled_from([2, 0.5, 1j, True, np.float32(3)])))


def test_a_long_polynomial_is_known_to_take_long() -> None:
    cost = TABLE["polyval"].cost
    assert cost is not None and cost(np.ones(10**6), np.ones(10**6)) > 1e3
    assert cost(np.ones(3), np.ones(10)) < 1e-4


@pytest.mark.parametrize("name", ["trace", "diagonal"])
@few
@given(data=st.data())
def test_of_diagonals(name: str, data: Any) -> None:
    axes = st.integers(-3, 3)
    agree(TABLE[name], data.draw(arrays(EVERY)), data.draw(axes), data.draw(axes), data.draw(axes))


@few
@given(arrays(), st.sampled_from([np.dtype("f4"), np.dtype("D"), np.dtype("i1")]))
def test_dtype_of_trace(a: Any, dtype: Any) -> None:
    agree(TABLE["trace"], a, dtype=dtype)


@pytest.mark.parametrize("axes", [0, 1, ((0,), (0,)), ((1, 0), (0, 1)), (-1, -1)])
@few
@given(data=st.data())
def test_axes_of_tensordot(axes: Any, data: Any) -> None:
    agree(TABLE["tensordot"], data.draw(arrays()), data.draw(arrays()), axes)


VECTORS = st.sampled_from([(3,), (3, 3), (4, 3), (1, 3, 3), (3, 1), (), (0, 3), (3, 0)])
CROSSES = st.sampled_from([{}, {"axis": 0}, {"axis": 3}, {"axisa": 0, "axisc": 0}])


@few
@given(arrays(EVERY, VECTORS), arrays(EVERY, VECTORS), CROSSES)
def test_cross(a: Any, b: Any, options: Any) -> None:
    agree(TABLE["cross"], a, b, **options)


@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axisb": 5}])
def test_cross_refuses_the_vectors_of_two_that_numpy_gives_up(options: Any) -> None:
    with pytest.raises(ValueError, match="vectors of 3"):
        TABLE["cross"].function(np.ones((3, 2)), np.ones((3, 2)), **options)


EINSUMS = [
    "ij,jk->ik",
    "ij,jk",
    "ii",
    "ii->i",
    "i,i->",
    "i,j->ij",
    "i,j->ji",
    "...i,...i->...",
    "...ij,...jk",
    "i...->...",
    "...i->i...",
    "ij , jk -> ik",
    "ij->",
    "ji",
    "i,j,k,l->ijkl",
    "ijk,k->ij",
    "...,...",
    "i",
    "",
    ",->",
    "i->j",
    "ij,->",
    "i,i->ii",
    "i..j",
    "->i",
    "a$",
    "iiii,->i",
    "i,j->ik...",
]


@pytest.mark.parametrize("subscripts", EINSUMS)
@few
@given(data=st.data())
def test_einsum(subscripts: str, data: Any) -> None:
    sides = st.sampled_from([0, 1, 1, 2, 2, 2])
    terms = subscripts.split("->")[0].split(",")
    operands = []
    for term in terms:
        fitting = len(term.replace("...", "").replace(" ", "")) + data.draw(st.integers(0, 1)) * ("..." in term)
        shape = [data.draw(sides) for _ in range(fitting)]
        operands.append(data.draw(arrays(shape=tuple(shape)) | arrays()))
    options = data.draw(st.sampled_from([{}, {"optimize": True}, {"dtype": np.dtype("D")}]))
    labels = [
        label for term, array in zip(terms, operands, strict=False) for label in zip(term, array.shape, strict=False)
    ]
    assume(subscripts != "ii->i" or len(set(labels)) < 2)  # numpy reads freed memory; a test of its own
    agree(TABLE["einsum"], subscripts, *operands, **options)


@pytest.mark.parametrize("optimize", [False, True])
def test_einsum_reads_no_memory_that_is_not_its_argument(optimize: bool) -> None:
    with pytest.raises(ValueError, match="differ in size"):
        TABLE["einsum"].function("ii->i", np.ones((0, 1)), optimize=optimize)


def test_einsum_counts_its_result_before_computing_it() -> None:
    vectors = [np.ones(1000)] * 5
    bound = TABLE["einsum"].bound("a,b,c,d,e->abcde", *vectors)
    assert bound.nbytes == 1000**5 * 16
    cost = TABLE["einsum"].cost
    assert cost is not None and cost("a,b,c,d,e->", *vectors) > 1e5


def test_einsum_in_a_better_order_is_not_taken_for_slow() -> None:
    cost = TABLE["einsum"].cost
    assert cost is not None
    matrices = [np.ones((1000, 1000))] * 3
    assert cost("ij,jk,kl->il", *matrices) > 1e3
    assert 1 < cost("ij,jk,kl->il", *matrices, optimize=True) < 10
    assert 1 < cost("ij,jk,kl", *matrices, optimize=True) < 10
    # Not every order is better, and nonsense costs what it costs.
    assert cost("i,j,k->ijk", *[np.ones(1000)] * 3, optimize=True) > 1
    for text in ("ij", "," * 10**6, "...,i", ""):
        assert cost(text, *matrices, optimize=True) < 1e4


def test_index_sizes_never_raise() -> None:
    assert index_sizes("ab...c,", np.ones((2, 3))) == ({"a": 2, "b": 3, "c": 3}, ())
    assert index_sizes("a...b,...", np.ones((2, 7, 3)), np.ones((5, 1))) == ({"a": 2, "b": 3}, (5, 7))


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((np.ones(2), [0]), {}),
        (("i", np.ones(2)), {"optimize": "greedy"}),
        (("i", np.ones(2)), {"out": np.ones(2)}),
    ],
)
def test_einsum_refuses_other_forms(args: Any, options: Any) -> None:
    with pytest.raises(OpTypeError):
        check(TABLE["einsum"], args, options)
