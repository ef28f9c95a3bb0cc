"""Fits that can't be, or go on: errors say which worker, which round and what to do; checkpoints stay good."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError, NotDifferentiable, NotEnoughWorkers, OpFailed, PlanMismatch
from fedsock.federated import FedAvg, Strategy, checkpoint
from tests.federated.house import Bending, LeastSquares, problem

X, Y = problem()
BEGUN = {"w": np.zeros(3)}
DATA = ("x", "y")


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2)


@fedsock.plan
def a_loss_a_row(params: Any, x: Any, y: Any) -> Any:
    return (x @ params["w"] - y) ** 2


@fedsock.plan
def an_integer(params: Any, x: Any, y: Any) -> Any:
    return np.argmax(x @ params["w"] - y)


@fedsock.plan
def a_dict(params: Any, x: Any, y: Any) -> Any:
    return {"loss": np.mean((x @ params["w"] - y) ** 2)}


@fedsock.plan
def of_one(params: Any, x: Any) -> Any:
    return np.mean((x @ params["w"]) ** 2)


@pytest.fixture(params=["public", {"train": {"plans": "any", "min_rows": 1}}], ids=["public", "private"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[fedsock.Hub]:
    async with fedsock.Hub(port=0) as hub:
        workers = {"bob": (X, Y), "empty": (X[:0], Y[:0]), "uneven": (X, Y[:3])}
        for name, (x, y) in workers.items():
            await hub.virtual_worker(name, {"x": x, "y": y}, policy=request.param)
        await hub.virtual_worker("other", {"x": X}, policy=request.param)
        yield hub


@pytest.mark.parametrize(
    ("given", "options", "kind", "said"),
    [
        (a_loss_a_row, {}, NotEnoughWorkers, r"round 1: .*bob was dropped \(OpValueError: .* the mean over the rows"),
        (an_integer, {}, NotEnoughWorkers, r"round 1: .*bob was dropped \(OpValueError: .* one floating-point number"),
        (a_dict, {}, NotDifferentiable, r"a_dict gives a tree: return the loss alone"),
        (of_one, {}, PlanMismatch, r"of_one\(params, x\) takes others"),
        (loss, {"workers": ["empty"]}, NotEnoughWorkers, r"round 1: .*empty was dropped \(OpValueError: .*no rows"),
        (loss, {"workers": ["uneven"]}, NotEnoughWorkers, r"uneven was dropped \(OpValueError: .*different numbers"),
        (loss, {"workers": ["other", "zoe"]}, NotEnoughWorkers, "nobody; zoe isn't there; bob isn't .*; other has no"),
        (loss, {"held_out": ["bob"], "evaluate": loss, "workers": ["other"]}, NotEnoughWorkers, "bob is held out"),
        (loss, {"data": ("x", "q")}, NotEnoughWorkers, "nobody; bob has no data set 'q'"),
        (loss, {"config": {"epoch": 3}}, ConfigError, "round 1: settings: there is no 'epoch'"),
        (loss, {"config": {"epochs": -3}}, ConfigError, "round 1: epochs: expected 1 or more"),
    ],
)
async def test_what_cant_be_trained_says_who_when_and_why(
    hub: fedsock.Hub, given: Any, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        await hub.fit(BEGUN, given, rounds=1, patience=0.05, **{"data": DATA, **options})


async def test_a_task_that_nobody_offers(hub: fedsock.Hub) -> None:
    with pytest.raises(NotEnoughWorkers, match=r"round 1: .*nobody; bob offers no task 'train'"):
        await hub.fit(BEGUN, task="train", rounds=1, patience=0.05)


async def test_who_has_no_rows_is_left_out_and_named(hub: fedsock.Hub) -> None:
    (r,) = (await hub.fit(BEGUN, loss, data=DATA, rounds=1)).rounds
    assert list(r.workers) == ["bob"]
    assert [gone.name for gone in r.dropped] == ["empty", "uneven"] and "no rows" in r.dropped[0].reason


async def test_without_any_worker() -> None:
    async with fedsock.Hub(port=0) as hub:
        with pytest.raises(NotEnoughWorkers, match=r"round 1: .*nobody; no worker is at the hub"):
            await hub.fit(BEGUN, loss, data=DATA, rounds=1, patience=0.05)


# What fails in the second round


class Erring(FedAvg):
    def aggregate(self, updates: Any) -> Any:
        return updates.mean if updates.round == 1 else [np.zeros(3)]


def evaluation(fails: Any) -> Any:
    rounds = iter([1, 2])

    def evaluate(params: Any) -> Any:
        return {"ok": 1.0} if next(rounds) == 1 else fails()

    return evaluate


FAILS: dict[str, tuple[dict[str, Any], type[BaseException]]] = {
    "a worker": ({"trainer": Bending({(2, "bob"): OpFailed("it failed here")}), "retries": 0}, NotEnoughWorkers),
    "a trainer": ({"trainer": Bending({(2, "bob"): lambda: 1 / 0})}, ZeroDivisionError),
    "the strategy": ({"strategy": Erring()}, ConfigError),
    "the evaluation": ({"evaluate": evaluation(lambda: 1 / 0)}, ZeroDivisionError),
    "its answer": ({"evaluate": evaluation(lambda: 3)}, ConfigError),
    "the config": ({"config": lambda round, worker: {} if round == 1 else [1]}, ConfigError),
    "the stop": ({"stop": lambda rounds: 1 / 0}, ZeroDivisionError),
}


@pytest.mark.parametrize("kind", FAILS)
async def test_a_fit_that_fails_leaves_the_last_checkpoint_good(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", {"x": X, "y": Y}, private=False)
        options, error = FAILS[kind]
        fit = hub.fit(BEGUN, rounds=3, checkpoint=path, **{"trainer": LeastSquares(), **options})
        with pytest.raises(error):
            await fit
        await good(hub, path, fit.result.params, options.get("strategy"))


async def good(hub: fedsock.Hub, path: Path, params: Any, strategy: Strategy | None = None) -> None:
    """The file is of round 1, and a fit goes on from it."""
    kept = checkpoint.load(path)
    assert [one.number for one in kept.rounds] == [1]
    np.testing.assert_array_equal(kept.leaves[0], params["w"])
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    if strategy is None:
        resumed = await hub.fit(BEGUN, trainer=LeastSquares(), rounds=3, checkpoint=path, resume=True)
        assert [one.number for one in resumed.rounds] == [1, 2, 3]


async def test_so_does_one_that_is_cancelled_or_has_no_room_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", {"x": X, "y": Y}, private=False)
        trainer = Bending({(2, "bob"): "never"})
        fit = hub.fit(BEGUN, trainer=trainer, rounds=3, checkpoint=path)
        begun = (await anext(fit)).params
        second = asyncio.ensure_future(anext(fit))
        while len(trainer.tries) < 2:  # noqa: ASYNC110  # the trainer has no event
            await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert [one.number for one in checkpoint.load(path).rounds] == [1]

        def full(*_: Any) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            await hub.fit(BEGUN, trainer=LeastSquares(), rounds=3, checkpoint=path, resume=True)
        monkeypatch.undo()
        await good(hub, path, begun)
