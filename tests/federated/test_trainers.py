"""Replies that are one pointer, and tasks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import fedsock
from fedsock.errors import (
    ConfigError,
    NotDifferentiable,
    NotTraceable,
    PlanMismatch,
    PointerReleased,
    UpdateRejected,
)
from fedsock.federated import Job, LocalSGD, PointerReply, partition
from fedsock.federated.local import seed_of
from fedsock.federated.trainers import LossTrainer, TaskTrainer
from fedsock.plan.batches import batches
from tests.federated.digits import WAYS, begun, difference, digits, fitted, names_of, plain


async def test_a_pointer_is_fetched_and_freed() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        pointer = bob.send(([np.ones(2)], 3, {"loss": 0.5, "acc": 1.0}))
        reply = PointerReply(pointer)
        await reply.ready()
        update = await reply.fetch("bob")
        assert (update.worker, update.n, update.loss, update.metrics) == ("bob", 3, 0.5, {"acc": 1.0})
        assert update.params[0].tolist() == [1, 1]
        with pytest.raises(PointerReleased):
            await pointer
        assert (await PointerReply(bob.send((1.0, 3, None))).fetch("bob")).metrics == {}
        as_dict = await PointerReply(bob.send({"params": 1.0, "n": 3, "metrics": {"loss": 2}})).fetch("bob")
        assert (as_dict.params, as_dict.n, as_dict.loss, as_dict.metrics) == (1.0, 3, 2, {})
        assert (await PointerReply(bob.send({"params": 1.0, "n": 3})).fetch("bob")).loss is None
        for value in (3, (1, 2), (1, 2, 3), {"params": 1.0}, {"params": 1.0, "n": 3, "x": 1}):
            with pytest.raises(UpdateRejected, match=r"^bob: "):
                await PointerReply(bob.send(value)).fetch("bob")


async def test_a_task_is_called_with_parameters_and_config() -> None:
    called: list[Any] = []

    class Bob:
        tasks: ClassVar = {"train": "Train."}

        def task(self, name: str, *args: Any, **kwargs: Any) -> Any:
            called.append((name, args, kwargs))

    params: Any = object()
    TaskTrainer("train").start(Bob(), params, Job(1, 5, {"epochs": 1}, {"epochs": 2}))
    assert called == [("train", (params,), {"epochs": 2})]
    other: Any = Bob()
    assert TaskTrainer("train").serves(other) and not TaskTrainer("test").serves(other)


async def test_a_fit_by_tasks_is_central_gradient_descent() -> None:
    x = np.random.default_rng(0).normal(size=(900, 3))
    y = x @ np.array([1.0, -2.0, 0.5])

    def step(data: Any, params: Any, *, rate: float) -> Any:
        """Take a step."""
        error = data["x"] @ params - data["y"]
        return params - rate * data["x"].T @ error / len(error), len(error), {"loss": float(np.mean(error**2))}

    parts = partition.parts({"x": x, "y": y}, partition.by_size(900, [1, 2, 3]))
    async with fedsock.Hub(port=0) as hub:
        policy = {"train": {"tasks": ["step"]}}
        await hub.virtual_workers(data=parts, policy=policy, tasks={"step": step})
        await hub.virtual_worker("shy", parts[0], tasks={"step": step})
        await hub.virtual_worker("other", parts[0])
        w = np.zeros(3)
        async for r in hub.fit(np.zeros(3), task="step", config={"rate": 0.3}, rounds=10):
            loss = np.mean((x @ w - y) ** 2)
            w = w - 0.3 * x.T @ (x @ w - y) / len(x)
            np.testing.assert_allclose(r.params, w, rtol=1e-12)
            assert r.loss == pytest.approx(loss, rel=1e-9)
            assert [one.n for one in r.workers.values()] == [150, 300, 450]
            (denied,) = r.dropped
            assert denied.name == "shy" and "[policy.train]" in denied.reason


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2) / 2


async def test_a_loss_is_trained_on_the_workers_data_sets() -> None:
    called: list[Any] = []
    x, y = np.ones((4, 3)), np.ones(4)

    class Bob:
        datasets: ClassVar = {"x": x, "y": y, "z": x}

        def train(self, *args: Any, **kwargs: Any) -> Any:
            called.append((args, kwargs))

    bob: Any = Bob()
    params: Any = object()
    trainer = LossTrainer(loss, ("x", "y"), {"w": np.zeros(3)})
    trainer.start(bob, params, Job(1, 5, {"epochs": 1, "optimizer": "sgd"}, {"epochs": 2}))
    assert called == [((loss, params, (x, y)), {"epochs": 2, "optimizer": "sgd", "seed": 5})]
    assert trainer.serves(bob) and not LossTrainer(loss, ("x", "a"), {}).serves(bob)
    with pytest.raises(PlanMismatch):
        LossTrainer(loss, ("x", "y"), [np.zeros(3)]).start(bob, params, Job(1, 5, {}, {}))
    assert trainer.about == f"{loss.digest} on x, y"
    assert (
        trainer.lacks(bob) == ""
        and LossTrainer(loss, ("x", "a"), {}).lacks(bob) == "has no data set 'a' (it has x, y, z)"
    )


BOB: Any = SimpleNamespace(
    datasets={"x": np.ones((4, 3)), "y": np.ones(4), "row": np.ones(4), "s": np.array(["a"] * 4)}
)
W = {"w": np.zeros(3)}


def test_what_nobody_can_train_is_told_before_the_first_round() -> None:
    def begun(function: Any, *data: str) -> LossTrainer:
        return LossTrainer(fedsock.plan(function), data or ("x", "y"), W)

    def squares(params: Any, x: Any, y: Any) -> Any:
        return np.mean((x @ params["w"] - y) ** 2)

    with pytest.raises(PlanMismatch, match=r"@fedsock\.plan"):
        LossTrainer(squares, ("x", "y"), W)
    with pytest.raises(PlanMismatch, match=r"squares\(params, x, y\) takes others: .*data=\('x',\)"):
        begun(squares, "x")
    assert begun(squares).about is None
    for function, error, said in [
        (lambda p, x, y: 1.0 if x.sum() > 0 else 0.0, NotTraceable, "np.where"),
        (lambda p, x, y: np.mean(np.fft.fft(x @ p["w"]).real), NotDifferentiable, r"fft.*test_trainers\.py"),
        (lambda p, x, y: (np.mean(x @ p["w"]), 1), NotDifferentiable, "tree"),
        (lambda p, x, y: np.mean(x @ p["v"]), KeyError, "v"),
    ]:
        with pytest.raises(error, match=said):
            begun(function).prepare([BOB])
    with pytest.raises(PlanMismatch, match="params"):
        trained = fedsock.plan(squares).trace(W, BOB.datasets["x"], BOB.datasets["y"])
        LossTrainer(trained, ("x", "y"), [W["w"]]).prepare([BOB])
    begun(squares).prepare([])


def test_a_loss_is_recorded_for_the_first_worker_whose_rows_it_takes() -> None:
    program = fedsock.plan(lambda p, x, y: np.mean((x @ p["w"] - y) ** 2))
    odd: Any = SimpleNamespace(datasets={"x": np.ones((4, 9)), "y": np.ones(4)})
    LossTrainer(program, ("x", "y"), W).prepare([odd, BOB])
    assert program.traced
    with pytest.raises(ValueError, match="matmul"):
        LossTrainer(fedsock.plan(program._function), ("x", "y"), W).prepare([odd, odd])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"epoch": 2}, "round 3: settings: there is no 'epoch'; there are .*epochs"),
        ({"epochs": 0}, "round 3: epochs: expected 1"),
        ({"learning_rate": "fast"}, "round 3: learning_rate: expected a number"),
    ],
)
def test_settings_that_cant_be_are_told_before_anything_is_sent(config: Any, said: str) -> None:
    trainer = LossTrainer(loss, ("x", "y"), W)
    trainer.check(Job(3, 5, LocalSGD().to_dict(), {"epochs": 2}))
    with pytest.raises(ConfigError, match=said):
        trainer.check(Job(3, 5, LocalSGD().to_dict(), config))


async def test_a_fit_of_a_loss_is_central_gradient_descent_and_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=600)
    rows = partition.by_size(600, [1, 2, 3])
    begun = {"w": np.zeros(3)}
    loss.trace(begun, x, y)
    async with fedsock.Hub(port=0) as hub:
        policy = {"train": {"plans": [loss.digest], "min_rows": 10}}
        await hub.virtual_workers(data=partition.parts({"x": x, "y": y}, rows), policy=policy)
        await hub.virtual_worker("shy", {"x": x, "y": y})
        w = np.zeros(3)
        local = LocalSGD(learning_rate=0.3)
        async for r in hub.fit(begun, loss, data=("x", "y"), local=local, rounds=10):
            before = np.mean((x @ w - y) ** 2) / 2
            w = w - 0.3 * x.T @ (x @ w - y) / len(x)
            np.testing.assert_allclose(r.params["w"], w, rtol=1e-12)
            assert r.loss == pytest.approx(before, rel=1e-12)
            assert [gone.name for gone in r.dropped] == ["shy"]

        local = LocalSGD(epochs=2, batch_size=20, learning_rate=0.1)
        found = await hub.fit(begun, loss, data=("x", "y"), local=local, rounds=4, seed=3, workers=["w0", "w1", "w2"])
        w = np.zeros(3)
        for number in range(1, 5):
            total = np.zeros(3)
            for k, mine in enumerate(rows):
                seed = seed_of(3, number, f"w{k}")
                one = w
                for epoch in range(2):
                    for batch in batches(len(mine), 20, seed=seed, epoch=epoch):
                        xb, yb = x[mine][batch], y[mine][batch]
                        one = one - 0.1 * xb.T @ (xb @ one - yb) / len(xb)
                total += len(mine) * one
            w = total / 600
        np.testing.assert_allclose(found.params["w"], w, rtol=1e-9)


@pytest.mark.parametrize("way", WAYS)
async def test_a_fit_on_digits_is_a_plain_loop(way: str) -> None:
    train, _ = digits(0)
    parts = partition.parts(train, WAYS[way](train["y"], 0))
    result = await fitted(parts, begun(0), 2, 0)
    assert [sorted(one.workers) for one in result.rounds] == [names_of(parts)] * 2
    assert difference(result.params, plain(parts, begun(0), 2, 0)) <= 1e-9
