"""link: a first frame that was lost, and conversations that the same two lives begin anew."""

from __future__ import annotations

import pytest

from fedsock.errors import BadFrame
from fedsock.protocol.flight import STALL
from fedsock.protocol.frames import CONVERSATION, build
from fedsock.protocol.link import UNKNOWN_LINK, Batch, Link, LinkEnd
from tests.protocol.wire import ANN, BOB, feed, from_bob, seqs, three_in_flight, write


def anew(base: int = CONVERSATION) -> Link:
    """Return Ann's end of a conversation that was begun anew, its first frame written."""
    link = Link(ANN, BOB, now=0.0, base=base)
    link.socket_up(0.0)
    link.send(b"{}")
    assert seqs(write(link)) == [base + 1]
    return link


@pytest.mark.parametrize("news", ["socket", "peer", "hub"])
def test_no_ack_goes_before_a_first_frame_that_was_lost(news: str) -> None:
    link, frames = three_in_flight()
    if news == "socket":
        link.socket_down(1.0)
        link.socket_up(1.0)
    elif news == "peer":
        link.peer_absent(1.0)
        link.peer_present(1.0)
    else:
        link.hold(1.0)
        link.go(1.0)
    assert write(link, 1.0) == frames, "its receiver would not know what is acknowledged"


def test_numbers_go_on_from_the_base_in_both_directions() -> None:
    link = anew()
    bob = Link(BOB, ANN, now=0.0, base=CONVERSATION)
    bob.socket_up(0.0)
    assert [type(event) for event in feed(bob, build(BOB, ANN, CONVERSATION, seq=CONVERSATION + 1), 0.1)] == [Batch]
    bob.send(b"{}")
    (answer,) = write(bob, 0.1)
    assert answer == build(ANN, BOB, CONVERSATION + 1, seq=CONVERSATION + 1, body=b"[{}]")
    assert len(feed(link, answer, 0.2)) == 1
    assert link.drained


@pytest.mark.parametrize("frame", [from_bob(0), from_bob(7), from_bob(0, 1), from_bob(3, 2)])
def test_what_is_left_of_an_old_conversation_is_not_taken(frame: bytes) -> None:
    link = anew()
    assert feed(link, frame, 0.1) == []
    assert write(link, 1.0) == [] and link.unacknowledged == 1


@pytest.mark.parametrize("frame", [from_bob(CONVERSATION), from_bob(CONVERSATION, CONVERSATION + 1)])
def test_what_belongs_to_a_newer_conversation_is_not_taken(frame: bytes) -> None:
    link, _ = three_in_flight()
    assert feed(link, frame, 0.1) == []
    assert link.ended is None and write(link, 1.0) == []


def test_within_a_conversation_what_can_not_be_is_still_a_bad_frame() -> None:
    link = anew()
    with pytest.raises(BadFrame):
        feed(link, from_bob(CONVERSATION + 2), 0.1)


def test_a_late_reset_of_an_old_conversation_does_not_end_the_new_one() -> None:
    link = anew()
    for ack in (0, 7, 2 * CONVERSATION):
        assert feed(link, build(ANN, BOB, ack, reset="link_over"), 0.1) == [] and link.ended is None
    feed(link, build(ANN, BOB, CONVERSATION, reset="link_over"), 0.2)
    assert link.ended == LinkEnd("reset", "link_over")


def test_a_peer_that_knows_nothing_yet_ends_nothing() -> None:
    link, frames = three_in_flight()
    unknown = build(ANN, BOB, 0, reset=UNKNOWN_LINK)
    assert feed(link, unknown, 0.1) == [] and link.ended is None, "frame 1 was lost, frame 2 was not"
    link.tick(STALL)
    assert write(link, STALL) == frames
    feed(link, from_bob(1), STALL)
    feed(link, unknown, STALL)
    assert link.ended == LinkEnd("reset", UNKNOWN_LINK), "it knew, and has forgotten"


def test_a_reset_says_which_conversation_ends() -> None:
    link, bob = anew(), Link(BOB, ANN, now=0.0, base=CONVERSATION)
    bob.socket_up(0.0)
    bob.reset("bad_message", 0.1)
    (frame,) = write(bob, 0.1)
    assert frame == build(ANN, BOB, CONVERSATION, reset="bad_message")
    feed(link, frame, 0.1)
    assert link.ended == LinkEnd("reset", "bad_message")
