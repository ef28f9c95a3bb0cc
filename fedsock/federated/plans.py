"""Running a plan at all workers that hold a federated array's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedsock.errors import PlanMismatch
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.passing import FEW
from fedsock.plan.program import Program
from fedsock.plan.steps import Plan
from fedsock.session.groups import group, rebuilt
from fedsock.session.multi import MultiPointer
from fedsock.session.pointer import Pointer
from fedsock.session.trees import replaced


def run(plan: Program | Plan, /, *args: Any, **kwargs: Any) -> Any:
    """Return what a plan gives at each worker, as MultiPointers in the plan's own tree; at once.

    ``await`` gives {worker name: value}; ``sum_over()`` and ``mean_over()`` put them together. What a plan makes of
    private rows leaves by each owner's policy, as any result.

    Args:
        plan: a function decorated with ``fedsock.plan``, or a Plan.
        args: what ``worker.run`` takes, and federated arrays, in place of which stand the rows at each worker.
        kwargs: the same by name.

    Raises:
        PlanMismatch: none is a federated array, or they are not what the plan takes.
        PointersApart: their rows are of other workers.
        NotTraceable: the function can't be recorded.
    """
    found: list[FederatedArray] = []
    replaced((args, kwargs), lambda value: found.append(value) if isinstance(value, FederatedArray) else None)
    if not found:
        raise PlanMismatch("none of the arguments is a federated array; write bob.run(…) for one worker")
    first = found[0]
    for array in found[1:]:
        first.check_beside("run", array)
    program = Program(None, plan) if isinstance(plan, Plan) else plan
    if not isinstance(program, Program):
        raise PlanMismatch("a plan is due here: decorate the function with @fedsock.plan")
    # A function that was not recorded yet is recorded here: what is known of pointers to rows may not be known there.
    program.leaves(replaced(args, _example), replaced(kwargs, _example))
    return _joined(
        {place: first.handle(place).run(program, *_at(place, args), **_at(place, kwargs)) for place in first.rows}
    )


def _example(value: Any) -> Any:
    return np.ones(value.kind.sized(FEW), value.dtype) if isinstance(value, FederatedArray) else value


def _at(place: str, tree: Any) -> Any:
    return replaced(tree, lambda value: value.at(place) if isinstance(value, FederatedArray) else value)


def _joined(results: Mapping[str, Any]) -> Any:
    """Return one tree of MultiPointers of the same tree of pointers at every worker."""
    one = next(iter(results.values()))
    if isinstance(one, Pointer):
        return MultiPointer(results)
    if isinstance(one, dict):
        return {key: _joined({place: tree[key] for place, tree in results.items()}) for key in one}
    if isinstance(one, (tuple, list)):
        columns = zip(*results.values(), strict=True)
        return group(rebuilt(one, [_joined(dict(zip(results, column, strict=True))) for column in columns]))
    return one  # what isn't computed is the same everywhere
