"""Noisy answers: sum, mean, count, histogram and quantile of private rows, each worth a given epsilon.

This is the only file that imports opendp (the extra ``dp``), so only a worker whose policy says ``dp`` loads it.
Each kind is an integer-valued statistic of which is known how far one row can move it; OpenDP adds integer noise to
it (or picks a candidate by noisy scores), and what it then is in the data's own unit is worked out from public
numbers alone. So no rounding of floats depends on a private value, and every answer that one data set can give
its neighbours can give too.

Two data sets are neighbours when one row of the first is replaced by another; the number of rows is public.
A release has two halves, because a charge lies between them: ``prepare`` refuses what is wrong, and needs nothing but
what is public; ``Mechanism.draw`` looks at the rows, and nothing in them makes it fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from fedsock.errors import ConfigError, OpTypeError, OpValueError
from fedsock.typing import Array, Shape
from fedsock.worker.tallies import GRID, MOST_NUMBERS, MOST_ROWS, REPLACE_ONE, Additive, Count, Histogram, Quantile, Sum

try:
    from opendp import domains, measurements, measures, metrics
    from opendp.mod import Measurement, enable_features
except ImportError as error:
    raise ConfigError("the policy's dp needs opendp; install it with: pip install 'fedsock[dp]'") from error

enable_features("contrib")

MOST_SCALE = 2.0**56
"""Noise of a larger scale could reach the end of int64; at this one that happens once in e**64."""

MOST_SUBJECT_ROWS = 2**20
"""No subject may have more rows."""

LARGEST_BOUND = 1e100
"""Bounds lie within it and differ by at least its inverse, so that no float made of them overflows."""

LEAST_EPSILON, LARGEST_EPSILON = Decimal("1e-9"), Decimal("1e6")
"""Outside of these an epsilon is a slip of the pen."""

EPSILON_DIGITS = 40
"""Digits that an epsilon may have: it is calculated with exactly."""

QUANTILE_STEPS = 10_000
"""A quantile is rounded to so many steps between 0 and 1: scores are integers."""

HAIRS = 30
"""Tries to find a scale that is large enough; one or two do, and the last would add 2**-23 of it."""

KINDS = ("sum", "mean", "count", "histogram", "quantile")
"""What can be released."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A release whose public side is settled: what is left is to draw it.

    Attributes:
        statistic: what is computed of the rows.
        measurement: OpenDP's, which makes it noisy.
        loss: what OpenDP says a draw is worth, never more than was asked for: epsilon, or rho under zCDP.
        shape: of the rows that it was made for.
        dtype: their dtype.
    """

    statistic: Additive | Quantile
    measurement: Measurement
    loss: float
    shape: Shape
    dtype: np.dtype[Any]

    def draw(self, values: Array) -> Any:
        """Return a noisy answer; each call is a release of its own.

        Args:
            values: rows first, of the shape and dtype that were prepared for; any numbers, NaN and infinite too.

        Returns:
            sum and mean: float64; count: int64; each an array where there are columns. histogram: (k,) int64.
            quantile: float64, one of the candidates.

        Raises:
            OpValueError: another shape or dtype; never because of what the values are.
        """
        if values.shape != self.shape or values.dtype != self.dtype:
            raise OpValueError(f"prepared for {self.dtype}{self.shape}, not for {values.dtype}{values.shape}")
        with np.errstate(all="ignore"):  # a warning would tell of the values, whatever this process makes of warnings
            exact = self.statistic.tally(values)
            return self.statistic.read(self.measurement(exact.tolist()))


def release(kind: str, values: Array, **options: Any) -> Any:
    """Prepare a release and draw it.

    Args:
        kind: one of KINDS.
        values: rows first.
        options: as for ``prepare``.

    Returns:
        As ``Mechanism.draw``.

    Raises:
        OpTypeError: as ``prepare``.
        OpValueError: as ``prepare``.
    """
    return prepare(kind, values.shape, values.dtype, **options).draw(values)


def prepare(
    kind: str,
    shape: Shape,
    dtype: np.dtype[Any],
    *,
    epsilon: Decimal,
    zcdp: bool,
    bounds: tuple[float, float] | None = None,
    d_in: int = REPLACE_ONE,
    edges: Any = None,
    candidates: Any = None,
    quantile: float = 0.5,
) -> Mechanism:
    """Settle all of a release that is public, and refuse what can't be done.

    Args:
        kind: one of KINDS. The sum, mean and count of rows with columns release a number for each of them, and
            one epsilon pays for them all.
        shape: of the rows, rows first.
        dtype: of the rows: bool, integers or floats.
        epsilon: what the release may cost, for all its numbers together.
        zcdp: False: epsilon-DP, by discrete Laplace noise. True: zCDP with rho = epsilon**2 / 2, by discrete Gaussian
            noise. (Quantiles by noisy max in both.)
        bounds: (low, high) to which values are clipped; NaN counts as low. Sum and mean need them; histogram
            and quantile have their first and last edge or candidate otherwise; count has none.
        d_in: rows in which neighbours differ, as REPLACE_ONE counts them.
        edges: of a histogram, ascending.
        candidates: among which a quantile is selected, ascending.
        quantile: between 0 and 1, to four digits; 0.5 is the median.

    Raises:
        OpTypeError: an argument or the rows are of a type that doesn't do.
        OpValueError: an unknown kind, an argument that is missing, impossible or of another kind, no
            rows, or more than can be summed exactly.

    Source: Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, 2020; McKenna and
    Sheldon, Permute-and-Flip, 2020 (noisy max); both as OpenDP has them.
    """
    _check_rows(shape, dtype)
    given = {"bounds": bounds, "edges": edges, "candidates": candidates}
    statistic: Additive | Quantile
    if kind in ("sum", "mean"):
        _takes(kind, given, needs=("bounds",))
        statistic = _sum(kind, shape, _bounds(bounds))
    elif kind == "count":
        _takes(kind, given)
        statistic = _count(shape)
    elif kind == "histogram":
        _takes(kind, given, needs=("edges",), may=("bounds",))
        statistic = _histogram(shape, _ascending("edges", edges), bounds)
    elif kind == "quantile":
        _takes(kind, given, needs=("candidates",), may=("bounds",))
        statistic = _quantile(shape, _ascending("candidates", candidates), quantile, bounds)
    else:
        raise OpValueError(f"no release is called {kind!r}; there are {', '.join(KINDS)}")
    measurement, loss = _measurement(statistic, _subject_rows(d_in), _exact(epsilon), zcdp)
    return Mechanism(statistic, measurement, loss, tuple(shape), np.dtype(dtype))


def _check_rows(shape: Shape, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise OpTypeError(f"only bool, integers and floats can be released, not {dtype}")
    if not shape or 0 in shape:
        raise OpValueError(f"nothing to release in an array of shape {shape}: it needs rows")
    if shape[0] > MOST_ROWS:
        raise OpValueError(f"{shape[0]:,} rows; at most {MOST_ROWS:,} can be summed exactly")
    if math.prod(shape[1:]) > MOST_NUMBERS:
        raise OpValueError(f"{math.prod(shape[1:]):,} columns; at most {MOST_NUMBERS:,} can be released at once")


def _takes(kind: str, given: dict[str, Any], needs: tuple[str, ...] = (), may: tuple[str, ...] = ()) -> None:
    """Refuse arguments that are missing, and those that a kind doesn't have."""
    for name in needs:
        if given[name] is None:
            raise OpValueError(f"{kind} needs {name}=: the noise is sized by what is known without the data")
    for name, value in given.items():
        if value is not None and name not in needs + may:
            raise OpValueError(f"{kind} takes no {name}=")


def _sum(kind: str, shape: Shape, bounds: tuple[float, float]) -> Sum:
    low, high = bounds
    rows, columns = shape[0], math.prod(shape[1:])
    unit = (high - low) / GRID
    return Sum(
        l1=columns * GRID,
        l2_squared=columns * GRID**2,
        low=low,
        high=high,
        base=low if kind == "mean" else low * rows,
        unit=unit / rows if kind == "mean" else unit,
        shape=shape[1:],
    )


def _count(shape: Shape) -> Count:
    columns = math.prod(shape[1:])
    return Count(l1=columns, l2_squared=columns, shape=shape[1:])


def _histogram(shape: Shape, edges: Array, bounds: Any) -> Histogram:
    _one_dimensional("histogram", shape)
    low, high = _bounds((edges[0], edges[-1]) if bounds is None else bounds)
    return Histogram(l1=2, l2_squared=2, low=low, high=high, edges=edges)


def _quantile(shape: Shape, candidates: Array, quantile: Any, bounds: Any) -> Quantile:
    _one_dimensional("quantile", shape)
    low, high = _bounds((candidates[0], candidates[-1]) if bounds is None else bounds)
    number = _number("quantile", quantile)
    if not 0 <= number <= 1:
        raise OpValueError(f"quantile={number}; it lies between 0 and 1")
    wanted = Fraction(round(number * QUANTILE_STEPS), QUANTILE_STEPS)
    part, whole = wanted.numerator, wanted.denominator
    return Quantile(low=low, high=high, candidates=candidates, part=part, whole=whole)


def _one_dimensional(kind: str, shape: Shape) -> None:
    if len(shape) != 1:
        raise OpValueError(f"{kind} takes one value a row, not {shape[1:]}: select a column first")


def _number(name: str, value: Any) -> float:
    """Return a public number as a finite float64."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, Decimal, np.integer, np.floating)):
        raise OpTypeError(f"{name} must be a number, not {type(value).__name__}")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int that no float64 holds; a signalling NaN
        number = math.nan
    if not abs(number) <= LARGEST_BOUND:
        raise OpValueError(f"{name} must be finite and within {LARGEST_BOUND:g}")
    return number


def _bounds(bounds: Any) -> tuple[float, float]:
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise OpTypeError("bounds must be (low, high)")
    low, high = (_number("a bound", bound) for bound in bounds)
    _apart("bounds", low, high)
    return low, high


def _ascending(name: str, numbers: Any) -> Array:
    if not isinstance(numbers, (tuple, list, np.ndarray)):
        raise OpTypeError(f"{name} must be a list of numbers, not {type(numbers).__name__}")
    if isinstance(numbers, np.ndarray) and numbers.ndim != 1:
        raise OpTypeError(f"{name} must have one axis, not {numbers.ndim}")
    if not 2 <= len(numbers) <= MOST_NUMBERS:
        raise OpValueError(f"{name} must be 2 to {MOST_NUMBERS:,} numbers, not {len(numbers):,}")
    found = [_number(f"each of {name}", number) for number in numbers]
    for below, above in pairwise(found):
        _apart(name, below, above)
    return np.array(found, dtype=np.float64)


def _apart(name: str, low: float, high: float) -> None:
    if not high - low >= 1 / LARGEST_BOUND:
        raise OpValueError(f"{name} must ascend, but {high!r} comes after {low!r}")


def _subject_rows(d_in: Any) -> int:
    """Return how many rows of a subject are replaced between neighbours."""
    if not isinstance(d_in, int) or isinstance(d_in, bool):
        raise OpTypeError(f"d_in must be an int, not {type(d_in).__name__}")
    rows, rest = divmod(d_in, REPLACE_ONE)
    if rest or not 1 <= rows <= MOST_SUBJECT_ROWS:
        raise OpValueError(f"d_in={d_in}; it is {REPLACE_ONE} for each of 1 to {MOST_SUBJECT_ROWS:,} rows of a subject")
    return rows


def _exact(epsilon: Any) -> Fraction:
    if not isinstance(epsilon, Decimal):
        raise OpTypeError(f"epsilon must be a Decimal, not {type(epsilon).__name__}")
    if not epsilon.is_finite() or not LEAST_EPSILON <= epsilon <= LARGEST_EPSILON:
        raise OpValueError(f"epsilon must lie between {LEAST_EPSILON} and {LARGEST_EPSILON:f}")
    _, digits, exponent = epsilon.as_tuple()
    if len(digits) > EPSILON_DIGITS or abs(int(exponent)) > EPSILON_DIGITS:
        raise OpValueError(f"epsilon has more than {EPSILON_DIGITS} digits")
    return Fraction(epsilon)


def _measurement(statistic: Additive | Quantile, rows: int, epsilon: Fraction, zcdp: bool) -> tuple[Measurement, float]:
    """Return OpenDP's measurement with the least noise that is worth epsilon, and what OpenDP says it is worth.

    Args:
        statistic: what is to be made noisy.
        rows: how many may be replaced between neighbours: each can move the statistic as far as one can.
        epsilon: the most that it may cost.
        zcdp: a cost of rho = epsilon**2 / 2 instead.
    """
    numbers = domains.vector_domain(domains.atom_domain(T="i64"))
    most = epsilon**2 / 2 if zcdp else epsilon
    if isinstance(statistic, Quantile):
        moved = rows * statistic.whole
        # One candidate's score may rise while another's falls, so epsilon costs twice the noise. Under zCDP such a
        # loss of bounded range, r wide, is worth r**2 / 8, and the factor cancels.
        least = Fraction(moved) / epsilon * (1 if zcdp else 2)
        scores = metrics.linf_distance(T="i64")
        measure = measures.zero_concentrated_divergence() if zcdp else measures.max_divergence()
        select = partial(measurements.make_noisy_max, numbers, scores, measure, negate=True)
        return _sized(select, moved, least, most)
    if zcdp:
        furthest = _root_above(rows**2 * statistic.l2_squared)
        add = partial(measurements.make_gaussian, numbers, metrics.l2_distance(T="f64"))
    else:
        furthest = _above(Fraction(rows * statistic.l1))
        add = partial(measurements.make_laplace, numbers, metrics.l1_distance(T="f64"))
    return _sized(add, furthest, Fraction(furthest) / epsilon, most)


def _sized(
    make: Callable[[float], Measurement], moved: float, least: Fraction, most: Fraction
) -> tuple[Measurement, float]:
    """Return a measurement of the least scale whose loss, as its own map has it, is at most what is asked for.

    The map's floats are rounded up, so the exact scale may come out a hair too expensive: then it grows, by an
    ever larger hair.
    """
    scale = _above(least)
    for doubling in range(HAIRS):
        if scale > MOST_SCALE:
            break
        measurement = make(scale)
        loss = float(measurement.map(moved))  # type: ignore[no-untyped-call]
        if math.isfinite(loss) and Fraction(loss) <= most:
            return measurement, loss
        scale = math.nextafter(scale * (1 + 2.0 ** (doubling - 52)), math.inf)
    raise OpValueError(
        "epsilon is too small for a release of this size: ask for fewer numbers at once, or a larger one"
    )


def _above(number: Fraction) -> float:
    """Return the least float that isn't below a positive number."""
    found = float(number)
    return found if Fraction(found) >= number else math.nextafter(found, math.inf)


def _root_above(square: int) -> float:
    """Return a float that isn't below the root of a positive integer, the next one at most."""
    found = math.sqrt(square)
    while Fraction(found) ** 2 < square:
        found = math.nextafter(found, math.inf)
    return found
