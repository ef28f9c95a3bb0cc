"""Hostile workers in a fit: what one gives or offers is rejected and named, and ends nobody else's fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import CheckpointCorrupt
from fedsock.federated import FedAdagrad, FedAdam, FedAvg, FedAvgM, FedMedian, FedYogi, LocalSGD

BEGUN = {"w": np.zeros(3)}
ROWS = 120
X = np.random.default_rng(0).normal(size=(ROWS, 3))
Y = X @ np.array([1.0, -2.0, 0.5])


def honest(data: Any, params: Any) -> Any:
    """Take a step."""
    error = data["x"] @ params["w"] - data["y"]
    w = params["w"] - 0.1 * data["x"].T @ error / len(error)
    return {"w": w}, len(error), {"loss": float(np.mean(error**2))}


async def fitted(hostile: Any, **options: Any) -> Any:
    """Return the rounds of a fit at two honest workers and two that give what a function makes."""
    policy = {"train": {"tasks": ["step"], "min_rows": 1}}
    async with fedsock.Hub(port=0) as hub:
        for name, task in {"a": hostile, "b": honest, "c": honest, "d": hostile}.items():
            await hub.virtual_worker(name, {"x": X, "y": Y}, policy=policy, tasks={"step": task})
        return (await hub.fit(BEGUN, task="step", **{"rounds": 2, **options})).rounds


W = np.ones(3)
BENT: dict[str, Any] = {
    "a loss that overflows": ({"w": W}, 10, {"loss": 1.7e308}),
    "a loss that overflows by its weight": ({"w": W}, 10**9, {"loss": -1e305}),
    "a ragged metric": ({"w": W}, 10, {"loss": 1.0, "a": [[1.0], [1.0, 2.0]]}),
    "a ragged loss": ({"w": W}, 10, {"loss": [[1.0], [1.0, 2.0]]}),
    "a complex loss": ({"w": W}, 10, {"loss": np.array(1j)}),
    "a text for a loss": ({"w": W}, 10, {"loss": np.array("1.0")}),
    "parameters that overflow when squared": ({"w": np.full(3, 1e200)}, 10, None),
    "other keys": ({"w": W, "v": W}, 10, None),
    "no rows": ({"w": W}, -5, None),
    "a number of rows that is none": ({"w": W}, 10.0, None),
    "no triple": 3.0,
    "much more than it was sent": ({"w": np.zeros(1_000_000)}, 10, None),
    "many metrics": ({"w": W}, 10, {str(k): 1.0 for k in range(101)}),
}


@pytest.mark.parametrize("what", BENT)
@pytest.mark.parametrize("strategy", [FedAvg, FedAdam, FedYogi, FedAdagrad, FedAvgM, FedMedian])
async def test_a_bent_update_is_rejected_and_named(what: str, strategy: Any) -> None:
    for one in await fitted(lambda data, params: BENT[what], strategy=strategy()):
        assert sorted(one.workers) == ["b", "c"]
        assert [gone.name for gone in one.dropped] == ["a", "d"]
        assert one.loss is not None and np.isfinite(one.loss)


async def test_an_update_larger_than_what_was_sent_never_comes() -> None:
    large = ({"w": np.zeros(1_000_000)}, 10, None)
    one, _ = await fitted(lambda data, params: large)
    assert all("TooLargeToFetch" in gone.reason for gone in one.dropped)


@pytest.mark.parametrize("hostile", [X[None], X.astype(np.float32), X[:, :2], Y])
async def test_data_of_another_form_at_one_worker_are_that_workers_trouble(hostile: Any) -> None:
    """Whoever comes first by name doesn't decide what the loss is recorded for."""

    @fedsock.plan
    def loss(params: Any, x: Any, y: Any) -> Any:
        return ((x @ params["w"] - y) ** 2).mean()

    policy = {"train": {"plans": "any", "min_rows": 1}}
    async with fedsock.Hub(port=0) as hub:
        for name, x in {"a": hostile, "b": X, "c": X}.items():
            await hub.virtual_worker(name, {"x": x, "y": Y}, policy=policy)
        (one,) = (await hub.fit(BEGUN, loss, data=("x", "y"), local=LocalSGD(batch_size=None), rounds=1)).rounds
        assert sorted(one.workers) == ["b", "c"]
        assert [gone.name for gone in one.dropped] == ["a"]


async def test_words_of_metrics_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    """In the live line too, where brackets could be taken for markup."""
    await fitted(honest, evaluate=lambda params: {"[/red]acc": 0.5, "[link=http://x]b": 1.0}, progress=True)
    said = capsys.readouterr().err
    assert "[/red]acc 0.5" in said and "[link=http://x]b 1" in said


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("state/m/0", np.zeros((5, 5))),
        ("state/m/0", np.array(["a", "b", "c"])),
        ("state/m/x", np.zeros(3)),
        ("params/0", np.full(3, np.nan)),
    ],
)
async def test_a_tampered_checkpoint_is_told_as_such(name: str, array: Any, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    await fitted(honest, strategy=FedAdam(), checkpoint=path)
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(path, **(arrays | {name: array}))
    with pytest.raises(CheckpointCorrupt):
        await fitted(honest, strategy=FedAdam(), checkpoint=path, resume=True, rounds=3)
