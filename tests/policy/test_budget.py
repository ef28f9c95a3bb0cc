"""Budgets: what they take, exact sums, and three judges from outside: a float search, OpenDP and dp-accounting."""

from __future__ import annotations

import math
import os
from decimal import Decimal, localcontext
from fractions import Fraction

import dp_accounting
import numpy as np
import opendp.prelude as dp
import pytest
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import ConfigError, OpValueError
from fedsock.policy.budget import LARGEST, SMALLEST, Account, Budget, decimal_of, epsilon_fault, shown, total_rho

epsilons = st.decimals(min_value="0.001", max_value=3, places=3)
deltas = st.sampled_from([Decimal("1e-5"), Decimal("1e-9"), Decimal("0.01")])
users = st.sampled_from(["ann", "ben", "eve"])


@pytest.mark.parametrize(
    ("value", "as_written"),
    [(0.1, "0.1"), ("0.1", "0.1"), (3, "3"), (Decimal("1e-7"), "1E-7"), (1 / 3, "0.3333333333333333"), (1e-9, "1E-9")],
)
def test_a_number_is_the_decimal_that_was_written(value: object, as_written: str) -> None:
    assert str(decimal_of(value)) == as_written


@pytest.mark.parametrize("value", [True, None, "one", "", [], b"1", 1j])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        decimal_of(value)


@pytest.mark.parametrize(
    "wrong",
    ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e-10", "1000001", "1e-1000000", "1e1000000", "1." + 31 * "1"],
)
def test_an_impossible_epsilon_is_refused_wherever_it_comes_from(wrong: str) -> None:
    epsilon = Decimal(wrong)
    assert epsilon_fault(epsilon)
    with pytest.raises(ConfigError, match=r"^epsilon: expected"):
        Budget(epsilon=epsilon)
    with pytest.raises(ConfigError, match=r"^epsilon_per_user: expected"):
        Budget(epsilon=Decimal(1), epsilon_per_user=epsilon)
    with pytest.raises(OpValueError, match=r"^epsilon: expected") as caught:
        Account(Budget(epsilon=Decimal(1))).cost(epsilon)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("delta", ["-0.1", "1", "2", "NaN", "Infinity", "1e-31", "1e-1000000"])
def test_an_impossible_delta_is_refused(delta: str) -> None:
    with pytest.raises(ConfigError, match=r"^delta: expected 0, or a number from"):
        Budget(epsilon=Decimal(1), delta=Decimal(delta))


def test_one_user_gets_no_more_than_all_together() -> None:
    Budget(epsilon=Decimal(1), epsilon_per_user=Decimal(1))
    with pytest.raises(ConfigError, match=r"epsilon_per_user: 1\.1 is more than epsilon, 1"):
        Budget(epsilon=Decimal(1), epsilon_per_user=Decimal("1.1"))


def test_ten_tenths_are_one_and_not_a_grain_more() -> None:
    account = Account(Budget(epsilon=Decimal(1)))
    for tenth in range(10):
        assert account.left("ann") == 1 - tenth * Decimal("0.1")
        cost = account.cost(Decimal("0.1"))
        assert account.may("ann", cost)
        account.spend("ann", cost)
    assert account.left("ann") == 0
    assert not account.may("ann", account.cost(SMALLEST))
    assert not account.may("ben", account.cost(SMALLEST))


def test_a_user_has_a_share_and_the_common_budget_bounds_it() -> None:
    account = Account(Budget(epsilon=Decimal(1), epsilon_per_user=Decimal("0.6")))
    for each in ("0.2", "0.3"):
        account.spend("ann", account.cost(Decimal(each)))
    assert (account.left("ann"), account.left("ben")) == (Decimal("0.1"), Decimal("0.5"))
    account.spend("ben", account.cost(Decimal("0.5")))
    assert (account.left("ann"), account.left("ben"), account.left("eve")) == (0, 0, 0)


def test_what_happened_counts_beyond_the_budget_too() -> None:
    account = Account(Budget(epsilon=Decimal(1)))
    account.spend("ann", account.cost(Decimal(2)))
    assert account.left("ann") == account.left("ben") == 0
    assert not account.may("ben", account.cost(SMALLEST))


def test_with_a_delta_the_cost_is_half_the_square() -> None:
    account, pure = Account(Budget(epsilon=Decimal(1), delta=Decimal("1e-6"))), Account(Budget(epsilon=Decimal(1)))
    assert 25 * account.cost(Decimal("0.1")) == account.cost(Decimal("0.5"))
    assert 5 * pure.cost(Decimal("0.1")) == pure.cost(Decimal("0.5"))
    assert (account.budget.mode, pure.budget.mode) == ("zcdp", "pure")


@pytest.mark.parametrize("delta", ["0", "1e-6"])
def test_what_is_left_is_rounded_down_and_can_be_spent(delta: str) -> None:
    account = Account(Budget(epsilon=Decimal(1), delta=Decimal(delta)))
    account.spend("ann", account.cost(Decimal("0.0123456789")))
    left = account.left("ann")
    assert account.may("ann", account.cost(left))
    with localcontext(prec=50):
        assert not account.may("ann", account.cost(left + Decimal("1e-30")))


def test_less_than_anybody_may_ask_for_is_nothing_left() -> None:
    account = Account(Budget(epsilon=Decimal(1)))
    account.spend("ann", account.cost(Decimal("0.9999999999")))
    assert account.left("ann") == 0


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [("0.2207078175", "0.220707"), ("1", "1"), ("0", "0"), ("1E+3", "1000"), ("1e-9", "0.000000001")],
)
def test_texts_say_it_rounded_down(epsilon: str, text: str) -> None:
    assert shown(Decimal(epsilon)) == text


@given(
    st.lists(st.tuples(users, epsilons), max_size=60), st.one_of(st.none(), epsilons), epsilons, deltas, st.booleans()
)
def test_sums_never_exceed_the_budget_under_any_order(
    asked: list[tuple[str, Decimal]], per_user: Decimal | None, total: Decimal, delta: Decimal, pure: bool
) -> None:
    share = None if per_user is None else min(per_user, total)
    budget = Budget(epsilon=total, epsilon_per_user=share, delta=Decimal(0) if pure else delta)
    account = Account(budget)
    granted: list[tuple[str, Fraction]] = []  # losses by the book, in fractions
    for user, epsilon in asked:
        cost = account.cost(epsilon)
        if epsilon <= account.left(user):
            assert account.may(user, cost)
        if account.may(user, cost):
            account.spend(user, cost)
            loss = Fraction(epsilon)
            granted.append((user, loss if pure else loss * loss / 2))
    limit = Fraction(total) if pure else total_rho(total, delta)[0]
    assert sum(loss for _, loss in granted) <= limit
    if share is not None:
        each = Fraction(share) if pure else total_rho(share, delta)[0]
        for name in ("ann", "ben", "eve"):
            assert sum(loss for user, loss in granted if user == name) <= each


def _float_rho(epsilon: float, delta: float) -> float:
    """Return the best rho of a dense grid of orders."""
    alpha = 1 + np.exp(np.linspace(-20, 40, 50_000))
    excess = alpha - 1
    return float(np.max((epsilon + (math.log(delta) + np.log(alpha)) / excess + np.log1p(1 / excess)) / alpha))


@pytest.mark.parametrize("epsilon", ["0.001", "0.1", "1", "10", "1000"])
@pytest.mark.parametrize("delta", ["1e-20", "1e-6", "0.01", "0.5"])
def test_the_rho_of_a_budget_is_the_best_there_is(epsilon: str, delta: str) -> None:
    rho, _ = total_rho(Decimal(epsilon), Decimal(delta))
    assert float(rho) == pytest.approx(_float_rho(float(epsilon), float(delta)), rel=1e-6)
    # The better-known conversion, rho + 2 sqrt(rho ln(1/delta)) <= epsilon, is never better.
    log = -math.log(float(delta))
    assert float(rho) >= (math.sqrt(log + float(epsilon)) - math.sqrt(log)) ** 2


@pytest.mark.parametrize("epsilon", [SMALLEST, LARGEST])
@pytest.mark.parametrize("delta", ["1e-30", "0.999999"])
def test_the_ends_of_what_is_allowed_have_a_rho(epsilon: Decimal, delta: str) -> None:
    rho, alpha = total_rho(epsilon, Decimal(delta))
    assert rho > 0 and alpha > 1
    account = Account(Budget(epsilon=epsilon, delta=Decimal(delta)))
    assert not account.may("ann", account.cost(LARGEST)) and account.left("ann") < LARGEST


# Judges from outside.

# OpenDP writes a backtrace into each refusal, which takes it a tenth of a second.
os.environ.setdefault("RUST_LIB_BACKTRACE", "0")

_SPACE = dp.atom_domain(T=int), dp.absolute_distance(T=int)


class OpendpFilter:
    """OpenDP's privacy filter over the Laplace releases it took; it ends at its first refusal, this one goes on."""

    def __init__(self, total: float) -> None:
        dp.enable_features("contrib")
        odometer = dp.c.make_fully_adaptive_composition(*_SPACE, output_measure=dp.max_divergence())
        self._filter = dp.c.make_privacy_filter(odometer, d_in=1, d_out=total)
        self._taken: list[float] = []
        self._open = self._filter(0)

    def takes(self, scale: float) -> bool:
        try:
            self._open(dp.m.make_laplace(*_SPACE, scale=scale))
        except dp.OpenDPException as error:
            assert "exhausted: pending privacy loss" in str(error), error
            self._open = self._filter(0)
            for one in self._taken:
                self._open(dp.m.make_laplace(*_SPACE, scale=one))
            return False
        self._taken.append(scale)
        return True


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.integers(1, 96))
def test_opendps_filter_takes_and_refuses_the_same(powers: list[int], total: int) -> None:
    """Numbers that floats hold exactly, so that OpenDP rounds nothing and the two must agree on each."""
    account = Account(Budget(epsilon=Decimal(total) / 64))
    judge = OpendpFilter(total / 64)
    for power in powers:
        assert dp.m.make_laplace(*_SPACE, scale=2.0**power).map(1) == 2.0**-power
        cost = account.cost(1 / Decimal(2**power))
        may = account.may("ann", cost)
        assert may == judge.takes(2.0**power)
        if may:
            account.spend("ann", cost)


@given(st.lists(st.decimals(min_value="0.01", max_value=1, places=2), min_size=1, max_size=20), epsilons)
def test_opendps_filter_differs_by_its_rounding_only(asked: list[Decimal], total: Decimal) -> None:
    """Decimals that floats don't hold: with a grain more than the budget it takes all we take, and no more."""
    account = Account(Budget(epsilon=total))
    judge = OpendpFilter(float(total) * (1 + 1e-9))
    for epsilon in asked:
        cost = account.cost(epsilon)
        if account.may("ann", cost):
            account.spend("ann", cost)
            assert judge.takes(float(1 / epsilon))
    assert not judge.takes(1 / (float(account.left("ann")) + 1e-6 * float(total)))


def _judge(order: float) -> RdpAccountant:
    return RdpAccountant([order], dp_accounting.NeighboringRelation.REPLACE_ONE)


@given(st.lists(st.tuples(epsilons, st.booleans()), min_size=1, max_size=20), st.decimals("0.1", 8, places=2), deltas)
def test_dp_accounting_finds_no_more_than_the_budget(
    asked: list[tuple[Decimal, bool]], total: Decimal, delta: Decimal
) -> None:
    account = Account(Budget(epsilon=total, delta=delta))
    judge = _judge(float(total_rho(total, delta)[1]))
    taken = []
    for epsilon, gaussian in asked:
        cost = account.cost(epsilon)
        if account.may("ann", cost):
            account.spend("ann", cost)
            taken.append(gaussian)
            kind = dp_accounting.GaussianDpEvent if gaussian else dp_accounting.LaplaceDpEvent
            judge.compose(kind(1 / float(epsilon)))
    if (left := account.left("ann")) > 0:
        judge.compose(dp_accounting.GaussianDpEvent(1 / float(left)))
    found = judge.get_epsilon(float(delta))
    assert found <= float(total) * (1 + 1e-9)
    # Nor is the budget given away: Gaussian releases use up nearly all of it.
    if all(taken):
        assert found >= float(total) * (1 - 1e-6)
