from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol import messages
from fedsock.session.records import ranges


@given(st.sets(st.integers(1, 60)))
def test_ranges_name_each_id_once(ids: set[int]) -> None:
    found = []
    for entry in ranges(ids):
        found += [entry] if isinstance(entry, int) else list(range(entry[0], entry[1] + 1))
        assert isinstance(entry, int) or entry[1] - entry[0] >= 2
    assert found == sorted(ids)


async def test_dropped_pointers_are_freed_behind_their_uses(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    y = (p + 1) * 2
    del p
    np.testing.assert_array_equal(await y, [4, 4, 4])
    assert set(house.bobs.store) == {"data", "secret", y.id_at_location}
    del y
    await house.until_held()
    assert len(house.bobs.named(messages.Release)) == 2


async def test_unused_results_are_withdrawn(house: Any) -> None:
    p = house.bob.send(1.0)
    for _ in range(100):
        _ = p + 1
    last = p * 2
    del _
    assert await last == 2.0
    assert [one.fn for one in house.bobs.named(messages.Op)] == ["multiply"]
    house.bob.send(5)
    await asyncio.sleep(0.01)
    assert len(house.bobs.named(messages.Put)) == 1


async def test_a_loop_of_many_leaves_nothing(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    for n in range(5_000):
        q = p + n
        if n % 500 == 0:
            await asyncio.sleep(0)
    del q
    await house.until_held(p)
    assert len(house.bob.station.table) == 1


async def test_dropped_on_another_thread(house: Any) -> None:
    box = [await house.bob.send(1.0).wait()]
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    await house.until_held()


async def test_cycles_are_collected(house: Any) -> None:
    p = await house.bob.send(1.0).wait()
    box: list[Any] = [p]
    box.append(box)
    del p, box
    gc.collect()
    await house.until_held()


async def test_dropped_after_the_loop_is_gone(house: Any) -> None:
    p = await house.bob.send(1.0).wait()
    station = house.bob.station

    class Gone:
        def call_soon(self, *_: Any) -> None:
            raise RuntimeError("Event loop is closed")

    station.loop, kept = Gone(), station.loop
    del p
    station.loop = kept
    assert len(station.dead) == 1


@pytest.mark.parametrize("value", [np.arange(3.0), {"a": 1}])
async def test_assignments_in_a_chain_are_freed(house: Any, value: Any) -> None:
    p = house.bob.send(np.arange(3.0))
    for _ in range(500):
        p += 1
    assert await p[0] == 500
    await house.until_held(p)
    assert sum(bool(one.last) for one in house.bobs.named(messages.Op)) == 500
