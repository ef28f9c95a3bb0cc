"""The table itself: the rows of all families under their names."""

from __future__ import annotations

from fedsock.ops import (
    bits,
    creation,
    elementwise,
    fft,
    indexing,
    linalg,
    plans,
    positions,
    products,
    random,
    reductions,
    releases,
    sets,
    shapes,
    sorting,
    statistics,
    tasks,
)
from fedsock.ops.gradients import GRADIENTS
from fedsock.ops.registry import assemble

TABLE = assemble(
    creation.ROWS,
    elementwise.ROWS,
    reductions.ROWS,
    shapes.ROWS,
    indexing.ROWS,
    sorting.ROWS,
    sets.ROWS,
    statistics.ROWS,
    products.ROWS,
    linalg.ROWS,
    fft.ROWS,
    random.ROWS,
    releases.ROWS,
    tasks.ROWS,
    plans.ROWS,
    bits.ROWS,
    positions.ROWS,
    gradients=GRADIENTS,
)
"""Every op by its name; read-only."""
