"""Opening and closing a hub at bad moments: cancelled, twice at once, after its end. Nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

import numpy as np
import pytest

import fedsock
from fedsock import errors


def listens(url: str) -> bool:
    with socket.socket() as tried:
        tried.settimeout(5)
        return tried.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


async def alone(before: set[asyncio.Task[object]]) -> None:
    """Wait until no other tasks are left than there were before."""
    async with asyncio.timeout(5):
        while others := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=0.01)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 12, 16, 20, 30, 50, 100])
async def test_a_cancelled_close_leaves_at_once_and_cleanly(turns: int) -> None:
    before = asyncio.all_tasks()
    hub = await fedsock.Hub(port=0)
    workers = [await hub.virtual_worker(f"w{number}") for number in range(3)]
    url, p = hub.url, workers[0].send(np.zeros(1_000_000))
    waiting = asyncio.create_task((p + 1).get())
    closing = asyncio.create_task(hub.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    loop = asyncio.get_running_loop()
    start = loop.time()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(closing, 5)
    assert loop.time() - start < 1
    if turns:  # a task that never began did nothing
        assert not listens(url)
        with contextlib.suppress(errors.Closed, errors.WorkerLost):
            await asyncio.wait_for(waiting, 5)
        await alone(before)
    await hub.close()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not listens(url)
    await alone(before)


async def test_opened_twice_at_once_it_is_one_hub() -> None:
    before = asyncio.all_tasks()
    hub = fedsock.Hub(port=0)
    one, other = await asyncio.gather(hub._open(), hub._open())
    assert one is other is hub
    url = hub.url
    await hub.close()
    assert not listens(url)
    await alone(before)


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_opening_leaves_nothing_and_may_be_tried_again(turns: int) -> None:
    before = asyncio.all_tasks()
    hub = fedsock.Hub(port=0)
    first, second = asyncio.create_task(hub._open()), asyncio.create_task(hub._open())
    for _ in range(turns):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    async with asyncio.timeout(10):
        assert await second is hub
        assert await hub is hub
        bob = await hub.virtual_worker("bob")
        assert await bob.send(1.0) == 1.0
        await hub.close()
    assert not listens(hub.url)
    await alone(before)


async def test_closed_while_it_opens() -> None:
    before = asyncio.all_tasks()
    for turns in range(12):
        hub = fedsock.Hub(port=0)
        opening = asyncio.create_task(hub._open())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(hub.close(), 10)
        with contextlib.suppress(errors.Closed):
            await asyncio.wait_for(opening, 10)
        assert not hub.url or not listens(hub.url)
    await alone(before)


async def test_a_closed_hub_is_not_opened_again() -> None:
    hub = await fedsock.Hub(port=0)
    remote = await fedsock.connect(hub.url)
    for closed, made_by in ((remote, r"fedsock\.connect"), (hub, r"fedsock\.Hub"), (fedsock.Hub(port=0), "Hub")):
        await closed.close()
        async with asyncio.timeout(1):
            with pytest.raises(errors.Closed, match=made_by):
                await closed
            with pytest.raises(errors.Closed, match=made_by):
                async with closed:
                    pass
            with pytest.raises(errors.Closed, match=made_by):
                _ = closed.workers


async def test_a_cancelled_virtual_worker_is_not_there() -> None:
    async with fedsock.Hub(port=0) as hub:
        await (await hub.virtual_worker("ann")).ping()  # all that serves the hub and its session has begun
        before = asyncio.all_tasks()
        for turns in range(15):
            starting = asyncio.create_task(hub.virtual_worker("bob"))
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
                break
            assert len(hub._virtual) == 1
            await alone(before)


async def test_a_virtual_worker_that_starts_while_its_hub_closes() -> None:
    before = asyncio.all_tasks()
    for turns in range(12):
        hub = await fedsock.Hub(port=0)
        starting = asyncio.create_task(hub.virtual_worker("bob"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(hub.close(), 10)
        with contextlib.suppress(errors.Closed):
            await asyncio.wait_for(starting, 10)
        await alone(before)


async def test_names_of_virtual_workers_are_checked_first() -> None:
    async with fedsock.Hub(port=0) as hub:
        for name in ("Bob!", "s-bob", "", "b" * 64, 7):
            with pytest.raises(errors.ConfigError, match="1 to 63 of a-z"):
                await hub.virtual_worker(name)  # type: ignore[arg-type]
        assert not hub.workers


async def test_its_repr_tells_where_it_is_and_who_is_there() -> None:
    hub = fedsock.Hub(port=0)
    assert "not open" in repr(hub)
    async with hub:
        assert repr(hub) == f"<fedsock.Hub {hub.url}, workers: none>"
        await hub.virtual_worker("bob")
        await hub.virtual_worker("carol")
        assert repr(hub) == f"<fedsock.Hub {hub.url}, workers: bob, carol>"
    assert "closed" in repr(hub)
    remote = fedsock.connect("wss://ann:geheim@hub.example.org:99/x?token=geheim", token="geheim")
    assert repr(remote) == "<fedsock.connect wss://hub.example.org:99/x, not open yet>"
    assert "not open" in repr(fedsock.connect("ws://[::1"))
