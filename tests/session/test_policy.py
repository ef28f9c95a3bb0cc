"""What a session sees of an owner's policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import BudgetSpent, ExportDenied, OpFailed, UnknownObject


@pytest.fixture
async def bob() -> AsyncIterator[Any]:
    data = {"x": np.arange(60.0).reshape(30, 2), "y": np.arange(30) % 3, "open": np.ones(3)}
    policy = {
        "export": "aggregate",
        "max_queries": 4,
        "datasets": {"y": {"group_by": 3}, "open": {"export": "public"}},
    }
    async with fedsock.Hub(port=0) as hub:
        yield await hub.virtual_worker("bob", data, policy=policy)


async def test_terms_of_a_data_set(bob: Any) -> None:
    terms = await bob.policy("y")
    assert (terms.export, terms.rows, terms.min_rows, terms.group_by, terms.queries_left) == ("aggregate", 30, 10, 3, 4)
    assert "product" in terms["templates"] and terms.row_functions == "listed"
    assert (await bob.policy("open"))["export"] == "public"
    with pytest.raises(AttributeError, match="no term epsilon_left; there are export"):
        _ = terms.epsilon_left
    with pytest.raises(UnknownObject, match="no object 'nothing'"):
        await bob.policy("nothing")


async def test_queries_left_go_down(bob: Any) -> None:
    await bob.datasets["x"].sum()
    assert (await bob.policy("x")).queries_left == 3


async def test_whether_a_value_can_be_exported(bob: Any) -> None:
    x = bob.datasets["x"]
    verdict = await (x * 2).can_export()
    assert not verdict and verdict.kind == "rowwise" and "reduce it over all rows" in verdict.next_step
    assert await (x * 2).sum(axis=0).can_export() and (await x[0].can_export()).kind == "mixed"
    assert (await bob.send(3.0).can_export()).rule == "open"
    with pytest.raises(OpFailed):
        await bob.send(np.ones(3)).reshape((2, 2)).can_export()


async def test_a_refusal_names_the_rule_and_the_next_step(bob: Any) -> None:
    with pytest.raises(ExportDenied, match=r"a value for each row of .* \(rule aggregate\). Next: reduce it"):
        await bob.datasets["x"]


async def test_a_noisy_release_from_a_notebook(bob: Any) -> None:
    async with fedsock.Hub(port=0) as hub:
        carol = await hub.virtual_worker(
            "carol", {"x": np.tile([0.0, 16.0], 5000)}, policy={"export": "dp", "epsilon": 1.0}
        )
        x = carol.datasets["x"]
        mean = x.dp_release("mean", epsilon=0.5, bounds=(0, 16))
        assert abs(await mean - 8) < 0.5 and await mean == await mean
        assert (await carol.policy("x")).epsilon_left == "0.5"
        assert 4 <= await (x / 2).dp_release("quantile", epsilon=0.25, candidates=np.arange(9), quantile=0.75) <= 8
        with pytest.raises(BudgetSpent, match=r"0\.25 is left"):
            await x.dp_release("count", epsilon=0.3)
        with pytest.raises(ValueError, match="expected a number"):
            await x.dp_release("count", epsilon="much")
        held = x.send(carol)
        assert abs(await (await held.dp_release("count", epsilon=0.2)) - 5000) < 200  # rows that are not 0
