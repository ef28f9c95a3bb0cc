"""link: a first frame that was lost, and conversations that the same two lives begin anew."""

from __future__ import annotations

import pytest

from fedsock.errors import BadFrame
from fedsock.protocol.frames import CONVERSATION, build
from fedsock.protocol.link import UNKNOWN_LINK, Batch, Link, LinkEnd
from tests.protocol.wire import ANN, BOB, feed, from_bob, new, seqs, three_in_flight, write


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


def test_a_late_answer_to_an_old_conversation_does_not_end_the_new_one() -> None:
    link = anew()
    late = build(ANN, BOB, 0, reset=UNKNOWN_LINK)
    assert feed(link, late, 0.1) == [] and link.ended is None
    feed(link, from_bob(CONVERSATION + 1), 0.2)
    feed(link, late, 0.3)
    assert link.ended == LinkEnd("reset", UNKNOWN_LINK), "the peer had begun, and forgot it"


def test_other_resets_end_a_conversation_at_its_beginning() -> None:
    link = new()
    feed(link, build(ANN, BOB, 0, reset="bad_message"), 0.1)
    assert link.ended == LinkEnd("reset", "bad_message")
