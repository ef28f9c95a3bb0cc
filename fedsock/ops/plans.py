"""The op that runs a plan; the worker carries it out, for only it knows what a session may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedsock.errors import OpTypeError
from fedsock.ops.registry import Bound, Row, Shapes
from fedsock.ops.schema import signature
from fedsock.ops.templates import Template

RUN = "run"


def _carried_out_elsewhere(*_: Any, **__: Any) -> Any:
    """Refuse: there is no plan without a worker to run it.

    Raises:
        OpTypeError: always.
    """
    raise OpTypeError("a plan is run by bob.run(f, …)")


def _results(args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    """Refuse to guess how many results a plan has: who sends it knows.

    Raises:
        OpTypeError: always.
    """
    raise OpTypeError("a plan is run by bob.run(f, …)")


ROWS: tuple[Row, ...] = (
    Row(
        name=RUN,
        function=_carried_out_elsewhere,
        family="plans",
        parameters=signature("plan:text *inputs:any"),
        bound=lambda *_, **__: Bound((), 8),
        results=_results,
        summary="The results of a plan, its steps run one after the other in one go.",
    ),
)
