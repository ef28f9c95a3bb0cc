from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages
from fedsock.session import Session
from fedsock.session import station as stations


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
    house.session.joined(house.bobs.address, "worker")
    assert house.session.workers["bob"] is house.bob
    assert await p == 1.0


async def test_a_new_epoch(house: Any) -> None:
    p = house.bob.send(1.0)
    await p
    house.bobs.mute = True
    sent = p + 1
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    house.bobs.link.held = True
    queued = p + 2
    waiting = asyncio.create_task(queued.get())
    await asyncio.sleep(0)
    old = house.bob.datasets["data"]
    house.peer.add("bob", "bbbb", data=np.arange(2.0))
    with pytest.raises(errors.WorkerLost) as maybe:
        await sent
    assert maybe.value.ran == "maybe"
    with pytest.raises(errors.WorkerLost) as no:
        await waiting
    assert no.value.ran == "no"
    for lost in (p, p + 1, old.sum()):
        with pytest.raises(errors.WorkerLost):
            await lost
    bob = await house.session.worker("bob")
    assert bob is house.bob
    assert bob.datasets["data"].shape == (2,)
    assert await (bob.datasets["data"] + 1).sum() == 3
    with pytest.raises(errors.PointersApart, match="two lives"):
        bob.send(1) + p


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("lost", errors.WorkerLost),
        ("bye", errors.WorkerLost),
        ("reset", errors.WorkerLost),
        ("hub_lost", errors.HubLost),
        ("closed", errors.Closed),
    ],
)
async def test_the_end_of_a_link_ends_every_future(house: Any, ends: Any, reason: str, error: type) -> None:
    house.bobs.mute = True
    p = house.bob.send(np.ones(10_000))
    futures = [
        asyncio.create_task(one)
        for one in (
            p.get(),
            p.wait(),
            (p + 1).get(),
            house.bob.ping(),
            house.bob.stats(),
            p.copy("alice").get(),
        )
    ]
    await asyncio.sleep(0.01)
    house.peer.present.clear()
    house.session.ended(house.bobs.address, ends(reason, "bad_message"))
    for result in await asyncio.gather(*futures, return_exceptions=True):
        assert isinstance(result, error)
    assert house.session.copies.nbytes == 0
    assert "bob" not in house.session.workers
    if error is errors.Closed:
        return
    with pytest.raises(error):
        await house.bob.send(1)
    with pytest.raises(error):
        await house.bob.ping()


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


async def test_a_value_half_here_is_lost_too(house: Any, ends: Any) -> None:
    house.session.chunk = lambda *_: None
    p = house.bob.send(np.ones(10_000))
    waiting = asyncio.create_task(p.get())
    await asyncio.sleep(0.01)
    house.session.ended(house.bobs.address, ends("lost"))
    with pytest.raises(errors.WorkerLost):
        await waiting


async def test_an_abandoned_value_is_stopped(house: Any) -> None:
    house.session.chunk, real = lambda *_: None, house.session.chunk
    p = house.bob.send(np.ones(10_000))
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.02)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [one.stream for one in house.bobs.named(messages.Stop)] == [1]
    real(house.bobs.address, 1, 0, memoryview(b"late"))
    house.bobs.link.held = True
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.01)
    house.bobs.link.held = False
    house.peer.pump()
    await asyncio.sleep(0.01)
    assert [one.stream for one in house.bobs.named(messages.Stop)] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[7]",
        b'[{"t":"op","id":1,"fn":"add"}]',
        b'[{"t":"done","id":0}]',
        b'[{"t":"done","id":1,"dtype":"object"}]',
        b'[{"t":"value","id":9,"value":{"$array":{"dtype":"float64","shape":[2],"stream":0}}}]',
    ],
)
async def test_bad_bodies(house: Any, body: bytes) -> None:
    p = house.bob.send(1.0)
    with pytest.raises(errors.BadMessage):
        house.session.batch(house.bobs.address, memoryview(body))
    assert await p == 1.0


async def test_bad_streams(house: Any) -> None:
    with pytest.raises(errors.BadMessage):
        house.session.chunk(house.bobs.address, 5, 0, memoryview(b"x"))
    house.bobs.link.held = True
    waiting = asyncio.create_task(house.bob.send(1.0).get())
    await asyncio.sleep(0)
    large = b'[{"t":"value","id":2,"value":{"$array":{"dtype":"float64","shape":[1000000000],"stream":1}}}]'
    with pytest.raises(errors.BadMessage, match="larger"):
        house.session.batch(house.bobs.address, memoryview(large))
    waiting.cancel()
    house.session.batch("nobody@ffff", memoryview(b"[]"))
    house.session.chunk("nobody@ffff", 1, 0, memoryview(b""))
    house.session.sent("nobody@ffff", 1)


async def test_send_to_several_copies_once(house: Any) -> None:
    house.bobs.link.held = house.alices.link.held = True
    array = np.ones(1000)
    mp = house.session.send(array, house.bob, "alice", tags="#w")
    assert house.session.copies.nbytes == array.nbytes
    array[:] = 0
    house.bobs.link.held = house.alices.link.held = False
    assert await (mp.sum() + 1) == {"bob": 1001.0, "alice": 1001.0}
    assert house.session.copies.nbytes == 0
    assert mp.at("bob").tags == ("#w",)
    lists = house.session.send([array, (array, {"a": array})], house.bob)
    np.testing.assert_array_equal((await lists)["bob"][1][1]["a"], array)


async def test_search_everywhere(house: Any) -> None:
    mine = house.bob.send(1, tags=["#a", "#b"], description="one")
    found = await house.session.search("#a", "#b")
    assert list(found) == ["bob"]
    assert found["bob"][0] is mine
    own = await house.session.search("#own")
    assert own["bob"][0] is house.bob.datasets["data"]
    assert await house.session.search("#none") == {}


async def test_backlog(house: Any, monkeypatch: Any) -> None:
    p = await house.bob.send(1.0).wait()
    house.bobs.link.held = True
    monkeypatch.setattr(stations, "MAX_QUEUED", 10)
    kept = [p + n for n in range(10)]
    with pytest.raises(errors.BacklogFull, match="await"):
        p + 1
    with pytest.raises(errors.BacklogFull):
        house.bob.send(1)
    kept.clear()
    assert (p + 1) is not None
    monkeypatch.setattr(stations, "MAX_QUEUED_BYTES", 1)
    keep = p + 1 if not house.bobs.link.queue else None
    with pytest.raises(errors.BacklogFull):
        _ = (p + 1, p + 1, keep)


async def test_copies_have_a_bound(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fedsock.session.uploads.COPY_BYTES", 20_000)
    house.bobs.link.held = True
    big = np.ones(10_000)
    first = house.bob.send(big)
    with pytest.raises(errors.BacklogFull, match="copy=False"):
        house.bob.send(big)
    lent = house.bob.send(big, copy=False)
    small = first + 1
    with pytest.raises(errors.UnsupportedValue):
        house.alice.send([big, object()], copy=False)
    assert house.session.copies.nbytes == big.nbytes
    house.bobs.link.held = False
    assert await (lent + small).sum() == 30_000
    assert house.session.copies.nbytes == 0


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
    session.joined("bob@aa", "worker")
    assert not session.workers


async def test_failures_of_dropped_pointers_are_listed(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    y = (p + np.ones(4)) * 2
    with pytest.raises(errors.OpValueError) as caught:
        await y
    root, after = house.session.failures
    assert caught.value is after
    assert after.__cause__ is root
