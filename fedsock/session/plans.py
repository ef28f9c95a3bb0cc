"""Running a plan at a worker: it is sent there once, then known by its digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedsock.errors import PlanMismatch
from fedsock.expression import NO_KWARGS
from fedsock.ops.plans import RUN
from fedsock.plan.program import Program, filled_in_order
from fedsock.plan.steps import Plan
from fedsock.session.groups import group
from fedsock.session.pointer import Pointer

if TYPE_CHECKING:
    from fedsock.session.station import Station

MOST_KEPT = 256
"""Plans that stay at a worker for this session; the one that was sent first goes first."""


def run_plan(station: Station, program: Program | Plan, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the tree of pointers to what a plan gives at a worker.

    Args:
        station: the worker's life.
        program: a plan, or the program of one; a function that was not recorded yet is recorded now.
        args: arrays, numbers, pointers to values at that worker, and trees of them.
        kwargs: the same by name.

    Raises:
        PlanMismatch: they are not what the plan takes.
        NotTraceable, MetadataNotReady: the function can't be recorded, or not yet.
        PointersApart: a pointer is to a value at another worker.
    """
    made = Program(None, program) if isinstance(program, Plan) else program
    if not isinstance(made, Program):
        raise PlanMismatch("a plan is due here: decorate the function with @fedsock.plan")
    leaves = made.leaves(args, dict(kwargs))
    count = len(made.plan.outputs)
    if not count:
        raise PlanMismatch(f"{made.__name__} returns nothing that was computed")
    records = station.ops(RUN, (sent(station, made.plan), *leaves), NO_KWARGS, count)
    filled = filled_in_order(made.plan.gives, iter(map(Pointer, records)))
    return group(filled) if type(filled) in (list, tuple) else filled


def sent(station: Station, plan: Plan) -> Pointer:
    """Return a pointer to a plan's text at a worker, sent there now unless it was before.

    Args:
        station: the worker's life.
        plan: it.
    """
    kept = station.plans
    pointer = kept.get(plan.digest)
    if pointer is None or pointer._record.station is not station:
        pointer = kept[plan.digest] = Pointer(station.put(plan.to_json(), (), "", copy=False))
        if len(kept) > MOST_KEPT:
            del kept[next(iter(kept))]
    return pointer
