from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fedsock.protocol import messages as m
from fedsock.worker.audit import Audit
from fedsock.worker.failures import TEXT_CHARS
from fedsock.worker.state import State
from tests.worker.driver import PEER, Driver, op, put, ref


def test_what_is_private_stays_whether_it_failed_or_not() -> None:
    driver = Driver({"x": np.arange(3.0)})
    driver.say(op(1, "add", ref("x"), 1))
    for request in (m.Get(2, 1), m.Get(3, "x"), m.Transfer(4, 1, "alice@0002", 9)):
        [error] = driver.say(request)
        assert (error.code, error.id) == ("export_denied", request.id)
        assert "private-stays" in error.message
        assert "Next:" in error.message


def test_values_above_the_limit_are_not_sent() -> None:
    driver = Driver()
    driver.say(put(1, "x" * 100))
    [error] = driver.say(m.Get(2, 1, limit=10))
    assert error.code == "too_large_to_fetch"
    assert "164" in error.message
    assert driver.say(m.Get(3, 1, limit=1000)) == ["x" * 100]


def test_a_failed_value_is_answered_with_its_failure() -> None:
    driver = Driver()
    driver.say(op(1, "nothing"))
    [error] = driver.say(m.Get(2, 1))
    assert (error.id, error.code) == (2, "unknown_op")


def test_generators_stay() -> None:
    driver = Driver()
    driver.say(op(1, "random.default_rng", 7))
    assert [one.code for one in driver.say(m.Get(2, 1))] == ["op_type"]


def test_a_request_waits_for_its_value_even_if_it_is_released_meanwhile() -> None:
    driver = Driver()
    driver.say(op(1, "add", 1, 1), m.Get(2, 1), m.Release([1]), hold=True)
    assert 2 in driver.run(driver.engine.computed(driver.held[0], 2, None))
    assert driver.say(m.Ask(3, "stats"))[0].stats["objects"] == 0


def test_a_delivery_goes_to_the_other_worker() -> None:
    driver = Driver()
    driver.say(put(1, 1.5))
    driver.say(m.Transfer(2, 1, "alice@0002", 9))
    assert driver.engine.sessions == 1
    assert PEER.startswith("s-")


def test_a_session_has_values_delivered_to_so_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsock.worker.store.MOST_RECEIVERS", 3)
    driver = Driver()
    driver.say(put(1, 2.0))
    receivers = ("a@0000", "b@0000", "a@0000", "a@0001", "c@0000", "b@0000")
    told = [driver.say(m.Transfer(2 + number, 1, to, 1)) for number, to in enumerate(receivers)]
    refused = [replies[0] for replies in told if isinstance(replies[0], m.Error)]
    assert [(one.id, one.code) for one in refused] == [(6, "quota")]
    assert "at most 1,000 workers" in refused[0].message
    # Another session has its own.
    driver.say(put(1, 2.0), peer="s-2@0002")
    assert not isinstance(driver.say(m.Transfer(2, 1, "c@0000", 1), peer="s-2@0002")[0], m.Error)


def test_a_refusal_that_names_many_data_sets_can_be_sent() -> None:
    driver = Driver({f"a/rather/long/name/of/a/column/{number}": np.zeros(2) for number in range(600)})
    names = [ref(f"a/rather/long/name/of/a/column/{number}") for number in range(600)]
    driver.say(op(1, "concatenate", names))
    [error] = driver.say(m.Get(2, 1))
    assert error.code == "export_denied"
    assert len(error.message) <= TEXT_CHARS


def test_what_cannot_be_written_is_not_transferred() -> None:
    driver = Driver()
    driver.say(put(1, "y" * 900_000), op(2, "add", ref(1), ref(1)), put(3, [1, 2, "z"]))
    assert [one.code for one in driver.say(m.Transfer(4, 2, "alice@0002", 1))] == ["value_too_large"]
    assert driver.say(m.Transfer(5, 3, "alice@0002", 2)) == [[1, 2, "z"], m.Done(5, kind="list")]


def test_asking_again_for_what_is_refused_fills_no_disk(tmp_path: Path) -> None:
    columns = {f"{number:03}": np.arange(3.0) for number in range(100)}
    audit = Audit(State(tmp_path))
    driver = Driver(columns, audit=audit)
    driver.say(op(1, "stack", [ref(name) for name in columns]))
    for id in range(2, 102):
        assert driver.say(m.Get(id, 1))[-1].code == "export_denied"
    driver.say(m.Get(102, "000"), m.Get(103, "001"), m.Transfer(104, 1, "alice@0002", 9))
    audit.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line.get("times", 1) for line in lines] == [1, 2, 4, 8, 16, 32, 64, 1, 1, 1]
    assert lines[0]["sources"] == sorted(columns)[:50] and lines[0]["more_sources"] == 50
    assert max(map(len, map(str, lines))) < 1_000
