"""A simulated world for two links: sockets, a hub between them, and time that only the test moves.

Frames travel a -> hub -> b and b -> hub -> a over lines with a delay and a rate. A line keeps order. A hub that
goes down takes all sockets and all that is under way with it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import orjson

from fedsock.protocol.frames import build, link_head, split
from fedsock.protocol.link import Batch, Chunk, Ended, Event, Link, StreamSent

ANN, BOB = "ann@aaaa", "bob@bbbb"
NAMES = {"a": ANN, "b": BOB}


def next_frames(link: Link, now: float) -> Iterator[bytes]:
    """Yield all frames that a link has to write now."""
    while (frame := link.next_frame(now)) is not None:
        yield frame


def feed(link: Link, frame: bytes, now: float) -> list[Event]:
    """Give a frame to a link, as a driver does."""
    head, body = split(frame)
    return link.receive(link_head(head), body, now)


def new(*, up: bool = True) -> Link:
    """Return Ann's end of a link with Bob."""
    link = Link(ANN, BOB, now=0.0)
    if up:
        link.socket_up(0.0)
    return link


def pair() -> tuple[Link, Link]:
    """Return both ends of a link, sockets up."""
    one, two = Link(ANN, BOB, now=0.0), Link(BOB, ANN, now=0.0)
    one.socket_up(0.0)
    two.socket_up(0.0)
    return one, two


def from_bob(ack: int, seq: int | None = None, body: bytes = b"[]", to: str = ANN, sender: str = BOB) -> bytes:
    return build(to, sender, ack, seq=seq, body=body if seq else b"")


def seqs(frames: list[bytes]) -> list[int | None]:
    return [split(frame)[0].get("seq") for frame in frames]


def write(link: Link, now: float = 0.0) -> list[bytes]:
    """Return all frames that a link has to write now."""
    return list(next_frames(link, now))


def three_in_flight() -> tuple[Link, list[bytes]]:
    """Return Ann's end with three frames written, and these."""
    link = new()
    frames = []
    for number in range(3):
        link.send(orjson.dumps({"n": number}))
        frames += write(link)
    return link, frames


@dataclass(slots=True)
class Side:
    """A peer: its link, its socket, and what it sent and got."""

    link: Link
    connected: bool = False
    socket: int = 0
    # Whether frames for it pile up at the hub: dropped, and their sender told to hold.
    full: bool = False
    # Seconds a byte on its line, and of distance, in each direction.
    seconds_per_byte: float = 0.0
    distance: float = 0.001
    free_at: dict[str, float] = field(default_factory=lambda: {"up": 0.0, "down": 0.0})
    sent: list[bytes] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    streams: dict[int, bytes] = field(default_factory=dict)
    arrived: dict[int, bytearray] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    acknowledged: list[int] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)
    written: list[tuple[float, bytes]] = field(default_factory=list)


class World:
    """Two peers, a hub, and the clock.

    Attributes:
        now: seconds.
        drop: asked about each frame that passes the hub; True loses it in silence.
        duplicate: asked about each frame that passes the hub; True delivers it twice.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.hub_up = False
        self.drop: Callable[[bytes], bool] = lambda frame: False
        self.duplicate: Callable[[bytes], bool] = lambda frame: False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.sides = {name: Side(Link(NAMES[name], NAMES["b" if name == "a" else "a"], now=0.0)) for name in "ab"}
        self.a = self.sides["a"]
        self.b = self.sides["b"]
        self._held: set[str] = set()

    # What the peers do

    def send(self, name: str, message: bytes) -> int:
        side = self.sides[name]
        if side.link.ended is None:
            side.sent.append(message)
        ticket = side.link.send(message)
        self._pump(name)
        return ticket

    def send_many(self, name: str, messages: list[bytes]) -> None:
        side = self.sides[name]
        for message in messages:
            if side.link.ended is None:
                side.sent.append(message)
            side.link.send(message)
        self._pump(name)

    def send_stream(self, name: str, data: bytes) -> int:
        side = self.sides[name]
        alive = side.link.ended is None
        number = side.link.send_stream(memoryview(data))
        if alive:
            side.streams[number] = data
        self._pump(name)
        return number

    def stop_stream(self, name: str, number: int) -> None:
        side = self.sides[name]
        if side.link.stop_stream(number):
            side.stopped.add(number)

    # What happens to sockets

    def connect(self, name: str) -> None:
        side = self.sides[name]
        if not self.hub_up or side.connected:
            return
        side.connected = True
        side.socket += 1
        side.free_at = {"up": self.now, "down": self.now}
        side.link.socket_up(self.now)
        other = "b" if name == "a" else "a"
        # The hub tells each of the other, as its welcome and its answer to a watch do.
        self._tell(name, "present" if self.sides[other].connected else "absent")
        self._tell(other, "present")
        self._pump(name)

    def cut(self, name: str, *, quietly: bool = False) -> None:
        """Break a socket: what is under way on it is lost. Quietly: the hub doesn't tell the other peer."""
        side = self.sides[name]
        if not side.connected:
            return
        side.connected = False
        side.socket += 1
        side.full = False
        other = "b" if name == "a" else "a"
        self._held.discard(other)
        side.link.socket_down(self.now)
        if not quietly:
            self._tell(other, "absent")

    def hub_down(self) -> None:
        self.hub_up = False
        for side in self.sides.values():
            if side.connected:
                side.connected = False
                side.socket += 1
                side.full = False
                side.link.socket_down(self.now)
        self._held.clear()

    def hub_back(self) -> None:
        self.hub_up = True

    def fill(self, name: str) -> None:
        """Let the hub's queue for a peer be full."""
        self.sides[name].full = self.sides[name].connected

    def empty(self, name: str) -> None:
        self.sides[name].full = False
        other = "b" if name == "a" else "a"
        if other in self._held:
            self._held.discard(other)
            self._tell(other, "go")

    # Time

    def run(self, until: float) -> None:
        """Let time pass."""
        turns = 0
        while True:
            due = self._events[0][0] if self._events else None
            for side in self.sides.values():
                deadline = side.link.deadline
                if deadline is not None and (due is None or deadline < due):
                    due = deadline
            if due is None or due > until:
                break
            turns = turns + 1 if due <= self.now else 0
            assert turns < 10_000, "time stands still: a deadline passes and nothing is done about it"
            self.now = max(self.now, due)
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            for name, side in self.sides.items():
                deadline = side.link.deadline
                if deadline is not None and deadline <= self.now:
                    self._take(name, side.link.tick(self.now))
                    self._pump(name)
        self.now = max(self.now, until)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    # The road

    def _pump(self, name: str) -> None:
        """Write what the link has; the socket takes all of it, however slow the line."""
        side = self.sides[name]
        while (frame := side.link.next_frame(self.now)) is not None:
            side.written.append((self.now, frame))
            if side.connected:
                self._carry(side, "up", frame, lambda frame=frame: self._route(name, frame))

    def _carry(self, side: Side, way: str, frame: bytes, arrive: Callable[[], None]) -> None:
        socket = side.socket

        def arrived() -> None:
            if side.socket == socket:
                arrive()

        ready = max(side.free_at[way], self.now) + len(frame) * side.seconds_per_byte
        side.free_at[way] = ready
        self.at(ready + side.distance, arrived)

    def _route(self, name: str, frame: bytes) -> None:
        """Be the hub."""
        other = "b" if name == "a" else "a"
        target = self.sides[other]
        if not target.connected:
            self._tell(name, "absent")
        elif target.full:
            self._held.add(name)
            self._tell(name, "hold")
        elif not self.drop(frame):
            for _ in range(2 if self.duplicate(frame) else 1):
                self._carry(target, "down", frame, lambda: self._arrive(other, frame))

    def _tell(self, name: str, news: str) -> None:
        side = self.sides[name]
        if side.connected:
            self._carry(side, "down", b"", lambda: self._hear(name, news))

    def _hear(self, name: str, news: str) -> None:
        link = self.sides[name].link
        tell = {
            "present": link.peer_present,
            "absent": link.peer_absent,
            "hold": link.hold,
            "go": link.go,
        }
        tell[news](self.now)
        self._pump(name)

    def _arrive(self, name: str, frame: bytes) -> None:
        side = self.sides[name]
        if side.link.ended is not None:
            # What a peer answers when it has no such link.
            if b'"reset":' not in frame:
                other = "b" if name == "a" else "a"
                answer = build(NAMES[other], NAMES[name], split(frame)[0]["ack"], reset="link_over")
                self._carry(side, "up", answer, lambda: self._route(name, answer))
            return
        self._take(name, feed(side.link, frame, self.now))
        self._pump(name)

    def _take(self, name: str, events: list[Event]) -> None:
        side = self.sides[name]
        for event in events:
            assert not side.ends, "an ended link emits nothing"
            if isinstance(event, Batch):
                body = bytes(event.body)
                assert body.startswith(b"[") and body.endswith(b"]")
                side.got.extend(body[1:-1].split(b","))
            elif isinstance(event, Chunk):
                data = side.arrived.setdefault(event.stream, bytearray())
                assert event.at == len(data), "the chunks of a stream come in order"
                data += event.data
            elif isinstance(event, StreamSent):
                side.acknowledged.append(event.number)
            else:
                side.ends.append(event)

    # What must hold

    def check(self) -> None:
        """Assert that what arrived is a beginning of what was sent."""
        for here, there in ((self.a, self.b), (self.b, self.a)):
            assert there.got == here.sent[: len(there.got)]
            for number, data in there.arrived.items():
                whole = here.streams[number]
                assert len(data) <= len(whole) and whole.startswith(data)
            assert len(set(here.acknowledged)) == len(here.acknowledged)
            for number in here.acknowledged:
                assert there.arrived[number] == here.streams[number]
            assert len(here.ends) <= 1

    def check_drained(self) -> None:
        """Assert that everything arrived."""
        self.check()
        for here, there in ((self.a, self.b), (self.b, self.a)):
            assert here.link.ended is None
            assert here.link.drained
            assert there.got == here.sent
            for number, data in here.streams.items():
                if number in here.stopped:
                    assert number not in here.acknowledged
                else:
                    assert there.arrived[number] == data
                    assert number in here.acknowledged


def connected_world() -> World:
    """Return a world where both peers are at the hub."""
    world = World()
    world.hub_back()
    world.connect("a")
    world.connect("b")
    world.run(0.1)
    return world
