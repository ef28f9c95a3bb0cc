"""What no release is made of: refused by what is public, before a value is looked at or anything is charged."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError, OpValueError
from fedsock.worker import mechanisms
from fedsock.worker.mechanisms import KINDS, prepare
from fedsock.worker.tallies import GRID

ONE = Decimal(1)

BOUNDS = {"bounds": (0, 1)}
EDGES = {"edges": [0, 1, 2]}
CANDIDATES = {"candidates": [0, 1, 2]}
NEEDED: dict[str, dict[str, Any]] = {
    "sum": BOUNDS,
    "mean": BOUNDS,
    "count": {},
    "histogram": EDGES,
    "quantile": CANDIDATES,
}
"""Kind -> what it needs."""


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("median", {}, "there are sum, mean, count, histogram, quantile"),
        ("sum", {}, "sum needs bounds="),
        ("mean", EDGES, "mean needs bounds="),
        ("mean", BOUNDS | EDGES, "takes no edges="),
        ("count", BOUNDS, "takes no bounds="),
        ("histogram", BOUNDS, "needs edges="),
        ("histogram", EDGES | CANDIDATES, "takes no candidates="),
        ("quantile", EDGES, "needs candidates="),
        ("sum", {"bounds": (1, 1)}, "must ascend"),
        ("sum", {"bounds": (2, 1)}, "must ascend"),
        ("sum", {"bounds": (0, math.nan)}, "finite"),
        ("sum", {"bounds": (0, math.inf)}, "finite"),
        ("sum", {"bounds": (-(10**400), 0)}, "finite"),
        ("sum", {"bounds": (0, Decimal("sNaN"))}, "finite"),
        ("sum", {"bounds": (0, 1e-101)}, "must ascend"),
        ("histogram", {"edges": [0]}, "2 to 16,384 numbers, not 1"),
        ("histogram", {"edges": []}, "2 to 16,384"),
        ("histogram", {"edges": [0, 2, 1]}, "1.0 comes after 2.0"),
        ("histogram", {"edges": [0, 1, 1]}, "must ascend"),
        ("histogram", {"edges": np.arange(70_000.0)}, "not 70,000"),
        ("histogram", {"edges": [0, math.nan]}, "finite"),
        ("quantile", CANDIDATES | {"quantile": 1.01}, "between 0 and 1"),
        ("quantile", CANDIDATES | {"quantile": -0.1}, "between 0 and 1"),
        ("quantile", CANDIDATES | {"quantile": math.nan}, "finite"),
        ("sum", BOUNDS | {"epsilon": Decimal(0)}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("-1")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("NaN")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("sNaN")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("Infinity")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("1e-999999")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("1e999999")}, "between"),
        ("sum", BOUNDS | {"epsilon": Decimal("0." + "1" * 41)}, "40 digits"),
        ("sum", BOUNDS | {"epsilon": Decimal("1e-9")}, "too small for a release of this size"),
        ("sum", BOUNDS | {"d_in": 0}, "d_in=0"),
        ("sum", BOUNDS | {"d_in": 1}, "d_in=1"),
        ("sum", BOUNDS | {"d_in": -2}, "d_in=-2"),
        ("sum", BOUNDS | {"d_in": 2**22}, "d_in=4194304"),
    ],
)
def test_impossible_arguments_are_refused(kind: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(OpValueError, match=said):
        prepare(kind, (10,), np.dtype(float), **({"epsilon": ONE, "zcdp": False} | more))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("sum", {"bounds": 3}),
        ("sum", {"bounds": (1, 2, 3)}),
        ("sum", {"bounds": ("0", "1")}),
        ("sum", {"bounds": (False, True)}),
        ("sum", {"bounds": (0, 1j)}),
        ("histogram", {"edges": 3}),
        ("histogram", {"edges": "012"}),
        ("histogram", {"edges": [0, "1"]}),
        ("histogram", {"edges": np.ones((2, 2))}),
        ("histogram", {"edges": np.array(3.0)}),
        ("quantile", CANDIDATES | {"quantile": "0.5"}),
        ("sum", BOUNDS | {"epsilon": 0.1}),
        ("sum", BOUNDS | {"epsilon": 1}),
        ("sum", BOUNDS | {"d_in": 2.0}),
        ("sum", BOUNDS | {"d_in": True}),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(kind: str, more: dict[str, Any]) -> None:
    with pytest.raises(OpTypeError):
        prepare(kind, (10,), np.dtype(float), **({"epsilon": ONE, "zcdp": False} | more))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_can_not_be_released_are_refused_by_shape_and_dtype(kind: str) -> None:
    options: dict[str, Any] = {"epsilon": ONE, "zcdp": False} | NEEDED[kind]
    for dtype in ("complex128", "U3", "M8[s]", "m8[s]", "longdouble"):
        with pytest.raises(OpTypeError, match="only bool, integers and floats"):
            prepare(kind, (10,), np.dtype(dtype), **options)
    for shape in ((), (0,), (0, 3), (3, 0)):
        with pytest.raises(OpValueError, match="it needs rows"):
            prepare(kind, shape, np.dtype(float), **options)
    with pytest.raises(OpValueError, match="rows; at most"):
        prepare(kind, (2**31 + 1,), np.dtype(float), **options)
    with pytest.raises(OpValueError, match="columns; at most"):
        prepare(kind, (10, 130, 130), np.dtype(float), **options)
    if kind in ("histogram", "quantile"):
        with pytest.raises(OpValueError, match="select a column"):
            prepare(kind, (10, 2), np.dtype(float), **options)


def test_the_largest_configurations_stay_within_int64() -> None:
    """The most rows, and the most noise: neither the sum nor 64 scales of noise beyond it reach the end."""
    assert mechanisms.MOST_ROWS * GRID + 64 * mechanisms.MOST_SCALE < 2**63
    options: dict[str, Any] = {"bounds": (0, 1), "zcdp": False}
    least = Decimal(GRID) / Decimal(mechanisms.MOST_SCALE)
    assert prepare("sum", (2**31,), np.dtype(float), epsilon=least * 2, **options).loss <= least * 2
    with pytest.raises(OpValueError, match="too small"):
        prepare("sum", (2**31,), np.dtype(float), epsilon=least / 2, **options)
