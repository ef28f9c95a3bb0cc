"""M, rounds with a model of a million numbers: beside websockets alone, and what the session holds meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np

import fedsock
from fedsock.federated import FedAvg
from tests.benchmarks.barerounds import bare_rounds
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.learning import Echo
from tests.benchmarks.processes import child
from tests.benchmarks.rounds import Effort, rounds

FLOATS = 1_000_000
WORKERS = 20
MANY = 100
OF_BARE, MODELS = 0.7, 2.0
JOIN_SECONDS = 60
ROUNDS = 2
"""Of one turn; one takes most of a second."""


async def large_rounds(effort: Effort) -> AsyncIterator[Figure]:
    """Rounds over websocket workers, each in a process of its own, and the same beside bare websockets."""
    workers, model = effort.count(WORKERS, 2), np.ones(effort.count(FLOATS), np.float32)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(fedsock.Hub(port=0))
        async with asyncio.TaskGroup() as starting:
            for number in range(workers):
                one = child("fedsock.worker", "--name", f"w{number}", "--hub", hub.url)
                starting.create_task(stack.enter_async_context(one))
        await hub.wait_for_workers(workers, timeout=JOIN_SECONDS)
        bare = await stack.enter_async_context(bare_rounds(workers, model.nbytes))

        async def played() -> float:
            begun = time.perf_counter()
            found = await hub.fit({"w": model}, trainer=Echo(), strategy=FedAvg(), rounds=ROUNDS)
            took = time.perf_counter() - begun
            assert all(len(one.workers) == workers for one in found.rounds)
            assert np.array_equal(found.params["w"], model)
            return ROUNDS / took

        async def beside() -> float:
            begun = time.perf_counter()
            for _ in range(ROUNDS):
                assert np.array_equal(await bare.round(model), model)
            return ROUNDS / (time.perf_counter() - begun)

        ours, theirs = await rounds(effort, played, beside)
    yield Figure("M rounds, 20 workers, 1,000,000 float32", "/s", ours, theirs, Goal(OF_BARE))


async def peaks(effort: Effort) -> AsyncIterator[Figure]:
    """The most that a fresh session's process holds in a few rounds, with few and with many workers."""
    floats = effort.count(FLOATS)
    for hub in ("embedded", "stand-alone") if effort.share == 1 else ("embedded",):
        few = await peak(hub, effort.count(WORKERS, 2), floats)
        many = await peak(hub, effort.count(MANY, 4), floats)
        for count, found in ((WORKERS, few), (MANY, many)):
            yield Figure(f"M session's peak, {count} workers, {hub} hub", "MB", (found / 1e6,))
        grown = (many - few) / (4 * floats)
        goal = Goal(MODELS, most=True)
        yield Figure(f"M peak's growth, {WORKERS} to {MANY} workers, {hub} hub", "models", (grown,), goal=goal)


async def peak(hub: str, workers: int, floats: int) -> float:
    """Return the most bytes that a session's process held."""
    async with child("tests.benchmarks.peak", hub, str(workers), str(floats)) as session:
        return float(session.line)
