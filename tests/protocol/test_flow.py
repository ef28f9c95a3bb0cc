"""flow: the window follows the delay of acks above the shortest one seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol import flow
from fedsock.protocol.flow import Window
from fedsock.protocol.frames import CHUNK_BYTES


def ack(window: Window, delay: float, *, amount: int | None = None, acked: int = 1, written: int = 2) -> None:
    window.acknowledged(window.size if amount is None else amount, window.size, delay, acked=acked, written=written)


def test_it_doubles_at_first_and_stops_at_the_largest() -> None:
    window = Window()
    sizes = []
    for _ in range(8):
        sizes.append(window.size)
        ack(window, 0.001)
    assert sizes == [min(flow.FIRST_WINDOW << n, flow.LAST_WINDOW) for n in range(8)]


def test_what_does_not_fill_the_window_says_nothing() -> None:
    window = Window()
    window.acknowledged(100, 100, 0.0001, acked=1, written=1)
    window.acknowledged(100, 100, 3.0, acked=2, written=2)
    assert window.size == flow.FIRST_WINDOW


def test_a_full_line_gets_no_more() -> None:
    window = Window()
    ack(window, 0.02)
    size = window.size
    ack(window, 0.02 + flow.PROMPT * 2)
    ack(window, 0.02 + flow.LATE * 0.99)
    assert window.size == size


def test_late_acks_shrink_it_once_a_round_trip_and_never_below_the_least() -> None:
    window = Window()
    ack(window, 0.0)
    size = window.size
    ack(window, 0.2, acked=5, written=9)
    assert window.size == size // 2
    ack(window, 0.2, acked=9, written=12)
    assert window.size == size // 2
    ack(window, 0.2, acked=10, written=20)
    assert window.size == size // 4
    ack(window, 60.0, acked=21, written=21)
    ack(window, 60.0, acked=22, written=22)
    assert window.size == flow.LEAST_WINDOW


def test_one_very_late_ack_shrinks_it_to_an_eighth_at_most() -> None:
    window = Window()
    ack(window, 0.0, amount=0)
    ack(window, 50.0)
    assert window.size == flow.FIRST_WINDOW // 8


def test_after_a_shrink_it_grows_by_an_eighth() -> None:
    window = Window()
    ack(window, 0.0, amount=0)
    ack(window, 0.2)
    size = window.size
    ack(window, 0.001)
    assert window.size == size + size // 8


def test_distance_is_not_held_against_a_line() -> None:
    window = Window()
    for acked in range(1, 9):
        ack(window, 0.2, acked=acked, written=acked)
    assert window.size == flow.LAST_WINDOW


@pytest.mark.parametrize(
    ("shortest", "prompt"), [(0.001, flow.PROMPT), (0.1, 0.05), (0.24, flow.LATE)], ids=["near", "far", "farthest"]
)
def test_a_far_line_is_given_more_time(shortest: float, prompt: float) -> None:
    window = Window()
    ack(window, shortest, amount=0)
    ack(window, shortest + prompt + 0.03)
    assert window.size == flow.FIRST_WINDOW if prompt + 0.03 < flow.LATE else window.size < flow.FIRST_WINDOW
    window.renew()
    ack(window, shortest, amount=0)
    ack(window, shortest + prompt * 0.99)
    assert window.size == 2 * flow.FIRST_WINDOW


def test_a_line_that_is_late_with_the_least_window_is_just_far() -> None:
    window = Window()
    for acked in range(1, 30):
        ack(window, 0.7, acked=acked, written=acked)
    assert window.size > flow.LEAST_WINDOW


def test_a_new_road_begins_afresh() -> None:
    window = Window()
    ack(window, 0.001)
    ack(window, 9.0, acked=50, written=99)
    window.renew()
    assert window.size == flow.FIRST_WINDOW
    ack(window, 0.2)
    assert window.size == 2 * flow.FIRST_WINDOW
    ack(window, 9.0, acked=1, written=2)
    assert window.size < 2 * flow.FIRST_WINDOW


def test_holds_and_stalls() -> None:
    window = Window()
    window.halve()
    assert window.size == flow.FIRST_WINDOW // 2
    ack(window, 0.001)
    assert window.size == flow.FIRST_WINDOW // 2 + flow.FIRST_WINDOW // 16
    window.collapse()
    assert window.size == flow.LEAST_WINDOW
    window.halve()
    assert window.size == flow.LEAST_WINDOW
    ack(window, 0.001)
    assert window.size == flow.LEAST_WINDOW * 9 // 8


@pytest.mark.parametrize(
    ("size", "chunk"),
    [(flow.LEAST_WINDOW, flow.LEAST_CHUNK), (flow.FIRST_WINDOW, 64 * 1024), (flow.LAST_WINDOW, CHUNK_BYTES)],
)
def test_chunks_are_a_quarter_of_the_window(size: int, chunk: int) -> None:
    window = Window()
    window.size = size
    assert window.chunk == chunk


@given(st.lists(st.tuples(st.integers(0, 2**24), st.integers(0, 2**24), st.floats(0, 100)), max_size=100))
def test_it_stays_within_its_bounds(acks: list[tuple[int, int, float]]) -> None:
    window = Window()
    for number, (amount, in_flight, delay) in enumerate(acks):
        window.acknowledged(amount, in_flight, delay, acked=number, written=number)
        assert flow.LEAST_WINDOW <= window.size <= flow.LAST_WINDOW
        assert flow.LEAST_CHUNK <= window.chunk <= CHUNK_BYTES
