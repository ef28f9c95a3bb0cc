"""outgoing: messages leave in order and in batches, streams in turn."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import ValueTooLarge
from fedsock.protocol.frames import BODY_LIMIT, JSON_BATCH_BYTES
from fedsock.protocol.outgoing import MESSAGE_LIMIT, Queue, Streams


def message(number: int, size: int = 0) -> bytes:
    return b'{"n":%d,"x":"%s"}' % (number, b"x" * size)


def test_tickets_count_up_and_a_batch_is_a_json_array() -> None:
    queue = Queue()
    assert [queue.add(message(n)) for n in range(3)] == [1, 2, 3]
    assert len(queue) == 3 and queue.bytes == 3 * len(message(0)) and queue.written == 0
    assert [entry["n"] for entry in orjson.loads(queue.cut())] == [0, 1, 2]
    assert len(queue) == 0 and queue.bytes == 0 and queue.written == 3
    assert queue.add(message(3)) == 4


def test_a_message_that_fits_no_frame_is_refused() -> None:
    queue = Queue()
    with pytest.raises(ValueTooLarge):
        queue.add(bytes(MESSAGE_LIMIT + 1))
    assert len(queue) == 0 and queue.bytes == 0
    queue.add(bytes(MESSAGE_LIMIT))
    assert len(queue.cut()) == BODY_LIMIT


@pytest.mark.parametrize("hole", [False, True])
def test_a_batch_ends_at_its_limit_to_the_byte(hole: bool) -> None:
    queue = Queue()
    if hole:
        first = queue.add(b"0")
        queue.add(b"1")
        queue.withdraw(first)
    else:
        queue.add(b"1")
    rest = JSON_BATCH_BYTES - len(b"[1,]")
    queue.add(b"2" * rest)
    assert len(queue.cut()) == JSON_BATCH_BYTES and len(queue) == 0
    queue.add(b"1")
    queue.add(b"2" * (rest + 1))
    assert queue.cut() == b"[1]"
    assert len(queue.cut()) == rest + 1 + 2


def test_a_message_larger_than_a_batch_goes_alone() -> None:
    queue = Queue()
    large = message(2, JSON_BATCH_BYTES)
    for body in (message(1), large, message(3)):
        queue.add(body)
    assert [queue.cut(), queue.cut(), queue.cut()] == [b"[" + m + b"]" for m in (message(1), large, message(3))]


def test_withdrawing() -> None:
    queue = Queue()
    tickets = [queue.add(message(n)) for n in range(4)]
    assert queue.withdraw(tickets[1])
    assert not queue.withdraw(tickets[1])
    assert not queue.withdraw(0) and not queue.withdraw(5) and not queue.withdraw(-1)
    assert len(queue) == 3 and queue.bytes == 3 * len(message(0))
    assert [entry["n"] for entry in orjson.loads(queue.cut())] == [0, 2, 3]
    assert not queue.withdraw(tickets[3])
    last = queue.add(message(9))
    assert queue.withdraw(last) and len(queue) == 0 and queue.written == last


def test_closing_drops_all_and_writes_no_ticket() -> None:
    queue = Queue()
    queue.add(message(0))
    queue.cut()
    waiting = queue.add(message(1))
    queue.close()
    assert len(queue) == 0 and queue.bytes == 0 and queue.written == 1
    assert not queue.withdraw(waiting)
    assert queue.add(message(2)) == 3
    assert not queue.withdraw(3)
    assert len(queue) == 0 and queue.bytes == 0 and queue.written == 1


STEPS = st.lists(
    st.tuples(st.just("add"), st.sampled_from([0, 100, 4_000, 70_000]), st.integers(1, 400))
    | st.tuples(st.just("withdraw"), st.integers(0, 10**6), st.integers(1, 50))
    | st.tuples(st.just("cut"), st.just(0), st.integers(1, 5)),
    max_size=30,
)


@given(STEPS)
def test_the_queue_is_a_plain_list_of_what_waits(steps: list[tuple[str, int, int]]) -> None:
    queue = Queue()
    waiting: dict[int, bytes] = {}
    given_out = 0
    for step, value, times in steps:
        for turn in range(times):
            if step == "add":
                given_out += 1
                waiting[given_out] = message(given_out, value)
                assert queue.add(waiting[given_out]) == given_out
            elif step == "withdraw" and given_out:
                ticket = 1 + (value * (turn + 1)) % given_out
                assert queue.withdraw(ticket) is (waiting.pop(ticket, None) is not None)
            elif step == "cut" and waiting:
                batch = queue.cut()
                assert len(batch) <= JSON_BATCH_BYTES or len(orjson.loads(batch)) == 1
                numbers = [entry["n"] for entry in orjson.loads(batch)]
                assert numbers == list(waiting)[: len(numbers)]
                for number in numbers:
                    del waiting[number]
                assert numbers[-1] <= queue.written < min(waiting, default=given_out + 1)
            assert len(queue) == len(waiting)
            assert queue.bytes == sum(map(len, waiting.values()))


def test_a_long_queue_keeps_nothing_that_was_written() -> None:
    queue = Queue()
    for number in range(20_000):
        queue.add(message(number, 100))
    held = queue._messages
    while len(queue):
        queue.cut()
        assert sum(entry is not None for entry in held) == len(queue)
        assert len(held) <= len(queue) + 4096 + 1000


def cut_all(streams: Streams, limit: int) -> list[tuple[int, int, bytes, bool]]:
    cuts = []
    while len(streams):
        number, at, data, last = streams.cut(limit)
        cuts.append((number, at, bytes(data), last))
    return cuts


def test_streams_are_cut_in_turn() -> None:
    streams = Streams()
    assert streams.add(memoryview(b"abcde")) == 1
    assert streams.add(memoryview(b"xyz")) == 2
    assert streams.bytes == 8
    assert cut_all(streams, 2) == [
        (1, 0, b"ab", False),
        (2, 0, b"xy", False),
        (1, 2, b"cd", False),
        (2, 2, b"z", True),
        (1, 4, b"e", True),
    ]
    assert streams.bytes == 0


def test_an_empty_stream_is_one_empty_chunk() -> None:
    streams = Streams()
    streams.add(memoryview(b"").cast("d"))
    assert len(streams) == 1
    assert cut_all(streams, 4) == [(1, 0, b"", True)]


def test_any_format_is_cut_as_bytes() -> None:
    streams = Streams()
    streams.add(memoryview(bytes(range(8))).cast("H", (2, 2)))
    assert cut_all(streams, 5) == [(1, 0, bytes(range(5)), False), (1, 5, bytes([5, 6, 7]), True)]


def test_stopping_drops_what_is_uncut() -> None:
    streams = Streams()
    one, two = streams.add(memoryview(b"abc")), streams.add(memoryview(b"xyz"))
    streams.cut(2)
    assert streams.stop(one) and not streams.stop(one)
    assert streams.bytes == 3
    assert cut_all(streams, 9) == [(two, 0, b"xyz", True)]
    assert not streams.acknowledged(one)
    assert streams.stop(two), "its end was not told yet"
    assert not streams.acknowledged(two) and not streams.stop(7)
    three = streams.add(memoryview(b"d"))
    streams.cut(1)
    assert streams.acknowledged(three) and not streams.acknowledged(three) and not streams.stop(three)


def test_closing_lets_go_of_the_buffers() -> None:
    data = bytearray(10)
    streams = Streams()
    streams.add(memoryview(data))
    streams.close()
    assert len(streams) == 0 and streams.bytes == 0 and not streams.unsent
    data.append(1)
