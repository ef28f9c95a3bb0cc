"""``bob.train``: metrics while it runs, the same bits wherever it runs, and what is refused here at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import fedsock
from fedsock.errors import ExportDenied, OpCancelled, OpValueError, PlanMismatch, PointersApart
from fedsock.plan.gradient import value_and_gradient
from fedsock.plan.settings import Training
from fedsock.plan.training import Trained, train
from fedsock.typing import Array


@fedsock.plan
def cross_entropy(params: Any, x: Any, y: Any) -> Any:
    """Of a network of two layers."""
    hidden = np.maximum(x @ params["w1"] + params["b1"], 0.0)
    scores = hidden @ params["w2"] + params["b2"]
    scores = scores - np.max(scores, axis=1, keepdims=True)
    likely = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(np.sum(np.where(y[:, None] == np.arange(10), likely, 0.0), axis=1))


@fedsock.plan
def squares(params: Any, x: Any, y: Any) -> Any:
    """Mean of squared differences from a linear model."""
    return np.mean((x @ params - y) ** 2)


X = np.random.default_rng(0).normal(size=(200, 3))
Y = X @ [1.0, 2.0, 3.0]


def network() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {
        "w1": rng.normal(size=(64, 32)) * np.sqrt(2 / 64),
        "b1": np.zeros(32),
        "w2": rng.normal(size=(32, 10)) * np.sqrt(2 / 32),
        "b2": np.zeros(10),
    }


def digits() -> tuple[Array, Array]:
    pixels, labels = load_digits(return_X_y=True)
    return pixels / 16, labels


def here(loss: Any, params: dict[str, Array], data: Sequence[Array], settings: Training) -> Trained:
    """Train without a worker."""
    names = sorted(params)
    places = range(len(names))
    running = train(
        lambda leaves, batch: value_and_gradient(loss.plan, [*leaves, *batch], tuple(places)),
        [params[name] for name in names],
        data,
        settings,
    )
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


@contextmanager
def worker(name: str, url: str, folder: Path, **environment: str) -> Iterator[None]:
    """A worker process that publishes the digits; gone, by its own id, when the block ends."""
    options = [f"--public={word}={folder / word}.npy" for word in ("x", "y")]
    child = subprocess.Popen(
        [sys.executable, "-m", "fedsock.worker", "--name", name, "--hub", url, *options],
        env={**os.environ, **environment},
    )
    try:
        yield
    finally:
        child.kill()
        child.wait(10)


SETTINGS: dict[str, Any] = {"epochs": 1, "batch_size": 32, "learning_rate": 0.1, "momentum": 0.9, "seed": 5}


@pytest.mark.long
async def test_one_epoch_has_the_same_bits_at_a_virtual_worker_and_at_a_process(tmp_path: Path) -> None:
    x, y = digits()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    cores = ("Haswell", "Prescott")  # what each computes differs in the last bits
    async with fedsock.Hub(port=0) as hub:
        with ExitStack() as children:
            children.enter_context(worker("same", hub.url, tmp_path))
            for core in cores:
                children.enter_context(worker(core.lower(), hub.url, tmp_path, OPENBLAS_CORETYPE=core))
            await hub.virtual_worker("here", data={"x": x, "y": y}, private=False)
            found: dict[str, dict[str, Array]] = {}
            for name in ("here", "same", *map(str.lower, cores)):
                one = await hub.worker(name, timeout=60)
                p = one.train(cross_entropy, network(), (one.datasets["x"], one.datasets["y"]), **SETTINGS)
                found[name] = (await p)["params"]
    wanted = here(cross_entropy, network(), (x, y), Training(**SETTINGS))
    for name, leaf in zip(sorted(network()), wanted.params, strict=True):
        assert found["here"][name].tobytes() == found["same"][name].tobytes() == leaf.tobytes()
        for core in cores:
            np.testing.assert_allclose(found[core.lower()][name], leaf, rtol=1e-9, atol=1e-12)
    assert any(found["haswell"][name].tobytes() != found["prescott"][name].tobytes() for name in network()), (
        "the two kinds of core computed alike, so nothing was compared"
    )


async def test_metrics_come_while_it_runs_and_the_result_when_awaited() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": X, "y": Y}, private=False)
        p = bob.train(squares, np.zeros(3), list(bob.datasets.values()), epochs=4, batch_size=20, learning_rate=0.2)
        metrics = [one async for one in p]
        assert [(one["epoch"], one["rows"]) for one in metrics] == [(1, 200), (2, 200), (3, 200), (4, 200)]
        result = await p
        assert result["n"] == 200
        assert result["metrics"] == {"loss": metrics[-1]["loss"]}
        np.testing.assert_allclose(result["params"], [1.0, 2.0, 3.0], rtol=1e-2)
        # What nobody read is no obstacle.
        q = bob.train(squares, np.zeros(3), (X, Y), epochs=4, batch_size=20, learning_rate=0.2)
        assert np.array_equal((await q)["params"], result["params"])


async def test_parameters_and_the_optimizers_state_may_stay_between_rounds() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": X, "y": Y}, private=False)
        data = (bob.datasets["x"], bob.datasets["y"])
        whole = bob.train(squares, np.zeros(3), data, epochs=6, optimizer="adam")
        first = bob.train(squares, np.zeros(3), data, epochs=3, optimizer="adam")
        second = bob.train(squares, first["params"], data, state=first.state, epochs=3, optimizer="adam")
        assert np.array_equal((await second)["params"], (await whole)["params"])
        assert (await second.state)["step"] == 6
        with pytest.raises(OpValueError, match="state"):
            await bob.train(squares, np.zeros(3), data, state=first.state)


async def test_private_rows_train_what_their_owner_lists() -> None:
    async with fedsock.Hub(port=0) as hub:
        squares.trace(np.zeros(3), X, Y)
        policy = {"train": {"plans": [squares.digest], "min_rows": 50}}
        bob = await hub.virtual_worker("bob", data={"x": X, "y": Y}, policy=policy)
        eve = await hub.virtual_worker("eve", data={"x": X, "y": Y})
        p = bob.train(squares, np.zeros(3), (bob.datasets["x"], bob.datasets["y"]), batch_size=60)
        assert [one["epoch"] async for one in p] == [1]
        assert (await p)["n"] == 200
        p = eve.train(squares, np.zeros(3), (eve.datasets["x"], eve.datasets["y"]), batch_size=60)
        with pytest.raises(ExportDenied, match=squares.digest):
            await p
        with pytest.raises(ExportDenied, match=squares.digest):
            async for _ in p:
                pass
        with pytest.raises(ExportDenied):
            await p.state


async def test_it_can_be_given_up() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": X, "y": Y}, private=False)
        p = bob.train(squares, np.zeros(3), list(bob.datasets.values()), epochs=10**6, batch_size=20, per_batch=True)
        async for _ in p:
            p.cancel()
            break
        with pytest.raises(OpCancelled):
            await p
        with pytest.raises(OpCancelled):
            await p.state
        # The worker's thread is free again: it ended at a batch, not after a million epochs.
        assert (await bob.train(squares, np.zeros(3), (X, Y)))["n"] == 200


async def test_what_cannot_be_is_refused_at_once() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": X, "y": Y}, private=False)
        eve = await hub.virtual_worker("eve")
        data = (bob.datasets["x"], bob.datasets["y"])
        with pytest.raises(PlanMismatch, match=r"@fedsock\.plan"):
            bob.train(lambda params, x, y: 0.0, np.zeros(3), data)  # type: ignore[arg-type]
        with pytest.raises(OpValueError, match="learning_rate"):
            bob.train(squares, np.zeros(3), data, learning_rate=0)
        with pytest.raises(TypeError, match="nesterov"):
            bob.train(squares, np.zeros(3), data, nesterov=True)
        with pytest.raises(TypeError):
            bob.train(squares, np.zeros(3), X)
        with pytest.raises(PointersApart):
            eve.train(squares, np.zeros(3), data)
