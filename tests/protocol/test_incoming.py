"""incoming: only the next frame is taken, and acks wait only as long as they may."""

from __future__ import annotations

import pytest

from fedsock.protocol.flow import LEAST_CHUNK
from fedsock.protocol.frames import CHUNK_BYTES
from fedsock.protocol.incoming import ACK_BYTES, ACK_DELAY, LARGE_ACK_DELAY, Incoming


def test_only_the_next_number_is_taken() -> None:
    incoming = Incoming()
    assert [incoming.take(seq, 1, 0.0) for seq in (2, 1, 1, 3, 2, 3)] == [False, True, False, False, True, True]
    assert incoming.received == 3


def test_an_ack_waits_from_the_first_frame_on() -> None:
    incoming = Incoming()
    incoming.take(1, 1, 1.0)
    incoming.take(2, 1, 1.01)
    assert incoming.ack_at == 1.0 + ACK_DELAY
    incoming.ack_written()
    assert incoming.ack_at is None
    incoming.take(3, 1, 2.0)
    assert incoming.ack_at == 2.0 + ACK_DELAY


def test_many_bytes_are_acknowledged_at_once() -> None:
    incoming = Incoming()
    small = LEAST_CHUNK - 1
    frames = -(-ACK_BYTES // small)
    for seq in range(1, frames):
        incoming.take(seq, small, 1.0)
        assert incoming.ack_at == 1.0 + ACK_DELAY
    incoming.take(frames, small, 1.01)
    assert incoming.ack_at == 1.01
    incoming.ack_written()
    incoming.take(frames + 1, small, 2.0)
    assert incoming.ack_at == 2.0 + ACK_DELAY


@pytest.mark.parametrize("size", [LEAST_CHUNK, CHUNK_BYTES])
def test_every_second_large_frame_is_acknowledged_at_once(size: int) -> None:
    incoming = Incoming()
    due = []
    for seq in range(1, 5):
        incoming.take(seq, size, 1.0)
        due.append(incoming.ack_at)
        if incoming.ack_at == 1.0:
            incoming.ack_written()
    assert due == [1.0 + LARGE_ACK_DELAY, 1.0, 1.0 + LARGE_ACK_DELAY, 1.0]


def test_an_ack_that_waits_for_a_ride_waits_no_longer_than_a_large_frame_does() -> None:
    incoming = Incoming()
    incoming.take(1, 1, 1.0)
    incoming.take(2, LEAST_CHUNK, 1.01)
    assert incoming.ack_at == 1.01 + LARGE_ACK_DELAY
    incoming.take(3, 1, 1.012)
    assert incoming.ack_at == 1.01 + LARGE_ACK_DELAY
    incoming.ack_written()
    incoming.take(4, 1, 2.0)
    incoming.take(5, LEAST_CHUNK, 2.0 + ACK_DELAY - 0.001)
    assert incoming.ack_at == 2.0 + ACK_DELAY


def test_a_duplicate_is_acknowledged_at_once_each_time() -> None:
    incoming = Incoming()
    incoming.take(1, 1, 0.0)
    for now in (1.0, 2.0):
        incoming.ack_written()
        incoming.take(1, 1, now)
        assert incoming.ack_at == now


def test_a_gap_is_acknowledged_once() -> None:
    incoming = Incoming()
    incoming.take(2, 1, 1.0)
    assert incoming.ack_at == 1.0
    incoming.ack_written()
    incoming.take(3, 1, 2.0)
    assert incoming.ack_at is None
    incoming.take(1, 1, 3.0)
    incoming.ack_written()
    incoming.take(3, 1, 4.0)
    assert incoming.ack_at == 4.0, "another gap"


def test_what_comes_while_paused_is_taken_but_not_acknowledged_until_later() -> None:
    incoming = Incoming()
    incoming.take(1, 1, 0.0)
    incoming.ack_written()
    incoming.pause(True, 1.0)
    assert incoming.take(2, ACK_BYTES, 1.0)
    assert (incoming.received, incoming.told, incoming.ack_at) == (2, 1, None)
    assert not incoming.take(2, ACK_BYTES, 2.0)
    incoming.pause(False, 3.0)
    assert (incoming.received, incoming.told, incoming.ack_at) == (2, 2, 3.0)
    incoming.ack_written()
    incoming.pause(False, 4.0)
    assert incoming.ack_at is None
