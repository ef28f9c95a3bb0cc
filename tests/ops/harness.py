"""What tests of op families draw from, and how often: FEDSOCK_EXAMPLES sets the examples of each test."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.ops.oracle import EVERY, NUMBERS, REALS, arrays

few = settings(max_examples=int(os.environ.get("FEDSOCK_EXAMPLES", "6")))

SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 300), st.floats(width=16), st.complex_numbers(max_magnitude=9)
) | arrays(REALS, ()).map(lambda array: array[()])
DTYPES = st.none() | st.sampled_from(NUMBERS)


def operands(dtypes: Any = EVERY) -> st.SearchStrategy[Any]:
    """Array-likes: arrays, scalars, nested lists."""
    return arrays(dtypes) | SCALARS | st.lists(st.integers(-2, 4), max_size=3).map(np.array)


@st.composite
def broadcastable(draw: Any, dtypes: Any = EVERY, count: int = 2) -> list[Any]:
    """Operands whose shapes broadcast, most of the time."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, max_side=3)).input_shapes
    first = draw(st.sampled_from(dtypes))
    chosen = [first] if draw(st.booleans()) else dtypes
    parts = [draw(arrays(chosen, shape)) for shape in shapes]
    if draw(st.integers(0, 4)) == 0:
        parts[draw(st.integers(0, count - 1))] = draw(operands(dtypes))
    return parts
