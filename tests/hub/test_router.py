from __future__ import annotations

import pytest

from fedsock.errors import BadFrame
from fedsock.hub.router import OUTBOX_BYTES, Member, Router
from fedsock.protocol import hubmessages as m
from fedsock.protocol.frames import build, split


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def member(address: str, role: str = "worker") -> Member:
    return Member(address, role, "secret", Woken())  # type: ignore[arg-type]


def said(one: Member) -> list[m.FromHub]:
    frames, one.outbox = list(one.outbox), type(one.outbox)()
    one.queued_bytes = 0
    return [m.decode(split(frame)[0]) for frame in frames]


@pytest.fixture
def house() -> tuple[Router, Member, Member]:
    router, bob, session = Router(), member("bob@0001"), member("s-1@0002", "session")
    router.join(bob)
    router.join(session)
    return router, bob, session


def test_sessions_hear_of_workers_without_asking(house: tuple[Router, Member, Member]) -> None:
    router, bob, session = house
    assert said(session) == [m.Welcome(address="s-1@0002", workers=["bob@0001"])]
    alice = member("alice@0003")
    router.join(alice)
    router.leave(alice, "bye")
    router.leave(alice, "gone")
    assert said(session) == [m.Joined(peer="alice@0003", role="worker"), m.Left(peer="alice@0003", reason="bye")]
    assert said(bob) == [m.Welcome(address="bob@0001")]
    assert len(router) == 2


def test_workers_hear_of_those_they_watch(house: tuple[Router, Member, Member]) -> None:
    router, bob, session = house
    said(bob)
    router.watch(bob, ["s-1@0002", "s-9@0009"])
    assert sorted(map(repr, said(bob))) == [
        repr(m.Joined(peer="s-1@0002", role="session")),
        repr(m.Left(peer="s-9@0009", reason="gone")),
    ]
    router.leave(session, "gone")
    assert said(bob) == [m.Left(peer="s-1@0002", reason="gone")]
    router.watch(bob, [])
    router.join(member("s-1@0002", "session"))
    assert said(bob) == []


def test_frames_are_forwarded_as_they_came(house: tuple[Router, Member, Member]) -> None:
    router, bob, session = house
    bob.outbox.clear()
    frame = build("bob@0001", "s-1@0002", 0, seq=1, body=b"not even JSON")
    assert router.route(session, frame) is None
    assert bob.outbox[0] is frame


def test_another_epoch_is_unreachable(house: tuple[Router, Member, Member]) -> None:
    router, _, session = house
    said(session)
    router.route(session, build("bob@0bad", "s-1@0002", 0, seq=1, body=b"[]"))
    assert said(session) == [m.Unreachable(peer="bob@0bad")]


@pytest.mark.parametrize(
    "frame",
    [
        build("bob@0001", "s-2@0002", 0, seq=1, body=b"[]"),
        b'{"to":"bob@0001","from":"s-1@0002","seq":-1,"ack":0}\n[]',
        b'{"to":"bob@0001"}\n',
        b'{"t":"welcome","address":"bob@0001"}\n',
        b"nothing",
    ],
)
def test_bad_heads_are_refused(house: tuple[Router, Member, Member], frame: bytes) -> None:
    router, bob, session = house
    said(bob)
    with pytest.raises(BadFrame):
        router.route(session, frame)
    assert not bob.outbox


def test_what_a_peer_says_to_the_hub_is_given_back(house: tuple[Router, Member, Member]) -> None:
    router, bob, _ = house
    assert router.route(bob, m.encode(m.Pong(nonce="7"))) == m.Pong(nonce="7")


def test_a_full_outbox_holds_senders_and_lets_them_go(house: tuple[Router, Member, Member]) -> None:
    router, bob, session = house
    said(bob), said(session)
    frame = build("bob@0001", "s-1@0002", 0, seq=1, body=bytes(1 << 20))
    for _ in range(40):
        router.route(session, frame)
    assert bob.queued_bytes <= OUTBOX_BYTES
    assert set(said(session)) == {m.Hold(peer="bob@0001")}
    while bob.outbox and not session.outbox:
        router.written(bob, bob.outbox.popleft())
    assert said(session) == [m.Go(peer="bob@0001")]
    assert 0 < bob.queued_bytes <= OUTBOX_BYTES // 2


def test_who_is_held_is_let_go_when_the_peer_leaves(house: tuple[Router, Member, Member]) -> None:
    router, bob, session = house
    said(bob), said(session)
    for _ in range(20):
        router.route(session, build("bob@0001", "s-1@0002", 0, seq=1, body=bytes(1 << 20)))
    said(session)
    router.leave(bob, "gone")
    assert m.Go(peer="bob@0001") in said(session)
    bob.put(b"late")
    assert not bob.outbox
    assert router.named("bob") is None
    assert list(router.members()) == [session]
