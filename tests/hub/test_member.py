"""One peer at a hub, alone."""

from __future__ import annotations

from fedsock.hub.member import Member, Outbox
from fedsock.protocol import hubmessages as hm


def member(name: str, *user: str) -> Member:
    return Member(hm.Hello(name, "aaaa", "session", name + "s" * 16), *user)


def test_what_waits_goes_in_order_and_is_counted() -> None:
    outbox = Outbox()
    outbox.put(b"one")
    outbox.put(b"three", True)
    assert outbox.size == 8
    assert outbox.take() == (b"one", False)
    assert outbox.size == 5
    assert outbox.take() == (b"three", True)
    outbox.put(b"gone")
    outbox.clear()
    assert (outbox.size, len(outbox.frames)) == (0, 0)


def test_who_it_is() -> None:
    one = member("s-1", "ann")
    assert (one.address, one.user, member("s-2").user) == ("s-1@aaaa", "ann", "anonymous")
    assert one.knows("s-1" + "s" * 16)
    assert not one.knows("s-2" + "s" * 16)
    assert "ssss" not in repr(one)


def test_meeting_is_mutual_and_parting_too() -> None:
    one, two, three = member("s-1"), member("s-2"), member("s-3")
    one.meet(two)
    two.meet(three)
    two.meet(two)
    assert (one.met, two.met, three.met) == ({two}, {one, two, three}, {two})
    two.part()
    assert one.met == two.met == three.met == set()
    two.part()
