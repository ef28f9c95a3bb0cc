"""A privacy budget and what is spent of it. Pure, and exact: no sum here is ever rounded.

Without a delta the loss of a release is its epsilon, and losses add up (pure differential privacy). With a delta the
loss is its rho (zero-concentrated differential privacy, zCDP), which adds up too, and the owner's (epsilon, delta) is
turned into one rho at the start. Both sums hold when the scientist chooses each release after seeing those before
it, which sums of (epsilon, delta) pairs by the better-known theorems do not.

Source: Dwork, McSherry, Nissim, Smith, "Calibrating noise to sensitivity" (TCC 2006), sums of epsilon; Bun, Steinke,
"Concentrated differential privacy" (TCC 2016), Propositions 1.4 and 1.6, and Lemma 1.7, rho and its sums; Rogers,
Roth, Ullman, Vadhan, "Privacy odometers and filters" (NeurIPS 2016) and Feldman, Zrnic, "Individual privacy
accounting via a Renyi filter" (NeurIPS 2021), sums under adaptive choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal

from fedsock.errors import ConfigError, OpValueError

SMALLEST = Decimal("1e-9")
"""A smaller epsilon is a slip of the pen: no release of it says anything."""

LARGEST = Decimal("1e6")
"""A larger epsilon is no protection; who wants none publishes the data."""

PLACES = 30
"""Decimals that an epsilon may have: any float from SMALLEST up has fewer. A bound, for exact sums grow with them."""

SMALLEST_DELTA = Decimal("1e-30")
"""A smaller delta but zero promises nothing more."""

SHOWN_DIGITS = 6
"""Of what is left, as texts say it; rounded down."""

_UNITS = 10**PLACES
_DIGITS = 100  # of the one conversion that can't be exact; its error is some 10**-80, and it is rounded by 10**-60
_RHO_UNITS = 10 ** (2 * PLACES)

Mode = Literal["pure", "zcdp"]
"""How losses are counted: epsilon by epsilon, or rho by rho."""


def decimal_of(value: object) -> Decimal:
    """Return a number as the decimal that its owner wrote: 0.1 is one tenth, not the float nearest to it.

    Args:
        value: a Decimal, int, float or text.

    Raises:
        ValueError: none of these, or no number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise ValueError(f"expected a number, not {type(value).__name__}")
    try:
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except ArithmeticError:
        raise ValueError(f"expected a number, not {str(value)[:40]!r}") from None


def epsilon_fault(epsilon: Decimal) -> str | None:
    """Return what is wrong with an epsilon; None if nothing is.

    Args:
        epsilon: of a release or a budget.
    """
    if not epsilon.is_finite() or not SMALLEST <= epsilon <= LARGEST:
        return f"expected a number from {SMALLEST:f} to {LARGEST:f}, not {str(epsilon)[:40]}"
    exponent = epsilon.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        return f"expected at most {PLACES} decimals, not {-exponent}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an owner lets out about one row group, all releases together.

    Attributes:
        epsilon: for all users together.
        epsilon_per_user: for each of them; None: no bound but the common one.
        delta: 0 for pure differential privacy; else the probability, far below one in the number of rows, with which
            the promise may fail.

    Raises:
        ConfigError: a number out of bounds, or more for one user than for all.
    """

    epsilon: Decimal
    epsilon_per_user: Decimal | None = None
    delta: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if fault := epsilon_fault(self.epsilon):
            raise ConfigError(f"epsilon: {fault}")
        if self.epsilon_per_user is not None:
            if fault := epsilon_fault(self.epsilon_per_user):
                raise ConfigError(f"epsilon_per_user: {fault}")
            if self.epsilon_per_user > self.epsilon:
                raise ConfigError(
                    f"epsilon_per_user: {self.epsilon_per_user} is more than epsilon, "
                    f"{self.epsilon}, which all users share"
                )
        if not self.delta.is_finite() or (self.delta != 0 and not SMALLEST_DELTA <= self.delta < 1):
            raise ConfigError(f"delta: expected 0, or a number from {SMALLEST_DELTA} to below 1, not {self.delta}")

    @property
    def mode(self) -> Mode:
        """How its losses are counted."""
        return "zcdp" if self.delta else "pure"


class Account:
    """What is spent of a budget, by user.

    Costs are whole numbers, so that sums are exact and fast: of 10**-30 of an epsilon, or with a delta of half of
    10**-60 of a rho, which is the square of the former.

    Args:
        budget: the owner's.
    """

    __slots__ = ("_of_user", "_per_user", "_spent", "_total", "budget")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._total = self._worth(budget.epsilon)
        self._per_user = self._total if budget.epsilon_per_user is None else self._worth(budget.epsilon_per_user)
        self._spent = 0
        self._of_user: dict[str, int] = {}

    def cost(self, epsilon: Decimal) -> int:
        """Return what a release costs: its epsilon, or with a delta its rho = epsilon**2 / 2.

        Args:
            epsilon: as the scientist asked for it.

        Raises:
            OpValueError: no such epsilon is possible.

        Source: Bun, Steinke (2016), Propositions 1.4 (an epsilon-private release has this rho) and 1.6 (so has
        Gaussian noise of sigma = sensitivity / epsilon).
        """
        if fault := epsilon_fault(epsilon):
            raise OpValueError(f"epsilon: {fault}")
        units = _units(epsilon)
        return units * units if self.budget.delta else units

    def may(self, user: str, cost: int) -> bool:
        """Return whether a user may still spend so much.

        Args:
            user: who asks.
            cost: as ``cost`` returns it.
        """
        return cost <= self._room(user)

    def spend(self, user: str, cost: int) -> None:
        """Note what was spent. Whether it may be is asked before: what happened counts in any case.

        Args:
            user: who asked.
            cost: as ``cost`` returns it.
        """
        self._spent += cost
        self._of_user[user] = self._of_user.get(user, 0) + cost

    def left(self, user: str) -> Decimal:
        """Return the largest epsilon that one release for a user may still have; 0 if there is none.

        Args:
            user: who asks.
        """
        room = max(0, self._room(user))
        left = _decimal(math.isqrt(room) if self.budget.delta else room)
        return left if left >= SMALLEST else Decimal(0)

    def _room(self, user: str) -> int:
        return min(self._total - self._spent, self._per_user - self._of_user.get(user, 0))

    def _worth(self, epsilon: Decimal) -> int:
        delta = self.budget.delta
        return math.floor(2 * total_rho(epsilon, delta)[0] * _RHO_UNITS) if delta else _units(epsilon)


def total_rho(epsilon: Decimal, delta: Decimal) -> tuple[Fraction, Decimal]:
    """Return the rho that is worth an (epsilon, delta), rounded down, and the order alpha that shows it.

    Each alpha > 1 gives a rho below which everything is (epsilon, delta)-private, so that the search for the best may
    be as rough as it likes: only the last step is done with care.

    Args:
        epsilon: of the owner.
        delta: of the owner, above 0.

    Source: Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (NeurIPS 2020), Proposition 12,
    with the Renyi divergence alpha * rho of zCDP.
    """
    log_delta = float(delta.ln())

    def worth(log_excess: float) -> float:
        excess = math.exp(log_excess)
        alpha = 1 + excess
        # ln(1 - 1/alpha) = ln(excess / alpha), written so that neither end loses its digits.
        log_rest = -math.log1p(1 / excess)
        return (float(epsilon) + (log_delta + math.log1p(excess)) / excess - log_rest) / alpha

    low, high = -30.0, 70.0  # alpha - 1 from 1e-13 to 1e30: what the bounds of epsilon and delta can ask for
    for _ in range(200):
        third = (high - low) / 3
        if worth(low + third) < worth(high - third):
            low += third
        else:
            high -= third
    with localcontext(prec=_DIGITS):
        excess = Decimal(math.exp(low))
        alpha = 1 + excess
        rho = (epsilon + (delta.ln() + alpha.ln()) / excess - (excess / alpha).ln()) / alpha
        return max(Fraction(0), Fraction(math.floor(rho * _RHO_UNITS) - 1, _RHO_UNITS)), alpha


def shown(epsilon: Decimal) -> str:
    """Return an epsilon as texts say it, rounded down to a few digits.

    Args:
        epsilon: not negative.
    """
    with localcontext(prec=SHOWN_DIGITS, rounding="ROUND_DOWN"):
        return f"{(+epsilon).normalize():f}"


def _units(epsilon: Decimal) -> int:
    """Return an epsilon in units of 10**-PLACES, exactly: it has no more decimals."""
    above, below = epsilon.as_integer_ratio()
    return int(above * _UNITS // below)


def _decimal(units: int) -> Decimal:
    """Return a number of units of 10**-PLACES, exactly; Decimal's own arithmetic would round it."""
    exponent = -PLACES
    while exponent < 0 and units and not units % 10:
        units //= 10
        exponent += 1
    return Decimal((0, tuple(int(digit) for digit in str(units)), exponent))
