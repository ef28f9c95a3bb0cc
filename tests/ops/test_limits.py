"""What a number among the arguments may ask for: as numpy does, soon, and within what is predicted."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops import TABLE, check, limits, seconds

PAIR = np.array([1.0, 2.0])

ABSURD = [
    ("tile", (PAIR, (10_000, 2**62, -(2**62)))),
    ("tile", (PAIR, -1)),
    ("round", (PAIR, 2**31 - 1)),
    ("round", (np.array([1, 2]), -(2**31))),
    ("split", (PAIR, 20_000_000)),
    ("array_split", (PAIR, 20_000_000)),
    ("hsplit", (PAIR, 10**9)),
    ("vsplit", (PAIR.reshape(2, 1), 10**9)),
    ("diag_indices", (0, 50_000_000)),
    ("tensordot", (PAIR, PAIR, 10**9)),
    ("resize", (PAIR, -1)),
]


@pytest.mark.parametrize(("name", "args"), ABSURD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_absurd_is_refused_at_once(name: str, args: tuple[Any, ...]) -> None:
    row = TABLE[name]
    checked, named = check(row, args, {})
    start = time.perf_counter()
    with pytest.raises((ValueError, TypeError)):
        row.function(*checked, **named)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 10, 10**12])
@pytest.mark.parametrize("ends", [{}, {"prepend": 5.0}, {"append": np.ones(3)}])
def test_differences_beyond_the_last_are_those_of_nothing(n: int, ends: dict[str, Any]) -> None:
    found = limits.diff(np.array([1.0, 4.0, 9.0]), n, **ends)
    expected = np.diff(np.array([1.0, 4.0, 9.0]), min(n, 50), **ends)
    np.testing.assert_array_equal(found, expected)
    assert limits.diff_seconds(np.ones(3), 10**12) < 1e-3
    assert limits.diff_seconds(np.ones(100_000), 10**6) > 1


def test_a_negative_number_of_differences_raises() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        limits.diff(PAIR, -1)


@given(
    length=st.integers(0, 5),
    shape=st.one_of(st.integers(0, 20), st.lists(st.integers(0, 4), max_size=3).map(tuple)),
)
def test_resize_is_numpys(length: int, shape: Any) -> None:
    a = np.arange(length, dtype="i2")
    found, expected = limits.resize(a, shape), np.resize(a, shape)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_resize_takes_what_is_predicted() -> None:
    row = TABLE["resize"]
    a = np.ones(1, np.uint8)
    predicted = row.bound(a, 5_000_000).nbytes
    tracemalloc.start()
    try:
        row.function(a, 5_000_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * predicted + 100_000


@pytest.mark.parametrize(
    ("name", "args"),
    [("tri", (10**9, 0)), ("tril_indices", (10**9, 0, 0)), ("logspace", (np.ones(0), 1.0, 10**9)),
     ("linspace", (np.ones(0), 1.0, 10**9)), ("fft.fftfreq", (10**9, np.ones(0))), ("tile", (PAIR, (10**9, 0)))],
)  # fmt: skip
def test_nothing_beside_much_is_still_much(name: str, args: tuple[Any, ...]) -> None:
    row = TABLE[name]
    checked, named = check(row, args, {})
    assert row.bound(*checked, **named).nbytes >= 10**9


def test_parts_and_children_take_time_and_room() -> None:
    row = TABLE["array_split"]
    bound = row.bound(PAIR, 50_000)
    assert bound.nbytes >= 50_000 * 100
    assert seconds(row, bound, (PAIR, 50_000), {}) > 0.1
    spawn = TABLE["random.Generator.spawn"]
    generator = np.random.default_rng(1)
    assert seconds(spawn, spawn.bound(generator, 1000), (generator, 1000), {}) > 0.01
    with pytest.raises(ValueError, match="at most"):
        spawn.function(generator, 10**6)


def test_texts_of_no_length_count() -> None:
    assert TABLE["sort"].bound(np.zeros(1000, "U1").view("U1")).nbytes >= 1000
