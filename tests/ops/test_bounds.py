"""bounds: shapes and bytes that hold whatever numpy makes, worked out without computing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.ops import bounds
from tests.ops.harness import SCALARS, broadcastable, few, operands
from tests.ops.oracle import EVERY, NUMBERS, arrays


@few
@given(st.lists(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), max_size=3))
def test_broadcast(shapes: Any) -> None:
    predicted = bounds.broadcast(*shapes)
    try:
        actual = np.broadcast_shapes(*shapes)
    except ValueError:
        return
    assert len(predicted) == len(actual)
    assert all(size <= bound for size, bound in zip(actual, predicted, strict=True))


@few
@given(st.lists(operands(EVERY), min_size=1, max_size=3))
def test_itemsize_of_what_numpy_promotes_to(values: Any) -> None:
    try:
        promoted = np.result_type(*values) if not any(isinstance(v, str) for v in values) else np.array(values).dtype
    except (TypeError, OverflowError):
        return
    assert promoted.itemsize <= bounds.itemsize_of(*values)


@few
@given(broadcastable(NUMBERS))
def test_elementwise(parts: Any) -> None:
    bound = bounds.elementwise(*parts)
    for ufunc in (np.add, np.multiply, np.maximum, np.divide):
        with np.errstate(all="ignore"):
            try:
                result = ufunc(*parts)
            except (TypeError, ValueError, OverflowError):
                continue
        assert result.nbytes <= bound.nbytes


def test_one_dtype_is_bounded_exactly() -> None:
    assert bounds.elementwise(np.zeros((2, 3), "f4"), 1) == ((2, 3), 4, 1)
    assert bounds.elementwise(np.zeros(3, "f4"), np.zeros(3, "f4")).nbytes == 12
    assert bounds.elementwise(1, 2).nbytes == 8
    assert bounds.elementwise(np.zeros(3, "f4"), 1j).itemsize == 16
    assert bounds.elementwise(np.array(["abc"]), np.array(["d"])).itemsize == 16
    assert bounds.elementwise(np.zeros(3, "f4"), dtype=np.dtype("D"), where=np.ones((2, 3))).nbytes == 96
    assert bounds.elementwise(np.array(["a"]), dtype=np.dtype("U3")).itemsize >= 12


@few
@given(a=arrays(EVERY), axis=st.none() | st.integers(-4, 4) | st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_reduced(a: Any, axis: Any) -> None:
    try:
        expected = np.any(np.ones(a.shape, bool), axis=axis).shape
    except ValueError:
        bounds.reduced(a.shape, axis)
    else:
        assert bounds.reduced(a.shape, axis) == expected


@pytest.mark.parametrize(
    ("value", "shape"), [([[1, 2], [3]], (2, 2)), ([], (0,)), (3, ()), ("abc", ()), (np.float64(1), ())]
)
def test_shape_of_lists(value: Any, shape: Any) -> None:
    assert bounds.shape_of(value) == shape
    assert bounds.size_of(value) == bounds.count(shape)


@few
@given(SCALARS)
def test_bytes_of_scalars(value: Any) -> None:
    assert bounds.nbytes_of(value) >= np.asarray(value).nbytes


def test_bytes_of_nested_lists() -> None:
    assert bounds.nbytes_of([[1.5], [2]]) == 16
    assert bounds.nbytes_of(["ab", ["c"]]) >= 16
    assert bounds.itemsize_of([np.array(["abc"]), 1]) >= 12
    assert bounds.itemsize_of() == 8


def test_families_of_bounds() -> None:
    x = np.zeros((2, 3))
    assert bounds.truths(x, x).nbytes == 6
    assert bounds.twice(x).nbytes == 2 * 6 * 16
    assert bounds.like(x, 5).nbytes == x.nbytes
    assert bounds.scalar(x).nbytes == 16
    assert bounds.product((2, 3), (4,)) == (2, 3, 4)
    assert bounds.matrix_product(x, np.zeros((3, 5))).shape == (2, 5)
    assert bounds.ufunc_reduction(x).shape == (3, 1)
