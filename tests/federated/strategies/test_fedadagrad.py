"""FedAdagrad by hand: the first two steps of one parameter."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.federated import FedAdagrad


def test_by_hand() -> None:
    strategy = FedAdagrad(learning_rate=0.1, tau=0.5)
    first = strategy.step([np.array([2.0])])[0][0]
    assert first == pytest.approx(0.1 * 2 / (np.sqrt(0.25 + 4) + 0.5))
    second = strategy.step([np.array([1.0])])[0][0]
    assert second == pytest.approx(0.1 * 1 / (np.sqrt(0.25 + 4 + 1) + 0.5))
