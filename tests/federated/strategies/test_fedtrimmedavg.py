"""FedTrimmedAvg by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated import FedTrimmedAvg
from fedsock.federated.strategies.fedtrimmedavg import trimmed_mean


def test_by_hand() -> None:
    stacked = np.array([[1.0, 9.0], [-1e9, 2.0], [3.0, 4.0], [1e9, 3.0]])
    assert trimmed_mean(stacked, 1).tolist() == [2.0, 3.5]
    assert trimmed_mean(stacked[:1], 0).tolist() == [1.0, 9.0]


def test_it_needs_one_more_than_it_cuts() -> None:
    assert (FedTrimmedAvg(f=2).min_workers, FedTrimmedAvg(f=1, min_workers=7).min_workers) == (5, 7)
    for f in (-1, 0.5, True):
        with pytest.raises(ConfigError, match="f="):
            FedTrimmedAvg(f=f)
