"""Shape and dtype of a value at a worker, from what is known here."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedsock.errors import ExportDenied, MetadataNotReady
from fedsock.session.records import Meta, Record

_SCALARS = {kind.__name__: np.dtype(kind) for kind in (bool, int, float, complex)}


def known(record: Record) -> Meta:
    """Return what is known of a value.

    Raises:
        MetadataNotReady: nothing yet.
        ExportDenied: the worker keeps it.
        FedsockError: why there is no value.
    """
    meta = record.meta
    if meta is None:
        if record.failure is not None:
            raise record.failure.with_traceback(None)
        raise MetadataNotReady("shape and dtype are not known yet; write `await p.wait()` first")
    if meta.withheld:
        raise ExportDenied(
            "shape and dtype could tell something private, so they stay with the owner; ops on the value run all the "
            "same, and the owner can publish a data set",
            op=record.op,
            object_id=record.id,
            worker=record.home.name,
        )
    return meta


def known_shape(record: Record) -> tuple[int, ...]:
    """Return a value's shape; raises as ``known``, and AttributeError for what has none."""
    meta = known(record)
    if meta.shape is not None:
        return meta.shape
    if meta.kind in _SCALARS or meta.kind == "str":
        return ()
    raise AttributeError(f"a {meta.kind} has no shape; await the pointer for the value")


def known_dtype(record: Record) -> np.dtype[Any]:
    """Return a value's dtype; raises as ``known``, and AttributeError for what has none."""
    meta = known(record)
    found = meta.dtype if meta.dtype is not None else _SCALARS.get(meta.kind)
    if found is None:
        raise AttributeError(f"a {meta.kind} has no dtype; await the pointer for the value")
    return found
