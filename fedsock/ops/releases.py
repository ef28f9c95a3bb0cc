"""The op that makes a noisy, open result of private rows; the worker carries it out, for only it has a ledger."""

from __future__ import annotations

from typing import Any

from fedsock.errors import OpTypeError
from fedsock.ops.bounds import shape_of, size_of
from fedsock.ops.registry import Bound, Row
from fedsock.ops.schema import signature

RELEASE = "dp_release"


def _not_private(*_: Any, **__: Any) -> Any:
    """Refuse: noise is for private rows.

    Raises:
        OpTypeError: always.
    """
    raise OpTypeError("what isn't private needs no noise: fetch it with await p")


def _bound(x: Any, kind: str, axis: int = 0, *, edges: Any = None, **_: Any) -> Bound:
    shape = shape_of(x)
    rows = shape[axis] if -len(shape) <= axis < len(shape) else 1
    return Bound((max(size_of(x) // max(rows, 1), size_of(edges), 1),), 8)


ROWS: tuple[Row, ...] = (
    Row(
        name=RELEASE,
        function=_not_private,
        family="releases",
        parameters=signature(
            "x:array kind:text axis:int=0 * epsilon:text bounds:none|deciding=None edges:none|deciding=None "
            "candidates:none|deciding=None quantile:real=0.5"
        ),
        bound=_bound,
        summary="A sum, mean, count, histogram or quantile of private rows with noise, paid for by epsilon.",
    ),
)
