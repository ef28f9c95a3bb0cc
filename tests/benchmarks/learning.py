"""L, what plans cost beside the code they were recorded from and beside single ops, and rounds without training."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

import fedsock
from fedsock.federated import FedAvg
from fedsock.federated.aggregate import Update
from fedsock.federated.trainers import Job, Reply, Trainer
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.processes import child
from tests.benchmarks.rounds import Effort, rounds

OPS = 100
WORKERS = 10
FLOATS = 7_850
OF_DIRECT, OF_SINGLY, ROUND_MS = 3.0, 0.2, 25.0


def hundred(x: Any) -> Any:
    """Do a hundred small ops."""
    for _ in range(OPS // 2):
        x = x * 0.5 + 1.0
    return x


async def plans(effort: Effort) -> AsyncIterator[Figure]:
    """A plan of a hundred small ops: here beside numpy itself, at a worker beside the same ops one by one."""
    times, x = effort.count(20, 2), np.arange(10.0)
    program = fedsock.plan(hundred)
    program(x)

    async def here(function: Any) -> float:
        begun = time.perf_counter()
        for _ in range(times):
            function(x)
        return 1e6 * (time.perf_counter() - begun) / times

    yield Figure(
        "L plan of 100 small ops, here",
        "us",
        *await rounds(effort, lambda: here(program), lambda: here(hundred)),
        goal=Goal(OF_DIRECT, most=True),
        note="beside numpy itself",
    )
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        there = await bob.send(x).wait()
        await bob.run(program, there)

        async def trips(give: Any) -> float:
            begun = time.perf_counter()
            for _ in range(times):
                await give()
            return 1e6 * (time.perf_counter() - begun) / times

        once, singly = await rounds(
            effort, lambda: trips(lambda: bob.run(program, there)), lambda: trips(lambda: hundred(there))
        )
    goal = Goal(OF_SINGLY, most=True)
    yield Figure("L plan of 100 small ops, at a worker", "us", once, singly, goal, note="beside its ops sent singly")


class Echo(Trainer):
    """Trains nothing: the parameters go there and come back."""

    def start(self, worker: Any, params: Any, job: Job) -> Reply:
        """Have the parameters copied there."""
        return Echoed(params["w"] * 1.0)


class Echoed(Reply):
    """The copy."""

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer

    async def ready(self) -> None:
        """Wait until it is there."""
        await self._pointer.wait()

    async def fetch(self, worker: str) -> Update:
        """Bring it home."""
        return Update(worker, {"w": await self._pointer.get(release=True)}, 1, None, {})

    def cancel(self) -> None:
        """Take it back."""
        self._pointer.cancel()


async def empty_rounds(effort: Effort) -> AsyncIterator[Figure]:
    """Rounds over websocket workers, in which nobody trains."""
    count, workers = effort.count(20, 2), effort.count(WORKERS, 2)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(fedsock.Hub(port=0))
        for number in range(workers):
            await stack.enter_async_context(child("fedsock.worker", "--name", f"w{number}", "--hub", hub.url))
        await hub.wait_for_workers(workers, timeout=60)

        async def played() -> float:
            begun = time.perf_counter()
            await hub.fit({"w": np.zeros(FLOATS)}, trainer=Echo(), strategy=FedAvg(), rounds=count)
            return 1e3 * (time.perf_counter() - begun) / count

        [took] = await rounds(effort, played)
    yield Figure("L round without training, 10 workers", "ms", took, goal=Goal(ROUND_MS, most=True))
