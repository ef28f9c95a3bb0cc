"""Fits over virtual workers: against central training, against a plain loop, and when workers fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import CheckpointCorrupt, Closed, ConfigError, FitError, NotEnoughWorkers, OpFailed
from fedsock.federated import (
    EarlyStop,
    FedAdam,
    FedAvg,
    FedMedian,
    FedTrimmedAvg,
    LocalSGD,
    PointerReply,
    Strategy,
    Trainer,
    partition,
    rounds,
)
from fedsock.federated.local import seed_of
from tests.federated.house import Bending, LeastSquares, batches, loss_of, problem

X, Y = problem()
LABELS = (Y > 0).astype(int) + (X[:, 0] > 0)
BEGUN = {"w": np.zeros(3)}
FAILS = OpFailed("it failed here")

PARTITIONS = {
    "iid": partition.iid(60, 5),
    "dirichlet": partition.dirichlet(LABELS, 5, alpha=0.3),
    "shards": partition.shards(LABELS, 5),
    "by_label": partition.by_label(LABELS, 5, each=2),
    "by_size": partition.by_size(60, [1, 2, 3, 10]),
    "natural": partition.natural(LABELS),
}


@pytest.fixture
async def hub() -> AsyncIterator[fedsock.Hub]:
    async with fedsock.Hub(port=0) as hub:
        yield hub


async def peopled(hub: fedsock.Hub, rows: Any = PARTITIONS["iid"]) -> None:
    await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, rows), private=False)


@pytest.mark.parametrize("kind", PARTITIONS)
async def test_one_full_step_a_round_is_central_gradient_descent(hub: fedsock.Hub, kind: str) -> None:
    await peopled(hub, PARTITIONS[kind])
    w = np.zeros(3)
    seen = 0
    async for r in hub.fit(BEGUN, trainer=LeastSquares(), local=LocalSGD(learning_rate=0.3), rounds=10):
        before = loss_of(w, X, Y)
        w = w - 0.3 * (X.T @ (X @ w - Y) / len(X))
        np.testing.assert_allclose(r.params["w"], w, rtol=1e-12, atol=1e-12)
        assert r.loss == pytest.approx(before, rel=1e-12)
        seen += 1
    assert seen == 10


async def test_it_is_a_plain_fedavg_loop(hub: fedsock.Hub) -> None:
    rows = PARTITIONS["by_size"]
    await peopled(hub, rows)
    local = LocalSGD(epochs=3, batch_size=4, learning_rate=0.1)
    result = await hub.fit(BEGUN, trainer=LeastSquares(), local=local, rounds=6, seed=11)
    w = np.zeros(3)
    for number in range(1, 7):
        total = np.zeros(3)
        for k, mine in enumerate(rows):
            mine_w = w
            for batch in batches(len(mine), seed_of(11, number, f"w{k}"), 3, 4):
                x, y = (X[mine], Y[mine]) if batch is None else (X[mine][batch], Y[mine][batch])
                mine_w = mine_w - 0.1 * (x.T @ (x @ mine_w - y) / len(x))
            total += len(mine) * mine_w
        w = total / len(X)
    np.testing.assert_allclose(result.params["w"], w, rtol=1e-9)


async def test_what_a_round_tells(hub: fedsock.Hub) -> None:
    await peopled(hub)

    async def evaluate(params: Any) -> Any:
        await asyncio.sleep(0)
        return {"mse": 2 * loss_of(params["w"], X, Y)}

    fit = hub.fit(BEGUN, trainer=LeastSquares(), evaluate=evaluate, rounds=3)
    assert fit.result.rounds == ()
    r = await anext(fit)
    assert (r.number, list(r.workers), list(r.dropped)) == (1, [f"w{k}" for k in range(5)], [])
    report = r.workers["w0"]
    assert (report.n, report.bytes_up, report.bytes_down, report.metrics) == (12, 24, 24, {"rows": 12.0})
    assert 0 < report.seconds <= r.seconds
    assert r.metrics == {"mse": 2 * loss_of(r.params["w"], X, Y)}
    result = await fit  # the rest
    assert [one.number for one in result.rounds] == [1, 2, 3]
    assert all(one.params is None for one in result.rounds)
    assert result is not r and not np.array_equal(result.params["w"], r.params["w"])
    with pytest.raises(StopAsyncIteration):
        await anext(fit)


async def test_the_same_seed_gives_the_same_bits(hub: fedsock.Hub) -> None:
    await peopled(hub)
    strategy = FedAvg(fraction=0.4)

    async def fitted(seed: int) -> tuple[Any, Any]:
        local = LocalSGD(epochs=2, batch_size=5)
        result = await hub.fit(BEGUN, trainer=LeastSquares(), strategy=strategy, local=local, rounds=4, seed=seed)
        return result.params["w"].tobytes(), [sorted(one.workers) for one in result.rounds]

    first, again, other = await fitted(3), await fitted(3), await fitted(4)
    assert first == again and first[0] != other[0] and first[1] != other[1]
    assert all(len(names) == 2 for names in first[1])


async def test_what_is_given_is_not_changed(hub: fedsock.Hub) -> None:
    await peopled(hub)
    mine, strategy = {"w": np.zeros(3)}, FedAdam()
    result = await hub.fit(mine, trainer=LeastSquares(), strategy=strategy, rounds=2)
    assert mine["w"].tolist() == [0, 0, 0] and mine["w"].flags.writeable
    assert strategy.state() == {}
    assert not result.params["w"].flags.writeable


# Workers that fail


@pytest.mark.parametrize(
    ("bend", "said"),
    [
        ({"params": {"w": np.array([0, np.nan, 0])}}, "UpdateRejected: w1: its params['w'] holds NaN"),
        ({"params": {"w": np.zeros(4)}}, "UpdateRejected: w1: its params['w'] is float64 of shape"),
        ({"n": 10**15}, "UpdateRejected: w1: its number of rows"),
        (FAILS, "OpFailed: it failed here"),
        ("never", "WorkerTimeout: no update within 2 s"),
        ("stuck", "WorkerTimeout: no update within 2 s"),
        (ConfigError("not here"), "ConfigError: not here"),
    ],
    ids=["nan", "shape", "weight", "fails", "never", "stuck", "start"],
)
@pytest.mark.parametrize("together", [0, 1 << 20], ids=["large", "small"])
async def test_who_fails_is_left_out_and_back_in_the_next_round(
    hub: fedsock.Hub, bend: Any, said: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "TOGETHER_BYTES", together)
    await peopled(hub)
    trainer = Bending({(2, "w1"): bend})
    deadline = 2 if isinstance(bend, str) else 60  # long enough for those that do answer, on a busy machine too
    played = [r async for r in hub.fit(BEGUN, trainer=trainer, rounds=3, deadline=deadline)]
    assert [sorted(r.workers) for r in played] == [
        ["w0", "w1", "w2", "w3", "w4"],
        ["w0", "w2", "w3", "w4"],
        ["w0", "w1", "w2", "w3", "w4"],
    ]
    (gone,) = played[1].dropped
    assert gone.name == "w1" and gone.reason.startswith(said)
    # Nobody else's numbers are touched by it: as if it hadn't been there.
    others = np.concatenate([PARTITIONS["iid"][k] for k in (0, 2, 3, 4)])
    w = played[0].params["w"]
    want = w - 0.1 * (X[others].T @ (X[others] @ w - Y[others]) / len(others))
    np.testing.assert_allclose(played[1].params["w"], want, rtol=1e-12)


async def test_a_denying_worker_is_left_out_with_its_reason(hub: fedsock.Hub) -> None:
    await peopled(hub)
    await hub.virtual_worker("shy", {"x": X, "y": Y})
    (one,) = (await hub.fit(BEGUN, trainer=LeastSquares(), rounds=1)).rounds
    assert [gone.name for gone in one.dropped] == ["shy"] and "ExportDenied" in one.dropped[0].reason
    assert "shy" not in one.workers


async def test_a_lost_worker_is_left_out_and_back(hub: fedsock.Hub) -> None:
    await peopled(hub)
    (peer,) = [peer for peer in hub._virtual if peer.name == "w1"]
    fit = hub.fit(BEGUN, trainer=Bending({(2, "w1"): lambda: peer.close(1)}), rounds=3)
    await anext(fit)
    second = await asyncio.wait_for(anext(fit), 50)
    assert "w1" not in second.workers and [gone.name for gone in second.dropped] == ["w1"]
    assert "WorkerLost" in second.dropped[0].reason
    hub._virtual.pop(peer).close()
    await hub.virtual_worker("w1", {"x": X, "y": Y}, private=False)
    assert "w1" in (await anext(fit)).workers


async def test_below_the_minimum_the_round_is_tried_again(hub: fedsock.Hub) -> None:
    await peopled(hub)
    bends: dict[Any, Any] = {(1, "w1"): FAILS}
    trainer = Bending(bends)

    def before(round: int, name: str) -> None:
        if len(trainer.tries) > 5:
            bends.clear()

    trainer.before = before
    (one,) = (await hub.fit(BEGUN, trainer=trainer, strategy=FedAvg(min_workers=5), rounds=1)).rounds
    assert len(trainer.tries) == 10 and len(one.workers) == 5
    assert [gone.name for gone in one.dropped] == ["w1"]


async def test_a_retry_takes_others_where_there_are_enough(hub: fedsock.Hub) -> None:
    await peopled(hub)
    trainer = Bending({(1, f"w{k}"): FAILS for k in range(3)})
    strategy = FedAvg(fraction=0.4, min_workers=2)
    for seed in range(5):
        (one,) = (await hub.fit(BEGUN, trainer=trainer, strategy=strategy, rounds=1, retries=3, seed=seed)).rounds
        assert sorted(one.workers) == ["w3", "w4"]


async def test_then_there_are_not_enough(hub: fedsock.Hub) -> None:
    await peopled(hub)
    trainer = Bending({(2, f"w{k}"): FAILS for k in range(5)})
    fit = hub.fit(BEGUN, trainer=trainer, rounds=3, retries=1)
    await anext(fit)
    with pytest.raises(NotEnoughWorkers, match=r"round 2: .*1 worker; able .*: w0, .*w0 was dropped \(OpFailed"):
        await fit
    with pytest.raises(NotEnoughWorkers):  # and it stays so
        await fit
    assert len([one for one in trainer.tries if one[0] == 2]) == 10
    assert len(fit.result.rounds) == 1


async def test_a_trimmed_mean_needs_its_updates_after_the_dropouts(hub: fedsock.Hub) -> None:
    await peopled(hub)
    lie = {"params": {"w": np.full(3, 1e6)}}
    strategy = FedTrimmedAvg(f=2)
    trainer = Bending({(1, "w0"): lie, (1, "w4"): lie})
    result = await hub.fit(BEGUN, trainer=trainer, strategy=strategy, rounds=1)
    assert np.all(np.abs(result.params["w"]) < 1)
    with pytest.raises(NotEnoughWorkers, match="5 workers"):
        await hub.fit(BEGUN, trainer=Bending({(1, "w0"): FAILS}), strategy=strategy, rounds=1, retries=1)


async def test_it_waits_for_workers_a_while(hub: fedsock.Hub) -> None:
    with pytest.raises(NotEnoughWorkers, match="able to take part: nobody"):
        await hub.fit(BEGUN, trainer=LeastSquares(), rounds=1, patience=0.05)
    coming = asyncio.create_task(
        _finished(hub.fit(BEGUN, trainer=LeastSquares(), strategy=FedMedian(min_workers=5), rounds=1))
    )
    await peopled(hub)
    assert len((await coming).rounds[0].workers) == 5
    with pytest.raises(NotEnoughWorkers, match="able to take part: w2"):
        strategy = FedAvg(min_workers=2)
        await hub.fit(BEGUN, trainer=LeastSquares(), workers=["w2"], strategy=strategy, rounds=1, patience=0.05)


async def _finished(fit: Any) -> Any:
    return await fit


async def test_only_those_that_were_named(hub: fedsock.Hub) -> None:
    await peopled(hub)
    (one,) = (await hub.fit(BEGUN, trainer=LeastSquares(), workers=["w2", hub.workers["w4"]], rounds=1)).rounds
    assert list(one.workers) == ["w2", "w4"]


async def test_closing_the_hub_ends_it() -> None:
    async with fedsock.Hub(port=0) as hub:
        await peopled(hub)
        trainer = Bending({(1, "w0"): "never"})
        task_fit = hub.fit(BEGUN, trainer=trainer, rounds=1)
        task = asyncio.create_task(_finished(task_fit))
        while len(trainer.tries) < 5:  # noqa: ASYNC110  # the trainer has no event
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(FitError, match="cancelled in round 1"):  # and not as if who asks were cancelled
            await task_fit
        fit = hub.fit(BEGUN, trainer=LeastSquares(), rounds=2)
        await anext(fit)
    with pytest.raises(Closed):
        await fit


async def test_what_is_the_sessions_failure_is_nobody_elses(hub: fedsock.Hub) -> None:
    await peopled(hub)
    with pytest.raises(Closed, match="over"):
        await hub.fit(BEGUN, trainer=Bending({(1, "w3"): Closed("over")}), rounds=1)
    with pytest.raises(ZeroDivisionError):  # a trainer's own mistake
        await hub.fit(BEGUN, trainer=Bending({(1, "w3"): lambda: 1 / 0}), rounds=1)


# Early stop, config, own strategies


async def test_it_stops_early(hub: fedsock.Hub) -> None:
    await peopled(hub)
    values = iter([3.0, 2.0, 2.5, 2.4, 1.0])
    result = await hub.fit(
        BEGUN,
        trainer=LeastSquares(),
        evaluate=lambda params: {"score": next(values)},
        stop=EarlyStop(metric="score", patience=2),
        rounds=9,
    )
    assert [one.metrics["score"] for one in result.rounds] == [3.0, 2.0, 2.5, 2.4]


async def test_config_reaches_the_workers(hub: fedsock.Hub) -> None:
    await peopled(hub)
    seen: list[Any] = []

    class Noting(LeastSquares):
        def start(self, worker: Any, params: Any, job: Any) -> Any:
            seen.append((job.round, worker.name, dict(job.config), job.seed))
            return super().start(worker, params, job)

    await hub.fit(BEGUN, trainer=Noting(), workers=["w0", "w1"], rounds=2, config=lambda r, w: {"at": f"{r}{w}"})
    assert seen == [(r, w, {"at": f"{r}{w}"}, seed_of(0, r, w)) for r in (1, 2) for w in ("w0", "w1")]
    seen.clear()
    await hub.fit(BEGUN, trainer=Noting(), workers=["w0"], rounds=1, config={"a": 1})
    assert seen[0][2] == {"a": 1}


class Own(Strategy):
    def __init__(self, chosen: list[str], gives: Any = None) -> None:
        self.chosen, self.gives, self.saw = chosen, gives, 0

    def select(self, workers: Any, round: int) -> Any:
        return self.chosen

    def aggregate(self, updates: Any) -> Any:
        return updates[0].params if self.gives is None else self.gives


async def test_a_strategy_of_ones_own(hub: fedsock.Hub) -> None:
    await peopled(hub)
    result = await hub.fit(BEGUN, trainer=LeastSquares(), strategy=Own(["w3", "w1"]), rounds=1)
    mine = PARTITIONS["iid"][1]
    np.testing.assert_allclose(result.params["w"], 0.1 * (X[mine].T @ Y[mine] / len(mine)))


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Own(["w9"]), "w9"),
        (Own(["w1", "w1"]), "each once"),
        (Own(["w1"], {"w": np.zeros(4)}), r"shape \(4,\)"),
        (Own(["w1"], {"w": np.zeros(3, int)}), "int64"),
        (Own(["w1"], [np.zeros(3)]), "another form"),
        (Own(["w1"], {"w": np.full(3, np.inf)}), "NaN or infinities"),
    ],
)
async def test_a_strategy_that_errs(hub: fedsock.Hub, strategy: Strategy, said: str) -> None:
    await peopled(hub)
    with pytest.raises(ConfigError, match=f"Own.*{said}"):
        await hub.fit(BEGUN, trainer=LeastSquares(), strategy=strategy, rounds=1)


async def test_it_is_gone_through_once(hub: fedsock.Hub) -> None:
    await peopled(hub)
    fit = hub.fit(BEGUN, trainer=LeastSquares(), rounds=3)
    first = asyncio.ensure_future(anext(fit))
    await asyncio.sleep(0)
    with pytest.raises(FitError, match="is being played already"):
        await anext(fit)
    assert (await first).number == 1 and len((await fit).rounds) == 3, "the others' mistake doesn't end it"


# Checkpoints


@pytest.mark.parametrize("strategy", [FedAvg(fraction=0.6), FedAdam(), FedMedian()], ids=lambda one: type(one).__name__)
async def test_a_resumed_fit_is_the_unbroken_one(hub: fedsock.Hub, strategy: Strategy, tmp_path: Path) -> None:
    await peopled(hub)

    def fit(rounds: int, **options: Any) -> Any:
        local = LocalSGD(epochs=2, batch_size=5)
        options = {"trainer": LeastSquares(), "strategy": strategy, "local": local, "seed": 5, **options}
        return hub.fit(BEGUN, rounds=rounds, evaluate=lambda p: {"w0": p["w"][0]}, **options)

    unbroken = await fit(6)
    path = tmp_path / "fit.npz"
    broken = fit(6, checkpoint=path, resume=True, trainer=Bending({(4, f"w{k}"): FAILS for k in range(5)}), retries=0)
    with pytest.raises(NotEnoughWorkers):
        await broken
    resumed = await fit(6, checkpoint=path, resume=True)
    assert resumed.params["w"].tobytes() == unbroken.params["w"].tobytes()
    told = [[(one.number, one.loss, one.metrics, sorted(one.workers)) for one in r.rounds] for r in (resumed, unbroken)]
    assert told[0] == told[1]
    assert [one async for one in fit(6, checkpoint=path, resume=True)] == []
    with pytest.raises(ConfigError, match="there already"):
        await fit(6, checkpoint=path)
    with pytest.raises(ConfigError, match="another fit: its seed is 5, this fit's is 6"):
        await fit(6, checkpoint=path, resume=True, seed=6)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointCorrupt, match=r"fit\.npz"):
        await fit(6, checkpoint=path, resume=True)


async def test_what_is_fetched_and_refused_ends_nothing(hub: fedsock.Hub) -> None:
    class Sent(Trainer):
        def start(self, worker: Any, params: Any, job: Any) -> Any:
            value = np.full(3, np.nan if worker.name == "w1" else 2.0)
            return PointerReply(worker.send(({"w": value}, 1, {})))

    await peopled(hub)
    result = await hub.fit(BEGUN, trainer=Sent(), rounds=2)
    assert result.params["w"].tolist() == [2, 2, 2]
    assert [[gone.name for gone in one.dropped] for one in result.rounds] == [["w1"], ["w1"]]
