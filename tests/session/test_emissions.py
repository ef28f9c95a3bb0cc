"""Streamed values as a session reads them."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.ops import TABLE
from fedsock.protocol import arrays, messages, values
from fedsock.session import emissions


@pytest.fixture(autouse=True)
def streaming(monkeypatch: pytest.MonkeyPatch, house: Any) -> None:
    """Let "negative" be an op that streams, of which bob says nothing by himself."""
    row = dataclasses.replace(TABLE["negative"], streams=True)
    monkeypatch.setattr(emissions, "TABLE", {**TABLE, "negative": row})
    house.bobs.on_op = lambda message: None
    house.bobs.on_taken = lambda message: None


def emit(house: Any, p: Any, number: int, value: Any) -> list[tuple[int, memoryview]]:
    """Have bob stream a value; returns its streams, not sent yet."""
    out: list[tuple[int, memoryview]] = []

    def stream(array: Any) -> int:
        house.bobs.streams += 1
        out.append((house.bobs.streams, arrays.raw(array)))
        return house.bobs.streams

    house.bobs.say(messages.Emitted(p.id_at_location, number, values.to_json(value, stream)))
    return out


def done(house: Any, p: Any) -> None:
    house.bobs.say(messages.Done(p.id_at_location, kind="int"))


def taken(house: Any) -> list[int]:
    return [one.number for one in house.bobs.named(messages.Taken)]


async def started(house: Any) -> Any:
    p = -house.bob.send(1)
    await house.written()
    return p


async def test_values_come_in_order_and_end_with_the_op(house: Any) -> None:
    p = await started(house)
    for number in (1, 2):
        emit(house, p, number, number * 10)
    reading = asyncio.create_task(_all(p))
    await asyncio.sleep(0)
    emit(house, p, 3, None)
    done(house, p)
    assert await reading == [10, 20, None]
    assert [value async for value in p] == []


async def _all(p: Any) -> list[Any]:
    return [value async for value in p]


async def test_a_failure_comes_behind_the_values(house: Any) -> None:
    p = await started(house)
    emit(house, p, 1, 1.5)
    house.bobs.say(messages.Error(p.id_at_location, "op_value", "bad"))
    seen = []
    with pytest.raises(errors.OpValueError, match="bad"):
        async for value in p:
            seen.append(value)
    assert seen == [1.5]


async def test_arrays_are_whole_when_they_come(house: Any) -> None:
    p = await started(house)
    array = np.arange(10_000.0)
    [(stream, data)] = emit(house, p, 1, {"a": array})
    emit(house, p, 2, 2)
    done(house, p)
    reading = asyncio.create_task(_all(p))
    house.peer.session.chunk(house.bobs.address, stream, 0, data[:100])
    await asyncio.sleep(0)
    assert not reading.done()
    house.peer.session.chunk(house.bobs.address, stream, 100, data[100:])
    first, second = await reading
    assert (first["a"] == array).all() and second == 2


async def test_what_a_reader_has_not_come_to_is_not_taken(house: Any) -> None:
    p = await started(house)
    reader = aiter(p)
    for number in range(1, 5):
        emit(house, p, number, number)
    await house.written()
    assert taken(house) == []
    assert [await anext(reader), await anext(reader)] == [1, 2]
    await house.written()
    assert taken(house) == [1, 2]
    del reader
    await asyncio.sleep(0)  # who let go is told of in the loop
    await house.written()
    assert taken(house) == [1, 2, 4]


async def test_while_nobody_reads_all_is_taken_and_the_last_are_kept(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(emissions, "KEPT", 3)
    p = await started(house)
    for number in range(1, 11):
        emit(house, p, number, number)
    await house.written()
    assert taken(house) == list(range(1, 11))
    done(house, p)
    assert await _all(p) == [8, 9, 10]


async def test_large_values_that_nobody_reads_are_stopped(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(messages, "EMITTED_BYTES", 100_000)
    p = await started(house)
    first, *_ = [emit(house, p, number, np.zeros(10_000)) for number in (1, 2)]
    await house.written()
    assert [one.stream for one in house.bobs.named(messages.Stop)] == [first[0][0]]
    house.peer.session.chunk(house.bobs.address, first[0][0], 0, first[0][1])  # dropped quietly


async def test_a_refusal_is_raised(house: Any) -> None:
    p = await started(house)
    refused = messages.Failure(p.id_at_location, "export_denied", "bob keeps what is streamed")
    house.bobs.say(messages.Emitted(p.id_at_location, 1, refused=refused))
    with pytest.raises(errors.ExportDenied, match="keeps"):
        await _all(p)


async def test_one_reads_at_a_time(house: Any) -> None:
    p = await started(house)
    reader = aiter(p)
    with pytest.raises(errors.PointerError, match="already"):
        aiter(p)
    del reader
    aiter(p)


async def test_what_streams_nothing_says_so(house: Any) -> None:
    with pytest.raises(errors.PointerError, match="streams nothing"):
        aiter(house.bob.send(1) + 1)


async def test_cancelling_a_reader_leaves_the_rest(house: Any) -> None:
    p = await started(house)
    reader = aiter(p)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(reader)
    emit(house, p, 1, 5)
    assert await anext(reader) == 5


async def test_a_lost_worker_ends_it(house: Any) -> None:
    p = await started(house)
    emit(house, p, 1, np.zeros(10_000))
    reading = asyncio.create_task(_all(p))
    await asyncio.sleep(0)
    house.bob.station.lose(errors.WorkerLost("worker bob is lost"))
    with pytest.raises(errors.WorkerLost):
        await reading


async def test_what_comes_of_a_pointer_that_is_gone_is_stopped(house: Any) -> None:
    p = await started(house)
    number = p.id_at_location
    del p
    house.bobs.streams += 1
    tree = {"$array": {"dtype": "float64", "shape": [1000], "stream": house.bobs.streams}}
    house.bobs.say(messages.Emitted(number, 1, tree))
    await house.written()
    assert len(house.bobs.named(messages.Stop)) == 1


@pytest.mark.parametrize(
    ("numbers", "text"), [([2], "out of turn"), ([1, 1], "out of turn"), (range(1, 9), "more streamed")]
)
async def test_a_worker_that_keeps_no_order_is_refused(house: Any, monkeypatch: Any, numbers: Any, text: str) -> None:
    monkeypatch.setattr(emissions, "KEPT", 3)
    monkeypatch.setattr(messages, "EMITTED_MOST", 2)
    p = await started(house)
    reader = aiter(p)
    with pytest.raises(errors.BadMessage, match=text):
        for number in numbers:
            emit(house, p, number, 1)
    assert reader is not None


async def test_a_streamed_value_of_no_op_is_refused(house: Any) -> None:
    with pytest.raises(errors.BadMessage, match="never given out"):
        house.bobs.say(messages.Emitted(1_000_000, 1, 1))


async def test_no_more_bytes_than_may_be_on_their_way(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that doesn't wait for its reader ends its link, not the session's memory."""
    monkeypatch.setattr(emissions, "MOST_BYTES", 100_000)
    p = await started(house)
    reader = aiter(p)
    for number in (1, 2):
        emit(house, p, number, np.zeros(6_000))
    with pytest.raises(errors.BadMessage, match="on their way"):
        emit(house, p, 3, np.zeros(6_000))
    assert reader is not None
