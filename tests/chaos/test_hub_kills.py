"""A stand-alone hub that is killed under pipelined ops loses and repeats nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.session.handle import WorkerHandle
from fedsock.session.records import READY
from tests.chaos.children import child, hub_child

OPS = 10_000
KILLS = 4
PART = OPS // KILLS

SLICE = 500
"""Results awaited at a time. Who keeps the loop from its sockets for longer than the grace is given up; on a busy
machine 10,000 tasks made at once did."""


async def results(pointers: list[Any]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(pointers), SLICE):
        found += await asyncio.gather(*pointers[start : start + SLICE])
    return found


def under_way(pointers: list[Any]) -> int:
    return sum(pointer._record.state != READY for pointer in pointers)


@pytest.mark.timeout(300)
async def test_all_results_arrive_and_each_op_ran_once() -> None:
    async with (
        hub_child() as hub,
        child("fedsock.worker", "--name", "bob", "--hub", hub.url, wait=False),
        fedsock.connect(hub.url) as here,
    ):
        # In debug mode each of 10,000 futures has its stack taken down, which is most of this test's time.
        asyncio.get_running_loop().set_debug(False)
        bob: WorkerHandle = await here.worker("bob", timeout=60)
        x = await bob.send(np.arange(3.0)).wait()
        before = (await bob.stats()).ops_run
        pointers: list[Any] = []
        interrupted = []
        starting = None
        for part in range(KILLS):
            # Submitted while the hub that was killed last is not there yet.
            pointers += [x + number for number in range(part * PART, (part + 1) * PART)]
            # Once its first results are here, frames of this part are on every stretch of the road.
            await pointers[part * PART + 10].wait()
            if starting is not None:
                await starting
            await hub.kill()
            interrupted.append(under_way(pointers))
            starting = asyncio.create_task(hub.start())
        found = await results(pointers)
        assert [result[0] for result in found] == list(range(OPS))
        assert (await bob.stats()).ops_run == before + OPS
        assert all(interrupted), f"nothing was under way when the hub was killed: {interrupted}"
