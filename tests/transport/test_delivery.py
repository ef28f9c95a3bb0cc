"""What only the receiving end promises; the rest is in test_contract.py."""

from __future__ import annotations

import asyncio

import pytest

from fedsock.transport.base import TransportClosed
from fedsock.transport.delivery import TURN_BYTES, Delivery


async def test_frames_that_were_put_are_taken_in_a_later_turn_and_given_ones_at_once() -> None:
    delivery, taken = Delivery(), []
    delivering = asyncio.create_task(delivery.deliver(taken.append))
    await asyncio.sleep(0)
    delivery.give(b"1")
    assert taken == [b"1"]
    delivery.put(b"2")
    delivery.give(b"3")  # behind the one that waits
    assert taken == [b"1"]
    await asyncio.sleep(0)
    assert taken == [b"1", b"2", b"3"]
    delivering.cancel()


async def test_one_turn_takes_so_much_and_leaves_others_theirs() -> None:
    delivery, taken = Delivery(), []
    half = bytes(TURN_BYTES // 2)
    for _ in range(5):
        delivery.put(half)
    delivering = asyncio.create_task(delivery.deliver(taken.append))
    await asyncio.sleep(0)
    counts = []
    while len(taken) < 5:
        await asyncio.sleep(0)
        counts.append(len(taken))
    assert counts == [2, 4, 5]
    delivering.cancel()


async def test_a_taker_that_raises_ends_the_delivery_and_takes_no_more() -> None:
    delivery, taken = Delivery(), []

    def take(frame: object) -> None:
        taken.append(frame)
        raise ValueError("enough")

    delivering = asyncio.create_task(delivery.deliver(take))
    await asyncio.sleep(0)
    delivery.put(b"1")
    delivery.put(b"2")
    with pytest.raises(ValueError, match="enough"):
        await asyncio.wait_for(delivering, 5)
    assert taken == [b"1"]
    assert await delivery.recv() == b"2"


async def test_the_first_end_counts_and_comes_after_all_frames() -> None:
    delivery, taken = Delivery(), []
    delivery.put(b"1")
    delivery.end(1000, "first")
    delivery.end(1001, "second")
    with pytest.raises(TransportClosed, match="first"):
        await asyncio.wait_for(delivery.deliver(taken.append), 5)
    assert taken == [b"1"]
