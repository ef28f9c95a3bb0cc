"""What a worker remembers, and only when something private may leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.plan.program import Program
from fedsock.worker.audit import verify
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.memory import Memory
from fedsock.worker.planbook import kept_plans
from fedsock.worker.policies import policy_of_virtual
from fedsock.worker.tasks import tasks_of_virtual


def test_nothing_is_kept_where_nothing_private_leaves(tmp_path: Path) -> None:
    for private, policy in ((True, None), (False, "aggregate")):
        memory = Memory("bob", datasets_from_mapping({"x": [1, 2]}, private, policy), tmp_path / "state")
        assert memory.audit is None and memory.start() is None and memory.stop() is None
    assert not (tmp_path / "state").exists()


def test_heads_are_those_of_the_file(tmp_path: Path) -> None:
    memory = Memory("bob", datasets_from_mapping({"x": [1, 2]}, True, "aggregate"), tmp_path)
    started, stopped = memory.start(), memory.stop()
    found = verify(tmp_path / "audit.jsonl", stopped)
    assert found.fault is None and found.head == stopped != started


def test_what_was_spent_outlives_the_process_and_a_second_one_is_refused(tmp_path: Path) -> None:
    data = datasets_from_mapping({"x": [1, 2]}, True, {"export": "aggregate", "max_queries": 1})
    memory = Memory("bob", data, tmp_path)
    memory.ledger.count("data", "ann", 1)
    memory.stop()
    again = Memory("bob", data, tmp_path)
    assert again.ledger.queries_left("data", "ann", 1) == 0
    again.stop()


def test_a_policy_that_cant_be_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="budget"):
        Memory("bob", datasets_from_mapping({"x": [1, 2]}, True, "dp"), tmp_path / "state").stop()


def test_a_task_whose_results_may_leave_is_remembered_even_of_public_data(tmp_path: Path) -> None:
    for policy, kept in ((None, False), ({"train": {"tasks": ["fit"]}}, True)):
        data = datasets_from_mapping({"x": [1, 2]}, False, policy)
        tasks = tasks_of_virtual({"fit": len}, data, policy_of_virtual(policy)[0])
        memory = Memory("bob", data, tmp_path / "state", tasks)
        memory.start()
        memory.stop()
        assert (tmp_path / "state").exists() is kept


def test_plans_that_a_policy_or_an_open_request_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions: list[Any] = [lambda x: x + 1, lambda x: x + 2, lambda x: x + 3, lambda x: x + 4]
    plans = [Program(function).trace(np.zeros(3)).plan for function in functions]
    listed, asked, _, last = plans
    policy = {"export": "ask", "train": {"plans": [listed.digest]}}
    memory = Memory("bob", datasets_from_mapping({"x": [1, 2]}, True, policy), tmp_path)
    memory.approvals.file("ann", "1" * 64, "why", "shape", f"run(plan {asked.digest}, data['x'])", 0)
    monkeypatch.setattr(memory.plans, "_most_plans", 3)
    for plan in plans:
        memory.plans.keep(plan, "ann")
    memory.plans._writer.submit(int).result()  # type: ignore[union-attr]
    memory.stop()
    assert {one.plan.digest for one in kept_plans(tmp_path, print)} == {listed.digest, asked.digest, last.digest}
