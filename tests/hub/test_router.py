"""The router alone: calls in, outboxes and a list of calls to its shell out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import BadFrame
from fedsock.hub.member import Member
from fedsock.hub.router import GO_BYTES, OUTBOX_BYTES, OWN_BYTES, ForeignSender, Router, close_code
from fedsock.protocol import hubmessages as hm
from fedsock.protocol.frames import FRAME_LIMIT, build, split
from fedsock.transport.base import BAD_DATA, GOING_AWAY, NORMAL, POLICY, TRY_AGAIN

SECRET = "the secret of one process"
OTHER = "the secret of another one"


class Shell:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def wake(self, member: Member) -> None:
        self.told.append(("wake", member.address))

    def alive(self, member: Member) -> None:
        self.told.append(("alive", member.address))

    def left(self, member: Member, reason: str) -> None:
        self.told.append(("left", member.address, reason))


class House:
    """A router, and what its members would have received."""

    def __init__(self) -> None:
        self.shell = Shell()
        self.router: Router[Member] = Router(self.shell)

    def join(self, address: str, secret: str = SECRET, role: hm.Role | None = None, user: str = hm.ANONYMOUS) -> Member:
        name, _, epoch = address.partition("@")
        kind: hm.Role = role or ("session" if name.startswith("s-") else "worker")
        member = Member(hm.Hello(name, epoch, kind, secret), user)
        self.router.join(member, secret)
        return member

    def watch(self, member: Member, *peers: str) -> None:
        self.router.route(member, hm.encode(hm.Watch(list(peers))))


@pytest.fixture
def house() -> House:
    return House()


def read(member: Member) -> list[object]:
    """Empty an outbox: hub messages as objects, other frames as they are."""
    received: list[object] = []
    while member.outbox.frames:
        frame, _ = member.outbox.take()
        head, _ = split(frame)
        received.append(frame if "to" in head else hm.decode(head))
    return received


def whose(session: str, user: str = hm.ANONYMOUS) -> hm.Joined:
    """What a worker is told before the first frame from a session."""
    return hm.Joined(session, "session", user)


def batch(to: str, sender: str, body: bytes = b"[]") -> bytes:
    return build(to, sender, 0, seq=1, body=body)


# Coming and going


def test_a_session_is_welcomed_with_the_workers_and_hears_of_more(house: House) -> None:
    house.join("bob@aaaa")
    session = house.join("s-1@bbbb")
    house.join("s-2@cccc")
    alice = house.join("alice@dddd")
    house.router.leave(alice, "gone")
    assert read(session) == [
        hm.Welcome("s-1@bbbb", ["bob@aaaa"]),
        hm.Joined("alice@dddd", "worker"),
        hm.Left("alice@dddd", "gone"),
    ]
    assert len(house.router) == 3
    assert sorted(member.address for member in house.router) == ["bob@aaaa", "s-1@bbbb", "s-2@cccc"]


def test_a_worker_hears_of_nobody_unless_it_watches(house: House) -> None:
    bob = house.join("bob@aaaa")
    house.join("s-1@bbbb")
    house.join("alice@cccc")
    assert read(bob) == [hm.Welcome("bob@aaaa", [])]


def test_a_worker_hears_of_whom_it_watches(house: House) -> None:
    bob = house.join("bob@aaaa")
    session = house.join("s-1@bbbb")
    read(bob)
    house.watch(bob, "s-1@bbbb", "s-2@cccc", "s-2@cccc")
    assert sorted(map(repr, read(bob))) == sorted(map(repr, [whose("s-1@bbbb"), hm.Left("s-2@cccc", "gone")]))
    other = house.join("s-2@cccc")
    house.router.leave(session, "gone")
    assert read(bob) == [whose("s-2@cccc"), hm.Left("s-1@bbbb", "gone")]
    house.watch(bob, "s-1@bbbb")
    assert read(bob) == [hm.Left("s-1@bbbb", "gone")]
    house.router.leave(other, "gone")
    assert read(bob) == []


def test_several_may_watch_the_same_peer(house: House) -> None:
    bob, alice = house.join("bob@aaaa"), house.join("alice@bbbb")
    house.watch(bob, "s-1@cccc")
    house.watch(alice, "s-1@cccc")
    house.watch(alice)
    read(bob)
    read(alice)
    house.join("s-1@cccc")
    assert (read(bob), read(alice)) == ([whose("s-1@cccc")], [])


def test_a_session_that_watches_a_worker_hears_once(house: House) -> None:
    session = house.join("s-1@aaaa")
    house.watch(session, "bob@bbbb")
    read(session)
    house.join("bob@bbbb")
    assert read(session) == [hm.Joined("bob@bbbb", "worker")]


def test_who_left_is_forgotten_whole(house: House) -> None:
    bob = house.join("bob@aaaa")
    house.watch(bob, "s-1@bbbb")
    house.router.leave(bob, "gone")
    house.router.leave(bob, "gone")
    house.join("s-1@bbbb")
    assert read(bob) == []
    assert house.shell.told.count(("left", "bob@aaaa", "gone")) == 1
    assert house.router._watchers == {}


def test_bye_is_told_and_closes(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    house.router.route(bob, hm.encode(hm.Bye()))
    assert read(session) == [hm.Left("bob@bbbb", "bye")]
    assert bob.farewell == (NORMAL, "bye")
    assert house.shell.told[-1] == ("wake", "bob@bbbb")


def test_the_same_process_takes_over_with_another_epoch(house: House) -> None:
    session, old = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    new = house.join("bob@cccc")
    assert read(session) == [hm.Left("bob@bbbb", "superseded"), hm.Joined("bob@cccc", "worker")]
    [refused] = read(old)
    assert isinstance(refused, hm.Refused)
    assert refused.code == "superseded"
    assert old.farewell == (POLICY, "superseded")
    house.router.leave(old, "gone")
    house.router.route(session, batch("bob@cccc", "s-1@aaaa"))
    assert read(new)[1:] == [whose("s-1@aaaa"), batch("bob@cccc", "s-1@aaaa")]


def test_the_same_life_on_a_new_socket_is_gone_for_a_moment(house: House) -> None:
    session, old = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    new = house.join("bob@bbbb")
    assert read(session) == [hm.Left("bob@bbbb", "gone"), hm.Joined("bob@bbbb", "worker")]
    # What the old socket still brings is not routed: the links replay it.
    house.router.route(old, batch("s-1@aaaa", "bob@bbbb"))
    house.router.route(old, b"not even a frame")
    assert read(session) == []
    house.router.leave(old, "gone")
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert read(new)[1:] == [whose("s-1@aaaa"), batch("bob@bbbb", "s-1@aaaa")]


def test_a_rival_is_who_holds_the_name_with_another_secret(house: House) -> None:
    bob = house.join("bob@aaaa")
    assert house.router.rival(hm.Hello("bob", "bbbb", "worker", SECRET)) is None
    assert house.router.rival(hm.Hello("bob", "bbbb", "worker", OTHER)) is bob
    assert house.router.rival(hm.Hello("alice", "bbbb", "worker", OTHER)) is None


def test_a_dead_holder_is_replaced_and_told_that_its_name_is_taken(house: House) -> None:
    session, old = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    house.join("bob@cccc", OTHER)
    assert read(session) == [hm.Left("bob@bbbb", "gone"), hm.Joined("bob@cccc", "worker")]
    [refused] = read(old)
    assert isinstance(refused, hm.Refused)
    assert refused.code == "name_taken"


def test_anything_from_a_probed_peer_is_a_sign_of_life(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    for answer in (hm.encode(hm.Pong("n")), batch("s-1@aaaa", "bob@bbbb")):
        read(bob)
        house.shell.told.clear()
        house.router.probe(bob, "n")
        assert read(bob) == [hm.Probe("n")]
        house.router.route(bob, answer)
        house.router.route(bob, answer)
        assert house.shell.told.count(("alive", "bob@bbbb")) == 1
    assert session.present


def test_closing_tells_everybody_behind_what_is_queued(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(bob)
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    house.router.close()
    assert read(bob) == [whose("s-1@aaaa"), batch("bob@bbbb", "s-1@aaaa"), hm.Closing()]
    assert read(session)[-1] == hm.Closing()
    assert bob.farewell == session.farewell == (GOING_AWAY, "the hub closes")
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    house.router.leave(session, "gone")
    house.router.close()
    assert read(bob) == read(session) == []
    assert len(house.router) == 0


def test_no_secret_is_shown(house: House) -> None:
    bob = house.join("bob@aaaa")
    assert repr(bob) == "<Member worker bob@aaaa>"
    assert bob.knows(SECRET)
    assert not bob.knows(OTHER)


# Frames


def test_frames_pass_untouched_and_wake_once(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(bob)
    house.shell.told.clear()
    frames = [batch("bob@bbbb", "s-1@aaaa", b"[%d]" % n) for n in range(3)]
    for frame in frames:
        house.router.route(session, frame)
    assert house.shell.told == [("wake", "bob@bbbb")]
    assert bob.outbox.take() == (hm.encode(whose("s-1@aaaa")), False)
    taken = [bob.outbox.take() for _ in frames]
    assert [frame for frame, _ in taken] == frames
    assert all(frame is sent for (frame, _), sent in zip(taken, frames, strict=True))
    assert bob.outbox.size == 0


def test_chunks_travel_as_binary_and_all_else_as_text(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(bob)
    house.router.route(session, build("bob@bbbb", "s-1@aaaa", 0, seq=1, stream=1, at=0, body=b"\xff\xfe"))
    house.router.route(session, build("bob@bbbb", "s-1@aaaa", 0, seq=2, body='["é"]'.encode()))
    house.router.route(session, build("bob@bbbb", "s-1@aaaa", 3))
    house.router.route(session, build("bob@bbbb", "s-1@aaaa", 0, reset="bad_message"))
    assert [binary for _, binary in bob.outbox.frames] == [False, True, False, False, False]


def test_a_frame_to_nobody_is_unreachable(house: House) -> None:
    session = house.join("s-1@aaaa")
    house.join("bob@bbbb")
    read(session)
    house.router.route(session, batch("bob@cccc", "s-1@aaaa"))
    house.router.route(session, batch("carol@dddd", "s-1@aaaa"))
    assert read(session) == [hm.Unreachable("bob@cccc"), hm.Unreachable("carol@dddd")]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", BAD_DATA),
        (b"no newline", BAD_DATA),
        (b"[]\n", BAD_DATA),
        (b"{}\n", BAD_DATA),
        (b'{"from":"s-1@aaaa","ack":0}\n', BAD_DATA),
        (b'{"to":"bob@bbbb","from":"s-1@aaaa"}\n', BAD_DATA),
        (b'{"to":"bob@bbbb","from":"s-1@aaaa","ack":-1}\n', BAD_DATA),
        (b'{"to":"bob@bbbb","from":"s-1@aaaa","ack":1,"seq":true}\n', BAD_DATA),
        (b'{"to":"bob","from":"s-1@aaaa","ack":1}\n', BAD_DATA),
        (b'{"to":"bob@bbbb","from":"s-1@aaaa","ack":1,"seq":1}\n["\xff"]', BAD_DATA),
        (bytes(FRAME_LIMIT + 1), BAD_DATA),
        (b'{"t":"bye"', BAD_DATA),
        (b'{"t":"welcome","address":"s-1@aaaa"}\n', BAD_DATA),
        (hm.encode(hm.Hello("s-1", "aaaa", "session", SECRET)), BAD_DATA),
        (batch("bob@bbbb", "s-2@aaaa"), POLICY),
        (batch("bob@bbbb", "s-1@aaab"), POLICY),
        (batch("s-1@aaaa", "bob@bbbb"), POLICY),
    ],
)
def test_a_bad_frame_is_refused_and_changes_nothing(house: House, frame: bytes, code: int) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    read(bob)
    with pytest.raises(BadFrame) as caught:
        house.router.route(session, frame)
    assert close_code(caught.value) == code
    assert isinstance(caught.value, ForeignSender) == (code == POLICY)
    assert read(session) == read(bob) == []


@given(st.binary(max_size=300))
def test_any_bytes_are_routed_or_refused(data: bytes) -> None:
    house = House()
    session = house.join("s-1@aaaa")
    for frame in (data, b'{"t":' + data, data + b"\n"):
        with contextlib.suppress(BadFrame):
            house.router.route(session, frame)
    assert session.present
    assert len(house.router) == 1


def test_what_is_dropped_hears_why(house: House) -> None:
    bob = house.join("bob@aaaa")
    refused = hm.Refused("bad_frame", "why")
    house.router.drop(bob, BAD_DATA, refused)
    house.router.drop(bob, POLICY, refused)
    assert read(bob) == [refused]
    assert bob.farewell == (BAD_DATA, "bad_frame")


# Whose sessions are


def test_a_worker_hears_whose_a_session_is_once_before_its_first_frame(house: House) -> None:
    bob, alice = house.join("bob@bbbb"), house.join("alice@cccc")
    one, two = house.join("s-1@aaaa", user="ann"), house.join("s-2@aaaa", user="ben")
    read(bob)
    read(alice)
    for session in (one, two, one, two):
        house.router.route(session, batch("bob@bbbb", session.address))
    house.router.route(one, batch("alice@cccc", "s-1@aaaa"))
    from_one, from_two = batch("bob@bbbb", "s-1@aaaa"), batch("bob@bbbb", "s-2@aaaa")
    heard = [whose("s-1@aaaa", "ann"), from_one, whose("s-2@aaaa", "ben"), from_two, from_one, from_two]
    assert read(bob) == heard
    assert read(alice) == [whose("s-1@aaaa", "ann"), batch("alice@cccc", "s-1@aaaa")]


@pytest.mark.parametrize("who", ["worker", "session"])
def test_it_hears_so_again_after_either_has_another_socket(house: House, who: str) -> None:
    bob, session = house.join("bob@bbbb"), house.join("s-1@aaaa", user="ann")
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    read(bob)
    if who == "worker":
        bob = house.join("bob@bbbb")
        assert read(bob) == [hm.Welcome("bob@bbbb", [])]
    else:
        session = house.join("s-1@aaaa", user="ben")
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert read(bob) == [whose("s-1@aaaa", "ann" if who == "worker" else "ben"), batch("bob@bbbb", "s-1@aaaa")]


def test_a_worker_that_watches_a_session_hears_whose_it_is_and_not_again(house: House) -> None:
    bob = house.join("bob@bbbb")
    read(bob)
    house.watch(bob, "s-1@aaaa", "s-2@aaaa")
    read(bob)
    session = house.join("s-1@aaaa", user="ann")
    assert read(bob) == [whose("s-1@aaaa", "ann")]
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert read(bob) == [batch("bob@bbbb", "s-1@aaaa")]
    # Who asks is answered, whatever it knows.
    house.watch(bob, "s-1@aaaa")
    assert read(bob) == [whose("s-1@aaaa", "ann")]


def test_a_worker_that_writes_first_hears_whose_the_session_is(house: House) -> None:
    bob, session = house.join("bob@bbbb"), house.join("s-1@aaaa", user="ann")
    read(bob)
    house.router.route(bob, batch("s-1@aaaa", "bob@bbbb"))
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert read(bob) == [whose("s-1@aaaa", "ann"), batch("bob@bbbb", "s-1@aaaa")]


def test_a_session_hears_of_no_users(house: House) -> None:
    one = house.join("s-1@aaaa", user="ann")
    house.watch(one, "s-2@aaaa", "bob@bbbb")
    two = house.join("s-2@aaaa", user="ben")
    bob = house.join("bob@bbbb", user="owner")
    house.watch(one, "s-2@aaaa", "bob@bbbb")
    house.router.route(two, batch("s-1@aaaa", "s-2@aaaa"))
    house.router.route(two, batch("bob@bbbb", "s-2@aaaa"))
    house.router.route(bob, batch("s-1@aaaa", "bob@bbbb"))
    house.router.leave(two, "gone")
    joined = [message for message in read(one) if isinstance(message, hm.Joined)]
    assert {message.peer for message in joined} == {"s-2@aaaa", "bob@bbbb"}
    assert {message.user for message in joined} == {None}


def test_workers_hear_of_no_workers_users(house: House) -> None:
    bob, alice = house.join("bob@bbbb", user="bob"), house.join("alice@cccc", user="alice")
    read(bob)
    house.watch(bob, "alice@cccc")
    house.router.route(alice, batch("bob@bbbb", "alice@cccc"))
    assert read(bob) == [hm.Joined("alice@cccc", "worker"), batch("bob@bbbb", "alice@cccc")]


def test_what_a_full_outbox_keeps_out_is_introduced_when_it_passes(house: House) -> None:
    bob, one = house.join("bob@bbbb"), house.join("s-1@aaaa")
    two = house.join("s-2@aaaa", user="ben")
    read(one)
    read(two)
    fill(house, one, bob)
    house.router.route(two, chunk("bob@bbbb", "s-2@aaaa", 1))
    assert read(two) == [hm.Hold("bob@bbbb")]
    assert whose("s-2@aaaa", "ben") not in read(bob)
    house.router.taken(bob)
    house.router.route(two, chunk("bob@bbbb", "s-2@aaaa", 1))
    assert read(bob) == [whose("s-2@aaaa", "ben"), chunk("bob@bbbb", "s-2@aaaa", 1)]


def test_who_left_is_kept_by_nobody_it_met(house: House) -> None:
    bob, alice, session = house.join("bob@bbbb"), house.join("alice@cccc"), house.join("s-1@aaaa")
    for sender, to in ((session, bob), (session, alice), (session, session), (alice, bob)):
        house.router.route(sender, batch(to.address, sender.address))
    assert bob.met == {session, alice}
    house.router.leave(session, "gone")
    assert (session.met, bob.met, alice.met) == (set(), {alice}, {bob})
    house.router.close()
    assert bob.met == alice.met == set()


def test_a_worker_dropped_over_an_introduction_is_met_by_nobody(house: House) -> None:
    bob, session = house.join("bob@bbbb"), house.join("s-1@aaaa")
    while bob.outbox.size <= OUTBOX_BYTES + OWN_BYTES - 10:
        bob.outbox.put(bytes(10))
    house.router.route(bob, batch("s-1@aaaa", "bob@bbbb"))
    assert not bob.present
    assert session.met == bob.met == set()
    assert read(session)[-1] == batch("s-1@aaaa", "bob@bbbb")


# Slow readers


def chunk(to: str, sender: str, number: int) -> bytes:
    return build(to, sender, 0, seq=number, stream=1, at=0, body=bytes(1024 * 1024))


def fill(house: House, sender: Member, target: Member) -> int:
    """Send until the hub says hold, the two having met before; return how many frames were queued."""
    house.router.route(sender, build(target.address, sender.address, 0))
    read(target)
    for number in range(1, 100):
        house.router.route(sender, chunk(target.address, sender.address, number))
        if sender.outbox.frames:
            assert read(sender) == [hm.Hold(target.address)]
            return number - 1
    raise AssertionError("no hold")


def test_a_full_outbox_holds_its_senders_until_half_of_it_is_read(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    read(bob)
    queued = fill(house, session, bob)
    assert OUTBOX_BYTES - FRAME_LIMIT < bob.outbox.size <= OUTBOX_BYTES
    full = bob.outbox.size
    # Nothing of the holder passes until go, however small, and it is told once.
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert (bob.outbox.size, read(session)) == (full, [])
    taken = []
    while not session.outbox.frames:
        taken.append(bob.outbox.take()[0])
        house.router.taken(bob)
    assert read(session) == [hm.Go("bob@bbbb")]
    assert GO_BYTES - FRAME_LIMIT < bob.outbox.size <= GO_BYTES
    house.router.route(session, chunk("bob@bbbb", "s-1@aaaa", queued + 1))
    taken += [bob.outbox.take()[0] for _ in range(len(bob.outbox.frames))]
    # The oldest were kept, in order; what was dropped came after the hold.
    assert [split(frame)[0]["seq"] for frame in taken] == list(range(1, queued + 2))
    house.router.taken(bob)
    assert read(session) == []


def test_other_roads_stay_open_while_one_is_held(house: House) -> None:
    session, bob, alice = house.join("s-1@aaaa"), house.join("bob@bbbb"), house.join("alice@cccc")
    other = house.join("s-2@dddd")
    for member in (session, bob, alice, other):
        read(member)
    fill(house, session, bob)
    house.router.route(session, batch("alice@cccc", "s-1@aaaa"))
    assert read(alice) == [whose("s-1@aaaa"), batch("alice@cccc", "s-1@aaaa")]
    size = bob.outbox.size
    house.router.route(other, batch("bob@bbbb", "s-2@dddd"))
    assert bob.outbox.size > size
    assert bob.outbox.frames[-2][0] == hm.encode(whose("s-2@dddd"))
    house.router.route(other, chunk("bob@bbbb", "s-2@dddd", 2))
    assert read(other) == [hm.Hold("bob@bbbb")]
    while bob.outbox.frames:
        bob.outbox.take()
        house.router.taken(bob)
    assert (read(session), read(other)) == ([hm.Go("bob@bbbb")], [hm.Go("bob@bbbb")])


def test_a_sender_may_hold_for_several(house: House) -> None:
    session, bob, alice = house.join("s-1@aaaa"), house.join("bob@bbbb"), house.join("alice@cccc")
    read(session)
    fill(house, session, bob)
    fill(house, session, alice)
    house.router.leave(alice, "gone")
    assert read(session) == [hm.Go("alice@cccc"), hm.Left("alice@cccc", "gone")]
    read(bob)
    house.router.taken(bob)
    assert read(session) == [hm.Go("bob@bbbb")]


def test_a_hold_ends_when_the_slow_peer_leaves(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    fill(house, session, bob)
    house.router.leave(bob, "gone")
    assert read(session) == [hm.Go("bob@bbbb"), hm.Left("bob@bbbb", "gone")]
    assert bob.outbox.size == 0
    house.router.route(session, batch("bob@bbbb", "s-1@aaaa"))
    assert read(session) == [hm.Unreachable("bob@bbbb")]


def test_a_hold_ends_when_the_holding_peer_leaves(house: House) -> None:
    session, bob = house.join("s-1@aaaa"), house.join("bob@bbbb")
    read(session)
    fill(house, session, bob)
    house.router.leave(session, "gone")
    # Back on a new socket it doesn't hold any more; a full outbox tells it again.
    again = house.join("s-1@aaaa")
    read(again)
    house.router.route(again, batch("bob@bbbb", "s-1@aaaa"))
    house.router.route(again, chunk("bob@bbbb", "s-1@aaaa", 2))
    assert read(again) == [hm.Hold("bob@bbbb")]
    assert bob.outbox.frames[-1][0] == batch("bob@bbbb", "s-1@aaaa")


def test_a_peer_that_reads_nothing_is_dropped_before_the_hubs_own_messages_fill_memory(house: House) -> None:
    session = house.join("s-1@aaaa")
    while session.outbox.size < OUTBOX_BYTES + OWN_BYTES - 1000:
        session.outbox.put(bytes(500))
    while session.present:
        size = session.outbox.size
        house.router.route(session, batch("nobody@ffff", "s-1@aaaa"))
    assert size <= OUTBOX_BYTES + OWN_BYTES < size + 100
    assert session.farewell == (TRY_AGAIN, "slow")
    assert [type(message) for message in read(session)] == [hm.Refused]


def test_being_dropped_over_the_answer_to_watch_leaves_nothing_behind(house: House) -> None:
    bob = house.join("bob@aaaa")
    while bob.outbox.size < OUTBOX_BYTES + OWN_BYTES - 1000:
        bob.outbox.put(bytes(500))
    house.watch(bob, *(f"s-{number}@cccc" for number in range(100)))
    assert not bob.present
    assert house.router._watchers == {}
    assert bob.watching == frozenset()


def test_being_dropped_over_who_is_there_leaves_nothing_behind(house: House) -> None:
    bob = house.join("bob@aaaa")
    sessions = [house.join(f"s-{number}@cccc") for number in range(100)]
    while bob.outbox.size < OUTBOX_BYTES + OWN_BYTES - 1000:
        bob.outbox.put(bytes(500))
    house.watch(bob, *(session.address for session in sessions))
    assert not bob.present
    assert [session.met for session in (bob, *sessions)] == [set()] * 101
