"""What the owner's file says of decisions."""

from __future__ import annotations

import numpy as np

from fedsock.policy.facts import Aggregate, Group, Trained, known
from fedsock.policy.rules import Decision
from fedsock.worker.auditlines import MOST_NAMED, MOST_REFUSED, numbers_of, sources_of, times_asked, written_down
from fedsock.worker.store import Entry, SessionStore

GROUP = Group("people", 9)
DENIED = Decision(False, "private-stays", "it is private", "ask")


def entry(form: object, *sources: str) -> Entry:
    made = Entry(7)
    made.facts = known(frozenset(sources or ("ages",)), form)  # type: ignore[arg-type]  # any form
    return made


def test_a_line_says_what_was_decided_on_what() -> None:
    store = SessionStore("s-1@0001", 10**9, 10**6)
    line = written_down(entry(Aggregate(GROUP, "sum", 1)), store, DENIED, False, "why")
    assert line | {"user": ""} == {
        "t": "export", "user": "", "session": "s-1@0001", "object": 7, "allowed": False, "rule": "private-stays",
        "reason": "why", "kind": "aggregate", "sources": ["ages"], "template": "sum", "group": "people", "share": 0.0,
    }  # fmt: skip
    line = written_down(entry(Trained("plan", "sha256:1", 9)), store, DENIED, True, "")
    assert (line["made_by"], line["rows"]) == ("plan sha256:1", 9)


def test_many_sources_are_cut_and_counted() -> None:
    names = [f"x{n:03}" for n in range(MOST_NAMED + 3)]
    assert sources_of(entry(None, *names).facts) == {"sources": names[:MOST_NAMED], "more_sources": 3}
    assert sources_of(entry(None, "a").facts) == {"sources": ["a"]}


def test_how_often_the_same_was_asked() -> None:
    store = SessionStore("s-1@0001", 10**9, 10**6)
    assert [times_asked(store, ("a",)) for _ in range(3)] == [1, 2, 3]
    assert times_asked(store, ("b",)) == 1
    for place in range(MOST_REFUSED):
        times_asked(store, (place,))
    assert len(store.refused) <= MOST_REFUSED


def test_what_a_result_costs() -> None:
    table = np.zeros((3, 3))
    assert numbers_of(entry(Aggregate(GROUP, "sum", 1)), table) == 9
    assert numbers_of(entry(Aggregate(GROUP, "cov", 2)), table) == 6
    assert numbers_of(entry(Trained("plan", "sha256:1", 9)), table) == 1
    assert numbers_of(entry(Aggregate(GROUP, "sum", 1)), np.zeros(0)) == 1
    assert numbers_of(entry(Trained("task", "train", 9)), (np.zeros(3), 9, {})) == 1
    assert numbers_of(entry(Aggregate(GROUP, "sum", 1)), {"a": [table, 1.0], "b": (2, "x")}) == 12
