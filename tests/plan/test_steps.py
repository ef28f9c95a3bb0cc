"""Plans as JSON: the digest, and a reader that trusts nothing."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsock.errors import FedsockError, PlanInvalid, UnknownOp, ValueTooLarge
from fedsock.plan.program import Program
from fedsock.plan.steps import GRADIENT, MOST_BYTES, MOST_STEPS, Plan, Spec, Step, spec_of
from fedsock.protocol.values import Reference
from tests.plan.programs import arguments, layer


def recorded() -> Plan:
    return Program(layer).trace(*arguments()).plan


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = recorded()
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.digest == plan.digest
    assert [step.line for step in again.steps] == [step.line for step in plan.steps]
    assert again.to_json() == plan.to_json()


def test_the_digest_is_of_what_is_computed_only() -> None:
    plan = recorded()
    told = json.loads(plan.to_json())
    assert Plan.from_json(json.dumps({**told, "lines": [], "name": "another"})).digest == plan.digest
    told["steps"][0]["op"] = "multiply"
    assert Plan.from_json(json.dumps(told)).digest != plan.digest


def test_the_digest_is_the_sha256_of_canonical_json() -> None:
    plan = Plan((Spec("x", "float64", 1),), (("x", Reference(0)),), (Step("add", (Reference(0), 1)),), Reference(1))
    text = (
        '{"gives":{"$":1},"inputs":[{"kind":"float64","name":"x","ndim":1}],"plan":1,'
        '"steps":[{"args":[{"$":0},1],"op":"add"}],"takes":[["x",{"$":0}]]}'
    )
    assert orjson.dumps(plan.body(), option=orjson.OPT_SORT_KEYS).decode() == text
    assert plan.digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


SMALL: dict[str, Any] = {
    "plan": 1,
    "inputs": [{"name": "x", "kind": "float64", "ndim": 1}],
    "takes": [["x", {"$": 0}]],
    "steps": [{"op": "add", "args": [{"$": 0}, 1]}],
    "gives": {"$": 1},
}

WRONG: dict[str, dict[str, Any]] = {
    "another version": {"plan": 2},
    "a version that is no number": {"plan": True},
    "an unknown key": {"more": 1},
    "inputs that are no list": {"inputs": {}},
    "an input of an unknown kind": {"inputs": [{"name": "x", "kind": "object", "ndim": 1}]},
    "an input of negative axes": {"inputs": [{"name": "x", "kind": "float64", "ndim": -1}]},
    "a number with axes": {"inputs": [{"name": "x", "kind": "float", "ndim": 1}]},
    "a name that moves the cursor": {"inputs": [{"name": "\x1b[2J", "kind": "float64", "ndim": 1}]},
    "a name that is long": {"name": "x" * 1000},
    "an input that nobody takes": {"takes": []},
    "an input that is taken twice": {"takes": [["x", {"$": 0}], ["y", {"$": 0}]]},
    "an argument from the future": {"steps": [{"op": "add", "args": [{"$": 1}, 1]}]},
    "a negative register": {"steps": [{"op": "add", "args": [{"$": -1}, 1]}]},
    "a named register": {"steps": [{"op": "add", "args": [{"$": "visits"}, 1]}]},
    "too many results": {"steps": [{"op": "add", "args": [{"$": 0}, 1], "n": 5}]},
    "no results": {"steps": [{"op": "add", "args": [{"$": 0}, 1], "n": 0}]},
    "a result that isn't there": {"gives": {"$": 2}},
    "a plan where none is due": {"steps": [{"op": "add", "args": [{"$": 0}, 1], "of": {}}]},
    "a gradient of nothing": {"steps": [{"op": GRADIENT, "args": [{"$": 0}], "n": 2}]},
    "a stream": {"steps": [{"op": "add", "args": [{"$array": {"dtype": "float64", "shape": [9], "stream": 1}}]}]},
    "steps of another shape": {"steps": [["add", 1]]},
    "a size of three": {"steps": [{"op": "number.size", "args": [{"$": 0}, 0, 0]}]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_what_is_no_plan_is_refused(wrong: dict[str, Any]) -> None:
    assert Plan.from_json(json.dumps(SMALL)).steps
    with pytest.raises(PlanInvalid):
        Plan.from_json(json.dumps({**SMALL, **wrong}))


@pytest.mark.parametrize("op", ["load", "__class__", "run", "train", "task", "dp_release", "number.power", ""])
def test_ops_that_a_plan_may_not_have(op: str) -> None:
    with pytest.raises(UnknownOp):
        Plan.from_json(json.dumps({**SMALL, "steps": [{"op": op, "args": [{"$": 0}]}]}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"plan"', "[" * 100_000, '{"plan":NaN}'])
def test_texts_that_are_no_json_of_a_plan(text: str) -> None:
    with pytest.raises(PlanInvalid):
        Plan.from_json(text)


def test_a_plan_is_no_longer_than_a_worker_reads_in_passing() -> None:
    steps = [{"op": "add", "args": [{"$": 0}, 1]}] * (MOST_STEPS + 1)
    with pytest.raises(PlanInvalid, match="list of at most"):
        Plan.from_json(json.dumps({**SMALL, "steps": steps}))
    with pytest.raises(PlanInvalid, match="bytes"):
        Plan.from_json(" " * (MOST_BYTES + 1))


def test_plans_in_plans_in_plans() -> None:
    told: dict[str, Any] = SMALL
    for _ in range(9):
        step = {"op": GRADIENT, "args": [{"$": 0}], "n": 2, "of": told, "by": [0]}
        told = {**SMALL, "steps": [step]}
    with pytest.raises(PlanInvalid, match="deep"):
        Plan.from_json(json.dumps(told))


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_plan_is_refused_or_read(data: st.DataObject) -> None:
    text = recorded().to_json()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters(codec="ascii")) + text[place + 1 :]
    try:
        plan = Plan.from_json(changed)
    except FedsockError:
        return
    assert Plan.from_json(plan.to_json()) == plan


def test_a_plan_with_a_large_constant_says_what_to_do() -> None:
    table = np.random.default_rng(0).normal(size=200_000)
    made = Program(lambda x: x + table).trace(np.zeros(200_000))
    with pytest.raises(ValueTooLarge, match="arguments"):
        made.to_json()


def test_what_arguments_are() -> None:
    assert spec_of("x", np.zeros((2, 3), np.float32)) == Spec("x", "float32", 2)
    assert spec_of("x", np.float32(1)) == Spec("x", "float32", 0, scalar=True)
    assert spec_of("x", True) == Spec("x", "bool")
    assert spec_of("x", np.array(["a", "bc"])) == Spec("x", "str", 1)
    assert spec_of("x", np.random.default_rng(0)) == Spec("x", "generator")
    assert spec_of("x", {1}) is None
    assert str(Spec("x", "float32", 2)) == "float32[:,:]"
