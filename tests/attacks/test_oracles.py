"""Failures, shapes and dtypes that tell of private values: seen where the owner published, and not otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ExportDenied, OpFailed
from tests.attacks.house import PEOPLE, owner


async def published() -> Any:
    """A hub and a worker that keeps nothing back: the guard is off."""
    hub = await fedsock.Hub(port=0)
    return hub, await hub.virtual_worker("bob", PEOPLE, private=False)


async def fails(pointer: Any) -> bool:
    try:
        await pointer.wait()
    except OpFailed:
        return True
    return False


def too_small(bob: Any, k: int) -> Any:
    """Fails if and only if somebody's age is k or more."""
    return bob.np.zeros(k)[bob.datasets["age"]]


async def test_the_oldest_age_bisected_by_failures() -> None:
    hub, bob = await published()
    low, high = 0, 128
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if await fails(too_small(bob, middle)) else (low, middle)
    assert low == PEOPLE["age"].max()
    await hub.close()
    for policy in ("deny", "aggregate"):
        async with owner(policy) as bob:
            assert [await fails(too_small(bob, k)) for k in (1, 128)] == [False, False]


@pytest.mark.parametrize(
    "made",
    [
        lambda bob: np.bincount(bob.datasets["age"]),
        lambda bob: np.unique(bob.datasets["age"]),
        lambda bob: bob.datasets["age"][bob.datasets["age"] > 60],
        lambda bob: np.flatnonzero(bob.datasets["age"] > 60),
        lambda bob: np.repeat(bob.datasets["age"], bob.datasets["age"]),
    ],
)
async def test_shapes_that_count(made: Any) -> None:
    hub, bob = await published()
    assert (await made(bob).wait()).size > 0
    await hub.close()
    async with owner("aggregate") as bob:
        pointer = await made(bob).wait()
        with pytest.raises(ExportDenied):
            _ = pointer.shape
        assert all(one.id != pointer.id_at_location for one in await bob.objects())


@pytest.mark.parametrize("policy", ["deny", "aggregate"])
async def test_a_dtype_that_shows_a_nan(policy: str) -> None:
    """numpy gives quantiles of small floats another dtype where there is a NaN."""

    def made(bob: Any) -> Any:
        hidden = np.where(bob.datasets["age"] > 60, np.nan, 0.0).astype("float32")
        return np.percentile(hidden, bob.send(np.array(50, "uint8")))

    hub, bob = await published()
    assert (await made(bob).wait()).dtype == np.float32
    await hub.close()
    async with owner(policy) as bob:
        with pytest.raises(ExportDenied):
            _ = (await made(bob).wait()).dtype
