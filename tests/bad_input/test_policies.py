"""Policies that can't be: nothing starts, and one line names the key and says what is allowed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.worker.__main__ import main
from tests.bad_input.parts import WAIT_SECONDS, House

DP = '[policy]\nexport = "dp"\n'

POLICIES: dict[str, tuple[str, str]] = {
    "an unknown key": ("[policy]\ncolour = 1", "policy.colour: unknown key"),
    "a key with a slip": ('[policy]\nexports = "deny"', "did you mean 'export'?"),
    "an unknown key of a user's": ("[policy.users.ann]\ncolour = 1", "policy.users.ann.colour: unknown key"),
    "an unknown key of a data set's": ("[datasets.x.policy]\ncolour = 1", "datasets.x.policy.colour: unknown key"),
    "an unknown mode": ('[policy]\nexport = "all"', "policy.export: unknown value 'all'"),
    "a budget for a user": ("[policy.users.ann]\nepsilon = 1", "policy.users.ann.epsilon: unknown key"),
    "a negative budget": (f"{DP}epsilon = -1", "policy: epsilon: expected a number from"),
    "no budget": (f"{DP}epsilon = 0", "policy: epsilon: expected a number from"),
    "a budget that is none": (f"{DP}epsilon = nan", "policy.epsilon: expected a number"),
    "a budget without end": (f"{DP}epsilon = inf", "policy.epsilon: expected a number"),
    "a budget in words": (f'{DP}epsilon = "1"', "policy.epsilon: expected a number"),
    "more for one than for all": (f"{DP}epsilon = 1\nepsilon_per_user = 2", "epsilon_per_user: 2 is more than epsilon"),
    "a negative one for each": (f"{DP}epsilon = 1\nepsilon_per_user = -1", "epsilon_per_user: expected a number"),
    "a negative delta": (f"{DP}epsilon = 1\ndelta = -0.1", "delta: expected 0, or a number"),
    "a delta of one": (f"{DP}epsilon = 1\ndelta = 1", "delta: expected 0, or a number"),
    "noise without a budget": (DP, "the policy of x is dp, which needs a budget: epsilon"),
    "a share without a whole": (f"{DP}epsilon_per_user = 1", "policy.epsilon: is missing"),
    "no rows at least": ("[policy]\nmin_rows = 0", "policy.min_rows: expected a whole number from 1"),
    "a negative rounding": ("[policy]\nround_to = -5", "policy.round_to: expected a whole number from 1"),
    "no queries": ("[policy]\nmax_queries = 0", "policy.max_queries: expected a whole number from 1"),
    "half a query": ("[policy]\nmax_queries = 0.5", "policy.max_queries: expected a whole number"),
    "subjects without rows": ("[policy]\nmax_rows_per_subject = 0", "policy.max_rows_per_subject: expected a whole"),
    "edges that fall": ("[datasets.x.policy]\ngroup_by = [3, 2, 1]", "datasets.x.policy.group_by: expected a number"),
    "edges that are none": ("[datasets.x.policy]\ngroup_by = [0, nan]", "datasets.x.policy.group_by: expected a"),
    "one edge": ("[datasets.x.policy]\ngroup_by = [1]", "datasets.x.policy.group_by: expected a number"),
    "too many cells": ("[datasets.x.policy]\ngroup_by = 10001", "datasets.x.policy.group_by: expected a number"),
    "a policy of what is published": ('private = false\n[datasets.x.policy]\nexport = "deny"', "for private data only"),
}
"""What is wrong -> lines of the configuration behind a data set's, words of the complaint."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(20.0))
    return tmp_path / "bob.toml"


@pytest.mark.parametrize("case", POLICIES)
def test_a_policy_that_cannot_be(case: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, words = POLICIES[case]
    config.write_text(f'name = "bob"\n[datasets.x]\nfile = "x.npy"\n{lines}\n', encoding="utf-8")
    assert main(["--config", str(config)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fedsock.worker: ") and err.count("\n") == 1 and words in err, err
    assert sorted(config.parent.iterdir()) == [config, config.with_name("x.npy")], "nothing was made"


async def test_a_worker_process_ends_so_too(config: Path) -> None:
    config.write_text('name = "bob"\n[policy]\nexports = "deny"\n', encoding="utf-8")
    command = (sys.executable, "-W", "error", "-m", "fedsock.worker", "--config", str(config))
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with asyncio.timeout(WAIT_SECONDS):
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"fedsock.worker: ") and err.count(b"\n") == 1 and b"policy.exports: unknown key" in err


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"colour": 1}, "policy: colour: unknown key"),
        ("all", "unknown value 'all'"),
        ({"export": "dp", "epsilon": -1}, "epsilon: expected a number"),
        ({"export": "dp"}, "needs a budget"),
        ({"datasets": {"x": {"group_by": [2, 1]}}}, r"group_by: expected"),
        ({"datasets": {"y": {"export": "ask"}}}, r"datasets\.y: there is no such data set"),
    ],
)
async def test_a_virtual_worker_is_not_there_then(policy: Any, words: str, house: House) -> None:
    async with house.connect() as hub:
        with pytest.raises(errors.ConfigError, match=words):
            await hub.virtual_worker("carol", data={"x": np.arange(20.0)}, policy=policy)
        assert "carol" not in hub.workers
        assert await (await hub.worker("bob")).datasets["x"].sum() == 15.0
