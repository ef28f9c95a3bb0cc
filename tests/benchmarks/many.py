"""T4, many virtual workers in one process; T5, many idle workers on one hub."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import numpy as np

import fedsock
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.processes import child, memory
from tests.benchmarks.rounds import Effort, rounds

VIRTUAL = 64
IDLE = 1_000
PROCESSES = 4
REPEATS = 20
"""Of T4 in one round: once takes a few milliseconds only."""


async def virtual_workers(effort: Effort) -> AsyncIterator[Figure]:
    """T4: one op on each worker, and all their values gathered."""
    count = effort.count(VIRTUAL, 4)
    async with fedsock.Hub(port=0) as hub:
        workers = [await hub.virtual_worker(f"w{number}") for number in range(count)]
        values = [await one.send(np.arange(10.0)).wait() for one in workers]

        async def one_each() -> float:
            start = time.perf_counter()
            for _ in range(REPEATS):
                await asyncio.gather(*(value + 1 for value in values))
            return REPEATS * count / (time.perf_counter() - start)

        (rates,) = await rounds(Effort(effort.least, effort.most, effort.seconds / 3, effort.share), one_each)
    yield Figure("T4 64 virtual workers, one op each", "/s", rates, goal=Goal(20_000))


async def idle_workers(effort: Effort) -> AsyncIterator[Figure]:
    """T5: what an idle worker costs the hub, and how long it takes until all have joined, from a few processes."""
    each = effort.count(IDLE // PROCESSES, 5)
    memories, times = [], []
    for _ in range(2 if effort.share == 1 else 1):
        async with child("fedsock.hub", "--port", "0") as hub, contextlib.AsyncExitStack() as stack:
            before, start = memory(hub.pid), time.perf_counter()
            url = hub.line.split()[-1]
            async with asyncio.TaskGroup() as starting:
                for number in range(PROCESSES):
                    idlers = child("tests.benchmarks.idlers", url, f"w{number}-", str(each))
                    starting.create_task(stack.enter_async_context(idlers))
            times.append(time.perf_counter() - start)
            memories.append((memory(hub.pid) - before) / (PROCESSES * each) / 1024)
    yield Figure("T5 hub memory for an idle worker", "KiB", tuple(memories), goal=Goal(40, most=True))
    note = "from the start of their four processes"
    yield Figure("T5 1,000 workers join", "s", tuple(times), goal=Goal(10, most=True), note=note)
