"""Hostile plans: what would tell of private values by failing, by its size, or by a number that looks public."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import PlanInvalid
from fedsock.plan.replay import Replay
from fedsock.plan.steps import Plan
from fedsock.protocol import messages as m
from fedsock.protocol.values import Reference, to_json
from tests.attacks.programs import OFF, SLOPE, array, at, step, text
from tests.worker.driver import Driver, op, put, ref

SETS = [np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 0.0]), np.array([1.0, 2.0, -9.0]), np.array([1.0, 2.0, 2.0**40])]
"""Private values of which a session is to see no difference."""


def said(data: Any, *messages: Any) -> list[Any]:
    """Return all that a worker with this private x answers."""
    driver = Driver({"x": data})
    told = [str(one) for message in messages for one in driver.say(message)]
    return told + [str(one) for one in driver.say(m.Ask(90, "objects"), m.Get(91, 2))]


def run(steps: list[Any], kind: str = "float64", gives: int | None = None) -> list[Any]:
    """Return the messages that have a plan run on x."""
    last = sum(one.get("n", 1) for one in steps) if gives is None else gives
    return [put(1, text([array(kind=kind)], steps, at(last))), op(2, "run", ref(1), ref("x"))]


WHOLE = step("count_nonzero", at(0))
BY_NUMBER = step("value_and_gradient", 2.0, at(0), n=2, of=SLOPE, by=[0])
INSIDE = {
    **SLOPE,
    "steps": [
        *SLOPE["steps"],
        step("value_and_gradient", 2.0, at(1), n=2, of=SLOPE, by=[0]),
        step("number.subtract", at(5), 3.0),
        step("number.divide", 1.0, at(6)),
        step("multiply", at(7), at(0)),
    ],
    "gives": at(8),
}


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([BY_NUMBER, step("number.subtract", at(2), 3.0), step("number.divide", 1.0, at(3))], "float64"),
        ([BY_NUMBER, step("number.floor_divide", 1.0, at(2))], "float64"),
        ([BY_NUMBER, step("arange", at(2))], "float64"),
        ([step("value_and_gradient", 2.0, at(0), n=2, of=INSIDE, by=[0])], "float64"),
        ([WHOLE, step("zeros", at(1))], "float64"),
        ([WHOLE, step("number.subtract", at(1), 2), step("number.divide", 1, at(2))], "float64"),
        ([step("zeros", at(0))], "int64"),
        ([step("repeat", [1.0, 2.0, 3.0], at(0))], "int64"),
        ([step("tile", at(0), at(0))], "int64"),
        ([step("take", at(0), at(0))], "int64"),
    ],
)
def test_success_and_size_of_a_run_say_nothing_of_private_values(steps: list[Any], kind: str) -> None:
    told = [said(one.astype(kind), *run(steps, kind)) for one in SETS]
    assert told[0] == told[1] == told[2] == told[3]


def test_a_private_number_is_no_setting_of_a_training() -> None:
    """A learning rate below 0 is refused, and the session is told: that would be a sign of the private sum."""
    settings = to_json({"learning_rate": Reference(2)})
    messages = [*run([BY_NUMBER], gives=2), op(3, "train", OFF, to_json([np.zeros(1)]), [ref("x")], settings, n=2)]
    assert said(SETS[0], *messages) == said(SETS[2], *messages)


def test_a_private_number_is_no_step_of_a_state() -> None:
    state = to_json({"step": Reference(2), "moments": []})
    messages = [
        *run([BY_NUMBER], gives=2),
        op(3, "train", OFF, to_json([np.zeros(1)]), [ref("x")], to_json({}), state, n=2),
    ]
    assert said(SETS[0], *messages) == said(SETS[2], *messages)


def test_a_short_text_makes_no_large_plan() -> None:
    """Each step may have a thousand results; millions of them would take gigabytes that nobody counts."""
    many = text([array()], [step("split", at(0), 1000, n=1000)] * 2_000, at(0))
    with pytest.raises(PlanInvalid, match="results"):
        Plan.from_json(many)


@pytest.mark.parametrize("name", ["overwrite", "", "dt\u0443pe", "a b", "x" * 101])
def test_an_arguments_name_is_plain(name: str) -> None:
    with pytest.raises(PlanInvalid, match="name"):
        Plan.from_json(text([array()], [step("add", at(0), 1, kw={name: 1})], at(1)))


def test_nobody_writes_into_what_is_written_in_a_plan() -> None:
    """A plan is kept for all sessions: who could change its constants would change what an owner reviewed."""
    constant = to_json(np.ones(3))
    plan = text([array()], [step("atleast_1d", constant), step("asarray", constant)], [at(1), at(2)])
    replay = Replay(Plan.from_json(plan))
    for _ in range(2):
        for made in replay.run([np.zeros(3)]):
            assert np.array_equal(made, np.ones(3))
            made += 1
