"""Made-up values of a shape and a dtype: plausible, the same each time, and drawn from nothing that is private."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.policy.terms import Cells
from fedsock.typing import Array

DIGITS = (0, 9)
"""The range of whole numbers of which the owner lists nothing."""

DATES = ("2000-01-01", "2020-01-01")
"""The range of dates, but for steps so fine that 64 bits don't reach there."""

FINE_STEPS = 10**12
"""Of dates in such steps: so many from 1970 on."""

_FINE = frozenset({"ps", "fs", "as"})
_LETTERS = (ord("a"), ord("z"))

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape, Any, Cells | None], Any]


def made_up(name: str, shape: Shape, dtype: np.dtype[Any], cells: Cells | None = None) -> Array:
    """Return made-up values, read-only.

    Whole numbers are 0 to 9, decimals and the parts of complex numbers standard normal, texts letters as wide as the
    dtype, dates within ``DATES``. Numbers of which the owner lists categories or edges are evenly spread over these.

    Args:
        name: of the data set; the same name gives the same values.
        shape: sizes.
        dtype: one that a worker can hold, in native byte order.
        cells: what the owner lists.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest())
    rng = np.random.Generator(np.random.PCG64(seed))
    array = np.asarray(_DRAWS[dtype.kind](rng, shape, dtype, cells))
    array.flags.writeable = False
    return array


def _truths(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    return rng.integers(0, 2, shape, dtype=dtype)


def _integers(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    info = np.iinfo(dtype)
    low, high = (0, cells - 1) if type(cells) is int else DIGITS
    if isinstance(cells, tuple):
        low, high = math.ceil(cells[0]), math.floor(cells[-1])
    low, high = max(low, int(info.min)), min(high, int(info.max))
    if low > high:  # no whole number of this dtype lies between the edges
        low, high = DIGITS
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def _decimals(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    if type(cells) is int:
        return rng.integers(0, cells, shape).astype(dtype)
    if isinstance(cells, tuple):
        most = float(np.finfo(dtype).max)
        low, high = (min(max(edge, -most), most) for edge in (cells[0], cells[-1]))
        return rng.uniform(low, high, shape).astype(dtype)
    drawn = dtype if dtype.itemsize >= np.dtype(np.float32).itemsize else np.float32
    return np.asarray(rng.standard_normal(shape, dtype=drawn)).astype(dtype, copy=False)


def _complex(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    made = np.empty(shape, dtype)
    made.real = rng.standard_normal(shape)
    made.imag = rng.standard_normal(shape)
    return made


def _texts(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    width = dtype.itemsize // np.dtype(np.uint32).itemsize
    if not width:
        return np.ndarray(shape, dtype)  # np.zeros would widen it
    letters = rng.integers(*_LETTERS, (*shape, width), dtype=np.uint32, endpoint=True)
    return letters.view(dtype).reshape(shape)


def _dates(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    unit, _ = np.datetime_data(dtype)
    if unit == "generic":  # which has no other value than that there is none
        return np.full(shape, "NaT", dtype)
    low, high = 0, FINE_STEPS
    if unit not in _FINE:
        low, high = np.array(DATES, "datetime64[s]").astype(dtype).astype(np.int64).tolist()
    return np.asarray(rng.integers(low, high, shape, endpoint=True)).view(dtype)


def _spans(rng: np.random.Generator, shape: Shape, dtype: Any, cells: Cells | None) -> Any:
    return np.asarray(rng.integers(*DIGITS, shape, endpoint=True)).view(dtype)


_DRAWS: dict[str, Draw] = {
    "b": _truths, "i": _integers, "u": _integers, "f": _decimals, "c": _complex, "U": _texts, "M": _dates, "m": _spans,
}  # fmt: skip
