"""Plan: a program of ops that its reader can check; its JSON, and its digest.

Registers are numbered: first the inputs, then the results of each step in turn. An argument refers to a register by
``Reference(number)``, in JSON ``{"$": number}``. The JSON of a plan:

    {"plan": 1,
     "inputs": [{"name": "x", "kind": "float64", "ndim": 2}, …],
     "takes": [["x", {"$": 0}], …],           parameters, each with the tree of its leaves
     "steps": [{"op": "add", "args": [{"$": 0}, 1]}, …],
     "gives": {"$": 3},                       the tree of results
     "name": "f", "lines": ["f.py:3", …]}     for people: no part of the digest

The digest is the SHA-256 of the rest, with sorted keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson

from fedsock.errors import BadMessage, PlanInvalid, UnknownOp, ValueTooLarge
from fedsock.ops import TABLE
from fedsock.ops.plans import RUN
from fedsock.ops.releases import RELEASE
from fedsock.ops.schema import ALLOWED_CHARS
from fedsock.plan.numbers import ARITIES
from fedsock.plan.trees import references
from fedsock.protocol.arrays import dtype_name, dtype_named
from fedsock.protocol.values import Reference, from_json, to_json

GRADIENT = "value_and_gradient"
"""The op of a step that carries a plan of its own and gives its value and gradients; no row of the op table."""

MOST_BYTES = 1 << 18
"""Of a plan's JSON: a worker reads it between other messages, in some 50 ms."""

MOST_STEPS = 4_000
MOST_INPUTS = 10_000
MOST_RESULTS = 1_000  # of one step
MOST_REGISTERS = 20_000
MOST_CHARS = 200  # of a name or a line
DEEPEST = 8  # plans in plans

PYTHON = ("bool", "int", "float", "complex")
"""Kinds of inputs that are Python's numbers."""

GENERATOR = "generator"

_NAME = re.compile("(?!overwrite$)[a-z_][a-z0-9_]{0,99}")
"""Names of arguments; which memory is written is the worker's to say."""

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Spec:
    """What an input must be.

    Attributes:
        name: for people: where in the arguments it stands.
        kind: a dtype's name, the name of a Python type of numbers, or "generator".
        ndim: of an array, the number of axes, whose sizes are free; of anything else 0.
        scalar: a numpy scalar, not an array.
    """

    name: str
    kind: str
    ndim: int = 0
    scalar: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        more = {"scalar": True} if self.scalar else {}
        return {"name": self.name, "kind": self.kind, "ndim": self.ndim, **more}

    def __str__(self) -> str:
        if self.scalar or self.kind in (*PYTHON, GENERATOR):
            return self.kind
        return f"{self.kind}[{','.join(':' * self.ndim)}]"


@dataclass(frozen=True, slots=True)
class Step:
    """One op of a plan.

    Attributes:
        op: a name of the op table, of ``numbers.OPERATIONS``, or ``GRADIENT``.
        args: values; references stand for registers, in lists, tuples, dicts and slices too.
        kwargs: the same by name.
        results: how many registers it fills.
        plan: of a gradient: whose.
        argnums: of a gradient: by which of that plan's inputs.
        line: for people: where it was written.
    """

    op: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=lambda: NO_KWARGS)
    results: int = 1
    plan: Plan | None = None
    argnums: tuple[int, ...] = ()
    line: str = field(default="", compare=False)

    def reads(self) -> tuple[int, ...]:
        """Return the registers among its arguments."""
        return (*references(self.args), *references(dict(self.kwargs)))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, without its line."""
        told: dict[str, Any] = {"op": self.op, "args": [to_json(arg) for arg in self.args]}
        if self.kwargs:
            told["kw"] = {name: to_json(arg) for name, arg in self.kwargs.items()}
        if self.results != 1:
            told["n"] = self.results
        if self.plan is not None:
            told["of"] = self.plan.body()
            told["by"] = list(self.argnums)
        return told


@dataclass(frozen=True)
class Plan:
    """A program of ops.

    Attributes:
        inputs: what each input must be.
        takes: parameters in their order, each with the tree of its inputs.
        steps: what is done, in order.
        gives: the tree of results.
        name: for people.
    """

    inputs: tuple[Spec, ...]
    takes: tuple[tuple[str, Any], ...]
    steps: tuple[Step, ...]
    gives: Any
    name: str = field(default="", compare=False)

    def body(self) -> dict[str, Any]:
        """Return as JSON all that the digest covers."""
        return {
            "plan": 1,
            "inputs": [spec.to_json() for spec in self.inputs],
            "takes": [[name, to_json(tree)] for name, tree in self.takes],
            "steps": [step.to_json() for step in self.steps],
            "gives": to_json(self.gives),
        }

    @cached_property
    def digest(self) -> str:
        """``sha256:`` and 64 hexadecimal digits: what is computed, whoever wrote it, wherever it stood."""
        return "sha256:" + hashlib.sha256(orjson.dumps(self.body(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The registers of the results, in the order of the tree's leaves."""
        return tuple(references(self.gives))

    @property
    def registers(self) -> int:
        """How many registers there are."""
        return len(self.inputs) + sum(step.results for step in self.steps)

    def to_json(self) -> str:
        """Return the plan as JSON text.

        Raises:
            ValueTooLarge: it is longer than a value may be; large arrays belong in arguments.
        """
        lines = [step.line for step in self.steps]
        text = orjson.dumps({**self.body(), "name": self.name, "lines": lines}, option=orjson.OPT_SORT_KEYS)
        if len(text) > MOST_BYTES:
            raise ValueTooLarge(
                f"a plan of {len(text):,} bytes; at most {MOST_BYTES:,}: give large arrays as arguments"
            )
        return text.decode()

    @staticmethod
    def from_json(text: str | bytes) -> Plan:
        """Return the plan that a text holds; all of it is checked.

        Args:
            text: what ``to_json`` gave, or somebody claims it did.

        Raises:
            UnknownOp: an op that there isn't here.
            PlanInvalid: no plan.
        """
        if len(text) > MOST_BYTES:
            raise PlanInvalid(f"more than {MOST_BYTES:,} bytes")
        try:
            return _plan(orjson.loads(text), 0)
        except (orjson.JSONDecodeError, BadMessage, RecursionError) as error:
            raise PlanInvalid(f"no plan: {str(error)[:MOST_CHARS]}") from None


def _plan(told: Any, depth: int) -> Plan:
    _require(depth < DEEPEST, "plans nested too deep")
    keys = {"plan", "inputs", "takes", "steps", "gives"}
    _require(type(told) is dict and keys <= told.keys() <= keys | {"name", "lines"}, "its keys are not a plan's")
    _require(told["plan"] == 1 and type(told["plan"]) is int, "a version that isn't known here")
    inputs = tuple(map(_spec, _listed(told["inputs"], MOST_INPUTS)))
    steps: list[Step] = []
    registers = len(inputs)
    lines = _listed(told.get("lines", []), MOST_STEPS)
    for place, one in enumerate(_listed(told["steps"], MOST_STEPS)):
        step = _step(one, registers, _words(lines[place]) if place < len(lines) else "", depth)
        steps.append(step)
        registers += step.results
    _require(registers <= MOST_REGISTERS, f"more than {MOST_REGISTERS:,} results of steps")
    takes = []
    for pair in _listed(told["takes"], MOST_INPUTS):
        _require(type(pair) is list and len(pair) == 2, "a parameter is a name and a tree")
        takes.append((_words(pair[0]), _tree(pair[1], len(inputs))))
    _require(
        sorted(references([tree for _, tree in takes])) == list(range(len(inputs))), "each input is taken exactly once"
    )
    gives = _tree(told["gives"], registers)
    return Plan(inputs, tuple(takes), tuple(steps), gives, _words(told.get("name", "")))


def _spec(told: Any) -> Spec:
    keys = {"name", "kind", "ndim"}
    _require(type(told) is dict and keys <= told.keys() <= keys | {"scalar"}, "an input's keys are not an input's")
    kind, ndim, scalar = _words(told["kind"]), told["ndim"], told.get("scalar", False)
    _require(type(ndim) is int and 0 <= ndim <= 64 and type(scalar) is bool, "an input has 0 to 64 axes")
    if kind not in PYTHON and kind != GENERATOR:
        dtype_named(kind)
        _require(not (scalar and ndim), "a numpy scalar has no axes")
    else:
        _require(ndim == 0 and not scalar, "only an array has axes")
    return Spec(_words(told["name"]), kind, ndim, scalar)


def _step(told: Any, registers: int, line: str, depth: int) -> Step:
    keys = {"op", "args"}
    _require(type(told) is dict and keys <= told.keys() <= keys | {"kw", "n", "of", "by"}, "its keys are not a step's")
    op = _words(told["op"])
    results = told.get("n", 1)
    _require(type(results) is int and 0 < results <= MOST_RESULTS, "a step has 1 to 1,000 results")

    def register(number: Any) -> Reference:
        _require(type(number) is int and 0 <= number < registers, "an argument refers to what isn't there yet")
        return Reference(number)

    args = tuple(from_json(arg, register) for arg in _listed(told["args"], MOST_INPUTS))
    named = told.get("kw", {})
    _require(type(named) is dict, "arguments by name are an object")
    _require(all(map(_NAME.fullmatch, named)), "an argument's name is a short one of plain letters")
    kwargs = {name: from_json(arg, register) for name, arg in named.items()}
    if op == GRADIENT:
        return _gradient(told, args, results, line, depth)
    _require("of" not in told and "by" not in told, "only a gradient has a plan of its own")
    row = TABLE.get(op)
    if op in ARITIES:
        _require(len(args) == ARITIES[op] and not kwargs and results == 1, f"{op} takes {ARITIES.get(op)} arguments")
    elif row is None or row.streams or op in (RUN, RELEASE):  # what streams is a worker's to carry out
        where = f" (written at {line})" if line else ""
        told = "this fedsock doesn't have: python -m fedsock.ops lists those it has, a newer one may have it"
        raise UnknownOp(f"a step with op {op!r}{where}, which {told}", op=op)
    else:
        _require(callable(row.results) or row.results == results, f"{op} has {row.results} results")
    return Step(op, args, kwargs or NO_KWARGS, results, line=line)


def _gradient(told: Any, args: tuple[Any, ...], results: int, line: str, depth: int) -> Step:
    _require("of" in told and "kw" not in told, "a gradient has a plan, and arguments by position")
    inner = _plan(told["of"], depth + 1)
    by = _listed(told.get("by"), MOST_INPUTS)
    _require(all(type(one) is int and 0 <= one < len(inner.inputs) for one in by), "a gradient is by some input")
    _require(len(set(by)) == len(by) > 0 and results == 1 + len(by), "a gradient gives a value, and one by each input")
    _require(len(args) == len(inner.inputs) and type(inner.gives) is Reference, "a gradient is of one result")
    return Step(GRADIENT, args, results=results, plan=inner, argnums=tuple(by), line=line)


def _tree(told: Any, registers: int) -> Any:
    def register(number: Any) -> Reference:
        _require(type(number) is int and 0 <= number < registers, "a tree refers to what isn't there")
        return Reference(number)

    return from_json(told, register)


def _listed(told: Any, most: int) -> list[Any]:
    _require(type(told) is list and len(told) <= most, f"a list of at most {most:,} is due")
    return told  # type: ignore[no-any-return]  # it was just looked at


def _words(told: Any) -> str:
    _require(type(told) is str and len(told) <= MOST_CHARS and told.isprintable(), "a short printable text is due")
    return told  # type: ignore[no-any-return]  # it was just looked at


def _require(held: bool, why: str) -> None:
    if not held:
        raise PlanInvalid(why)


def spec_of(name: str, value: Any) -> Spec | None:
    """Return what describes an argument; None for what can't be one.

    Args:
        name: where it stands.
        value: an array, a number or a generator.
    """
    kind = type(value).__name__
    if kind in PYTHON and type(value).__module__ == "builtins":
        return Spec(name, kind)
    if isinstance(value, np.random.Generator):
        return Spec(name, GENERATOR)
    if isinstance(value, (np.ndarray, np.generic)):
        # However long its texts are: a dtype of fixed-width texts counts as str.
        if value.dtype.char not in ALLOWED_CHARS:
            return None
        word = "str" if value.dtype.kind == "U" else dtype_name(value.dtype)
        return Spec(name, word, value.ndim, isinstance(value, np.generic))
    return None
