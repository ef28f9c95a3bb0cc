"""Recording: ordinary numpy code runs once on tracers, which write down each op as a step.

A tracer carries what the op gave for an example, so its dtype and number of axes are known while the code is
recorded. Sizes of axes are recorded as numbers, so that one plan serves any of them.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import orjson

from fedsock.errors import InPlaceRefused, NotTraceable
from fedsock.expression import NO_KWARGS, Expression
from fedsock.ops import TABLE, Call, check, fill, flatten, leaves, template_of
from fedsock.ops.quiet import silence
from fedsock.plan.numbers import NUMBERS, OPERATIONS, SIZE
from fedsock.plan.steps import GRADIENT, MOST_CHARS, MOST_STEPS, Plan, Spec, Step
from fedsock.plan.trees import mapped
from fedsock.protocol.arrays import portable
from fedsock.protocol.values import Reference, to_json

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NUMPY = os.path.dirname(os.path.abspath(np.__file__))

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "np.asarray": "write np.stack([a, b]) for an array of values, np.arange(n, like=x) for a new one; "
        "for table[i] give the table as an argument",
        "float": "use numpy's functions on the value as it is: np.exp(x) for math.exp(x), x for float(x)",
        "int": "use numpy's functions on the value as it is: np.floor(x) for int(x)",
    }
)
"""What to write in place of what would ask a tracer for its value."""

RANDOM = "random"
"""The family of ops that draw."""


class Recorder:
    """Takes down the steps of one plan.

    Args:
        inputs: what they are.
        examples: a value for each.
    """

    def __init__(self, inputs: Sequence[Spec], examples: Sequence[Any]) -> None:
        self.inputs = tuple(inputs)
        self.steps: list[Step] = []
        self.values: list[Any] = list(examples)
        self.open = True

    def tracers(self) -> list[Tracer]:
        """Return one for each input."""
        return [Tracer(self, place) for place in range(len(self.inputs))]

    def record(self, op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Write down an op and return what stands for its results.

        Args:
            op: of the op table, or of ``numbers.OPERATIONS``.
            args: values and tracers.
            kwargs: the same by name.
        """
        if not self.open:
            raise NotTraceable("this belongs to a plan whose recording is over; return what you need from the function")
        known = self._args(args), {name: self._args(arg) for name, arg in kwargs.items()}
        row = TABLE.get(op)
        with np.errstate(all="ignore"), silence():
            if row is None:
                results, template = [OPERATIONS[op](*known[0])], None
            else:
                template = template_of(row, *known, np.shape)
                checked, named = check(row, *known)
                if row.in_place:
                    named = {**named, "overwrite": False}
                results = flatten(row, row.function(*checked, **named))
        registers = self.add(Step(op, *self._kept(args, kwargs), results=leaves(template), line=_line()), results)
        return fill(template, registers)

    def add(self, step: Step, results: Sequence[Any]) -> list[Tracer]:
        """Append a step and return tracers of its results.

        Args:
            step: it.
            results: what it gave for the example.
        """
        if len(self.steps) >= MOST_STEPS:
            raise NotTraceable(f"more than {MOST_STEPS:,} ops: a plan can't hold a loop of so many rounds")
        if len(results) != step.results:
            raise NotTraceable(f"{step.op} has as many results as a value says; a plan needs to know their number")
        first = len(self.values)
        self.steps.append(step)
        self.values += results
        return [Tracer(self, first + place) for place in range(step.results)]

    def _args(self, tree: Any) -> Any:
        """Return an argument with examples in place of tracers."""
        return _replaced(tree, lambda leaf: self.values[self.register(leaf)] if isinstance(leaf, Tracer) else leaf)

    def _kept(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return arguments with registers in place of tracers, and copies of what could be written into later."""

        def kept(leaf: Any) -> Any:
            if isinstance(leaf, Tracer):
                return Reference(self.register(leaf))
            if isinstance(leaf, np.ndarray):
                return portable(np.array(leaf))
            return leaf

        named = {name: _replaced(arg, kept) for name, arg in kwargs.items()}
        return _replaced(args, kept), named or NO_KWARGS

    def register(self, tracer: Tracer) -> int:
        """Return the register that a tracer stands for.

        Raises:
            NotTraceable: it is another plan's.
        """
        if tracer._recorder is not self:
            raise NotTraceable("a value of another plan's recording; give it as an argument")
        return tracer._register

    def finish(self, takes: Sequence[tuple[str, Any]], gives: Any, name: str) -> Plan:
        """Return the plan: without steps that nothing needs, and with equal ones done once.

        Args:
            takes: parameters, and the trees of their inputs.
            gives: what the function returned.
            name: its name.
        """
        self.open = False
        tree = mapped(gives, lambda leaf: Reference(self.register(leaf)) if isinstance(leaf, Tracer) else leaf)
        # What was returned has to travel: a constant among it too.
        to_json(tree)
        return simplified(Plan(self.inputs, tuple(takes), tuple(self.steps), tree, name))


class Tracer(Expression):
    """A value of a plan that is being recorded, written with like a numpy array.

    Args:
        recorder: of the plan.
        register: where the value will be.
    """

    __slots__ = ("_recorder", "_register")

    def __init__(self, recorder: Recorder, register: int) -> None:
        self._recorder = recorder
        self._register = register

    @property
    def _example(self) -> Any:
        return self._recorder.values[self._register]

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        number = f"number.{name}"
        if number in OPERATIONS and all(_python(arg) for arg in args):
            return self._recorder.record(number, args, NO_KWARGS)
        return self._recorder.record(name, args, kwargs)

    def _run(self, call: Call) -> Any:
        # numpy's own functions make numpy scalars, of Python's numbers too.
        return self._recorder.record(call.name, tuple(call.args), call.kwargs or NO_KWARGS)

    def _update(self, name: str, args: tuple[Any, ...]) -> Any:
        if name.startswith("setitem"):
            raise InPlaceRefused("values of a plan don't change; write x = np.where(mask, new, x)")
        return self._recorder.record(name, args, NO_KWARGS)

    def _takes(self, value: Any) -> bool:
        return isinstance(value, Tracer)

    def _called(self) -> str:
        return "a value of a plan that is being recorded"

    def __getattr__(self, name: str) -> Any:
        if isinstance(self._example, np.random.Generator):
            return _draw(self, name)
        raise AttributeError(f"a value of a plan has no attribute {name!r}")

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes of its axes, each a number of the plan."""
        return tuple(self._recorder.record(SIZE, (self, axis), NO_KWARGS) for axis in range(self.ndim))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        return np.asarray(self._example).dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self._example)

    def __len__(self) -> int:
        raise NotTraceable("len() would fix the number of rows of a plan here; write x.shape[0]")

    def __iter__(self) -> Iterator[Any]:
        raise NotTraceable("a plan serves any number of rows, so it can't go through them one by one; use array ops")

    def __bool__(self) -> bool:
        raise NotTraceable(
            "a plan can't branch on a value, which isn't there while it is recorded; write np.where(condition, a, b)"
        )

    def __index__(self) -> int:
        raise NotTraceable(
            "an integer of a plan isn't known while it is recorded; use array ops in place of a loop over it, and "
            "np.zeros(shape, like=x) for a new array"
        )

    def _fetches(self, instead: str) -> NoReturn:
        what, _, _ = instead.partition("(")
        advice = ADVICE.get(what, "use numpy's functions on the value as it is")
        raise NotTraceable(f"this needs a value that isn't there while a plan is recorded; {advice}")

    def __repr__(self) -> str:
        return f"<value {self._register} of a plan>"


def _draw(generator: Tracer, name: str) -> Any:
    """Return a method of a generator that is an argument of the plan; each draw gives it its next state."""
    op = f"random.Generator.{name}"
    if op not in TABLE:
        raise AttributeError(f"a generator of a plan has no {name!r}")

    def method(*args: Any, **kwargs: Any) -> Any:
        drawn, advanced = generator._recorder.record(op, (generator, *args), kwargs)
        generator._register = advanced._register
        return drawn

    return method


def _python(value: Any) -> bool:
    return type(value._example if isinstance(value, Tracer) else value) in NUMBERS


def _replaced(tree: Any, function: Any) -> Any:
    """Return an op's argument with a function applied to its leaves; slices hold some too."""
    kind = type(tree)
    if kind is list or kind is tuple:
        return kind([_replaced(part, function) for part in tree])
    if kind is dict:
        return {key: _replaced(part, function) for key, part in tree.items()}
    if kind is slice:
        return slice(*(_replaced(end, function) for end in (tree.start, tree.stop, tree.step)))
    return function(tree)


def _line() -> str:
    """Return where the code that is being recorded stands: file, line and what is written there."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((_ROOT, _NUMPY, "<frozen")):
        frame = frame.f_back  # type: ignore[assignment]  # the last one's is None
    if frame is None:
        return ""
    path = frame.f_code.co_filename
    words = f"{os.path.basename(path)}:{frame.f_lineno}: {linecache.getline(path, frame.f_lineno).strip()}"
    return "".join(char for char in words if char.isprintable())[:MOST_CHARS]


def simplified(plan: Plan) -> Plan:
    """Return a plan that does the same without steps that nothing needs, and with equal ones (but draws) done once.

    Args:
        plan: as it was recorded.
    """
    count = len(plan.inputs)
    place: dict[Any, int] = {number: number for number in range(count)}  # register -> what holds its value now
    seen: dict[bytes, int] = {}
    merged: list[tuple[int, Step]] = []
    register = count
    for step in plan.steps:
        moved = _moved(step, place)
        row = TABLE.get(step.op)
        draws = row is not None and row.family == RANDOM
        key = b"" if draws else orjson.dumps(moved.to_json(), option=orjson.OPT_SORT_KEYS)
        same = seen.get(key) if key else None
        if same is None:
            merged.append((register, moved))
            same = register
            if key:
                seen[key] = register
        for offset in range(step.results):
            place[register + offset] = same + offset
        register += step.results
    needed = {place[number] for number in plan.outputs}
    kept: list[tuple[int, Step]] = []
    for first, step in reversed(merged):
        if not needed.isdisjoint(range(first, first + step.results)):
            needed.update(step.reads())
            kept.append((first, step))
    final: dict[Any, int] = {number: number for number in range(count)}
    register = count
    steps: list[Step] = []
    for first, step in reversed(kept):
        steps.append(_moved(step, final))
        for offset in range(step.results):
            final[first + offset] = register + offset
        register += step.results
    gives = mapped(plan.gives, lambda leaf: Reference(final[place[leaf.id]]) if type(leaf) is Reference else leaf)
    return Plan(plan.inputs, plan.takes, tuple(steps), gives, plan.name)


def _moved(step: Step, place: Mapping[Any, int]) -> Step:
    def moved(leaf: Any) -> Any:
        return Reference(place[leaf.id]) if type(leaf) is Reference else leaf

    named = {name: _replaced(arg, moved) for name, arg in step.kwargs.items()}
    args = _replaced(step.args, moved)
    return Step(step.op, args, named or NO_KWARGS, step.results, step.plan, step.argnums, step.line)


def inlined(recorder: Recorder, plan: Plan, inputs: Sequence[Any]) -> list[Any]:
    """Record a whole plan as steps of another, and return what stands for its registers.

    Args:
        recorder: of the other.
        plan: what is called there.
        inputs: tracers and values.
    """
    values: Any = list(inputs)

    def placed(leaf: Any) -> Any:
        return values[leaf.id] if type(leaf) is Reference else leaf

    for step in plan.steps:
        args = _replaced(step.args, placed)
        if step.op == GRADIENT:
            values += gradient_step(recorder, step, args)
            continue
        made = recorder.record(step.op, args, {name: _replaced(arg, placed) for name, arg in step.kwargs.items()})
        values += made if isinstance(made, (list, tuple)) else [made]
    return list(values)


def gradient_step(recorder: Recorder, step: Step, args: Sequence[Any]) -> list[Tracer]:
    """Record the value of a plan and its gradients, which have the shapes of what they are by.

    Args:
        recorder: of the plan that they are part of.
        step: of the op ``GRADIENT``; its arguments don't count.
        args: tracers and values, the inputs of the step's plan.
    """
    known = [recorder.values[recorder.register(arg)] if isinstance(arg, Tracer) else arg for arg in args]
    kept, _ = recorder._kept(tuple(args), NO_KWARGS)
    results = [np.float64(0.0), *(np.zeros_like(known[one]) for one in step.argnums)]
    made = Step(GRADIENT, kept, results=1 + len(step.argnums), plan=step.plan, argnums=step.argnums, line=_line())
    return recorder.add(made, results)
