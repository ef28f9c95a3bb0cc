"""A fresh script: its first result, from a virtual worker."""

from __future__ import annotations

import numpy as np

import fedsock
from tests.benchmarks.loops import run


async def main() -> None:
    """Compute three numbers' sum."""
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        x = bob.send(np.array([1.0, 2.0, 3.0]))
        print(await ((x + 1) * 2).sum(), flush=True)


if __name__ == "__main__":
    run(main())
