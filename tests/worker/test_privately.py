"""Ops with private inputs: their facts never lose a source, whatever the op."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.policy.rules import Policy
from fedsock.policy.terms import Agreement, Terms
from fedsock.protocol import messages as m
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.privately import MOST_KNOWN
from tests.worker.driver import PEER, Driver, op, put, ref

OPS = ["add", "sum", "getitem", "matmul", "histogram", "dot", "sort", "iadd", "where", "concatenate", "bincount"]
ARGUMENTS = {"getitem": [0], "histogram": [[0.0, 1.0]], "sum": [], "sort": [], "bincount": [], "concatenate": []}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("policy", ["deny", "aggregate", "public"])
def test_what_is_made_of_private_values_is_private(name: str, policy: str) -> None:
    bob = Driver()
    bob.engine = Engine("bob", datasets_from_mapping({"x": np.arange(16).reshape(4, 4)}, True, policy))
    bob.engine.introduce(PEER, "ann")
    first = [[ref("x")]] if name == "concatenate" else [ref("x")]
    others = ARGUMENTS.get(name, [2.0, 3.0] if name == "where" else [2.0])
    count = TABLE[name].results if isinstance(TABLE[name].results, int) else 1
    bob.say(put(1, 2.5), op(2, name, *first, *others, n=count))
    entries = bob.engine._sessions[PEER].entries
    for id in range(2, 2 + count):
        assert entries[id].facts.sources == {"x"}
    assert entries[1].facts.private is False


def test_an_op_that_is_refused_privately_tells_what_is_public_only() -> None:
    bob = Driver({"x": np.arange(4.0)})
    refused = bob.say(op(1, "reshape", ref("x"), [3, 3]))[-1]
    assert isinstance(refused, m.Error) and "private data" in refused.message


@pytest.mark.parametrize("policy", ["deny", "aggregate"])
def test_calls_alike_are_worked_out_once_and_come_out_alike(policy: str) -> None:
    """The second of each pair takes the short road; facts, metadata and what is told are those of the first."""
    calls = [
        ("add", [ref("x"), 1.5]),
        ("add", [ref("x"), ref("y")]),
        ("multiply", [ref("x"), ref("open")]),
        ("power", [ref("n"), ref("n")]),
        ("matmul", [ref("x"), ref("x")]),
        ("sum", [ref("x")]),
        ("add", [ref("x"), 300]),
        ("add", [ref("small"), 300]),
        ("iadd", [ref("x"), 1.0]),
        ("greater", [ref("x"), float("nan")]),
        ("isnan", [ref(1)]),
        ("unique_values", [ref("x")]),
        ("invert", [ref("x")]),
    ]
    data = {"x": np.ones(20), "y": np.arange(20.0), "n": np.arange(20), "small": np.zeros(20, np.uint8)}
    bob = Driver()
    datasets = datasets_from_mapping(data, True, policy) | datasets_from_mapping({"open": np.ones(20)}, False)
    bob.engine = Engine("bob", datasets)
    bob.engine.introduce(PEER, "ann")
    bob.say(put(1, {"$scalar": ["float64", "AAAAAAAA8D8="]}))
    for at, (name, args) in enumerate(calls):
        first, second = 10 * at + 10, 10 * at + 11
        one, other = bob.say(op(first, name, *args))[-1], bob.say(op(second, name, *args))[-1]
        entries = bob.engine._sessions[PEER].entries
        made, again = entries[first], entries[second]
        assert (made.facts, made.withheld, made.limit_shape, made.charge, made.state, made.share) == (
            (again.facts, again.withheld, again.limit_shape, again.charge, again.state, again.share)
        ), name
        assert type(one) is type(other)
        np.testing.assert_array_equal(made.value, again.value)
    known = bob.engine._runner._privately._known
    assert 5 <= len(known) <= len(calls)


def test_what_is_remembered_is_bounded() -> None:
    bob = Driver({"x": np.ones(3)})
    bob.say(*(op(id, "add", ref("x"), float(id)) for id in range(1, MOST_KNOWN + 10)))
    assert 0 < len(bob.engine._runner._privately._known) <= MOST_KNOWN


@pytest.mark.parametrize("first", [False, True], ids=["alone", "after a user of other terms"])
def test_what_was_worked_out_for_a_user_tells_another_nothing(first: bool) -> None:
    """Numpy's own bincount fails for a category below 0; one of listed categories doesn't."""
    agreement = Agreement(Terms(export="aggregate", group_by=3), {"ann": Terms(export="public", group_by=3)})
    told = []
    for odd in ([], [-1]):
        bob = Driver({"ward": np.append(np.arange(90) % 3, odd).astype(int)}, policy=Policy({"ward": agreement}))
        for user in ("ann", "zoe"):
            bob.engine.introduce(f"s-{user}@0001", user)
        if first:
            bob.say(op(1, "bincount", ref("ward")), peer="s-ann@0001")
        told.append(bob.say(op(1, "bincount", ref("ward")), m.Get(2, 1), peer="s-zoe@0001")[-1])
    np.testing.assert_array_equal(*told)
