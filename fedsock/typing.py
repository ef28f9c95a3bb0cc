"""Type names that several rooms share (floor 0: numpy only)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and of any dtype that fedsock stores."""

Scalar: TypeAlias = bool | int | float | complex | str | None
"""A Python scalar that travels as it is."""

Tree: TypeAlias = Any
"""A Scalar, numpy scalar or Array, or lists, tuples and str-keyed dicts of them; mypy can't say it."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of an array."""

Address: TypeAlias = str
"""A peer's life: ``name@epoch``."""

ObjectId: TypeAlias = int
"""An object's number, unique on its link."""
