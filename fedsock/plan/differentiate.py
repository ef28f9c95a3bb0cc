"""``fedsock.grad`` and ``fedsock.value_and_grad``: programs that give gradients of programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fedsock.errors import ConfigError, NotDifferentiable, PlanMismatch
from fedsock.plan.gradient import require_gradient, value_and_gradient
from fedsock.plan.program import Program
from fedsock.plan.replay import mismatch
from fedsock.plan.steps import GRADIENT, Plan, Spec, Step, spec_of
from fedsock.plan.trace import Tracer, gradient_step
from fedsock.plan.trees import filled, flatten, paths


def grad(f: Program | Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Program:
    """Return the program that gives a loss's gradient; at a worker it runs there, where the data are.

    Args:
        f: a plan, or a function that could be one, of one real number.
        argnums: by which parameters; each may be a tree of floating-point arrays and numbers.

    Returns:
        A program with f's parameters that gives a tree like the argument's, or with several argnums a tuple of them.
        Recording it raises NotDifferentiable where there is no such gradient: an op without one on the way, an
        argument of integers, a loss that is no number.
    """
    return _program(f, argnums, "grad", lambda value, slopes: slopes)


def value_and_grad(f: Program | Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Program:
    """Return the program that gives a loss and its gradient, as a tuple; see ``grad``.

    Args:
        f: a plan, or a function that could be one, of one real number.
        argnums: by which parameters.
    """
    return _program(f, argnums, "value_and_grad", lambda value, slopes: (value, slopes))


def _program(f: Any, argnums: Any, word: str, give: Callable[[Any, Any], Any]) -> Program:
    program = f if isinstance(f, Program) else Program(f)
    several = isinstance(argnums, tuple)
    chosen = argnums if several else (argnums,)
    signature = program.signature
    count = len(signature.parameters)
    if not chosen or not all(type(one) is int and -count <= one < count for one in chosen):
        raise PlanMismatch(
            f"argnums={argnums!r}: {program.__name__} has the parameters {', '.join(signature.parameters)}"
        )
    names = [list(signature.parameters)[one] for one in chosen]
    if len(set(names)) < len(names):
        raise PlanMismatch(f"argnums={argnums!r}: one parameter twice")

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, slopes = _recorded(program, names, args, kwargs)
        return give(value, tuple(slopes) if several else slopes[0])

    differentiated.__name__ = f"{word}({program.__name__})"
    differentiated.__doc__ = f"The gradient of {program.__name__} by {', '.join(names)}."
    differentiated.__signature__ = signature  # type: ignore[attr-defined]  # what inspect.signature reads
    return Program(differentiated)


def _recorded(program: Program, names: Sequence[str], args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
    """Record one step that gives a program's value and gradients."""
    given = program._bound(args, kwargs)
    leaves, trees = flatten(list(given.values()))
    tracer = next((leaf for leaf in leaves if isinstance(leaf, Tracer)), None)
    examples = [leaf._example if isinstance(leaf, Tracer) else leaf for leaf in leaves]
    form = dict(zip(given, trees, strict=True))
    inner = _plan(program, form, examples)
    by = [number for name in names for number in _numbers(form[name])]
    _check(inner, examples, by)
    if tracer is None:
        value, found = value_and_gradient(inner, leaves, by)
    else:
        step = Step(GRADIENT, (), results=1 + len(by), plan=inner, argnums=tuple(by))
        value, *found = gradient_step(tracer._recorder, step, leaves)
    slopes: Any = dict(zip(by, found, strict=True))  # by number, as in a list
    return value, [filled(form[name], slopes) for name in names]


def _numbers(tree: Any) -> list[int]:
    return [leaf.id for leaf in flatten(tree)[0]]


def _plan(program: Program, form: dict[str, Any], examples: Sequence[Any]) -> Plan:
    """Return a program's plan for arguments like these."""
    names = [path for name, tree in form.items() for path in paths(tree, name)]
    specs: list[Spec] = []
    for name, leaf in zip(names, examples, strict=True):
        spec = spec_of(name, leaf)
        if spec is None:
            raise PlanMismatch(f"{name} is a {type(leaf).__name__}; a plan takes arrays, numbers, generators and trees")
        specs.append(spec)
    if program._function is not None:
        return program._record(specs, list(examples), form)
    for expected, found, leaf in zip(program.plan.inputs, specs, examples, strict=True):
        if expected != found:
            raise mismatch(expected, found, leaf)
    return program.plan


def _check(plan: Plan, examples: Sequence[Any], by: Sequence[int]) -> None:
    """Refuse now what no worker could differentiate; arguments of ops count, so the examples are tried."""
    if not by:
        raise NotDifferentiable("a gradient by an argument that holds no numbers")
    for number in by:
        spec = plan.inputs[number]
        if not (spec.kind.startswith("float")):
            raise NotDifferentiable(
                f"{spec.name} is {spec}: a gradient is by real floating-point numbers; give it as another argument, "
                "or write .astype(float)"
            )
    require_gradient(plan, by)
    try:
        value_and_gradient(plan, examples, by)
    except (ConfigError, np.linalg.LinAlgError, ValueError, ZeroDivisionError, IndexError):
        # Where it runs there is autograd, and data of another kind than these examples.
        return
