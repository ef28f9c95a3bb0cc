"""Workers that train by pointers alone: what a fit is tested with, whatever tasks and plans there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fedsock.errors import Closed, OpFailed
from fedsock.federated import Job, Reply, Trainer
from fedsock.federated.aggregate import Update


class Pieces(Reply):
    """A reply of several pointers."""

    def __init__(self, w: Any, n: int, loss: Any) -> None:
        self._w, self._n, self._loss = w, n, loss
        self.cancelled = False

    async def ready(self) -> None:
        await asyncio.gather(self._w.wait(), self._loss.wait())

    async def fetch(self, worker: str) -> Update:
        return Update(worker, {"w": await self._w}, self._n, float(await self._loss), {"rows": self._n})

    def cancel(self) -> None:
        self._w.cancel()


class LeastSquares(Trainer):
    """Local gradient descent on half the mean squared error of x @ w, by ops on pointers, in batches by seed."""

    def start(self, worker: Any, params: Any, job: Job) -> Reply:
        x, y, w = worker.datasets["x"], worker.datasets["y"], params["w"]
        n = x.shape[0]
        error = x @ w - y
        loss = (error * error).mean() / 2
        for rows in batches(n, job.seed, job.local["epochs"], job.local["batch_size"]):
            xb, yb = (x, y) if rows is None else (x[rows], y[rows])
            w = w - job.local["learning_rate"] * (xb.T @ (xb @ w - yb) / (n if rows is None else len(rows)))
        return Pieces(w, n, loss)


def batches(n: int, seed: int, epochs: int, size: int | None) -> list[Any]:
    """Return the rows of each step; None stands for all."""
    if size is None or size >= n:
        return [None] * epochs
    rng = np.random.default_rng(seed)
    return [part for _ in range(epochs) for part in np.split(rng.permutation(n), range(size, n, size))]


class Bent(Reply):
    """A reply whose update is bent, or that fails or never comes."""

    def __init__(self, reply: Reply, bend: Any) -> None:
        self._reply, self._bend = reply, bend

    async def ready(self) -> None:
        await self._reply.ready()
        if callable(self._bend):
            await self._bend()
            self._bend = {}
        if self._bend == "never":
            await asyncio.get_running_loop().create_future()
        if isinstance(self._bend, Exception):
            raise self._bend

    async def fetch(self, worker: str) -> Update:
        await self.ready()  # of small updates nobody awaits it by itself
        update = await self._reply.fetch(worker)
        if self._bend == "stuck":
            await asyncio.get_running_loop().create_future()
        return replace(update, **self._bend)

    def cancel(self) -> None:
        self._reply.cancel()


class Bending(LeastSquares):
    """Training of which single parts go wrong: (round, worker name) -> what."""

    def __init__(self, bends: dict[tuple[int, str], Any], before: Callable[[int, str], Any] | None = None) -> None:
        self.bends = bends
        self.before = before
        self.tries: list[tuple[int, str]] = []

    @property
    def about(self) -> str:
        return "LeastSquares"

    def start(self, worker: Any, params: Any, job: Job) -> Reply:
        self.tries.append((job.round, worker.name))
        if self.before is not None:
            self.before(job.round, worker.name)
        bend = self.bends.get((job.round, worker.name))
        if isinstance(bend, Exception) and not isinstance(bend, (OpFailed, Closed)):
            raise bend
        reply = super().start(worker, params, job)
        return reply if bend is None else Bent(reply, bend)


def problem(rows: int = 60, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    return x, x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=rows)


def loss_of(w: Any, x: Any, y: Any) -> float:
    return float(np.mean((x @ w - y) ** 2) / 2)
