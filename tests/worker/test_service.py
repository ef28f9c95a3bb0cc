from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

import fedsock
from fedsock.errors import BadMessage, FedsockError, OpValueError, ValueTooLarge
from fedsock.protocol import messages as m
from fedsock.protocol.frames import link_head, split
from fedsock.protocol.link import Batch, Chunk, Link, LinkEnd
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import STOP_EVERY, Engine
from fedsock.worker.outbox import MOST_WAITING, QUEUE_BYTES, STREAM_BYTES
from fedsock.worker.service import WorkerService

BOB, ONE, TWO = "bob@0001", "s-1@0001", "s-2@0002"


async def test_large_ops_run_in_threads_while_small_ones_are_answered() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        x = bob.send(np.ones((900, 900)))
        slow = x @ x @ x @ x
        small = asyncio.create_task((bob.send(1.0) + 1).get())
        done, _ = await asyncio.wait({small, asyncio.create_task(slow.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert small in done
        assert (await slow)[0, 0] == 900.0**3


async def test_two_sessions_share_a_worker_and_see_nothing_of_each_other() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        x = await bob.send(np.ones(3), tags=["#mine"]).wait()
        async with fedsock.connect(hub.url) as other:
            theirs = await other.worker("bob")
            assert await theirs.objects() == []
            assert await other.search("#mine") == {"bob": []} or await other.search("#mine") == {}
            assert await theirs.send(2.0) == 2.0
        assert await x.sum() == 3.0


class Road:
    """A service, its links with some sessions, and those sessions' ends; frames pass when ``pass_on`` is called."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self.service = WorkerService(Engine("bob", datasets_from_mapping(data or {}, False)))
        self.service.attach(self)  # type: ignore[arg-type]  # it is the peer, as far as a service needs one
        self.links: dict[str, Link] = {}
        self.ends: dict[str, Link] = {}
        self.got: dict[str, list[Any]] = {}
        self.streams: dict[str, Counter[int]] = {}
        self.failed: list[tuple[str, str]] = []

    def join(self, address: str) -> None:
        self.links[address] = Link(BOB, address, now=0.0)
        self.ends[address] = Link(address, BOB, now=0.0)
        self.got[address] = []
        self.streams[address] = Counter()
        for link in (self.links[address], self.ends[address]):
            link.socket_up(0.0)

    def has_link(self, address: str) -> bool:
        return address in self.links

    def link(self, address: str) -> Link:
        return self.links[address]

    def flush(self, *links: Link) -> None: ...

    def fail(self, address: str, error: Exception) -> None:
        del self.links[address]
        self.failed.append((address, type(error).__name__))
        self.service.ended(address, LinkEnd("reset", "internal_error"))

    def say(self, address: str, *messages: m.Message) -> None:
        """Queue messages at a session, a frame each thousand."""
        for first in range(0, len(messages), 1000):
            for message in messages[first : first + 1000]:
                self.ends[address].send(m.encode(message))

    def up(self, address: str, now: float = 1.0) -> None:
        """Pass all that a session may write now; the worker takes it."""
        while (frame := self.ends[address].next_frame(now)) is not None:
            head, body = split(frame)
            for event in self.links[address].receive(link_head(head), body, now):
                if isinstance(event, Batch):
                    self.service.batch(address, event.body)
            self.service.progressed(address)

    def down(self, address: str, frames: int = 10**9, now: float = 1.0) -> int:
        """Pass what the worker may write now; returns how many frames that were."""
        passed = 0
        while passed < frames and (frame := self.links[address].next_frame(now)) is not None:
            passed += 1
            head, body = split(frame)
            for event in self.ends[address].receive(link_head(head), body, now):
                if isinstance(event, Batch):
                    self.got[address] += m.to_session(event.body)
                elif isinstance(event, Chunk):
                    self.streams[address][event.stream] += len(event.data)
        return passed


@pytest_asyncio.fixture
async def road() -> AsyncIterator[Road]:
    made = Road({"x": np.zeros(500), "y": np.zeros(500_000)})
    yield made
    made.service.close()


async def settled(road: Road, address: str, now: float) -> None:
    """Pass frames both ways until nothing moves any more."""
    still = 0
    while still < 3:
        moved = road.down(address, now=now)
        road.up(address, now=now)
        await asyncio.sleep(0)
        still = 0 if moved else still + 1
        now += 1.0


async def test_a_session_that_asks_for_much_and_reads_nothing_costs_little(road: Road) -> None:
    road.join(ONE)
    link, count = road.links[ONE], 30_000
    road.say(ONE, *(m.Get(id, "x") for id in range(1, count + 1)))
    for now in range(1, 40):
        # All that it writes arrives, but it acknowledges nothing.
        road.up(ONE, now=10.0 * now)
        await asyncio.sleep(0)
    assert link.queued_bytes < QUEUE_BYTES + (1 << 20)
    assert 0 < sum(1 for _ in road.service._outboxes[ONE].values()) < MOST_WAITING + 2 * STOP_EVERY
    await settled(road, ONE, 1000.0)
    assert [one.id for one in road.got[ONE]] == list(range(1, count + 1))
    assert road.service._outboxes == {}
    assert road.ends[ONE].drained


async def test_listings_are_not_all_made_at_once(road: Road) -> None:
    road.join(ONE)
    road.say(ONE, *(m.Put(id, 1.0, description="d" * 9_000) for id in range(1, 40)))
    await settled(road, ONE, 1.0)
    road.say(ONE, *(m.Ask(id, "objects") for id in range(100, 2_100)))
    road.up(ONE, 5.0)
    assert road.links[ONE].queued_bytes < QUEUE_BYTES + 2 * STOP_EVERY * 100_000
    assert road.service._outboxes[ONE].holding
    await settled(road, ONE, 10.0)
    assert [one.id for one in road.got[ONE] if isinstance(one, m.Answer)] == list(range(100, 2_100))
    assert road.service._outboxes == {}


async def test_a_small_value_passes_the_streams_that_wait(road: Road) -> None:
    road.join(ONE)
    road.say(ONE, *(m.Get(id, "y") for id in range(1, 21)), m.Put(30, 2.5), m.Get(31, 30))
    road.up(ONE)
    assert road.links[ONE].queued_stream_bytes < STREAM_BYTES + 5_000_000
    road.down(ONE, 1)
    assert 31 in [one.id for one in road.got[ONE] if isinstance(one, m.Value)]
    await settled(road, ONE, 10.0)
    assert set(road.streams[ONE].values()) == {4_000_000}
    assert len(road.streams[ONE]) == 20


async def test_what_waits_to_be_written_is_held_until_it_is(road: Road) -> None:
    road.join(ONE)
    road.say(ONE, m.Op(1, "zeros", [{"$tuple": [5_000_000]}]))
    road.up(ONE)
    async with asyncio.timeout(20):
        while not road.got[ONE]:
            await asyncio.sleep(0.001)
            road.down(ONE)
    road.say(ONE, *(m.Get(id, 1) for id in range(2, 5)), m.Release([1]), m.Ask(9, "stats"))
    road.up(ONE, 2.0)
    road.down(ONE, 1, 2.0)
    [held] = [one.stats for one in road.got[ONE] if isinstance(one, m.Answer)]
    assert (held["objects"], held["bytes"]) == (1, 40_000_000)
    await settled(road, ONE, 10.0)
    road.say(ONE, m.Ask(10, "stats"))
    await settled(road, ONE, 1000.0)
    assert road.got[ONE][-1].stats["objects"] == 0


async def test_what_cannot_be_said_ends_its_own_link_only(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    road.join(ONE)
    road.join(TWO)
    for address in (ONE, TWO):
        road.say(address, m.Expect(1, "alice@0003"))
        road.up(address)
    monkeypatch.setattr(Link, "send", said_to_none_but(TWO))
    road.join("alice@0003")
    deliveries = [m.Deliver(ONE, 1, 5.0), m.Deliver(TWO, 1, 5.0)]
    road.service.batch("alice@0003", memoryview(b"[" + b",".join(map(m.encode, deliveries)) + b"]"))
    assert road.failed == [(ONE, "ValueTooLarge")]
    road.down(TWO)
    assert road.got[TWO] == [m.Done(1, kind="float")]
    assert road.service._engine.sessions == 1


def said_to_none_but(address: str) -> Callable[[Link, bytes], int]:
    send = Link.send

    def picky(link: Link, message: bytes) -> int:
        if link.local == BOB and link.remote != address:
            raise ValueTooLarge("too large")
        return send(link, message)

    return picky


async def test_what_is_said_of_a_bad_chunk_is_written(road: Road) -> None:
    road.join(ONE)
    road.say(ONE, m.Put(1, {"$array": {"dtype": "float64", "shape": [1000], "stream": 1}}))
    road.up(ONE)
    monkeyed = road.service._engine.chunk

    def chunk(*args: Any) -> Any:
        road.service._engine._replies.send(ONE, m.Error(1, "op_value", "said before"))
        return monkeyed(*args)

    road.service._engine.chunk = chunk  # type: ignore[method-assign]
    with pytest.raises(BadMessage):
        road.service.chunk(ONE, 1, 4000, memoryview(bytes(8)))
    road.down(ONE)
    assert [one.message for one in road.got[ONE]] == ["said before"]


async def test_an_error_of_many_arguments_arrives() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        kept = await bob.send(np.arange(3.0)).wait()
        p, q = bob.send(np.zeros((3, 2))), bob.send(np.zeros((2, 3)))
        with pytest.raises(OpValueError):
            await np.broadcast_arrays(*[p, q] * 600)[0]
        assert (await kept).tolist() == [0.0, 1.0, 2.0]


async def test_a_value_that_cannot_be_written_fails_where_it_was_to_go() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob, alice = await hub.virtual_worker("bob"), await hub.virtual_worker("alice")
        tree = bob.send(["x" * 900_000, np.zeros(3)])
        large = bob.send("y" * 900_000)
        joined = bob.np.add(large, large)
        with pytest.raises(FedsockError):
            await joined.copy(alice)
        assert (await tree.copy(alice))[1].tolist() == [0.0, 0.0, 0.0]


async def test_many_values_are_fetched_at_once() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": np.arange(500.0), "y": np.arange(300_000.0)}, private=False)
        x, y = bob.datasets["x"], bob.datasets["y"]
        values = await asyncio.gather(*(x.get() for _ in range(3_000)), *(y.get() for _ in range(20)))
        assert all(value[-1] == 499.0 for value in values[:3000])
        assert all(value[-1] == 299_999.0 for value in values[3000:])


async def test_what_is_not_read_is_not_acknowledged(road: Road) -> None:
    road.join(ONE)
    road.say(ONE, *(m.Get(id, "x") for id in range(1, 60_001)))
    for now in range(1, 60):
        road.up(ONE, now=10.0 * now)
        # It reads, but slowly.
        road.down(ONE, 1, now=10.0 * now)
        await asyncio.sleep(0)
    assert road.service._outboxes[ONE].holding
    assert road.ends[ONE].queued_messages > 0
    await settled(road, ONE, 1000.0)
    assert [one.id for one in road.got[ONE]] == list(range(1, 60_001))


async def test_frames_that_waited_are_read_although_nothing_more_is_heard(road: Road) -> None:
    road.join(ONE)
    link = road.links[ONE]
    tickets = [link.send(b'"' + b"x" * 1_000_000 + b'"') for _ in range(5)]
    for id in (1, 2, 3):
        road.service.batch(ONE, memoryview(b"[" + m.encode(m.Put(id, 1.0)) + b"]"))
    assert road.service._outboxes[ONE].holding
    for ticket in tickets:
        link.withdraw(ticket)
    road.service.progressed(ONE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert road.service._outboxes == {}
    road.down(ONE)
    assert sum(one.n for one in road.got[ONE]) == 3


def users(road: Road) -> dict[str, str]:
    return {store.address: store.user for store in road.service._engine._sessions.values()}


async def test_a_sessions_user_is_passed_on_to_the_engine(road: Road) -> None:
    road.join(ONE)
    road.join(TWO)
    road.service.joined(ONE, "session", "ann")
    road.service.joined(TWO, "session", None)
    for address in (ONE, TWO):
        road.say(address, m.Put(1, 1.0))
        road.up(address)
    assert users(road) == {ONE: "ann", TWO: ""}
    # Only sessions are anybody's, and nothing said is not nobody.
    road.service.joined(ONE, "session", None)
    road.service.joined(TWO, "worker", "ben")
    assert users(road) == {ONE: "ann", TWO: ""}
    assert road.failed == []


async def test_an_address_with_another_user_is_another_session(road: Road) -> None:
    for address in (ONE, TWO):
        road.join(address)
        road.service.joined(address, "session", "ann")
        road.say(address, m.Put(1, 1.0))
        road.up(address)
    road.service.joined(ONE, "session", "ben")
    assert road.failed == [(ONE, "UserChanged")]
    assert users(road) == {TWO: "ann"}
    road.join(ONE)
    road.say(ONE, m.Get(1, 1))
    road.up(ONE)
    road.down(ONE)
    assert [message.code for message in road.got[ONE] if isinstance(message, m.Error)] == ["unknown_object"]
    assert users(road) == {ONE: "ben", TWO: "ann"}
