from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import BadMessage
from fedsock.protocol.link import Link
from fedsock.protocol.messages import Get
from fedsock.worker import outbox as module
from fedsock.worker.jobs import Errand, SendValue
from fedsock.worker.outbox import HELD_BYTES, MOST_WAITING, QUEUE_BYTES, STREAM_BYTES, Outbox, fits, full, is_large
from fedsock.worker.store import Entry, SessionStore

PEER = "s-1@0001"


def link() -> Link:
    return Link("bob@0001", PEER, now=0.0)


def value(held: Any) -> SendValue:
    request = Get(1, 1)
    return SendValue(PEER, held, request, Errand(SessionStore(PEER, 1, 1), request, Entry(1)))


def fill(link: Link, nbytes: int) -> None:
    for _ in range(-(-nbytes // 1_000_000)):
        link.send(b'"' + b"x" * 1_000_000 + b'"')


def test_a_value_waits_for_what_it_would_make_too_much() -> None:
    one = link()
    assert fits(one, large=True) and fits(one, large=False)
    one.send_stream(memoryview(bytes(STREAM_BYTES + 1)))
    assert not fits(one, large=True)
    assert fits(one, large=False)
    fill(one, QUEUE_BYTES + 1)
    assert full(one)
    assert not fits(one, large=False)


@pytest.mark.parametrize(("held", "large"), [(np.zeros(10), False), (np.zeros(1000), True), ([np.zeros(1000)], True)])
def test_what_is_large(held: Any, large: bool) -> None:
    assert is_large(value(held)) is large


def test_small_values_pass_large_ones_and_each_kind_keeps_its_order() -> None:
    box = Outbox(link())
    values = [value(np.full(1000, 1.0)), value(2.0), value(np.full(1000, 3.0)), value(4.0)]
    for one in values:
        box.add(one)
    assert list(box.values()) == [values[1], values[3], values[0], values[2]]
    stream = box.link.send_stream(memoryview(bytes(STREAM_BYTES + 1)))
    assert [box.next_value(), box.next_value(), box.next_value()] == [values[1], values[3], None]
    assert not box.empty
    box.link.stop_stream(stream)
    assert [box.next_value(), box.next_value(), box.next_value()] == [values[0], values[2], None]
    assert box.empty


def test_frames_wait_while_too_many_values_do() -> None:
    box = Outbox(link())
    for _ in range(MOST_WAITING + 1):
        box.add(value(1.0))
    assert box.full
    read: list[int] = []
    box.hold(lambda: iter(read.append(2) or ()), 10)  # type: ignore[func-returns-value]
    box.hold_first(iter(()))
    assert box.holding
    assert box.next_frame() is None
    box.next_value()
    for before, after in (([], []), ([], [2])):
        assert read == before
        frame = box.next_frame()
        assert frame is not None
        frame()
        assert read == after
    assert not box.holding
    assert box.next_frame() is None


def test_who_does_not_keep_to_a_window_is_refused() -> None:
    box = Outbox(link())
    box.hold(lambda: iter(()), HELD_BYTES)
    with pytest.raises(BadMessage):
        box.hold(lambda: iter(()), 1)
    assert box.next_frame() is not None
    assert box._held_bytes == 1


def test_a_window_fits() -> None:
    assert module.HELD_BYTES > 2 * (8 << 20)
