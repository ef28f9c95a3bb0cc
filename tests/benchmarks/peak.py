"""A session's own process: ``python -m tests.benchmarks.peak HUB WORKERS FLOATS`` plays rounds and prints its peak."""

from __future__ import annotations

import os
import sys
from contextlib import AsyncExitStack

import numpy as np

import fedsock
from fedsock.federated import FedAvg
from tests.benchmarks.learning import Echo
from tests.benchmarks.loops import run
from tests.benchmarks.processes import child, memory

ROUNDS = 3
JOIN_SECONDS = 60


async def main(where: str, workers: int, floats: int) -> None:
    """Have workers in another process, play, and print the most bytes that this one ever held."""
    async with AsyncExitStack() as stack:
        hub: fedsock.api.Connection
        if where == "embedded":
            hub = await stack.enter_async_context(fedsock.Hub(port=0))
        else:
            alone = await stack.enter_async_context(child("fedsock.hub", "--port", "0"))
            hub = await stack.enter_async_context(fedsock.connect(alone.line.split()[-1]))
        await stack.enter_async_context(child("tests.benchmarks.idlers", hub.url, "w", str(workers)))
        await hub.wait_for_workers(workers, timeout=JOIN_SECONDS)
        params = {"w": np.ones(floats, np.float32)}
        found = await hub.fit(params, trainer=Echo(), strategy=FedAvg(), rounds=ROUNDS)
        assert all(len(one.workers) == workers for one in found.rounds)
        print(memory(os.getpid(), "VmHWM"), flush=True)


if __name__ == "__main__":
    run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
