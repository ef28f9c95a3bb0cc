"""How sums, moments and counts of parts are put together: plain functions of arrays.

Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fedsock.typing import Array

ROUNDED = 2 * np.finfo(np.float64).eps
"""By how much, relative to it, numpy's mean of a part may be off."""

EXACT_ENOUGH = 5e-13
"""Relative error of merged squares that is let pass."""


class Moments(NamedTuple):
    """What is known of n observations.

    Attributes:
        n: how many there are.
        mean: of each variable.
        squares: "M2", the sum of squared distances from it; or, of a covariance, of their (d, d) products.
    """

    n: int
    mean: Array
    squares: Array


def total(parts: Sequence[Any]) -> Any:
    """Return the sum of arrays of one shape, in their own dtype: integers wrap as numpy's do."""
    stacked = np.stack(parts)
    with np.errstate(all="ignore"):  # of infinities, as a worker does
        return np.sum(stacked, axis=0, dtype=stacked.dtype)


def mean(counts: Sequence[int], means: Sequence[Any]) -> Any:
    """Return the mean of all, of parts with so many observations and these means; NaN where there are none."""
    n = sum(counts)
    if not n:
        return np.full(np.shape(means[0]), np.nan)[()]
    return total([value * (count / n) for count, value in zip(counts, means, strict=True)])


def merged(parts: Sequence[Moments], crossed: bool = False) -> Moments:
    """Return the moments of all observations of several parts.

    Args:
        parts: theirs.
        crossed: squares are products of all pairs of (d,) variables.
    """
    n = sum(part.n for part in parts)
    with np.errstate(all="ignore"):  # of infinities
        center = mean([part.n for part in parts], [part.mean for part in parts])
        apart = [part.mean - center for part in parts]
        between = [part.n * _products(gap, gap, crossed) for part, gap in zip(parts, apart, strict=True)]
        return Moments(n, center, total([part.squares for part in parts]) + total(between))


def _products(left: Array, right: Array, crossed: bool) -> Array:
    """Return squares, or the products of all pairs, of numbers that may be complex."""
    if crossed:
        return np.asarray(np.multiply.outer(left, np.conj(right)))
    return np.asarray((left * np.conj(right)).real)


def is_rounded(parts: Sequence[Moments], whole: Moments, crossed: bool = False) -> bool:
    """Return whether the means of parts are so far from 0 that their rounding shows in the merged squares.

    Where it is all that the squares are made of, so would be numpy's, and nothing is gained by better means.

    Args:
        parts: that were merged.
        whole: of them.
        crossed: as for ``merged``.
    """
    squares = np.abs(np.diagonal(whole.squares) if crossed else whole.squares)
    error = np.zeros(np.shape(whole.mean))
    noise = np.zeros(np.shape(whole.mean))
    with np.errstate(all="ignore"):
        for part in parts:
            off = ROUNDED * np.abs(part.mean)
            error = error + part.n * (2 * np.abs(part.mean - whole.mean) * off + off**2)
            noise = noise + part.n * off**2
        return bool(np.any((error > EXACT_ENOUGH * squares) & (squares > noise) & np.isfinite(squares)))


def correlations(covariance: Array) -> Any:
    """Return the correlations of a (d, d) covariance, or 1 for that of one variable; as ``numpy.corrcoef``."""
    with np.errstate(all="ignore"):
        if covariance.ndim == 0:
            return covariance / covariance
        deviations = np.sqrt(np.diagonal(covariance).real)
        found = covariance / deviations[:, None] / deviations[None, :]
    np.clip(found.real, -1, 1, out=found.real)
    if found.dtype.kind == "c":
        np.clip(found.imag, -1, 1, out=found.imag)
    return found


def tallied(counts: Sequence[Array]) -> Array:
    """Return the sum of tables of counts, as long as the longest; one that is much longer is held once."""
    longest = max(counts, key=len)
    whole = longest.copy()
    for table in counts:
        if table is not longest:
            whole[: len(table)] += table
    return whole
