"""Gradients of plans, computed where the plan runs: its steps once more, with autograd's functions on the path.

``fedsock.ops.gradients`` says of each op how it is differentiated. autograd (the extra ``learn``) is loaded when the
first gradient is asked for. It keeps a stack of traces for the whole process; here each call counts its own level by
what it is given, so that gradients are computed in several threads, and gradients of gradients in one another.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from fedsock.errors import NotDifferentiable
from fedsock.ops import TABLE, Row, check
from fedsock.ops.gradients import CONSTANT, masked
from fedsock.ops.moves import cast
from fedsock.ops.quiet import silence
from fedsock.plan.boxes import autograd, boxed, is_box, levels, on_path, plain, unboxed
from fedsock.plan.numbers import OPERATIONS, SIZE
from fedsock.plan.steps import GRADIENT, Plan, Step
from fedsock.plan.tapes import noted, run, untaped
from fedsock.plan.trees import references
from fedsock.protocol.values import Reference

_FLAT_NUMBERS = frozenset({SIZE, "number.floor_divide"})
"""Operations on Python's numbers whose results are flat."""

_NUMBERS: Mapping[str, str] = MappingProxyType(
    {f"number.{name}": name for name in ("add", "subtract", "multiply", "divide", "remainder", "negative", "absolute")}
)
"""Operations on Python's numbers -> numpy's, which are used on the path."""


class Look(Protocol):
    """Sees each step of a gradient before it runs, and may refuse it by raising."""

    def row(
        self,
        row: Row,
        step: Step,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        private: Sequence[int | str],
        levels: int,
    ) -> None:
        """See a step with an op of the table.

        Args:
            row: of the op.
            step: it.
            args: checked arguments.
            kwargs: the same by name.
            private: the places and names of those whose values aren't fixed.
            levels: how many gradients it is on the path of.
        """

    def numbers(self, step: Step) -> None:
        """See a step on Python's numbers that aren't fixed."""


def value_and_gradient(
    plan: Plan, leaves: Sequence[Any], argnums: Sequence[int], look: Look | None = None, fixed: Collection[int] = ()
) -> tuple[Any, list[Any]]:
    """Return a plan's result and its gradients by some inputs, each of its input's shape and dtype.

    Args:
        plan: of one result, a real scalar.
        leaves: its inputs; what they hold isn't changed.
        argnums: by which of them; they are floating-point numbers.
        look: sees each step before it runs, and may refuse it by raising.
        fixed: inputs that are Python's numbers and the same whatever arrays hold, such as the size of an axis.

    Raises:
        NotDifferentiable: there is no such gradient.
        ConfigError: autograd isn't installed.
        OpFailed, or what numpy raises: a step failed; a note says which, and where it was written.
    """
    value, slopes = value_and_slopes(plan, leaves, argnums, look, fixed)
    return value, [like(leaves[k], slope) for k, slope in zip(argnums, slopes, strict=True)]


def value_and_slopes(
    plan: Plan, leaves: Sequence[Any], argnums: Sequence[int], look: Look | None = None, fixed: Collection[int] = ()
) -> tuple[Any, list[Any]]:
    """Do the same, with each gradient as it comes: None where there is none, and perhaps of a wider dtype."""
    library = autograd()
    tracer, core = library.tracer, library.core
    level = 1 + max((leaf._trace for leaf in leaves if is_box(leaf)), default=-1)
    values, roots = list(leaves), []
    for number in argnums:
        _require_real(plan.inputs[number].name, plain(leaves[number]))
        roots.append(core.VJPNode.new_root())
        values[number] = tracer.new_box(leaves[number], level, roots[-1])
    dtypes: dict[Any, np.dtype[Any]] = {}
    numbers = set(fixed)
    with np.errstate(all="ignore"), silence():
        for step in plan.steps:
            try:
                found = _results(step, values, look, numbers)
            except Exception as error:
                error.add_note(f"in {step.op}" + (f", written at {step.line}" if step.line else ""))
                raise
            if step.op == SIZE or (step.op in OPERATIONS and numbers.issuperset(step.reads())):
                numbers.add(len(values))
            values += found
            dtypes.update(
                (one._node, np.asarray(plain(one)).dtype) for one in found if is_box(one) and one._trace == level
            )
        value, end = _one(plan, values), None
        if is_box(value) and value._trace == level:
            value, end = value._value, value._node
        slopes = _backwards(library, value, end, dtypes) if end is not None else {}
    return value, [slopes.get(root) for root in roots]


def _backwards(library: Any, value: Any, end: Any, dtypes: Mapping[Any, np.dtype[Any]]) -> dict[Any, Any]:
    """Return the gradient by each node that the end was made from and that was made of nothing.

    Args:
        library: autograd.
        value: the end's.
        end: the result's node.
        dtypes: of the values of steps; some of autograd's slopes are float64 for whatever float.
    """
    add = library.core.add_outgrads
    slopes = {end: (library.core.vspace(value).ones(), False)}
    found: dict[Any, Any] = {}
    for node in library.util.toposort(end):
        slope, _ = slopes.pop(node)
        if node in dtypes and hasattr(slope, "dtype"):
            slope = cast(library.numpy, slope, dtypes[node])
        if not node.parents:
            found[node] = slope
            continue
        for parent, part in zip(node.parents, node.vjp(slope), strict=True):
            slopes[parent] = add(slopes.get(parent), part)
    return found


def like(leaf: Any, slope: Any) -> Any:
    """Return a gradient in the type, shape and dtype of what it is by.

    Args:
        leaf: what it is by.
        slope: as it came.
    """
    here = plain(leaf)
    if slope is None:
        slope = np.zeros(np.shape(here), np.asarray(here).dtype)
    if is_box(slope):
        return cast(autograd().numpy, slope, np.asarray(here).dtype)
    slope = np.asarray(slope, np.asarray(here).dtype)
    if type(here) is float:
        return float(slope)
    return slope[()] if isinstance(here, np.generic) else slope


def _one(plan: Plan, values: Sequence[Any]) -> Any:
    """Return the plan's result."""
    value: Any = None
    if type(plan.gives) is Reference:
        [number] = plan.outputs
        value = values[number]
    dtype = np.asarray(plain(value)).dtype if value is not None else None
    if dtype is None or np.ndim(plain(value)) or dtype.kind != "f":
        raise NotDifferentiable(
            f"a gradient is of one real number; {plan.name or 'the plan'} gives "
            + ("a tree" if dtype is None else f"{dtype} with {np.ndim(plain(value))} axes")
            + ": return a loss such as the mean over rows"
        )
    return value


def _require_real(name: str, value: Any) -> None:
    dtype = np.asarray(value).dtype if isinstance(value, (np.ndarray, np.generic, float)) else None
    if dtype is None or dtype.kind != "f":
        raise NotDifferentiable(
            f"{name or 'an input'} is {type(value).__name__ if dtype is None else dtype}: a gradient is by real "
            "floating-point numbers; give it as another argument, or write .astype(float)"
        )


# --- steps --------------------------------------------------------------------------------------------------


def _filled(tree: Any, values: Sequence[Any]) -> Any:
    kind = type(tree)
    if kind is Reference:
        return values[tree.id]
    if kind is list or kind is tuple:
        return kind([_filled(part, values) for part in tree])
    if kind is dict:
        return {key: _filled(part, values) for key, part in tree.items()}
    if kind is slice:
        # An end of a slice is a place: it has no gradient.
        return slice(*(untaped(_filled(end, values)) for end in (tree.start, tree.stop, tree.step)))
    return tree


def _results(step: Step, values: Sequence[Any], look: Look | None, fixed: set[int]) -> list[Any]:
    """Return a step's results, boxes among them where it is on the path."""
    args = [_filled(arg, values) for arg in step.args]
    kwargs = {name: _filled(arg, values) for name, arg in step.kwargs.items()}
    if step.op == GRADIENT:
        assert step.plan is not None  # noqa: S101  # steps that are gradients have one
        inner = {place for place, arg in enumerate(step.args) if fixed.issuperset(references(arg))}
        value, slopes = value_and_gradient(step.plan, args, step.argnums, look, inner)
        return [value, *slopes]
    row = TABLE.get(step.op)
    if row is None:
        # On the path they are numpy's functions, which never fail.
        if look is not None and not (_continues(step, args) or step.op == SIZE or fixed.issuperset(step.reads())):
            look.numbers(step)
        return _number(step, args)
    checked, named = check(row, [plain(arg) for arg in args], {name: plain(arg) for name, arg in kwargs.items()})
    if look is not None:
        places: list[tuple[int | str, Any]] = [*enumerate(step.args), *step.kwargs.items()]
        private = [place for place, arg in places if not fixed.issuperset(references(arg))]
        look.row(row, step, checked, named, private, max(map(levels, (*args, *kwargs.values())), default=0))
    if row.gradient != CONSTANT and any(map(on_path, (*args, *kwargs.values()))):
        return _differentiable(row, step, *_put_back(row, args, kwargs, checked, named))
    flat = [unboxed(arg) for arg in args], {name: unboxed(arg) for name, arg in kwargs.items()}
    if any(map(boxed, (*flat[0], *flat[1].values()))):
        return noted(row, *_put_back(row, *flat, checked, named))
    return run(row, checked, named)


def _continues(step: Step, args: Sequence[Any]) -> bool:
    """Say whether an operation on Python's numbers is on the path, and so is its result."""
    return step.op not in _FLAT_NUMBERS and any(map(on_path, args))


def _number(step: Step, args: Sequence[Any]) -> list[Any]:
    """Return the result of an operation on Python's numbers, some of which may be boxes."""
    if _continues(step, args):
        name = _NUMBERS.get(step.op)
        return [*args] if name is None else [vars(autograd().numpy)[name](*args)]
    return [OPERATIONS[step.op](*map(plain if step.op == SIZE else untaped, args))]


def _put_back(
    row: Row, args: Sequence[Any], kwargs: Mapping[str, Any], checked: Sequence[Any], named: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return checked arguments with boxes where they stood; some given by name were put in their places."""
    placed = [*args, *(kwargs[p.name] for p in row.positional[len(args) : len(checked)])]

    def back(given: Any, now: Any) -> Any:
        if not boxed(given):
            return now
        # A list that stands for an array has become one.
        return autograd().numpy.array(given) if isinstance(given, (list, tuple)) and type(now) is np.ndarray else given

    positional = [back(given, now) for given, now in zip(placed, checked, strict=True)]
    return positional, {name: back(kwargs[name], now) for name, now in named.items()}


def _differentiable(row: Row, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    anp = autograd().numpy
    gradient = row.gradient
    if gradient is None:
        raise without_gradient(step)
    try:
        if callable(gradient):
            result = gradient(anp, *args, **kwargs)
        else:
            function = _named(gradient)
            result = masked(anp, function, tuple(args), kwargs.pop("where", True), kwargs.pop("dtype", None), **kwargs)
    except NotImplementedError as error:
        raise without_gradient(step, str(error)) from None
    return [result] if step.results == 1 else list(_leaves(result))


@functools.cache
def _named(dotted: str) -> Any:
    """Return autograd's function of a dotted name, which comes from the op table."""
    found = autograd()
    for part in dotted.split("."):
        found = vars(found)[part]
    return found


def _leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, (list, tuple)):
        for part in result:
            yield from _leaves(part)
    else:
        yield result


# --- before anything runs -----------------------------------------------------------------------------------


def without_gradient(step: Step, why: str = "") -> NotDifferentiable:
    """Return the error of a step on the path that has no gradient.

    Args:
        step: it.
        why: the arguments that make it so; "": the op has none at all.
    """
    where = f", written at {step.line}" if step.line else ""
    return NotDifferentiable(
        f"{step.op}{f' with {why}' if why else ''} has no gradient{where}; python -m fedsock.ops shows which ops have"
    )


def require_gradient(plan: Plan, argnums: Sequence[int]) -> None:
    """Refuse a plan with an op that has no gradient on a path from an input to the result.

    Args:
        plan: of one result.
        argnums: the inputs.

    Raises:
        NotDifferentiable: says which op, and where it was written.
    """
    if type(plan.gives) is not Reference:
        raise NotDifferentiable(
            f"a gradient is of one real number; {plan.name or 'the plan'} gives a tree: return the loss alone"
        )
    # Register -> the first step on its way that has none, or None while all have; others are off the path.
    path: dict[Any, Step | None] = dict.fromkeys(argnums)
    register = len(plan.inputs)
    for step in plan.steps:
        reached = [number for number in step.reads() if number in path]
        if reached and not _is_flat(step):
            blocked = next((path[number] for number in reached if path[number] is not None), None)
            if blocked is None and not _has_gradient(step, path):
                blocked = step
            path.update(dict.fromkeys(range(register, register + step.results), blocked))
        register += step.results
    if (blocked := path.get(plan.gives.id)) is not None:
        raise without_gradient(blocked)


def _is_flat(step: Step) -> bool:
    row = TABLE.get(step.op)
    return step.op in _FLAT_NUMBERS if row is None else row.gradient == CONSTANT


def _has_gradient(step: Step, path: Mapping[int, Any]) -> bool:
    row = TABLE.get(step.op)
    if step.plan is not None:
        by = [place for place, arg in enumerate(step.args) if not path.keys().isdisjoint(references(arg))]
        require_gradient(step.plan, by)
        return True
    return row is None or row.gradient is not None
