"""What strategies are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated import FedAvg
from fedsock.federated.aggregate import Update
from fedsock.federated.strategies import Updates


@pytest.mark.parametrize("options", [{"fraction": 0}, {"fraction": 1.1}, {"min_workers": 0}, {"min_workers": 1.5}])
def test_what_cant_be_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        FedAvg(**options)


@pytest.mark.parametrize(
    ("fraction", "least", "workers", "count"), [(0.1, 1, 100, 10), (0.5, 1, 5, 3), (0.01, 1, 10, 1), (0.1, 4, 10, 4)]
)
def test_how_many_a_fraction_is(fraction: float, least: int, workers: int, count: int) -> None:
    names = [f"w{k:03}" for k in range(workers)]
    assert len(FedAvg(fraction=fraction, min_workers=least).select(names, 1)) == count


def test_all_get_their_turn() -> None:
    strategy, names = FedAvg(fraction=0.2), list("abcdefghij")
    assert {name for round in range(50) for name in strategy.select(names, round)} == set(names)


def test_what_remembers_nothing_takes_nothing_back() -> None:
    FedAvg().restore({})
    with pytest.raises(ConfigError, match="FedAvg remembers nothing"):
        FedAvg().restore({"m/0": np.zeros(1)})


def test_updates_are_a_sequence() -> None:
    one, two = Update("a", None, 1), Update("b", None, 2)
    updates = Updates(1, [], [], (one, two))
    assert list(updates) == [one, two] and len(updates) == 2 and updates[-1] is two
