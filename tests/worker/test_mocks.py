"""Mocks at the engine: made when first used, once, open, and from nothing that is private."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker import mocks
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.mocks import Mocks
from tests.worker.driver import PEER, Driver, op, put, ref

OTHER = "s-2@0002"
DATA = {
    "pay": np.array([3e3, 5e3, 9e3]),
    "people": {"name": np.array(["Bo", "Ann", "Eve"]), "kind": np.array([0, 2, 1], "int8")},
    "born": np.array(["1980-02-03", "1991-01-01", "2001-09-09"], "datetime64[D]"),
}
NAMES = ["pay", "people/name", "people/kind", "born"]
POLICY = {"export": "aggregate", "datasets": {"people/kind": {"group_by": 3}}}


def owner(data: dict[str, Any] | None = None, *, mock: bool = True, private: bool = True) -> Driver:
    driver = Driver()
    datasets = datasets_from_mapping(DATA if data is None else data, private, POLICY if data is None else None, mock)
    driver.engine = Engine("bob", datasets)
    return driver


def kinds(answers: list[Any]) -> list[type]:
    return [type(answer) for answer in answers]


def test_a_mock_is_offered_as_its_data_set_is_but_open() -> None:
    (offer,) = owner().say(m.Open())
    told = {one.id: one for one in offer.datasets}
    assert list(told) == [*NAMES, *(f"mock:{name}" for name in NAMES)]
    for name in NAMES:
        real, mock = told[name], told[f"mock:{name}"]
        assert (mock.dtype, mock.shape, mock.nbytes, mock.kind) == (real.dtype, real.shape, real.nbytes, real.kind)
        assert (real.private, mock.private) == (True, False)


def test_without_being_asked_for_there_is_none() -> None:
    driver = owner(mock=False)
    (offer,) = driver.say(m.Open())
    assert [one.id for one in offer.datasets] == NAMES
    assert [answer.code for answer in driver.say(m.Get(1, "mock:pay"))] == ["unknown_object"]
    assert [answer.code for answer in owner().say(m.Get(1, "mock:none"), m.Get(2, "mock:mock:pay"))] == [
        "unknown_object", "unknown_object",
    ]  # fmt: skip


def test_what_it_holds_leaves_and_is_not_the_owners() -> None:
    driver = owner()
    (got,) = driver.say(m.Get(1, "mock:pay"))
    assert got.shape == (3,) and not np.isin(got, DATA["pay"]).any()
    done, total = driver.say(op(2, "sum", ref("mock:pay")), m.Get(3, 2))
    assert (done.shape, total) == ([], got.sum())
    kinds = driver.say(m.Get(4, "mock:people/kind"))[0]
    assert kinds.dtype == np.int8 and set(kinds.tolist()) <= {0, 1, 2}
    denied = driver.say(op(5, "add", ref("mock:pay"), ref("pay")), m.Get(6, 5))[-1]
    assert denied.code == "export_denied"


def test_what_it_holds_never_changes() -> None:
    driver = owner()
    before = driver.say(m.Get(1, "mock:pay"))[0].copy()
    driver.say(op(2, "setitem", ref("mock:pay"), 0, 7.0), m.Release([2]))
    assert driver.say(m.Get(3, "mock:pay"))[0].tolist() == before.tolist()


def test_no_search_finds_it() -> None:
    driver = owner()
    driver.say(m.Get(1, "mock:pay"), put(2, 1.0, tags=["#x"]))
    (answer,) = driver.say(m.Ask(3, "search"))
    assert [one.id for one in answer.records] == [*NAMES, 2]


def test_it_takes_no_memory_before_it_is_used_and_is_made_once() -> None:
    driver = owner({"large": np.zeros((1000, 1000))})
    assert next(iter(driver.engine._mocks.entries.values())).value.strides == (0, 0)
    assert driver.say(m.Get(1, "mock:large"), op(2, "mean", ref("mock:large")), hold=True) == []
    assert driver.say(m.Get(1, "mock:large"), peer=OTHER, hold=True) == []
    (making,) = driver.held
    assert making.seconds > 1e-3  # in a thread, that is
    first, second, done = driver.run(driver.engine.computed(making, *making.run()))
    assert first is second and abs(first.mean()) < 0.01
    assert done.id == 2
    assert driver.say(m.Get(3, 2)) == [first.mean()]
    assert len(driver.held) == 1
    assert driver.engine.receive(PEER, [m.Get(4, "mock:large")]) is not None
    stats = driver.say(m.Ask(5, "stats"))[0].stats
    assert (stats["objects"], stats["ops_run"]) == (1, 1)


def test_it_counts_once_for_each_session_that_uses_it() -> None:
    driver = Driver()
    driver.engine = Engine("bob", datasets_from_mapping({"large": np.zeros(1000)}, True, None, True), quota_bytes=9_000)
    for peer in (PEER, OTHER):
        driver.say(m.Get(1, "mock:large"), m.Get(2, "mock:large"), peer=peer)
        assert driver.say(m.Ask(3, "stats"), peer=peer)[0].stats["bytes"] == 8_000
        refused = driver.say(op(4, "zeros", 1000), peer=peer)[-1]
        assert refused.code == "quota" and "this session may hold 9,000" in refused.message
        assert driver.say(m.Ask(5, "clear"), op(6, "zeros", 100), peer=peer)[-1].shape == [100]
    driver.engine.forget(PEER)
    assert driver.say(m.Ask(7, "stats"))[0].stats["bytes"] == 0


def test_a_session_that_left_meanwhile_is_told_nothing() -> None:
    driver = owner()
    driver.say(m.Get(1, "mock:pay"), op(2, "sum", ref("mock:pay")), hold=True)
    driver.say(m.Get(1, "mock:pay"), peer=OTHER, hold=True)
    assert list(driver.engine.forget(PEER)) == []
    (making,) = driver.held
    computes = driver.engine.computed(making, *making.run())
    replies = driver.engine.replies()
    assert [one.peer for one in replies] == [OTHER]
    assert list(computes) == []


def test_an_op_that_waits_for_it_can_be_cancelled() -> None:
    driver = owner()
    driver.say(op(1, "sum", ref("mock:pay")), hold=True)
    assert [answer.code for answer in driver.say(m.Cancel([1]))] == ["cancelled"]
    (making,) = driver.held
    assert driver.run(driver.engine.computed(making, *making.run())) == []
    assert kinds(driver.say(op(2, "sum", ref("mock:pay")))) == [m.Done]


def test_where_it_cant_be_made_that_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = owner()

    def no_memory(*_: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(mocks, "made_up", no_memory)
        told = driver.say(m.Get(1, "mock:pay"), op(2, "sum", ref("mock:pay")))
    assert [answer.code for answer in told] == ["op_memory"] * 2
    assert "bob could not make up 'mock:pay': MemoryError" in told[0].message
    assert kinds(driver.say(op(3, "sum", ref("mock:pay")))) == [m.Done]


def test_names_are_all_that_two_workers_tell_of_it() -> None:
    """Data that differ in values only: what is offered and sent is the same, byte for byte."""
    rng = np.random.default_rng(5)
    changed = {
        "pay": DATA["pay"] * rng.uniform(2, 3, 3),
        "people": {"name": np.array(["Joe", "Al", "Su"]), "kind": np.array([2, 2, 2], "int8")},
        "born": DATA["born"] + 1000,
    }
    said: list[list[bytes]] = []
    for data in (DATA, changed):
        driver = Driver()
        driver.engine = Engine("bob", datasets_from_mapping(data, True, POLICY, True))
        answers = driver.say(m.Open())
        for number, name in enumerate(NAMES):
            mock, id = f"mock:{name}", 10 * number + 1
            answers += driver.say(
                m.Get(id, mock), op(id + 1, "unique", ref(mock)), m.Get(id + 2, id + 1), op(id + 3, "log", ref(mock))
            )
            answers += driver.say(op(id + 4, "sort", ref(mock)), m.Get(id + 5, id + 4), m.Ask(id + 6, "objects"))
        said.append([m.encode(one if isinstance(one, m.Message) else m.Value(1, to_json(one))) for one in answers])
    assert len(said[0]) == 29
    assert said[0] == said[1]


def test_only_names_that_are_mocks_are_known() -> None:
    made = Mocks("bob", datasets_from_mapping({"x": np.ones(2)}), None)  # type: ignore[arg-type]
    assert dict(made.entries) == {}
    assert made.find(None, "mock:x") is None  # type: ignore[arg-type]
