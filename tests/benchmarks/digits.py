"""D, digits learned by federated averaging: how many are read rightly, and how it compares with a loop in numpy."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator

from fedsock.federated import partition
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import Effort
from tests.federated.digits import WAYS, accuracy, begun, difference, digits, fitted, plain

ROUNDS, SEEDS, APART = 50, 3, 1e-9
LEAST = {"IID": 96.5, "Dirichlet 0.5": 95.5, "Dirichlet 0.1": 91.0, "2 shards": 90.0}
"""How the rows come to ten workers -> percent read rightly, the mean over seeds, after all rounds."""


async def federated_digits(effort: Effort) -> AsyncIterator[Figure]:
    """Ten workers, a network 64-32-10, five local epochs in batches of ten."""
    count, seeds = effort.count(ROUNDS), effort.count(SEEDS)
    for way, split in WAYS.items():
        read, apart, ours, bare = [], [], [], []
        for seed in range(seeds):
            train, test = digits(seed)
            parts = partition.parts(train, split(train["y"], seed))
            start = time.perf_counter()
            result = await fitted(parts, begun(seed), count, seed)
            middle = time.perf_counter()
            loop = plain(parts, begun(seed), count, seed)
            ours.append((middle - start) / count)
            bare.append((time.perf_counter() - middle) / count)
            read.append(100 * accuracy(result.params, test))
            apart.append(difference(result.params, loop))
        yield Figure(f"D digits, {way}, mean of {seeds}", "%", (statistics.mean(read),), goal=Goal(LEAST[way]))
        most = Goal(APART, most=True, worst=True)
        yield Figure(f"D digits, {way}, parameters beside numpy's", "", tuple(apart), goal=most)
        yield Figure(f"D digits, {way}, a round beside numpy's", "s", tuple(ours), tuple(bare))
