"""Tasks: how they end, what shape and size they give and how much they stream tells nothing where nothing leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.protocol import messages as m
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.policies import policy_of_virtual
from fedsock.worker.tasks import tasks_of_virtual
from tests.worker.driver import PEER, Driver, op, ref

SETS = [np.array([1.0, 2.0, 3.0]), np.array([1.0, -2.0, -3.0]), np.array([-1.0, -2.0, -3.0])]
"""Private values of which a session is to see no difference."""


def chosen(data: Any, *_: Any) -> Any:
    return data["x"][data["x"] > 0]


def failing(data: Any, *_: Any) -> Any:
    if (data["x"] > 0).all():
        raise ValueError("a row is")
    return 1.0


def stream(data: Any, *_: Any) -> Any:
    yield from data["x"][data["x"] > 0].tolist()
    return "done"


def kinds(data: Any, *_: Any) -> Any:
    return [1, {"a": 2.0}, "text"][int((data["x"] > 0).sum()) % 3]


def large(data: Any, *_: Any) -> Any:
    return np.zeros(2000 if (data["x"] > 0).all() else 1)


TASKS = {"chosen": chosen, "failing": failing, "stream": stream, "kinds": kinds, "large": large}


def said(data: Any, policy: Any, name: str, *before: Any) -> list[str]:
    """Return all that a worker answers who runs a task, behind other messages."""
    agreement, _ = policy_of_virtual(policy)
    tasks = tasks_of_virtual(TASKS, datasets_from_mapping({"x": data}, True, policy), agreement)
    driver = Driver()
    driver.engine = Engine("bob", datasets_from_mapping({"x": data}, True, policy), tasks=tasks, quota_bytes=10_000)
    driver.engine.introduce(PEER, "ann")
    for message in before:
        driver.say(message)
    told = driver.say(op(20, "task", name), op(21, "task", name, ref(20)), op(22, "add", ref(20), 1))
    told += driver.say(m.Ask(30, "objects"), m.Ask(31, "stats"), m.Ask(32, "export", ref=20), m.Get(33, 20))
    told += driver.say(m.Transfer(34, 20, "alice@0001", 1), m.Get(35, 21), m.Release([20]), m.Ask(36, "objects"))
    for one in told:
        if getattr(one, "stats", None):
            one.stats.pop("uptime_seconds")
    return list(map(str, told))


@pytest.mark.parametrize("name", TASKS)
def test_under_deny_nothing_is_told(name: str) -> None:
    first, *others = [said(data, None, name) for data in SETS]
    assert all(one == first for one in others)


def test_what_failed_before_a_task_is_not_told_by_it() -> None:
    """An index out of range is withheld, and so is that no task was run on what it gave."""
    taken = (op(1, "astype", ref("x"), "int64"), op(2, "take", ref("x"), ref(1)))
    told = []
    for data in SETS:
        driver = Driver({"x": data}, tasks=tasks_of_virtual(TASKS, {}, policy_of_virtual(None)[0]))
        driver.say(*taken)
        told.append([str(one) for one in driver.say(op(3, "task", "kinds", ref(2)), m.Get(4, 3))])
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("name", TASKS)
def test_once_all_rounds_are_used_nothing_more_is_told(name: str) -> None:
    policy = {"train": {"tasks": list(TASKS), "rounds": 1, "min_rows": 1}}
    first, *others = [said(data, policy, name, op(1, "task", name), m.Release([1])) for data in SETS]
    assert all(one == first for one in others)


def test_what_is_held_unseen_is_limited_too() -> None:
    tasks = tasks_of_virtual({"large": large}, datasets_from_mapping({"x": SETS[0]}, True), policy_of_virtual(None)[0])
    driver = Driver({"x": SETS[0]}, tasks=tasks, quota_bytes=40_000)
    for id in range(1, 5):
        driver.say(op(id, "task", "large"))
    store = driver.engine._sessions[PEER]
    assert (store.hidden, store.nbytes) == (32_000, 0)
    assert store.entries[3].failure is not None
