"""A lineage as its owner reads it: lines like numpy code, constants shortened. Pure, no I/O."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from fedsock.ops.plans import RUN
from fedsock.ops.training import TRAIN
from fedsock.worker.lineage import Constant, Given, Made

LINE_CHARS = 90
"""A longer expression gets a line of its own wherever it is part of another."""

MOST_CHARS = 100_000
"""Letters of all lines; nobody reads more."""

WHOLE_CHARS = 1_000
"""Letters of one constant that are shown; what is kept of it as it is (``SMALL_BYTES``) has hardly ever more."""

PLAN = "plan"
"""The kind of the constant that stands for a plan: its digest."""

_OF_PLANS = frozenset({RUN, TRAIN})
_BINARY = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "remainder": "%", "power": "**",
    "matmul": "@", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "left_shift": "<<", "right_shift": ">>",
    "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip
_UNARY = {"negative": "-", "invert": "~"}
_SUBSCRIPT = frozenset({"getitem", "getitem.array", "getitem.key"})


class Readable:
    """What an owner reads of a value before answering a request for it.

    Args:
        order: what ``lineage.flat`` gave.

    Attributes:
        text: the lines; None: they are too many to be read.
        flagged: how many constants may pick out single rows unseen: they have as many elements as the private data has
            rows, or half as many, or are not shown whole.
    """

    def __init__(self, order: list[Made | Given | Constant]) -> None:
        self._rows = {node.group.rows for node in order if isinstance(node, Given) and node.group is not None}
        self._uses = Counter(id(part) for node in order if isinstance(node, Made) for part in node.inputs())
        self._texts: dict[int, str] = {}
        self._operators: set[int] = set()
        self.flagged = 0
        self.text = self._lines(order)

    def _lines(self, order: list[Made | Given | Constant]) -> str | None:
        lines: list[str] = []
        chars = 0
        for node in order:
            text = self._said(node)
            if node is order[-1]:
                lines.append(text)
            elif isinstance(node, Made) and (self._uses[id(node)] > 1 or len(text) > LINE_CHARS):
                name = f"v{len(lines) + 1}"
                lines.append(f"{name} = {text}")
                self._operators.discard(id(node))
                text = name
            else:
                self._texts[id(node)] = text
                continue
            self._texts[id(node)] = text
            chars += len(lines[-1])
            if chars > MOST_CHARS:
                return None
        return "\n".join(lines)

    def _said(self, node: Made | Given | Constant) -> str:
        if isinstance(node, Given):
            return f"data[{node.name!a}]"
        if isinstance(node, Constant):
            return self._constant(node)
        args = node.args
        text = ""
        if not node.kwargs and len(args) == 2 and (sign := _BINARY.get(node.fn)) is not None:
            text = f"{self._operand(args[0])} {sign} {self._operand(args[1])}"
            self._operators.add(id(node))
        elif not node.kwargs and len(args) == 1 and (sign := _UNARY.get(node.fn)) is not None:
            text = f"{sign}{self._operand(args[0])}"
            self._operators.add(id(node))
        elif not node.kwargs and len(args) == 2 and node.fn in _SUBSCRIPT:
            text = f"{self._operand(args[0])}[{self._index(args[1])}]"
        else:
            named = [f"{name}={self._value(part)}" for name, part in node.kwargs.items()]
            text = f"{'' if node.fn in _OF_PLANS else 'np.'}{node.fn}({', '.join([*map(self._value, args), *named])})"
        return text if node.part < 0 else f"{text}[{node.part}]"

    def _operand(self, arg: Any) -> str:
        text = self._value(arg)
        negative = type(arg) in (int, float) and text.startswith("-")
        return f"({text})" if id(arg) in self._operators or negative else text

    def _index(self, arg: Any) -> str:
        if type(arg) is tuple and arg:
            return ", ".join(map(self._index, arg))
        if type(arg) is slice:
            ends = ["" if end is None else self._value(end) for end in (arg.start, arg.stop, arg.step)]
            return ":".join(ends if arg.step is not None else ends[:2])
        return self._value(arg)

    def _value(self, tree: Any) -> str:
        kind = type(tree)
        if kind is Made or kind is Given or kind is Constant:
            return self._texts[id(tree)]
        if kind is list:
            return f"[{', '.join(map(self._value, tree))}]{self._mark(len(tree))}"
        if kind is tuple:
            return f"({', '.join(map(self._value, tree))}{',' if len(tree) == 1 else ''})"
        if kind is dict:
            return "{%s}" % ", ".join(f"{key!a}: {self._value(part)}" for key, part in tree.items())  # noqa: UP031
        if kind is slice:
            return f"slice({', '.join(map(self._value, (tree.start, tree.stop, tree.step)))})"
        return self._plain(tree)

    def _constant(self, node: Constant) -> str:
        if node.kind == PLAN:
            return f"plan {node.value}"
        mark = "" if node.kind == "str" else self._mark(*node.shape, math.prod(node.shape))
        if node.nbytes and node.head:
            shown = ", ".join(_cut(ascii(part)) for part in node.head)
            return f"<{node.kind}{list(node.shape)}: {shown}, …{mark or self._hidden()}>"
        value = node.value
        if isinstance(value, np.ndarray):
            return f"<{node.kind}{list(node.shape)}: {self._plain(value.tolist(), mark)}>"
        if value is None and node.kind != "NoneType":
            return f"<{node.kind} of {node.nbytes:,} bytes{mark or self._hidden()}>"
        return self._plain(value, mark)

    def _plain(self, value: Any, mark: str = "") -> str:
        """Return a value and its mark; one that it is too long to be shown whole, where it has no other."""
        text = "..." if value is Ellipsis else ascii(value)  # in ASCII nothing hides, or reads as something else
        return f"{text}{mark}" if len(text) <= WHOLE_CHARS else f"{_cut(text)}{mark or self._hidden()}"

    def _mark(self, *sizes: int) -> str:
        # A mask over most of the rows picks one as well as a mask over all.
        if not self._rows or 2 * max(sizes, default=0) < min(self._rows):
            return ""
        self.flagged += 1
        return " AS LONG AS THE ROWS"

    def _hidden(self) -> str:
        # Shorter than the rows, it may still pick some, or be joined with others.
        self.flagged += 1
        return " NOT SHOWN WHOLE"


def _cut(text: str) -> str:
    return text if len(text) <= WHOLE_CHARS else text[: WHOLE_CHARS - 1] + "…"
