"""bob.run: plans at virtual and process workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.plan import Plan, Program
from fedsock.session.plans import MOST_KEPT
from tests.plan.programs import arguments, layer


@pytest.fixture
async def hub() -> Any:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", data={"x": np.arange(12.0).reshape(4, 3)})
        yield hub


async def test_the_numbers_are_those_of_a_local_call(hub: Any) -> None:
    bob = hub.workers["bob"]
    params, x, y = arguments(50)
    program = Program(layer)
    at = bob.send(x)
    await at.wait()
    for _ in range(2):
        out = bob.run(program, {"w": bob.send(params["w"]), "b": params["b"]}, at, y)
        expected = program(params, x, y)
        assert list(out) == list(expected)
        for name, value in expected.items():
            found = await out[name]
            assert type(found) is type(value) and np.array_equal(found, value)


async def test_a_plan_is_sent_once(hub: Any) -> None:
    bob = hub.workers["bob"]
    program = Program(lambda x: x * 2)
    before = (await bob.stats())["objects"]
    kept = [bob.run(program, np.ones(3)) for _ in range(5)]
    assert [float((await p).sum()) for p in kept] == [6.0] * 5
    again = Program.from_json(program.to_json())
    assert np.array_equal(await bob.run(again, np.ones(3)), [2.0] * 3)
    assert np.array_equal(await bob.run(Plan.from_json(program.to_json()), np.ones(3)), [2.0] * 3)
    await kept[0].wait()
    objects = await bob.objects()
    assert sum(one.kind == "str" for one in objects) == 1
    assert len(objects) <= before + 6 + 5  # a text, the results still held, and what was uploaded for them


async def test_only_so_many_plans_stay(hub: Any) -> None:
    bob = hub.workers["bob"]
    for k in range(MOST_KEPT + 3):
        await bob.run(Program(lambda x, k=k: x + k), 1)
    assert sum(one.kind == "str" for one in await bob.objects()) <= MOST_KEPT


async def test_several_results_are_awaited_together(hub: Any) -> None:
    bob = hub.workers["bob"]
    low, high = await bob.run(Program(lambda x: (x.min(), x.max())), np.arange(5.0))
    assert (low, high) == (0.0, 4.0)


async def test_private_results_stay_and_have_shapes(hub: Any) -> None:
    bob = hub.workers["bob"]
    out = bob.run(Program(lambda x: {"mean": x.mean(0), "rows": len(x)}), bob.datasets["x"])
    assert (await out["mean"].wait()).shape == (3,)
    for pointer in out.values():
        with pytest.raises(errors.ExportDenied):
            await pointer


async def test_what_can_be_known_here_is_refused_here(hub: Any) -> None:
    bob, alice = hub.workers["bob"], await hub.virtual_worker("alice")
    program = Program(lambda x: x + 1).trace(np.ones(3))
    with pytest.raises(errors.PlanMismatch, match="float32"):
        bob.run(program, np.ones(3, np.float32))
    with pytest.raises(errors.PlanMismatch, match=r"fedsock\.plan"):
        bob.run(lambda x: x, 1)
    with pytest.raises(errors.PlanMismatch, match="nothing"):
        bob.run(Program(lambda x: None), 1)
    with pytest.raises(errors.PointersApart):
        bob.run(program, alice.send(np.ones(3)))
    with pytest.raises(errors.PlanMismatch, match=r"float64\[:,:\]"):
        await bob.run(program, bob.datasets["x"])


async def test_a_failing_step_says_where_it_was_written(hub: Any) -> None:
    bob = hub.workers["bob"]
    program = Program(lambda x, y: x + y).trace(np.ones(3), np.ones(3))
    with pytest.raises(errors.OpValueError, match=r"in add, written at test_plans\.py:"):
        await bob.run(program, np.ones(3), np.ones(4))


async def test_a_generator_travels(hub: Any) -> None:
    bob = hub.workers["bob"]
    program = Program(lambda x, rng: x + rng.normal(size=3))
    local = program(np.zeros(3), np.random.default_rng(7))
    assert np.array_equal(local, np.random.default_rng(7).normal(size=3))
    with pytest.raises(TypeError):
        bob.run(program, np.zeros(3), np.random.default_rng(7))
