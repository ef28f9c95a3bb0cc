"""Early stop."""

from __future__ import annotations

import math

import pytest

from fedsock.errors import ConfigError
from fedsock.federated import EarlyStop, Round


def stops_after(stop: EarlyStop, losses: list[float]) -> int | None:
    rounds = [Round(k, None, loss, {}, {}, [], 0.0) for k, loss in enumerate(losses, 1)]
    return next((k for k in range(1, len(rounds) + 1) if stop(rounds[:k])), None)


def test_it_stops_when_nothing_gets_better() -> None:
    assert stops_after(EarlyStop(patience=2), [3, 2, 2, 1, 1, 1, 1]) == 6
    assert stops_after(EarlyStop(patience=2, mode="max"), [1, 2, 3, 4]) is None
    assert stops_after(EarlyStop(patience=2, mode="max"), [1, 2, 1.5, 1]) == 4
    assert stops_after(EarlyStop(patience=2, min_delta=0.5), [3, 2.9, 2.8]) == 3


def test_nan_is_no_better_value_and_hides_none() -> None:
    nan = math.nan
    assert stops_after(EarlyStop(patience=3), [nan, nan, 3, nan, 2, nan, 1]) is None
    assert stops_after(EarlyStop(patience=2), [3, nan, nan, 1]) == 3
    assert stops_after(EarlyStop(patience=2, mode="max"), [nan, nan]) == 2


def test_a_number_that_isnt_there() -> None:
    with pytest.raises(ConfigError, match="round 1 has no 'acc'"):
        EarlyStop(metric="acc")([Round(1, None, 1.0, {}, {}, [], 0.0)])
