from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fedsock.errors import BadMessage, Closed, ConfigError, HubTimeout, NameTaken
from fedsock.hub.server import HubServer
from fedsock.peer.peer import Peer
from fedsock.protocol import hubmessages as hm
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
        self.met: list[tuple[str, str | None]] = []

    def batch(self, remote: str, body: memoryview) -> None:
        if b"bad" in bytes(body):
            raise BadMessage("bad")
        self.heard.append(bytes(body))
        self.met.append((remote, "spoke"))
        self.changed.set()

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        self.chunks.setdefault(stream, bytearray()).extend(data)
        self.changed.set()

    def progressed(self, remote: str) -> None: ...

    def sent(self, remote: str, stream: int) -> None:
        self.changed.set()

    def ended(self, remote: str, end: LinkEnd) -> None:
        self.ends.append(end)
        self.changed.set()

    def joined(self, address: str, role: str, user: str | None) -> None:
        self.present.add(address)
        self.met.append((address, user))
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


async def test_a_worker_hears_whose_a_session_is_before_anything_else_of_it(house: House) -> None:
    address, met = house.session.address, house.bob.met
    link = house.session.link(house.worker.address)
    for number in range(1, 4):
        link.send(b'{"n":1}')
        house.session.flush(link)
        await house.bob.until(lambda number=number: len(house.bob.heard) == number)
        heard = [user for remote, user in met if remote == address]
        assert (heard[0], heard.count("spoke")) == ("anonymous", 1)
        assert set(heard) == {"anonymous", "spoke"}
        # Again by another socket, of the worker's and then of the session's.
        met.clear()
        house.sockets[number - 1].abort()
    assert {user for _, user in house.alice.met} == {None}


async def test_what_waits_for_a_session_is_not_written_to_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, owner = FakeHub([]), Notes()
    peer = Peer("bob", "worker", hub.dial, owner)
    hub.answers[0].append(_welcome(peer))
    await peer.start()
    await peer._writer.drained()
    link = peer.link("s-1@0000")
    peer._hub_says(hm.Left("s-1@0000", "gone"))
    link.send(b'{"anns":1}')
    peer.flush(link)
    monkeypatch.setattr(owner, "joined", lambda address, role, user: peer.fail(address, BadMessage(f"{user} came")))
    peer._hub_says(hm.Joined("s-1@0000", "session", "ben"))
    assert not peer.has_link("s-1@0000")
    said = []
    while (frame := await _now(hub.ends[0])) is not None:
        said.append(bytes(frame))
    assert any(b'"reset":"bad_message"' in frame for frame in said)
    assert not any(b"anns" in frame for frame in said)
    await peer.close()


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


class FakeHub:
    """Answers each dial with the frames that it has for it; the last ones again and again."""

    def __init__(self, *answers: list[bytes]) -> None:
        self.answers = list(answers)
        self.ends: list[Transport] = []
        self.dialled = asyncio.Event()

    async def dial(self) -> Transport:
        ours, theirs = memory_pair()
        self.ends.append(theirs)
        for frame in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
            await theirs.send(frame)
        self.dialled.set()
        return ours

    async def says(self, number: int) -> list[object]:
        """Return what the peer said on a socket so far; at least its hello and one frame more."""
        said: list[object] = [hm.from_peer(await asyncio.wait_for(self.ends[number].recv(), 5)) for _ in range(2)]
        while (more := await _now(self.ends[number])) is not None:
            said.append(hm.from_peer(more))
        return said


async def _now(transport: Transport) -> bytes | bytearray | None:
    try:
        async with asyncio.timeout(0.05):
            return await transport.recv()
    except TimeoutError:
        return None


def _welcome(peer: Peer) -> bytes:
    return hm.encode(hm.Welcome(peer.address, []))


@pytest.mark.parametrize(
    "garbage", [b"hello\n", b'{"t":"hi"}\n', hm.encode(hm.Refused("bad_frame", "x")), hm.encode(hm.Closing())]
)
async def test_garbage_before_the_welcome_is_tried_again(garbage: bytes) -> None:
    hub = FakeHub([garbage], [])
    told: list[Exception | None] = []
    peer = Peer("bob", "worker", hub.dial, Notes(), told=told.append)
    hub.answers[1].append(_welcome(peer))
    await peer.start(10)
    assert peer.connected
    assert [error is None for error in told] == [False, True]
    await peer.close()


async def test_garbage_after_the_welcome_is_tried_again_more_and_more_slowly() -> None:
    hub = FakeHub([])
    told: list[Exception | None] = []
    owner = Notes()
    peer = Peer("bob", "worker", hub.dial, owner, told=told.append)
    hub.answers[0] += [_welcome(peer), b"garbage\n"]
    await peer.start(10)
    start = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        while len(hub.ends) < 4:
            hub.dialled.clear()
            await hub.dialled.wait()
    assert asyncio.get_running_loop().time() - start >= 0.05 + 0.1 + 0.2 - 0.05
    assert [error is None for error in told][:4] == [True, False, True, False]
    await peer.close()


async def test_a_fault_of_its_owner_ends_no_peer(house: House, caplog: pytest.LogCaptureFixture) -> None:
    def fails(address: str, role: str, user: str | None) -> None:
        house.alice.joined = Notes.joined.__get__(house.alice)  # type: ignore[method-assign]
        raise RuntimeError("a fault")

    house.alice.joined = fails  # type: ignore[method-assign]
    carol = Peer("carol", "worker", house.dial, Notes())
    await carol.start()
    await house.alice.until(lambda: carol.address in house.alice.present)
    assert "a fault" in caplog.text
    await carol.close()


async def test_a_turns_new_links_make_one_watch_and_never_more_than_the_hub_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hm, "WATCH_LIMIT", 5)
    hub = FakeHub([])
    peer = Peer("bob", "worker", hub.dial, Notes())
    hub.answers[0].append(_welcome(peer))
    await peer.start()
    for number in range(10):
        peer.link(f"z{number}@0000")
    peer.forget("z0@0000")
    said = await hub.says(0)
    assert [type(one) for one in said] == [hm.Hello, hm.Watch]
    assert isinstance(said[1], hm.Watch)
    assert said[1].peers == [f"z{number}@0000" for number in range(1, 6)]
    peer.forget("z3@0000")
    await asyncio.sleep(0)
    again = hm.from_peer(await asyncio.wait_for(hub.ends[0].recv(), 5))
    assert isinstance(again, hm.Watch) and again.peers == [f"z{n}@0000" for n in (1, 2, 4, 5, 6)]
    await peer.close()


async def test_closed_while_it_starts() -> None:
    hub = FakeHub([b"garbage\n"])
    peer = Peer("bob", "worker", hub.dial, Notes())
    starting = asyncio.create_task(peer.start(None))
    await asyncio.wait_for(hub.dialled.wait(), 5)
    await peer.close()
    with pytest.raises(Closed):
        await asyncio.wait_for(starting, 5)


async def test_closing_writes_what_is_larger_than_the_window(house: House) -> None:
    data = bytes(10 << 20)
    link = house.session.link(house.worker.address)
    number = link.send_stream(memoryview(data))
    link.send(b'{"t":"a"}')
    await house.session.close()
    await house.bob.until(lambda: len(house.bob.chunks.get(number, b"")) == len(data))
    assert house.bob.heard == [b'[{"t":"a"}]']


async def test_closing_waits_neither_for_a_broken_socket_nor_for_who_is_away(house: House) -> None:
    link = house.session.link(house.worker.address)
    link.send_stream(memoryview(bytes(10 << 20)))
    closing = asyncio.create_task(house.session.close(60))
    await asyncio.sleep(0)
    house.sockets[-1].abort()
    await asyncio.wait_for(closing, 5)
    absent = Peer("s-2", "session", house.dial, Notes())
    await absent.start()
    absent.link("nobody@0000").send_stream(memoryview(bytes(10 << 20)))
    absent.flush(*absent._links.values())
    await asyncio.sleep(0.01)  # the hub says that nobody is there
    await asyncio.wait_for(absent.close(60), 5)


async def test_a_wrong_url_is_told_at_once() -> None:
    async def dial() -> Transport:
        raise ConfigError("no URL")

    peer = Peer("bob", "worker", dial, Notes())
    with pytest.raises(ConfigError):
        await asyncio.wait_for(peer.start(None), 5)


async def test_a_fault_in_a_try_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    hub = FakeHub([])
    faults = [RuntimeError("a fault")]

    async def dial() -> Transport:
        if faults:
            raise faults.pop()
        return await hub.dial()

    peer = Peer("bob", "worker", dial, Notes())
    hub.answers[0].append(_welcome(peer))
    await peer.start(10)
    assert "a fault" in caplog.text
    await peer.close()
