"""What holds for every strategy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from fedsock.federated import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Strategy,
    aggregate,
    strategies,
)
from fedsock.federated.aggregate import Update
from fedsock.federated.strategies import Updates

ALL = [
    FedAvg(fraction=0.5),
    FedProx(mu=0.1, fraction=0.5),
    FedAvgM(fraction=0.5),
    FedAdagrad(fraction=0.5),
    FedAdam(fraction=0.5),
    FedYogi(fraction=0.5),
    FedMedian(fraction=0.5),
    FedTrimmedAvg(f=1, fraction=0.5),
]

every = pytest.mark.parametrize("strategy", ALL, ids=lambda strategy: type(strategy).__name__)

RNG = np.random.default_rng(1)


def drawn() -> Any:
    return {"w": RNG.normal(size=(3, 2)).astype(np.float32), "b": (RNG.normal(size=2), RNG.normal(size=()))}


BEGUN = drawn()
ROUNDS = [[Update(f"w{k}", drawn(), k + 1) for k in range(5)] for _ in range(3)]


def after(strategy: Strategy, round: int, params: Any, updates: list[Update]) -> Any:
    mean = None if strategy.needs_all else aggregate.weighted_mean(updates, params)
    return strategy.aggregate(Updates(round, params, mean, tuple(updates)))


def same(one: Any, other: Any) -> bool:
    pairs = zip(aggregate.flatten(one), aggregate.flatten(other), strict=True)
    return aggregate.same_form(one, other) and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_all_are_here() -> None:
    assert {type(one).__name__ for one in ALL} == set(strategies.__all__) - {"Strategy", "Updates"}


@every
def test_who_changes_nothing_moves_nothing(strategy: Strategy) -> None:
    updates = [Update(f"w{k}", BEGUN, 2**k) for k in range(3)]
    found = after(copy.deepcopy(strategy), 1, BEGUN, updates)
    for one, other in zip(aggregate.flatten(found), aggregate.flatten(BEGUN), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)


@every
def test_form_and_dtypes_stay(strategy: Strategy) -> None:
    found = after(copy.deepcopy(strategy), 1, BEGUN, ROUNDS[0])
    assert aggregate.same_form(found, BEGUN)
    for one, other in zip(aggregate.flatten(found), aggregate.flatten(BEGUN), strict=True):
        assert (one.dtype, one.shape, one.flags.writeable) == (other.dtype, other.shape, False)


@every
def test_it_goes_on_from_its_state(strategy: Strategy) -> None:
    unbroken = copy.deepcopy(strategy)
    params, states = BEGUN, []
    for number, updates in enumerate(ROUNDS, 1):
        states.append((params, {key: part.copy() for key, part in unbroken.state().items()}))
        params = after(unbroken, number, params, updates)
    again = copy.deepcopy(strategy)
    begun, state = states[2]
    again.restore(state)
    assert same(after(again, 3, begun, ROUNDS[2]), params)


@every
def test_the_selection_depends_on_seed_and_round(strategy: Strategy) -> None:
    names = [f"w{k:02}" for k in range(20)]
    strategy = copy.deepcopy(strategy)
    chosen = [list(strategy.select(names, round)) for round in range(1, 9)]
    assert chosen == [list(strategy.select(names, round)) for round in range(1, 9)]
    assert len(set(map(tuple, chosen))) > 1
    assert all(len(set(one)) == 10 and one == sorted(one) and set(one) <= set(names) for one in chosen)
    strategy.seed = 1
    assert chosen != [list(strategy.select(names, round)) for round in range(1, 9)]
    assert list(strategy.select(names[:2], 1)) == names[: max(1, min(strategy.min_workers, 2))] or len(
        strategy.select(names[:2], 1)
    ) == max(1, min(strategy.min_workers, 2))
