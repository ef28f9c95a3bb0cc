"""Training at a worker: what comes of it, what of it may leave, what is refused before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.plan.recording import Gradient
from fedsock.plan.settings import Training
from fedsock.plan.training import train
from fedsock.policy.rules import Policy
from fedsock.policy.terms import Agreement, Terms, TrainTerms
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.typing import Array
from fedsock.worker import training
from tests.worker.driver import Driver, op, put, ref

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(30, 3))
TARGETS = ROWS @ [1.0, 2.0, 3.0] + 0.1 * RNG.normal(size=30)


@fedsock.plan
def squares(params: Any, x: Any, y: Any) -> Any:
    return ((x @ params["w"] + params["b"] - y) ** 2).mean()


def start() -> dict[str, Array]:
    return {"w": np.zeros(3), "b": np.array(0.0)}


TEXT = squares.trace(start(), ROWS, TARGETS).to_json()


def by_hand(leaves: Sequence[Array]) -> tuple[float, list[Array]]:
    b, w, x, y = leaves
    off = x @ w + b - y
    return np.mean(off**2), [2 * off.mean(), 2 * x.T @ off / len(y)]


def by_functions(monkeypatch: pytest.MonkeyPatch, gradient: Any) -> None:
    """Have gradients computed by a function, in the try before the first step and in each step."""
    monkeypatch.setattr(training, "value_and_gradient", gradient)
    monkeypatch.setattr(Gradient, "__call__", lambda one, leaves: gradient(one._plan, leaves, one._argnums))


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gradients by hand, so that what is computed here is known to the last bit; gives the rows of each call."""
    seen: list[int] = []

    def gradient(
        plan: Any, leaves: Sequence[Array], argnums: Sequence[int], look: Any = None
    ) -> tuple[float, list[Array]]:
        assert tuple(argnums) == (0, 1)
        if look is None:  # else it is the try before the first step
            seen.append(len(leaves[2]))
        return by_hand(leaves)

    by_functions(monkeypatch, gradient)
    return seen


def given(value: Any) -> Any:
    return to_json(value)


def order(id: int, data: Any, *more: Any, params: Any = None, text: Any = TEXT, **settings: Any) -> m.Op:
    """Return the message that asks for a training; its results are id and id + 1."""
    leaves = given([start()["b"], start()["w"]]) if params is None else params
    return op(id, "train", text, leaves, data, given(settings), *more, n=2)


OPEN = given([ROWS, TARGETS])
PRIVATE = [ref("x"), ref("y")]
DATA = {"x": ROWS, "y": TARGETS}


def expected(settings: Training, params: Any = None, state: Any = None) -> tuple[list[Any], Any]:
    running = train(
        lambda w, batch: by_hand([*w, *batch]), params or [np.array(0.0), np.zeros(3)], DATA_LEAVES, settings, state
    )
    metrics = []
    while True:
        try:
            metrics.append(next(running))
        except StopIteration as end:
            return metrics, end.value


DATA_LEAVES = [ROWS, TARGETS]


def agreed(**terms: Any) -> Policy:
    agreement = Agreement(Terms(train=TrainTerms(**{"plans": (squares.digest,), "min_rows": 5, **terms})))
    return Policy({"x": agreement, "y": agreement})


def allowed(**terms: Any) -> Driver:
    driver = Driver(DATA, policy=agreed(**terms))
    driver.engine.introduce("s-1@0001", "ann")
    return driver


def same(found: Any, wanted: Any) -> bool:
    return given(found) == given(wanted)


def test_it_gives_what_training_here_gives_and_streams_each_epoch() -> None:
    driver = Driver()
    settings = {"epochs": 3, "batch_size": 7, "momentum": 0.5, "seed": 4}
    *streamed, done = driver.say(order(1, OPEN, **settings))
    metrics, trained = expected(Training(**settings))
    assert streamed == metrics
    assert isinstance(done, m.Done)
    [result] = driver.say(m.Get(3, 1))
    b, w = trained.params
    assert same(result, {"params": {"b": b, "w": w}, "n": 30, "metrics": trained.metrics})
    [state] = driver.say(m.Get(4, 2))
    assert same(state, trained.state.to_tree())


def test_the_next_training_goes_on_from_parameters_and_state_that_stayed() -> None:
    driver = Driver()
    driver.say(order(1, OPEN, epochs=2, optimizer="adam"))
    driver.say(op(3, "item", ref(1), "params"))
    driver.say(order(4, OPEN, ref(2), params=ref(3), epochs=2, optimizer="adam"))
    _, whole = expected(Training(epochs=4, optimizer="adam"))
    [result] = driver.say(m.Get(6, 4))
    assert same(result["params"], {"b": whole.params[0], "w": whole.params[1]})


def test_batches_are_streamed_where_they_were_asked_for() -> None:
    told = Driver().say(order(1, OPEN, batch_size=10, per_batch=True))
    assert [one.get("batch") for one in told if isinstance(one, dict)] == [1, 2, 3, None]


def test_of_private_rows_nothing_leaves_without_a_policy_that_lists_the_loss() -> None:
    for policy in (None, agreed(plans=()), agreed(users=("eve",)), agreed(min_rows=31)):
        driver = Driver(DATA) if policy is None else Driver(DATA, policy=policy)
        driver.engine.introduce("s-1@0001", "ann")
        told = driver.say(order(1, PRIVATE))
        assert told[0].refused.code == "export_denied"
        assert not any(isinstance(one, dict) for one in told)
        for id in (1, 2):
            [refused] = driver.say(m.Get(id + 10, id))
            assert refused.code == "export_denied"


def test_of_private_rows_what_the_owner_lists_leaves() -> None:
    driver = allowed()
    *streamed, _ = driver.say(order(1, PRIVATE, epochs=2, batch_size=10, per_batch=True))
    assert [one["rows"] for one in streamed] == [30, 30], "single batches are told by default"
    [result] = driver.say(m.Get(3, 1))
    assert result["n"] == 30
    told = allowed(metrics="batch").say(order(1, PRIVATE, batch_size=10, per_batch=True))
    assert [one["rows"] for one in told[:-1]] == [10, 10, 10, 30]
    told = allowed(metrics="none").say(order(1, PRIVATE))
    assert not any(isinstance(one, dict) for one in told)


def test_no_step_is_of_fewer_rows_than_the_owner_wants(calls: list[int]) -> None:
    driver = allowed(min_rows=8)
    driver.say(order(1, PRIVATE, batch_size=13))
    assert calls == [13, 17], "the remainder of 4 rows joins"
    assert same(driver.say(m.Get(3, 1))[0]["n"], 30)
    driver.say(order(4, PRIVATE, batch_size=7))
    [refused] = driver.say(m.Get(6, 4))
    assert refused.code == "export_denied"
    assert "8 rows" in refused.message


def test_rows_that_were_chosen_before_are_no_data_set(calls: list[int]) -> None:
    driver = allowed()
    driver.say(op(1, "multiply", ref("x"), 2.0))
    driver.say(order(2, [ref(1), ref("y")]))
    [refused] = driver.say(m.Get(4, 2))
    assert refused.code == "export_denied"
    assert calls == [30], "it may be computed with, at its place"


def test_two_data_sets_of_one_shape_look_the_same() -> None:
    odd = np.full((30, 3), np.nan)
    odd[3] = np.inf
    told = [
        [str(one) for one in Driver({"x": x, "y": TARGETS}).say(order(1, PRIVATE, clip_norm=1.0, epochs=2))]
        for x in (ROWS, odd, np.zeros((30, 3)))
    ]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("place", ["params", "state"])
def test_what_another_loss_or_op_made_of_private_rows_is_not_carried_out_by_this_one(place: str) -> None:
    other = fedsock.plan(lambda params, x, y: ((x @ params["w"] + params["b"] - y) ** 2).mean() * 2.0)
    driver = allowed(plans=(squares.digest,))
    driver.say(order(1, PRIVATE, text=other.trace(start(), ROWS, TARGETS).to_json(), optimizer="adam"))
    driver.say(op(3, "item", ref(1), "params"))
    more = {"params": ref(3)} if place == "params" else {}
    driver.say(order(4, OPEN, *([ref(2)] if place == "state" else []), **more, optimizer="adam"))
    assert driver.say(m.Get(6, 4))[0].code == "export_denied"
    # Its own state may go on, and leave.
    driver.say(order(7, PRIVATE, optimizer="adam"))
    driver.say(order(9, PRIVATE, ref(8), optimizer="adam"))
    assert driver.say(m.Get(11, 9))[0]["n"] == 30


def test_private_rows_whose_number_tells_something_train_nothing(calls: list[int]) -> None:
    driver = allowed()
    driver.say(op(1, "greater", ref("y"), 0.0))
    driver.say(op(2, "compress", ref(1), ref("x"), 0), op(3, "compress", ref(1), ref("y"), 0))
    [told] = driver.say(order(4, [ref(2), ref(3)]))
    assert told.code == "op_value"
    assert "shapes may be told" in told.message
    assert calls == []


REFUSED: list[tuple[m.Op, str]] = [
    (order(1, given([ROWS])), "plan_mismatch"),
    (order(1, given([ROWS, TARGETS, TARGETS])), "plan_mismatch"),
    (order(1, given([ROWS.astype(np.float32), TARGETS])), "plan_mismatch"),
    (order(1, OPEN, params=given([np.zeros(3)])), "plan_mismatch"),
    (order(1, OPEN, params=given([np.zeros(1), np.zeros(3)])), "plan_mismatch"),
    (order(1, OPEN, params=given([0.0, np.zeros(3)])), "op_type"),
    (order(1, OPEN, params=given([np.array(0), np.zeros(3)])), "op_type"),
    (order(1, given([ROWS, TARGETS[:-1]])), "op_value"),
    (order(1, given([ROWS[:0], TARGETS[:0]])), "op_value"),
    (order(1, given([ROWS, 3.0])), "op_type"),
    (order(1, OPEN, learning_rate=-1.0), "op_value"),
    (order(1, OPEN, nesterov=True), "op_type"),
    (order(1, OPEN, epochs="many"), "op_type"),
    (order(1, OPEN, given({"step": 0, "moments": [[]]})), "op_value"),
    (order(1, OPEN, given("state")), "op_type"),
    (order(1, OPEN, text="{}"), "plan_invalid"),
    (order(1, OPEN, text=3), "op_type"),
    (op(1, "train", TEXT, n=2), "op_type"),
    (op(1, "train", TEXT, OPEN, OPEN, given({}), None, 1, n=2), "op_type"),
    (op(1, "train", TEXT, OPEN, OPEN, given({}), kw={"emit": 1}, n=2), "op_type"),
]


@pytest.mark.parametrize(("message", "code"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_what_cannot_be_is_refused_before_it_begins(message: m.Op, code: str, calls: list[int]) -> None:
    driver = Driver()
    told = driver.say(message, hold=True)
    assert told[-1].code == code, told
    assert driver.held == []


@pytest.mark.parametrize("private", [False, True])
def test_a_failing_step_says_where_it_was_written_and_nothing_of_private_values(private: bool) -> None:
    told = Driver(DATA).say(order(1, PRIVATE if private else OPEN, params=given([np.array(0.0), np.zeros(4)])))[-1]
    assert told.code == "op_value"
    assert "train at bob(str, [float64[], float64[4]], [float64[30, 3], float64[30]]" in told.message
    assert "in matmul, written at test_training.py:" in told.message
    assert ("size 4" in told.message) is not private


@pytest.mark.parametrize("body", [lambda off: off**2, lambda off: (off > 0).sum(), lambda off: (off.mean(), off.sum())])
def test_a_loss_is_one_floating_point_number(body: Any, calls: list[int]) -> None:
    wrong = fedsock.plan(lambda params, x, y: body(x @ params["w"] + params["b"] - y))
    told = Driver().say(order(1, OPEN, text=wrong.trace(start(), ROWS, TARGETS).to_json()))
    assert told[-1].code == "op_value"
    assert calls == []


def test_a_loss_that_could_tell_of_values_by_failing_is_refused_on_private_rows(calls: list[int]) -> None:
    chosen = fedsock.plan(lambda params, x, y: ((x @ params["w"] + params["b"] - y)[y > 0] ** 2).mean())
    text = chosen.trace(start(), ROWS, TARGETS).to_json()
    driver = allowed(plans=("any",))
    told = driver.say(order(1, PRIVATE, text=text))
    assert told[-1].code == "op_value"
    assert "private" in told[-1].message
    assert calls == []


def test_a_loss_is_no_private_text() -> None:
    told = Driver({"x": ROWS, "y": TARGETS, "t": np.array("secret")}).say(order(1, PRIVATE, text=ref("t")))
    assert told[-1].code == "op_type"
    assert "secret" not in told[-1].message


def test_it_ends_between_batches_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    seen: list[int] = []

    def gradient(plan: Any, leaves: Sequence[Array], argnums: Sequence[int], look: Any = None) -> Any:
        if look is None:
            seen.append(len(leaves[2]))
        if len(seen) == 3:
            driver.say(m.Cancel([1]))
        return by_hand(leaves)

    by_functions(monkeypatch, gradient)
    driver.say(order(1, OPEN, batch_size=5, epochs=10))
    assert seen == [5, 5, 5]
    assert [driver.say(m.Get(id + 10, id))[0].code for id in (1, 2)] == ["cancelled", "cancelled"]
    assert driver.engine._runner.ops_run == 1


def test_it_is_counted_once_however_much_of_it_leaves() -> None:
    driver = allowed(rounds=1)
    driver.say(order(1, PRIVATE))
    assert isinstance(driver.say(m.Get(3, 1))[0], dict)
    assert isinstance(driver.say(m.Get(4, 2))[0], dict)
    driver.say(order(5, PRIVATE))
    assert driver.say(m.Get(7, 5))[0].code == "queries_spent"


def test_what_it_takes_is_weighed_before_it_begins(calls: list[int]) -> None:
    assert Driver(quota_bytes=1_000).say(order(1, OPEN))[-1].code == "quota"
    assert Driver(op_seconds=1e-3).say(order(1, OPEN, epochs=1_000_000))[-1].code == "op_too_long"
    assert calls == []


def test_nothing_of_it_is_held_when_it_is_released() -> None:
    driver = Driver()
    before = driver.engine._sessions.get("s-1@0001")
    driver.say(put(1, 0))
    driver.say(order(2, OPEN, momentum=0.5))
    driver.say(m.Release([[1, 3]]))
    store = driver.engine._sessions["s-1@0001"]
    assert before is None
    assert (store.nbytes, store.objects) == (0, 0)


def test_what_was_found_out_of_a_step_is_not_found_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def gradient(plan: Any, leaves: Sequence[Array], argnums: Sequence[int], look: Any = None) -> Any:
        looked.extend([len(leaves[2])] * (look is not None))
        return by_hand(leaves)

    by_functions(monkeypatch, gradient)
    loss = fedsock.plan(lambda params, x, y: ((x @ params["w"] + params["b"] - y) ** 2).mean() + 0.25)
    text = loss.trace(start(), ROWS, TARGETS).to_json()
    for data, driver in ((OPEN, Driver()), (OPEN, Driver()), (PRIVATE, allowed(plans=("any",), min_rows=1))):
        driver.say(order(1, data, text=text, batch_size=7))
        assert isinstance(driver.say(m.Get(3, 1))[0], (dict, m.Value))
        # On private rows another number of them is tried too.
        assert looked == ([7, 2] if data is OPEN else [7, 2, 3])
    Driver().say(order(1, OPEN, text=text, batch_size=30))
    assert looked == [7, 2, 3, 30]


def test_what_fails_by_values_is_found_out_each_time() -> None:
    chosen = fedsock.plan(lambda params, x, y: ((x @ params["w"] + params["b"] - y)[y > 0] ** 2).mean() + 0.5)
    text = chosen.trace(start(), ROWS, TARGETS).to_json()
    assert isinstance(Driver().say(order(1, OPEN, text=text))[-1], m.Done)
    assert allowed(plans=("any",)).say(order(1, PRIVATE, text=text))[-1].code == "op_value"
