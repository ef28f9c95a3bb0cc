from __future__ import annotations

import pytest

from fedsock.peer.past import LINK_OVER, REMEMBERED, Past
from fedsock.protocol.frames import CONVERSATION, Head
from fedsock.protocol.link import UNKNOWN_LINK, Link

WORKER, SESSION = "bob@aaaa", "s-1@bbbb"


def head(seq: int | None, ack: int) -> Head:
    return Head(WORKER, SESSION, seq=seq, ack=ack)


def link(base: int = 0, remote: str = SESSION) -> Link:
    return Link(WORKER, remote, now=0.0, base=base)


def test_the_first_conversation_begins_with_frame_1() -> None:
    past = Past()
    assert past.base(SESSION) == 0
    assert past.begins(head(1, 0), None)


@pytest.mark.parametrize(
    "wrong", [head(2, 0), head(1, 1), head(None, 0), head(CONVERSATION + 2, CONVERSATION), head(CONVERSATION + 1, 0)]
)
def test_what_is_no_first_frame_begins_nothing(wrong: Head) -> None:
    assert not Past().begins(wrong, None)


def test_a_first_frame_written_again_begins_nothing() -> None:
    past = Past()
    assert not past.begins(head(1, 0), link())
    past.over(link())
    assert not past.begins(head(1, 0), None)


def test_the_next_conversation_has_higher_numbers() -> None:
    past = Past()
    past.over(link())
    assert past.base(SESSION) == CONVERSATION
    first = head(CONVERSATION + 1, CONVERSATION)
    assert past.begins(first, None)
    assert past.begins(first, link()), "also where the old one is believed to live"
    assert not past.begins(first, link(CONVERSATION))
    past.over(link(CONVERSATION))
    assert past.base(SESSION) == 2 * CONVERSATION
    assert not past.begins(first, None)


def test_it_remembers_the_last_ones() -> None:
    past = Past()
    past.over(link())
    past.over(link(remote="bob@0000"))
    past.over(link())
    for number in range(REMEMBERED - 1):
        past.over(link(remote=f"bob@{number + 1:04x}"))
    assert past.base(SESSION) == CONVERSATION
    assert past.base("bob@0000") == 0


def test_what_was_given_up_is_refused_otherwise_than_what_never_was() -> None:
    past = Past()
    assert past.refusal(head(2, 0)) == UNKNOWN_LINK
    past.over(link())
    assert past.refusal(head(1, 0)) == past.refusal(head(None, 9)) == LINK_OVER
    assert past.refusal(head(CONVERSATION + 2, CONVERSATION)) == UNKNOWN_LINK
