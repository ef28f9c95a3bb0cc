"""``bob.train(…)``: the op, and the pointer to what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedsock.errors import PlanMismatch
from fedsock.expression import NO_KWARGS
from fedsock.ops.training import TRAIN
from fedsock.plan.program import Program
from fedsock.plan.settings import Training
from fedsock.plan.steps import Plan
from fedsock.plan.trees import flatten
from fedsock.session.plans import sent
from fedsock.session.pointer import Pointer
from fedsock.session.records import Record

if TYPE_CHECKING:
    from fedsock.session.handle import WorkerHandle
    from fedsock.session.station import Station


class TrainingPointer(Pointer):
    """What a training gives: {"params": …, "n": rows, "metrics": {"loss": …}}; ``async for`` gives metrics as it runs.

    Attributes:
        state: a pointer to the optimizer's state behind the last step; it stays at the worker, for ``state=`` of the
            next training of parameters like these.
    """

    __slots__ = ("state",)

    def __init__(self, record: Record, state: Pointer) -> None:
        super().__init__(record)
        self.state = state


def start_training(
    station: Station, loss: Program | Plan, params: Any, data: Any, state: Pointer | None, given: Mapping[str, Any]
) -> TrainingPointer:
    """Have parameters trained at a worker; returns at once.

    Args:
        station: the worker's life.
        loss: a plan ``loss(params, *data)`` that gives the mean over the rows of its data; or the program of one.
        params: a tree of arrays or of pointers, or a pointer to one.
        data: arrays or pointers with the same number of rows; a tuple or list holds one for each of the loss's others.
        state: of the optimizer, from a training before.
        given: settings by name, fields of ``Training``.

    Raises:
        PlanMismatch: they are not what the loss takes.
        NotTraceable, MetadataNotReady: the loss can't be recorded, or not yet.
        OpTypeError, OpValueError: a setting that can't be.
        PointersApart: a pointer is to a value at another worker.
    """
    program = Program(None, loss) if isinstance(loss, Plan) else loss
    if not isinstance(program, Program):
        raise PlanMismatch("a loss is a plan: decorate the function with @fedsock.plan")
    settings = Training.from_dict(dict(given))
    others = tuple(data) if isinstance(data, (list, tuple)) else (data,)
    if not _is_tree_there(params):
        program.leaves((params, *others), {})
    args: tuple[Any, ...] = (
        sent(station, program.plan),
        flatten(params)[0],
        flatten(list(others))[0],
        dict(settings.to_dict()),
    )
    first, second = station.ops(TRAIN, args if state is None else (*args, state), NO_KWARGS, 2)
    return TrainingPointer(first, Pointer(second))


def is_held(state: Pointer, worker: WorkerHandle) -> bool:
    """Return whether a worker's present life still holds what a pointer of an earlier training refers to.

    Args:
        state: ``p.state`` of that training.
        worker: where it was.
    """
    return state._record.station is worker.station


def _is_tree_there(params: Any) -> bool:
    """Whether parameters are one pointer, to a tree as far as is known here: what it holds is known at the worker."""
    if not isinstance(params, Pointer):
        return False
    meta = params._record.meta
    return meta is None or meta.kind not in ("array", "scalar")
