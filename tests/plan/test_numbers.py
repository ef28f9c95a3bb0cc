"""Python's numbers in plans."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpIndexError, OpOverflowError, OpTypeError
from fedsock.plan.numbers import ARITIES, OPERATIONS, SIZE

TWO: dict[str, Any] = {
    "number.add": operator.add,
    "number.subtract": operator.sub,
    "number.multiply": operator.mul,
    "number.divide": operator.truediv,
    "number.floor_divide": operator.floordiv,
    "number.remainder": operator.mod,
}
ONE: dict[str, Any] = {"number.negative": operator.neg, "number.positive": operator.pos, "number.absolute": abs}


def test_every_operation_is_looked_at_here() -> None:
    assert set(OPERATIONS) == {*TWO, *ONE, SIZE}
    assert {name for name, arity in ARITIES.items() if arity == 1} == set(ONE)


@given(st.integers(-(2**31), 2**31), st.integers(1, 2**31) | st.floats(0.5, 1e9))
def test_they_are_pythons(left: Any, right: Any) -> None:
    for name, function in TWO.items():
        mine, theirs = OPERATIONS[name](left, right), function(left, right)
        assert (type(mine), mine) == (type(theirs), theirs)
    for name, function in ONE.items():
        assert OPERATIONS[name](left) == function(left)


def test_sizes() -> None:
    assert OPERATIONS[SIZE](np.zeros((3, 5)), -1) == 5
    assert type(OPERATIONS[SIZE](np.zeros((3, 5)), 0)) is int
    for axis in (2, -3, 0.0, None, True):
        with pytest.raises(OpIndexError):
            OPERATIONS[SIZE](np.zeros((3, 5)), axis)


def test_nothing_else_comes_in_or_out() -> None:
    with pytest.raises(OpTypeError):
        OPERATIONS["number.add"](np.zeros(3), 1)
    with pytest.raises(OpTypeError):
        OPERATIONS["number.multiply"]("a", 10**9)
    with pytest.raises(OpOverflowError):
        OPERATIONS["number.multiply"](2**63, 2**63)
