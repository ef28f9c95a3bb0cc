"""link: a stream fills near and far lines, and small messages pass it on slow ones."""

from __future__ import annotations

import pytest

from tests.protocol.wire import World, connected_world


def line(bytes_per_second: float, round_trip: float) -> World:
    """Return a world whose peer a has such a line to the hub; both have talked a little."""
    world = connected_world()
    world.a.seconds_per_byte = 1 / bytes_per_second
    world.a.distance = world.b.distance = round_trip / 4
    world.send("a", b'{"hello":1}')
    world.run(world.now + 2)
    return world


def probe(world: World) -> float:
    """Return the seconds until a small message of a arrives."""
    before, start = len(world.b.got), world.now
    world.send("a", b'{"small":%d}' % len(world.a.sent))
    while len(world.b.got) == before:
        world.run(world.now + 0.002)
    return world.now - start


@pytest.mark.parametrize(
    ("bytes_per_second", "round_trip", "size", "use"),
    [(125e3, 0.03, 2e6, 0.9), (1.25e6, 0.03, 1e7, 0.9), (12.5e6, 0.2, 6e7, 0.7), (1e9, 0.001, 1e8, 0.7)],
    ids=["1 Mbit/s", "10 Mbit/s", "100 Mbit/s, far", "local"],
)
def test_a_stream_fills_the_line(bytes_per_second: float, round_trip: float, size: float, use: float) -> None:
    world = line(bytes_per_second, round_trip)
    start = world.now
    world.send_stream("a", bytes(int(size)))
    while not world.a.acknowledged:
        world.run(world.now + size / bytes_per_second / 100)
    assert size / bytes_per_second / (world.now - start) > use


@pytest.mark.parametrize(
    ("bytes_per_second", "round_trip", "settled", "most"),
    [(125e3, 0.03, 4.0, 0.3), (1.25e6, 0.03, 1.0, 0.3), (8e8, 0.001, 0.01, 0.02)],
    ids=["1 Mbit/s", "10 Mbit/s", "local"],
)
def test_a_small_message_does_not_wait_for_a_stream(
    bytes_per_second: float, round_trip: float, settled: float, most: float
) -> None:
    world = line(bytes_per_second, round_trip)
    world.send_stream("a", bytes(int(bytes_per_second * 20 * settled)))
    world.run(world.now + settled)
    waits = []
    for _ in range(10):
        waits.append(probe(world))
        world.run(world.now + settled / 10)
    assert not world.a.acknowledged, "the stream is still on its way"
    assert max(waits) < most


def test_the_first_window_bounds_the_first_wait() -> None:
    world = line(125e3, 0.03)
    world.send_stream("a", bytes(10_000_000))
    assert probe(world) < 1.3 * 256 * 1024 / 125e3 + 0.1


def test_a_paused_receiver_brings_its_sender_to_a_stop_and_loses_nothing() -> None:
    world = connected_world()
    world.send("a", b'{"hello":1}')
    world.run(world.now + 1)
    world.b.link.pause(True, world.now)
    for number in range(40):
        world.send("a", b'{"%d":"%s"}' % (number, b"x" * 500_000))
    # Long enough for it to write again what isn't acknowledged, several times.
    world.run(world.now + 60)
    arrived = len(world.b.got)
    assert 1 < arrived < 25
    assert world.a.link.queued_messages > 10
    # Meanwhile acks of what b sends pass.
    world.send("b", b'{"answer":1}')
    world.run(world.now + 2)
    assert world.b.link.unacknowledged == 0
    world.b.link.pause(False, world.now)
    world.run(world.now + 60)
    assert len(world.b.got) == 41
    world.check()
    world.check_drained()
