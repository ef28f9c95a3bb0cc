"""Scripts that would bring private values home, each through another door; none of them may learn anything."""

from __future__ import annotations

import asyncio

import numpy as np

import fedsock
from fedsock.session.requests import Fetch

SECRET = np.random.default_rng(1).normal(size=1000)


async def test_private_values_do_not_get_into_a_tree_that_is_open() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": SECRET})
        tree = bob.send({"k": np.zeros(1000)})
        part, again = tree["k"], tree["k"]
        part += bob.datasets["x"]
        await part.wait()
        assert not (await tree)["k"].any()
        assert not (await again).any()
        again += 1
        assert not (await tree)["k"].any()


async def test_private_values_do_not_get_into_an_array_that_is_given_up() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": SECRET})
        target = await bob.np.zeros((2000, 1000)).wait()
        given_up, station = target._record, bob.station
        target += bob.datasets["x"]
        # No pointer asks for what it gave up, but a hostile session's frame can, while a thread adds.
        request = Fetch(asyncio.get_running_loop(), 1 << 30)
        station.get(given_up, request)
        value = await request.future
        assert not value.any()


async def test_counters_do_not_tell_whether_an_op_failed() -> None:
    async def counted(secret: int) -> list[int]:
        async with fedsock.Hub(port=0) as hub:
            bob = await hub.virtual_worker("bob", data={"x": np.array([secret])})
            picked = bob.send(np.zeros(5))[bob.datasets["x"]]
            result = picked + 1.0
            await result.wait()
            stats = await bob.stats()
            return [stats.ops_run, stats.objects, stats.bytes]

    assert await counted(3) == await counted(700)


async def test_the_order_of_answers_does_not_tell_whether_an_op_failed() -> None:
    async def order(secret: int) -> list[str]:
        async with fedsock.Hub(port=0) as hub:
            bob = await hub.virtual_worker("bob", data={"x": np.array([secret])})
            zeros, one, large = bob.send(np.zeros(5)), bob.send(1.0), bob.np.ones((20_000,))
            for pointer in (zeros, one, large):
                await pointer.wait()
            came: list[str] = []

            async def watch(name: str, pointer: fedsock.Pointer) -> None:
                await pointer.wait()
                came.append(name)

            slow = np.add.outer(large, zeros[bob.datasets["x"]])
            await asyncio.gather(watch("slow", slow), watch("fast", one + 1))
            return came

    assert await order(3) == await order(700) == ["fast", "slow"]
