"""An op's arguments as JSON: references for pointers, uploads of their own for large local arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.errors import UnsupportedValue
from fedsock.protocol import arrays, values
from fedsock.session.records import Holder, Record

_DTYPES = frozenset({bool, int, float, complex, str})

Referred = Callable[[Record], Any]
Uploaded = Callable[[np.ndarray[Any, Any]], Record]


def encode(value: Any, refer: Referred, upload: Uploaded, kept: list[Record]) -> str:
    """Return the JSON of one argument.

    Args:
        value: a tree of what travels, pointers among it.
        refer: record -> values.Reference; raises when it can't be used here.
        upload: sends an array that is too large to go inline.
        kept: takes the records of uploads, which the caller keeps until the op is queued.

    Raises:
        UnsupportedValue: a value that can't travel.
    """
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value.__class__ is int and values.INT64_MIN <= value <= values.INT64_MAX:
        return repr(value)
    return values.dumps(values.to_json(_portable(value, refer, upload, kept, 0))).decode()


def _portable(value: Any, refer: Referred, upload: Uploaded, kept: list[Record], depth: int) -> Any:
    """Return a value with pointers and large arrays replaced by references, types by dtypes."""
    kind = value.__class__
    if isinstance(value, Holder):
        return refer(value._record)
    if isinstance(value, np.ndarray):
        if value.nbytes <= arrays.INLINE_BYTES:
            return np.asarray(value)
        record = upload(np.asarray(value))
        kept.append(record)
        return refer(record)
    if depth > values.MAX_DEPTH:
        return values.to_json(value, None, depth)  # raises: nested too deep
    if kind is list:
        return [_portable(part, refer, upload, kept, depth + 1) for part in value]
    if isinstance(value, tuple):
        return tuple(_portable(part, refer, upload, kept, depth + 1) for part in value)
    if kind is dict:
        return {key: _portable(part, refer, upload, kept, depth + 1) for key, part in value.items()}
    if kind is slice:
        ends = (value.start, value.stop, value.step)
        return slice(*(_portable(end, refer, upload, kept, depth + 1) for end in ends))
    if kind is range:
        return list(value)
    if isinstance(value, type):
        if value in _DTYPES or issubclass(value, np.generic):
            return np.dtype(value)
        raise UnsupportedValue(f"the type {value.__qualname__} is no dtype; write a numpy dtype such as np.float64")
    return value


def described(value: Any) -> tuple[str, tuple[int, ...] | None, np.dtype[Any] | None]:
    """Return kind, shape and dtype of a local value, as a worker will tell them."""
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.dtype.newbyteorder("=")
    if isinstance(value, np.generic):
        return "scalar", (), value.dtype
    return type(value).__name__, None, None
