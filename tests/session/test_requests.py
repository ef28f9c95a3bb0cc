from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages
from fedsock.session.requests import Hold


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


async def test_a_fetch_that_nobody_awaits_gives_its_hold_back(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    both = house.session.send(1.0, house.bob, house.alice)
    record, mine = p._record, both._records["bob"]
    first, second, third = p.get(), p.get(), both.get()
    assert (record.holds, mine.holds) == (2, 2)
    assert (await second).tolist() == [1, 1, 1]
    assert record.holds == 1
    for unused in (first, third):
        unused.close()
    del first, third, unused
    assert (record.holds, mine.holds) == (0, 1)  # a MultiPointer holds its values
    p += 1
    assert house.bobs.link.queue[-1][1].endswith(b'"last":[1]}')


async def test_a_hold_dropped_in_another_thread_is_given_back_in_its_own(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    held = [Hold(p._record)]
    await asyncio.to_thread(held.clear)
    await asyncio.sleep(0)
    assert p._record.holds == 0


async def test_a_fetch_in_another_thread_is_refused_when_it_is_called(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    both = house.session.send(1.0, house.bob, house.alice)
    for use in (p.get, both.get, p.recover):
        with pytest.raises(errors.WrongLoop, match="another thread"):
            await asyncio.to_thread(use)
    assert p._record.holds == 0
    assert [record.holds for record in both._records.values()] == [1, 1]


async def test_listings_come_in_pages(house: Any) -> None:
    asked: list[messages.Ask] = []
    pages = {None: ([1, 2], 2), 2: ([], 7), 7: ([9], None)}

    def on_ask(message: messages.Ask) -> None:
        asked.append(message)
        ids, following = pages[message.after]
        house.bobs.say(messages.Answer(message.id, [messages.Described(id, kind="int") for id in ids], next=following))

    house.bobs.on_ask = on_ask
    assert [one.id for one in await house.bob.objects()] == [1, 2, 9]
    assert [one.after for one in asked] == [None, 2, 7]
    asked.clear()
    await house.bob.search("#a")
    assert [(one.tags, one.after) for one in asked] == [(["#a"], None), (["#a"], 2), (["#a"], 7)]
