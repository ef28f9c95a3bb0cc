"""The op table: every operation a worker runs, by exact name (floor 3).

A row of ``TABLE`` holds an op's name, function, arguments, bounds and kind of results; families of rows are
modules of this package, each with a tuple ``ROWS``. Pointers turn numpy's functions into names with
``call_function`` and its kin, the worker runs the functions, plans record the names, ``python -m
fedsock.ops`` prints the table. Nothing is reached by getattr with a name that came from elsewhere.

Imports ``fedsock.errors``, ``fedsock.policy.facts`` and numpy only: the table knows no pointer, store or rule, but
``passing`` says of each op what it makes of the rows of private values.
"""

from __future__ import annotations

from fedsock.ops.methods import (
    METHODS,
    NAMES,
    OPERATORS,
    Call,
    Method,
    call_function,
    call_method,
    call_ufunc,
    dtype_argument,
)
from fedsock.ops.passing import passed
from fedsock.ops.refusals import LOCAL, REFUSED_FUNCTIONS, REFUSED_METHODS
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
from fedsock.ops.table import TABLE

__all__ = [
    "LOCAL",
    "METHODS",
    "NAMES",
    "OPERATORS",
    "REFUSED_FUNCTIONS",
    "REFUSED_METHODS",
    "TABLE",
    "Bound",
    "Call",
    "Method",
    "Row",
    "assemble",
    "call_function",
    "call_method",
    "call_ufunc",
    "check",
    "depends_on_values",
    "dtype_argument",
    "fill",
    "flatten",
    "leaves",
    "numpy_names",
    "passed",
    "seconds",
    "template_of",
]
