"""One try of a round: what is in flight, and what its error tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import OpFailed
from fedsock.federated import FedAvg, Job, LocalSGD, Reply, Trainer, rounds
from fedsock.federated.aggregate import Update
from fedsock.federated.result import Dropped
from fedsock.federated.trainers import TaskTrainer

SIZE = 1 << 15  # of 12 workers more than go together


class Counting(Trainer, Reply):
    """Gives what it was sent; knows how many updates exist at the same time, and in which order they were asked for."""

    def __init__(self) -> None:
        self.alive, self.most, self.order = 0, 0, list[str]()

    def start(self, worker: Any, params: Any, job: Job) -> Reply:
        return self

    async def ready(self) -> None:
        pass

    async def fetch(self, worker: str) -> Update:
        self.order.append(worker)
        self.alive += 1
        self.most = max(self.most, self.alive)
        for _ in range(3 if worker == "w00" else 1):
            await asyncio.sleep(0)
        return Update(worker, [Tracked(self)], 1)

    def cancel(self) -> None:
        pass


class Tracked(np.ndarray):
    """An array that says when it is gone."""

    def __new__(cls, owner: Any) -> Any:
        made = np.zeros(SIZE).view(cls)
        made.owner = owner
        return made

    def __array_finalize__(self, other: Any) -> None:
        self.owner = None

    def __del__(self) -> None:
        if self.owner is not None:
            self.owner.alive -= 1


async def test_two_updates_at_a_time_in_the_order_of_names() -> None:
    trainer = Counting()
    setting = rounds.Setting(
        trainer=trainer, strategy=FedAvg(), local=LocalSGD(), config=None, seed=0, deadline=None, most_rows=10
    )
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(12)
        outcome = await rounds.Attempt(setting, 1, [np.zeros(SIZE)]).run(hub.workers)
    assert trainer.order == sorted(hub_names(12)) and list(outcome.workers) == trainer.order
    assert 1 < trainer.most <= rounds.IN_FLIGHT


async def test_small_updates_are_asked_for_at_once() -> None:
    class Waiting(Counting):
        async def ready(self) -> None:
            raise AssertionError("a trip of its own")

        async def fetch(self, worker: str) -> Update:
            update = await super().fetch(worker)
            if len(self.order) == 12:
                all_asked.set()
            await all_asked.wait()
            return replace(update, params=[np.zeros(4)])

    all_asked = asyncio.Event()
    setting = rounds.Setting(
        trainer=Waiting(), strategy=FedAvg(), local=LocalSGD(), config=None, seed=0, deadline=30, most_rows=10
    )
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(12)
        outcome = await rounds.Attempt(setting, 1, [np.zeros(4)]).run(hub.workers)
    assert list(outcome.workers) == hub_names(12)


async def test_what_is_trained_is_fetched_while_others_train() -> None:
    fetched = asyncio.Event()

    class Slow(Counting):
        def start(self, worker: Any, params: Any, job: Job) -> Reply:
            return Last(self) if worker.name == "w11" else self

        async def fetch(self, worker: str) -> Update:
            if worker == "w10":
                fetched.set()
            return await super().fetch(worker)

    class Last(Reply):
        def __init__(self, trainer: Slow) -> None:
            self._trainer = trainer

        async def ready(self) -> None:
            await asyncio.wait_for(fetched.wait(), 10)

        async def fetch(self, worker: str) -> Update:
            return await self._trainer.fetch(worker)

        def cancel(self) -> None:
            pass

    setting = rounds.Setting(
        trainer=Slow(), strategy=FedAvg(), local=LocalSGD(), config=None, seed=0, deadline=None, most_rows=10
    )
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(12)
        outcome = await rounds.Attempt(setting, 1, [np.zeros(SIZE)]).run(hub.workers)
    assert list(outcome.workers) == hub_names(12) and not outcome.dropped


async def test_nothing_is_fetched_any_more_where_too_few_are_left() -> None:
    class Failing(Counting):
        async def ready(self) -> None:
            raise OpFailed("it can't")

        async def fetch(self, worker: str) -> Update:
            raise AssertionError("in vain")

    class Both(Counting):
        def start(self, worker: Any, params: Any, job: Job) -> Reply:
            return Failing() if worker.name < "w06" else self

    trainer = Both()
    strategy = FedAvg(min_workers=7)
    setting = rounds.Setting(
        trainer=trainer, strategy=strategy, local=LocalSGD(), config=None, seed=0, deadline=None, most_rows=10
    )
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(12)
        outcome = await rounds.Attempt(setting, 1, [np.zeros(SIZE)]).run(hub.workers)
    assert outcome.params is None and not outcome.workers and not trainer.order
    assert [one.name for one in outcome.dropped] == hub_names(12)[:6]


def hub_names(count: int) -> list[str]:
    return [f"w{k:02}" for k in range(count)]


def test_what_the_error_tells() -> None:
    dropped = [Dropped(f"w{k}", "why") for k in range(7)]
    text = str(rounds.too_few(3, 8, ["w0"], dropped))
    assert text.startswith(
        "round 3: the strategy needs updates of 8 workers; able to take part: w0; w0 was dropped (why)"
    )
    assert text.endswith("and 2 more")


async def test_who_is_unable_and_why() -> None:
    async with fedsock.Hub(port=0) as hub:
        assert "no worker is at the hub" in rounds.unable(TaskTrainer("train"), hub.workers, None)[0]
        await hub.virtual_workers(2, tasks={"test": print})
        assert rounds.unable(TaskTrainer("test"), hub.workers, None) == []
        said = rounds.unable(TaskTrainer("train"), hub.workers, {"w0", "eve"})
        assert said == ["eve isn't there", "w0 offers no task 'train' (it has test)", "w1 isn't among workers="]
        text = str(rounds.too_few(1, 2, [], [], said * 2))
        assert text.startswith("round 1: the strategy needs updates of 2 workers; able to take part: nobody; eve isn't")
        assert text.endswith("and 1 more")


class Late(Trainer, Reply):
    """Gives each worker's own numbers, each after so many turns of the loop."""

    def __init__(self, turns: dict[str, int]) -> None:
        self._turns = turns

    def start(self, worker: Any, params: Any, job: Job) -> Reply:
        return self

    async def ready(self) -> None:
        pass

    async def fetch(self, worker: str) -> Update:
        for _ in range(self._turns[worker]):
            await asyncio.sleep(0)
        rng = np.random.default_rng(int(worker[1:]))
        return Update(worker, [rng.normal(size=50) * 10.0 ** rng.integers(-9, 9)], int(rng.integers(1, 999)))

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("together", [0, 1 << 20], ids=["large", "small"])
async def test_whoever_comes_first_the_bits_are_the_same(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "TOGETHER_BYTES", together)
    names, found = hub_names(12), set()
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(12)
        for order in range(30):
            turns = dict(zip(names, np.random.default_rng(order).permutation(12).tolist(), strict=True))
            setting = rounds.Setting(
                trainer=Late(turns),
                strategy=FedAvg(),
                local=LocalSGD(),
                config=None,
                seed=0,
                deadline=30,
                most_rows=999,
            )
            outcome = await rounds.Attempt(setting, 1, [np.zeros(50)]).run(hub.workers)
            assert list(outcome.workers) == names
            found.add(outcome.params[0].tobytes())
    assert len(found) == 1
