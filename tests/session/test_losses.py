from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("lost", errors.WorkerLost),
        ("bye", errors.WorkerLost),
        ("reset", errors.WorkerLost),
        ("hub_lost", errors.HubLost),
        ("closed", errors.Closed),
    ],
)
async def test_the_end_of_a_link_ends_every_future(house: Any, ends: Any, reason: str, error: type) -> None:
    house.bobs.mute = True
    p = house.bob.send(np.ones(10_000))
    futures = [
        asyncio.create_task(one)
        for one in (
            p.get(),
            p.wait(),
            (p + 1).get(),
            house.bob.ping(),
            house.bob.stats(),
            p.copy("alice").get(),
        )
    ]
    await asyncio.sleep(0.01)
    house.peer.present.clear()
    house.session.ended(house.bobs.address, ends(reason, "bad_message"))
    for result in await asyncio.gather(*futures, return_exceptions=True):
        assert isinstance(result, error)
    assert house.session.copies.nbytes == 0
    assert "bob" not in house.session.workers
    if error is errors.Closed:
        return
    with pytest.raises(error):
        await house.bob.send(1)
    with pytest.raises(error):
        await house.bob.ping()


async def test_a_new_epoch(house: Any) -> None:
    p = house.bob.send(1.0)
    await p
    house.bobs.mute = True
    sent = p + 1
    await house.written()
    house.bobs.link.held = True
    queued = p + 2
    waiting = asyncio.create_task(queued.get())
    await asyncio.sleep(0)
    old = house.bob.datasets["data"]
    house.peer.add("bob", "bbbb", data=np.arange(2.0))
    with pytest.raises(errors.WorkerLost) as maybe:
        await sent
    assert maybe.value.ran == "maybe"
    with pytest.raises(errors.WorkerLost) as no:
        await waiting
    assert no.value.ran == "no"
    for lost in (p, p + 1, old.sum()):
        with pytest.raises(errors.WorkerLost):
            await lost
    bob = await house.session.worker("bob")
    assert bob is house.bob
    assert bob.datasets["data"].shape == (2,)
    assert await (bob.datasets["data"] + 1).sum() == 3
    with pytest.raises(errors.PointersApart, match="two lives"):
        bob.send(1) + p
