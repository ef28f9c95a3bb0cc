"""Requests at a worker's engine: filed, answered, and used by exports."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import LedgerUnwritable
from fedsock.policy.rules import Policy
from fedsock.policy.terms import Agreement, Terms
from fedsock.protocol import messages as m
from fedsock.worker.approvals import Approvals
from fedsock.worker.audit import AUDIT, Audit
from fedsock.worker.lineage import AT_ONCE_BYTES, MOST_OPS
from fedsock.worker.requestbook import Approved, Asked, approval, denial, utc
from fedsock.worker.requests import MOST_QUESTIONS
from fedsock.worker.state import State
from tests.worker.driver import PEER, Driver, op, put, ref

ASK = Agreement(Terms(export="ask"))
EVE = "s-eve@0009"


class Owner:
    """A worker whose owner is asked for x and y; z is kept."""

    def __init__(self, data: dict[str, Any] | None = None, **options: Any) -> None:
        self.approvals = options.pop("approvals", None) or Approvals(State())
        policy = Policy({"x": ASK, "y": ASK, "pay": Agreement(Terms(export="aggregate"))})
        data = data or {name: np.arange(3.0) for name in ("x", "y", "z", "pay")}
        self.driver = Driver(data, policy=policy, approvals=self.approvals, **options)
        self.driver.engine.introduce(PEER, "ann")
        self.driver.engine.introduce(EVE, "eve")

    def say(self, *messages: m.Message, peer: str = PEER) -> list[Any]:
        return self.driver.say(*messages, peer=peer)

    def answer(self, number: int, reason: str = "", count: int = 1) -> None:
        asked = self.approvals._book.asked[number]
        self.approvals.answer(denial(asked, reason, utc()) if reason else approval(asked, count, 30, utc()))

    def look(self) -> list[Any]:
        self.driver.engine.look()
        return self.driver.run(())


MEAN = op(1, "mean", ref("x"))


def test_a_request_is_filed_answered_and_used_once() -> None:
    owner = Owner()
    owner.say(MEAN)
    assert owner.say(m.Get(2, 1))[0].code == "export_denied"
    assert owner.say(m.Request(3, 1, "the mean")) == [m.Requested(3, 1, "waiting")]
    asked = owner.approvals._book.asked[1]
    assert (asked.user, asked.why, asked.shape, asked.expression) == (
        "ann",
        "the mean",
        "float64[]",
        "np.mean(data['x'])",
    )
    assert owner.say(m.Outcome(4, 1)) == [] and owner.driver.engine.awaits_owner
    owner.answer(1)
    assert owner.look() == [m.Requested(4, 1, "approved")] and not owner.driver.engine.awaits_owner
    assert owner.say(m.Get(5, 1), m.Get(6, 1)) == [1.0, 1.0]
    # The count is of values that left: another one of the same expression is another.
    owner.say(op(7, "mean", ref("x")))
    assert owner.say(m.Get(8, 7))[0].code == "export_denied"
    assert owner.say(m.Get(9, 1)) == [1.0]
    [error] = owner.say(m.Outcome(10, 1))
    assert error.code == "export_denied" and "has left" in error.message


def test_a_denial_reaches_who_waits() -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"), m.Outcome(3, 1))
    owner.answer(1, "too few rows")
    [error] = owner.look()
    assert (error.id, error.code) == (3, "export_denied") and "request 1: too few rows" in error.message
    assert owner.say(m.Get(4, 1))[0].code == "export_denied"


def test_a_later_session_of_the_same_user_gets_it_and_no_other() -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"))
    owner.answer(1, count=2)
    owner.driver.engine.forget(PEER)
    for address in ("s-2@0002", "s-3@0003", "s-4@0004"):
        owner.driver.engine.introduce(address, "ann")
    owner.say(put(1, 7.0), op(2, "mean", ref("x")), peer="s-2@0002")
    assert owner.say(m.Request(3, 2, "again"), peer="s-2@0002") == [m.Requested(3, 1, "approved")]
    assert owner.say(m.Get(4, 2), peer="s-2@0002") == [1.0]
    owner.say(MEAN, peer=EVE)
    assert owner.say(m.Get(2, 1), peer=EVE)[0].code == "export_denied"
    assert owner.say(m.Outcome(3, 1), peer=EVE)[0].code == "unknown_object"
    assert owner.say(m.Request(4, 1, "me too"), peer=EVE) == [m.Requested(4, 2, "waiting")]
    owner.say(MEAN, peer="s-3@0003")
    assert owner.say(m.Get(2, 1), peer="s-3@0003") == [1.0]
    owner.say(MEAN, peer="s-4@0004")
    assert owner.say(m.Get(2, 1), peer="s-4@0004")[0].code == "export_denied"


def test_a_stranger_can_ask_for_nothing() -> None:
    owner = Owner()
    owner.say(MEAN, peer="s-5@0005")
    assert owner.say(m.Request(2, 1, "why"), peer="s-5@0005")[0].code == "export_denied"


def test_what_nobody_need_be_asked_for_is_approved_at_once() -> None:
    owner = Owner()
    owner.say(put(1, 2.0), op(2, "mean", ref("pay")))
    assert owner.say(m.Request(3, 1, "mine")) == [m.Requested(3, 0, "approved")]
    assert owner.approvals._book.asked == {}


@pytest.mark.parametrize("source", ["z", "pay"])
def test_what_an_approval_could_not_open_is_refused(source: str) -> None:
    owner = Owner()
    owner.say(op(1, "add", ref("x"), ref(source)))
    [error] = owner.say(m.Request(2, 1, "why"))
    assert error.code == "export_denied" and "can't be asked for" in error.message
    assert owner.approvals._book.asked == {}


def test_a_transfer_uses_an_approval_too() -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"))
    owner.answer(1)
    assert owner.say(m.Transfer(3, 1, "alice@0002", 9))[1:] == [m.Done(3, dtype="float64", shape=[], kind="scalar")]
    owner.say(op(4, "mean", ref("x")))
    assert owner.say(m.Get(5, 4))[0].code == "export_denied"


def test_what_does_not_leave_uses_nothing() -> None:
    owner = Owner()
    owner.say(op(1, "add", ref("x"), 1.0), m.Request(2, 1, "why"))
    owner.answer(1)
    assert owner.say(m.Get(3, 1, limit=1))[0].code == "too_large_to_fetch"
    assert owner.say(m.Get(4, 1))[0].tolist() == [1.0, 2.0, 3.0]


def test_a_request_waits_for_its_value() -> None:
    owner = Owner()
    assert owner.driver.say(MEAN, m.Request(2, 1, "why"), hold=True) == []
    [compute] = owner.driver.held
    assert owner.driver.run(owner.driver.engine.computed(compute, *compute.run()))[-1] == m.Requested(2, 1, "waiting")


def test_what_failed_aloud_is_told_and_what_failed_in_silence_may_be_asked_for() -> None:
    owner = Owner()
    owner.say(op(1, "reshape", ref("x"), {"$tuple": [7, 7]}))
    assert owner.say(m.Request(2, 1, "why"))[0].code == "op_value"
    owner.say(op(3, "greater", ref("x"), 9.0), op(4, "getitem.array", ref("x"), ref(3)), op(5, "max", ref(4)))
    assert owner.say(m.Request(6, 5, "why")) == [m.Requested(6, 1, "waiting")]
    assert owner.approvals._book.asked[1].shape == "no value: it failed"
    owner.answer(1)
    assert owner.say(m.Get(7, 5))[0].code == "op_value"


def test_what_is_too_long_to_be_read_says_what_to_do() -> None:
    owner = Owner()
    owner.say(*(op(id, "add", ref(id - 1 or "x"), 1) for id in range(1, MOST_OPS + 2)))
    [error] = owner.say(m.Request(5_000, MOST_OPS + 1, "why"))
    assert error.code == "export_denied" and "write a plan" in error.message
    assert owner.say(m.Request(5_001, MOST_OPS, "why")) == [m.Requested(5_001, 1, "waiting")]
    assert owner.say(m.Request(5_002, 77_777, "why"))[0].code == "unknown_object"


def test_nothing_leaves_where_its_use_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"))
    owner.answer(1)

    def unwritable(*_: Any) -> None:
        raise LedgerUnwritable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(owner.approvals, "use", unwritable)
        assert owner.say(m.Get(3, 1))[0].code == "ledger_unwritable"
        patch.setattr(owner.approvals, "file", unwritable)
        owner.say(op(4, "sum", ref("x")))
        assert owner.say(m.Request(5, 4, "why"))[0].code == "ledger_unwritable"
    assert owner.say(m.Get(6, 1)) == [1.0]


def test_so_many_questions_of_a_session_wait() -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"))
    assert owner.say(*(m.Outcome(3 + n, 1) for n in range(MOST_QUESTIONS))) == []
    assert owner.say(m.Outcome(9_000, 1))[0].code == "quota"
    owner.driver.engine.forget(PEER)
    assert not owner.driver.engine.awaits_owner


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (True, "approved"),
        (3, "approved"),
        ({"count": 2}, "approved"),
        ({"days": 0.5}, "approved"),
        ({"count": 2, "days": 7}, "approved"),
        (False, "denied"),
        ("no", "denied"),
        (None, "waiting"),
        (0.5, "waiting"),
        (0, "waiting"),
        ({"count": 0}, "waiting"),
        ({"count": True}, "waiting"),
        ({"days": -1}, "waiting"),
        ({"days": float("nan")}, "waiting"),
        ({"times": 2}, "waiting"),
    ],
)
def test_a_function_of_the_owners_may_answer(said: Any, state: str) -> None:
    seen: list[Asked] = []

    def answering(asked: Asked) -> Any:
        seen.append(asked)
        return said

    owner = Owner(answering=answering)
    assert owner.say(MEAN, m.Request(2, 1, "why"))[-1].state == state
    assert [(one.user, one.expression) for one in seen] == [("ann", "np.mean(data['x'])")]


def test_the_function_says_how_often_and_for_how_long() -> None:
    owner = Owner(answering=lambda asked: {"count": 2, "days": 7})
    owner.say(MEAN, m.Request(2, 1, "why"))
    [given] = owner.approvals._book.answers.values()
    assert isinstance(given, Approved) and given.count == 2
    assert datetime.fromisoformat(given.until) - datetime.fromisoformat(given.at) == timedelta(days=7)


def test_a_request_asked_again_and_again_fills_no_audit_file(tmp_path: Path) -> None:
    state = State(tmp_path / "bob.state")
    owner = Owner(audit=Audit(state))
    owner.say(MEAN, *(m.Request(id, 1, "why") for id in range(2, 22)))
    lines = [json.loads(line) for line in (tmp_path / "bob.state" / AUDIT).read_text().splitlines()]
    assert [line.get("times", 1) for line in lines] == [1, 2, 4, 8, 16]
    state.close()


def test_a_function_that_fails_leaves_the_request_open() -> None:
    def answering(asked: Asked) -> Any:
        raise RuntimeError("oh")

    owner = Owner(answering=answering)
    assert owner.say(MEAN, m.Request(2, 1, "why"))[-1] == m.Requested(2, 1, "waiting")


def test_what_is_told_says_nothing_of_the_values() -> None:
    """The same messages on two data sets equal in shape and dtype, answered by nobody."""
    told = []
    for values in (np.arange(3.0), np.array([np.nan, 1e300, -5.0])):
        owner = Owner({name: values for name in ("x", "y", "z", "pay")})
        script = [MEAN, m.Request(2, 1, "why"), m.Request(3, 1, "again"), op(4, "log", ref("y")), m.Request(5, 4, "w")]
        told.append(owner.say(*script, m.Request(6, "x", "all"), m.Get(7, 4)))
    assert told[0] == told[1]


def test_an_answer_that_another_question_came_upon_first_reaches_who_waits() -> None:
    owner = Owner()
    owner.say(MEAN, m.Request(2, 1, "why"), m.Outcome(3, 1))
    owner.answer(1)
    owner.say(op(1, "sum", ref("x")), m.Get(2, 1), peer=EVE)
    assert owner.look() == [m.Requested(3, 1, "approved")]


def test_the_digest_of_large_data_is_worked_out_beside_the_engine() -> None:
    data = {"x": np.zeros(AT_ONCE_BYTES // 8 + 1), "y": np.zeros(3)}
    owner = Owner(data)
    owner.say(MEAN)
    # Nothing was approved for this user yet, so nothing need be known.
    assert owner.driver.say(m.Get(2, 1), hold=True)[0].code == "export_denied"
    assert owner.driver.say(m.Request(3, 1, "why"), m.Ask(4, "ping"), hold=True) == [m.Answer(4)]
    [compute] = owner.driver.held
    assert compute.seconds > 50e-6
    assert owner.driver.run(owner.driver.engine.computed(compute, *compute.run())) == [m.Requested(3, 1, "waiting")]
    owner.answer(1)
    assert owner.driver.say(m.Get(5, 1), hold=True) == [0.0]
    # Anew, as after a restart: the approval is there, the digest isn't.
    again = Owner(data, approvals=owner.approvals)
    owner.answer(1)
    again.say(MEAN)
    assert again.say(m.Ask(2, "export", ref=1))[0].policy["allowed"] is False
    assert again.driver.say(m.Get(3, 1), hold=True) == []
    [compute] = again.driver.held
    assert again.driver.run(again.driver.engine.computed(compute, *compute.run())) == [0.0]
    assert again.say(m.Ask(4, "export", ref=1))[0].policy["allowed"] is True
    # Who is gone meanwhile gets nothing, and uses nothing up.
    last = Owner(data, approvals=owner.approvals)
    owner.answer(1)
    last.say(MEAN)
    last.driver.say(m.Get(2, 1), hold=True)
    last.driver.engine.forget(PEER)
    [compute] = last.driver.held
    assert last.driver.run(last.driver.engine.computed(compute, *compute.run())) == []
    assert owner.approvals.outcome(1, "ann") == ("approved", "")


def test_an_export_by_an_approval_is_in_the_audit_file(tmp_path: Path) -> None:
    state = State(tmp_path / "bob.state")
    owner = Owner(audit=Audit(state))
    owner.say(MEAN, m.Get(2, 1), m.Request(3, 1, "why"))
    owner.answer(1)
    owner.say(m.Get(4, 1), m.Get(5, 1))
    lines = [json.loads(line) for line in (tmp_path / "bob.state" / AUDIT).read_text().splitlines()]
    told = [(line["allowed"], line["rule"], line.get("request")) for line in lines if line["t"] == "export"]
    [asked] = [line for line in lines if line["t"] == "request"]
    assert (asked["user"], asked["request"], asked["sources"], asked["flagged"]) == ("ann", 1, ["x"], 0)
    assert lines.index(asked) == 1 and len(asked["digest"]) == 64
    assert told == [(False, "ask", None), (True, "ask", 1), (True, "ask", None)]
    state.close()


def test_a_data_set_that_left_for_one_session_did_not_for_another() -> None:
    owner = Owner()
    assert owner.say(m.Request(1, "x", "all of it")) == [m.Requested(1, 1, "waiting")]
    owner.answer(1)
    assert owner.say(m.Get(2, "x"), m.Get(3, "x"))[1].tolist() == [0.0, 1.0, 2.0]
    assert owner.say(m.Get(1, "x"), peer=EVE)[0].code == "export_denied"
    owner.driver.engine.introduce("s-2@0002", "ann")
    assert owner.say(m.Get(1, "x"), peer="s-2@0002")[0].code == "export_denied"
