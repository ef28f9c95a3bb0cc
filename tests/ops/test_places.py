"""Arguments by name reach a bound in their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.ops.places import placed
from fedsock.ops.schema import signature

PARAMETERS = signature("x:array axis:axis=None * keepdims:bool=False")


@pytest.mark.parametrize(
    ("args", "options"),
    [((1, 2), {}), ((1,), {"axis": 2}), ((), {"axis": 2, "x": 1}), ((1,), {"keepdims": True}), ((), {"axis": 2})],
)
def test_arguments_find_their_places(args: Any, options: Any) -> None:
    def function(*args: Any, **options: Any) -> Any:
        return args, options

    found, rest = placed(PARAMETERS, function)(*args, **options)
    everything = dict(zip(["x", "axis"], args, strict=False)) | options
    assert dict(zip(["x", "axis"], found, strict=False)) | rest == everything
    assert ("axis" in rest) == ("x" not in everything and "axis" in everything)


FAMILIES = {"linalg", "products", "fft", "statistics", "sorting", "sets"}


@pytest.mark.parametrize("row", [row for row in TABLE.values() if row.family in FAMILIES], ids=lambda row: row.name)
def test_bounds_and_costs_take_arguments_by_name(row: Any) -> None:
    values = {"an array": np.eye(3), "a sequence of arrays": [np.eye(3)] * 2, "an integer": 2, "a text": "ij"}
    due = [parameter for parameter in row.parameters if parameter.default is None]
    args = [values[p.kind.name] for p in due if p.mode == "positional"]
    named = {p.name: values.get(p.kind.name, 2) for p in due if p.mode == "both"}
    places = [*args, *named.values()]
    assert row.bound(*args, **named) == row.bound(*places)
    if row.cost is not None:
        assert row.cost(*args, **named) == row.cost(*places)
