"""What an op makes of an array whose rows are apart: worked out here, from shapes and dtypes alone.

The op table's own rules say whether an op keeps rows apart (``fedsock.ops.passing``); the same rules decide at a worker
what may leave. So what is a federated array here is rowwise there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError, OpValueError, UnknownOp
from fedsock.federated.rowmaps import ROW_MAPS
from fedsock.ops import TABLE, Row, check, flatten, passed
from fedsock.ops.inputs import Inputs
from fedsock.policy.facts import Group, Rowwise
from fedsock.session.trees import replaced
from fedsock.typing import Array

GROUP = Group("rows", 1_000_003)
"""Stands for all rows; so many that no open array beside them has as many by chance."""

FEW = 2
"""Rows of the arrays on which an op is tried out."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of an array whose rows are apart, but for how many they are.

    Attributes:
        shape: with any number at the rows' axis.
        axis: of the rows.
        dtype: of its elements.
    """

    shape: tuple[int, ...]
    axis: int
    dtype: np.dtype[Any]

    def sized(self, rows: int) -> tuple[int, ...]:
        """Return its shape with so many rows."""
        return (*self.shape[: self.axis], rows, *self.shape[self.axis + 1 :])


def row_of(name: str) -> Row:
    """Return an op's row; raises UnknownOp."""
    row = TABLE.get(name)
    if row is None:
        raise UnknownOp(f"{name} is no op; `python -m fedsock.ops` lists them", op=name)
    return row


def kept_apart(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], kind_of: Callable[[Any], Kind | None]
) -> int | None:
    """Return the axis of the rows in an op's results; None where it doesn't keep them apart.

    Args:
        name: the op's.
        args: its arguments, federated arrays among them.
        kwargs: the same by name.
        kind_of: argument -> its kind; None for what isn't federated.
    """
    forms: dict[int, Rowwise] = {}
    held: list[Array] = []  # their identities are told apart only while they live

    def stand_in(value: Any) -> Any:
        kind = kind_of(value)
        if kind is None:
            return value
        array = np.broadcast_to(np.zeros((), kind.dtype), kind.sized(GROUP.rows))
        forms[id(array)] = Rowwise(GROUP, kind.axis)
        held.append(array)
        return array

    checked, named = check(row_of(name), *_replaced(args, kwargs, stand_in))
    form = passed(name, forms, checked, named)
    own = ROW_MAPS.get(name)
    if own is not None:
        inputs = Inputs(forms)
        try:
            form = own(inputs, *checked, **named)
        except (TypeError, ValueError, IndexError):  # the op itself will refuse such arguments
            form = None
        form = form if inputs.all_asked else None
    return form.axis if isinstance(form, Rowwise) and not form.weighted else None


def tried(
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    kind_of: Callable[[Any], Kind | None],
) -> list[Any]:
    """Return an op's results on a few rows of ones, for their shapes and dtypes.

    Args:
        name: the op's.
        args: its arguments, federated arrays among them.
        kwargs: the same by name.
        kind_of: argument -> its kind; None for what isn't federated.

    Raises:
        OpTypeError, OpValueError: the op fails on such arrays, and so it would at a worker.
    """

    def stand_in(value: Any) -> Any:
        kind = kind_of(value)
        return value if kind is None else np.ones(kind.sized(FEW), kind.dtype)

    row = row_of(name)
    checked, named = check(row, *_replaced(args, kwargs, stand_in))
    if row.in_place:
        named = {**named, "overwrite": False}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return flatten(row, row.function(*checked, **named))
    except (TypeError, ValueError, IndexError) as error:
        cls = OpTypeError if isinstance(error, TypeError) else OpValueError
        raise cls(
            f"{name} on {FEW} rows, beside which stands what is the same for every row: {error}", op=name
        ) from None


def _replaced(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], function: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return replaced(args, function), replaced(dict(kwargs), function)
