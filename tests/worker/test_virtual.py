"""Virtual workers that remember, and those that don't."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import BudgetSpent, ConfigError, QueriesSpent
from fedsock.plan.program import Program
from fedsock.worker.audit import verify
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.planbook import kept_plan, kept_plans
from fedsock.worker.virtual import VirtualWorker

DATA = {"x": np.linspace(1.0, 9.0, 50)}
DP: dict[str, Any] = {"export": "dp", "epsilon": 0.1}


async def spend(**more: Any) -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA, policy=DP, **more)
        await bob.datasets["x"].dp_release("count", epsilon=0.1)


async def test_a_budget_survives_with_a_state_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    for _ in range(2):
        await spend()
    assert list(tmp_path.iterdir()) == []
    await spend(state=state)
    with pytest.raises(BudgetSpent):
        await spend(state=str(state))
    verdict = verify(state / "audit.jsonl")
    assert verdict.fault is None and verdict.lines == 5  # start, release, stop; start, stop


async def test_approvals_and_queries_survive_too(tmp_path: Path) -> None:
    policy = {
        "export": "ask",
        "answer": lambda request: 2,
        "datasets": {"y": {"export": "aggregate", "max_queries": 1}},
    }
    data = {**DATA, "y": DATA["x"]}
    for again in (False, True):
        async with fedsock.Hub(port=0) as hub:
            bob = await hub.virtual_worker("bob", data, policy=policy, state=tmp_path / "state")
            largest = bob.datasets["x"].max()
            if not again:
                assert await (await (await largest.request("why"))) == 9.0
                assert await bob.datasets["y"].sum() == pytest.approx(250.0)
                continue
            assert await largest == 9.0
            with pytest.raises(QueriesSpent):
                await bob.datasets["y"].mean()


async def test_a_folder_has_one_worker_and_is_free_when_it_ends(tmp_path: Path) -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA, policy=DP, state=tmp_path / "state")
        with pytest.raises(ConfigError, match="another worker"):
            await hub.virtual_worker("carol", DATA, policy=DP, state=tmp_path / "state")
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=r"is no folder"):
            await hub.virtual_worker("carol", DATA, policy=DP, state=tmp_path / "file")
        with pytest.raises(fedsock.errors.NameTaken):
            await hub.virtual_worker("bob", DATA, policy=DP, state=tmp_path / "other")
        assert await bob.datasets["x"].dp_release("count", epsilon=0.1) is not None
    VirtualWorker("carol", datasets_from_mapping(DATA, True, DP), state=tmp_path / "state").close()
    VirtualWorker("carol", datasets_from_mapping(DATA, True, DP), state=tmp_path / "other").close()


def test_where_nothing_private_leaves_no_folder_is_made(tmp_path: Path) -> None:
    VirtualWorker("bob", datasets_from_mapping(DATA), state=tmp_path / "state").close()
    assert list(tmp_path.iterdir()) == []


async def test_plans_are_kept_with_a_state_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Program(lambda x: x.sum()).trace(DATA["x"]).plan
    options: tuple[dict[str, Any], ...] = ({}, {"state": tmp_path / "state"})
    for more in options:
        async with fedsock.Hub(port=0) as hub:
            bob = await hub.virtual_worker("bob", DATA, **more)
            await bob.run(plan, bob.datasets["x"]).wait()
            async with asyncio.timeout(30):
                while more and not kept_plans(tmp_path / "state", print):
                    await bob.ping()
        assert list(tmp_path.iterdir()) == list(more.values())
    assert kept_plan(tmp_path / "state", plan.digest).plan == plan
