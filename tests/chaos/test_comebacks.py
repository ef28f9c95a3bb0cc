"""Who was away for longer than the grace and comes back is worked with again; nothing of before runs twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.hub.router import Router
from fedsock.protocol import liveness
from fedsock.session.handle import WorkerHandle
from fedsock.worker.engine import Engine
from tests.chaos.roads import SESSION, WORKER, Roads, until

GRACE_SECONDS = 0.2


class House:
    """An embedded hub, bob, and the roads of both."""

    def __init__(self, hub: fedsock.Hub, bob: WorkerHandle, roads: Roads) -> None:
        self.hub, self.bob, self.roads = hub, bob, roads
        self.engine: Engine = next(iter(hub._virtual.values())).service._engine


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(liveness, "GRACE", GRACE_SECONDS)
    hub = fedsock.Hub(port=0)
    roads = Roads(hub)
    async with hub:
        yield House(hub, await hub.virtual_worker("bob", data={"x": np.ones(3)}, private=False), roads)


async def works(hub: fedsock.Hub) -> None:
    """Bob answers, under the name's one handle."""
    bob = await hub.worker("bob")
    assert await bob.send(np.arange(4.0)).sum() == 6.0
    assert await bob.datasets["x"].sum() == 3.0


async def away_too_long(house: House, who: int) -> None:
    """Have one end away until the other gives it up."""
    x = await house.bob.send(np.arange(3.0)).wait()
    house.roads.cut(who)
    if who == SESSION:
        await until(lambda: house.engine.sessions == 0)
    else:
        with pytest.raises(errors.WorkerLost):
            await x.sum()
    house.roads.mend()
    with pytest.raises(errors.WorkerLost):
        await x.sum()


@pytest.mark.parametrize("who", [SESSION, WORKER], ids=["session", "worker"])
async def test_it_works_again_as_often_as_needed(house: House, who: int) -> None:
    for _ in range(3):
        await away_too_long(house, who)
        await works(house.hub)
        assert await house.hub.worker("bob") is house.bob
        assert house.engine.sessions == 1
        assert (await house.bob.stats()).objects <= 1, "what the lost pointers stood for is gone"


async def test_frames_under_way_when_a_session_was_forgotten(house: House) -> None:
    """Each is refused; only the first refusal is about what the session has."""
    x = await house.bob.send(np.arange(3.0)).wait()
    house.roads.cut(SESSION)
    large = house.bob.send(np.zeros(100_000))
    refused = [x + number for number in range(5000)]
    await until(lambda: house.engine.sessions == 0)
    house.roads.mend()
    for pointer in (large, *refused[::1000]):
        with pytest.raises(errors.WorkerLost):
            await pointer
    await works(house.hub)


async def test_the_first_frame_may_be_lost_with_its_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    route = Router.route
    lost: list[bytes] = []

    def losing(router: Any, sender: Any, frame: bytes) -> None:
        """Lose the first frame of a session, and all sockets with it, as a hub does that is killed."""
        if sender.role == "session" and b'"seq":1,' in frame and not lost:
            lost.append(frame)
            for member in router:
                member.transport.abort()
            return
        route(router, sender, frame)

    monkeypatch.setattr(Router, "route", losing)
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        assert lost
        assert await bob.send(np.ones(3)).sum() == 3.0
