"""link: whatever happens to sockets, hub and lines, each message arrives once and in order, or both links end."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol.frames import build, link_head, split
from tests.protocol.wire import NAMES, World

DRAIN_SECONDS = 240.0
"""Within which all must have arrived, once the faults stop."""

SIDE = st.sampled_from("ab")
SIZES = st.sampled_from([2, 20, 300, 5_000, 70_000, 200_000])
STREAM_SIZES = st.sampled_from([0, 1, 5_000, 80_000, 300_000, 1_000_000])
# Bytes a second: a local line, 80 Mbit/s, 2 Mbit/s.
SPEEDS = st.sampled_from([0.0, 1e-7, 4e-6])
# Mostly short, so that faults strike while frames are under way.
SHORT = [0.0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.06]
PAUSES = st.sampled_from([*SHORT * 6, 0.4, 2.0, 6.0, 29.0, 31.0, 299.0])

TRAFFIC = st.one_of(
    st.tuples(st.just("send"), SIDE, SIZES, st.integers(1, 40)),
    st.tuples(st.just("stream"), SIDE, STREAM_SIZES),
)
FAULTS = st.one_of(
    st.tuples(st.just("stop"), SIDE, st.integers(1, 4)),
    st.tuples(st.just("cut"), SIDE, st.booleans()),
    st.tuples(st.just("connect"), SIDE),
    st.tuples(st.just("flap"), SIDE, st.booleans()),
    st.tuples(st.just("restart")),
    st.tuples(st.just("hub_down")),
    st.tuples(st.just("hub_back")),
    st.tuples(st.just("fill"), SIDE),
    st.tuples(st.just("empty"), SIDE),
    st.tuples(st.just("loss"), st.sampled_from([0.0, 0.05, 0.3, 1.0])),
    st.tuples(st.just("duplication"), st.sampled_from([0.0, 0.3])),
    st.tuples(st.just("line"), SIDE, SPEEDS, st.sampled_from([0.0, 0.02, 0.2])),
    st.tuples(st.just("stranger"), SIDE),
    st.tuples(st.just("withdraw"), SIDE),
)
SCHEDULES = st.lists(st.tuples(PAUSES, st.one_of(TRAFFIC, FAULTS)), min_size=8, max_size=60)


class Chaos:
    """What a schedule's actions do to a world."""

    def __init__(self, seed: int) -> None:
        self.world = World()
        self.random = random.Random(seed)
        self.lost = 0.0
        self.doubled = 0.0
        self.sent = 0
        self.world.drop = lambda frame: self.random.random() < self.lost
        self.world.duplicate = lambda frame: self.random.random() < self.doubled
        self.world.hub_back()
        self.world.connect("a")
        self.world.connect("b")

    def message(self, size: int) -> bytes:
        self.sent += 1
        return b'{"%d":"%s"}' % (self.sent, b"x" * size)

    def do(self, action: tuple[Any, ...]) -> None:
        getattr(self, action[0])(*action[1:])

    def send(self, side: str, size: int, number: int) -> None:
        self.world.send_many(side, [self.message(size) for _ in range(number)])

    def stream(self, side: str, size: int) -> None:
        self.world.send_stream(side, self.random.randbytes(size))

    def stop(self, side: str, number: int) -> None:
        self.world.stop_stream(side, number)

    def withdraw(self, side: str) -> None:
        here = self.world.sides[side]
        ticket = here.link.send(self.message(3))
        assert here.link.withdraw(ticket) is (here.link.ended is None)
        assert not here.link.withdraw(ticket)

    def cut(self, side: str, quietly: bool) -> None:
        self.world.cut(side, quietly=quietly)

    def connect(self, side: str) -> None:
        self.world.connect(side)

    def flap(self, side: str, quietly: bool) -> None:
        self.world.cut(side, quietly=quietly)
        self.world.connect(side)

    def restart(self) -> None:
        self.world.hub_down()
        self.world.hub_back()
        self.world.connect("a")
        self.world.connect("b")

    def hub_down(self) -> None:
        self.world.hub_down()

    def hub_back(self) -> None:
        self.world.hub_back()

    def fill(self, side: str) -> None:
        self.world.fill(side)

    def empty(self, side: str) -> None:
        self.world.empty(side)

    def loss(self, probability: float) -> None:
        self.lost = probability

    def duplication(self, probability: float) -> None:
        self.doubled = probability

    def line(self, side: str, seconds_per_byte: float, distance: float) -> None:
        here = self.world.sides[side]
        here.seconds_per_byte, here.distance = seconds_per_byte, max(here.distance, distance)

    def stranger(self, side: str) -> None:
        """A frame of the peer's next life, numbered as the present one's next would be."""
        link = self.world.sides[side].link
        name = NAMES["b" if side == "a" else "a"].split("@")[0]
        for to, sender in ((link.local, f"{name}@ffff"), (f"{side}@eeee", link.remote)):
            head, body = split(build(to, sender, 0, seq=1, body=b'[{"evil":1}]'))
            assert link.receive(link_head(head), body, self.world.now) == []

    def end_faults(self) -> None:
        self.lost = self.doubled = 0.0
        self.world.hub_back()
        for side in "ab":
            self.world.connect(side)
            self.world.empty(side)


@given(SCHEDULES, st.integers(0, 2**32))
def test_each_message_arrives_once_and_in_order_or_both_links_end(
    schedule: list[tuple[float, tuple[Any, ...]]], seed: int
) -> None:
    chaos = Chaos(seed)
    world = chaos.world
    for pause, action in schedule:
        chaos.do(action)
        world.run(world.now + pause)
        world.check()
    chaos.end_faults()
    # So that a side with nothing at stake finds out, too, that the other one has ended.
    chaos.send("a", 5, 1)
    chaos.send("b", 5, 1)
    world.run(world.now + DRAIN_SECONDS)
    if world.a.link.ended is None and world.b.link.ended is None:
        world.check_drained()
    else:
        world.check()
        assert len(world.a.ends) == len(world.b.ends) == 1
        reasons = {side.link.ended.reason for side in (world.a, world.b) if side.link.ended}
        assert reasons <= {"lost", "hub_lost", "reset"} and reasons != {"reset"}
