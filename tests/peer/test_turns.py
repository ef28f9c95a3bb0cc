"""Whose streams are written next: bounded together, one after the other, and nobody shut out."""

from __future__ import annotations

from fedsock.peer.turns import QUANTUM_BYTES, UNDER_WAY_BYTES, Turns
from fedsock.protocol.frames import CHUNK_BYTES, link_head, split
from fedsock.protocol.link import Link

MIB = 1 << 20
HERE = "s-1@aaaa"


class Ends:
    """Both ends of a link; what is written at the one is taken at the other when the test says so."""

    def __init__(self, number: int) -> None:
        self.near = Link(HERE, f"w{number}@bbbb", now=0.0)
        self.far = Link(f"w{number}@bbbb", HERE, now=0.0)
        self.near.socket_up(0.0)
        self.far.socket_up(0.0)
        self.written: list[bytes] = []

    def arrive(self) -> None:
        for frame in self.written:
            head, body = split(frame)
            self.far.receive(link_head(head), body, 0.0)
        self.written.clear()
        while (ack := self.far.next_frame(1.0)) is not None:
            head, body = split(ack)
            self.near.receive(link_head(head), body, 0.0)

    def warm(self) -> Ends:
        """Let the window grow to its largest."""
        self.near.send_stream(memoryview(bytes(64 * MIB)))
        while self.near.queued_stream_bytes:
            while (frame := self.near.next_frame(0.0)) is not None:
                self.written.append(frame)
            self.arrive()
        return self


def played(turns: Turns, ends: list[Ends]) -> list[str]:
    """Write all there is to write now; return to whom, in order."""
    by = {one.near: one for one in ends}
    order = []
    while (found := turns.next_frame(0.0)) is not None:
        link, frame = found
        by[link].written.append(frame)
        order.append(link.remote.partition("@")[0])
    return order


def streaming(turns: Turns, ends: list[Ends], nbytes: int) -> None:
    for one in ends:
        one.near.send_stream(memoryview(bytes(nbytes)))
        turns.add(one.near)


def test_what_is_under_way_is_bounded_however_many_links_there_are() -> None:
    turns, ends = Turns(), [Ends(number) for number in range(80)]
    streaming(turns, ends, MIB)
    most, rounds = 0, 0
    while any(one.near.queued_stream_bytes for one in ends):
        played(turns, ends)
        most, rounds = max(most, sum(one.near.in_flight_bytes for one in ends)), rounds + 1
        assert turns.under_way == sum(one.near.in_flight_bytes for one in ends)
        for one in ends:
            one.arrive()
            turns.count(one.near)
            turns.add(one.near)
    assert UNDER_WAY_BYTES <= most < UNDER_WAY_BYTES + CHUNK_BYTES + 200
    assert rounds < 40  # and no round was in vain
    assert not turns.under_way


def test_values_go_one_after_the_other_where_windows_let_them() -> None:
    turns, ends = Turns(), [Ends(number).warm() for number in range(3)]
    streaming(turns, ends, 2 * MIB)
    order = played(turns, ends)
    assert order == sorted(order) and set(order) == {"w0", "w1", "w2"}


def test_large_values_leave_each_other_their_turns() -> None:
    turns, ends = Turns(), [Ends(number).warm() for number in range(2)]
    streaming(turns, ends, 64 * MIB)
    order = played(turns, ends)
    assert order.count("w0") == order.count("w1") == QUANTUM_BYTES // CHUNK_BYTES
    for one in ends:
        one.arrive()
        turns.count(one.near)
        turns.add(one.near)
    assert set(played(turns, ends)) == {"w0", "w1"}


def test_who_is_away_or_forgotten_takes_nothing_from_others() -> None:
    turns, ends = Turns(), [Ends(number).warm() for number in range(3)]
    streaming(turns, ends[:2], 4 * MIB)
    assert set(played(turns, ends)) == {"w0", "w1"}
    streaming(turns, ends[2:], 4 * MIB)
    assert not played(turns, ends)
    ends[0].near.peer_absent(0.0)
    turns.count(ends[0].near)
    assert set(played(turns, ends)) == {"w2"}
    turns.forget(ends[1].near)
    turns.forget(ends[2].near)
    assert not turns.under_way and not played(turns, ends)
