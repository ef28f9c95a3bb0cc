"""What follows a plan's steps: Python's numbers that are made of arrays are as unknown as these."""

from __future__ import annotations

from typing import Any

import numpy as np

import fedsock
from fedsock.plan.program import Program
from fedsock.plan.replay import Replay
from fedsock.plan.steps import Step
from fedsock.plan.watching import Watch


class Noting(Watch):
    """Keeps the ops of steps that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.dependent: list[str] = []

    def depends(self, step: Step, reads: Any) -> None:
        self.dependent.append(step.op)


def dependent(function: Any, *leaves: Any) -> list[str]:
    watch = Noting()
    Replay(Program(function).trace(*leaves).plan).run(leaves, watch)
    return watch.dependent


def slope(a: Any, x: Any) -> Any:
    return fedsock.grad(lambda a, x: (x * a).sum())(a, x)


def test_numbers_of_shapes_and_numbers_that_were_given_are_known() -> None:
    assert dependent(lambda x, k: x.sum() / (x.shape[0] - k) + x.reshape((x.shape[0], -1)).sum(), np.ones(3), 2) == []


def test_numbers_that_are_made_of_arrays_are_not_but_take_part_in_arithmetic() -> None:
    assert dependent(lambda a, x: np.clip(x, slope(a, x), 3.0), 2.0, np.ones(3)) == ["clip"]
    assert dependent(lambda a, x: a - 0.1 * slope(a, x) / x.shape[0], 2.0, np.ones(3)) == []
    assert dependent(lambda a, x: np.multiply(slope(a, x), x, dtype=np.float32), 2.0, np.ones(3)) == ["multiply"]


def test_inside_of_gradients_neither() -> None:
    def told(a: Any, x: Any) -> Any:
        return (x * np.clip(x, slope(2.0, x), 3.0)).sum() * a

    def untold(a: Any, x: Any) -> Any:
        return (x * a / (x.shape[0] * 2)).sum() + x.reshape((x.shape[0], -1)).sum() + slope(2.0, x) * a

    assert dependent(lambda a, x: fedsock.grad(told)(a, x), 2.0, np.ones(3)) == ["clip"]
    assert dependent(lambda a, x: fedsock.grad(untold)(a, x), 2.0, np.ones(3)) == []


def test_what_it_takes_is_added_up() -> None:
    watch = Watch()
    step = Step("add", ())
    watch.before(step, 100, 0.5)
    watch.before(step, 50, 0.25)
    watch.nbytes = 20
    watch.before(step, 10, 0.25)
    assert (watch.nbytes, watch.most, watch.seconds) == (30, 150, 1.0)
