"""How much the largest rows make up, held against a plain count; and how tables of counts leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.policy.rules import Rounding
from fedsock.worker.disclosure import counted, measure_seconds, measured, rounded, share_of

ROWS = hnp.arrays(np.float64, st.tuples(st.integers(3, 9), st.integers(1, 3)), elements=st.floats(0, 100))


def plainly(rows: Any) -> float:
    """The share of the two largest rows, or of the two furthest from their median, whichever column it is most of."""
    shares = [0.0]
    for column in rows.T:
        for sizes in (np.abs(column), np.abs(column - np.median(column))):
            if sizes.sum() > 0:
                shares.append(sum(sorted(sizes)[-2:]) / sizes.sum())
    return max(shares)


@given(rows=ROWS)
def test_share_of_sums_and_means(rows: Any) -> None:
    assert share_of("sum", [rows], {"axis": 0}, (0,)) == pytest.approx(plainly(rows))
    assert share_of("mean", [rows.T, 1], {}, (1,)) == pytest.approx(plainly(rows))
    assert share_of("sum", [-rows], {}, (0,)) == pytest.approx(plainly(rows.sum(axis=1)[:, None]))


@given(left=ROWS, data=st.data())
def test_share_of_products(left: Any, data: Any) -> None:
    right = data.draw(hnp.arrays(np.float64, (len(left), 2), elements=st.floats(-5, 100)))
    products = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    assert share_of("product", [left.T, right], {}, (1, 0)) == pytest.approx(plainly(products))
    assert share_of("product", [left[:, 0], right[:, 0]], {}, (0, 0)) == pytest.approx(plainly(products[:, :1]))


@given(rows=ROWS)
def test_share_of_variances_and_covariances(rows: Any) -> None:
    spread = (rows - rows.mean(axis=0)) ** 2
    for template in ("var", "std"):
        assert share_of(template, [rows], {"axis": 0}, (0,)) == pytest.approx(plainly(spread))
    assert share_of("cov", [rows.T], {}, (1,)) == pytest.approx(plainly(spread))
    assert share_of("corrcoef", [rows[:, 0], rows], {}, (0, 0)) == pytest.approx(plainly(spread))


def test_nothing_and_few_rows() -> None:
    assert share_of("sum", [np.zeros((0, 3))], {"axis": 0}, (0,)) == 0
    assert share_of("sum", [np.array([1.0, 2])], {}, (0,)) == 1
    assert share_of("sum", [np.array([1j, 1, 1, 97])], {}, (0,)) == pytest.approx(1, abs=0.03)


def test_measuring_is_predicted() -> None:
    small = measure_seconds("sum", [np.ones(10)])
    assert small < measure_seconds("sum", [np.ones(10_000)]) < measure_seconds("product", [np.ones((9, 9000))] * 2)


def test_only_listed_categories_are_counted() -> None:
    assert counted(3)(np.array([0, 2, 2, -1, 3, 10**12])).tolist() == [1, 0, 2]
    assert counted(2)(np.array([True, False, True])).tolist() == [1, 2]
    assert counted(4)(np.array([], np.uint8), minlength=9).tolist() == [0] * 4


def test_what_is_measured_is_computed_all_the_same() -> None:
    told: list[float] = []
    assert measured(np.sum, told.append, "sum", (0,))(np.array([1.0, 2, 3, 4])) == 10 and told == [0.75]
    assert measured(lambda *_: "fine", told.append, "sum", (0,))("no array") == "fine" and told[-1] == 1


def test_what_is_not_finite_counts_as_dominated() -> None:
    told: list[float] = []
    measured(np.sum, told.append, "sum", (0,))(np.array([1.0, np.nan, 8, 1, 1]))
    with np.errstate(invalid="ignore"):
        measured(np.var, told.append, "var", (0,))(np.array([1.0, np.inf, 8, 1, 1]))
    measured(np.var, told.append, "var", (0,))(np.arange(9.0))
    assert told[:2] == [1, 1] and told[2] < 1


def test_counts_leave_rounded_and_small_ones_not_at_all() -> None:
    rounding = Rounding(10, 5, (None,))
    assert rounded(np.array([0, 9, 10, 12, 13, 1000]), rounding).tolist() == [0, 0, 10, 10, 15, 1000]


def test_a_table_has_the_categories_that_are_listed() -> None:
    counts = np.array([[50, 60, 7], [20, 30, 40]])
    assert rounded(counts, Rounding(1, 1, (3, 2))).tolist() == [[50, 60], [20, 30], [0, 0]]
    assert rounded(counts, Rounding(1, 1, (None, 4))).tolist() == [[50, 60, 7, 0], [20, 30, 40, 0]]
