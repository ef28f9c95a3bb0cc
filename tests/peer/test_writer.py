from __future__ import annotations

import asyncio

import pytest

from fedsock.peer.alarm import Alarm
from fedsock.peer.writer import TURN_BYTES, Writer
from fedsock.protocol.frames import split
from fedsock.protocol.link import Link
from fedsock.transport.base import TransportClosed
from fedsock.transport.memory import memory_pair

BOB, ANN = "bob@aaaa", "s-1@bbbb"


def link(remote: str = BOB) -> Link:
    made = Link(ANN, remote, now=asyncio.get_running_loop().time())
    made.socket_up(asyncio.get_running_loop().time())
    return made


@pytest.fixture
async def writer() -> Writer:
    loop = asyncio.get_running_loop()
    return Writer(loop, Alarm(loop, lambda: None))


async def test_what_is_queued_is_written_before_flush_returns(writer: Writer) -> None:
    here, there = memory_pair()
    serving = asyncio.create_task(writer.serve(here))
    await asyncio.sleep(0)
    one = link()
    one.send(b"{}")
    writer.flush(one)
    assert one.queued_messages == 0
    assert (await there.recv()).endswith(b"\n[{}]")
    serving.cancel()


async def test_the_peers_own_frames_come_first_and_links_take_turns(writer: Writer) -> None:
    here, there = memory_pair()
    one, two = link(), link("eve@cccc")
    for each in (one, two):
        each.send(b"1" * 60_000)
        each.send(b"2" * 60_000)
    writer.wake([one, two])
    writer.control.append(b'{"t":"bye"}\n')
    serving = asyncio.create_task(writer.serve(here))
    frames = [await asyncio.wait_for(there.recv(), 5) for _ in range(5)]
    assert frames[0] == b'{"t":"bye"}\n'
    assert [split(frame)[0]["to"] for frame in frames[1:]] == [BOB, "eve@cccc"] * 2
    serving.cancel()


async def test_a_full_transport_is_waited_for_and_nothing_is_lost_or_repeated(writer: Writer) -> None:
    here, there = memory_pair(limit_bytes=10)
    serving = asyncio.create_task(writer.serve(here))
    one = link()
    frames = 0
    for number in range(20):
        one.send(b"%d" % number)
        writer.flush(one)
        writer.control.append(b'{"t":"pong","nonce":"%d"}\n' % number)
        writer.wake()
    bodies, nonces = b"", []
    while bodies.count(b",") + bodies.count(b"[") < 20 or len(nonces) < 20:
        head, body = split(await asyncio.wait_for(there.recv(), 5))
        bodies += bytes(body)
        nonces += [head["nonce"]] if "nonce" in head else []
        frames += 1
    assert bodies.replace(b"][", b",") == b"[" + b",".join(b"%d" % n for n in range(20)) + b"]"
    assert nonces == [str(n) for n in range(20)]
    await asyncio.wait_for(writer.drained(), 5)
    serving.cancel()


async def test_a_large_stream_leaves_others_their_turns(writer: Writer) -> None:
    here, _ = memory_pair(limit_bytes=1 << 30)
    serving = asyncio.create_task(writer.serve(here))
    await asyncio.sleep(0)
    one = link()
    one.send_stream(memoryview(bytes(64 << 20)))
    writer.flush(one)
    # Not all that the window lets pass in one turn.
    assert one.in_flight_bytes <= 2 * TURN_BYTES
    assert one.queued_stream_bytes
    serving.cancel()


async def test_a_broken_transport_ends_serving_and_the_next_one_gets_what_waits(writer: Writer) -> None:
    here, there = memory_pair(limit_bytes=1)
    serving = asyncio.create_task(writer.serve(here))
    await asyncio.sleep(0)
    for nonce in ("1", "2"):
        writer.control.append(b'{"t":"pong","nonce":"%s"}\n' % nonce.encode())
        writer.flush()
    await there.close()
    with pytest.raises(TransportClosed):
        await asyncio.wait_for(serving, 5)
    writer.flush()
    here, there = memory_pair()
    serving = asyncio.create_task(writer.serve(here))
    assert b'"2"' in await asyncio.wait_for(there.recv(), 5)
    serving.cancel()


async def test_a_forgotten_link_writes_no_more(writer: Writer) -> None:
    here, _ = memory_pair()
    one = link()
    one.send(b"{}")
    writer.wake([one])
    writer.forget(one)
    serving = asyncio.create_task(writer.serve(here))
    await asyncio.wait_for(writer.drained(), 5)
    assert one.queued_messages == 1
    serving.cancel()


async def test_what_one_link_took_the_room_of_is_written_once_that_link_is_forgotten(writer: Writer) -> None:
    here, there = memory_pair(limit_bytes=1 << 30)
    serving = asyncio.create_task(writer.serve(here))
    hung, others = [link(f"hung-{number}@aaaa") for number in range(40)], link()
    for one in hung:  # each window is small at first; together they take it all, and nobody acknowledges
        one.send_stream(memoryview(bytes(1 << 20)))
    writer.wake(hung)
    await asyncio.wait_for(writer.drained(), 5)
    others.send_stream(memoryview(bytes(1000)))
    writer.flush(others)
    assert others.queued_stream_bytes
    others.send(b"{}")
    writer.flush(others)
    assert not others.queued_messages  # what is small never waits for what is large
    for one in hung:
        writer.forget(one)
    while others.queued_stream_bytes:  # nobody writes anything else, and nobody asks
        await asyncio.wait_for(there.recv(), 5)
    serving.cancel()


async def test_news_are_made_when_there_is_room_and_once(writer: Writer) -> None:
    here, there = memory_pair(limit_bytes=1)
    serving = asyncio.create_task(writer.serve(here))
    await asyncio.sleep(0)
    writer.control += [b'{"t":"bye"}\n'] * 2  # for the second one there is no room
    writer.flush()
    state: list[int] = []
    for number in range(1, 4):
        state.append(number)
        writer.news = lambda: b'{"t":"pong","nonce":"%d"}\n' % len(state)
        writer.control.append(b'{"t":"bye"}\n')
        writer.flush()
    frames = []
    while not frames or frames[-1].startswith(b'{"t":"bye"}'):
        frames.append(await asyncio.wait_for(there.recv(), 5))
    assert frames[-1] == b'{"t":"pong","nonce":"3"}\n'
    await asyncio.wait_for(writer.drained(), 5)
    assert writer.news is None and not writer.control
    serving.cancel()
