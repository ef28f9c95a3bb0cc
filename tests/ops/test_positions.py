"""positions: flat and by axis, of triangles and diagonals, as numpy has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.positions import ROWS
from fedsock.ops.registry import check, depends_on_values
from tests.ops.harness import few
from tests.ops.oracle import EVERY, NUMBERS, agree, arrays

TABLE = {row.name: row for row in ROWS}
INTEGERS = [np.dtype("l"), np.dtype("i1"), np.dtype("u8")]
SHAPES = st.integers(-1, 9) | st.lists(st.integers(-1, 4), max_size=3).map(tuple)
ORDER = st.sampled_from(["C", "F"])


@few
@given(data=st.data())
def test_unravel_index(data: Any) -> None:
    indices = data.draw(arrays(INTEGERS) | st.integers(-2, 30) | arrays(NUMBERS))
    agree(TABLE["unravel_index"], indices, data.draw(SHAPES), data.draw(ORDER))
    agree(TABLE["unravel_index"], indices, shape=data.draw(SHAPES))


@few
@given(data=st.data())
def test_ravel_multi_index(data: Any) -> None:
    dims = data.draw(SHAPES)
    count = len(dims) if isinstance(dims, tuple) else 1
    one = st.integers(-3, 5) | arrays(INTEGERS, (2,)) | arrays(INTEGERS, (3, 1)) | arrays(NUMBERS)
    parts = data.draw(st.lists(one, min_size=count, max_size=count).map(tuple) | st.lists(one, max_size=3).map(tuple))
    mode = data.draw(st.sampled_from(["raise", "wrap", "clip", "no"]))
    agree(TABLE["ravel_multi_index"], parts, dims, mode, data.draw(ORDER))
    agree(TABLE["ravel_multi_index"], data.draw(arrays(INTEGERS)), dims)


def test_there_and_back() -> None:
    flat = np.arange(24)
    by_axis = agree(TABLE["unravel_index"], flat, (2, 3, 4))
    assert np.array_equal(agree(TABLE["ravel_multi_index"], by_axis, (2, 3, 4)), flat)


@few
@given(st.lists(arrays(EVERY, dims=2) | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2), max_size=3))
def test_ix(args: list[Any]) -> None:
    agree(TABLE["ix_"], *args)


def test_ix_takes_positions_masks_and_nothing() -> None:
    agree(TABLE["ix_"], [0, 2], np.array([True, False, True]), [])
    agree(TABLE["ix_"], [], ())
    agree(TABLE["ix_"], np.array([]))
    with pytest.raises(OpTypeError):
        check(TABLE["ix_"], [None], {})


@few
@given(data=st.data())
def test_of_the_shape_of_an_array(data: Any) -> None:
    squares = st.tuples(st.integers(0, 3)).map(lambda n: n * 2) | st.just((2, 2, 2))
    arr = data.draw(arrays(EVERY) | arrays(EVERY, squares))
    k = data.draw(st.integers(-4, 4))
    agree(TABLE["diag_indices_from"], arr)
    for name in ("tril_indices_from", "triu_indices_from"):
        agree(TABLE[name], arr, k)
        agree(TABLE[name], arr)


def test_what_values_decide() -> None:
    for name, args in (
        ("unravel_index", [np.array([1]), (2,)]),
        ("ravel_multi_index", [(np.array([1]),), (2,)]),
        ("ix_", [np.array([True])]),
    ):
        assert depends_on_values(TABLE[name], args, {}, [0])
    for name in ("diag_indices_from", "tril_indices_from", "triu_indices_from"):
        assert not depends_on_values(TABLE[name], [np.eye(2)], {}, [0])
