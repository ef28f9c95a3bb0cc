"""@fedsock.plan: calls, checks against the trace, and what stands for data that is elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import MetadataNotReady, NotTraceable, PlanMismatch
from fedsock.plan.program import Program
from tests.plan.programs import arguments, layer


def test_the_decorator_keeps_name_and_words() -> None:
    @fedsock.plan
    def doubled(x: Any) -> Any:
        """Return twice as much."""
        return 2 * x

    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Return twice as much.")
    assert "not traced yet" in repr(doubled) and str(doubled) == repr(doubled)
    assert np.array_equal(doubled(np.ones(3)), np.full(3, 2.0))
    assert doubled.digest in repr(doubled)


def test_no_digest_before_a_trace() -> None:
    with pytest.raises(NotTraceable, match=r"layer\.trace"):
        _ = Program(layer).digest


def test_the_first_call_fixes_tree_dtype_and_axes() -> None:
    program = Program(layer)
    params, x, y = arguments(5)
    program(params, x, y)
    digest = program.digest
    for wrong, said in [
        (({"w": params["w"]}, x, y), "params"),
        ((params, x.astype(np.float32), y), "x is float32"),
        ((params, x[0], y), r"float64\[:\]"),
        ((params, x, y, 1), "rate"),
        ((params, [x], y), "x is"),
        ((params, None, y), "x is None"),
    ]:
        with pytest.raises(PlanMismatch, match=said):
            program(*wrong)
    assert program(params, y=y, x=x)["rows"] == 6
    assert program.digest == digest == Program(layer).trace(*arguments(77)).digest


def test_arguments_that_no_plan_takes() -> None:
    for wrong in ({1, 2}, object(), b"x", range(3)):
        with pytest.raises(PlanMismatch, match="takes"):
            Program(lambda x: 1).trace(wrong)


def test_defaults_and_keywords() -> None:
    def scaled(x: Any, *, by: float = 2.0, kind: str = "plain") -> Any:
        return x * by if kind == "plain" else x / by

    program = Program(scaled)
    assert np.array_equal(program(np.ones(2)), [2.0, 2.0])
    assert np.array_equal(program(np.ones(2), by=5.0), [5.0, 5.0])
    with pytest.raises(PlanMismatch, match="kind"):
        program(np.ones(2), kind="other")


def test_a_program_from_json_runs_and_prints() -> None:
    params, x, y = arguments(5)
    made = Program(layer).trace(params, x, y)
    again = Program.from_json(made.to_json())
    assert again.digest == made.digest
    for name, value in made(params, x, y, 0.5).items():
        assert np.array_equal(again(params, x, y, 0.5)[name], value)
    with pytest.raises(NotTraceable, match="no function"):
        again.trace(params, x, y)


def test_large_examples_are_recorded_with_few_rows() -> None:
    seen: list[tuple[int, ...]] = []

    def watched(x: Any, y: Any) -> Any:
        seen.append(x._example.shape)
        return x.T @ y

    made = Program(watched)
    x = np.random.default_rng(0).normal(size=(5000, 3))
    assert np.array_equal(made(x, x), x.T @ x)
    assert seen == [(64, 3)]


def test_nothing_to_make_a_program_of() -> None:
    with pytest.raises(TypeError):
        Program(None)


async def test_pointers_are_for_workers() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        program = Program(lambda x: x + 1)
        x = bob.send(np.arange(3.0))
        with pytest.raises(PlanMismatch, match=r"bob\.run"):
            program(x)
        with pytest.raises(MetadataNotReady):
            program.trace(x * 2)
        await x.wait()
        program.trace(x)
        assert np.array_equal(program(np.arange(3.0)), [1.0, 2.0, 3.0])
