"""Noisy releases at a worker: what is refused before anything is charged, what is charged, and what is open."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import BudgetSpent, ConfigError, ExportDenied
from fedsock.protocol import messages as m
from fedsock.worker.audit import Audit
from fedsock.worker.datasets import budgets, datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State
from tests.worker.driver import PEER, Driver, op, put, ref

X = np.random.default_rng(1).uniform(0, 16, size=(5000, 2))
POLICY = {"export": "dp", "epsilon": 1, "epsilon_per_user": 0.5}


class Owner(Driver):
    """A driver whose owner releases with noise."""

    def __init__(self, data: dict[str, Any] | None = None, policy: Any = POLICY, audit: Audit | None = None) -> None:
        super().__init__()
        datasets = datasets_from_mapping({"x": X} if data is None else data, True, policy)
        self.engine = Engine("bob", datasets, audit=audit)
        self.engine.introduce(PEER, "ann")

    def release(self, id: int, of: Any, kind: str = "mean", axis: int = 0, epsilon: str = "0.1", **more: Any) -> Any:
        """The last word on a release: done, or an error."""
        if kind in ("mean", "sum"):
            more.setdefault("bounds", [0, 16])
        return self.say(op(id, "dp_release", of, kind, axis, kw={"epsilon": epsilon, **more}))[-1]

    def left(self) -> Decimal:
        return Decimal(self.say(m.Ask(900 + self.asked(), "policy", ref="x"))[-1].policy["epsilon_left"])

    def asked(self) -> int:
        self.count = getattr(self, "count", 0) + 1
        return self.count


def test_a_release_is_open_and_awaiting_it_again_is_free() -> None:
    bob = Owner()
    done = bob.release(1, ref("x"))
    assert (done.shape, done.dtype, done.withheld) == ([2], "float64", False)
    first, again = bob.say(m.Get(2, 1))[-1], bob.say(m.Get(3, 1))[-1]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, X.mean(axis=0), atol=0.5)
    assert not np.array_equal(first, X.mean(axis=0))
    bob.say(op(4, "multiply", ref(1), 2.0))
    np.testing.assert_array_equal(bob.say(m.Get(5, 4))[-1], first * 2)
    assert bob.left() == Decimal("0.4")


def test_of_what_is_made_up_releases_are_as_noisy_and_free() -> None:
    bob = Owner()
    bob.engine = Engine("bob", datasets_from_mapping({"x": X}, True, POLICY, mock=True))
    bob.engine.introduce(PEER, "ann")
    for id in range(1, 21, 2):
        done = bob.release(id, ref("mock:x"), bounds=[-4, 4])
        assert (done.shape, done.dtype) == ([2], "float64")
        bob.say(op(id + 1, "multiply", ref(id), 1.0))
    first, second = bob.say(m.Get(30, 1))[-1], bob.say(m.Get(31, 3))[-1]
    assert (first != second).all() and np.abs(first).max() < 0.5
    assert bob.left() == Decimal("0.5")
    for id, wrong in enumerate(({"axis": 2}, {"kind": "median"}, {"epsilon": "x"}, {"bounds": [4, -4]}), 500):
        rehearsed, refused = bob.release(2 * id, ref("mock:x"), **wrong), bob.release(2 * id + 1, ref("x"), **wrong)
        assert rehearsed.code == refused.code == ("op_axis" if "axis" in wrong else "op_value")
    assert bob.release(2000, [1.0, 2.0]).code == "op_type"


def test_of_what_is_open_a_release_costs_nothing_and_touches_no_ledger(tmp_path: Path) -> None:
    """Made up, sent by a session, or released before: noise is drawn, and neither ledger nor audit file knows of it."""
    bob = Owner()
    state = State(tmp_path)
    datasets = datasets_from_mapping({"x": X}, True, POLICY, mock=True)
    ledger, audit = Ledger(state, budgets(datasets)), Audit(state)
    bob.engine = Engine("bob", datasets, ledger=ledger, audit=audit)
    bob.engine.introduce(PEER, "ann")
    bob.say(put(1, 2.0), op(2, "full", [50], ref(1)))
    for id, of in ((10, ref("mock:x")), (12, ref(2)), (14, ref(2))):
        assert isinstance(bob.release(id, of, epsilon="0.5"), m.Done)
        assert not isinstance(bob.say(m.Get(id + 1, id))[-1], m.Error)
    assert (tmp_path / "ledger.jsonl").read_bytes() == (tmp_path / "audit.jsonl").read_bytes() == b""
    assert bob.left() == Decimal("0.5")
    assert isinstance(bob.release(2_000, ref("x")), m.Done)
    assert (tmp_path / "ledger.jsonl").read_bytes() and (tmp_path / "audit.jsonl").read_bytes()
    ledger.close()
    audit.close()
    state.close()


def test_where_nothing_is_released_with_noise_what_is_open_needs_none() -> None:
    bob = Owner(policy="aggregate")
    bob.say(put(1, 2.0), op(2, "ones", 5))
    told = bob.release(3, ref(2))
    assert told.code == "op_type" and "needs no noise: fetch it" in told.message


def test_every_release_is_charged_until_nothing_is_left() -> None:
    bob = Owner()
    for id in range(1, 6):
        assert isinstance(bob.release(id, ref("x")), m.Done)
    refused = bob.release(6, ref("x"))
    assert refused.code == BudgetSpent.code and "0 is left" in refused.message and "ann" in refused.message
    bob.engine.introduce("s-2@0001", "zoe")
    other = bob.say(op(1, "dp_release", ref("x"), "count", kw={"epsilon": "0.5"}), peer="s-2@0001")[-1]
    assert isinstance(other, m.Done)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("sum", {}),
        ("count", {}),
        ("histogram", {"edges": [0, 8, 16]}),
        ("quantile", {"candidates": [0, 4, 8, 12, 16], "quantile": 0.5}),
    ],
)
def test_kinds(kind: str, more: dict[str, Any]) -> None:
    bob = Owner({"x": X[:, 0]})
    assert isinstance(bob.release(1, ref("x"), kind, **more), m.Done)


def test_what_keeps_rows_apart_is_released_too_with_its_rows_along_another_axis() -> None:
    bob = Owner()
    bob.say(op(1, "transpose", ref("x")), op(2, "greater", ref(1), 8.0))
    assert bob.release(3, ref(2), axis=1, bounds=[0, 1]).shape == [2]


@pytest.mark.parametrize(
    ("of", "more", "said"),
    [
        (ref("x"), {"bounds": None}, "needs bounds"),
        (ref("x"), {"bounds": [1, 0]}, "bounds"),
        (ref("x"), {"epsilon": "0"}, "epsilon"),
        (ref("x"), {"epsilon": "-1"}, "epsilon"),
        (ref("x"), {"epsilon": "nan"}, "epsilon"),
        (ref("x"), {"epsilon": "much"}, "expected a number, not 'much'"),
        (ref("x"), {"kind": "max"}, "no release is called 'max'"),
        (ref("x"), {"axis": 1}, "along axis 0, not 1"),
        (ref("x"), {"axis": 2}, "out of bounds"),
        (ref("x"), {"bounds": ref("x")}, "are public"),
        (ref(1), {}, "keep each row apart"),
        (ref(2), {}, "keep each row apart"),
        (ref(3), {}, "needs no noise"),
    ],
)
def test_what_is_wrong_costs_nothing_and_says_why(of: Any, more: dict[str, Any], said: str) -> None:
    bob = Owner()
    bob.say(op(1, "sum", ref("x"), 0), op(2, "compress", [True], ref("x"), 0), put(3, 1.5))
    refused = bob.release(4, of, **more)
    assert isinstance(refused, m.Error) and said in refused.message, refused
    assert bob.left() == Decimal("0.5")


@pytest.mark.parametrize("name", ["bounds", "edges", "candidates"])
def test_many_numbers_are_refused_before_anything_is_made_of_them(name: str) -> None:
    bob = Owner()
    bob.say(op(1, "zeros", 20_000, kw={"dtype": {"$dtype": "bool"}}))
    refused = bob.release(2, ref("x"), "count", **{name: ref(1)})
    assert refused.code == "op_value" and f"{name}: at most 16,384 numbers, not 20,000" in refused.message
    assert bob.left() == Decimal("0.5")


def test_other_modes_release_nothing() -> None:
    for policy in ("deny", "aggregate", {**POLICY, "users": {"ann": {"export": "deny"}}}):
        refused = Owner(policy=policy).release(1, ref("x"))
        assert refused.code == ExportDenied.code and "releases nothing with noise" in refused.message
    assert "noise only" in Owner().say(m.Get(1, "x"))[-1].message


def test_nothing_in_the_rows_makes_a_release_fail() -> None:
    for value in (np.nan, np.inf, -np.inf, 1e308):
        bob = Owner({"x": np.full((100, 2), value)})
        assert isinstance(bob.release(1, ref("x")), m.Done)


def test_subjects_with_more_rows_get_more_noise() -> None:
    spread = []
    for rows in (1, 10_000):
        policy = {"export": "dp", "epsilon": 1000, "max_rows_per_subject": rows}
        bob = Owner({"x": np.zeros(1000)}, policy)
        for id in range(1, 40):
            bob.release(id, ref("x"), "count")
        spread.append(np.std([bob.say(m.Get(id + 100, id))[-1] for id in range(1, 40)]))
    assert spread[1] > 1000 * max(spread[0], 1)


def test_subjects_have_their_rows_in_every_data_set_of_the_group() -> None:
    policy = {"export": "dp", "epsilon": 1000, "datasets": {"y": {"max_rows_per_subject": 10_000}}}
    bob = Owner({"x": np.zeros(1000), "y": np.zeros(1000)}, policy)
    for id in range(1, 40):
        bob.release(id, ref("x"), "count")
    assert np.std([bob.say(m.Get(id + 100, id))[-1] for id in range(1, 40)]) > 100


def test_a_release_is_written_down_with_its_charge(tmp_path: Path) -> None:
    audit = Audit(State(tmp_path))
    bob = Owner(audit=audit)
    bob.release(1, ref("x"))
    audit.close()
    line = (tmp_path / "audit.jsonl").read_text()
    assert '"t":"release"' in line and '"user":"ann"' in line and '"epsilon":"0.1"' in line and '"charge":1' in line


def test_what_cant_be_charged_is_not_released(tmp_path: Path) -> None:
    state = State(tmp_path)
    datasets = datasets_from_mapping({"x": X}, True, POLICY)
    bob = Owner()
    ledger = Ledger(state, {"data": datasets["x"].agreement.budget})  # type: ignore[dict-item]
    bob.engine = Engine("bob", datasets, ledger=ledger)
    bob.engine.introduce(PEER, "ann")
    ledger.close()
    refused = bob.release(1, ref("x"))
    assert isinstance(refused, m.Error) and refused.code == "ledger_unwritable"


@pytest.mark.parametrize(
    ("data", "policy", "said"),
    [
        ({"x": X}, "dp", "needs a budget"),
        ({"x": np.array(3.0)}, POLICY, "has no rows"),
        ({"x": X, "y": X}, {**POLICY, "datasets": {"y": {"epsilon": 2}}}, "two budgets"),
    ],
)
def test_a_policy_without_a_budget_is_refused_at_the_start(data: Any, policy: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Owner(data, policy)
