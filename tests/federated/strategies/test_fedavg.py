"""FedAvg by hand."""

from __future__ import annotations

import numpy as np

from fedsock.federated import FedAvg, aggregate
from fedsock.federated.aggregate import Update
from fedsock.federated.strategies import Updates


def test_by_hand() -> None:
    updates = (Update("a", [np.array([0.0, 10.0])], 100), Update("b", [np.array([4.0, 2.0])], 300))
    mean = aggregate.weighted_mean(updates, [np.zeros(2)])
    (found,) = FedAvg().aggregate(Updates(1, [np.zeros(2)], mean, updates))
    assert found.tolist() == [3.0, 4.0]
