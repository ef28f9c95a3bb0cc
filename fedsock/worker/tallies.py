"""Integer-valued statistics of rows, with how far one row can move each: what noise can be added to.

Pure numpy, no noise here. All that isn't an integer function of the rows (bounds, edges, what 0 and 1 stand for) is
public, so no rounding of floats in an answer depends on a private value. Nothing here fails because of
what the values are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.typing import Array, Shape

REPLACE_ONE = 2
"""Rows in which two neighbours differ, counted as OpenDP does: one taken away, one put in its place. Where a subject
may have m rows it is m times that."""

GRID = 2**30
"""Steps between the bounds to which a value is rounded: an error of at most 5e-10 of their distance."""

MOST_ROWS = 2**31
"""With so many rows of GRID steps a sum stays at 2**61, far from the end of int64."""

MOST_NUMBERS = 2**14
"""Numbers in one release: columns, cells or candidates. Noise for so many takes about half a second."""

BLOCK = 2**15
"""Values that are worked on at a time: they and their copies stay in a core's own cache, which makes it three times as
fast as four times as many (measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic(ABC):
    """An integer-valued function of the rows."""

    @abstractmethod
    def tally(self, values: Array) -> Array:
        """Return its numbers, exactly.

        Args:
            values: rows first.

        Returns:
            (k,) int64.
        """

    @abstractmethod
    def read(self, noisy: Any) -> Any:
        """Return what is released, a function of public numbers and of what OpenDP gave.

        Args:
            noisy: a list of the numbers with noise; of a quantile, the position of the selected candidate.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Additive(Statistic):
    """Numbers that noise is added to.

    Attributes:
        l1: by how much replacing one row can change them, all added up.
        l2_squared: the same, squares added up.
    """

    l1: int
    l2_squared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Additive):
    """Sums over the rows of values clipped to bounds and rounded to a grid of GRID steps between them.

    Attributes:
        low: the lower bound; what isn't a number counts as it.
        high: the upper bound.
        base: what is released for 0.
        unit: what is released for 1, less that.
        shape: of what is released.
    """

    low: float
    high: float
    base: float
    unit: float
    shape: Shape

    def tally(self, values: Array) -> Array:
        """Return the sum of grid steps above the lower bound, a number a column."""
        totals = np.zeros(math.prod(self.shape), dtype=np.int64)
        steps = GRID / (self.high - self.low)
        for block in _blocks(values):
            part = _clipped(block, self.low, self.high)
            part -= self.low
            part *= steps
            np.rint(part, out=part)
            # Held once more as integers: the noise is right for what lies on the grid, whatever floats do.
            totals += np.clip(part.astype(np.int64), 0, GRID).sum(axis=0, dtype=np.int64)
        return totals

    def read(self, noisy: list[int]) -> Any:
        """Return the noisy sum or mean: a float64, or an array of them where there are columns."""
        found = np.array(noisy, dtype=np.int64).astype(np.float64) * self.unit + self.base
        return found.reshape(self.shape)[()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Additive):
    """How many rows are neither zero nor NaN, a number a column.

    Attributes:
        shape: of what is released.
    """

    shape: Shape

    def tally(self, values: Array) -> Array:
        """Return the counts."""
        totals = np.zeros(math.prod(self.shape), dtype=np.int64)
        for block in _blocks(values):
            totals += np.count_nonzero((block != 0) & (block == block), axis=0)
        return totals

    def read(self, noisy: list[int]) -> Any:
        """Return the noisy counts: an int64, or an array of them; below zero at times."""
        return np.array(noisy, dtype=np.int64).reshape(self.shape)[()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Additive):
    """How many rows lie between each two edges; an edge belongs to the cell above it, the last one to the last.

    Attributes:
        low: what is less, or isn't a number, counts as this.
        high: what is more counts as this.
        edges: (k + 1,) float64.
    """

    low: float
    high: float
    edges: Array

    def tally(self, values: Array) -> Array:
        """Return the counts."""
        ordered = np.sort(_clipped(values, self.low, self.high))
        below = np.searchsorted(ordered, self.edges, side="left")
        below[-1] = np.searchsorted(ordered, self.edges[-1], side="right")
        return np.diff(below).astype(np.int64)

    def read(self, noisy: list[int]) -> Array:
        """Return the noisy counts, (k,) int64; below zero at times."""
        return np.array(noisy, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile(Statistic):
    """How far each candidate is from having ``part`` of ``whole`` rows below it; the lower, the better.

    With n rows, a candidate's score is |(whole - part) * rows below it - part * rows above it|. A replaced row
    moves from below to above at worst, which changes the score by ``whole``.

    Source: Smith, Privacy-preserving statistical estimation with optimal convergence rates, STOC 2011.

    Attributes:
        low: what is less, or isn't a number, counts as this.
        high: what is more counts as this.
        candidates: (k,) float64, ascending.
        part: of the quantile as a fraction, the upper number.
        whole: the lower one, and by how much replacing one row can change a score.
    """

    low: float
    high: float
    candidates: Array
    part: int
    whole: int

    def tally(self, values: Array) -> Array:
        """Return the candidates' scores."""
        ordered = np.sort(_clipped(values, self.low, self.high))
        below = np.searchsorted(ordered, self.candidates, side="left").astype(np.int64)
        above = ordered.size - np.searchsorted(ordered, self.candidates, side="right").astype(np.int64)
        scores: Array = np.abs((self.whole - self.part) * below - self.part * above)
        return scores

    def read(self, noisy: int) -> Any:
        """Return the selected candidate, a float64."""
        return self.candidates[noisy]


def _blocks(values: Array) -> Iterator[Array]:
    """Yield the rows in blocks, (r, columns) each."""
    columns = math.prod(values.shape[1:])
    step = max(1, BLOCK // columns)
    for start in range(0, len(values), step):
        yield values[start : start + step].reshape(-1, columns)


def _clipped(values: Array, low: float, high: float) -> Array:
    """Return the values between low and high, as float64; what isn't a number as low."""
    found: Array = np.fmax(values, low, dtype=np.float64)
    np.minimum(found, high, out=found)
    found[np.isnan(found)] = low  # a signalling NaN may have come through
    return found
