"""A worker that is started anew: what it held is lost at once, the handle works on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.hub.server import PROBE_SECONDS
from fedsock.protocol.liveness import GRACE
from tests.chaos.children import Child, child, hub_child
from tests.chaos.proxy import proxy
from tests.chaos.roads import until

QUICK_SECONDS = GRACE / 2
"""Far less than the grace: what is lost isn't waited for."""


async def lost_quickly(ran: str, *waits: asyncio.Task[object]) -> None:
    async with asyncio.timeout(QUICK_SECONDS):
        for lost in waits:
            with pytest.raises(errors.WorkerLost, match="started anew") as caught:
                await lost
            assert caught.value.ran == ran


@pytest.mark.timeout(200)
async def test_old_pointers_fail_quickly_and_the_handle_works_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(4.0))
    async with fedsock.Hub(port=0) as hub:
        worker = Child("fedsock.worker", "--name", "bob", "--hub", hub.url, "--public", f"x={tmp_path}/x.npy")
        try:
            await worker.start(wait=False)
            bob = await hub.worker("bob", timeout=60)
            data, mine = bob.datasets["x"], await bob.send(np.ones(3)).wait()
            await worker.kill()
            await until(lambda: "bob" not in hub.workers)
            # Asked while nobody is there, so they wait for him, or for news of him.
            waits = [asyncio.create_task((data + 1).get()), asyncio.create_task(mine.sum().get())]
            await worker.start(wait=False)
            again = await hub.worker("bob", timeout=60)
            await lost_quickly("no", *waits)
            assert again is bob
            assert await bob.send(np.ones(3)).sum() == 3.0
            assert await bob.datasets["x"].sum() == 6.0
            for old in (data, mine):
                with pytest.raises(errors.WorkerLost):
                    await old
            assert (await bob.stats()).ops_run == 2, "nothing of before was sent to the new life"
        finally:
            await worker.kill()


@pytest.mark.timeout(200)
async def test_a_machine_that_vanished_gives_its_name_up() -> None:
    """No word of its end reaches the hub, so the new worker has to wait until the old one didn't answer."""
    async with hub_child() as hub, proxy(hub.port) as road, fedsock.connect(hub.url) as here:
        command = ("fedsock.worker", "--name", "bob", "--hub", road.url)
        async with child(*command, wait=False) as first:
            bob = await here.worker("bob", timeout=60)
            x = await bob.send(np.ones(3)).wait()
            road.deaf = True
            await first.kill()
            waiting = asyncio.create_task(x.sum().get())
            road.deaf = False
            started = time.monotonic()
            async with child(*command) as second:
                assert "joined" in second.line
                assert time.monotonic() - started > PROBE_SECONDS, "the hub asked the old one first"
                await lost_quickly("maybe", waiting)
                assert await (await here.worker("bob", timeout=20)).send(np.ones(3)).sum() == 3.0
