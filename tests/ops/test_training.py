"""The row of trainings: what it takes, and that only a worker carries it out."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import OpTypeError
from fedsock.ops import TABLE, check
from fedsock.ops.training import TRAIN

ROW = TABLE[TRAIN]


def test_it_has_two_results_and_streams() -> None:
    assert ROW.results == 2
    assert ROW.streams
    assert ROW.value_dependent


def test_its_arguments_come_by_position() -> None:
    args, kwargs = check(ROW, ["{}", [np.zeros(3)], [np.zeros((5, 3))], {}], {})
    assert len(args) + len(kwargs) >= 4
    with pytest.raises(OpTypeError):
        check(ROW, ["{}", [], []], {})
    with pytest.raises(OpTypeError):
        check(ROW, [3, [], [], {}], {})
    with pytest.raises(OpTypeError):
        check(ROW, ["{}", [], [], {}], {"emit": 1})


def test_only_a_worker_trains() -> None:
    with pytest.raises(OpTypeError, match=r"bob\.train"):
        ROW.function("{}", [], [], {})
