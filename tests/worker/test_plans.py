"""Plan runs at a worker, message by message: limits, refusals, and what private data may not be asked."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from fedsock.plan import boxes, grad
from fedsock.plan.program import Program
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker import plans
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.plans import AT_ONCE_BYTES, MOST_BYTES
from tests.attacks import programs
from tests.attacks.programs import array, at, step
from tests.worker.driver import PEER, Driver, op, put, ref

DATA = {"pay": np.array([3.0, 1.0, 2.0]), "city": np.array([0, 2, 1])}


def text_of(function: Any, *examples: Any) -> str:
    return (function if isinstance(function, Program) else Program(function)).trace(*examples).to_json()


def ran(driver: Driver, text: str, *args: Any, n: int = 1) -> Any:
    """The last answer to one run."""
    return driver.say(put(1, text), op(2, "run", ref(1), *args, n=n))[-1]


def test_a_plan_runs_on_what_is_there() -> None:
    driver = Driver()
    text = text_of(lambda x, k: (x + k, x.sum() * 1.0), np.zeros(3), 2)
    driver.say(put(1, text), put(5, {"$array": {"dtype": "float64", "shape": [0], "data": ""}}))
    assert isinstance(driver.say(op(7, "run", ref(1), ref(5), 4, n=2))[0], m.Done)
    assert driver.say(m.Get(20, 7))[-1].shape == (0,)
    assert driver.say(m.Get(21, 8))[-1] == 0.0


def test_what_is_no_plan_or_none_for_this_worker() -> None:
    for text, code in [("{", "plan_invalid"), ('{"plan":1}', "plan_invalid"), (7, "op_type"), (None, "op_type")]:
        assert ran(Driver(), text).code == code  # type: ignore[arg-type]  # that is the point
    unknown = text_of(lambda x: np.sin(x), np.zeros(3)).replace('"sin"', '"sinus"')
    answer = ran(Driver(DATA), unknown, ref("pay"))
    assert answer.code == "unknown_op" and "sinus" in answer.message
    assert "sinus" in ran(Driver(), unknown, 1).message


def test_arguments_are_compared_with_the_trace() -> None:
    text = text_of(lambda x: x + 1, np.zeros(3))
    assert ran(Driver(), text, 1.5).code == "plan_mismatch"
    assert ran(Driver(), text).code == "plan_mismatch"
    assert ran(Driver(DATA), text, ref("city")).code == "plan_mismatch"
    assert ran(Driver(DATA), text, ref("pay"), n=2).code == "op_value"


def test_of_private_data_everything_is_private() -> None:
    driver = Driver(DATA)
    done = ran(driver, text_of(lambda x: (x.mean(), x.shape[0]), np.zeros(3)), ref("pay"), n=2)
    assert isinstance(done, m.Done)
    for id in (2, 3):
        assert driver.say(m.Get(10 + id, id))[-1].code == "export_denied"


@pytest.mark.parametrize(
    ("function", "data"),
    [
        (lambda x: x[x > 1], "pay"),
        (lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)), "pay"),
        (lambda i: (i * 0.5)[i], "city"),
        (lambda x: np.unique(x), "pay"),
        (grad(lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)).sum()), "pay"),
        (grad(lambda x: np.linalg.det(np.outer(x, x))), "pay"),  # its gradient fails where the determinant does not
        (grad(lambda x: (x * 2)[np.nonzero(x)[0]].sum()), "pay"),
        (grad(lambda x: (grad(lambda z: np.linalg.cond(np.outer(z, z) + np.eye(3)))(x) * x).sum()), "pay"),
    ],
)
def test_steps_that_could_tell_something_of_private_values_are_refused(function: Any, data: str) -> None:
    text = text_of(function, DATA[data])
    said = []
    for values in ([3.0, 1.0, 2.0], [0.0, 0.0, 0.0], [99.0, -7.0, 5.0]):
        driver = Driver({data: np.array(values).astype(DATA[data].dtype)})
        said.append(ran(driver, text, ref(data)))
        assert said[-1].code == "op_value"
    assert said[0] == said[1] == said[2]
    assert "private" in said[0].message


def test_a_failure_on_private_data_shows_nothing_of_it() -> None:
    text = text_of(lambda x, y: x + y, np.zeros(3), np.zeros(3))
    answer = ran(Driver(DATA | {"few": np.array([123.456, 7.0])}), text, ref("pay"), ref("few"))
    assert answer.code == "op_value"
    assert "failed on private data (in add, written at test_plans.py:" in answer.message
    assert "broadcast" not in answer.message and "123" not in answer.message


def test_withheld_values_are_refused() -> None:
    driver = Driver(DATA)
    driver.say(put(1, text_of(lambda x: x + 1, np.zeros(3))), op(2, "unique_values", ref("pay")))
    assert driver.say(op(3, "run", ref(1), ref(2)))[-1].code == "op_value"


def test_a_run_takes_no_more_than_its_session_may() -> None:
    text = text_of(lambda x: np.outer(x, x).sum(), np.zeros(10))
    driver = Driver(quota_bytes=100_000)
    driver.say(put(1, text), op(2, "zeros", 200))
    for id in (3, 4):  # the first run of its kind, and the next
        assert driver.say(op(id, "run", ref(1), ref(2)))[-1].code == "quota"
    assert isinstance(driver.say(op(9, "add", ref(2), 1))[-1], m.Done)


def test_gradients_on_private_data_are_private_and_take_any_values() -> None:
    text = text_of(grad(lambda x: (np.tanh(x) * x).sum() / x.shape[0]), np.zeros(3))
    for values in (DATA["pay"], np.full(3, np.nan)):
        driver = Driver({"pay": values})
        assert isinstance(ran(driver, text, ref("pay")), m.Done)
        assert driver.say(m.Get(12, 2))[-1].code == "export_denied"


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: np.outer(x, x).sum(),
        lambda x: np.convolve(x, x).sum(),
        lambda x: np.polyval(x, x).sum(),
        lambda x: (grad(lambda z: (np.tanh(z) * z).sum() * np.outer(z, z).mean())(x) * x).sum(),
    ],
)
def test_a_gradient_takes_no_more_than_its_session_may(loss: Any) -> None:
    text = text_of(grad(loss), np.ones(10))
    driver = Driver(quota_bytes=300_000)
    driver.say(put(1, text), op(2, "ones", 10), op(3, "ones", 900))
    assert isinstance(driver.say(op(4, "run", ref(1), ref(2)))[-1], m.Done)
    for id in (5, 6):
        assert driver.say(op(id, "run", ref(1), ref(3)))[-1].code == "quota"
    assert isinstance(driver.say(op(9, "add", ref(2), 1))[-1], m.Done)


def test_a_gradient_needs_the_extra_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(grad(lambda x: (x * x).sum()), np.zeros(3))
    boxes.autograd.cache_clear()
    monkeypatch.setitem(sys.modules, "autograd", None)
    try:
        assert "fedsock[learn]" in ran(Driver(DATA), text, ref("pay")).message
    finally:
        boxes.autograd.cache_clear()


def test_a_run_that_would_take_too_long_is_refused() -> None:
    def long(x: Any) -> Any:
        for _ in range(20):
            x = x @ x
        return x

    driver = Driver(op_seconds=0.01)
    driver.say(put(1, text_of(long, np.zeros((3, 3)))), op(2, "zeros", [300, 300]))
    assert driver.say(op(3, "run", ref(1), ref(2)))[-1].code == "op_too_long"


def test_a_cancelled_run_ends_between_its_steps() -> None:
    driver = Driver()
    driver.say(put(1, text_of(lambda x: x + 1 + 2, np.zeros(3))), op(2, "zeros", 3))
    driver.say(op(3, "run", ref(1), ref(2)), hold=True)
    assert driver.say(m.Cancel([3]))[-1].code == "cancelled"
    [compute] = driver.held
    result, error = compute.run()
    assert result is None and "cancelled" in str(error)
    driver.run(driver.engine.computed(compute, result, error))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What this process keeps, empty."""
    found = plans.Kept()
    monkeypatch.setattr(plans, "KEPT", found)
    return found


def long(k: int) -> str:
    """Return a plan of some 160 kB."""
    steps = [step("add", at(place), k) for place in range(4_000)]
    return programs.text([array(ndim=0)], steps, at(4_000))


def test_only_so_many_plans_are_kept_ready(monkeypatch: pytest.MonkeyPatch, kept: Any) -> None:
    monkeypatch.setattr(plans, "MOST_BYTES", 500_000)
    driver = Driver()
    for id in range(5):
        ran_once = driver.say(put(3 * id + 1, long(id)), op(3 * id + 2, "run", ref(3 * id + 1), to_json(np.array(1.0))))
        assert isinstance(ran_once[-1], m.Done)
    assert 0 < sum(len(long(id)) for id in range(5) if long(id) in kept) <= 500_000 < MOST_BYTES


def test_a_long_plan_is_read_beside_the_loop_and_others_go_on(kept: Any) -> None:
    driver = Driver()
    number = to_json(np.array(1.0))
    driver.say(put(1, long(1)))
    assert len(long(1)) > AT_ONCE_BYTES
    assert driver.say(op(2, "run", ref(1), number), hold=True) == []
    (reading,) = driver.held
    assert reading.seconds >= 1.0 and long(1) not in kept
    assert isinstance(driver.say(op(3, "zeros", 3))[-1], m.Done)
    driver.held.clear()
    assert isinstance(driver.run(driver.engine.computed(reading, *reading.run()))[-1], m.Done)
    assert driver.say(m.Get(4, 2))[-1] == 4_001.0
    driver.say(op(5, "run", ref(1), number), hold=True)
    assert driver.held[0].job.op.fn == "run" and driver.held[0].job.results  # it is read only once


def test_what_is_no_plan_is_read_once_too_and_ends_its_op(kept: Any) -> None:
    driver = Driver()
    wrong = long(1).replace("add", "nod")
    for id in (1, 3):
        told = driver.say(put(id, wrong), op(id + 1, "run", ref(id), to_json(np.array(1.0))))
        assert told[-1].code == "unknown_op"
    assert wrong in kept


def test_workers_of_one_process_make_a_plan_ready_once(monkeypatch: pytest.MonkeyPatch, kept: Any) -> None:
    text = text_of(lambda x: x * 3 + 0.125, np.zeros(3))
    read, calls = plans._read, []
    monkeypatch.setattr(plans, "_read", lambda text: calls.append(text) or read(text))
    for driver in (Driver(), Driver()):
        assert isinstance(driver.say(put(1, text), op(2, "zeros", 3), op(3, "run", ref(1), ref(2)))[-1], m.Done)
    assert calls == [text] and text in kept


def test_an_op_that_is_cancelled_while_its_plan_is_read_is_over(kept: Any) -> None:
    driver = Driver({"x": np.zeros(3)})
    driver.say(put(1, long(1)), op(2, "run", ref(1), ref("x")), hold=True)
    (reading,) = driver.held
    assert driver.say(m.Cancel([2]))[-1].code == "cancelled"
    assert driver.run(driver.engine.computed(reading, *reading.run())) == []
    assert driver.engine._sessions[PEER].entries[2].failure is not None


def test_errors_say_where_the_failing_step_was_written() -> None:
    driver = Driver()
    driver.say(put(1, text_of(lambda x, y: x + y, np.zeros(3), np.zeros(3))), op(2, "zeros", 3), op(3, "zeros", 4))
    answer = driver.say(op(4, "run", ref(1), ref(2), ref(3)))[-1]
    assert answer.code == "op_value"
    assert "in add, written at test_plans.py:" in answer.message


def sums(x: Any) -> Any:
    return x.sum(), x.mean()


def owner(train: Any) -> Driver:
    data = datasets_from_mapping(DATA, True, {"train": train})
    driver = Driver()
    driver.engine = Engine("bob", data)
    driver.engine.introduce(PEER, "ann")
    return driver


def test_results_of_a_listed_plan_leave_and_a_run_counts_once() -> None:
    program = Program(sums).trace(np.zeros(3))
    driver = owner({"plans": [program.digest], "min_rows": 3, "rounds": 1})
    assert isinstance(ran(driver, program.to_json(), ref("pay"), n=2), m.Done)
    assert [driver.say(m.Get(10 + place, id))[-1] for place, id in enumerate((2, 3, 2))] == [6.0, 2.0, 6.0]
    driver.say(op(20, "run", ref(1), ref("pay"), n=2))
    assert driver.say(m.Get(30, 21))[-1].code == "queries_spent"


def test_of_another_plan_of_few_rows_or_of_what_was_worked_on_before_nothing_leaves() -> None:
    program = Program(sums).trace(np.zeros(3))
    text, listed = program.to_json(), {"plans": [program.digest], "min_rows": 3}
    for train, fault in (
        ({"plans": ["sha256:" + "0" * 64], "min_rows": 3}, program.digest),
        ({"plans": [program.digest]}, "min_rows = 3"),
    ):
        driver = owner(train)
        ran(driver, text, ref("pay"), n=2)
        denied = driver.say(m.Get(10, 2))[-1]
        assert denied.code == "export_denied" and fault in denied.message
    driver = owner(listed)
    driver.say(op(1, "multiply", ref("pay"), {"$array": {"dtype": "float64", "shape": [3], "data": "A" * 32}}))
    driver.say(put(2, text), op(3, "run", ref(2), ref(1), n=2))
    assert driver.say(m.Get(10, 3))[-1].code == "export_denied"
    driver.say(op(11, "run", ref(2), ref("pay"), n=2), op(13, "add", ref(11), 0))
    assert driver.say(m.Get(14, 13))[-1].code == "export_denied"
