"""What really goes over the wire: one frame for a chain and its get, and nothing that need not travel."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import orjson
import pytest

import fedsock
from fedsock.session.handle import WorkerHandle
from fedsock.transport.memory import MemoryTransport
from fedsock.transport.websocket import WebSocketTransport
from tests.contract.house import House, process
from tests.contract.wiretap import Wiretap, tapped

pytestmark = pytest.mark.asyncio(loop_scope="module")


def frames_a_hop(wire: Wiretap, name: str) -> list[int]:
    """How many frames of messages went to a peer over each of the roads that lead to it."""
    return sorted(Counter(id(transport) for transport, _ in wire.to(name)).values())


async def quiet(house: House, wire: Wiretap) -> None:
    """Have everything said that is still to be said, and begin to count."""
    await house.settled()
    wire.frames.clear()


async def test_a_chain_and_its_get_are_one_frame(house: House, bob: WorkerHandle, wire: Wiretap) -> None:
    small = np.array([1.0, 2, 3])
    await quiet(house, wire)
    x = bob.send(small)
    y = ((x + 1) * 2).sum()
    assert await y == 18.0
    # From the session to the hub, and from the hub to bob.
    assert frames_a_hop(wire, "bob") == [1, 1]
    kinds = {type(transport) for transport, _ in wire.to("bob")}
    assert kinds == ({MemoryTransport} if house.kind == "virtual" else {MemoryTransport, WebSocketTransport})
    told = [[message["t"] for message in orjson.loads(body)] for _, body in wire.to("bob")]
    assert [one for one in told[0] if one != "release"] == ["put", "op", "op", "op", "get"]
    assert told[1] == told[0]  # the hub forwards what it got


async def test_the_answer_is_one_frame_too(house: House, bob: WorkerHandle, wire: Wiretap) -> None:
    await quiet(house, wire)
    assert await (bob.send(1.0) + 1) == 2.0
    # What another process writes isn't seen; that the hub forwards it is.
    seen = frames_a_hop(wire, house.hub._open_session.name)  # type: ignore[attr-defined]
    assert seen == ([1, 1] if house.kind == "virtual" else [1])


async def test_a_plan_its_arguments_and_the_get_are_one_frame(house: House, bob: WorkerHandle, wire: Wiretap) -> None:
    """However many steps it has; and it crosses once."""

    @fedsock.plan
    def steps(x: object) -> object:
        for _ in range(100):
            x = x * 0.5 + 1.0  # type: ignore[operator]
        return x

    steps.trace(np.zeros(3))
    for expected in (["put", "put", "op", "get"], ["put", "op", "get"]):
        await quiet(house, wire)
        assert (await bob.run(steps, bob.send(np.zeros(3)))).shape == (3,)
        assert frames_a_hop(wire, "bob") == [1, 1]
        told = [message["t"] for message in orjson.loads(wire.to("bob")[0][1])]
        assert [one for one in told if one != "release"] == expected


async def test_over_a_stand_alone_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with process("fedsock.hub", "--port", "0") as hub_process:
        assert hub_process.stdout is not None
        line = await asyncio.to_thread(hub_process.stdout.readline)
        url = line.split()[-1]
        with process("fedsock.worker", "--name", "bob", "--hub", url):
            async with fedsock.connect(url) as hub:
                bob = await hub.worker("bob", timeout=60)
                await bob.ping()
                wire = tapped(monkeypatch, WebSocketTransport)
                x = bob.send(np.array([1.0, 2, 3]))
                y = ((x + 1) * 2).sum()
                assert await y == 18.0
                assert frames_a_hop(wire, "bob") == [1]


async def test_a_thousand_ops_are_few_frames(house: House, bob: WorkerHandle, wire: Wiretap) -> None:
    await quiet(house, wire)
    x = bob.send(0.0)
    kept = [x + n for n in range(1000)]
    assert await kept[-1] == 999.0
    assert max(frames_a_hop(wire, "bob")) <= 1 + 1000 * 100 // (64 * 1024)


async def test_what_moves_from_worker_to_worker_never_comes_by(house: House, wire: Wiretap) -> None:
    bob, alice = house.bob, house.alice
    x = await bob.np.ones(1_000_000).wait()
    await quiet(house, wire)
    y = x.move(alice)
    assert await y.sum() == 1_000_000
    session = house.hub._open_session.name  # type: ignore[attr-defined]
    through = sum(len(body) for _, head, body in wire.frames if session in (head.get("to", "") + head.get("from", "")))
    assert through < 100_000
    carried = [transport for transport, head, _ in wire.frames if "stream" in head and head["to"].startswith("alice@")]
    assert carried, "the hub carried it"
    assert all("bob@" in head["from"] for _, head, _ in wire.frames if "stream" in head)


async def test_a_value_that_nobody_waits_for_any_more_stops_coming(house: House, wire: Wiretap) -> None:
    session = house.hub._open_session.name  # type: ignore[attr-defined]
    p = await house.bob.np.ones(4_000_000).wait()
    await quiet(house, wire)
    task, begun = asyncio.create_task(p.get()), asyncio.Event()

    def chunks() -> list[int]:
        # Over its last road, from the hub to the session.
        return [len(body) for _, head, body in wire.frames if "stream" in head and head["to"].startswith(f"{session}@")]

    wire.listener = lambda body: begun.set() if len(body) > 100_000 else None
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await house.settled()
    assert await p.sum() == 4_000_000
    roads = 2 if house.kind == "virtual" else 1
    assert sum(chunks()) < roads * 16_000_000


async def test_closing_sends_what_is_queued_however_large(house: House, wire: Wiretap) -> None:
    other = await fedsock.connect(house.hub.url)
    theirs = await other.worker("bob")
    await quiet(house, wire)
    kept = theirs.send(np.ones(1_500_000))  # more than may be under way at a time
    await other.close()
    assert "failed" in repr(kept)
    sent = Counter[int]()
    for transport, head, body in wire.frames:
        if "stream" in head and head["to"].startswith("bob@"):
            sent[id(transport)] += len(body)
    assert max(sent.values()) == 12_000_000


async def test_waiting_showing_and_knowing_ask_nothing(house: House, bob: WorkerHandle, wire: Wiretap) -> None:
    p = await bob.send(np.ones((3, 3)), tags="#quiet").wait()
    y = p + 1
    await quiet(house, wire)
    _ = repr(p), p._repr_html_(), p.shape, p.dtype, p.nbytes, p.location, p.tags, p.id_at_location, hash(p), len(p)
    _ = repr(bob), bob._repr_html_(), dict(bob.datasets), dict(house.hub.workers), np.shape(p), np.result_type(p, p)
    await y.wait()
    await p.wait()
    await asyncio.sleep(0)
    assert wire.to("bob") == []


async def test_a_value_sent_to_two_is_sent_to_each_once(house: House, wire: Wiretap) -> None:
    await quiet(house, wire)
    mp = house.hub.send(np.ones(100_000), house.bob, house.alice)
    await mp.sum()
    for name in ("bob", "alice"):
        [first, *_] = {transport for transport, _ in wire.to(name)}
        sent = sum(len(body) for one, body in wire.to(name) if one is first)
        assert 800_000 <= sent < 810_000


async def test_a_chain_runs_in_order_and_each_op_once(house: House, bob: WorkerHandle) -> None:
    before = (await bob.stats()).ops_run
    y = bob.send(np.zeros(3))
    for number in range(1000):
        y = y * 2 - number
    want = np.zeros(3)
    with np.errstate(all="ignore"):
        for number in range(1000):
            want = want * 2 - number
    assert (await y).tolist() == want.tolist()
    assert (await bob.stats()).ops_run == before + 2000
