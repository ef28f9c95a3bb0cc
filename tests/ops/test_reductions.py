"""reductions: numpy's own over every axis, mask and dtype; silent where numpy warns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops.reductions import ROWS
from fedsock.ops.registry import depends_on_values
from tests.ops.harness import DTYPES, SCALARS, broadcastable, few, operands
from tests.ops.oracle import DATES, EVERY, NUMBERS, REALS, agree, arrays

TABLE = {row.name: row for row in ROWS}
TOTALS = ["cumsum", "cumprod", "nancumsum", "nancumprod"]
STANDARD = ["cumulative_sum", "cumulative_prod"]
OTHERS = ["diff", "ediff1d", "trapezoid", "average"]
REDUCTIONS = [name for name in TABLE if name not in TOTALS + STANDARD + OTHERS]
AXES = st.none() | st.integers(-3, 3)


@st.composite
def options_of(draw: Any, name: str, array: Any) -> dict[str, Any]:
    """Some of the options an op takes."""
    named = TABLE[name].named
    axes = AXES | st.sampled_from([(0, 1), (0, -1), (), (0, 0)]) if "tuple" in named["axis"].kind.name else AXES
    drawn = {
        "axis": axes,
        "keepdims": st.booleans(),
        "dtype": DTYPES,
        "initial": SCALARS,
        "where": arrays([np.dtype(bool)], np.shape(array)) | st.booleans(),
        "ddof": st.integers(0, 3) | st.floats(0, 2),
        "correction": st.integers(0, 2),
    }
    chosen = {key: strategy for key, strategy in drawn.items() if key in named}
    found: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=chosen))
    if "dtype" in found:
        # Which of two complaints comes first, of the dtype or of the number, is nobody's promise.
        found.pop("initial", None)
    return found


@pytest.mark.parametrize("name", REDUCTIONS)
@few
@given(data=st.data())
def test_reductions(name: str, data: Any) -> None:
    array = data.draw(operands(EVERY))
    agree(TABLE[name], array)
    agree(TABLE[name], array, **data.draw(options_of(name, array)))


@pytest.mark.parametrize("name", ["mean", "var", "std", "nanmean", "nanvar", "nanmin", "nanmax", "nanargmin"])
@pytest.mark.parametrize("array", [np.zeros(0), np.full((2, 3), np.nan), np.ones(1), np.zeros((3, 0))])
def test_nothing_is_warned_of(name: str, array: Any) -> None:
    agree(TABLE[name], array)
    agree(TABLE[name], array, axis=0)
    if "ddof" in TABLE[name].named:
        agree(TABLE[name], array, ddof=2)


def test_variance_around_a_given_mean() -> None:
    x = np.arange(6.0).reshape(2, 3)
    agree(TABLE["var"], x, axis=1, mean=x.mean(axis=1, keepdims=True))
    agree(TABLE["std"], x.astype(complex), None, np.dtype("c8"))


@pytest.mark.parametrize("name", ["var", "nanstd"])
@pytest.mark.parametrize(("shape", "mean"), [((1, 1), (3, 3, 3)), ((3,), (3, 3)), ((), (0,)), ((2, 3), (2, 1))])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_mean_that_spreads(name: str, shape: Any, mean: Any, axis: Any) -> None:
    agree(TABLE[name], np.ones(shape), axis, mean=np.zeros(mean))
    agree(TABLE[name], np.ones(shape), axis, mean=np.zeros(mean), keepdims=True)


def test_what_may_fail_for_its_values_says_so() -> None:
    x = np.ones(3, "i1")
    assert not depends_on_values(TABLE["sum"], [x], {"initial": 0}, [0])
    assert depends_on_values(TABLE["sum"], [x], {"initial": np.float64(1)}, ["initial"]), "NaN is no integer"
    assert not depends_on_values(TABLE["average"], [x], {}, [0])
    assert depends_on_values(TABLE["average"], [x, None, x], {}, [2])


@pytest.mark.parametrize("name", TOTALS)
@few
@given(array=operands(EVERY), axis=AXES, dtype=DTYPES)
def test_totals(name: str, array: Any, axis: Any, dtype: Any) -> None:
    agree(TABLE[name], array, axis, dtype)


@pytest.mark.parametrize("name", STANDARD)
@few
@given(array=operands(NUMBERS), axis=AXES, dtype=DTYPES, include_initial=st.booleans())
def test_totals_of_the_standard(name: str, array: Any, axis: Any, dtype: Any, include_initial: bool) -> None:
    agree(TABLE[name], array, axis=axis, dtype=dtype, include_initial=include_initial)


@few
@given(a=arrays(NUMBERS + DATES), n=st.integers(-1, 3), axis=st.integers(-2, 2), end=SCALARS)
def test_diff(a: Any, n: int, axis: int, end: Any) -> None:
    agree(TABLE["diff"], a, n, axis)
    agree(TABLE["diff"], a, n, axis, prepend=end)
    agree(TABLE["diff"], a, axis=axis, append=a)
    agree(TABLE["diff"], a, n, axis, end, end)


@few
@given(a=operands(NUMBERS), end=operands(NUMBERS))
def test_ediff1d(a: Any, end: Any) -> None:
    agree(TABLE["ediff1d"], a)
    agree(TABLE["ediff1d"], a, end, end)


@few
@given(data=st.data())
def test_trapezoid(data: Any) -> None:
    y, x = data.draw(broadcastable(NUMBERS))
    agree(TABLE["trapezoid"], y)
    agree(TABLE["trapezoid"], y, x)
    agree(TABLE["trapezoid"], y, dx=0.5, axis=0)


@few
@given(a=arrays(REALS), axis=AXES, keepdims=st.booleans(), data=st.data())
def test_average(a: Any, axis: Any, keepdims: bool, data: Any) -> None:
    weights = data.draw(st.none() | arrays(REALS, a.shape) | arrays(REALS, (3,)))
    agree(TABLE["average"], a, axis, weights, keepdims=keepdims)
    agree(TABLE["average"], a, axis, weights, True)
    agree(TABLE["average"], a, axis, weights, returned=False)


def test_every_row_has_a_case() -> None:
    assert set(REDUCTIONS + TOTALS + STANDARD + OTHERS) == set(TABLE)
