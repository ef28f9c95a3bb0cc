"""link: what makes it write frames again, and what ends it."""

from __future__ import annotations

import pytest

from fedsock.protocol import flow
from fedsock.protocol.events import Ended, LinkEnd
from fedsock.protocol.flight import HASTE, STALL
from fedsock.protocol.frames import build, split
from fedsock.protocol.liveness import GRACE, HUB_PATIENCE
from tests.protocol.wire import ANN, BOB, feed, from_bob, new, pair, seqs, three_in_flight, write

# Replay


def test_nothing_is_written_without_a_socket() -> None:
    link = new(up=False)
    link.send(b"{}")
    assert write(link) == [] and link.written_tickets == 0
    link.socket_up(1.0)
    assert len(write(link, 1.0)) == 1, "and a new link has nothing to acknowledge"


def test_a_new_socket_replays_from_the_last_ack_behind_an_ack() -> None:
    link, frames = three_in_flight()
    feed(link, from_bob(1), 0.1)
    link.socket_down(1.0)
    assert write(link, 1.0) == []
    link.send(b'{"n":3}')
    link.socket_up(2.0)
    written = write(link, 2.0)
    assert written[0] == build(BOB, ANN, 0) and written[1:3] == frames[1:]
    assert seqs(written) == [None, 2, 3, 4]


def test_a_peer_that_is_back_gets_a_replay() -> None:
    link, frames = three_in_flight()
    link.peer_absent(1.0)
    assert write(link, 1.0) == []
    link.peer_present(2.0)
    assert write(link, 2.0) == frames


def test_a_peer_that_is_said_to_be_there_again_is_doubted_soon() -> None:
    link, frames = three_in_flight()
    link.peer_present(1.0)
    assert write(link, 1.0) == []
    assert link.deadline == 1.0 + HASTE
    link.tick(1.0 + HASTE)
    assert write(link, 1.0 + HASTE) == frames


def test_a_peer_that_talks_is_there() -> None:
    link, frames = three_in_flight()
    link.peer_absent(1.0)
    assert len(feed(link, from_bob(1, 1), 2.0)) == 1
    assert write(link, 2.0) == [build(BOB, ANN, 1), *frames[1:]]


def test_after_a_hold_all_is_replayed_when_the_hub_says_go() -> None:
    link, frames = three_in_flight()
    link.hold(1.0)
    link.hold(1.0)
    assert write(link, 1.0) == [] and link.deadline is None
    feed(link, from_bob(1), 1.5)
    link.go(2.0)
    assert write(link, 2.0)[1:] == frames[1:]
    assert link._window.size == flow.FIRST_WINDOW // 2


@pytest.mark.parametrize("news", ["socket", "peer"])
def test_a_hold_ends_with_the_queue_it_was_for(news: str) -> None:
    link, frames = three_in_flight()
    link.hold(1.0)
    if news == "socket":
        link.socket_down(2.0)
        link.socket_up(3.0)
    else:
        link.peer_absent(2.0)
        link.peer_present(3.0)
    assert write(link, 3.0) == frames


def test_without_progress_all_is_replayed_later_and_later() -> None:
    link, frames = three_in_flight()
    now = 0.0
    for wait in (STALL, 2 * STALL, 4 * STALL, 4 * STALL):
        assert link.deadline == now + wait
        assert link.tick(now + wait - 0.01) == [] and write(link, now + wait - 0.01) == []
        now += wait
        assert link.tick(now) == []
        assert write(link, now) == frames
    feed(link, from_bob(1), now)
    assert link.deadline == now + STALL


def test_a_replay_keeps_to_the_window() -> None:
    link = new()
    link.send_stream(memoryview(bytes(10 * flow.FIRST_WINDOW)))
    write(link)
    link.tick(STALL)
    again = write(link, STALL)
    assert seqs(again) == [1], "the window has collapsed"
    feed(link, from_bob(1), STALL + 0.1)
    assert seqs(write(link, STALL + 0.1)) == [2]


def test_a_late_ack_spares_what_it_covers() -> None:
    link, frames = three_in_flight()
    link.socket_up(1.0)
    assert feed(link, from_bob(2), 1.0) == []
    assert write(link, 1.0) == frames[2:]


def test_a_replayed_frame_says_nothing_of_delay() -> None:
    link, _ = three_in_flight()
    link.tick(STALL)
    write(link, STALL)
    feed(link, from_bob(3), STALL + 0.001)
    assert link._window._shortest > 0.001


# Ends


def test_an_absent_peer_is_lost_after_the_grace() -> None:
    link = new()
    link.peer_absent(10.0)
    assert link.deadline == 10.0 + GRACE
    assert link.tick(10.0 + GRACE - 0.01) == []
    assert link.tick(10.0 + GRACE) == [Ended(LinkEnd("lost"))]
    assert link.ended == LinkEnd("lost")


def test_the_hub_is_lost_after_five_minutes() -> None:
    link = new()
    link.socket_down(10.0)
    assert link.deadline == 10.0 + HUB_PATIENCE
    assert link.tick(10.0 + HUB_PATIENCE) == [Ended(LinkEnd("hub_lost"))]


def test_a_reset_ends_both_sides_once() -> None:
    one, two = pair()
    one.send(b"{}")
    assert one.reset("bad_message", 1.0) == [Ended(LinkEnd("reset", "bad_message"))]
    assert one.reset("again", 1.0) == []
    (frame,) = write(one, 1.0)
    assert split(frame)[0] == {"to": BOB, "from": ANN, "ack": 0, "reset": "bad_message"}
    assert feed(two, frame, 1.0) == [Ended(LinkEnd("reset", "bad_message"))]
    assert feed(two, frame, 1.0) == [] and write(two, 1.0) == []


def test_a_reset_waits_for_a_socket() -> None:
    link = new(up=False)
    link.reset("swept", 1.0)
    assert write(link, 1.0) == []
    link.socket_up(2.0)
    assert len(write(link, 2.0)) == 1


def test_an_ended_link_is_silent_and_holds_nothing() -> None:
    link, _ = three_in_flight()
    waiting = link.send(b"{}")
    data = bytearray(8)
    number = link.send_stream(memoryview(data))
    assert link.lose("bye", 1.0) == [Ended(LinkEnd("bye"))]
    assert link.lose("closed", 1.0) == []
    data.append(1)
    for news in (link.socket_down, link.socket_up, link.peer_absent, link.peer_present, link.hold, link.go):
        news(2.0)
        assert write(link, 2.0) == [] and link.tick(1e9) == [] and link.deadline is None
    assert feed(link, from_bob(0, 1), 3.0) == []
    assert not link.withdraw(waiting) and not link.stop_stream(number)
    late = link.send(b"{}")
    assert late == waiting + 1 and link.written_tickets == 3 < waiting
    assert link.send_stream(memoryview(bytes(8))) == number + 1
    assert write(link, 4.0) == []
    assert (link.queued_messages, link.queued_bytes, link.queued_stream_bytes) == (0, 0, 0)
    assert link.ended == LinkEnd("bye") and link.drained
