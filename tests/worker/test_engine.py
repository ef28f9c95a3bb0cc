from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import BadMessage, IdReused
from fedsock.protocol import messages as m
from fedsock.worker.jobs import Stopped
from fedsock.worker.users import REMEMBERED
from tests.worker.driver import PEER, Driver, op, put, ref


def header(stream: int, n: int = 1000) -> dict[str, object]:
    return {"$array": {"dtype": "float64", "shape": [n], "stream": stream}}


def test_runs_of_done_are_one_message() -> None:
    driver = Driver()
    replies = driver.say(put(1, 1.0), *(op(id, "add", ref(1), 1) for id in range(2, 12)))
    assert replies == [m.Done(1, kind="float"), m.Done(2, n=10, kind="float")] or [
        reply.n for reply in replies if isinstance(reply, m.Done)
    ] == [1, 10]


def test_ids_rise() -> None:
    driver = Driver()
    driver.say(put(5, 1.0))
    for id in (5, 4):
        with pytest.raises(IdReused):
            driver.say(put(id, 1.0))


def test_ops_wait_for_an_upload_and_hold_up_nothing_else() -> None:
    driver = Driver()
    assert driver.say(put(1, header(7)), op(2, "add", ref(1), 1), op(3, "add", 1, 1))[0].id == 3
    data = np.arange(1000.0)
    raw = memoryview(data).cast("B")
    assert driver.run(driver.engine.chunk(PEER, 7, 0, raw[:4000])) == []
    done = driver.run(driver.engine.chunk(PEER, 7, 4000, raw[4000:]))
    assert [(one.id, one.n) for one in done] == [(1, 2)]
    [value] = driver.say(m.Get(4, 2))
    assert np.array_equal(value, data + 1)


def test_chunks_that_do_not_fit_are_refused_and_unknown_ones_dropped() -> None:
    driver = Driver()
    driver.say(put(1, header(7)))
    assert driver.run(driver.engine.chunk(PEER, 8, 0, memoryview(b"x"))) == []
    with pytest.raises(BadMessage):
        driver.run(driver.engine.chunk(PEER, 7, 8, memoryview(bytes(8))))
    with pytest.raises(BadMessage, match="twice"):
        driver.say(put(2, header(7)))


def test_an_upload_above_the_quota_is_refused_and_its_stream_stopped() -> None:
    driver = Driver(quota_bytes=1000)
    replies = driver.say(put(1, header(7)), op(2, "add", ref(1), 1))
    assert m.Stop(7) in replies
    errors = [one for one in replies if isinstance(one, m.Error)]
    assert [(one.id, one.code) for one in errors] == [(1, "quota"), (2, "quota")]
    assert errors[1].cause is not None


def test_releasing_what_still_arrives_stops_it() -> None:
    driver = Driver()
    driver.say(put(1, header(7)))
    assert driver.say(m.Release([[1, 2**50]])) == [m.Stop(7)]
    assert driver.say(m.Ask(2, "stats"))[0].stats["bytes"] == 0


def test_cancelled_ops_and_what_depends_on_them_fail() -> None:
    driver = Driver()
    driver.say(put(1, 1.0))
    driver.say(op(2, "add", ref(1), 1), op(3, "add", ref(2), 1), hold=True)
    replies = driver.say(m.Cancel([2]))
    assert [(one.id, one.code) for one in replies] == [(2, "cancelled"), (3, "cancelled")]
    assert driver.run(driver.engine.computed(driver.held[0], 2.0, None)) == []
    driver.say(m.Release([1, 2, 3]))
    assert driver.say(m.Ask(9, "stats"))[0].stats["objects"] == 0


def test_values_are_delivered_to_who_expects_them_only() -> None:
    driver = Driver()
    driver.say(m.Expect(1, "alice@0002"), op(2, "add", ref(1), 1))
    assert driver.say(m.Deliver(PEER, 1, 5), peer="mallory@0003") == []
    assert driver.say(m.Deliver("s-9@0009", 1, 5), peer="alice@0002") == []
    assert [one.id for one in driver.say(m.Deliver(PEER, 1, 5), peer="alice@0002")] == [1, 2]
    assert driver.say(m.Get(3, 2)) == [6]
    assert driver.say(m.Deliver(PEER, 1, 6), peer="alice@0002") == []


def test_an_expected_value_may_fail() -> None:
    driver = Driver()
    driver.say(m.Expect(1, "alice@0002"))
    assert [one.code for one in driver.say(m.Fail(1, "export_denied", "no"))] == ["export_denied"]
    assert driver.say(m.Fail(1, "export_denied", "no")) == []


def test_values_are_not_delivered_to_sessions() -> None:
    driver = Driver()
    driver.say(put(1, 1.0))
    with pytest.raises(BadMessage):
        driver.say(m.Transfer(2, 1, "s-2@0002", 1))


def test_questions() -> None:
    driver = Driver({"x": np.arange(3.0)})
    [offer] = driver.say(m.Open())
    assert [(one.id, one.shape, one.private) for one in offer.datasets] == [("x", [3], True)]
    driver.say(put(1, 1.0, tags=["#a"]), put(2, 2.0, tags=["#a", "#b"]))
    assert [one.id for one in driver.say(m.Ask(3, "search", ["#a"]))[0].records] == [1, 2]
    assert [one.id for one in driver.say(m.Ask(4, "objects"))[0].records] == [1, 2]
    driver.say(m.Ask(5, "clear"))
    assert driver.say(m.Ask(6, "objects"))[0].records == []
    assert driver.say(m.Ask(7, "ping")) == [m.Answer(7)]


def test_one_session_cannot_name_anothers_objects() -> None:
    driver = Driver()
    driver.say(put(1, 1.0))
    assert [one.code for one in driver.say(m.Get(1, 1), peer="s-2@0002")] == ["unknown_object"]


def test_a_forgotten_session_leaves_nothing() -> None:
    driver = Driver()
    driver.say(put(1, header(7)), put(2, 1.0))
    assert driver.engine.sessions == 1
    driver.run(driver.engine.forget(PEER))
    assert driver.engine.sessions == 0
    assert driver.run(driver.engine.chunk(PEER, 7, 0, memoryview(bytes(8)))) == []


def test_a_stop_is_passed_on() -> None:
    assert Driver().say(m.Stop(3)) == [Stopped(PEER, 3)]


def test_a_delivery_whose_sender_is_lost_fails_with_what_depends_on_it() -> None:
    driver = Driver()
    driver.say(m.Expect(1, "alice@0002"), op(2, "add", ref(1), 1))
    driver.say(m.Deliver(PEER, 1, header(7)), peer="alice@0002")
    replies = driver.run(driver.engine.forget("alice@0002"))
    assert [(one.id, one.code) for one in replies] == [(1, "worker_lost"), (2, "worker_lost")]


def test_a_delivery_to_a_session_that_is_gone_is_dropped() -> None:
    driver = Driver()
    driver.say(m.Expect(1, "alice@0002"), op(2, "add", ref(1), 1))
    driver.say(m.Deliver(PEER, 1, header(7)), peer="alice@0002")
    assert driver.run(driver.engine.forget(PEER)) == [m.Stop(7)]
    assert driver.run(driver.engine.chunk("alice@0002", 7, 0, memoryview(bytes(8000)))) == []


def test_what_runs_for_a_session_that_is_gone_starts_nothing_more() -> None:
    driver = Driver()
    driver.say(op(1, "add", 1, 1), op(2, "add", ref(1), 1), hold=True)
    driver.run(driver.engine.forget(PEER))
    driver.run(driver.engine.computed(driver.held[0], 2, None), hold=True)
    assert len(driver.held) == 1


def user(driver: Driver, peer: str = PEER) -> str:
    """Return whose a session's store is."""
    return driver.engine._sessions[peer].user


def test_a_session_is_its_users_as_introduced() -> None:
    driver = Driver()
    assert driver.engine.introduce(PEER, "ann")
    assert driver.engine.sessions == 0
    driver.say(put(1, 1.0))
    driver.say(put(1, 1.0), peer="s-2@0002")
    assert (user(driver), user(driver, "s-2@0002")) == ("ann", "")
    # The hub answers what the peer watches: the same again, or what was forgotten here.
    assert driver.engine.introduce(PEER, "ann")
    assert driver.engine.introduce("s-2@0002", "ben")
    assert (user(driver), user(driver, "s-2@0002")) == ("ann", "ben")


def test_a_session_that_begins_anew_is_the_same_users() -> None:
    driver = Driver()
    driver.engine.introduce(PEER, "ann")
    for _ in range(3):
        driver.say(put(1, 1.0))
        assert user(driver) == "ann"
        driver.run(driver.engine.forget(PEER))
        driver.run(driver.engine.forget(PEER))


def test_nobody_gets_what_another_users_session_holds() -> None:
    driver = Driver()
    driver.engine.introduce(PEER, "ann")
    driver.say(put(1, 1.0))
    assert not driver.engine.introduce(PEER, "ben")
    assert user(driver) == "ann"
    driver.run(driver.engine.forget(PEER))
    assert driver.engine.introduce(PEER, "ben")
    assert [one.code for one in driver.say(m.Get(1, 1))] == ["unknown_object"]
    assert user(driver) == "ben"


def test_a_million_introductions_are_not_kept() -> None:
    driver = Driver()
    driver.engine.introduce("s-a@0001", "ann")
    driver.say(put(1, 1.0), peer="s-a@0001")
    for number in range(3 * REMEMBERED):
        driver.engine.introduce(f"s-{number}@0001", "ben")
    assert len(driver.engine._users) == REMEMBERED
    assert user(driver, "s-a@0001") == "ann"
    driver.say(put(1, 1.0), peer=f"s-{number}@0001")
    assert user(driver, f"s-{number}@0001") == "ben"
