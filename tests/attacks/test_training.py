"""What ``[policy.train]`` can't stop: parameters are the session's, so what comes back can show a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.linalg import LinAlgError

import fedsock
from fedsock.errors import OpValueError
from tests.attacks.house import PEOPLE, VICTIM, stays


def step(data: Any, params: Any, *, rate: float = 0.01) -> Any:
    """Make one step of gradient descent on a neuron with ReLU, predicting 0: an honest, reviewed loss."""
    x = np.column_stack([data["age"], data["pay"]]).astype(float)
    active = np.maximum(x @ params["w"] + params["b"], 0)
    slope = active * (active > 0) / len(x)
    return {"w": params["w"] - rate * (x.T @ slope), "b": params["b"] - rate * slope.sum(), "n": len(x)}


def bob(hub: Any, policy: Any) -> Any:
    data = {"age": PEOPLE["age"], "pay": PEOPLE["pay"]}
    return hub.virtual_worker("bob", data, policy=policy, tasks={"step": step})


async def test_crafted_parameters_read_out_the_row_that_alone_makes_the_neuron_fire() -> None:
    """It succeeds: a limit, not a bug. Only who pays most is above the threshold, and the gradient is that row."""
    pay = np.sort(PEOPLE["pay"])
    richest = int(np.argmax(PEOPLE["pay"]))
    async with fedsock.Hub(port=0) as hub:
        worker = await bob(hub, {"train": {"tasks": ["step"], "min_rows": 10}})
        crafted = {"w": np.array([0.0, 1.0]), "b": -float(pay[-2:].mean())}
        made = await worker.task("step", crafted, rate=1.0)
        moved, at = crafted["w"] - made["w"], crafted["b"] - made["b"]
        found = moved / at
        assert np.allclose(found, [PEOPLE["age"][richest], PEOPLE["pay"][richest]])


async def test_without_the_section_nothing_leaves() -> None:
    async with fedsock.Hub(port=0) as hub:
        worker = await bob(hub, None)
        made = worker.task("step", {"w": np.zeros(2), "b": 1.0})
        assert await stays(made) and await stays(made["w"]) and await stays(made["w"].copy())


async def test_what_a_task_gave_can_be_carried_on_but_nothing_else_smuggled_in() -> None:
    async with fedsock.Hub(port=0) as hub:
        worker = await bob(hub, {"train": {"tasks": ["step"], "min_rows": 10}})
        first = worker.task("step", {"w": np.zeros(2), "b": 1.0})
        assert not await stays(worker.task("step", first, rate=0.0))
        victim = worker.datasets["pay"][VICTIM] * 1.0
        assert await stays(worker.task("step", {"w": np.zeros(2), "b": victim}, rate=0.0))
        assert await stays(first["w"]) and await stays(worker.task("step", {"w": first["w"], "b": 0.0}))


@fedsock.plan
def off(w: Any, x: Any) -> Any:
    """Give the mean of squares."""
    return ((x - w) ** 2).mean()


@fedsock.plan
def stepped(w: Any, x: Any) -> Any:
    """Take a step: as reviewed, of the session's parameters on the owner's rows."""
    return w - 0.1 * fedsock.grad(off)(w, x)


async def test_a_data_set_stands_for_no_parameters() -> None:
    """On rows of zeros a step gives its parameters back: private rows in their place would be given back too."""
    stepped.trace(np.zeros(1), np.zeros(60))
    policy = {"train": {"plans": [stepped.digest], "min_rows": 10}}
    async with fedsock.Hub(port=0) as hub:
        worker = await hub.virtual_worker("bob", {"pay": PEOPLE["pay"]}, policy=policy)
        pay = worker.datasets["pay"]
        made = worker.run(stepped, np.zeros(1), pay)
        assert not await stays(made) and not await stays(worker.run(stepped, made, pay))
        assert await stays(worker.run(stepped, pay, np.zeros(60)))
        assert await stays(worker.run(stepped, pay, pay))


@pytest.mark.parametrize("second", [np.zeros(200), "big"])
async def test_what_few_rows_made_cannot_be_carried_out_by_many(second: Any) -> None:
    """The state behind steps of one row each, or behind few rows, is theirs, whatever it is trained on with."""
    off.trace(np.zeros(1), np.zeros(5))
    policy = {"train": {"plans": [off.digest], "min_rows": 100}}
    async with fedsock.Hub(port=0) as hub:
        worker = await hub.virtual_worker("bob", {"few": np.arange(5.0), "big": np.zeros(500)}, policy=policy)
        rows = worker.datasets[second] if isinstance(second, str) else worker.send(second)
        settings = {"momentum": 0.9, "learning_rate": 0.1}
        for name in ("few", "big"):
            few = worker.train(off, np.zeros(1), (worker.datasets[name],), batch_size=1, **settings)
            made = worker.train(off, np.zeros(1), (rows,), state=few.state, batch_size=None, **settings)
            assert await stays(few) and await stays(made) and await stays(made.state)
        whole = worker.train(off, np.zeros(1), (worker.datasets["big"],), batch_size=None, **settings)
        assert not await stays(worker.train(off, np.zeros(1), (rows,), state=whole.state, batch_size=None, **settings))


@fedsock.plan
def linear(params: Any, x: Any, y: Any) -> Any:
    """Give the mean of squares of a linear model: as reviewed, with one bias for all rows."""
    return ((x @ params["w"] + params["b"] - y) ** 2).mean()


async def test_parameters_as_long_as_the_rows_are_refused() -> None:
    """Sizes of axes are free in a plan. With a bias for each row, one step gives back what each row is off by."""
    x, y = np.ones((60, 2)), PEOPLE["pay"]
    linear.trace({"w": np.zeros(2), "b": np.zeros(1)}, x, y)
    policy = {"train": {"plans": [linear.digest], "min_rows": 10}}
    async with fedsock.Hub(port=0) as hub:
        worker = await hub.virtual_worker("bob", {"x": x, "y": y}, policy=policy)
        data = (worker.datasets["x"], worker.datasets["y"])
        for rows, batch in ((60, None), (20, 20), (30, 30)):
            crafted = {"w": np.zeros(2), "b": np.zeros(rows)}
            with pytest.raises(OpValueError, match="any number"):
                await worker.train(linear, crafted, data, batch_size=batch, learning_rate=30.0)
        mine = tuple(worker.send(array) for array in (x, y))  # which makes it known what such a step takes
        for _ in range(2):
            assert len((await worker.train(linear, crafted | {"b": np.zeros(60)}, mine))["params"]["b"]) == 60
        with pytest.raises(OpValueError, match="any number"):
            await worker.train(linear, crafted | {"b": np.zeros(60)}, data, batch_size=None)
        honest = {"w": np.zeros(2), "b": np.zeros(1)}
        assert not await stays(worker.train(linear, honest, data, batch_size=None))
        # A target that is 1 in one row makes its gradient that row.
        target = worker.send(np.eye(60)[VICTIM])
        for mine in (target, np.eye(60)[VICTIM]):
            with pytest.raises(OpValueError, match="any number"):
                await worker.train(linear, honest, (worker.datasets["x"], mine), batch_size=None)


async def test_what_is_as_long_as_the_rows_makes_no_result_of_a_plan() -> None:
    slope = fedsock.grad(linear)
    x, y = np.ones((60, 2)), PEOPLE["pay"]
    honest = {"w": np.zeros(2), "b": np.zeros(1)}
    slope.trace(honest, x, y)
    policy = {"train": {"plans": [slope.digest], "min_rows": 10}}
    async with fedsock.Hub(port=0) as hub:
        worker = await hub.virtual_worker("bob", {"x": x, "y": y}, policy=policy)
        data = (worker.datasets["x"], worker.datasets["y"])
        for _ in range(2):  # known or not
            crafted = worker.run(slope, {"w": np.zeros(2), "b": np.zeros(60)}, *data)
            assert await stays(crafted["b"]) and await stays(crafted["w"])
            assert await stays(worker.run(slope, honest, data[0], np.eye(60)[VICTIM])["w"])
            assert not await stays(worker.run(slope, honest, *data)["w"])


@fedsock.plan
def singular_where_equal(guess: Any, x: Any) -> Any:
    """Give a loss whose gradient fails exactly where some row equals a guess, though the loss itself never does."""
    return np.linalg.det((x - guess) * np.eye(4)) * 0.0 + guess.sum()


async def test_whether_a_training_fails_says_nothing_of_private_values() -> None:
    singular_where_equal.trace(np.zeros(1), np.zeros(4))
    said = set()
    async with fedsock.Hub(port=0) as hub:
        for name, last in {"bob": 4.0, "eve": 9.0}.items():
            worker = await hub.virtual_worker(name, {"x": np.array([1.0, 2.0, 3.0, last])})
            trained = worker.train(singular_where_equal, np.array([9.0]), (worker.datasets["x"],), batch_size=None)
            with pytest.raises(OpValueError, match=r"linalg\.det could tell") as caught:
                await trained.wait()
            said.add(str(caught.value).replace(name, "worker"))
        # Of values of one's own it may: there the gradient is there, or fails.
        mine = worker.send(np.array([1.0, 2.0, 3.0, 9.0]))
        with pytest.raises(LinAlgError):
            await worker.train(singular_where_equal, np.array([9.0]), (mine,), batch_size=None)
    assert len(said) == 1
