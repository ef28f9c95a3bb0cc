"""How a plan reads: for the owner who is asked to allow it, and for who wrote it.

Names are a session's: one that isn't plain, that stands twice or looks like the result of a step, is shown beside
another, so that no plan reads as something else than it does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fedsock.plan.steps import Plan, Step
from fedsock.protocol.values import Reference

SHOWN = 6
"""Elements that are shown of a constant."""

_PLAIN = re.compile(r"(?!(v|input)[0-9]+$)[A-Za-z_][A-Za-z0-9_]*(\[[0-9]+\]|\['[A-Za-z0-9_. -]*'\])*")
"""Names that can't be taken for anything else: paths of parameters."""


def shown(plan: Plan, lines: bool = True) -> str:
    """Return a plan as text: what it takes, one line a step, what it gives.

    Args:
        plan: it.
        lines: with where each step was written, in the words of who wrote it.
    """
    return "\n".join(_lines(plan, lines, ""))


def _lines(plan: Plan, lines: bool, indent: str) -> list[str]:
    names = _names(plan)
    called = plan.name if _PLAIN.fullmatch(plan.name) else ascii(plan.name) if plan.name else "without a name"
    text = [f"{indent}plan {called}, {plan.digest}"]
    for name, spec in zip(names, plan.inputs, strict=True):
        text.append(f"{indent}  takes {name}: {spec}" + (f" (called {spec.name!a})" if name != spec.name else ""))
    for step in plan.steps:
        first = len(names)
        made = [f"v{first + place}" for place in range(step.results)]
        said = f"{indent}  {', '.join(made)} = {_call(step, names)}"
        text.append(f"{said}    # {step.line}" if lines and step.line else said)
        if step.plan is not None:
            text += _lines(step.plan, lines, indent + "    ")
        names += made
    return [*text, f"{indent}  gives {_value(plan.gives, names)}"]


def _names(plan: Plan) -> list[str]:
    told = [spec.name for spec in plan.inputs]
    times = Counter(told)
    return [name if times[name] == 1 and _PLAIN.fullmatch(name) else f"input{place}" for place, name in enumerate(told)]


def _call(step: Step, names: Sequence[str]) -> str:
    args = [_value(arg, names) for arg in step.args]
    args += [
        f"{name if name.isidentifier() and name.isascii() else ascii(name)}={_value(arg, names)}"
        for name, arg in step.kwargs.items()
    ]
    if step.plan is not None:
        inner = _names(step.plan)
        by = ", ".join(inner[one] for one in step.argnums)
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
        return "{" + ", ".join(f"{key!a}: {_value(part, names)}" for key, part in tree.items()) + "}"
    if kind is slice:
        ends = ["" if end is None else _value(end, names) for end in (tree.start, tree.stop, tree.step)]
        return ":".join(ends if ends[2] else ends[:2])
    if isinstance(tree, np.ndarray):
        few = ", ".join(map(ascii if tree.dtype.kind == "U" else str, tree.flat[:SHOWN].tolist()))
        more = ", …: not shown whole" if tree.size > SHOWN else ""
        return f"{tree.dtype}{list(tree.shape)} constant ({few}{more})"
    return ascii(tree)
