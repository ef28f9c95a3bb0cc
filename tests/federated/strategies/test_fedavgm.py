"""FedAvgM by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated import FedAvgM
from fedsock.federated.strategies.fedavgm import momentum_step


def test_by_hand() -> None:
    step, velocity = momentum_step(np.array([1.0]), np.array([0.0]), 0.5, 0.1)
    assert (step[0], velocity[0]) == (0.1, 1.0)
    step, velocity = momentum_step(np.array([1.0]), velocity, 0.5, 0.1)
    assert (step[0], velocity[0]) == (pytest.approx(0.15), 1.5)


def test_without_momentum_it_is_fedavg() -> None:
    strategy = FedAvgM(momentum=0.0)
    for change in ([np.array([1.0])], [np.array([-3.0])]):
        assert strategy.step(change)[0].tolist() == change[0].tolist()


def test_momentum_is_below_one() -> None:
    with pytest.raises(ConfigError, match="momentum=1"):
        FedAvgM(momentum=1)
