"""A virtual worker whose owner has a policy, and what a session gets out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

import fedsock
from fedsock.errors import ExportDenied

ROWS = 60
RNG = np.random.default_rng(7)
PEOPLE = {
    "pay": np.round(RNG.uniform(1_000, 9_000, ROWS)),
    "id": np.arange(ROWS),
    "age": RNG.integers(18, 80, ROWS),
    "tests": RNG.normal(size=(ROWS, 3)),
}
"""What the owner keeps to itself."""

VICTIM = 5


@asynccontextmanager
async def owner(policy: Any, data: dict[str, Any] | None = None) -> AsyncIterator[Any]:
    """A worker with a policy, gone afterwards."""
    async with fedsock.Hub(port=0) as hub:
        yield await hub.virtual_worker("bob", PEOPLE if data is None else data, policy=policy)


async def stays(value: Any) -> bool:
    """Whether a value is refused."""
    try:
        await value
    except ExportDenied:
        return True
    return False
