"""How a plan reads: for the owner who is asked to allow it, and for who wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fedsock.plan.steps import Plan, Step
from fedsock.protocol.values import Reference

SHOWN = 6
"""Elements that are shown of a constant."""


def shown(plan: Plan, lines: bool = True) -> str:
    """Return a plan as text: what it takes, one line a step, what it gives.

    Args:
        plan: it.
        lines: with where each step was written, in the words of who wrote it.
    """
    return "\n".join(_lines(plan, lines, ""))


def _lines(plan: Plan, lines: bool, indent: str) -> list[str]:
    names = [spec.name or f"input{place}" for place, spec in enumerate(plan.inputs)]
    text = [f"{indent}plan {plan.name or 'without a name'}, {plan.digest}"]
    text += [f"{indent}  takes {name}: {spec}" for name, spec in zip(names, plan.inputs, strict=True)]
    for step in plan.steps:
        first = len(names)
        made = [f"v{first + place}" for place in range(step.results)]
        said = f"{indent}  {', '.join(made)} = {_call(step, names)}"
        text.append(f"{said}    # {step.line}" if lines and step.line else said)
        if step.plan is not None:
            text += _lines(step.plan, lines, indent + "    ")
        names += made
    return [*text, f"{indent}  gives {_value(plan.gives, names)}"]


def _call(step: Step, names: Sequence[str]) -> str:
    args = [_value(arg, names) for arg in step.args]
    args += [f"{name}={_value(arg, names)}" for name, arg in step.kwargs.items()]
    if step.plan is not None:
        by = ", ".join(step.plan.inputs[one].name or f"input{one}" for one in step.argnums)
        return f"value and gradient by {by} of the plan below, of ({', '.join(args)})"
    return f"{step.op}({', '.join(args)})"


def _value(tree: Any, names: Any) -> str:
    kind = type(tree)
    if kind is Reference:
        return str(names[tree.id])
    if kind is list or kind is tuple:
        inner = ", ".join(_value(part, names) for part in tree)
        return f"[{inner}]" if kind is list else f"({inner}{',' if len(tree) == 1 else ''})"
    if kind is dict:
        return "{" + ", ".join(f"{key!r}: {_value(part, names)}" for key, part in tree.items()) + "}"
    if kind is slice:
        ends = ["" if end is None else _value(end, names) for end in (tree.start, tree.stop, tree.step)]
        return ":".join(ends if ends[2] else ends[:2])
    if isinstance(tree, np.ndarray):
        few = ", ".join(map(str, tree.flat[:SHOWN]))
        more = ", …" if tree.size > SHOWN else ""
        return f"{tree.dtype}{list(tree.shape)} constant ({few}{more})"
    return repr(tree)
