"""bits: packed and unpacked as numpy does, and never a bit of what was in memory before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops.bits import ROWS
from fedsock.ops.registry import check
from tests.ops.harness import few
from tests.ops.oracle import EVERY, agree, arrays, run

TABLE = {row.name: row for row in ROWS}
AXIS = st.sampled_from([None, 0, -1, 1, 5])
ORDER = st.sampled_from(["big", "little", "no"])
BYTES = [np.dtype("u1")]


@few
@given(data=st.data())
def test_packbits(data: Any) -> None:
    a = data.draw(arrays([np.dtype("?"), np.dtype("u1"), np.dtype("l")], side=9, dims=2) | arrays(EVERY))
    agree(TABLE["packbits"], a, data.draw(AXIS), data.draw(ORDER))
    agree(TABLE["packbits"], a)


def of_something(a: Any, *args: Any, **options: Any) -> Any:
    bits = np.unpackbits(a, *args, **options)
    return bits if a.size else np.zeros_like(bits)


@few
@given(data=st.data())
def test_unpackbits(data: Any) -> None:
    a = data.draw(arrays(BYTES) | arrays(EVERY))
    count = data.draw(st.none() | st.integers(-40, 100))
    agree(TABLE["unpackbits"], a, data.draw(AXIS), count, data.draw(ORDER), oracle=of_something)
    agree(TABLE["unpackbits"], a)


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((0, 3), 0), ((0, 3), None), ((3, 0), 1), ((2, 0), -1)])
def test_bits_of_no_bytes_are_zeros(shape: tuple[int, ...], axis: Any) -> None:
    for count in (5, 64, 1000):
        for _ in range(20):
            junk = [np.full(size, 0xFF, np.uint8) for size in (count, 3 * count, 2 * count) for _ in range(9)]
            del junk  # its memory is what numpy would show
            assert not run(TABLE["unpackbits"], (np.zeros(shape, np.uint8), axis, count), {}).any()


def test_bits_asked_for_are_counted_before_they_are_made() -> None:
    for axis in (None, 0, 1):
        args, _ = check(TABLE["unpackbits"], [np.ones((2, 3), np.uint8), axis, 10**12], {})
        assert TABLE["unpackbits"].bound(*args).nbytes >= 10**12
