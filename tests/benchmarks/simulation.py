"""S, simulations in one process: a whole script, a hundred workers' start, and rounds over a tenth of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import fedsock
from fedsock.federated import FedAvg, LocalSGD, partition
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import Effort, rounds
from tests.benchmarks.startup import interpreter
from tests.federated.digits import begun, cross_entropy, digits

WORKERS = 100
FRACTION = 0.1
SCRIPT_SECONDS, START_SECONDS, ROUNDS_A_SECOND = 3.0, 2.0, 10.0
SCRIPTS = 5


async def whole_script() -> float:
    """Return the seconds that a script of ten rounds takes, from its process's start until its result is there."""
    line, took = await interpreter("-m", "tests.benchmarks.script")
    assert float(line) > 0
    return took


async def simulations(effort: Effort) -> AsyncIterator[Figure]:
    """All three."""
    scripts = Effort(SCRIPTS, SCRIPTS, 0.0) if effort.share == 1 else effort
    [whole] = await rounds(scripts, whole_script)
    yield Figure("S script, 10 rounds, 10 virtual workers", "s", whole, goal=Goal(SCRIPT_SECONDS, most=True))
    workers, count = effort.count(WORKERS, 10), effort.count(20, 2)
    (train, _), params, loss = digits(0), begun(0), fedsock.plan(cross_entropy)
    loss.trace(params, train["x"], train["y"])
    parts = partition.parts(train, partition.iid(len(train["y"]), workers, seed=0))
    policy = {"train": {"plans": [loss.digest], "min_rows": 1}}

    async def started() -> float:
        async with fedsock.Hub(port=0) as hub:
            begun = time.perf_counter()
            await hub.virtual_workers(workers, data=parts, policy=policy)
            return time.perf_counter() - begun

    [starts] = await rounds(Effort(effort.least, effort.most, effort.seconds / 3, effort.share), started)
    yield Figure("S 100 virtual workers start", "s", starts, goal=Goal(START_SECONDS, most=True))
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(workers, data=parts, policy=policy)
        local = LocalSGD(epochs=1, batch_size=None, learning_rate=0.1)

        async def played() -> float:
            begun = time.perf_counter()
            found = await hub.fit(
                params, loss, data=("x", "y"), strategy=FedAvg(fraction=FRACTION), local=local, rounds=count
            )
            took = time.perf_counter() - begun
            assert all(len(one.workers) == round(FRACTION * workers) for one in found.rounds)
            return count / took

        [rates] = await rounds(effort, played)
    yield Figure("S rounds, 10 of 100 virtual workers, digits", "/s", rates, goal=Goal(ROUNDS_A_SECOND))
