"""link: what is written when, and what is taken.

Replays and ends are in test_link_replay.py, all at once in test_link_property.py.
"""

from __future__ import annotations

import pytest

from fedsock.errors import BadFrame, ValueTooLarge
from fedsock.protocol import flow
from fedsock.protocol.events import Batch, Chunk, StreamSent
from fedsock.protocol.flight import FLIGHT_FRAMES, STALL
from fedsock.protocol.frames import build, split
from fedsock.protocol.incoming import ACK_DELAY
from fedsock.protocol.link import Link
from fedsock.protocol.outgoing import MESSAGE_LIMIT
from tests.protocol.wire import ANN, BOB, feed, from_bob, new, pair, seqs, write

# Out


def test_what_is_queued_becomes_one_frame() -> None:
    link = new()
    assert [link.send(b'{"a":1}'), link.send(b'{"b":2}')] == [1, 2]
    assert (link.queued_messages, link.queued_bytes, link.written_tickets) == (2, 14, 0) and link.pending
    assert write(link) == [build(BOB, ANN, 0, seq=1, body=b'[{"a":1},{"b":2}]')]
    assert (link.queued_messages, link.queued_bytes, link.written_tickets) == (0, 0, 2) and not link.pending
    assert link.unacknowledged == 1 and link.in_flight_bytes > 0 and not link.drained
    feed(link, from_bob(1), 1.0)
    assert link.unacknowledged == 0 and link.in_flight_bytes == 0 and link.drained


def test_a_withdrawn_message_is_not_written() -> None:
    link = new()
    kept, gone = link.send(b"{}"), link.send(b'{"x":1}')
    assert link.withdraw(gone)
    assert write(link)[0].endswith(b"\n[{}]")
    assert not link.withdraw(kept)


def test_a_message_that_fits_no_frame_is_refused() -> None:
    with pytest.raises(ValueTooLarge):
        new().send(bytes(MESSAGE_LIMIT + 1))


@pytest.mark.parametrize("text", ["ann", "", "Ann@aaaa"])
def test_addresses_are_checked(text: str) -> None:
    with pytest.raises(BadFrame):
        Link(text, BOB, now=0.0)
    with pytest.raises(BadFrame):
        Link(ANN, text, now=0.0)


def test_messages_go_before_chunks_and_streams_in_turn() -> None:
    link = new()
    one = link.send_stream(memoryview(bytes(100_000)))
    two = link.send_stream(memoryview(bytes(100_000)))
    link.send(b"{}")
    assert link.queued_stream_bytes == 200_000
    heads = [split(frame)[0] for frame in write(link)]
    assert [head.get("stream") for head in heads] == [None, one, two, one, two]
    assert [head.get("at") for head in heads] == [None, 0, 0, 65536, 65536]
    assert link.queued_stream_bytes == 0


def test_a_stream_is_told_sent_once_when_its_last_chunk_is_acknowledged() -> None:
    one, two = pair()
    data = bytes(range(256)) * 400
    number = one.send_stream(memoryview(data))
    arrived = bytearray()
    events = []
    for frame in write(one):
        for event in feed(two, frame, 0.0):
            assert isinstance(event, Chunk) and event.stream == number and event.at == len(arrived)
            arrived += event.data
    assert arrived == data
    for frame in write(two, 1.0):
        events += feed(one, frame, 1.0)
    assert events == [StreamSent(number)]
    assert one.drained
    assert feed(one, from_bob(2), 2.0) == []


def test_a_frame_does_not_change_with_the_buffer() -> None:
    link = new()
    data = bytearray(b"abcd")
    link.send_stream(memoryview(data))
    (frame,) = write(link)
    data[:] = b"wxyz"
    link.socket_down(1.0)
    link.socket_up(2.0)
    assert write(link, 2.0) == [frame]
    assert frame.endswith(b"\nabcd")


def test_a_stopped_stream_is_cut_no_more_and_not_told_sent() -> None:
    link = new()
    number = link.send_stream(memoryview(bytes(10 * flow.FIRST_WINDOW)))
    frames = write(link)
    assert link.stop_stream(number) and not link.stop_stream(number)
    assert link.queued_stream_bytes == 0
    assert not link.drained
    link.socket_down(1.0)
    link.socket_up(1.0)
    assert write(link, 1.0) == frames, "numbered chunks are written again"
    assert feed(link, from_bob(len(frames)), 2.0) == []
    assert link.drained and write(link, 2.0) == []


def test_the_window_bounds_what_is_in_flight_and_opens_with_acks() -> None:
    link = new()
    link.send_stream(memoryview(bytes(64 * 1024 * 1024)))
    write(link)
    assert flow.FIRST_WINDOW <= link.in_flight_bytes < flow.FIRST_WINDOW * 5 // 4 + 100
    acked = 0
    for turn in range(1, 8):
        acked = link.unacknowledged + acked
        feed(link, from_bob(acked), turn / 1000)
        write(link, turn / 1000)
    assert flow.LAST_WINDOW <= link.in_flight_bytes < flow.LAST_WINDOW + 600 * 1024


def test_a_message_waits_for_the_bytes_in_flight_only() -> None:
    link = new()
    link.send_stream(memoryview(bytes(64 * 1024 * 1024)))
    sent = len(write(link))
    link.send(b"{}")
    assert write(link) == [], "the window is full"
    feed(link, from_bob(2), 0.01)
    (first, *_) = write(link, 0.01)
    assert split(first)[0] == {"to": BOB, "from": ANN, "seq": sent + 1, "ack": 0}


def test_a_frame_larger_than_the_window_is_written_alone() -> None:
    link = new()
    for _ in range(2):
        link.send(b'"' + bytes(1_000_000) + b'"')
    assert len(write(link)) == 1
    feed(link, from_bob(1), 1.0)
    assert len(write(link, 1.0)) == 1


def test_so_many_small_frames_may_be_in_flight() -> None:
    link = new()
    link._window.size = flow.LAST_WINDOW
    for _ in range(FLIGHT_FRAMES + 1):
        link.send(b"{}")
        link.next_frame(0.0)
    assert link.unacknowledged == FLIGHT_FRAMES and link.queued_messages == 1
    feed(link, from_bob(1), 1.0)
    assert len(write(link, 1.0)) == 1


# Acks


def test_an_ack_rides_on_a_frame_or_goes_alone_after_a_while() -> None:
    link = new()
    assert feed(link, from_bob(0, 1, b"[1]"), 1.0) == [Batch(memoryview(b"[1]"))]
    assert link.deadline == 1.0 + ACK_DELAY
    assert write(link, 1.0) == []
    link.send(b"{}")
    assert split(write(link, 1.01)[0])[0]["ack"] == 1
    feed(link, from_bob(1, 2), 2.0)
    assert write(link, 2.0 + ACK_DELAY) == [build(BOB, ANN, 2)]
    assert write(link, 9.0) == []
    assert link.unacknowledged == 0, "an ack alone has no number"


def test_an_ack_alone_passes_a_full_window_and_a_replay() -> None:
    link = new()
    link.send_stream(memoryview(bytes(10 * flow.FIRST_WINDOW)))
    write(link)
    feed(link, from_bob(0, 1), 1.0)
    assert write(link, 1.0 + ACK_DELAY) == [build(BOB, ANN, 1)]
    link.socket_up(2.0)
    feed(link, from_bob(0, 2), 2.0)
    frames = write(link, 2.0)
    assert seqs(frames[:2]) == [None, 1] and split(frames[0])[0]["ack"] == 2


def test_duplicates_and_gaps_are_dropped_and_answered() -> None:
    link = new()
    feed(link, from_bob(0, 1), 0.0)
    write(link, 1.0)
    assert feed(link, from_bob(0, 1), 2.0) == []
    assert write(link, 2.0) == [build(BOB, ANN, 1)]
    assert feed(link, from_bob(0, 3), 3.0) == []
    assert feed(link, from_bob(0, 4), 3.0) == []
    assert write(link, 3.0) == [build(BOB, ANN, 1)]
    assert feed(link, from_bob(0, 5), 4.0) == [] and write(link, 4.0) == []


def test_the_ack_of_a_frame_behind_a_gap_counts() -> None:
    link = new()
    link.send(b"{}")
    write(link)
    assert feed(link, from_bob(1, 7), 1.0) == []
    assert link.drained


def test_an_older_ack_changes_nothing() -> None:
    link = new()
    for _ in range(2):
        link.send(b"{}")
        write(link)
    feed(link, from_bob(2), 1.0)
    assert feed(link, from_bob(1), 1.0) == [] and link.drained


def test_what_can_not_be_is_a_bad_frame_and_changes_nothing() -> None:
    link = new()
    link.send(b"{}")
    write(link)
    for frame in (from_bob(2), from_bob(2, 1), from_bob(1, FLIGHT_FRAMES + 1)):
        with pytest.raises(BadFrame):
            feed(link, frame, 1.0)
    assert link.unacknowledged == 1
    assert feed(link, from_bob(0, FLIGHT_FRAMES), 1.0) == []
    assert len(feed(link, from_bob(1, 1), 1.0)) == 1


@pytest.mark.parametrize(("to", "sender"), [(ANN, "bob@cccc"), ("ann@cccc", BOB), (ANN, "bab@bbbb"), (BOB, ANN)])
def test_frames_of_another_life_are_not_taken(to: str, sender: str) -> None:
    link = new()
    assert feed(link, from_bob(0, 1, to=to, sender=sender), 1.0) == []
    reset = build(to, sender, 0, reset="swept")
    assert feed(link, reset, 1.0) == [] and link.ended is None
    assert len(feed(link, from_bob(0, 1), 1.0)) == 1


# Time


def test_deadlines_are_the_earliest_of_all() -> None:
    link = new()
    assert link.deadline is None
    link.send(b"{}")
    write(link, 1.0)
    assert link.deadline == 1.0 + STALL
    feed(link, from_bob(0, 1), 2.0)
    assert link.deadline == 2.0 + ACK_DELAY
    write(link, 3.0)
    assert link.deadline == 1.0 + STALL
