"""One contract for every transport: the memory pair and a WebSocket on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol.frames import FRAME_LIMIT
from fedsock.transport.base import BROKEN, NORMAL, POLICY, TOO_BIG, Transport, TransportClosed
from fedsock.transport.memory import memory_pair
from fedsock.transport.websocket import dial, listen

Ends = Callable[[], AbstractAsyncContextManager[tuple[Transport, Transport]]]


@asynccontextmanager
async def memory_ends() -> AsyncIterator[tuple[Transport, Transport]]:
    here, there = memory_pair()
    yield here, there
    await here.close()
    await there.close()


@asynccontextmanager
async def websocket_ends() -> AsyncIterator[tuple[Transport, Transport]]:
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handler(transport: Transport) -> None:
        accepted.set_result(transport)
        await done.wait()

    listener = await listen("127.0.0.1", 0, handler)
    here = await dial(f"ws://127.0.0.1:{listener.port}", timeout=5)
    try:
        yield here, await accepted
    finally:
        done.set()
        here.abort()
        await listener.close()


@pytest.fixture(params=[memory_ends, websocket_ends], ids=["memory", "websocket"])
def ends(request: pytest.FixtureRequest) -> Ends:
    return request.param  # type: ignore[no-any-return]


async def _closed_by(transport: Transport) -> TransportClosed:
    with pytest.raises(TransportClosed) as caught:
        while True:
            await asyncio.wait_for(transport.recv(), 5)
    return caught.value


async def test_frames_arrive_whole_and_in_order_both_ways(ends: Ends) -> None:
    frames = [b"{}\n[%d]" % n for n in range(200)]
    async with ends() as (here, there):
        for frame in frames:
            await here.send(frame)
            await there.send(frame + b" ")
        assert [await there.recv() for _ in frames] == frames
        assert [await here.recv() for _ in frames] == [frame + b" " for frame in frames]


async def test_what_arrives_is_bytes(ends: Ends) -> None:
    async with ends() as (here, there):
        await here.send(b"{}\n\xff\x00", binary=True)
        await here.send('{}\n["é"]'.encode())
        await there.send(b"{}\n\xff", binary=True)
        received = [await there.recv(), await there.recv(), await here.recv()]
    assert received == [b"{}\n\xff\x00", '{}\n["é"]'.encode(), b"{}\n\xff"]
    assert all(isinstance(frame, bytes | bytearray) for frame in received)


@pytest.mark.parametrize("open_ends", [memory_ends, websocket_ends], ids=["memory", "websocket"])
@given(frames=st.lists(st.binary(max_size=3000), max_size=20))
def test_any_bytes_pass(open_ends: Ends, frames: list[bytes]) -> None:
    async def run() -> list[bytes]:
        async with open_ends() as (here, there):
            for frame in frames:
                await here.send(frame, binary=True)
            return [await there.recv() for _ in frames]

    assert asyncio.run(run()) == frames


async def test_the_largest_frame_passes(ends: Ends) -> None:
    frame = bytes(FRAME_LIMIT)
    async with ends() as (here, there):
        sending = asyncio.create_task(here.send(frame, binary=True))
        assert await there.recv() == frame
        await sending


async def test_a_larger_frame_closes_both_ends_with_1009(ends: Ends) -> None:
    async with ends() as (here, there):
        await here.send(b"before")
        await here.send(bytes(FRAME_LIMIT + 1), binary=True)
        assert await there.recv() == b"before"
        assert (await _closed_by(there)).code == TOO_BIG
        assert (await _closed_by(here)).code == TOO_BIG


async def test_send_waits_for_a_slow_reader_and_goes_on(ends: Ends) -> None:
    sent = 0

    async def pour(transport: Transport) -> None:
        nonlocal sent
        for _ in range(200):
            await transport.send(bytes(FRAME_LIMIT), binary=True)
            sent += 1

    async with ends() as (here, there):
        pouring = asyncio.create_task(pour(here))
        # The road is full once the sender makes no progress any more while the loop runs on.
        before = -1
        while sent != before:
            before = sent
            await asyncio.wait([pouring], timeout=0.3)
        assert 0 < sent < 100
        for _ in range(200):
            assert len(await there.recv()) == FRAME_LIMIT
        await pouring
        assert sent == 200


async def test_close_gives_its_code_and_reason_after_what_was_sent(ends: Ends) -> None:
    async with ends() as (here, there):
        await here.send(b"last words")
        closing = asyncio.create_task(here.close(POLICY, "enough"))
        assert await there.recv() == b"last words"
        closed = await _closed_by(there)
        await closing
        assert (closed.code, closed.reason) == (POLICY, "enough")
        assert str(closed) == "closed with code 1008: enough"
        assert (await _closed_by(here)).code == POLICY


async def test_after_the_close_sending_and_receiving_raise_every_time(ends: Ends) -> None:
    async with ends() as (here, there):
        await there.close()
        for transport in (here, there):
            for _ in range(2):
                assert (await _closed_by(transport)).code == NORMAL
                with pytest.raises(TransportClosed):
                    await transport.send(b"{}\n")


async def test_close_again_is_harmless_and_keeps_the_first_code(ends: Ends) -> None:
    async with ends() as (here, there):
        await asyncio.gather(here.close(POLICY, "first"), here.close(NORMAL, "second"))
        await here.close()
        here.abort()
        assert (await _closed_by(there)).code == POLICY


async def test_a_long_reason_is_no_error(ends: Ends) -> None:
    async with ends() as (here, there):
        await here.close(POLICY, "é" * 500)
        assert (await _closed_by(there)).reason.startswith("éé")


async def test_close_ends_while_the_other_end_reads_nothing(ends: Ends) -> None:
    async def pour(transport: Transport) -> None:
        with pytest.raises(TransportClosed):
            while True:
                await transport.send(bytes(FRAME_LIMIT), binary=True)

    async with ends() as (here, _there):
        pouring = asyncio.create_task(pour(here))
        await asyncio.wait([pouring], timeout=0.3)
        await asyncio.wait_for(here.close(), 4)
        await asyncio.wait_for(pouring, 4)


async def test_abort_is_seen_as_a_broken_road(ends: Ends) -> None:
    async with ends() as (here, there):
        here.abort()
        assert (await _closed_by(there)).code == BROKEN
        assert (await _closed_by(here)).code == BROKEN
        with pytest.raises(TransportClosed):
            await here.send(b"{}\n")


async def test_close_wakes_a_waiting_reader_of_the_same_end(ends: Ends) -> None:
    async with ends() as (here, _there):
        reading = asyncio.create_task(_closed_by(here))
        await asyncio.wait([reading], timeout=0.01)
        await here.close()
        assert (await asyncio.wait_for(reading, 5)).code == NORMAL


async def test_cancelling_recv_loses_nothing(ends: Ends) -> None:
    async with ends() as (here, there):
        reading = asyncio.create_task(there.recv())
        await asyncio.wait([reading], timeout=0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await here.send(b"kept")
        assert await there.recv() == b"kept"


async def test_recv_does_not_suspend_when_a_frame_is_there(ends: Ends) -> None:
    async with ends() as (here, there):
        for _ in range(3):
            await here.send(b"frame")
        assert await there.recv() == b"frame"
        # A WebSocket's three frames may come in one read or in several; the memory pair's are there at once.
        while True:
            stepping = there.recv()
            try:
                stepping.send(None)
            except StopIteration as returned:
                assert returned.value == b"frame"
                break
            stepping.close()
            await asyncio.sleep(0)


async def test_deliver_has_each_frame_taken_those_first_that_came_before(ends: Ends) -> None:
    taken: list[bytes] = []
    enough = asyncio.Event()

    def take(frame: bytes | bytearray) -> None:
        taken.append(bytes(frame))
        if len(taken) == 100:
            enough.set()

    frames = [b"{}\n[%d]" % n for n in range(100)]
    async with ends() as (here, there):
        for frame in frames[:50]:
            await here.send(frame)
        assert await there.recv() == frames[0]
        delivering = asyncio.create_task(there.deliver(take))
        for frame in frames[50:]:
            await here.send(frame)
        await here.send(b"one more")
        await asyncio.wait_for(enough.wait(), 5)
        assert taken == [*frames[1:], b"one more"]
        await here.close(POLICY, "done")
        with pytest.raises(TransportClosed) as caught:
            await asyncio.wait_for(delivering, 5)
        assert caught.value.code == POLICY


async def test_after_a_cancelled_delivery_frames_wait_for_recv(ends: Ends) -> None:
    taken: list[object] = []
    async with ends() as (here, there):
        delivering = asyncio.create_task(there.deliver(taken.append))
        await asyncio.wait([delivering], timeout=0.01)
        delivering.cancel()
        await asyncio.wait([delivering])
        await here.send(b"kept")
        assert await asyncio.wait_for(there.recv(), 5) == b"kept"
        assert taken == []


async def test_what_a_taker_raises_ends_the_delivery(ends: Ends) -> None:
    def take(frame: object) -> None:
        raise ValueError("no frame of mine")

    async with ends() as (here, there):
        delivering = asyncio.create_task(there.deliver(take))
        await here.send(b"1")
        with pytest.raises(ValueError, match="of mine"):
            await asyncio.wait_for(delivering, 5)


async def test_write_writes_as_long_as_there_is_room_and_then_nothing(ends: Ends) -> None:
    frame = bytes(FRAME_LIMIT)
    async with ends() as (here, there):
        written = 0
        # The system's own buffers take some, so the road is full once it is twice in a row after it had time.
        full = 0
        while full < 3:
            if here.write(frame, binary=True):
                written, full = written + 1, 0
            else:
                full += 1
                await asyncio.sleep(0.05)
        assert 0 < written < 100
        sending = asyncio.create_task(here.send(b"last"))
        for _ in range(written):
            assert len(await asyncio.wait_for(there.recv(), 5)) == FRAME_LIMIT
        assert await asyncio.wait_for(there.recv(), 5) == b"last"
        await sending
        assert here.write(b"again")
        assert await asyncio.wait_for(there.recv(), 5) == b"again"


async def test_write_on_a_closed_road_raises(ends: Ends) -> None:
    async with ends() as (here, there):
        await here.close(POLICY, "enough")
        for transport in (here, there):
            await _closed_by(transport)
            with pytest.raises(TransportClosed):
                transport.write(b"{}")
