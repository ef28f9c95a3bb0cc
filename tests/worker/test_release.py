"""How much the largest rows make up, held against a plain count; and how tables of counts leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.policy.rules import Rounding
from fedsock.worker.release import measured, rounded, share_of

ROWS = hnp.arrays(np.float64, st.tuples(st.integers(3, 9), st.integers(1, 3)), elements=st.floats(0, 100))


def plainly(rows: Any) -> float:
    """The share of the two largest rows, of whichever column they make up most of."""
    shares = [0.0]
    for column in rows.T:
        if (column >= 0).all() and column.sum() > 0:
            shares.append(sum(sorted(column)[-2:]) / column.sum())
    return max(shares)


@given(rows=ROWS)
def test_share_of_sums_and_means(rows: Any) -> None:
    assert share_of("sum", [rows], {"axis": 0}, (0,)) == pytest.approx(plainly(rows))
    assert share_of("mean", [rows.T, 1], {}, (1,)) == pytest.approx(plainly(rows))
    assert share_of("sum", [rows], {}, (0,)) == pytest.approx(plainly(rows.sum(axis=1)[:, None]))


@given(left=ROWS, data=st.data())
def test_share_of_products(left: Any, data: Any) -> None:
    right = data.draw(hnp.arrays(np.float64, (len(left), 2), elements=st.floats(-5, 100)))
    products = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    assert share_of("product", [left.T, right], {}, (1, 0)) == pytest.approx(plainly(products))
    assert share_of("product", [left[:, 0], right[:, 0]], {}, (0, 0)) == pytest.approx(plainly(products[:, :1]))


def test_rows_of_mixed_signs_and_texts_dominate_nothing() -> None:
    assert share_of("sum", [np.array([-1.0, 100, 1])], {}, (0,)) == 0
    assert share_of("sum", [np.zeros((0, 3))], {"axis": 0}, (0,)) == 0
    assert share_of("product", [np.ones((2, 4), complex), np.ones((4, 2))], {}, (1, 0)) == 0
    assert share_of("sum", [np.array([1.0, 2])], {}, (0,)) == 1


def test_what_is_measured_is_computed_all_the_same() -> None:
    told: list[float] = []
    assert measured(np.sum, told.append, "sum", (0,))(np.array([1.0, 1, 8])) == 10 and told == [pytest.approx(0.9)]
    assert measured(lambda *_: "fine", told.append, "sum", (0,))("no array") == "fine" and told[-1] == 1


def test_what_is_not_finite_counts_as_dominated() -> None:
    told: list[float] = []
    measured(np.sum, told.append, "sum", (0,))(np.array([1.0, np.nan, 8, 1, 1]))
    with np.errstate(invalid="ignore"):
        measured(np.var, told.append, "var", (0,))(np.array([1.0, np.inf, 8, 1, 1]))
    measured(np.var, told.append, "var", (0,))(np.array([1.0, 8, 1, 1]))
    assert told == [1, 1, 0]


def test_counts_leave_rounded_and_small_ones_not_at_all() -> None:
    rounding = Rounding(10, 5, (None,))
    assert rounded(np.array([0, 9, 10, 12, 13, 1000]), rounding).tolist() == [0, 0, 10, 10, 15, 1000]


def test_a_table_has_the_categories_that_are_listed() -> None:
    counts = np.array([[50, 60, 7], [20, 30, 40]])
    assert rounded(counts, Rounding(1, 1, (3, 2))).tolist() == [[50, 60], [20, 30], [0, 0]]
    assert rounded(counts, Rounding(1, 1, (None, 4))).tolist() == [[50, 60, 7, 0], [20, 30, 40, 0]]
