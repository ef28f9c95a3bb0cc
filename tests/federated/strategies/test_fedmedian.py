"""FedMedian by hand."""

from __future__ import annotations

import numpy as np

from fedsock.federated import FedMedian
from fedsock.federated.aggregate import Update
from fedsock.federated.strategies import Updates


def test_by_hand() -> None:
    given = [[1.0, 5.0], [2.0, -1e9], [1e9, 6.0]]
    updates = tuple(Update(str(k), [np.array(one)], 10**k) for k, one in enumerate(given))
    (found,) = FedMedian().aggregate(Updates(1, [np.zeros(2)], None, updates))
    assert found.tolist() == [2.0, 5.0]
    assert FedMedian().combine(np.array([[1.0], [2.0], [4.0], [9.0]])).tolist() == [3.0]
