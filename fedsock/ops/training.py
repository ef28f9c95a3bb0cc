"""The op that trains parameters by a loss; the worker carries it out, for only it knows what a session may take."""

from __future__ import annotations

from typing import Any

from fedsock.errors import OpTypeError
from fedsock.ops.registry import Bound, Row
from fedsock.ops.schema import signature

TRAIN = "train"


def _carried_out_elsewhere(*_: Any, **__: Any) -> Any:
    """Refuse: there is no training without a worker.

    Raises:
        OpTypeError: always.
    """
    raise OpTypeError("a worker trains: bob.train(loss, params, data, …)")


ROWS: tuple[Row, ...] = (
    Row(
        name=TRAIN,
        function=_carried_out_elsewhere,
        family="plans",
        parameters=signature("loss:text params:any data:any settings:any state:any=None /"),
        bound=lambda *_, **__: Bound((), 8),
        results=2,
        streams=True,
        summary="Parameters trained on rows by a loss, a plan; and the optimizer's state, for the next training.",
    ),
)
