"""How a plan reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedsock.plan.program import Program
from fedsock.plan.show import shown
from fedsock.plan.steps import Plan
from tests.attacks.programs import array, at, step, text
from tests.plan.programs import arguments, layer


def test_an_owner_reads_what_is_taken_done_and_given() -> None:
    program = Program(layer).trace(*arguments())
    text = shown(program.plan, lines=False)
    assert text.splitlines()[1:] == [
        "  takes params['b']: float64[:]",
        "  takes params['w']: float64[:,:]",
        "  takes x: float64[:,:]",
        "  takes y: float64[:,:]",
        "  takes rate: float",
        "  v5 = matmul(x, params['w'])",
        "  v6 = add(v5, params['b'])",
        "  v7 = maximum(v6, 0)",
        "  v8 = subtract(v7, y)",
        "  v9 = number.size(x, 0)",
        "  v10 = multiply(v8, v8)",
        "  v11 = sum(v10)",
        "  v12 = divide(v11, v9)",
        "  v13 = transpose(x)",
        "  v14 = matmul(v13, v8)",
        "  v15 = multiply(rate, v14)",
        "  v16 = divide(v15, v9)",
        "  v17 = subtract(params['w'], v16)",
        "  v18 = number.add(v9, 1)",
        "  gives {'loss': v12, 'hidden': v7, 'w': v17, 'rows': v18}",
    ]
    assert text.splitlines()[0] == f"plan layer, {program.digest}"
    assert "    # programs.py:" in str(program)


def test_constants_slices_and_lists_are_shown() -> None:
    table = np.arange(100)

    def mixed(x: Any) -> Any:
        return np.concatenate([x[1:, ::2], x[:-1, ::2]]) + table[:1], (x,), x + table[:, None]

    text = shown(Program(mixed).trace(np.zeros((100, 3))).plan)
    assert "getitem(x, (1:, ::2))" in text
    assert "concatenate([v1, v2])" in text
    assert "int64[100, 1] constant (0, 1, 2, 3, 4, 5, …: not shown whole)" in text
    assert "(x,)" in text


def test_names_that_could_pass_for_something_else_are_no_names() -> None:
    program = Program(lambda x, y: (x + y) * 2).trace(np.zeros(3), np.zeros(3))
    for name in ("v2", "input1", "sum(x)", "x, y", "x = 1", "\u0445", "a['b'] + c"):
        text = program.plan.to_json().replace('"name":"x"', f'"name":"{name}"')
        said = shown(Plan.from_json(text), lines=False)
        assert f"takes input0: float64[:] (called {name!a})" in said
        assert "v2 = add(input0, y)" in said
    same = shown(Plan.from_json(program.plan.to_json().replace('"name":"x"', '"name":"y"')))
    assert "add(input0, input1)" in same
    assert "plan 'x  gives 3'," in shown(Plan.from_json(program.plan.to_json().replace('"<lambda>"', '"x  gives 3"')))


def test_texts_in_constants_make_no_lines() -> None:
    words = np.array(["a\n  v9 = mean(x)", "\u0430"])
    text = shown(Program(lambda x: (x == words, {"k\n": x})).trace(np.array(["a", "b"])).plan)
    assert "('a\\n  v9 = mean(x)', '\\u0430')" in text
    assert "'k\\n': x" in text


def test_all_of_a_constant_is_shown_to_who_asks() -> None:
    plan = Program(lambda x: x + np.arange(9.0)).trace(np.zeros(9)).plan
    assert "4.0, 5.0, …: not shown whole)" in shown(plan) and "7.0, 8.0)" in shown(plan, elements=100)


@pytest.mark.parametrize(
    "names",
    [("x", "x"), ("v2", "x"), ("input1", "x"), ("x, y", "x"), ("\u0445", "x"), ("x): float64\u3164", "x"), ("", "")],
)
def test_a_name_is_taken_for_nothing_else(names: tuple[str, str]) -> None:
    """A Cyrillic letter, the name of a step's result, two inputs of one name: none of them reads as the other."""
    first, second = names
    plan = Plan.from_json(text([array(first), array(second)], [step("add", at(0), at(0))], at(2)))
    told = shown(plan)
    assert "  v2 = add(input0, input0)" in told.splitlines()
    assert told.isascii()


def test_a_name_of_a_plan_is_no_digest() -> None:
    plain = Plan.from_json(text([array()], [step("add", at(0), 1)], at(1)))
    named = replace(plain, name="f, sha256:" + "0" * 64)
    assert shown(named).splitlines()[0] == f"plan 'f, sha256:{'0' * 64}', {plain.digest}"


def test_texts_are_shown_in_plain_letters() -> None:
    plan = Plan.from_json(text([array()], [step("quantile", at(0), 0.5, kw={"method": "lin\u200eear\u05d0"})], at(1)))
    assert "method='lin\\u200eear\\u05d0'" in shown(plan)
