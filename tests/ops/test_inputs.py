"""What rules are told of private arguments, and which arithmetic loses nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.ops.inputs import Inputs, exact, exponents
from fedsock.policy.facts import Group, Rowwise


def test_what_was_asked_about_is_kept() -> None:
    one, other, open_one = np.zeros(3), np.zeros(3), np.zeros(3)
    form = Rowwise(Group("subjects", 3), 0)
    inputs = Inputs({id(one): form, id(other): form})
    assert inputs.form(one) is form and inputs.form(open_one) is None
    assert not inputs.all_asked
    assert inputs.form(other) is form and inputs.all_asked


@pytest.mark.parametrize(
    ("operands", "kept"),
    [
        ((np.ones(3), 2), True),
        ((np.ones(3, "f4"), np.float32(2)), True),
        ((np.ones(3, "c8"),), True),
        ((np.ones(3, "f2"), 2.0), False),
        ((np.ones(3, int), 2), False),
        ((np.ones(3, int), 2.0), True),
        ((np.ones(3, bool), np.ones(3, bool)), False),
        ((np.ones(3), [1, 2, 3]), False),
        ((np.ones(3), True), False),
    ],
)
def test_arithmetic_of_wide_floats_is_exact(operands: Any, kept: bool) -> None:
    assert exact(*operands) is kept


@pytest.mark.parametrize(
    ("operand", "powers"),
    [
        (0.0, (0, 0)),
        (1, (1, 1)),
        (-0.5, (0, 0)),
        (float("inf"), None),
        (np.array([0.0, 8.0, -1024.0]), (4, 11)),
        (np.zeros(3), (0, 0)),
        (np.array([1.0, np.nan]), None),
        ([2.0, 2.0**20], (2, 21)),
        (np.complex128(3 + 4j), (3, 3)),
    ],
)
def test_how_large_numbers_are(operand: Any, powers: Any) -> None:
    assert exponents(operand) == powers
