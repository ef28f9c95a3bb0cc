"""The digits that federated averaging is measured on, learned by hub.fit and by a plain loop in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fedsock
from fedsock.federated import FedAvg, FitResult, LocalSGD, partition
from fedsock.federated.local import seed_of
from fedsock.plan.batches import batches

DATA = Path(__file__).resolve().parents[2] / "workers" / "data"
WORKERS = 10
LOCAL = LocalSGD(epochs=5, batch_size=10, learning_rate=0.1)

WAYS: Mapping[str, Callable[[Any, int], list[Any]]] = {
    "IID": lambda labels, seed: partition.iid(len(labels), WORKERS, seed=seed),
    "Dirichlet 0.5": lambda labels, seed: partition.dirichlet(labels, WORKERS, alpha=0.5, seed=seed),
    "Dirichlet 0.1": lambda labels, seed: partition.dirichlet(labels, WORKERS, alpha=0.1, seed=seed),
    "2 shards": lambda labels, seed: partition.shards(labels, WORKERS, per_worker=2, seed=seed),
}
"""How rows come to the ten workers: (labels, seed) -> the rows of each."""


def rows() -> tuple[Any, Any]:
    """Return all images, pixels between 0 and 1, and what they show."""
    halves = [np.load(DATA / f"{name}_digits.npz") for name in ("alice", "bob")]
    x, y = (np.concatenate([half[key] for half in halves]) for key in ("pixels", "labels"))
    return x / 16, y.astype(np.int64)


def digits(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return four fifths of the rows to learn from, and the rest to test on."""
    x, y = rows()
    order = np.random.default_rng(seed).permutation(len(y))
    cut = len(y) * 4 // 5
    train, test = ({"x": x[some], "y": y[some]} for some in (order[:cut], order[cut:]))
    return train, test


def begun(seed: int) -> dict[str, Any]:
    """Return the parameters to begin with, of a network 64-32-10."""
    rng = np.random.default_rng(seed)
    w1, w2 = (rng.normal(size=(wide, out)) * np.sqrt(2 / wide) for wide, out in ((64, 32), (32, 10)))
    return {"b1": np.zeros(32), "b2": np.zeros(10), "w1": w1, "w2": w2}


def scores(params: Any, x: Any) -> Any:
    """Return a score for each digit."""
    return np.maximum(x @ params["w1"] + params["b1"], 0) @ params["w2"] + params["b2"]


def cross_entropy(params: Any, x: Any, y: Any) -> Any:
    """Return the mean cross-entropy of the softmax of the scores."""
    z = scores(params, x)
    z = z - z.max(axis=1, keepdims=True)
    wanted = y[:, None] == np.arange(10)
    return (np.log(np.exp(z).sum(axis=1)) - (z * wanted).sum(axis=1)).mean()


def loss_plan() -> Any:
    """Return the loss as a plan."""
    loss = fedsock.plan(cross_entropy)
    loss.trace(begun(0), *rows())
    return loss


def accuracy(params: Any, test: Mapping[str, Any]) -> float:
    """Return the share of digits that are read rightly."""
    return float(np.mean(scores(params, test["x"]).argmax(axis=1) == test["y"]))


async def fitted(parts: Sequence[Mapping[str, Any]], params: Any, rounds: int, seed: int) -> FitResult:
    """Learn at workers that let nothing leave but what is trained by this loss."""
    loss = loss_plan()
    policy = {"train": {"plans": [loss.digest], "min_rows": 1}}
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(len(parts), data=parts, policy=policy)
        return await hub.fit(params, loss, data=("x", "y"), strategy=FedAvg(), local=LOCAL, rounds=rounds, seed=seed)


def gradient(params: Mapping[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """Return the gradient of the loss, as textbooks have it."""
    before = x @ params["w1"] + params["b1"]
    hidden = np.maximum(before, 0)
    z = hidden @ params["w2"] + params["b2"]
    out = np.exp(z - z.max(axis=1, keepdims=True))
    out = (out / out.sum(axis=1, keepdims=True) - np.eye(10)[y]) / len(y)
    back = (out @ params["w2"].T) * (before > 0)
    return {"b1": back.sum(axis=0), "b2": out.sum(axis=0), "w1": x.T @ back, "w2": hidden.T @ out}


def names_of(parts: Sequence[Any]) -> list[str]:
    """Return the names of the workers."""
    return [f"w{number}" for number in range(len(parts))]


def plain(parts: Sequence[Mapping[str, Any]], params: Any, rounds: int, seed: int) -> Any:
    """Do the same rounds in a loop: the same batches, in numpy alone."""
    total = sum(len(part["y"]) for part in parts)
    for number in range(1, rounds + 1):
        mean = {key: np.zeros_like(value) for key, value in params.items()}
        for name, part in zip(names_of(parts), parts, strict=True):
            mine, n = dict(params), len(part["y"])
            for epoch in range(LOCAL.epochs):
                for rows in batches(n, LOCAL.batch_size, seed=seed_of(seed, number, name), epoch=epoch):
                    slopes = gradient(mine, part["x"][rows], part["y"][rows])
                    mine = {key: mine[key] - LOCAL.learning_rate * slopes[key] for key in mine}
            mean = {key: mean[key] + n / total * mine[key] for key in mean}
        params = mean
    return params


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how far two sets of parameters are apart: the largest difference, in parts of the largest of them."""
    largest = max(float(np.abs(value).max()) for value in other.values())
    return max(float(np.abs(one[key] - other[key]).max()) for key in other) / largest
