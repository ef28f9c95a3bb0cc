"""P, what it costs to keep track of private rows: chains of ops on them, and releases with noise."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

import fedsock
from fedsock.policy.budget import Budget
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import Effort, rounds

CHAIN = 1_000
ROWS = 100_000
RELEASES = 20
NO_PRIVATE_INPUT, PRIVATE_CHAIN = 0.8, 0.5
RELEASE_MS = 5.0


async def private_rows(effort: Effort) -> AsyncIterator[Figure]:
    """Chains beside the same on open values of a worker without a policy."""
    length = effort.count(CHAIN)
    x = np.arange(10.0)

    async def chain(start: Any) -> float:
        begun = time.process_time()
        y = start
        for _ in range(length):
            y = y + 1.0
        await y.wait()
        return length / (time.process_time() - begun)

    async with fedsock.Hub(port=0) as hub:
        plain = await hub.virtual_worker("plain")
        owner = await hub.virtual_worker("owner", {"x": x}, policy="aggregate")
        nowhere, beside = await plain.send(x).wait(), await owner.send(x).wait()
        bare, apart, private = await rounds(
            effort, lambda: chain(nowhere), lambda: chain(beside), lambda: chain(owner.datasets["x"])
        )
    yield Figure("P chained ops, no input is private", "/s", apart, bare, Goal(NO_PRIVATE_INPUT))
    yield Figure("P chained ops on private rows", "/s", private, bare, Goal(PRIVATE_CHAIN))


async def noisy_releases(effort: Effort) -> AsyncIterator[Figure]:
    """A mean of many rows with noise, and the write to the disk that pays for it, apart."""
    rows, releases = effort.count(ROWS, 1000), effort.count(RELEASES, 2)
    data = {"x": np.random.default_rng(1).uniform(0, 16, rows)}
    async with fedsock.Hub(port=0) as hub:
        owner = await hub.virtual_worker("owner", data, policy={"export": "dp", "epsilon": 1e6})
        x = owner.datasets["x"]
        await x.dp_release("mean", epsilon=0.01, bounds=(0, 16))

        async def release() -> float:
            begun = time.perf_counter()
            for _ in range(releases):
                await x.dp_release("mean", epsilon=0.01, bounds=(0, 16))
            return 1e3 * (time.perf_counter() - begun) / releases

        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(State(Path(folder)), {"x": Budget(epsilon=Decimal(10**6))})

            async def charge() -> float:
                begun = time.perf_counter()
                for _ in range(releases):
                    ledger.charge("x", "ann", Decimal("0.01"), "mean of x")
                return 1e3 * (time.perf_counter() - begun) / releases

            took, synced = await rounds(effort, release, charge)
            ledger.close()
    yield Figure("P noisy mean of 100,000 rows", "ms", took, goal=Goal(RELEASE_MS, most=True), note="no disk")
    yield Figure("P its charge, written and synced", "ms", synced)
