"""A whole script: ten virtual workers learn to read digits for ten rounds; ``python -m tests.benchmarks.script``."""

from __future__ import annotations

import numpy as np

import fedsock
from fedsock.federated import FedAvg, LocalSGD, partition
from tests.benchmarks.loops import run
from tests.federated.digits import begun, cross_entropy, digits

WORKERS = 10
ROUNDS = 10


async def main() -> None:
    """Start the workers, fit, and print the training loss."""
    (train, _), params, loss = digits(0), begun(0), fedsock.plan(cross_entropy)
    loss.trace(params, train["x"], train["y"])
    rows = partition.iid(len(train["y"]), WORKERS, seed=0)
    policy = {"train": {"plans": [loss.digest], "min_rows": 1}}
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(data=partition.parts(train, rows), policy=policy)
        local = LocalSGD(epochs=1, batch_size=None, learning_rate=0.1)
        found = await hub.fit(params, loss, data=("x", "y"), strategy=FedAvg(), local=local, rounds=ROUNDS)
    assert all(len(one.workers) == WORKERS for one in found.rounds)
    assert np.isfinite(found.rounds[-1].loss)
    print(f"{found.rounds[-1].loss:.6f}", flush=True)


if __name__ == "__main__":
    run(main())
