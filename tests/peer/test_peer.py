from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fedsock.errors import BadMessage, HubTimeout, NameTaken
from fedsock.hub.server import HubServer
from fedsock.peer.peer import Peer
from fedsock.protocol.frames import Head, build, link_head, split
from fedsock.protocol.link import LinkEnd
from fedsock.transport.base import Transport
from fedsock.transport.memory import memory_pair


class Notes:
    """An owner that writes down what a peer brings."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.chunks: dict[int, bytearray] = {}
        self.ends: list[LinkEnd] = []
        self.changed = asyncio.Event()
        self.present: set[str] = set()

    def batch(self, remote: str, body: memoryview) -> None:
        if b"bad" in bytes(body):
            raise BadMessage("bad")
        self.heard.append(bytes(body))
        self.changed.set()

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        self.chunks.setdefault(stream, bytearray()).extend(data)
        self.changed.set()

    def sent(self, remote: str, stream: int) -> None:
        self.changed.set()

    def ended(self, remote: str, end: LinkEnd) -> None:
        self.ends.append(end)
        self.changed.set()

    def joined(self, address: str, role: str) -> None:
        self.present.add(address)
        self.changed.set()

    def left(self, address: str, reason: str) -> None:
        self.present.discard(address)
        self.changed.set()

    def hub_up(self) -> None:
        self.changed.set()

    def hub_down(self) -> None:
        self.changed.set()

    async def until(self, true: object) -> None:
        async with asyncio.timeout(10):
            while not true():  # type: ignore[operator]
                self.changed.clear()
                await self.changed.wait()


class House:
    """A hub, a worker and a session, and the sockets between them."""

    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        self.sockets: list[Transport] = []
        self.bob, self.alice = Notes(), Notes()
        self.worker = Peer("bob", "worker", self.dial, self.bob)
        self.session = Peer("s-1", "session", self.dial, self.alice)

    async def dial(self) -> Transport:
        ours, theirs = memory_pair()
        await self.hub.attach(theirs)
        self.sockets.append(ours)
        return ours


@pytest.fixture
async def house() -> AsyncIterator[House]:
    hub = HubServer(port=0)
    made = House(hub)
    await made.worker.start()
    await made.session.start()
    yield made
    await made.session.close()
    await made.worker.close()
    await hub.close()


async def test_messages_arrive_in_one_batch(house: House) -> None:
    link = house.session.link(house.worker.address)
    link.send(b'{"t":"a"}')
    link.send(b'{"t":"b"}')
    house.session.flush(link)
    await house.bob.until(lambda: house.bob.heard)
    assert house.bob.heard == [b'[{"t":"a"},{"t":"b"}]']


async def test_streams_larger_than_the_window_arrive_whole(house: House) -> None:
    data = bytes(range(256)) * 50_000
    link = house.session.link(house.worker.address)
    link.send(b'{"t":"a"}')
    number = link.send_stream(memoryview(data))
    house.session.flush(link)
    await house.bob.until(lambda: len(house.bob.chunks.get(number, b"")) == len(data))
    assert house.bob.chunks[number] == data


async def test_broken_sockets_lose_and_repeat_nothing(house: House) -> None:
    link = house.session.link(house.worker.address)
    sent = [b'{"n":%d}' % number for number in range(50)]
    for number, message in enumerate(sent):
        link.send(message)
        house.session.flush(link)
        if number % 10 == 5:
            house.sockets[-1].abort()
        await asyncio.sleep(0)
    await house.bob.until(lambda: sum(body.count(b"n") for body in house.bob.heard) >= len(sent))
    assert b",".join(body[1:-1] for body in house.bob.heard) == b",".join(sent)


async def test_a_message_that_makes_no_sense_ends_its_link_only(house: House) -> None:
    link = house.session.link(house.worker.address)
    link.send(b'{"bad":1}')
    house.session.flush(link)
    await house.alice.until(lambda: house.alice.ends)
    assert house.alice.ends[0].reason == "reset"
    again = house.session.link(house.worker.address)
    again.send(b'{"good":1}')
    house.session.flush(again)
    await house.bob.until(lambda: house.bob.heard)


async def test_sessions_hear_of_workers_and_of_their_leaving(house: House) -> None:
    assert house.alice.present == {house.worker.address}
    await house.worker.close()
    await house.alice.until(lambda: not house.alice.present)


async def test_a_name_that_is_taken(house: House) -> None:
    rival = Peer("bob", "worker", house.dial, Notes())
    with pytest.raises(NameTaken):
        await rival.start()
    await rival.close()


async def test_no_hub_in_time() -> None:
    async def nobody() -> Transport:
        raise ConnectionRefusedError("nobody is there")

    with pytest.raises(HubTimeout, match="nobody is there"):
        await Peer("bob", "worker", nobody, Notes()).start(0.05)


async def test_a_session_given_up_is_not_taken_for_a_new_one(house: House) -> None:
    address = house.worker.address
    first = build(address, house.session.address, 0, seq=1, body=b'[{"n":1}]')
    link = house.session.link(address)
    link.send(b'{"n":1}')
    house.session.flush(link)
    await house.bob.until(lambda: house.bob.heard)
    await house.session.close()
    await house.bob.until(lambda: house.bob.ends)
    house.worker._frame(*_read(first))
    assert len(house.bob.heard) == 1
    assert not house.worker.has_link(house.session.address)


async def test_a_frame_behind_a_lost_first_one_ends_nothing(house: House) -> None:
    link = house.session.link(house.worker.address)
    house.worker._frame(*_read(build(house.worker.address, house.session.address, 0, seq=2, body=b'[{"n":2}]')))
    await house.session._writer.drained()
    await house.worker._writer.drained()
    link.send(b'{"n":1}')
    house.session.flush(link)
    await house.bob.until(lambda: house.bob.heard)
    assert house.alice.ends == []


def _read(frame: bytes) -> tuple[Head, memoryview]:
    head, body = split(frame)
    return link_head(head), body
