"""Plans as text, written by hand: a hostile session isn't bound to what tracing makes."""

from __future__ import annotations

from typing import Any

import orjson

from fedsock.plan.steps import Plan


def at(register: int) -> dict[str, int]:
    """Return what refers to a register."""
    return {"$": register}


def array(name: str = "x", kind: str = "float64", ndim: int = 1) -> dict[str, Any]:
    """Return what an input is."""
    return {"name": name, "kind": kind, "ndim": ndim}


def step(op: str, *args: Any, **more: Any) -> dict[str, Any]:
    """Return a step; ``more`` are "kw", "n", "of" and "by"."""
    return {"op": op, "args": list(args), **more}


def body(inputs: list[Any], steps: list[Any], gives: Any) -> dict[str, Any]:
    """Return a plan as JSON holds it."""
    takes = [[one["name"], at(place)] for place, one in enumerate(inputs)]
    return {"plan": 1, "inputs": inputs, "takes": takes, "steps": steps, "gives": gives}


def text(inputs: list[Any], steps: list[Any], gives: Any) -> str:
    """Return a plan's text."""
    return orjson.dumps(body(inputs, steps, gives)).decode()


def digest(plan: str) -> str:
    """Return a text's digest."""
    return Plan.from_json(plan).digest


SLOPE = body([array("a", "float", 0), array()], [step("sum", at(1)), step("multiply", at(2), at(0))], at(3))
"""a * sum(x), whose slope by a, a Python number, is the sum."""

OFF = text([array("w"), array()], [step("subtract", at(1), at(0)), step("square", at(2)), step("mean", at(3))], at(4))
"""A loss: the mean of (x - w) ** 2."""
