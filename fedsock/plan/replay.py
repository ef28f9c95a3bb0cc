"""Running a plan on values: at a worker, and locally with the same numbers.

The first run with arguments of some shapes and dtypes checks each step as if it had come alone. Where no step's
success, shape or dtype depends on values, the next such run needs no check, only the steps themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

import numpy as np

from fedsock.errors import OpValueError, PlanMismatch
from fedsock.ops import TABLE, Row, check, flatten, seconds
from fedsock.plan.gradient import Look, value_and_gradient
from fedsock.plan.numbers import NUMBERS, OPERATIONS, SIZE
from fedsock.plan.recording import Gradient, Known, kinds
from fedsock.plan.steps import GRADIENT, PYTHON, Plan, Spec, Step, spec_of
from fedsock.plan.trees import references
from fedsock.plan.watching import Inside, Watch, depends
from fedsock.protocol.values import Reference

MOST_KNOWN = 256
"""Kinds of calls that a plan remembers; past it all are forgotten."""


class _Made:
    """A step made ready: its function, and how its arguments are put in place."""

    __slots__ = (
        "alone", "args", "drops", "first", "flat", "function", "gradient", "kwargs", "normal", "reads", "row", "step",
    )  # fmt: skip

    def __init__(self, step: Step, first: int, drops: tuple[int, ...], constant: Callable[[Any], int]) -> None:
        self.step = step
        self.first = first
        self.drops = drops
        self.row: Row | None = TABLE.get(step.op)
        self.args = step.args
        self.kwargs = dict(step.kwargs)
        self.reads = step.reads()
        # Where no argument is a tree with registers in it, each stands in a register, constants too.
        plain = not step.kwargs and all(type(arg) is Reference or not [*references(arg)] for arg in step.args)
        places: Any = [arg.id if type(arg) is Reference else constant(arg) for arg in step.args] if plain else None
        self.flat: tuple[int, ...] | None = None if places is None else tuple(places)
        self.alone = step.results == 1 and (self.row is None or self.row.results == 1)
        self.normal = True  # its arguments needed no change by ``check``
        if step.op == GRADIENT:
            assert step.plan is not None  # noqa: S101  # steps that are gradients have one
            self.gradient = Gradient(step.plan, step.argnums)
            self.function: Callable[..., Any] = self._gradient
        elif self.row is not None:
            self.function = self.row.function
            if self.row.in_place:
                self.kwargs["overwrite"] = False
        else:
            self.function = OPERATIONS[step.op]

    def _gradient(self, *leaves: Any, look: Look | None = None, fixed: Collection[int] = ()) -> Any:
        if look is None:
            value, gradients = self.gradient(leaves)
        else:
            assert self.step.plan is not None  # noqa: S101  # steps that are gradients have one
            value, gradients = value_and_gradient(self.step.plan, leaves, self.step.argnums, look, fixed)
        return [value, *gradients]


class Replay:
    """A plan made ready to be run.

    Args:
        plan: a checked one.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._known: dict[tuple[Any, ...], Known] = {}
        self._gradients: dict[tuple[int, ...], Gradient] = {}
        self._registers = plan.registers
        last: dict[int, int] = {}
        for place, step in enumerate(plan.steps):
            for register in step.reads():
                last[register] = place
        kept = set(plan.outputs)
        register = len(plan.inputs)
        self._steps: list[_Made] = []
        self._constants: list[Any] = []
        for place, step in enumerate(plan.steps):
            made = range(register, register + step.results)
            drops = {one for one in step.reads() if last[one] == place and one not in kept}
            drops |= {one for one in made if one not in last and one not in kept}
            self._steps.append(_Made(step, register, tuple(sorted(drops)), self._constant))
            register += step.results

    def _constant(self, value: Any) -> int:
        """Return the register, behind all others, that a constant stands in."""
        self._constants.append(value)
        return self._registers + len(self._constants) - 1

    def known(self, leaves: Sequence[Any]) -> Known | None:
        """Return what is known of a call like this, if one was made before.

        Args:
            leaves: the inputs.
        """
        key = kinds(leaves)
        return None if key is None else self._known.get(key)

    def gradient(self, argnums: tuple[int, ...]) -> Gradient:
        """Return the plan's gradient by some inputs, the same each time.

        Args:
            argnums: which of them.
        """
        return self._gradients.setdefault(argnums, Gradient(self.plan, argnums))

    def run(self, leaves: Sequence[Any], watch: Watch | None = None) -> list[Any]:
        """Return the results' leaves; each owns its memory.

        Args:
            leaves: the inputs; what they hold isn't changed.
            watch: follows a run that is checked.

        Raises:
            PlanMismatch: the inputs are not what the plan takes.
            OpFailed, or what numpy raises: a step failed; a note says which, and where it was written.
        """
        key = kinds(leaves)
        known = None if key is None else self._known.get(key)
        values: list[Any] = [*leaves, *[None] * (self._registers - len(leaves)), *self._constants]
        with np.errstate(all="ignore"):
            if known is not None and known.steady and watch is None:
                self._go(values)
            else:
                self.check(leaves)
                self._go_checked(values, leaves, watch or Watch(), key)
        return self._results(values, leaves)

    def check(self, leaves: Sequence[Any]) -> None:
        """Compare inputs with what the plan takes.

        Raises:
            PlanMismatch: they are something else; says which.
        """
        if len(leaves) != len(self.plan.inputs):
            raise PlanMismatch(f"the plan takes {len(self.plan.inputs)} inputs, not {len(leaves)}")
        for spec, leaf in zip(self.plan.inputs, leaves, strict=True):
            found = spec_of(spec.name, leaf)
            if found != spec:
                raise mismatch(spec, found, leaf)

    def _results(self, values: list[Any], leaves: Sequence[Any]) -> list[Any]:
        given = {id(leaf) for leaf in leaves}
        found: list[Any] = []
        for register in self.plan.outputs:
            value = values[register]
            shared = isinstance(value, np.ndarray) and (value.base is not None or id(value) in given)
            shared = shared or any(value is other for other in found)
            found.append(value.copy("K") if shared and isinstance(value, np.ndarray) else value)
        return found

    def _go(self, values: list[Any]) -> None:
        for made in self._steps:
            try:
                if made.flat is not None:
                    args: Sequence[Any] = [values[one] for one in made.flat]
                    kwargs: Mapping[str, Any] = made.kwargs
                else:
                    args, kwargs = _placed(made, values)
                if not made.normal and made.row is not None:
                    args, kwargs = _checked(made.row, args, kwargs)
                result = made.function(*args, **kwargs)
                if made.alone:
                    values[made.first] = result
                else:
                    _spread(made, result, values)
            except Exception as error:
                raise _told(error, made.step) from error.__cause__
            for register in made.drops:
                values[register] = None

    def _go_checked(self, values: list[Any], leaves: Sequence[Any], watch: Watch, key: tuple[Any, ...] | None) -> None:
        steady = True
        # Of arrays only shapes and dtypes are known by the next call's key, of the rest all. What is made of unknown
        # values is unknown, Python's numbers too.
        unknown = {place for place, leaf in enumerate(leaves) if isinstance(leaf, (np.ndarray, np.generic))}
        weights: dict[int, int] = {}
        held_bytes = 0
        for made in self._steps:
            args: Sequence[Any]
            kwargs: Mapping[str, Any]
            args, kwargs = _placed(made, values)
            try:
                held = self._watched(made, args, kwargs, watch, unknown)
                steady = steady and held
                if made.row is not None:
                    args, kwargs = _checked(made.row, args, kwargs)
                if made.step.op == GRADIENT:
                    inside = Inside(watch)
                    kwargs = {"look": inside, "fixed": _fixed(made.step, args, unknown)}
                    _spread(made, made.function(*args, **kwargs), values)
                    steady = steady and inside.steady
                else:
                    _spread(made, made.function(*args, **kwargs), values)
            except Exception as error:
                raise _told(error, made.step) from error.__cause__
            follows = made.step.op == SIZE or unknown.isdisjoint(made.reads)
            for register in range(made.first, made.first + made.step.results):
                weights[register] = getattr(values[register], "nbytes", 8)
                if not follows or type(values[register]) not in NUMBERS:
                    unknown.add(register)
                held_bytes += weights[register]
            for register in made.drops:
                values[register] = None
                held_bytes -= weights.pop(register, 0)
            watch.nbytes = held_bytes
        if key is not None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = Known(watch.most, watch.seconds, steady)

    def _watched(
        self, made: _Made, args: Sequence[Any], kwargs: Mapping[str, Any], watch: Watch, unknown: set[int]
    ) -> bool:
        """Look at a step before it runs; return whether nothing of it depends on values."""
        row, step = made.row, made.step
        if row is None:
            if step.op == GRADIENT:
                nbytes = sum(getattr(arg, "nbytes", 8) for arg in args)
                watch.before(step, nbytes, 0.0)
            elif step.op != SIZE and not unknown.isdisjoint(made.reads):
                watch.depends(step, made.reads)  # it may divide by zero, or leave 64 bits
                return False
            return True
        given = {name: arg for name, arg in kwargs.items() if name != "overwrite"}
        checked, named = check(row, args, given)
        made.normal = made.normal and not given and all(a is b for a, b in zip(checked, args, strict=False))
        bound = row.bound(*checked, **named)
        watch.before(step, bound.nbytes, seconds(row, bound, checked, named))
        places: list[tuple[int | str, Any]] = [*enumerate(step.args), *step.kwargs.items()]
        private = [place for place, arg in places if not unknown.isdisjoint(references(arg))]
        if depends(row, checked, named, private):
            watch.depends(step, made.reads)
            return False
        return True


def _checked(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    given = {name: arg for name, arg in kwargs.items() if name != "overwrite"}
    args, named = check(row, args, given)
    return args, ({**named, "overwrite": False} if row.in_place else named)


def _placed(made: _Made, values: Any) -> tuple[list[Any], dict[str, Any]]:
    args = [values[arg.id] if type(arg) is Reference else _filled(arg, values) for arg in made.args]
    return args, {name: _filled(arg, values) for name, arg in made.kwargs.items()}


def _filled(tree: Any, values: Any) -> Any:
    kind = type(tree)
    if kind is Reference:
        return values[tree.id]
    if kind is list or kind is tuple:
        return kind([_filled(part, values) for part in tree])
    if kind is dict:
        return {key: _filled(part, values) for key, part in tree.items()}
    if kind is slice:
        return slice(_filled(tree.start, values), _filled(tree.stop, values), _filled(tree.step, values))
    return tree


def _fixed(step: Step, args: Sequence[Any], unknown: Set[int]) -> set[int]:
    """Return the places of arguments that are Python's numbers, and follow from what the call's key tells."""
    places = enumerate(zip(step.args, args, strict=True))
    return {at for at, (arg, value) in places if type(value) in NUMBERS and unknown.isdisjoint(references(arg))}


def _spread(made: _Made, result: Any, values: list[Any]) -> None:
    step, row = made.step, made.row
    if row is None:
        parts = [result] if step.results == 1 else result
    elif row.results == 1:
        parts = [result]
    else:
        parts = flatten(row, result)
    if len(parts) != step.results:
        raise OpValueError(f"{step.op} has {len(parts)} results for these arguments, not {step.results}")
    values[made.first : made.first + step.results] = parts


def _told(error: Exception, step: Step) -> Exception:
    error.add_note(f"in {step.op}" + (f", written at {step.line}" if step.line else ""))
    return error


def mismatch(spec: Spec, found: Spec | None, leaf: Any) -> PlanMismatch:
    """Return the error that says what an input is and what it should be.

    Args:
        spec: what it should be.
        found: what it is; None: nothing that a plan takes.
        leaf: it.
    """
    what = type(leaf).__name__ if found is None else f"{'numpy scalar ' if found.scalar else ''}{found}"
    return PlanMismatch(
        f"{spec.name or 'an input'} is {what}; the plan was traced for {spec}"
        + (" (a Python number)" if spec.kind in PYTHON and not spec.ndim and found and found.kind not in PYTHON else "")
    )


def replay(plan: Plan, leaves: Sequence[Any]) -> list[Any]:
    """Return the leaves of a plan's results, once; see ``Replay``.

    Args:
        plan: a checked one.
        leaves: its inputs.
    """
    return Replay(plan).run(leaves)
