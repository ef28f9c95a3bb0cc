from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.session import Session


async def test_worker_waits_until_it_joined(house: Any) -> None:
    waiting = asyncio.create_task(house.session.worker("carol"))
    await asyncio.sleep(0)
    house.peer.add("carol", data=np.ones(2))
    carol = await waiting
    assert list(carol.datasets) == ["data"]
    assert await house.session.wait_for_workers(3) == list(house.session.workers.values())
    assert sorted(house.session.workers) == ["alice", "bob", "carol"]
    with pytest.raises(TypeError):
        house.session.workers["x"] = carol


async def test_timeouts_name_who_is_there(house: Any) -> None:
    with pytest.raises(TimeoutError, match=r"dora has not joined.*alice, bob"):
        await house.session.worker("dora", timeout=0.01)
    with pytest.raises(errors.WorkerTimeout, match="2 of 5"):
        await house.session.wait_for_workers(5, timeout=0.01)
    with pytest.raises(errors.WorkerLost, match="dora"):
        house.session.handle("dora")


async def test_a_worker_away_comes_back(house: Any) -> None:
    p = house.bob.send(1.0)
    house.session.left(house.bobs.address, "gone")
    assert "bob" not in house.session.workers
    house.session.joined(house.bobs.address, "worker", None)
    assert house.session.workers["bob"] is house.bob
    assert await p == 1.0


async def test_a_worker_that_forgot_the_link_is_asked_anew(house: Any, ends: Any) -> None:
    p = await house.bob.send(1.0).wait()
    house.session.ended(house.bobs.address, ends("reset", "swept"))
    with pytest.raises(errors.WorkerLost, match="swept"):
        await p
    assert await (await house.session.worker("bob")).send(2.0) == 2.0
    # One that resets before it offered anything is not asked again and again.
    house.session.ended(house.bobs.address, ends("reset"))
    house.session.ended(house.bobs.address, ends("reset"))
    with pytest.raises(errors.WorkerTimeout):
        await house.session.worker("bob", timeout=0.01)


async def test_search_everywhere(house: Any) -> None:
    mine = house.bob.send(1, tags=["#a", "#b"], description="one")
    found = await house.session.search("#a", "#b")
    assert list(found) == ["bob"]
    assert found["bob"][0] is mine
    own = await house.session.search("#own")
    assert own["bob"][0] is house.bob.datasets["data"]
    assert await house.session.search("#none") == {}


async def test_close(house: Any) -> None:
    p = house.bob.send(1.0)
    y = p + 1
    waiting = asyncio.create_task(house.session.worker("nobody"))
    await asyncio.sleep(0)
    await house.session.close()
    await house.session.close()
    assert house.peer.closed
    assert house.bobs.store[y.id_at_location] == 2.0
    for use in (lambda: p + 1, lambda: house.bob.send(1), lambda: np.modf(p)):
        with pytest.raises(errors.Closed):
            use()
    with pytest.raises(errors.Closed):
        await y
    with pytest.raises(errors.Closed):
        await waiting
    with pytest.raises(errors.Closed):
        await house.bob.ping()


async def test_without_a_peer() -> None:
    session = Session(name="s")
    with pytest.raises(errors.WrongLoop):
        _ = session.loop
    await session.close()
    session.joined("bob@aa", "worker", None)
    assert not session.workers
