"""flight: what is unacknowledged is kept, and written again from the oldest on."""

from __future__ import annotations

import pytest

from fedsock.protocol.flight import HASTE, LONGEST_STALL, STALL, Flight

FRAMES = [b"one", b"three", b"fifteen"]


@pytest.fixture
def flight() -> Flight:
    """Return a flight of three frames, written at 0, 1 and 2 s; the last two end streams 7 and 8."""
    flight = Flight()
    for now, (frame, last_of) in enumerate(zip(FRAMES, (0, 7, 8), strict=True)):
        flight.add(frame, float(now), last_of)
    return flight


def test_frames_are_numbered_and_counted(flight: Flight) -> None:
    assert (flight.acked, flight.numbered, flight.cursor, len(flight)) == (0, 3, 4, 3)
    assert flight.bytes == sum(map(len, FRAMES))
    assert not flight.replaying


def test_an_ack_tells_when_the_newest_was_written(flight: Flight) -> None:
    assert flight.acknowledge(2, 5.0) == (len(b"onethree"), 1.0, [7])
    assert (flight.acked, len(flight), flight.bytes) == (2, 1, len(b"fifteen"))
    assert flight.acknowledge(3, 6.0) == (len(b"fifteen"), 2.0, [8])
    assert len(flight) == 0 and flight.bytes == 0 and flight.stalled_at is None


def test_going_back_replays_the_same_bytes_from_the_last_ack_on(flight: Flight) -> None:
    flight.acknowledge(1, 3.0)
    flight.go_back()
    assert flight.replaying and flight.bytes == 0 and len(flight) == 2
    assert [flight.replay(9.0), flight.replay(9.0)] == FRAMES[1:]
    assert not flight.replaying and flight.bytes == len(b"threefifteen")
    flight.add(b"next", 10.0)
    assert flight.numbered == 4


def test_the_time_of_a_frame_written_twice_is_not_told(flight: Flight) -> None:
    flight.go_back()
    flight.replay(9.0)
    assert flight.acknowledge(1, 10.0) == (len(b"one"), None, [])


def test_a_late_ack_of_what_was_not_replayed_yet_moves_the_cursor(flight: Flight) -> None:
    flight.go_back()
    flight.replay(9.0)
    assert flight.acknowledge(2, 10.0) == (len(b"one"), None, [7])
    assert flight.cursor == 3 and flight.bytes == 0
    assert flight.replay(11.0) == b"fifteen"


def test_the_clock_runs_from_the_last_progress_and_doubles() -> None:
    flight = Flight()
    assert flight.stalled_at is None
    flight.add(b"one", 1.0)
    flight.add(b"two", 3.0)
    assert flight.stalled_at == 1.0 + STALL
    flight.acknowledge(1, 4.0)
    assert flight.stalled_at == 4.0 + STALL
    waits, now = [], 4.0 + STALL
    for _ in range(4):
        flight.stalled()
        assert flight.stalled_at is None and flight.replaying
        assert flight.replay(now) == b"two"
        assert flight.stalled_at is not None
        waits.append(flight.stalled_at - now)
        now = flight.stalled_at
    assert waits == [2 * STALL, LONGEST_STALL, LONGEST_STALL, LONGEST_STALL]
    flight.add(b"six", now)
    flight.acknowledge(2, now)
    assert flight.stalled_at == now + STALL


def test_going_back_for_a_reason_makes_it_patient_no_longer() -> None:
    flight = Flight()
    flight.add(b"one", 0.0)
    flight.stalled()
    flight.go_back()
    flight.replay(50.0)
    assert flight.stalled_at == 50.0 + STALL


def test_haste_brings_the_clock_forward_only(flight: Flight) -> None:
    flight.hasten(1.0)
    assert flight.stalled_at == 1.0 + HASTE
    flight.hasten(1.5)
    assert flight.stalled_at == 1.0 + HASTE


def test_closing_drops_all(flight: Flight) -> None:
    flight.close()
    assert len(flight) == 0 and flight.bytes == 0 and not flight.replaying
