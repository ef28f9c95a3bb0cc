from __future__ import annotations

from typing import Any

import pytest

from fedsock.errors import BadMessage
from fedsock.protocol import messages as m
from tests.worker.driver import PEER, Driver, op, put, ref

ALICE = "alice@0002"


def header(stream: int, n: int = 1000) -> dict[str, Any]:
    return {"$array": {"dtype": "float64", "shape": [n], "stream": stream}}


def stats(driver: Driver, id: int = 10_000) -> tuple[int, int]:
    [answer] = driver.say(m.Ask(id, "stats"))
    return answer.stats["objects"], answer.stats["bytes"]


def test_a_cancelled_upload_stays_cancelled() -> None:
    driver = Driver()
    driver.say(put(1, [header(7), header(8)]))
    stops, failed = driver.say(m.Cancel([1]))[:2], driver.say(op(2, "add", ref(1), 1))
    assert stops == [m.Stop(7), m.Stop(8)]
    assert [one.code for one in failed] == ["cancelled"]
    assert driver.run(driver.engine.chunk(PEER, 7, 0, memoryview(bytes(8000)))) == []
    assert driver.run(driver.engine.chunk(PEER, 8, 0, memoryview(bytes(8000)))) == []
    assert [one.code for one in driver.say(m.Get(3, 1))] == ["cancelled"]
    assert driver.say(m.Ask(4, "objects")) == [m.Answer(4)]
    assert stats(driver) == (2, 0)


def test_a_cancelled_delivery_is_not_taken_any_more() -> None:
    driver = Driver()
    driver.say(m.Expect(1, ALICE))
    assert [one.code for one in driver.say(m.Cancel([1]))] == ["cancelled"]
    assert driver.say(m.Deliver(PEER, 1, [header(5), header(6)]), peer=ALICE) == [m.Stop(5), m.Stop(6)]
    assert [one.code for one in driver.say(m.Get(2, 1))] == ["cancelled"]


def test_an_upload_that_is_refused_is_stopped_whole() -> None:
    driver = Driver(quota_bytes=10_000)
    replies = driver.say(put(1, [header(7), header(8), header(9)]))
    assert [one.code for one in replies if isinstance(one, m.Error)] == ["quota"]
    assert [one.stream for one in replies if isinstance(one, m.Stop)] == [7, 8, 9]
    assert stats(driver) == (1, 0)


def test_what_is_beyond_the_quota_of_objects_leaves_nothing() -> None:
    driver = Driver(quota_objects=1)
    driver.say(put(1, 1.0))
    error, stop = driver.say(put(2, header(7)))
    assert (error.id, error.code, stop) == (2, "quota", m.Stop(7))
    assert [one.code for one in driver.say(m.Expect(3, ALICE))] == ["quota"]
    assert driver.say(m.Deliver(PEER, 3, 1.0), peer=ALICE) == []
    assert [one.code for one in driver.say(m.Get(4, 2), m.Get(5, 3))] == ["unknown_object"] * 2
    assert stats(driver)[0] == 1


def test_tags_and_descriptions_count() -> None:
    driver = Driver(quota_bytes=5_000)
    driver.say(put(1, 1.0, tags=["#" + "é" * 100], description="é" * 1000))
    assert stats(driver)[1] > 2_000
    assert driver.say(m.Ask(10_001, "objects"))[0].records[0].nbytes == 64
    [error] = driver.say(put(10_002, 1.0, description="é" * 2000))
    assert error.code == "quota"


@pytest.mark.parametrize("value", [{"$what": 1}, [header(3), header(3)]])
def test_a_delivery_that_is_no_value_fails_what_waits_for_it(value: Any) -> None:
    driver = Driver()
    driver.say(m.Expect(1, ALICE), op(2, "add", ref(1), 1))
    with pytest.raises(BadMessage):
        driver.say(m.Deliver(PEER, 1, value), peer=ALICE)
    replies = [one for one in driver.run(()) if isinstance(one, m.Error)]
    assert [(one.id, one.code) for one in replies] == [(1, "bad_message"), (2, "bad_message")]


def test_releasing_many_uploads_stops_each() -> None:
    driver = Driver()
    driver.say(*(put(id, header(id, 1)) for id in range(1, 301)))
    assert driver.say(m.Release([[1, 10**9]])) == [m.Stop(id) for id in range(1, 301)]
    assert stats(driver) == (0, 0)


@pytest.mark.parametrize("come", [True, False])
def test_what_is_released_but_still_needed_is_expected_still(come: bool) -> None:
    driver = Driver()
    driver.say(m.Expect(1, ALICE), op(2, "add", ref(1), 1), m.Get(3, 1), m.Release([1]))
    assert [one.code for one in driver.say(m.Get(4, 1))] == ["unknown_object"]
    if come:
        value, done = driver.say(m.Deliver(PEER, 1, 5.0), peer=ALICE)
        assert (value, done.id) == (5.0, 2)
    else:
        failed = driver.say(m.Fail(1, "worker_lost", "alice is gone"))
        assert [(one.id, one.code) for one in failed] == [(3, "worker_lost"), (2, "worker_lost")]
    driver.say(m.Release([2]))
    assert stats(driver) == (0, 0)
