from __future__ import annotations

import asyncio

import numpy as np

import fedsock


async def test_large_ops_run_in_threads_while_small_ones_are_answered() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        x = bob.send(np.ones((900, 900)))
        slow = x @ x @ x @ x
        small = asyncio.create_task((bob.send(1.0) + 1).get())
        done, _ = await asyncio.wait({small, asyncio.create_task(slow.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert small in done
        assert (await slow)[0, 0] == 900.0**3


async def test_two_sessions_share_a_worker_and_see_nothing_of_each_other() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        x = await bob.send(np.ones(3), tags=["#mine"]).wait()
        async with fedsock.connect(hub.url) as other:
            theirs = await other.worker("bob")
            assert await theirs.objects() == []
            assert await other.search("#mine") == {"bob": []} or await other.search("#mine") == {}
            assert await theirs.send(2.0) == 2.0
        assert await x.sum() == 3.0
