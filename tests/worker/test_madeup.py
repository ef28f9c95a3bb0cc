"""Made-up values: plausible, the same each time, of the shape and dtype asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.protocol.arrays import dtype_name
from fedsock.worker.datasets import hold
from fedsock.worker.madeup import made_up

NUMBERS = [f"{kind}{8 * width}" for kind in ("int", "uint") for width in (1, 2, 4, 8)]
NUMBERS += ["float16", "float32", "float64", "complex64", "complex128"]
UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]
DTYPES = ["bool", *NUMBERS, "U0", "U1", "U12", "datetime64", "timedelta64", "datetime64[25s]", "timedelta64[100Y]"]
DTYPES += [f"{kind}[{unit}]" for kind in ("datetime64", "timedelta64") for unit in UNITS]
CELLS = st.none() | st.integers(1, 10_000) | st.just((-0.5, 0.0, 7.25)) | st.just((0.25, 0.5)) | st.just((1e6, 1e15))


@given(
    name=st.text(min_size=1, max_size=5),
    dtype=st.sampled_from(DTYPES).map(np.dtype),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    cells=CELLS,
)
def test_it_is_what_was_asked_for_and_can_be_held(name: str, dtype: Any, shape: Any, cells: Any) -> None:
    made = made_up(name, shape, dtype, cells)
    assert type(made) is np.ndarray
    assert (made.shape, made.dtype) == (shape, dtype)
    assert made.flags.c_contiguous and not made.flags.writeable
    assert dtype_name(hold(made, "it").dtype) == dtype_name(dtype)
    assert made_up(name, shape, dtype, cells).tobytes() == made.tobytes()
    if dtype.kind in "fc":
        assert np.isfinite(made).all()


@pytest.mark.parametrize("dtype", [one for one in DTYPES if one not in ("U0", "datetime64")])
def test_another_name_gives_other_values(dtype: str) -> None:
    one, other = (made_up(name, (200,), np.dtype(dtype)) for name in ("a", "b"))
    assert one.tobytes() != other.tobytes()
    assert len(np.unique(one)) > 1


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_are_digits_or_standard_normal(dtype: str) -> None:
    made = made_up("x", (20_000,), np.dtype(dtype))
    if made.dtype.kind in "iu":
        assert set(made.tolist()) == set(range(10))
        return
    for part in (made.real, made.imag) if made.dtype.kind == "c" else (made,):
        assert abs(part.astype(float).mean()) < 0.05
        assert abs(part.astype(float).std() - 1) < 0.05


def test_texts_are_as_wide_as_the_dtype() -> None:
    made = made_up("x", (50, 2), np.dtype("U3"))
    assert all(len(one) == 3 and one.isalpha() and one.islower() for one in made.ravel().tolist())
    assert made_up("x", (2,), np.dtype("U0")).tolist() == ["", ""]


@pytest.mark.parametrize("unit", UNITS)
def test_dates_are_of_this_time_where_their_step_reaches_it(unit: str) -> None:
    made = made_up("x", (500,), np.dtype(f"datetime64[{unit}]"))
    assert not np.isnat(made).any()
    if unit in ("ps", "fs", "as"):
        assert 0 <= made.astype(np.int64).min() < made.astype(np.int64).max() <= 10**12
    else:
        assert np.datetime64("1999-12-30") <= made.min() < made.max() <= np.datetime64("2020-01-02")


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float16", "float64"])
def test_numbers_are_spread_over_what_the_owner_lists(dtype: str) -> None:
    made = made_up("x", (2_000,), np.dtype(dtype), 3)
    assert set(made.tolist()) == {0, 1, 2}
    made = made_up("x", (2_000,), np.dtype(dtype), (20.0, 25.0, 30.0)).astype(float)
    assert made.min() >= 20 and made.max() <= 30
    assert 23 < made.mean() < 27 and made.std() > 2


def test_what_the_owner_lists_may_not_fit() -> None:
    assert made_up("x", (2_000,), np.dtype("int8"), 10_000).max() == 127
    assert set(made_up("x", (2_000,), np.dtype("int64"), (0.25, 0.5)).tolist()) == set(range(10))
    assert set(made_up("x", (2_000,), np.dtype("uint8"), (1e6, 1e7)).tolist()) == set(range(10))
