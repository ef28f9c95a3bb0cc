from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages


async def test_an_abandoned_value_is_stopped(house: Any) -> None:
    house.session.chunk, real = lambda *_: None, house.session.chunk
    p = house.bob.send(np.ones(10_000))
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.02)
    await house.written()
    assert [one.stream for one in house.bobs.named(messages.Stop)] == [1]
    real(house.bobs.address, 1, 0, memoryview(b"late"))
    house.bobs.link.held = True
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.01)
    house.bobs.link.held = False
    house.peer.pump()
    await asyncio.sleep(0.01)
    assert [one.stream for one in house.bobs.named(messages.Stop)] == [1, 2]


async def test_a_value_half_here_is_lost_too(house: Any, ends: Any) -> None:
    house.session.chunk = lambda *_: None
    p = house.bob.send(np.ones(10_000))
    waiting = asyncio.create_task(p.get())
    await asyncio.sleep(0.01)
    house.session.ended(house.bobs.address, ends("lost"))
    with pytest.raises(errors.WorkerLost):
        await waiting


async def test_cancelling_a_waiter_leaves_the_others(house: Any) -> None:
    house.bobs.link.held = True
    p = house.bob.send(2.0) * 2
    first, second = asyncio.create_task(p.get()), asyncio.create_task(p.get())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.01)
    house.bobs.link.held = False
    house.peer.pump()
    assert await second == 4.0
    assert first.cancelled()
    assert not house.bobs.named(messages.Cancel)


async def test_fetch_limit(house: Any) -> None:
    house.session.max_fetch_bytes = 100
    p = house.bob.send(np.zeros(1000))
    with pytest.raises(errors.TooLargeToFetch):
        await p
    assert await p.sum() == 0
