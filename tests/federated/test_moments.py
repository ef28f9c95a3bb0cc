"""Merged moments, against numpy on everything put together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.federated import moments
from fedsock.federated.moments import Moments

PARTS = st.lists(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 7), st.just(3)), elements=st.floats(-1e3, 1e3)),
    min_size=1,
    max_size=6,
)


def of(part: np.ndarray) -> Moments:
    return Moments(len(part), part.mean(axis=0), part.var(axis=0) * len(part))


@given(PARTS)
def test_merged(parts: list[np.ndarray]) -> None:
    whole = np.concatenate(parts)
    found = moments.merged([of(part) for part in parts])
    assert found.n == len(whole)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0), rtol=0, atol=1e-12 * np.abs(whole).mean())
    np.testing.assert_allclose(found.squares, whole.var(axis=0) * len(whole), rtol=1e-12, atol=1e-20 * 1e6)


@given(PARTS)
def test_merged_products(parts: list[np.ndarray]) -> None:
    whole = np.concatenate(parts)
    pieces = [Moments(len(part), part.mean(axis=0), np.cov(part, rowvar=False, ddof=0) * len(part)) for part in parts]
    found = moments.merged(pieces, crossed=True).squares / len(whole)
    due = np.cov(whole, rowvar=False, ddof=0)
    scale = np.sqrt(np.outer(np.diagonal(due), np.diagonal(due)))
    # Of a column that is nearly constant neither knows more than its mean's last digit, times how far the other varies.
    last = np.finfo(float).eps * np.abs(whole).max(axis=0)
    spread = np.sqrt(np.diagonal(due)) + last
    rounding = 4 * (np.outer(last, spread) + np.outer(spread, last))
    assert (np.abs(found - due) <= 1e-12 * scale + rounding + 1e-16).all()


def test_complex_squares_are_real() -> None:
    parts = [np.array([[1 + 2j], [3 - 1j]]), np.array([[0.5j]])]
    found = moments.merged([of(part) for part in parts])
    np.testing.assert_allclose(found.squares / 3, np.concatenate(parts).var(axis=0), rtol=1e-12)
    pieces = [Moments(len(part), part.mean(axis=0), np.atleast_2d(np.var(part) * len(part))) for part in parts]
    crossed = moments.merged(pieces, crossed=True).squares
    np.testing.assert_allclose(crossed / 3, np.var(np.concatenate(parts)), rtol=1e-12)


@given(st.lists(hnp.arrays(np.int64, 3), min_size=1, max_size=5))
def test_sums_of_integers_are_exact_and_wrap(parts: list[np.ndarray]) -> None:
    found = moments.total(parts)
    assert found.dtype == np.int64
    for place in range(3):
        due = sum(int(part[place]) for part in parts)
        assert int(found[place]) == (due + 2**63) % 2**64 - 2**63


def test_the_mean_of_nothing() -> None:
    assert np.isnan(moments.mean([0, 0], [np.float64(0), np.float64(0)]))


@pytest.mark.parametrize(
    ("offset", "rounded"), [(0.0, False), (1.0, False), (1e3, False), (1e6, True), (1e9, True), (1e17, False)]
)
def test_rounding_shows_far_from_zero_only(offset: float, rounded: bool) -> None:
    rng = np.random.default_rng(0)
    parts = [of(offset + rng.normal(size=(50, 2))) for _ in range(3)]
    assert moments.is_rounded(parts, moments.merged(parts)) is rounded


def test_why_means_are_taken_again() -> None:
    """Means near 1e9 are known to 1e-7 only, and so is the variance that is merged of them."""
    values = 1e9 + np.random.default_rng(1).normal(size=(400, 1))
    parts = [values[:130], values[130:]]
    exact = [Fraction(float(value)) for value in values[:, 0]]
    center = sum(exact) / len(exact)
    due = float(sum((value - center) ** 2 for value in exact))
    plain = moments.merged([of(part) for part in parts])
    shifted = [of(part)._replace(mean=(part - plain.mean).mean(axis=0)) for part in parts]
    assert abs(moments.merged(shifted).squares[0] / due - 1) < 1e-13
    assert abs(plain.squares[0] / due - 1) > 1e-13


@given(hnp.arrays(np.float64, (9, 3), elements=st.floats(-10, 10)))
def test_correlations(values: np.ndarray) -> None:
    values = values + np.eye(9, 3)
    np.testing.assert_array_equal(moments.correlations(np.cov(values, rowvar=False)), np.corrcoef(values, rowvar=False))
    assert moments.correlations(np.cov(values[:, 0])) == 1


def test_correlations_of_complex_numbers() -> None:
    real, imaginary = np.random.default_rng(0).normal(size=(2, 9, 2))
    values = real + 1j * imaginary
    np.testing.assert_allclose(
        moments.correlations(np.cov(values, rowvar=False)), np.corrcoef(values, rowvar=False), rtol=1e-12
    )


def test_tallied() -> None:
    tables = [np.array([1, 2]), np.array([3]), np.array([1, 1, 1])]
    assert moments.tallied(tables).tolist() == [5, 3, 1]
    assert [table.tolist() for table in tables] == [[1, 2], [3], [1, 1, 1]]
