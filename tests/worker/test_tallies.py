"""Statistics: exact, and never moved further by a replaced row than they say, whatever floats it holds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.worker import tallies
from fedsock.worker.tallies import GRID, Count, Histogram, Quantile, Sum

Array = np.ndarray[Any, np.dtype[Any]]

SIGNALLING = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)[0]


def sums(low: float, high: float, *shape: int) -> Sum:
    columns = int(np.prod(shape))
    return Sum(
        l1=columns * GRID, l2_squared=columns * GRID**2, low=low, high=high, base=0.0, unit=1.0, shape=tuple(shape)
    )


def counts(*shape: int) -> Count:
    columns = int(np.prod(shape))
    return Count(l1=columns, l2_squared=columns, shape=tuple(shape))


def histogram(*edges: float) -> Histogram:
    return Histogram(l1=2, l2_squared=2, low=edges[0], high=edges[-1], edges=np.array(edges))


def quantile(candidates: list[float], part: int, whole: int) -> Quantile:
    return Quantile(low=candidates[0], high=candidates[-1], candidates=np.array(candidates), part=part, whole=whole)


def tally(statistic: Any, values: Array) -> Array:
    with np.errstate(all="ignore"):
        found: Array = statistic.tally(values)
    assert found.dtype == np.int64 and found.ndim == 1
    return found


# How far one row moves a statistic.

anything = st.one_of(
    st.floats(width=64),
    st.sampled_from([np.nan, SIGNALLING, np.inf, -np.inf, -0.0, 5e-324, 1.7e308, -1.7e308, 1.0, 2.0, 3.0]),
)
limits = (
    st.tuples(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100)).map(sorted).filter(lambda b: b[1] - b[0] > 1e-100)
)


@given(st.data())
def test_a_replaced_row_moves_a_sum_or_count_no_further_than_said(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["float64", "float32", "float16", "int64", "uint64", "int8", "bool"]))
    columns = data.draw(st.integers(1, 3))
    cells = anything if dtype == "float64" else None
    rows: Array = data.draw(hnp.arrays(dtype, (4, columns), elements=cells))
    other = rows.copy()
    other[data.draw(st.integers(0, 3))] = data.draw(hnp.arrays(dtype, columns, elements=cells))
    for statistic in (sums(*data.draw(limits), columns), counts(columns)):
        first, second = tally(statistic, rows), tally(statistic, other)
        moved = [abs(int(a) - int(b)) for a, b in zip(first, second, strict=True)]
        assert sum(moved) <= statistic.l1
        assert sum(step**2 for step in moved) <= statistic.l2_squared
        assert min(first) >= 0 and max(first) <= 4 * GRID


ascending = st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=6, unique=True).map(sorted)


@given(st.lists(anything, min_size=1, max_size=8), st.data())
def test_a_replaced_row_moves_a_histogram_or_score_no_further_than_said(row: list[float], data: st.DataObject) -> None:
    marks = data.draw(ascending)
    rows = np.array([mark if (mark := data.draw(st.sampled_from([None, *marks]))) is not None else v for v in row])
    other = rows.copy()
    other[data.draw(st.integers(0, len(row) - 1))] = data.draw(st.one_of(anything, st.sampled_from(marks)))
    cells = histogram(*marks)
    moved = tally(cells, rows) - tally(cells, other)
    assert np.abs(moved).sum() <= cells.l1 and (moved**2).sum() <= cells.l2_squared
    assert tally(cells, rows).sum() == len(row)
    whole = data.draw(st.integers(1, 10_000))
    scores = quantile(marks, data.draw(st.integers(0, whole)), whole)
    assert np.abs(tally(scores, rows) - tally(scores, other)).max() <= whole


@pytest.mark.parametrize(
    ("statistic", "first", "second", "moved"),
    [
        (sums(-2, 5), [-2.0, 0], [5.0, 0], [GRID]),
        (counts(), [0.0, 0], [7.0, 0], [1]),
        (histogram(0, 1, 2), [0.5, 0.5], [1.5, 0.5], [-1, 1]),
        (quantile([0, 1, 2], 1, 3), [0.5, 0.5], [1.5, 0.5], [0, -3, 0]),
    ],
    ids=["sum", "count", "histogram", "quantile"],
)
def test_what_is_said_is_reached(statistic: Any, first: list[float], second: list[float], moved: list[int]) -> None:
    """Noise for less would be too little; for more, more than is needed."""
    found = tally(statistic, np.array(second)) - tally(statistic, np.array(first))
    assert found.tolist() == moved


# What they are.


@given(hnp.arrays("float64", st.integers(1, 20), elements=st.floats(-1e3, 1e3)), limits)
def test_a_sum_is_of_values_clipped_and_rounded_to_the_grid(values: Array, bounds: list[float]) -> None:
    low, high = bounds
    exact = sum(
        (Fraction(min(max(float(value), low), high)) - Fraction(low)) * GRID / (Fraction(high) - Fraction(low))
        for value in values
    )
    # Half a step for each value's rounding, and a hair for the floats.
    assert abs(int(tally(sums(low, high), values)[0]) - exact) <= len(values) * (Fraction(1, 2) + Fraction(1, 10**5))


def test_what_is_no_number_counts_as_the_lower_bound_and_infinity_as_its_bound() -> None:
    odd = np.array([np.nan, SIGNALLING, -np.nan, -np.inf, np.inf])
    assert tally(sums(1, 3), odd).tolist() == [GRID]
    assert tally(counts(), odd).tolist() == [2]
    assert tally(histogram(0, 1, 2), odd).tolist() == [4, 1]
    assert tally(quantile([0, 1, 2], 1, 2), odd).tolist() == [1, 3, 4]


def test_a_sum_stays_on_its_grid_even_if_clipping_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What noise was sized for is held in integers, where no float can slip past."""
    monkeypatch.setattr(tallies, "_clipped", lambda values, low, high: values.astype(np.float64))
    for odd in (np.nan, np.inf, -np.inf, 1e300, -1e300, 17.0, -17.0):
        assert tally(sums(0, 16), np.array([odd])).tolist() in ([0], [GRID])


def test_order_does_not_matter() -> None:
    values = np.array([1e16, 1.0, -1e16, 1.0, 0.3, 0.1, 0.2])
    shuffled = values[[0, 2, 1, 3, 5, 6, 4]]
    assert values.sum() != shuffled.sum()  # in floats it does
    for statistic in (sums(-1e6, 1e9), counts(), histogram(-1, 0, 5), quantile([-1, 0, 3], 1, 4)):
        assert tally(statistic, values).tolist() == tally(statistic, shuffled).tolist()


@pytest.mark.parametrize("columns", [1, 3, 7])
@pytest.mark.parametrize("arrange", [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2]])
def test_blocks_are_no_matter(columns: int, arrange: Callable[[Array], Array], monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(-3, 4, (101, columns)).astype(float)
    for statistic in (sums(-2, 2, columns), counts(columns)):
        whole = tally(statistic, values).tolist()
        for block in (1, 10, 101 * columns):
            monkeypatch.setattr(tallies, "BLOCK", block)
            assert tally(statistic, arrange(values)).tolist() == whole
    clipped = np.clip(values, -2, 2)
    assert tally(sums(-2, 2, columns), values).tolist() == ((clipped + 2).sum(axis=0) * (GRID // 4)).tolist()
    assert tally(counts(columns), values).tolist() == np.count_nonzero(values, axis=0).tolist()


def test_the_largest_sum_is_exact() -> None:
    """As many rows as are allowed can't be made here; their sum is worked out, and fewer are summed."""
    assert np.iinfo(np.int64).max // 2 > tallies.MOST_ROWS * GRID
    assert tally(sums(0, 1), np.ones(2**20)).tolist() == [2**20 * GRID]


@given(hnp.arrays("float64", st.integers(1, 30), elements=st.integers(0, 8)), ascending)
def test_a_histogram_is_numpys_within_its_edges(values: Array, edges: list[float]) -> None:
    edges = sorted({float(np.clip(round(edge), 0, 8)) for edge in edges} | {0.0, 8.0})
    assert tally(histogram(*edges), values).tolist() == np.histogram(values, edges)[0].tolist()


@given(hnp.arrays("float64", st.integers(1, 30), elements=st.integers(0, 8)), st.integers(0, 10))
def test_scores_are_what_the_definition_says(values: Array, part: int) -> None:
    candidates = [0.0, 2.0, 2.5, 8.0]
    expected = [abs((10 - part) * int((values < c).sum()) - part * int((values > c).sum())) for c in candidates]
    assert tally(quantile(candidates, part, 10), values).tolist() == expected


def test_the_best_candidate_is_the_quantile() -> None:
    values = np.arange(1001.0)
    marks = list(np.arange(0, 1001, 50.0))
    for part in range(11):
        assert marks[int(np.argmin(tally(quantile(marks, part, 10), values)))] == part * 100


# How they are read.


def test_reading_gives_values_in_the_datas_unit() -> None:
    total = Sum(l1=1, l2_squared=1, low=0, high=1, base=-5.0, unit=0.5, shape=())
    assert isinstance(total.read([4]), np.float64) and total.read([4]) == -3.0
    table = Sum(l1=1, l2_squared=1, low=0, high=1, base=0.0, unit=2.0, shape=(2, 2))
    assert table.read([1, 2, 3, -4]).tolist() == [[2.0, 4.0], [6.0, -8.0]]
    assert isinstance(counts().read([-3]), np.int64)
    assert counts(2).read([7, -1]).tolist() == [7, -1]
    cells = histogram(0, 1, 2).read([7, -1])
    assert cells.dtype == np.int64 and cells.tolist() == [7, -1]
    middle = quantile([0, 1.5, 2], 1, 2).read(1)
    assert isinstance(middle, np.float64) and middle == 1.5


def test_the_ends_of_int64_are_read_as_they_are() -> None:
    ends = [-(2**63), 2**63 - 1]
    assert np.isfinite(Sum(l1=1, l2_squared=1, low=0, high=1, base=1e100, unit=1e100, shape=(2,)).read(ends)).all()
    assert counts(2).read(ends).tolist() == ends
