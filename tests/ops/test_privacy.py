"""What a row that declares value independence tells: the same, whatever the values (how long it takes is not hidden).

Each op is called several times with arguments that differ in the values of private arrays only. Success, the class of
a failure, kinds, dtypes and shapes of results, the predicted size and cost must be the same each time, and numpy must
not warn (pytest makes errors of warnings).
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpFailed
from fedsock.ops import TABLE, Row, check, depends_on_values, flatten, seconds
from fedsock.ops.quiet import quiet
from fedsock.ops.registry import Bound
from fedsock.ops.schema import signature
from fedsock.worker.failures import op_error_class
from tests.ops.calls import Call, Drawer

CALLS = 8 * int(os.environ.get("FEDSOCK_EXAMPLES", "6"))
"""Calls of each op, at least."""

PATIENCE = 60 * CALLS
"""Calls after which one that succeeds with private values must have been among them."""

FILLS = 5

INDEPENDENT = [row for row in TABLE.values() if not row.value_dependent or row.unless]
NO_DATA = {row.name for row in INDEPENDENT if not any(p.kind.data for p in row.parameters)}
"""Makers of ranges, grids, random numbers: none takes an array."""

NEVER = {"isnat", "ldexp.accumulate", "ldexp.reduceat"}
"""What takes dates only, or numbers and integers in one array."""


def told(value: Any) -> Any:
    """What is told of a result."""
    if isinstance(value, (list, tuple)):
        return type(value), [told(part) for part in value]
    return type(value), getattr(value, "dtype", None), getattr(value, "shape", None)


def outcome(row: Row, args: list[Any], kwargs: dict[str, Any], private: list[int | str]) -> Any:
    """What a session and the worker's accounts see of an op."""
    try:
        checked, named = check(row, args, kwargs)
    except OpFailed as error:
        return type(error), str(error)
    if depends_on_values(row, checked, named, private):
        return "withheld"
    bound = row.bound(*checked, **named)
    predicted = bound, round(seconds(row, bound, checked, named), 12)
    try:
        with np.errstate(all="ignore"):
            values = flatten(row, row.function(*checked, **named))
    except Exception as error:
        return predicted, op_error_class(error)
    used = sum(value.nbytes for value in values if isinstance(value, (np.ndarray, np.generic)))
    assert used <= bound.nbytes, (row.name, args, kwargs, values, bound)
    return predicted, [told(value) for value in values]


def succeeded(told: Any) -> bool:
    return told != "withheld" and isinstance(told[1], list)


def compare(row: Row, drawer: Drawer, call: Call) -> Any:
    """Return the one outcome of all fills of a call; fails when there are several."""
    first = call.fill(drawer.rng)
    expected = outcome(row, *first, call.private)
    for _ in range(FILLS - 1):
        other = call.fill(drawer.rng)
        found = outcome(row, *other, call.private)
        assert found == expected, f"{row.name} tells {found} of {other}, but {expected} of {first}"
    return expected


def hunt(row: Row, calls: int = CALLS) -> bool:
    """Compare outcomes of an op's calls; return whether a call with private values succeeded."""
    success = False
    for number in range(PATIENCE):
        if number >= calls and (success or row.name in NEVER):
            break
        drawer = Drawer(row, [number, zlib.crc32(row.name.encode())])
        call = drawer.call()
        if call.private:
            success = succeeded(compare(row, drawer, call)) or success
    return success


@pytest.mark.parametrize("row", [row for row in INDEPENDENT if row.name not in NO_DATA], ids=lambda row: row.name)
def test_values_do_not_show(row: Row) -> None:
    assert hunt(row) is (row.name not in NEVER)


def test_rows_without_data_withhold_whatever_private_they_get() -> None:
    assert {"zeros", "eye", "random.default_rng", "bartlett"} <= NO_DATA
    for name in NO_DATA - {"random.Generator.spawn"}:
        row = TABLE[name]
        if row.parameters[0].kind.name != "a random.Generator":
            assert depends_on_values(row, [np.int64(3)], {}, [0]), name


# The checker itself, on rows that declare what isn't so.


ROOM = Bound((10**6,), 8)


def liar(name: str, function: Any, text: str, bound: Any = lambda *_, **__: ROOM) -> Row:
    return Row(
        name=name, function=function, family="tests", parameters=signature(text), bound=bound, value_dependent=False
    )


LIARS = [
    liar("unique", np.unique, "x:array"),
    liar("power", np.power, "x1:array x2:array"),
    liar("sum", np.sum, "a:array axis:axes=None * initial:array=0"),
    liar("pad", np.pad, "array:array pad_width:int=1 mode:constant=constant * constant_values:array=0"),
    liar("take", np.take, "a:array indices:array"),
    liar("cholesky", np.linalg.cholesky, "a:array"),
    liar("average", quiet(np.average), "a:array axis:axis=None weights:array=0"),
    liar("digitize", np.digitize, "x:array bins:array"),
    liar("texts", lambda x: x.astype("U"), "x:array"),
    liar("sizes", np.positive, "x:array", lambda x: Bound((99 + bool(np.any(x)),), 1000)),
]


@pytest.mark.parametrize("row", LIARS, ids=lambda row: row.name)
def test_the_checker_finds_a_row_that_tells(row: Row) -> None:
    with pytest.raises(AssertionError, match=f"{row.name} tells"):
        hunt(row, PATIENCE)


@pytest.mark.parametrize("name", ["percentile", "quantile", "nanpercentile", "nanquantile"])
@pytest.mark.parametrize(
    ("dtype", "q", "more"),
    [
        ("f4", np.array(1, "u1"), {}),
        ("f2", 0.5, {}),
        ("f4", np.float64(0.5), {}),
        ("f8", 0.5 + 0j, {}),
        ("f8", [0.5j], {}),
        ("f8", 0.5, {"method": "inverted_cdf", "weights": np.array([0.0, 1.0, 0.0])}),
    ],
)
def test_quantiles_that_show_a_nan_are_withheld(name: str, dtype: str, q: Any, more: dict[str, Any]) -> None:
    """By their dtype, by being a scalar, or by failing."""
    row = TABLE[name]
    args, kwargs = check(row, [np.ones(3, dtype), q], more)
    assert depends_on_values(row, args, kwargs, [0])
