"""FedAdam by hand: the first two steps of one parameter, without bias correction."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.federated import FedAdam


def test_by_hand() -> None:
    strategy = FedAdam(learning_rate=0.1, beta1=0.9, beta2=0.99, tau=0.5)
    first = strategy.step([np.array([2.0])])[0][0]
    v = 0.99 * 0.25 + 0.01 * 4
    assert first == pytest.approx(0.1 * 0.2 / (np.sqrt(v) + 0.5))
    second = strategy.step([np.array([-1.0])])[0][0]
    assert second == pytest.approx(0.1 * (0.9 * 0.2 - 0.1) / (np.sqrt(0.99 * v + 0.01) + 0.5))
