"""What only the memory pair promises; the rest is in test_contract.py."""

from __future__ import annotations

import asyncio

import pytest

from fedsock.transport.base import BROKEN, TransportClosed
from fedsock.transport.memory import memory_pair


async def test_limit_bytes_bounds_what_is_queued() -> None:
    here, there = memory_pair(limit_bytes=10)
    await here.send(b"x" * 9)
    await here.send(b"y" * 9)
    third = asyncio.create_task(here.send(b"z"))
    await asyncio.wait([third], timeout=0.01)
    assert not third.done()
    assert await there.recv() == b"x" * 9
    await third
    assert await there.recv() == b"y" * 9
    assert await there.recv() == b"z"


async def test_a_cancelled_send_sends_nothing() -> None:
    here, there = memory_pair(limit_bytes=1)
    await here.send(b"first")
    waiting = asyncio.create_task(here.send(b"never"))
    await asyncio.wait([waiting], timeout=0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await there.recv() == b"first"
    await here.send(b"second")
    assert await there.recv() == b"second"


async def test_a_waiting_sender_learns_of_the_close() -> None:
    here, there = memory_pair(limit_bytes=1)
    await here.send(b"first")
    waiting = asyncio.create_task(here.send(b"second"))
    await asyncio.wait([waiting], timeout=0.01)
    there.abort()
    with pytest.raises(TransportClosed) as caught:
        await waiting
    assert caught.value.code == BROKEN


async def test_the_same_object_arrives() -> None:
    here, there = memory_pair()
    frame = bytes(1000)
    await here.send(frame)
    assert await there.recv() is frame
