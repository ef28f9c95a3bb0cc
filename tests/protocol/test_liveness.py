"""liveness: 30 s for the peer, not counted without a hub; 300 s for the hub."""

from __future__ import annotations

from fedsock.protocol.liveness import GRACE, HUB_PATIENCE, Liveness


def test_the_hub_is_waited_for_from_the_beginning() -> None:
    liveness = Liveness(5.0)
    assert not liveness.up and liveness.present
    assert liveness.deadline == 5.0 + HUB_PATIENCE
    assert liveness.overdue(5.0 + HUB_PATIENCE - 0.001) is None
    assert liveness.overdue(5.0 + HUB_PATIENCE) == "hub_lost"


def test_nobody_is_waited_for_while_all_are_there() -> None:
    liveness = Liveness(0.0)
    liveness.socket_up(1.0)
    assert liveness.deadline is None and liveness.overdue(1e9) is None


def test_the_hub_is_waited_for_from_each_loss_on() -> None:
    liveness = Liveness(0.0)
    liveness.socket_up(1.0)
    liveness.socket_down(10.0)
    liveness.socket_down(20.0)
    assert liveness.deadline == 10.0 + HUB_PATIENCE


def test_an_absent_peer_is_waited_for_once() -> None:
    liveness = Liveness(0.0)
    liveness.socket_up(0.0)
    liveness.peer_absent(10.0)
    liveness.peer_absent(20.0)
    assert liveness.deadline == 10.0 + GRACE
    assert liveness.overdue(10.0 + GRACE) == "lost"
    liveness.peer_present()
    assert liveness.deadline is None
    liveness.peer_absent(50.0)
    assert liveness.deadline == 50.0 + GRACE


def test_the_clock_of_an_absence_stands_still_without_a_hub() -> None:
    liveness = Liveness(0.0)
    liveness.socket_up(0.0)
    liveness.peer_absent(10.0)
    liveness.socket_down(20.0)
    assert liveness.deadline == 20.0 + HUB_PATIENCE
    liveness.socket_up(200.0)
    assert liveness.deadline == 200.0 + GRACE - 10.0
    liveness.socket_up(205.0)
    assert liveness.deadline == 205.0 + GRACE - 15.0
    liveness.peer_present()
    liveness.peer_absent(300.0)
    assert liveness.deadline == 300.0 + GRACE


def test_an_absence_told_without_a_hub_counts_from_its_return() -> None:
    liveness = Liveness(0.0)
    liveness.peer_absent(5.0)
    assert liveness.deadline == HUB_PATIENCE
    liveness.socket_up(10.0)
    assert liveness.deadline == 10.0 + GRACE
