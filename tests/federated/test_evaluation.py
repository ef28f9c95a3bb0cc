"""Evaluation on workers' data: means weighted by rows, held-out workers, and those that fail."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError, NotTraceable
from fedsock.federated import EarlyStop, LocalSGD, partition
from fedsock.federated.evaluation import There, evaluator
from tests.federated.house import Bending, LeastSquares, loss_of, problem

X, Y = problem()
ROWS = partition.by_size(60, [1, 2, 3])
"""10, 20 and 30 rows."""
BEGUN = {"w": np.zeros(3)}


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2) / 2


@fedsock.plan
def quality(params: Any, x: Any, y: Any) -> Any:
    error = x @ params["w"] - y
    return {"mae": np.mean(np.abs(error)), "close": np.mean(np.abs(error) < 0.5)}


loss.trace(BEGUN, X, Y)
quality.trace(BEGUN, X, Y)


@pytest.fixture
async def hub() -> AsyncIterator[fedsock.Hub]:
    async with fedsock.Hub(port=0) as hub:
        yield hub


async def peopled(hub: fedsock.Hub, **options: Any) -> None:
    await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, ROWS), **(options or {"private": False}))


def mae(w: Any, rows: Any) -> float:
    return float(np.mean(np.abs(X[rows] @ w - Y[rows])))


async def test_a_plan_is_evaluated_on_the_workers_rows(hub: fedsock.Hub) -> None:
    await peopled(hub)
    async for r in hub.fit(BEGUN, loss, data=("x", "y"), evaluate=quality, rounds=3):
        w = r.params["w"]
        assert r.metrics["mae"] == pytest.approx(float(np.mean(np.abs(X @ w - Y))), rel=1e-12)
        assert r.metrics["close"] == pytest.approx(float(np.mean(np.abs(X @ w - Y) < 0.5)), rel=1e-12)
        assert {name: one.n for name, one in r.evaluated.items()} == {"w0": 10, "w1": 20, "w2": 30}
        for k, rows in enumerate(ROWS):
            assert r.evaluated[f"w{k}"].metrics["mae"] == pytest.approx(mae(w, rows), rel=1e-12)
        assert r.loss != r.metrics["mae"] and not r.dropped


@pytest.mark.parametrize("given", [loss, loss.plan], ids=["function", "plan"])
async def test_one_scalar_has_the_plans_name(hub: fedsock.Hub, given: Any) -> None:
    await peopled(hub)
    async for r in hub.fit(BEGUN, loss, data=("x", "y"), evaluate=given, rounds=2):
        assert r.metrics == {"loss": pytest.approx(loss_of(r.params["w"], X, Y), rel=1e-12)}
        assert r.loss != r.metrics["loss"], "one is of the training, the other of what came of it"


async def test_held_out_workers_evaluate_and_never_train(hub: fedsock.Hub) -> None:
    await peopled(hub)
    options: dict[str, Any] = {"data": ("x", "y"), "evaluate": quality, "rounds": 2, "held_out": [hub.workers["w1"]]}
    trained = np.concatenate([ROWS[0], ROWS[2]])
    w = np.zeros(3)
    async for r in hub.fit(BEGUN, loss, **options):
        w = w - 0.1 * X[trained].T @ (X[trained] @ w - Y[trained]) / len(trained)
        np.testing.assert_allclose(r.params["w"], w, rtol=1e-12)
        assert list(r.workers) == ["w0", "w2"] and list(r.evaluated) == ["w1"]
        assert r.metrics["mae"] == pytest.approx(mae(w, ROWS[1]), rel=1e-12)


async def test_on_data_sets_of_other_names_and_beside_a_trainer(hub: fedsock.Hub) -> None:
    data = [{**part, "x2": X, "y2": Y} for part in partition.parts({"x": X, "y": Y}, ROWS)]
    await hub.virtual_workers(data=data, private=False)
    await hub.virtual_worker("plain", {"x": X, "y": Y}, private=False)
    fit = hub.fit(BEGUN, trainer=LeastSquares(), evaluate=loss, evaluate_data=["x2", "y2"], rounds=1)
    r = await anext(fit)
    assert r.metrics["loss"] == pytest.approx(loss_of(r.params["w"], X, Y), rel=1e-12)
    assert list(r.evaluated) == ["w0", "w1", "w2"] and "plain" in r.workers and not r.dropped


async def test_a_plan_that_was_not_recorded_yet(hub: fedsock.Hub) -> None:
    @fedsock.plan
    def fresh(params: Any, x: Any, y: Any) -> Any:
        return {"mae": np.mean(np.abs(x @ params["w"] - y))}

    await peopled(hub)
    r = await anext(hub.fit(BEGUN, trainer=LeastSquares(), evaluate=fresh, evaluate_data=("x", "y"), rounds=1))
    assert r.metrics["mae"] == pytest.approx(float(np.mean(np.abs(X @ r.params["w"] - Y))), rel=1e-12)


# Workers that fail


async def test_who_fails_is_named_and_left_out(hub: fedsock.Hub) -> None:
    await peopled(hub)
    bad = {"x": X * np.nan, "y": Y}
    await hub.virtual_worker("nan", bad, private=False)
    await hub.virtual_worker("empty", {"x": X[:0], "y": Y[:0]}, private=False)
    await hub.virtual_worker("narrow", {"x": X[:, :2], "y": Y}, private=False)
    await hub.virtual_worker("denying", {"x": X, "y": Y})
    await hub.virtual_worker("without", {"x": X})
    held_out = ["w2", "nan", "empty", "narrow", "denying", "without", "away"]
    result = await hub.fit(BEGUN, loss, data=("x", "y"), evaluate=quality, held_out=held_out, rounds=2)
    for r in result.rounds:
        assert list(r.evaluated) == ["w2"] and r.metrics == r.evaluated["w2"].metrics
        reasons = {gone.name: gone.reason for gone in r.dropped}
        assert sorted(reasons) == sorted(set(held_out) - {"w2"})
        assert all(reason.startswith("evaluation: ") for reason in reasons.values())
        assert "UpdateRejected: nan: its metric 'mae' is NaN" in reasons["nan"]
        assert "UpdateRejected: empty: its data set 'x' has 0 rows" in reasons["empty"]
        assert "narrow" in reasons and "OpValueError" in reasons["narrow"]
        assert "ExportDenied" in reasons["denying"] and f'plans = ["{quality.digest}"]' in reasons["denying"]
        assert "UnknownObject: without offers no data set 'y'" in reasons["without"]
        assert "WorkerLost: it isn't there" in reasons["away"]


async def test_nothing_that_a_worker_says_of_its_rows_is_trusted(hub: fedsock.Hub) -> None:
    await peopled(hub)
    options: dict[str, Any] = {"trainer": LeastSquares(), "evaluate": quality, "evaluate_data": ("x", "y")}
    for (pointer, shape), left in [
        ((hub.workers["w1"].datasets["x"], (10**15, 3)), ["w0", "w2"]),
        ((hub.workers["w0"].datasets["x"], (10, 10**12)), ["w0", "w2"]),  # no room is made for such rows
    ]:
        pointer._record.meta = pointer._record.meta._replace(shape=shape)
        r = await anext(hub.fit(BEGUN, rounds=1, workers=["w0", "w1", "w2"], **options))
        assert list(r.evaluated) == left
        assert [gone.name for gone in r.dropped if gone.reason.startswith("evaluation: UpdateRejected")] == ["w1"]


async def test_a_slow_worker_is_left_out_and_its_run_taken_back(hub: fedsock.Hub, monkeypatch: Any) -> None:
    await peopled(hub)
    cancelled = []
    waits: Any = asyncio.Event()

    class Stuck:
        def __init__(self, pointer: Any) -> None:
            self._pointer = pointer

        async def get(self, release: bool) -> Any:
            await waits.wait()

        def cancel(self) -> None:
            cancelled.append(self)
            self._pointer.cancel()

    kind = type(hub.workers["w1"])
    real = kind.run

    def run(worker: Any, *args: Any) -> Any:
        found = real(worker, *args)
        return {name: Stuck(one) for name, one in found.items()} if worker.name == "w1" else found

    monkeypatch.setattr(kind, "run", run)
    fit = hub.fit(BEGUN, trainer=LeastSquares(), evaluate=quality, evaluate_data=("x", "y"), rounds=1, deadline=2)
    r = await asyncio.wait_for(anext(fit), 60)
    assert [(gone.name, gone.reason) for gone in r.dropped] == [
        ("w1", "evaluation: WorkerTimeout: no answer within 2 s")
    ]
    assert list(r.evaluated) == ["w0", "w2"] and len(cancelled) == 2


async def test_a_worker_that_is_lost_while_it_evaluates(hub: fedsock.Hub, monkeypatch: Any) -> None:
    await peopled(hub)
    (peer,) = [peer for peer in hub._virtual if peer.name == "w2"]
    kind = type(hub.workers["w2"])
    real = kind.run

    class Leaving:
        def __init__(self, pointer: Any) -> None:
            self._pointer = pointer

        async def get(self, release: bool) -> Any:
            await self._pointer.wait()
            await peer.close(1)
            return await self._pointer.get(release=release)

        def cancel(self) -> None:
            self._pointer.cancel()

    def run(worker: Any, *args: Any) -> Any:
        found = real(worker, *args)
        return Leaving(found) if worker.name == "w2" else found

    monkeypatch.setattr(kind, "run", run)
    fit = hub.fit(BEGUN, trainer=LeastSquares(), evaluate=loss, evaluate_data=("x", "y"), rounds=1)
    r = await asyncio.wait_for(anext(fit), 60)
    assert "w2" in r.workers and list(r.evaluated) == ["w0", "w1"]
    assert [gone.name for gone in r.dropped] == ["w2"] and "evaluation: WorkerLost" in r.dropped[0].reason


async def test_where_nobody_answers_metrics_are_nan(hub: fedsock.Hub, tmp_path: Path) -> None:
    await peopled(hub)
    path = tmp_path / "fit.npz"
    options: dict[str, Any] = {"data": ("x", "y"), "evaluate": quality, "checkpoint": path}
    fit = hub.fit(BEGUN, loss, held_out=["w9"], rounds=2, stop=EarlyStop(metric="mae", patience=2), **options)
    result = await fit
    assert len(result.rounds) == 2, "NaN is no better value, and no error"
    for r in result.rounds:
        assert sorted(r.metrics) == ["close", "mae"] and all(map(math.isnan, r.metrics.values()))
        assert [gone.name for gone in r.dropped] == ["w9"] and not r.evaluated
    again = (await hub.fit(BEGUN, loss, held_out=["w9"], rounds=2, resume=True, **options)).rounds
    assert all(map(math.isnan, again[0].metrics.values())) and again[0].dropped == list(result.rounds[0].dropped)
    options["evaluate_data"] = ("x3", "y")
    found = await hub.fit(BEGUN, loss, rounds=1, **{**options, "checkpoint": None})
    assert [gone.name for gone in found.rounds[0].dropped] == ["w0", "w1", "w2"]
    assert math.isnan(found.rounds[0].metrics["mae"])


# Owners


async def test_private_evaluations_leave_by_the_owners_policy_and_each_run_counts_for_its_plan(
    hub: fedsock.Hub,
) -> None:
    policy = {"train": {"plans": [loss.digest, quality.digest], "min_rows": 1, "rounds": 3}}
    await peopled(hub, policy=policy)
    options: dict[str, Any] = {"data": ("x", "y"), "local": LocalSGD(learning_rate=0.2)}

    async def left() -> Any:
        return (await hub.workers["w0"].policy("x")).train["rounds_left"]

    result = await hub.fit(BEGUN, loss, evaluate=quality, rounds=2, **options)
    assert not any(r.dropped for r in result.rounds)
    w = result.params["w"]
    assert result.rounds[-1].metrics["mae"] == pytest.approx(float(np.mean(np.abs(X @ w - Y))), rel=1e-12)
    # A dict of two scalars is one run.
    assert await left() == {f"plan {loss.digest}": 1, f"plan {quality.digest}": 1}
    # The loss itself as evaluation: two runs of one plan, of which one is left.
    (r,) = (await hub.fit(BEGUN, loss, evaluate=loss, rounds=1, **options)).rounds
    assert len(r.workers) == 3 and math.isnan(r.metrics["loss"])
    assert {gone.name for gone in r.dropped} == {"w0", "w1", "w2"}
    assert all("evaluation: QueriesSpent" in gone.reason for gone in r.dropped)


# Checkpoints


async def test_a_resumed_fit_has_the_metrics_of_the_unbroken_one(hub: fedsock.Hub, tmp_path: Path) -> None:
    await peopled(hub)

    def fit(rounds: int, **options: Any) -> Any:
        options = {"trainer": LeastSquares(), "held_out": ["w2"], "evaluate_data": ("x", "y"), **options}
        return hub.fit(BEGUN, rounds=rounds, evaluate=quality, **options)

    unbroken = await fit(4)
    path = tmp_path / "fit.npz"
    await fit(2, checkpoint=path)
    resumed = await fit(4, checkpoint=path, resume=True)
    assert [r.metrics for r in resumed.rounds] == [r.metrics for r in unbroken.rounds]
    assert [r.evaluated for r in resumed.rounds] == [r.evaluated for r in unbroken.rounds]


# What can't be


@fedsock.plan
def errors(params: Any, x: Any, y: Any) -> Any:
    return {"mae": np.mean(np.abs(x @ params["w"] - y)), "errors": x @ params["w"] - y}


@fedsock.plan
def constant(params: Any, x: Any, y: Any) -> Any:
    return {"mae": np.mean(x @ params["w"] - y), "version": 3}


@fedsock.plan
def nested(params: Any, x: Any, y: Any) -> Any:
    return {"all": {"mae": np.mean(x @ params["w"] - y)}}


@fedsock.plan
def branching(params: Any, x: Any, y: Any) -> Any:
    return 1.0 if np.mean(x @ params["w"] - y) > 0 else 0.0


@pytest.mark.parametrize(
    ("plan", "kind", "said"),
    [
        (errors, ConfigError, r"evaluate: 'errors' is of shape \(8,\); .*np\.mean"),
        (constant, ConfigError, "evaluate: 'version' is not computed"),
        (nested, ConfigError, "evaluate: 'all'"),
        (branching, NotTraceable, "where"),
    ],
)
async def test_a_plan_that_gives_no_scalars_is_told_before_round_1(
    hub: fedsock.Hub, plan: Any, kind: type[Exception], said: str
) -> None:
    await peopled(hub)
    trainer = Bending({})
    with pytest.raises(kind, match=said):
        await hub.fit(BEGUN, trainer=trainer, evaluate=plan, evaluate_data=("x", "y"), rounds=1)
    assert trainer.tries == []


async def test_options_that_cant_be(hub: fedsock.Hub) -> None:
    for options, said in [
        ({"evaluate": quality}, "evaluate_data"),
        ({"held_out": ["w1"]}, "held_out= needs"),
        ({"held_out": ["w1"], "evaluate": lambda params: {}}, "held_out= needs"),
        ({"held_out": "w1", "workers": ["w0", "w1"], "evaluate": quality, "evaluate_data": "x"}, "^w1: either"),
        ({"workers": []}, "nobody is named"),
    ]:
        with pytest.raises(ConfigError, match=said):
            hub.fit(BEGUN, trainer=LeastSquares(), rounds=1, **options)


async def test_same_participants_same_bits(hub: fedsock.Hub) -> None:
    await peopled(hub)
    found = evaluator(quality, ("x", "y"), ())
    assert isinstance(found, There)
    params = {"w": np.array([0.3, -0.7, 0.1])}
    once = await found.run(params, hub.workers)
    again = await found.run(params, dict(reversed(list(hub.workers.items()))))
    assert once == replace(again) and list(once.workers) == ["w0", "w1", "w2"]
