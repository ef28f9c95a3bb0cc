"""Workers that hold the rows of one array, and the array put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

import fedsock

NAMES = ("carol", "alice", "bob", "dave")
"""Not in order: rows are in the order of names."""


@asynccontextmanager
async def workers(data: Mapping[str, Mapping[str, Any]], policy: Any = "public") -> AsyncIterator[fedsock.Hub]:
    """A hub with virtual workers, name -> its private data, all of one policy, or of their own."""
    async with fedsock.Hub(port=0) as hub:
        for name, arrays in data.items():
            own = policy[name] if isinstance(policy, dict) and policy.keys() == data.keys() else policy
            await hub.virtual_worker(name, data=arrays, policy=own)
        yield hub


def split(array: Any, *sizes: int) -> dict[str, Any]:
    """Return parts of an array with so many rows each, by worker name, such that names' order is theirs."""
    cuts = np.split(array, np.cumsum(sizes)[:-1])
    return dict(zip(sorted(NAMES[: len(sizes)]), cuts, strict=True))


def named(data_set: str, parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return parts as the data of workers."""
    return {name: {data_set: part} for name, part in parts.items()}
