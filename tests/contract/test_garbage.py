"""What nobody holds any more is freed at its worker: soon, all of it, whoever dropped it and however often."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import numpy as np
import orjson
import pytest

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import held
from tests.contract.wiretap import Wiretap

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_loop_of_200_000_pointers_ends_with_none(bob: WorkerHandle) -> None:
    before, ran = await held(bob), (await bob.stats()).ops_run
    asyncio.get_running_loop().set_debug(False)  # which would take most of the time
    x = bob.send(np.ones(2))
    for number in range(100_000):
        y = x + number
        z = y * 2
        if number % 1000 == 0:
            await asyncio.sleep(0)
        if number % 20_000 == 0:
            assert (await z).tolist() == [2 * number + 2] * 2
            assert (await bob.stats()).objects < 20_000  # they go while the loop goes on
    del x, y, z
    asyncio.get_running_loop().set_debug(True)
    stats = await bob.stats()
    assert stats.objects == before
    assert stats.ops_run > ran
    assert not bob.station.dead


async def test_it_is_freed_within_a_fifth_of_a_second_though_nothing_else_is_said(
    house: object, bob: WorkerHandle, wire: Wiretap
) -> None:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    for _ in range(20):  # the machine may be busy with others: once in time is proof
        p = await bob.send(np.ones(3)).wait()
        number, released = p.id_at_location, loop.create_future()

        def heard(body: bytes, number: object = number, released: asyncio.Future[float] = released) -> None:
            if b'"release"' in body and not released.done() and _frees(body, number):
                released.set_result(loop.time())

        wire.listener = heard
        start = loop.time()
        del p
        took.append(await asyncio.wait_for(released, 20) - start)
        if took[-1] < 0.2:
            break
    assert min(took) < 0.2
    assert min(took) > 0.01  # in batches: it waited for others


def _frees(body: bytes, number: object) -> bool:
    ids = [one for message in orjson.loads(body) if message["t"] == "release" for one in message["ids"]]
    return any(one == number or (isinstance(one, list) and one[0] <= number <= one[1]) for one in ids)


async def test_many_drops_are_one_message(house: object, bob: WorkerHandle, wire: Wiretap) -> None:
    kept = [bob.send(float(n)) for n in range(1000)]
    await asyncio.gather(*(p.wait() for p in kept))
    del kept
    gc.collect()
    wire.frames.clear()
    await bob.ping()
    releases = [one for _, body in wire.to("bob") for one in orjson.loads(body) if one["t"] == "release"]
    assert sum(len(one["ids"]) for one in releases) <= 3  # a thousand ids in a row are said as one range


async def test_an_op_whose_result_nobody_wants_is_not_even_sent(
    house: object, bob: WorkerHandle, wire: Wiretap
) -> None:
    x = await bob.send(np.ones(3)).wait()
    before = (await bob.stats()).ops_run
    for _ in range(1000):
        x + 1
    assert (await bob.stats()).ops_run == before
    y = x + 1
    z = y + 1
    del y  # z needs it
    assert (await z).tolist() == [3, 3, 3]
    assert (await bob.stats()).ops_run == before + 2


async def test_pointers_may_be_dropped_in_other_threads_and_in_cycles(bob: WorkerHandle) -> None:
    before = await held(bob)
    pointers = [bob.send(float(n)) for n in range(500)]
    await asyncio.gather(*(p.wait() for p in pointers))
    thread = threading.Thread(target=pointers.clear)
    thread.start()
    await asyncio.to_thread(thread.join)
    loops: list[object] = [bob.send(1.0) + 1]
    loops.append(loops)
    del loops
    gc.collect()
    assert await held(bob) == before


class Thing:
    pass


async def test_a_failure_that_was_raised_keeps_nothing_alive(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    gone: list[weakref.ref[Any]] = []
    hub.failures.clear()

    async def fails() -> None:
        thing, p = Thing(), bob.send(np.ones(2))[5]
        y = p + 1
        gone.extend((weakref.ref(thing), weakref.ref(p), weakref.ref(y)))
        for use in (p.get, p.wait, y.get, y.wait):
            with pytest.raises(errors.OpIndexError):
                await use()
        with pytest.raises(errors.OpIndexError):
            _ = p.shape

    await fails()
    gc.collect()
    assert len(hub.failures) == 2
    assert [reference() for reference in gone] == [None] * 3


async def test_owner_data_is_never_freed(alice: WorkerHandle, hub: fedsock.Hub) -> None:
    x = alice.datasets["x"]
    x.release()
    del x
    gc.collect()
    assert (await alice.datasets["x"]).tolist() == [0, 1, 2]
    async with fedsock.connect(hub.url) as other:
        assert (await (await other.worker("alice")).datasets["x"]).tolist() == [0, 1, 2]
    assert (await alice.datasets["x"]).tolist() == [0, 1, 2]
