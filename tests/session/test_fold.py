from __future__ import annotations

import asyncio
import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fedsock.session import fold


async def test_it_starts_when_it_is_awaited() -> None:
    started: list[int] = []

    async def work() -> int:
        started.append(1)
        await asyncio.sleep(0)
        return len(started)

    unused = fold.Later(work)
    unused.close()
    del unused
    gc.collect()  # warnings are errors: a coroutine would say that it was never awaited
    later = fold.Later(work)
    assert started == []
    assert await later == 1
    assert await later == 2
    assert await asyncio.gather(later, fold.Later(work)) == [4, 4]
    assert await asyncio.create_task(fold.Later(work)) == 5
    assert await asyncio.wait_for(fold.Later(work), 5) == 6
    assert asyncio.iscoroutine(later)


async def test_cancelling_and_failing_reach_inside() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append("ended")

    task = asyncio.create_task(fold.Later(work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    later = fold.Later(work)
    later.send(None)
    later.close()
    assert seen == ["ended"] * 2

    async def fails() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        await asyncio.create_task(fold.Later(fails))


DTYPES = ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "float64", "complex64", "timedelta64[s]"]


@given(st.data())
def test_it_adds_as_numpys_sum_does(data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    shape = data.draw(npst.array_shapes(min_dims=0, max_dims=2, max_side=3))
    numbers = npst.arrays(np.int8, shape, elements=st.integers(0, 100))
    values = [data.draw(numbers).astype(dtype) for _ in range(data.draw(st.integers(1, 4)))]
    total = fold.first(values[0].copy())
    for value in values[1:]:
        total = fold.added(total, value)
    want = np.sum(np.stack(values), axis=0)
    np.testing.assert_array_equal(total, want)
    assert total.dtype == want.dtype
    np.testing.assert_allclose(
        np.asarray(fold.divided(total, len(values)), complex if dtype.kind == "c" else float),
        np.asarray(np.divide(want, len(values)), complex if dtype.kind == "c" else float),
    )


def test_arrays_are_added_in_place_and_scalars_keep_numpys_types() -> None:
    total = fold.first(np.ones(3))
    assert fold.added(total, np.ones(3)) is total
    assert type(fold.added(fold.first(1.5), 2)) is np.float64
    assert fold.added(fold.first(True), True) == 2
    assert fold.added(fold.first(np.ones(2, np.int32)), np.ones(2)).dtype == np.float64


def test_trees_are_added_leaf_by_leaf() -> None:
    one = {"w": [np.ones(2), 1], "b": (2.5,)}
    two = {"b": (0.5,), "w": [np.ones(2) * 3, 4]}
    total = fold.added(fold.first(one), two)
    np.testing.assert_equal(total, {"w": [np.array([4.0, 4]), 5], "b": (3.0,)})
    np.testing.assert_equal(fold.divided(total, 2), {"w": [np.array([2.0, 2]), 2.5], "b": (1.5,)})


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.ones(3), np.ones(1)),
        (np.ones((2, 3)), np.ones(3)),
        (1.0, np.ones(3)),
        ([1, 2], [1, 2, 3]),
        ([1, 2], (1, 2)),
        ({"a": 1}, {"b": 1}),
        ([1], 1),
        (1, {"a": 1}),
    ],
)
def test_values_of_other_shapes_or_forms_are_refused(one: Any, two: Any) -> None:
    with pytest.raises(ValueError, match="differ"):
        fold.added(fold.first(one), two)


@pytest.mark.parametrize("value", ["text", np.array(["a"]), np.array(["2020-01-01"], "datetime64[D]"), None])
def test_what_cant_be_added_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        fold.first(value)


async def test_small_values_are_fetched_together_and_large_ones_alone(house: Any) -> None:
    sizes = {"a": 1, "b": 2, "c": 200_000, "d": 3, "e": 4, "f": 100_000}
    kept = {name: house.bob.send(np.ones(size)) for name, size in sizes.items()}
    kept["g"] = house.bob.send([1, 2])
    found = [list(batch) for batch in fold.batches({name: p._record for name, p in kept.items()})]
    assert found == [["a", "b"], ["c"], ["d", "e", "f"], ["g"]]
