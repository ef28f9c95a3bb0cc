from __future__ import annotations

import asyncio

from fedsock.peer.alarm import Alarm


async def test_it_rings_at_the_earliest_deadline_once() -> None:
    loop = asyncio.get_running_loop()
    start, rung = loop.time(), asyncio.Event()
    times: list[float] = []

    def ring() -> None:
        times.append(loop.time() - start)
        rung.set()

    alarm = Alarm(loop, ring)
    alarm.by(None)
    alarm.by(start + 100)
    alarm.by(start + 0.02)
    alarm.by(start + 50)
    await asyncio.wait_for(rung.wait(), 5)
    assert len(times) == 1 and 0.019 <= times[0] < 5
    # The later deadlines are told again by whoever is rung for.
    rung.clear()
    alarm.by(start + 0.04)
    await asyncio.wait_for(rung.wait(), 5)
    assert len(times) == 2


async def test_cancelled_it_does_not_ring_and_can_be_set_again() -> None:
    loop = asyncio.get_running_loop()
    rung: list[str] = []
    again = asyncio.Event()
    alarm = Alarm(loop, lambda: (rung.append("rung"), again.set()))  # type: ignore[func-returns-value]
    alarm.by(loop.time() + 0.01)
    alarm.cancel()
    alarm.cancel()
    alarm.by(loop.time() + 0.05)
    await asyncio.wait_for(again.wait(), 5)
    assert rung == ["rung"]
