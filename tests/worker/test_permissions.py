"""Whether results may leave, asked before they are made: the answer is what an export then meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.plan.batches import edges
from fedsock.plan.program import Program
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker.approvals import Approvals
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.planbook import PlanBook, kept_plans
from fedsock.worker.policies import policy_of_virtual
from fedsock.worker.requestbook import approval, utc
from fedsock.worker.state import State
from fedsock.worker.tasks import tasks_of_virtual
from tests.attacks.programs import array, at, text
from tests.attacks.programs import step as step_of
from tests.worker.driver import PEER, Driver, op, put, ref

ROWS = 120
DATA = {"x": np.arange(float(ROWS)), "few": np.arange(9.0)}
PLAN = Program(lambda x: x.mean()).trace(np.zeros(3)).plan
TEXT = PLAN.to_json()


def step(data: Any, params: Any) -> Any:
    return params, len(data["x"])


def owner(policy: Any = None, user: str = "ann", data: Any = DATA, private: bool = True, **options: Any) -> Driver:
    datasets = datasets_from_mapping(data, private, policy)
    tasks = tasks_of_virtual({"step": step}, datasets, policy_of_virtual(policy)[0])
    driver = Driver()
    driver.engine = Engine("bob", datasets, tasks=tasks, **options)
    driver.engine.introduce(PEER, user)
    return driver


def asked(driver: Driver, id: int, *data: str, **more: Any) -> Any:
    """The answer to a question about the plan, sent under the id before."""
    return driver.say(put(id - 1, TEXT), m.May(id, ref=id - 1, data=list(data), **more))[-1]


def test_a_long_plan_is_read_beside_the_loop() -> None:
    steps = [step_of("add", at(place), 7.25) for place in range(3_000)]
    driver = owner({"train": {"plans": "any"}})
    assert isinstance(driver.say(put(1, text([array()], steps, at(3_000))))[-1], m.Done)
    assert driver.say(m.May(2, ref=1, data=["x"]), hold=True) == []
    (reading,) = driver.held
    (answer,) = driver.run(driver.engine.computed(reading, *reading.run()))
    assert answer.id == 2 and answer.policy["allowed"]
    assert driver.say(m.May(3, ref=1, data=["x"]), hold=True)[0].policy["allowed"]


@pytest.mark.parametrize(
    ("train", "data", "lines"),
    [
        (None, "x", [f'plans = ["{PLAN.digest}"]']),
        (None, "few", [f'plans = ["{PLAN.digest}"]', "min_rows = 9"]),
        ({"plans": "any"}, "x", []),
        ({"plans": [PLAN.digest]}, "x", []),
        ({"plans": [PLAN.digest]}, "few", ["min_rows = 9"]),
        ({"plans": [PLAN.digest], "min_rows": 9}, "few", []),
        ({"tasks": ["step"], "users": ["eve"]}, "x", [f'plans = ["{PLAN.digest}"]', 'users = ["ann"]']),
        ({"plans": "any", "users": ["eve", "ann"], "rounds": 5}, "x", []),
        ({"plans": "any", "rounds": 4}, "x", ["rounds = 5"]),
    ],
)
def test_the_answer_is_what_results_then_meet_and_its_lines_allow_them(train: Any, data: str, lines: list[str]) -> None:
    driver = owner({"train": train} if train else None)
    told = asked(driver, 2, data, times=5).policy
    assert (told["allowed"], told["lines"]) == (not lines, lines)
    assert all(line in told["next_step"] for line in lines)
    outcomes = []
    for number in range(5):
        driver.say(op(10 + 2 * number, "run", ref(1), ref(data)))
        outcomes.append(driver.say(m.Get(11 + 2 * number, 10 + 2 * number))[-1])
    assert all(isinstance(one, np.float64) for one in outcomes) is told["allowed"]
    # And what it says is enough.
    given: dict[str, Any] = dict(train or {})
    for line in lines:
        key, _, value = line.partition(" = ")
        given[key] = int(value) if value.isdigit() else [value.strip('[]"')]
    assert asked(owner({"train": given} if given else None), 2, data, times=5).policy["allowed"]


def test_what_was_used_up_is_not_promised_again() -> None:
    driver = owner({"train": {"plans": "any", "rounds": 6}})
    assert asked(driver, 2, "x", times=6).policy["allowed"]
    driver.say(op(3, "run", ref(1), ref("x")), m.Get(4, 3))
    told = asked(driver, 6, "x", times=6).policy
    assert not told["allowed"] and "5 are left, and 6 are wanted" in told["reason"]
    assert told["lines"] == ["rounds = 7"]
    assert asked(driver, 8, "x", times=5).policy["allowed"]


def test_tasks_are_asked_about_by_name() -> None:
    def allowed(policy: Any, **more: Any) -> Any:
        return owner(policy, **more).say(m.May(1, task="step", times=3))[-1].policy

    assert allowed(None)["lines"] == ['tasks = ["step"]', "min_rows = 9"]
    assert allowed({"train": {"tasks": ["step"], "min_rows": 5}})["allowed"]
    assert allowed({"train": {"tasks": ["step"], "min_rows": 5, "rounds": 2}})["lines"] == ["rounds = 3"]
    assert not allowed(None, private=False)["allowed"]  # what a task makes is private whatever its data
    assert owner().say(m.May(1, task="stop"))[-1].code == "unknown_op"
    assert owner().say(m.May(1))[-1].code == "unknown_op"


def test_of_public_data_and_of_none_everything_leaves() -> None:
    assert asked(owner(private=False), 2, "x").policy["allowed"]
    assert asked(owner(), 2).policy["allowed"]


def test_what_is_no_question_is_a_typed_error() -> None:
    driver = owner()
    assert asked(driver, 2, "y").code == "unknown_object"
    assert driver.say(m.May(3, ref=99))[-1].code == "unknown_object"
    for id, value, code in (
        (11, 7.0, "op_type"),
        (21, "{", "plan_invalid"),
        (31, TEXT.replace("mean", "mein"), "unknown_op"),
    ):
        answer = driver.say(put(id, value), m.May(id + 1, ref=id, data=["x"]))[-1]
        assert (answer.id, answer.code) == (id + 1, code) and answer.message.startswith("bob: ")
    driver.say(op(41, "run", ref(1), ref("x")))
    assert driver.say(m.May(42, ref=41, data=["x"]))[-1].code == "op_type"


def test_a_plan_that_was_asked_about_is_there_for_its_owner_to_read(tmp_path: Path) -> None:
    book = PlanBook(tmp_path)
    asked(owner(plans=book, private=False), 2, "x")
    asked(owner(plans=book), 2)
    assert book._writer is None  # on nothing private
    asked(owner(plans=book), 2, "x")
    assert book._writer is not None
    book._writer.submit(int).result()
    book.close()
    assert [(one.plan, one.user) for one in kept_plans(tmp_path, print)] == [(PLAN, "ann")]


# Asking the owner


def test_an_owner_who_wants_to_be_asked_is_asked_once_and_approves_so_many_results() -> None:
    approvals = Approvals(State())
    driver = owner({"export": "ask"}, approvals=approvals)
    told = asked(driver, 2, "x", times=3).policy
    assert not told["allowed"] and "request" not in told and told["lines"] == [f'plans = ["{PLAN.digest}"]']
    assert approvals.waiting() == []
    told = asked(driver, 4, "x", times=3, why="the mean").policy
    assert (told["allowed"], told["request"], told["state"]) == (False, 1, "waiting")
    assert asked(driver, 6, "x", times=3, why="once more").policy["request"] == 1
    (one,) = approvals.waiting()
    assert (one.user, one.why, one.shape) == ("ann", "the mean", "3 results of a plan")
    for words in (PLAN.digest, "data['x']", f"{ROWS} rows or more", f"show {PLAN.digest}", "--count 3"):
        assert words in one.expression
    approvals.answer(approval(one, 3, 30, utc()))
    assert asked(driver, 8, "x", times=3).policy["allowed"]
    for number in range(4):
        driver.say(op(10 + 2 * number, "run", ref(1), ref("x")))
        value = driver.say(m.Get(11 + 2 * number, 10 + 2 * number))[-1]
        assert (value == DATA["x"].mean()) if number < 3 else value.code == "export_denied"
    driver.say(op(30, "run", ref(1), ref("few")))  # other data
    assert driver.say(m.Get(31, 30))[-1].code == "export_denied"
    told = asked(driver, 41, "x", times=2, why="more").policy
    assert (told["request"], told["state"]) == (2, "waiting")


def test_an_approval_is_for_that_user_plan_and_number() -> None:
    approvals = Approvals(State())
    asked(owner({"export": "ask"}, approvals=approvals), 2, "x", times=2, why="why")
    approvals.answer(approval(approvals.waiting()[0], 2, 30, utc()))
    assert asked(owner({"export": "ask"}, approvals=approvals), 2, "x", times=2).policy["allowed"]
    told = asked(owner({"export": "ask"}, approvals=approvals), 2, "x", times=3).policy
    assert not told["allowed"] and "2 approved results are left, and 3 are wanted" in told["reason"]
    assert not asked(owner({"export": "ask"}, "eve", approvals=approvals), 2, "x").policy["allowed"]
    other = Program(lambda x: x.sum()).trace(np.zeros(3)).plan.to_json()
    driver = owner({"export": "ask"}, approvals=approvals)
    assert not driver.say(put(1, other), m.May(2, ref=1, data=["x"]))[-1].policy["allowed"]
    driver.say(op(3, "run", ref(1), ref("x")))
    assert driver.say(m.Get(4, 3))[-1].code == "export_denied"


@pytest.mark.parametrize(("answer", "state"), [(True, "approved"), (False, "denied"), (None, "waiting")])
def test_an_owners_function_answers_at_once(answer: Any, state: str) -> None:
    driver = owner({"export": "ask"}, answering=lambda request: answer)
    told = asked(driver, 2, "x", why="why").policy
    assert (told["allowed"], told["state"]) == (state == "approved", state)
    told = asked(owner({"export": "ask"}, answering=lambda request: 1), 2, "x", times=2, why="why").policy
    assert (told["allowed"], told["state"]) == (False, "approved")  # once, of two


def test_who_takes_no_requests_is_not_asked() -> None:
    approvals = Approvals(State())
    for policy in (None, "aggregate", {"export": "ask", "datasets": {"few": {"export": "deny"}}}):
        told = asked(owner(policy, approvals=approvals), 2, "x", "few", why="why").policy
        assert not told["allowed"] and told["rule"] == "train" and "request" not in told
    assert approvals.waiting() == []


def test_that_an_owner_was_asked_is_written_down() -> None:
    class Lines:
        def __init__(self) -> None:
            self.written: list[Any] = []

        def write(self, records: Any, *, sync: bool) -> None:
            self.written += [(record, sync) for record in records]

    audit: Any = Lines()
    driver = owner({"export": "ask"}, audit=audit)
    asked(driver, 2, "x", why="why")
    ((record, sync),) = audit.written
    assert (record["t"], record["user"], record["request"], record["sources"], sync) == (
        "request",
        "ann",
        1,
        ["x"],
        True,
    )


def loss(w: Any, x: Any) -> Any:
    return np.mean((x - w) ** 2)


LOSS = Program(loss).trace(np.zeros(()), np.zeros(3)).plan


def trained(driver: Driver, id: int, text: int, batch_size: int | None, **more: Any) -> Any:
    """What fetching a training by the loss gives."""
    settings = {"optimizer": "sgd", "batch_size": batch_size, "learning_rate": 0.5, "epochs": 1, **more}
    driver.say(op(id, "train", ref(text), [to_json(np.zeros(()))], [ref("x")], to_json(settings), n=2))
    return driver.say(m.Get(id + 2, id))[-1]


@pytest.mark.parametrize("batch_size", [None, 1, 7, 50, 60, 119, 120, 500])
@pytest.mark.parametrize("min_rows", [1, 8, 60, 121])
def test_rows_of_each_step_count(batch_size: int | None, min_rows: int) -> None:
    driver = owner({"train": {"plans": "any", "min_rows": min_rows}})
    driver.say(put(1, LOSS.to_json()))
    told = driver.say(m.May(2, ref=1, data=["x"], batch=batch_size))[-1].policy
    left = isinstance(trained(driver, 3, 1, batch_size), dict)
    fewest = int(np.diff(edges(ROWS, batch_size, min_rows)).min())
    assert told["allowed"] == left == (fewest >= min_rows)
    assert told["lines"] == ([] if left else [f"min_rows = {fewest}"])


def test_who_was_asked_about_steps_of_many_rows_has_not_allowed_single_ones() -> None:
    approvals = Approvals(State())
    driver = owner({"export": "ask"}, approvals=approvals)
    driver.say(put(1, LOSS.to_json()), m.May(2, ref=1, data=["x"], batch=50, least=25, times=9, why="why"))
    (one,) = approvals.waiting()
    assert "50 rows or more at a time" in one.expression
    approvals.answer(approval(one, 9, 30, utc()))
    assert trained(driver, 3, 1, 50)["n"] == ROWS
    assert trained(driver, 13, 1, 50, min_rows=21)["n"] == ROWS
    for id, batch_size in ((23, 1), (33, 49), (43, None)):
        assert trained(driver, id, 1, batch_size).code == "export_denied"
    assert driver.say(m.May(51, ref=1, data=["x"], batch=50, times=7))[-1].policy["allowed"]
    assert not driver.say(m.May(52, ref=1, data=["x"], batch=1))[-1].policy["allowed"]
