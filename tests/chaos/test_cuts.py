"""Sockets that break again and again while ops and large arrays are under way lose and repeat nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

import fedsock
from fedsock.session.handle import WorkerHandle
from tests.chaos.children import child, hub_child
from tests.chaos.proxy import Proxy, proxy

ELEMENTS = 2_500_000
"""Of 8 bytes each: 20 MB."""

CUT_EVERY = 3_000_000
"""Bytes: the array is cut several times on each of its two ways."""

OPS = 2000


class Roads:
    """A session and a worker process, each behind a proxy of its own."""

    def __init__(self, bob: WorkerHandle, session: Proxy, worker: Proxy) -> None:
        self.bob, self.session, self.worker = bob, session, worker


@pytest.fixture
async def roads() -> AsyncIterator[Roads]:
    async with (
        hub_child() as hub,
        proxy(hub.port) as session,
        proxy(hub.port) as worker,
        child("fedsock.worker", "--name", "bob", "--hub", worker.url, wait=False),
        fedsock.connect(session.url) as here,
    ):
        yield Roads(await here.worker("bob", timeout=60), session, worker)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("whose", ["session", "worker", "both"])
async def test_an_array_and_ops_under_way(roads: Roads, whose: str) -> None:
    bob = roads.bob
    array = np.random.default_rng(5).normal(size=ELEMENTS)
    before = await bob.stats()
    cut = [roads.session, roads.worker] if whose == "both" else [getattr(roads, whose)]
    for one in cut:
        one.cut_every = CUT_EVERY
    x = bob.send(array)
    y = x * 2
    counted = bob.send(0)
    for _ in range(OPS):
        counted = counted + 1
    back, count = await asyncio.gather(y, counted)
    assert np.array_equal(back, array * 2)
    assert count == OPS
    assert (await bob.stats()).ops_run == before.ops_run + 1 + OPS
    for one in cut:
        assert one.cuts >= 8, "the roads were not cut as often as meant"
        one.cut_every = None
    x.release()
    del y, counted, back
    async with asyncio.timeout(20):
        while (after := await bob.stats()).objects > before.objects or after.bytes > before.bytes:
            pass


@pytest.mark.timeout(300)
async def test_small_ops_behind_each_other(roads: Roads) -> None:
    """Each awaited before the next one is sent, with a cut of one of the roads after every fifth."""
    before = (await roads.bob.stats()).ops_run
    value = roads.bob.send(np.zeros(3))
    for number in range(60):
        value = value + 1
        if number % 5 == 4:
            (roads.session if number % 2 else roads.worker).cut()
        assert (await value)[0] == number + 1
    assert (await roads.bob.stats()).ops_run == before + 60
