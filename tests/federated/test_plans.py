"""Plans at all workers that hold an array's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.federated import run
from tests.federated.owners import split, workers

X = np.random.default_rng(0).normal(size=(30, 3))
W = np.array([1.0, 2.0, -1.0])


def data() -> dict[str, dict[str, Any]]:
    ys = split(X @ W, 1, 9, 20)
    return {name: {"x": part, "y": ys[name]} for name, part in split(X, 1, 9, 20).items()}


@fedsock.plan
def loss(weights: Any, x: Any, y: Any) -> Any:
    wrong = x @ weights - y
    return {"loss": (wrong * wrong).sum(), "rows": (x[:, 0], wrong)}


async def test_a_plan_runs_at_every_worker() -> None:
    async with workers(data()) as hub:
        x, y = hub.federated("x"), hub.federated("y")
        before = [(await worker.stats()).ops_run for worker in hub.workers.values()]
        found = run(loss, W + 1, x, y=y)
        np.testing.assert_allclose(await found["loss"].sum_over(), (X.sum(axis=1) ** 2).sum(), rtol=1e-12)
        assert [(await worker.stats()).ops_run for worker in hub.workers.values()] == [n + 1 for n in before]
        columns, wrong = found["rows"]
        assert list(await columns) == ["alice", "bob", "carol"]
        np.testing.assert_array_equal(np.concatenate(list((await columns).values())), X[:, 0])
        again = run(loss.plan, W, x, y)
        assert abs(await again["loss"].sum_over()) < 1e-20 and len(found["rows"]) == 2 and wrong is not None


async def test_what_is_refused() -> None:
    async with workers(data()) as hub:
        x, y = hub.federated("x"), hub.federated("y")
        with pytest.raises(errors.PlanMismatch, match=r"bob.run"):
            run(loss, W, X, X @ W)
        with pytest.raises(errors.PointersApart, match="the same workers"):
            run(loss, W, x, hub.federated("y", workers=["bob"]))
        with pytest.raises(errors.PlanMismatch):
            run(loss, 1.0, x, y)
        with pytest.raises(errors.PlanMismatch):
            run(lambda x: x, x)  # type: ignore[arg-type]


async def test_what_leaves_is_the_owners_decision() -> None:
    async with workers(data(), "aggregate") as hub:
        with pytest.raises(ExceptionGroup) as caught:
            await run(loss, W, hub.federated("x"), hub.federated("y"))["loss"]
        assert caught.group_contains(errors.ExportDenied)
