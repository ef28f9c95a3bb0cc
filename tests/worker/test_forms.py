"""What a worker makes of private inputs: facts of results, and what it counts and measures of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import ExportDenied, QueriesSpent
from fedsock.policy.facts import Aggregate, Rowwise
from fedsock.protocol import messages as m
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from tests.worker.driver import PEER, Driver, op, put, ref

X = np.random.default_rng(1).normal(size=(40, 3))


class Owner(Driver):
    """A driver whose owner has a policy."""

    def __init__(self, data: dict[str, Any], policy: Any) -> None:
        super().__init__()
        self.engine = Engine("bob", datasets_from_mapping(data, True, policy))
        self.engine.introduce(PEER, "anonymous")

    def facts(self, id: int) -> Any:
        return self.engine._sessions[PEER].entries[id].facts

    def asked(self, id: int, of: int) -> Any:
        return self.say(m.Get(id, of))[-1]


@pytest.fixture
def bob() -> Owner:
    return Owner({"x": X}, {"export": "aggregate", "max_queries": 9})


def test_results_know_what_became_of_rows(bob: Owner) -> None:
    bob.say(op(1, "multiply", ref("x"), 2.0), op(2, "sum", ref(1), 0), op(3, "getitem", ref(1), 5), op(4, "add", 1, 1))
    assert isinstance(bob.facts(1).form, Rowwise) and bob.facts(1).kind == "rowwise"
    assert bob.facts(2).form == Aggregate(bob.facts(1).form.group, "sum", 1)
    assert bob.facts(3).kind == "mixed" and bob.facts(3).sources == {"x"} and bob.facts(4).kind == "open"


def test_what_was_made_of_an_aggregate_or_of_a_withheld_value_is_mixed(bob: Owner) -> None:
    bob.say(op(1, "sum", ref("x"), 0), op(2, "add", ref(1), ref("x")), op(3, "compress", [True], ref("x"), 0))
    bob.say(op(4, "add", ref(3), 1), op(5, "negative", ref(1)))
    assert {bob.facts(id).kind for id in (2, 3, 4, 5)} == {"mixed"}


def test_of_several_results_each_has_facts() -> None:
    bob = Owner({"y": np.arange(40) % 4}, {"export": "aggregate", "datasets": {"y": {"group_by": [0, 2, 4]}}})
    bob.say(op(1, "histogram", ref("y"), [0, 2, 4], n=2), op(3, "modf", ref("y"), n=2))
    assert [bob.facts(id).form.template for id in (1, 2)] == ["count", "edges"]
    assert [bob.facts(id).kind for id in (3, 4)] == ["rowwise", "rowwise"]
    assert bob.asked(5, 1).tolist() == [20, 20] and bob.asked(6, 2).tolist() == [0, 2, 4]


def test_each_value_is_counted_once(bob: Owner) -> None:
    bob.say(*(op(id, "sum", ref("x"), 0) for id in range(1, 5)))
    for id, of in [(5, 1), (6, 1), (7, 2), (8, 2), (9, 3)]:
        np.testing.assert_allclose(bob.asked(id, of), X.sum(axis=0))
    refusal = bob.asked(10, 4)
    assert refusal.code == QueriesSpent.code and "9 queries" in refusal.message
    np.testing.assert_allclose(bob.asked(11, 1), X.sum(axis=0))


def test_a_refusal_that_depends_on_values_is_counted() -> None:
    wealth = np.r_[np.ones(39), 1e6]
    bob = Owner({"wealth": wealth}, {"export": "aggregate", "max_queries": 1})
    bob.say(op(1, "sum", ref("wealth")), op(2, "std", ref("wealth")))
    assert "few rows" in bob.asked(3, 1).message
    assert bob.asked(4, 2).code == QueriesSpent.code


@pytest.mark.parametrize(
    ("ops", "numbers"),
    [
        ([op(1, "sum", ref("x"))], 1),
        ([op(1, "sum", ref("x"), 0)], 4),
        ([op(1, "transpose", ref("x")), op(2, "matmul", ref(1), ref("x"))], 16),
        ([op(1, "cov", ref("x"), kw={"rowvar": False})], 10),
        ([op(1, "bincount", ref("ward"), kw={"minlength": 3})], 3),
    ],
)
def test_a_result_costs_as_many_queries_as_it_has_numbers(ops: Any, numbers: int) -> None:
    data = {"x": np.random.default_rng(3).normal(5, 1, size=(60, 4)), "ward": np.arange(60) % 3}
    for limit, left in ((numbers + 1, 1), (numbers, 0)):
        bob = Owner(data, {"export": "aggregate", "max_queries": limit, "datasets": {"ward": {"group_by": 3}}})
        bob.say(*ops)
        for id in (50, 51):  # the same once more is free
            assert not isinstance(bob.say(m.Get(id, ops[-1].id))[-1], m.Error)
        assert bob.say(m.Ask(60, "policy", ref="x"))[-1].policy["queries_left"] == left
    if numbers > 1:
        bob = Owner(data, {"export": "aggregate", "max_queries": numbers - 1, "datasets": {"ward": {"group_by": 3}}})
        bob.say(*ops)
        refused = bob.say(m.Get(50, ops[-1].id))[-1]
        assert refused.code == QueriesSpent.code and f"{numbers - 1} are left; this has {numbers}" in refused.message
        assert bob.say(m.Ask(60, "policy", ref="x"))[-1].policy["queries_left"] == numbers - 1


def test_one_that_does_not_is_not(bob: Owner) -> None:
    bob.say(op(1, "max", ref("x")), op(2, "sum", ref("x")))
    for id in range(3, 9):
        assert bob.asked(id, 1).code == ExportDenied.code
    assert bob.asked(9, 2) == pytest.approx(X.sum())


def test_a_transfer_is_an_export_like_any_other(bob: Owner) -> None:
    bob.say(op(1, "sum", ref("x"), 0), op(2, "abs", ref("x")), op(3, "absolute", ref("x")))
    allowed = bob.say(m.Transfer(4, 1, "alice@0001", 9))
    assert any(isinstance(one, np.ndarray) for one in allowed)
    assert bob.say(m.Transfer(5, 3, "alice@0001", 9))[-1].code == ExportDenied.code


def test_an_upload_is_open_and_stays_so(bob: Owner) -> None:
    bob.say(put(1, 3.5), op(2, "add", ref(1), 1))
    assert bob.facts(2).kind == "open" and bob.asked(3, 2) == 4.5
