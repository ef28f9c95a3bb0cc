"""The step that adaptive strategies share, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated import FedAdam
from fedsock.federated.strategies.adaptive import adaptive_step


def test_by_hand() -> None:
    step = adaptive_step(np.ones(1), np.array([0.2]), np.array([0.04]), 0.1, 0.3)
    assert step.tolist() == pytest.approx([0.1 * 0.2 / 0.5])


def test_what_cant_be_is_refused() -> None:
    for name, value in (("tau", 0), ("beta1", 1), ("learning_rate", -1), ("beta2", 1.0)):
        with pytest.raises(ConfigError, match=name):
            FedAdam(**{name: value})
