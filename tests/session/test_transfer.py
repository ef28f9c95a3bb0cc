from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages


async def test_copy_and_move_between_workers(house: Any) -> None:
    p = house.bob.send(np.arange(3.0), tags=["#x"])
    q = p.copy(house.alice) + 1
    np.testing.assert_array_equal(await q, [1, 2, 3])
    assert q.location is house.alice
    number = p.id_at_location
    moved = p.move("alice")
    assert moved.tags == ("#x",)
    with pytest.raises(errors.PointerReleased, match="moved"):
        p + 1
    np.testing.assert_array_equal(await moved, [0, 1, 2])
    del q
    await house.until_held()
    assert number not in house.bobs.store
    same = moved.move(house.alice)
    np.testing.assert_array_equal(await same, [0, 1, 2])
    assert not house.bobs.named(messages.Get)


async def test_refused_transfer_fails_at_the_receiver(house: Any) -> None:
    q = house.bob.datasets["secret"].copy(house.alice)
    after = q + 1
    with pytest.raises(errors.ExportDenied) as first:
        await q
    with pytest.raises(errors.ExportDenied) as second:
        await after
    assert second.value.__cause__ is first.value
    assert first.value.worker == "bob"
    with pytest.raises(errors.ExportDenied):
        await house.bob.datasets["secret"]


async def test_a_holder_lost_under_way_fails_the_transfer(house: Any, ends: Any) -> None:
    p = await house.bob.send(np.arange(3.0)).wait()
    arrived = await p.copy(house.alice).wait()
    house.bobs.mute = True
    under_way = p.copy(house.alice)
    moving = house.bob.send(1.0).move("alice")
    await asyncio.sleep(0.01)
    house.peer.present.clear()
    house.session.ended(house.bobs.address, ends("lost"))
    for lost in (under_way, under_way + 1, moving):
        with pytest.raises(errors.WorkerLost):
            await lost
    np.testing.assert_array_equal(await arrived, [0, 1, 2])
    assert len(house.alices.named(messages.Fail)) == 2
