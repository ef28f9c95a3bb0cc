"""The op table: every operation a worker runs, by exact name (floor 3).

A row of ``TABLE`` holds an op's name, function, arguments, bounds and kind of results; families of rows are modules of
this package, each with a tuple ``ROWS``. Pointers turn numpy's functions into names with ``NAMES`` and ``METHODS``,
the worker runs the functions, plans record the names, ``python -m fedsock.ops`` prints the table. Nothing is reached
by getattr with a name that came from elsewhere.

Imports ``fedsock.errors`` and numpy only: the table knows no pointer, store or policy.
"""

from __future__ import annotations

from fedsock.ops import (
    creation,
    elementwise,
    fft,
    indexing,
    linalg,
    products,
    random,
    reductions,
    sets,
    shapes,
    sorting,
    statistics,
)
from fedsock.ops.registry import (
    Bound,
    Row,
    assemble,
    check,
    depends_on_values,
    fill,
    flatten,
    leaves,
    numpy_names,
    seconds,
    template_of,
)

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
)
"""Every op by its name; read-only."""

NAMES = numpy_names(TABLE)
"""numpy's function objects -> op names; read-only."""

__all__ = [
    "NAMES",
    "TABLE",
    "Bound",
    "Row",
    "assemble",
    "check",
    "depends_on_values",
    "fill",
    "flatten",
    "leaves",
    "numpy_names",
    "seconds",
    "template_of",
]
