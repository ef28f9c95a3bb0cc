"""Questions to a worker about itself and its data."""

from __future__ import annotations

import numpy as np

from fedsock.protocol import messages as m
from tests.worker.driver import Driver, op, put


def test_counters_are_those_of_the_worker_and_of_the_session() -> None:
    driver = Driver()
    driver.say(put(1, 2.0), op(2, "add", {"$": 1}, 1), m.Ask(3, "ping"), peer="s-2@0002")
    (answer,) = driver.say(m.Ask(4, "stats"))
    assert answer.id == 4
    assert {key: answer.stats[key] for key in ("ops_run", "sessions", "objects")} == {
        "ops_run": 1, "sessions": 2, "objects": 0,
    }  # fmt: skip
    assert answer.stats["uptime_seconds"] >= 0


def test_what_is_not_there_is_unknown() -> None:
    driver = Driver({"x": np.arange(3.0)})
    for about in ("policy", "export"):
        id = 10 if about == "policy" else 20
        assert driver.say(m.Ask(id, about, ref=7))[-1].code == "unknown_object"
        assert driver.say(m.Ask(id + 1, about))[-1].code == "unknown_object"
        assert driver.say(m.Ask(id + 2, about, ref="x"))[-1].policy
