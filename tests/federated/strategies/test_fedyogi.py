"""FedYogi by hand: the second moment grows and shrinks by the same amount, by its sign rule."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.federated import FedYogi
from fedsock.federated.strategies.fedyogi import yogi_moment


def test_its_moment() -> None:
    change = np.array([2.0, 2.0, 2.0])
    assert yogi_moment(change, np.array([1.0, 9.0, 4.0]), 0.9).tolist() == pytest.approx([1.4, 8.6, 4.0])


def test_by_hand() -> None:
    strategy = FedYogi(learning_rate=0.1, beta1=0.9, beta2=0.99, tau=0.5)
    first = strategy.step([np.array([2.0])])[0][0]
    assert first == pytest.approx(0.1 * 0.2 / (np.sqrt(0.25 + 0.01 * 4) + 0.5))
