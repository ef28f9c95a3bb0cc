"""How a plan reads: for the owner who is asked to allow it, and for who wrote it.

Names are the words of who wrote it, so what they could pass off as something else is not shown as a name.
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

_NAME = re.compile(r"(?!(?:v|input)\d+\Z)[A-Za-z_]\w*(?:\[(?:\d+|'[\w .-]*')\])*", re.ASCII)
"""What an input may be called by: nothing that could be read as a step, or as the result of one."""


def shown(plan: Plan, lines: bool = True, elements: int = SHOWN) -> str:
    """Return a plan as text: what it takes, one line a step, what it gives.

    Args:
        plan: it.
        lines: with where each step was written, in the words of who wrote it.
        elements: that are shown of each constant.
    """
    return "\n".join(_Shown(lines, elements).lines(plan, ""))


class _Shown:
    def __init__(self, lines: bool, elements: int) -> None:
        self._lines = lines
        self._elements = elements

    def lines(self, plan: Plan, indent: str) -> list[str]:
        name = "without a name" if not plan.name else plan.name if _NAME.fullmatch(plan.name) else ascii(plan.name)
        text = [f"{indent}plan {name}, {plan.digest}"]
        names = _names(plan)
        for name, spec in zip(names, plan.inputs, strict=True):
            called = f" (called {spec.name!a})" if spec.name not in ("", name) else ""
            text.append(f"{indent}  takes {name}: {spec}{called}")
        for step in plan.steps:
            first = len(names)
            made = [f"v{first + place}" for place in range(step.results)]
            said = f"{indent}  {', '.join(made)} = {self._call(step, names)}"
            text.append(f"{said}    # {step.line}" if self._lines and step.line else said)
            if step.plan is not None:
                text += self.lines(step.plan, indent + "    ")
            names += made
        return [*text, f"{indent}  gives {self._value(plan.gives, names)}"]

    def _call(self, step: Step, names: Sequence[str]) -> str:
        args = [self._value(arg, names) for arg in step.args]
        args += [
            f"{name if _NAME.fullmatch(name) else ascii(name)}={self._value(arg, names)}"
            for name, arg in step.kwargs.items()
        ]
        if step.plan is not None:
            inputs = _names(step.plan)
            by = ", ".join(inputs[one] for one in step.argnums)
            return f"value and gradient by {by} of the plan below, of ({', '.join(args)})"
        return f"{step.op}({', '.join(args)})"

    def _value(self, tree: Any, names: Sequence[str]) -> str:
        kind = type(tree)
        if kind is Reference:
            return str(names[tree.id])
        if kind is list or kind is tuple:
            inner = ", ".join(self._value(part, names) for part in tree)
            return f"[{inner}]" if kind is list else f"({inner}{',' if len(tree) == 1 else ''})"
        if kind is dict:
            return "{" + ", ".join(f"{key!a}: {self._value(part, names)}" for key, part in tree.items()) + "}"
        if kind is slice:
            ends = ["" if end is None else self._value(end, names) for end in (tree.start, tree.stop, tree.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if isinstance(tree, np.ndarray):
            texts = tree.dtype.kind == "U"  # which could hold anything, lines of their own too
            few = ", ".join(ascii(str(one)) if texts else str(one) for one in tree.flat[: self._elements])
            more = ", …: not shown whole" if tree.size > self._elements else ""
            return f"{tree.dtype}{list(tree.shape)} constant ({few}{more})"
        return ascii(tree)


def _names(plan: Plan) -> list[str]:
    """Return what inputs are called: by their own names, where these are plain and no two are the same."""
    times = Counter(spec.name for spec in plan.inputs)
    return [
        spec.name if _NAME.fullmatch(spec.name) and times[spec.name] == 1 else f"input{place}"
        for place, spec in enumerate(plan.inputs)
    ]
