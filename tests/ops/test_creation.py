"""creation: numpy's own arrays, and zeros where numpy's would show freed memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops.creation import ROWS
from fedsock.ops.registry import check
from tests.ops.harness import DTYPES, SCALARS, few, operands
from tests.ops.oracle import DATES, EVERY, NUMBERS, REALS, agree, arrays, run

TABLE = {row.name: row for row in ROWS}
SHAPES = st.integers(-1, 4) | st.lists(st.integers(-1, 3), max_size=3).map(tuple)
SIDES = st.integers(-1, 4)
OFFSETS = st.integers(-3, 3)


@few
@given(shape=SHAPES, dtype=DTYPES | st.sampled_from(DATES), order=st.sampled_from("CF"), value=SCALARS)
def test_constants(shape: Any, dtype: Any, order: str, value: Any) -> None:
    for name in ("zeros", "ones"):
        agree(TABLE[name], shape, dtype, order)
    agree(TABLE["empty"], shape, dtype, order, oracle=np.zeros)
    agree(TABLE["full"], shape, value, dtype)
    agree(TABLE["full"], shape, "abc", order=order)


@few
@given(a=operands(EVERY), dtype=DTYPES, shape=st.none() | SHAPES, value=SCALARS)
def test_likes(a: Any, dtype: Any, shape: Any, value: Any) -> None:
    for name in ("zeros_like", "ones_like"):
        agree(TABLE[name], a, dtype)
        agree(TABLE[name], a, shape=shape, dtype=dtype)
    agree(TABLE["empty_like"], a, dtype, "C", shape=shape, oracle=np.zeros_like)
    agree(TABLE["full_like"], a, value, dtype, shape=shape)


def test_empty_shows_no_freed_memory() -> None:
    for _ in range(20):
        np.full(1000, 123456.789)
        assert not run(TABLE["empty"], (1000,), {}).any()
        assert not run(TABLE["empty_like"], (np.ones(1000),), {}).any()


RANGES = st.integers(-20, 20) | st.floats(-20, 20, allow_subnormal=False).map(lambda x: round(x, 1))


@few
@given(start=RANGES, stop=RANGES, step=RANGES, dtype=st.sampled_from([None, np.dtype("f4"), np.dtype("i8")]))
def test_arange(start: Any, stop: Any, step: Any, dtype: Any) -> None:
    agree(TABLE["arange"], stop)
    agree(TABLE["arange"], start, stop)
    agree(TABLE["arange"], start, stop, step)
    agree(TABLE["arange"], np.int16(4), dtype=dtype)
    agree(TABLE["arange"], np.float32(start), stop, dtype=np.dtype("f8"))


@pytest.mark.parametrize(
    "args",
    [
        (np.datetime64("2020-01-01"), np.datetime64("2020-02-01")),
        (np.datetime64("2020-01-01"), np.datetime64("2020-01-03"), np.timedelta64(5, "h")),
        (np.datetime64("2020-01"), np.datetime64("2020-02-01"), 3),
        (np.timedelta64(7, "s"),),
        (np.inf,),
        (np.nan,),
        (0, 1, 0),
        (0, 10**18),
        ("a",),
        (0, 10, np.timedelta64(1, "s")),
        (5, 1, -2),
    ],
)
def test_arange_of_dates_and_nonsense(args: Any) -> None:
    if args == (0, 10**18):
        assert TABLE["arange"].bound(*args).nbytes >= 8 * 10**18
    else:
        agree(TABLE["arange"], *args)


@few
@given(
    start=operands(NUMBERS),
    stop=SCALARS,
    num=st.integers(-1, 5),
    endpoint=st.booleans(),
    dtype=DTYPES,
    axis=OFFSETS,
)
def test_spaces(start: Any, stop: Any, num: int, endpoint: bool, dtype: Any, axis: int) -> None:
    agree(TABLE["linspace"], start, stop, num, endpoint, dtype=dtype)
    agree(TABLE["linspace"], start, stop, num, endpoint, True, axis=axis)
    agree(TABLE["linspace"], start, stop, retstep=True)
    agree(TABLE["logspace"], start, stop, num, endpoint, dtype=dtype, axis=axis)
    agree(TABLE["logspace"], start, stop, num, base=2)
    agree(TABLE["geomspace"], start, stop, num, endpoint, dtype, axis)


def test_spaces_of_texts_are_bounded() -> None:
    for dtype in (np.dtype("U"), np.dtype("U3")):
        agree(TABLE["linspace"], 1, np.ones(3), 4, True, False, dtype)
        agree(TABLE["linspace"], 1, np.ones(3), retstep=True, dtype=dtype)
        agree(TABLE["logspace"], np.ones(3), 2, dtype=dtype)
        agree(TABLE["geomspace"], 1, 2, 5, True, dtype)


@few
@given(n=SIDES, m=st.none() | SIDES, k=OFFSETS, dtype=st.sampled_from(NUMBERS))
def test_diagonals_and_triangles(n: int, m: Any, k: int, dtype: Any) -> None:
    agree(TABLE["eye"], n, m, k, dtype)
    agree(TABLE["identity"], n, dtype)
    agree(TABLE["tri"], n, m, k, dtype)
    agree(TABLE["tril_indices"], n, k, m)
    agree(TABLE["triu_indices"], n, k, m)
    agree(TABLE["diag_indices"], max(n, 0), abs(k))
    agree(TABLE["diag_indices"], 3)


@few
@given(a=operands(EVERY), k=OFFSETS, n=st.none() | SIDES, increasing=st.booleans())
def test_made_of_arrays(a: Any, k: int, n: Any, increasing: bool) -> None:
    for name in ("tril", "triu", "diag", "diagflat"):
        agree(TABLE[name], a, k)
    agree(TABLE["vander"], a, n, increasing)


@few
@given(
    dimensions=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    dtype=st.sampled_from(REALS),
    sparse=st.booleans(),
)
def test_indices(dimensions: Any, dtype: Any, sparse: bool) -> None:
    agree(TABLE["indices"], dimensions, dtype, sparse)
    agree(TABLE["indices"], dimensions)


@few
@given(
    xi=st.lists(arrays(EVERY, dims=1), max_size=3),
    sparse=st.booleans(),
    indexing=st.sampled_from(["xy", "ij", "no"]),
)
def test_meshgrid(xi: Any, sparse: bool, indexing: str) -> None:
    if indexing == "no":
        with pytest.raises(TypeError):
            check(TABLE["meshgrid"], xi, {"indexing": indexing})
    else:
        agree(TABLE["meshgrid"], *xi, sparse=sparse, indexing=indexing)


@few
@given(
    a=operands(EVERY),
    dtype=DTYPES | st.just(np.dtype(str)),
    ndmin=st.integers(0, 3),
    order=st.sampled_from("CFAK"),
)
def test_arrays_of_arrays(a: Any, dtype: Any, ndmin: int, order: str) -> None:
    agree(TABLE["array"], a, dtype, ndmin=ndmin, order=order)
    agree(TABLE["asarray"], a, dtype)
    agree(TABLE["asarray"], a, order=order, copy=None)
    agree(TABLE["copy"], a, order)


def test_arrays_of_lists() -> None:
    agree(TABLE["array"], [[1, 2], [3.5, 4]])
    agree(TABLE["array"], [["a", "bcd"]])
    agree(TABLE["asarray"], [np.float32(1), np.ones(())], np.dtype("c8"))
    agree(TABLE["array"], [[1], [2, 3]])


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning"])
@pytest.mark.parametrize("length", [-1, 0, 1, 5])
def test_windows(name: str, length: int) -> None:
    agree(TABLE[name], length)
    agree(TABLE["kaiser"], length, 3.5)


def test_every_row_is_numpys() -> None:
    assert all(row.numpy and row.family == "creation" for row in ROWS)
