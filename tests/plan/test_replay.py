"""Running plans: the same numbers as the code itself, within limits, and never into anybody's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError, OpValueError, PlanMismatch
from fedsock.plan.program import Program
from fedsock.plan.replay import Replay, Watch, replay
from fedsock.plan.steps import Plan, Step
from fedsock.plan.trees import flatten
from tests.plan.programs import arguments, layer


def made(function: Any, *examples: Any) -> Replay:
    return Replay(Program(function).trace(*examples).plan)


@given(st.integers(1, 40), st.sampled_from([np.float32, np.float64]))
def test_the_numbers_are_those_of_the_code(rows: int, dtype: Any) -> None:
    params, x, y = arguments(rows, dtype)
    program = Program(layer).trace(*arguments(5, dtype))
    for _ in range(2):  # the second run isn't checked any more
        found, expected = program(params, x, y), layer(params, x, y)
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert type(found[name]) is type(value)
            np.testing.assert_array_equal(found[name], value)
            assert getattr(found[name], "dtype", None) == getattr(value, "dtype", None)


def test_results_share_no_memory_with_what_was_given_or_each_other() -> None:
    x = np.arange(6.0)
    once, again, view = made(lambda x: (x, x, x.reshape(2, 3)), x).run([x])
    for value in (once, again, view):
        assert not np.shares_memory(value, x)
    assert not np.shares_memory(once, again)
    assert view.base is None


def test_nothing_is_written_into_inputs_or_constants() -> None:
    def grown(x: Any) -> Any:
        total = np.zeros_like(x)
        total += x
        total += np.ones(3)
        return total

    x = np.arange(3.0)
    replayed = made(grown, x)
    for _ in range(3):
        assert np.array_equal(replayed.run([x])[0], x + 1)
    assert np.array_equal(x, np.arange(3.0))


def test_inputs_of_another_kind_are_refused() -> None:
    run = made(lambda x, k: x * k, np.zeros((2, 2)), 3).run
    for leaves in (
        [np.zeros(2), 3], [np.zeros((2, 2), np.float32), 3], [np.zeros((2, 2)), 3.0], [np.zeros((2, 2)), True],
        [np.zeros((2, 2)), np.int64(3)], [np.zeros((2, 2))], [None, 3], [np.zeros((2, 2), object), 3],
    ):  # fmt: skip
        with pytest.raises(PlanMismatch):
            run(leaves)
    assert run([np.ones((5, 7)), 3])[0].shape == (5, 7)


def test_a_failing_step_says_where_it_was_written() -> None:
    program = Program(lambda x, y: x + y).trace(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="broadcast") as caught:
        program(np.zeros(3), np.zeros(4))
    [note] = caught.value.__notes__
    assert note.startswith("in add, written at test_replay.py:")
    assert "lambda x, y: x + y" in note


class Refusing(Watch):
    """Takes nothing above some bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.limit = most
        self.dependent: list[str] = []

    def before(self, step: Step, nbytes: int, seconds: float) -> None:
        super().before(step, nbytes, seconds)
        if self.nbytes > self.limit:
            raise OpValueError("too much")

    def depends(self, step: Step, reads: Any) -> None:
        self.dependent.append(step.op)


def test_what_a_run_takes_is_followed_before_it_is_taken() -> None:
    run = made(lambda x: np.repeat(x, 1000, 0).sum(), np.zeros(1000)).run
    with pytest.raises(OpValueError, match="too much"):
        run([np.zeros(1000)], Refusing(1_000_000))
    watch = Refusing(9_000_000)
    run([np.zeros(1000)], watch)
    assert 8_000_000 <= watch.most < 8_100_000
    assert watch.nbytes < 1000  # what is not needed any more doesn't count


def test_memory_is_given_back_on_the_way() -> None:
    def long(x: Any) -> Any:
        for _ in range(50):
            x = x + 1
        return x

    watch = Refusing(3_000_000)  # 50 values of 800 kB
    made(long, np.zeros(100_000)).run([np.zeros(100_000)], watch)
    assert watch.most <= 1_700_000


def test_steps_that_depend_on_values_are_named() -> None:
    def chosen(x: Any, i: Any) -> Any:
        return x[i], np.sort(x), x[x > 0].sum(), x.reshape(-1, x.shape[0])

    watch = Refusing(10**9)
    run = made(chosen, np.arange(4.0), np.array([1, 2]))
    run.run([np.arange(4.0), np.array([1, 2])], watch)
    assert watch.dependent == ["getitem.array", "getitem.array"]
    known = run.known([np.arange(4.0), np.array([1, 2])])
    assert known is not None and not known.steady


def test_a_steady_plan_runs_unchecked_the_second_time() -> None:
    run = made(lambda x: np.sum(x.reshape((2, -1)), axis=[0]), np.zeros(4))
    for size in (4, 6, 4):
        x = np.arange(float(size))
        assert np.array_equal(run.run([x])[0], x.reshape(2, -1).sum(0))
    known = run.known([np.zeros(4)])
    assert known is not None and known.steady
    assert run.known([np.zeros(8)]) is None
    with pytest.raises(ValueError, match="reshape"):
        run.run([np.zeros(5)])


def test_arguments_are_checked_as_those_of_single_ops() -> None:
    plan = Program(lambda x: np.sum(x, axis=0)).trace(np.zeros((2, 2))).plan
    step = plan.steps[0]
    for kwargs in ({"axis": "x"}, {"axis": 0, "out": 1}, {"keepdims": "yes"}):
        wrong = Plan(plan.inputs, plan.takes, (Step(step.op, step.args[:1], kwargs),), plan.gives)
        with pytest.raises(OpTypeError):
            replay(wrong, [np.zeros((2, 2))])


def test_several_results() -> None:
    def both(x: Any) -> Any:
        q, r = np.linalg.qr(x)
        return {"q": q, "r": r, "parts": np.split(x, 2, axis=1)}

    x = np.random.default_rng(0).normal(size=(6, 4))
    program = Program(both)
    for _ in range(2):
        found, expected = program(x), both(x)
        for mine, theirs in zip(flatten(found)[0], flatten(expected)[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)
