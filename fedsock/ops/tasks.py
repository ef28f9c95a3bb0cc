"""The op that runs a function of the worker's owner; the worker carries it out, for only it has any."""

from __future__ import annotations

from typing import Any

from fedsock.errors import UnknownOp
from fedsock.ops.registry import Bound, Row
from fedsock.ops.schema import signature

TASK = "task"


def _no_task(*_: Any, **__: Any) -> Any:
    """Refuse: there is no owner here.

    Raises:
        UnknownOp: always.
    """
    raise UnknownOp("tasks are a worker's: bob.task(name, …)")


def _bound(*_: Any, **__: Any) -> Bound:
    return Bound((), 8)


ROWS: tuple[Row, ...] = (
    Row(
        name=TASK,
        function=_no_task,
        family="tasks",
        parameters=signature("name:text"),
        bound=_bound,
        streams=True,
        summary="A function that the worker's owner registered; it takes any arguments, and its result is private.",
    ),
)
