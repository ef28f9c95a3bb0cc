"""What a pointer refuses or answers itself: numpy names that are no op, and what to write instead."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

LOCAL: frozenset[Any] = frozenset(
    {
        np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.isscalar,
        np.finfo, np.iinfo, np.isdtype, np.broadcast_shapes, np.promote_types, np.min_scalar_type,
        np.common_type,
    }
)  # fmt: skip
"""numpy functions that shapes and dtypes answer, at the session, without an op."""

_FETCH = "the value is not here: (await p).{0}"

REFUSED_METHODS = MappingProxyType(
    {
        "sort": "a stored value never changes: write p = np.sort(p)",
        "partition": "a stored value never changes: write p = np.partition(p, kth)",
        "fill": "a stored value never changes: write p = np.full_like(p, value)",
        "put": "a stored value never changes: write p[indices] = values",
        "resize": "a stored value never changes: write p = np.resize(p, shape)",
        "setfield": "a stored value never changes: write p[index] = value",
        "setflags": "a stored value is always read-only; fetch it with await p for an array of your own",
        "byteswap": "values keep the machine's byte order; fetch it with await p and swap there",
        "getfield": "values have no fields",
        "view": "a value has no views: write p.astype(dtype), or fetch it with await p",
        "tolist": _FETCH.format("tolist()"),
        "item": _FETCH.format("item()"),
        "tobytes": _FETCH.format("tobytes()"),
        "tofile": "a worker writes no files: (await p).tofile(...)",
        "dump": "a worker writes no files, and nothing is pickled: np.save(file, await p)",
        "dumps": "nothing is pickled; fetch the value with await p",
        "flat": "write p.ravel(), or fetch the value with await p",
        "ctypes": "the value's memory is at its worker; fetch it with await p",
        "data": "the value's memory is at its worker; fetch it with await p",
        "base": "a stored value has memory of its own",
        "strides": "how a value lies in memory is its worker's affair",
        "flags": "how a value lies in memory is its worker's affair",
    }
)
"""ndarray methods and attributes that a pointer has not -> what to write instead."""

_IN_PLACE = "it writes into its argument, and a stored value never changes: write p[index] = value"
_CALLBACK = "it calls a function of yours, which a worker doesn't run; write it with operators and numpy's functions"
_FILE = "a worker reads and writes no files; fetch the value with await p first"
_MEMORY = "stored values have memory of their own"
_PRINTED = "what it writes is for people to read: fetch the value with await p first"
_CALENDAR = "calendars are not at the worker: fetch the dates with await p first"
_COEFFICIENTS = "coefficients are few: fetch them with await p; np.polyval takes pointers"

REFUSED_FUNCTIONS = MappingProxyType(
    dict.fromkeys((np.copyto, np.put, np.putmask, np.place, np.put_along_axis, np.fill_diagonal), _IN_PLACE)
    | dict.fromkeys((np.apply_along_axis, np.apply_over_axes, np.piecewise, np.fromfunction), _CALLBACK)
    | dict.fromkeys((np.save, np.savez, np.savez_compressed, np.savetxt, np.load, np.loadtxt), _FILE)
    | dict.fromkeys((np.shares_memory, np.may_share_memory), _MEMORY)
    | dict.fromkeys((np.array2string, np.array_repr, np.array_str, np.datetime_as_string), _PRINTED)
    | dict.fromkeys((np.busday_count, np.busday_offset, np.is_busday), _CALENDAR)
    | dict.fromkeys((np.poly, np.polyadd, np.polyder, np.polydiv, np.polyint, np.polymul, np.polysub), _COEFFICIENTS)
    | {
        np.roots: "they are the eigenvalues of the companion matrix: write np.linalg.eigvals(matrix)",
        np.polyfit: "write np.linalg.lstsq(np.vander(p, degree + 1), q)[0]",
        np.einsum_path: "write np.einsum(..., optimize=True), which finds it at the worker",
    }
)
"""numpy functions that are no op -> why, and what to write instead."""
