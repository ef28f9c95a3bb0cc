"""The row of noisy releases: what it takes, and how large its results are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError
from fedsock.ops import TABLE, check
from fedsock.ops.releases import RELEASE

ROW = TABLE[RELEASE]


def test_what_is_not_private_is_refused() -> None:
    with pytest.raises(OpTypeError, match="needs no noise: fetch it"):
        ROW.function(np.ones(3), "mean", epsilon="1")


@pytest.mark.parametrize(
    ("args", "more", "elements"),
    [
        ((np.ones(9), "mean"), {}, 1),
        ((np.ones((9, 4)), "mean"), {}, 4),
        ((np.ones((4, 9)), "sum", 1), {}, 4),
        ((np.ones(9), "histogram"), {"edges": np.arange(7)}, 7),
        ((np.ones(9), "mean", 5), {}, 9),
        ((np.ones((0, 4)), "mean"), {}, 1),
    ],
)
def test_results_are_no_larger_than_predicted(args: Any, more: dict[str, Any], elements: int) -> None:
    args, more = check(ROW, args, {"epsilon": "1", **more})  # type: ignore[assignment]
    assert ROW.bound(*args, **more).nbytes == 8 * elements


def test_an_epsilon_is_due_and_is_text() -> None:
    for more in ({}, {"epsilon": 1.0}):
        with pytest.raises(OpTypeError, match="epsilon"):
            check(ROW, [np.ones(3), "mean"], more)
