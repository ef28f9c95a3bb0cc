"""What recording makes of code: steps, shared and needed ones only, and advice where none can be made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fedsock.errors import InPlaceRefused, NotTraceable
from fedsock.plan.program import Program
from fedsock.plan.trace import Tracer

ROWS = np.arange(12.0).reshape(4, 3)


def ops(function: Any, *examples: Any) -> list[str]:
    return [step.op for step in Program(function).trace(*examples).plan.steps]


def test_dead_ops_are_dropped_and_equal_ones_shared() -> None:
    def wasteful(x: Any) -> Any:
        np.exp(x)
        return np.sin(x) + np.sin(x) * np.sin(x + 0)

    assert ops(wasteful, ROWS) == ["sin", "add", "sin", "multiply", "add"]


def test_constants_of_different_types_are_not_the_same() -> None:
    def near(x: Any) -> Any:
        return x + 1, x + 1.0, x + True, x + np.float32(1), x + np.float64(1), x + 1

    assert len(ops(near, ROWS.astype(np.float32))) == 5


def test_draws_are_never_shared() -> None:
    def noisy(x: Any, rng: Any) -> Any:
        return x + rng.normal(size=3), x + rng.normal(size=3)

    rng = np.random.default_rng(7)
    program = Program(noisy)
    first, second = program(ROWS, rng)
    again = np.random.default_rng(7)
    assert np.array_equal(first, ROWS + again.normal(size=3))
    assert np.array_equal(second, ROWS + again.normal(size=3))
    assert [step.op for step in program.plan.steps].count("random.Generator.normal") == 2
    assert np.array_equal(program(ROWS, rng)[0], first)  # the caller's generator is as it was


def test_shapes_are_recorded_so_one_plan_serves_any_number_of_rows() -> None:
    def mean(x: Any) -> Any:
        return x.sum(0) / len(x), x.reshape(x.shape[1], -1).shape[1] * 2, x.size, -x.shape[0] % 7 + abs(-2)

    program = Program(mean).trace(ROWS)
    for rows in (4, 9, 2000):
        x = np.ones((rows, 3), np.float64)
        found = program(x)
        assert np.array_equal(found[0], np.ones(3))
        assert found[1:] == (2 * rows, 3 * rows, -rows % 7 + 2)
        assert all(type(one) is int for one in found[1:])


def test_pythons_numbers_stay_weak() -> None:
    x = np.ones(3, np.float32)
    program = Program(lambda x, rate: (x * rate + len(x) / 2, rate * 2 + 1, np.exp(rate)))
    for rate in (0.5, 0.25):
        scaled, number, exp = program(x, rate)
        assert scaled.dtype == np.float32
        assert (type(number), number) == (float, rate * 2 + 1)
        assert type(exp) is np.float64


def test_trees_go_in_and_out() -> None:
    def turned(tree: Any) -> Any:
        return {"b": [tree["a"][0], None, "kept"], "a": (tree["a"][1],)}

    found = Program(turned)({"a": [ROWS, 2.0]})
    assert list(found) == ["b", "a"]
    assert np.array_equal(found["b"][0], ROWS) and found["b"][1:] == [None, "kept"] and found["a"] == (2.0,)


def test_plans_in_plans() -> None:
    inner = Program(lambda x, k: {"twice": x * k})
    outer = Program(lambda x: inner(inner(x, 2)["twice"], k=3)["twice"])
    assert np.array_equal(outer(ROWS), ROWS * 6)
    inner.trace(ROWS, 5)
    assert np.array_equal(Program(lambda x: inner(x, 2)["twice"] + inner(x, 3)["twice"])(ROWS), ROWS * 5)


def test_a_plan_in_a_plan_draws_the_same_whether_it_was_recorded_before_or_not() -> None:
    inner = Program(lambda x, rng: x + rng.normal(size=3))

    def outer(x: Any, rng: Any) -> Any:
        return inner(x, rng), inner(x, rng) + rng.normal(size=3)

    rng = np.random.default_rng(7)
    before = Program(outer).trace(ROWS, rng)
    inner.trace(ROWS, rng)
    assert Program(outer).trace(ROWS, rng).digest == before.digest
    first, second = before(ROWS, rng)
    assert np.array_equal(second, first + np.random.default_rng(7).normal(size=3))


NOTS: dict[str, tuple[Any, str]] = {
    "a branch on a value": (lambda x: x if x.sum() > 0 else -x, "np.where"),
    "and": (lambda x: (x > 0) and x, "np.where"),
    "a loop over rows": (lambda x: [row for row in x], "any number of rows"),
    "a loop over a size": (lambda x: [x[i] for i in range(x.shape[0])], "array ops"),
    "float": (lambda x: x * float(x.sum()), "numpy's functions"),
    "a new array of a size": (lambda x: np.zeros(x.shape[0]), "like=x"),
    "asarray": (lambda x: np.asarray(x), "numpy's functions|np.stack"),
    "an array of values": (lambda x: np.array([x.sum(), x.mean()]), r"np\.stack\(\[a, b\]\)"),
    "a range of a size": (lambda x: np.arange(x.shape[0]), r"np\.arange\(n, like=x\)"),
    "an index into what is here": (lambda x: np.eye(3)[x.argmax(1)], "the table as an argument"),
    "a function of math": (lambda x: math.exp(x.sum()), r"np\.exp\(x\) for math\.exp"),
    "int": (lambda x: x * int(x.sum()), r"np\.floor\(x\)"),
    "numpy's random": (lambda x: x + np.random.normal(size=3), "rng"),
    "a seeded generator": (lambda x: x + np.random.default_rng(0).normal(size=3), "rng"),
    "item": (lambda x: x.sum().item(), "item"),
}


def test_what_is_advised_can_be_recorded() -> None:
    def advised(x: Any, table: Any) -> Any:
        stacked = np.stack([x.sum(), x.mean()])
        return stacked, np.arange(x.shape[0], like=x), table[x.argmax(1)], np.exp(x.sum() / 100), np.floor(x.sum())

    found, x = Program(advised).trace(ROWS, np.eye(3))(2 * ROWS[:3], np.eye(3)), 2 * ROWS[:3]
    total = x.sum()
    want = np.stack([total, x.mean()]), np.arange(3), np.eye(3)[x.argmax(1)], math.exp(total / 100), int(total)
    assert all(np.array_equal(one, other) for one, other in zip(found, want, strict=True))


@pytest.mark.parametrize(("code", "advice"), NOTS.values(), ids=list(NOTS))
def test_what_needs_values_is_refused_with_advice(code: Any, advice: str) -> None:
    with pytest.raises((NotTraceable, TypeError), match=advice):
        Program(code).trace(ROWS)
    np.random.default_rng(0).normal()  # numpy's own functions are back


def test_assignment_is_refused_with_advice() -> None:
    def assigned(x: Any) -> Any:
        x[0] = 1.0
        return x

    with pytest.raises(InPlaceRefused, match=r"np\.where"):
        Program(assigned).trace(ROWS)


def test_a_generator_from_outside_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NotTraceable, match="rng is a generator"):
        Program(lambda x: x + rng.normal(size=3)).trace(ROWS)


def test_new_arrays_like_others() -> None:
    program = Program(lambda x: np.ones((x.shape[0], 2), like=x)).trace(ROWS)
    assert np.array_equal(program(np.zeros((9, 3))), np.ones((9, 2)))


def test_a_value_that_outlives_its_recording_says_so() -> None:
    kept: list[Tracer] = []
    Program(lambda x: kept.append(x) or x + 1).trace(ROWS)  # type: ignore[func-returns-value]
    with pytest.raises(NotTraceable, match="over"):
        kept[0] + 1
    with pytest.raises(NotTraceable, match="another plan"):
        Program(lambda x: x + kept[0]).trace(ROWS)


def test_a_failing_op_fails_at_its_line() -> None:
    with pytest.raises(ValueError, match="matmul"):
        Program(lambda x: x @ x).trace(ROWS)


def test_steps_know_their_lines() -> None:
    [step] = Program(lambda x: x + 1).trace(ROWS).plan.steps
    assert step.line.startswith("test_trace.py:") and "x + 1" in step.line


def test_a_loop_without_end_is_cut() -> None:
    def endless(x: Any) -> Any:
        while True:
            x = x + 1

    with pytest.raises(NotTraceable, match="loop"):
        Program(endless).trace(np.zeros(1))
