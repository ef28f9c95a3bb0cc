"""What a running op streams, between its thread and the engine."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest

from fedsock.errors import AuditUnwritable, OpCancelled, UnsupportedValue
from fedsock.ops import TABLE, Bound
from fedsock.protocol import messages as m
from fedsock.protocol.messages import EMITTED_BYTES, EMITTED_MOST
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.emitting import Emitter, kept
from fedsock.worker.engine import Engine
from fedsock.worker.jobs import SendValue
from tests.worker.driver import PEER, Driver, op, ref

SECONDS = 20


def counting(x: Any, *, emit: Any) -> Any:
    """Stream each element, then return the sum; fail where one is negative."""
    for value in np.atleast_1d(x):
        emit(float(value))
        if value < 0:
            raise ValueError("negative")
    return np.sum(x)


def house(data: dict[str, Any] | None = None, function: Any = counting, **options: Any) -> Driver:
    row = dataclasses.replace(
        TABLE["negative"],
        name="count",
        function=function,
        streams=True,
        value_dependent=True,
        unless=None,
        bound=lambda x: Bound((), 8),
    )
    return Driver(data, table={**TABLE, "count": row}, **options)


def told(replies: list[Any]) -> list[Any]:
    return [type(one).__name__ if isinstance(one, m.Message) else one for one in replies]


def test_values_come_in_order_and_before_the_end() -> None:
    driver = house()
    assert told(driver.say(op(1, "count", [1, 2, 3]))) == [1.0, 2.0, 3.0, "Done"]
    assert told(driver.say(op(2, "count", [1, -1, 3]))) == [1.0, -1.0, "Error"]
    assert driver.say(m.Get(3, 1)) == [6]


def test_each_waits_until_the_one_before_is_written_and_the_end_for_the_last() -> None:
    driver = house()
    [compute] = [one for one in driver.engine.receive(PEER, [op(1, "count", [1, 2])]) if one is not None]
    assert driver.engine.computed(compute, *compute.run()) == ()
    seen = []
    for _ in range(2):
        [sent] = driver.engine.replies()
        assert isinstance(sent, SendValue) and driver.engine.replies() == [] and driver.engine.go_on() == ()
        seen.append((sent.request.number, sent.value))
        driver.engine.written(sent)
        assert driver.engine.streams.due
    assert seen == [(1, 1.0), (2, 2.0)]
    assert driver.engine.replies() == []
    driver.engine.go_on()
    assert [type(one.message) for one in driver.engine.replies()] == [m.Done]


def test_what_may_not_leave_is_refused_once_before_anything_is_known_of_values() -> None:
    driver = house({"x": np.array([1.0, 2, 3])})
    refused, done = driver.say(op(1, "count", ref("x")))
    assert (refused.id, refused.number, refused.value, refused.refused.code) == (1, 1, None, "export_denied")
    assert "private-stays" in refused.refused.message and "Next:" in refused.refused.message
    assert isinstance(done, m.Done)


def test_how_many_values_there_are_and_whether_it_fails_is_not_told_either() -> None:
    said = []
    for values in ([1.0, 2.0, 3.0], [-1.0, 2.0, 3.0]):
        said.append(house({"x": np.array(values)}).say(op(1, "count", ref("x"))))
    assert said[0] == said[1]


def test_what_its_owner_publishes_leaves() -> None:
    driver = house()
    data = datasets_from_mapping({"x": np.array([1.0, 2])}, True, "public")
    driver.engine = Engine("bob", data, table=driver.engine._runner._table)
    driver.engine.introduce(PEER, "ann")
    assert told(driver.say(op(1, "count", ref("x")))) == [1.0, 2.0, "Done"]


def test_what_streams_on_a_full_disk_stays() -> None:
    class Full:
        def __init__(self) -> None:
            self.lines: list[Any] = []

        def write(self, records: list[Any], sync: bool) -> None:
            self.lines += records
            raise AuditUnwritable("the disk is full")

    full = Full()
    data = datasets_from_mapping({"x": np.array([1.0, 2])}, True, "public")
    driver = house()
    driver.engine = Engine("bob", data, table=driver.engine._runner._table, audit=full)  # type: ignore[arg-type]
    driver.engine.introduce(PEER, "ann")
    told = driver.say(op(1, "count", ref("x")))
    assert {type(one) for one in told} == {m.Emitted, m.Done}
    assert {one.refused.code for one in told if isinstance(one, m.Emitted)} == {"audit_unwritable"}
    assert full.lines[0]["streamed"] and full.lines[0]["allowed"]


def test_a_cancelled_op_ends_at_its_next_value() -> None:
    driver = house()
    seen: list[int] = []

    def endless(x: Any, *, emit: Any) -> None:
        while True:
            seen.append(len(seen))
            if len(seen) == 3:
                assert driver.say(m.Cancel([1]))[0].code == "cancelled"
            emit(len(seen))

    driver = house(function=endless)
    assert told(driver.say(op(1, "count", 1))) == []
    assert len(seen) == 3
    assert driver.say(m.Ask(2, "stats"))[0].stats["objects"] == 1


def test_an_op_of_a_session_that_is_gone_ends_at_its_next_value() -> None:
    driver = house()
    [compute] = [one for one in driver.engine.receive(PEER, [op(1, "count", [1, 2])]) if one is not None]
    driver.engine.forget(PEER)
    _, error = compute.run()
    assert isinstance(error, OpCancelled)
    assert driver.engine.computed(compute, None, error) == () and driver.engine.replies() == []


def test_of_what_was_released_nothing_is_sent_and_nothing_waits() -> None:
    driver = house()
    [compute] = [one for one in driver.engine.receive(PEER, [op(1, "count", list(range(99)))]) if one is not None]
    driver.say(m.Release([1]))
    assert compute.run() == (np.sum(range(99)), None)
    assert driver.engine.replies() == []


def blocked(emitter: Emitter, value: Any) -> tuple[threading.Thread, list[Any]]:
    """Emit in a thread; returns it and what comes of it."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(emitter(value))
        except OpCancelled as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


@pytest.mark.parametrize("value", [0, np.zeros(EMITTED_BYTES // 8 // 2)], ids=["many", "large"])
def test_an_op_waits_for_a_slow_reader(value: Any) -> None:
    posted: list[Any] = []
    emitter = Emitter(posted.append)
    most = EMITTED_MOST if isinstance(value, int) else 2
    for _ in range(most):
        emitter(value)
    thread, came = blocked(emitter, value)
    thread.join(0.05)
    assert thread.is_alive() and len(posted) == most
    emitter.taken(1)
    thread.join(SECONDS)
    assert came == [None] and len(posted) == most + 1


def test_a_value_of_any_size_goes_when_none_is_on_its_way() -> None:
    posted: list[Any] = []
    Emitter(posted.append)(np.zeros(EMITTED_BYTES + 8, np.uint8))
    assert len(posted) == 1


@pytest.mark.parametrize(("end", "came"), [("stop", OpCancelled), ("unheard", type(None))])
def test_who_waits_is_let_go(end: str, came: type) -> None:
    emitter = Emitter([].append)
    for _ in range(EMITTED_MOST):
        emitter(1)
    thread, found = blocked(emitter, 2)
    getattr(emitter, end)()
    thread.join(SECONDS)
    assert [type(one) for one in found] == [came]


def test_taking_more_than_was_sent_gives_no_more_room() -> None:
    emitter = Emitter([].append)
    emitter.taken(10**9)
    for _ in range(EMITTED_MOST):
        emitter(1)
    thread, _ = blocked(emitter, 2)
    thread.join(0.05)
    assert thread.is_alive()
    emitter.stop()
    thread.join(SECONDS)


def test_where_the_worker_is_gone_the_op_ends() -> None:
    def gone(value: Any) -> None:
        raise RuntimeError("Event loop is closed")

    with pytest.raises(OpCancelled):
        Emitter(gone)(1)


def test_a_value_is_copied_and_can_travel() -> None:
    array = np.arange(3.0)
    tree = {"a": [array, (1, None)]}
    copied = kept(tree)
    array[:] = 0
    assert copied["a"][0].tolist() == [0, 1, 2] and copied["a"][1] == (1, None)
    with pytest.raises(UnsupportedValue):
        kept({"a": object()})
