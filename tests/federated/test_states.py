"""Optimizers' states that stay at the workers: against central training, over retries, dropouts and lost workers."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError, NotEnoughWorkers, WorkerStateLost
from fedsock.federated import FedAvg, LocalSGD, partition
from fedsock.federated.trainers import LossTrainer, Reply
from tests.chaos.children import Child
from tests.chaos.roads import until
from tests.federated.house import Bent, LeastSquares, problem

X, Y = problem()
BEGUN = {"w": np.zeros(3)}
DATA = ("x", "y")
KEEPS = LocalSGD(learning_rate=0.05, momentum=0.9, keep_state=True)


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2) / 2


loss.trace(BEGUN, X, Y)


def gradient(w: Any, rows: Any = slice(None)) -> Any:
    return X[rows].T @ (X[rows] @ w - Y[rows]) / len(X[rows])


@pytest.fixture
async def hub() -> AsyncIterator[fedsock.Hub]:
    async with fedsock.Hub(port=0) as hub:
        yield hub


def momentum(rounds: int) -> list[Any]:
    """Central SGD with momentum."""
    w, v, found = np.zeros(3), np.zeros(3), []
    for _ in range(rounds):
        v = 0.9 * v + gradient(w)
        w = w - 0.05 * v
        found.append(w)
    return found


def adam(rounds: int) -> list[Any]:
    w, m, s, found = np.zeros(3), np.zeros(3), np.zeros(3), []
    for number in range(1, rounds + 1):
        g = gradient(w)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        w = w - 0.05 * (m / (1 - 0.9**number)) / (np.sqrt(s / (1 - 0.999**number)) + 1e-8)
        found.append(w)
    return found


@pytest.mark.parametrize(
    ("local", "config", "central"),
    [
        (KEEPS, {}, momentum),
        (LocalSGD(learning_rate=0.05, keep_state=True), {"optimizer": "adam"}, adam),
    ],
    ids=["momentum", "adam"],
)
@pytest.mark.parametrize(
    "policy", ["public", {"train": {"plans": [loss.digest], "min_rows": 1}}], ids=["open", "train"]
)
async def test_one_worker_is_central_training(
    hub: fedsock.Hub, local: LocalSGD, config: Any, central: Any, policy: Any
) -> None:
    await hub.virtual_worker("bob", {"x": X, "y": Y}, policy=policy)
    want = central(10)
    played = [r async for r in hub.fit(BEGUN, loss, data=DATA, local=local, config=config, rounds=10)]
    assert len(played) == 10
    for r, w in zip(played, want, strict=True):
        np.testing.assert_allclose(r.params["w"], w, rtol=1e-12, atol=1e-15)
    # Without it each round begins anew: the first is the same, the next ones are not.
    local = LocalSGD(learning_rate=0.05, momentum=local.momentum)
    played = [r async for r in hub.fit(BEGUN, loss, data=DATA, local=local, config=config, rounds=10)]
    np.testing.assert_allclose(played[0].params["w"], want[0], rtol=1e-12)
    assert np.max(np.abs(played[-1].params["w"] - want[-1])) > 1e-3


class Failing(LossTrainer):
    """A loss's trainer of which single updates go wrong, once each: (round, worker name) -> what."""

    def __init__(self, bends: dict[tuple[int, str], Any]) -> None:
        super().__init__(loss, DATA, BEGUN)
        self.bends = bends

    def start(self, worker: Any, params: Any, job: Any) -> Reply:
        reply = super().start(worker, params, job)
        bend = self.bends.pop((job.round, worker.name), None)
        return reply if bend is None else Bent(reply, bend)


NAN = {"params": {"w": np.full(3, np.nan)}}


async def test_a_retried_round_starts_from_the_state_before_it(hub: fedsock.Hub) -> None:
    await hub.virtual_worker("bob", {"x": X, "y": Y}, private=False)
    trainer = Failing({(2, "bob"): NAN, (5, "bob"): NAN})
    result = await hub.fit(BEGUN, trainer=trainer, local=KEEPS, rounds=6)
    assert [len(r.dropped) for r in result.rounds] == [0, 1, 0, 0, 1, 0], "both rounds were tried twice"
    np.testing.assert_allclose(result.params["w"], momentum(6)[-1], rtol=1e-12)


async def test_what_did_not_count_is_as_if_it_had_not_been(hub: fedsock.Hub) -> None:
    rows = partition.iid(60, 2)
    await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, rows), private=False)
    trainer = Failing({(2, "w1"): NAN})
    result = await hub.fit(BEGUN, trainer=trainer, local=KEEPS, rounds=4)
    w, v = np.zeros(3), [np.zeros(3), np.zeros(3)]
    for number in range(1, 5):
        who = [0] if number == 2 else [0, 1]
        for k in who:
            v[k] = 0.9 * v[k] + gradient(w, rows[k])
        w = w - 0.05 * np.mean([v[k] for k in who], axis=0)
    np.testing.assert_allclose(result.params["w"], w, rtol=1e-12)


async def test_who_skipped_rounds_goes_on_from_its_last_state(hub: fedsock.Hub) -> None:
    rows = partition.by_size(60, [1, 2, 3])
    await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, rows), private=False)
    result = await hub.fit(BEGUN, loss, data=DATA, local=KEEPS, strategy=FedAvg(fraction=0.6), rounds=8, seed=4)
    chosen = [sorted(r.workers) for r in result.rounds]
    assert all(len(names) == 2 for names in chosen) and len({tuple(names) for names in chosen}) > 1
    w, v = np.zeros(3), {f"w{k}": np.zeros(3) for k in range(3)}
    for names in chosen:
        sizes = {name: len(rows[int(name[1])]) for name in names}
        for name in names:
            v[name] = 0.9 * v[name] + gradient(w, rows[int(name[1])])
        w = w - 0.05 * sum(v[name] * n for name, n in sizes.items()) / sum(sizes.values())
    np.testing.assert_allclose(result.params["w"], w, rtol=1e-12)


async def test_a_worker_holds_two_states_at_most_and_none_after_the_fit(hub: fedsock.Hub) -> None:
    bob = await hub.virtual_worker("bob", {"x": X, "y": Y}, private=False)

    async def held() -> int:
        gc.collect()
        await bob.ping()
        return len([one for one in await bob.objects() if one.kind == "dict"])

    fit = hub.fit(BEGUN, loss, data=DATA, local=KEEPS, rounds=6)
    async for _ in fit:
        assert 1 <= await held() <= 2
    del fit
    assert await held() == 0


@pytest.mark.timeout(200)
@pytest.mark.parametrize("lost", ["raise", "fresh"])
async def test_a_worker_that_was_killed_between_rounds(tmp_path: Path, lost: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    public = [part for name in DATA for part in ("--public", f"{name}={tmp_path / name}.npy")]
    path = tmp_path / "fit.npz"
    async with fedsock.Hub(port=0) as hub:
        worker = Child("fedsock.worker", "--name", "bob", "--hub", hub.url, *public)
        try:
            await worker.start(wait=False)
            bob = await hub.worker("bob", timeout=60)
            local = LocalSGD(learning_rate=0.05, momentum=0.9, keep_state=True, on_state_lost=lost)
            fit = hub.fit(BEGUN, loss, data=DATA, local=local, rounds=4, checkpoint=path)
            await anext(fit)
            np.testing.assert_allclose((await anext(fit)).params["w"], momentum(2)[-1], rtol=1e-12)
            await worker.kill()
            await until(lambda: "bob" not in hub.workers)
            await worker.start(wait=False)
            assert await hub.worker("bob", timeout=60) is bob
            if lost == "raise":
                told = r"round 3: bob no longer has .* after round 2: .*on_state_lost='fresh'"
                for _ in range(2):  # and it stays so
                    with pytest.raises(WorkerStateLost, match=told):
                        await fit
                # The last checkpoint is good; what it can't give back is said, unless a new state will do.
                more: dict[str, Any] = {"data": DATA, "rounds": 4, "checkpoint": path, "resume": True}
                with pytest.raises(WorkerStateLost, match=told):
                    await hub.fit(BEGUN, loss, local=local, **more)
                local = LocalSGD(learning_rate=0.05, momentum=0.9, keep_state=True, on_state_lost="fresh")
                fit = hub.fit(BEGUN, loss, local=local, **more)
            result = await fit
            assert [r.number for r in result.rounds] == [1, 2, 3, 4] and not any(r.dropped for r in result.rounds)
            w, v = momentum(2)[-1], np.zeros(3)
            for _ in range(2):
                v = 0.9 * v + gradient(w)
                w = w - 0.05 * v
            np.testing.assert_allclose(result.params["w"], w, rtol=1e-12)
        finally:
            await worker.kill()


async def test_what_the_session_freed_is_lost_too(hub: fedsock.Hub) -> None:
    bob = await hub.virtual_worker("bob", {"x": X, "y": Y}, private=False)
    fit = hub.fit(BEGUN, loss, data=DATA, local=KEEPS, rounds=3)
    await anext(fit)
    await bob.clear()
    with pytest.raises(WorkerStateLost, match="round 2: bob no longer"):
        await anext(fit)


async def test_a_fit_that_failed_leaves_what_resumes_with_new_states_only(hub: fedsock.Hub, tmp_path: Path) -> None:
    await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, partition.iid(60, 2)), private=False)
    path = tmp_path / "fit.npz"
    options: dict[str, Any] = {"rounds": 3, "retries": 0, "checkpoint": path, "strategy": FedAvg(min_workers=2)}
    with pytest.raises(NotEnoughWorkers, match="round 2"):
        await hub.fit(BEGUN, trainer=Failing({(2, "w0"): NAN}), local=KEEPS, **options)
    with pytest.raises(WorkerStateLost, match="round 2: w0"):
        await hub.fit(BEGUN, loss, data=DATA, local=KEEPS, resume=True, **options)


async def test_only_a_loss_keeps_states(hub: fedsock.Hub) -> None:
    with pytest.raises(ConfigError, match="keep_state"):
        hub.fit(BEGUN, trainer=LeastSquares(), local=KEEPS, rounds=1)
    with pytest.raises(ConfigError, match="keep_state"):
        hub.fit(BEGUN, task="train", local=KEEPS, rounds=1)
