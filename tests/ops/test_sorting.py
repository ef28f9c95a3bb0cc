"""sorting: order and selection equal numpy's, and are no larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.registry import check, depends_on_values
from fedsock.ops.sorting import ROWS, sort_seconds
from tests.ops.harness import few
from tests.ops.oracle import EVERY, NUMBERS, agree, arrays, same

TABLE = {row.name: row for row in ROWS}
AXIS = st.sampled_from([None, 0, -1, 1, 5])
INDICES = [np.dtype("l"), np.dtype("u1"), np.dtype("?"), np.dtype("d")]
MODES = st.sampled_from(["raise", "wrap", "clip", "no"])


@pytest.mark.parametrize("name", ["sort", "argsort"])
@few
@given(data=st.data())
def test_sorts(name: str, data: Any) -> None:
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "axis": AXIS,
                "kind": st.sampled_from([None, "quicksort", "stable", "heapsort", "no"]),
                "stable": st.sampled_from([None, True, False]),
            },
        )
    )
    if name == "argsort":
        options["stable"] = True  # in which order equal elements come is nobody's promise otherwise
        options.pop("kind", None)
    agree(TABLE[name], data.draw(arrays(EVERY)), **options)


@pytest.mark.parametrize("name", ["sort_complex", "nonzero", "flatnonzero", "argwhere"])
@few
@given(data=st.data())
def test_of_an_array(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(arrays(EVERY)))
    agree(TABLE[name], a=data.draw(arrays(EVERY)))


@pytest.mark.parametrize("name", ["partition", "argpartition"])
@few
@given(data=st.data())
def test_partitions(name: str, data: Any) -> None:
    kth = st.integers(-3, 4) | st.lists(st.integers(-2, 2), max_size=3).map(tuple)
    options = data.draw(
        st.fixed_dictionaries({}, optional={"axis": AXIS, "kind": st.sampled_from(["introselect", "no"])})
    )
    agree(TABLE[name], data.draw(arrays(EVERY)), data.draw(kth), **options)


@few
@given(data=st.data())
def test_lexsort(data: Any) -> None:
    shape = data.draw(st.sampled_from([(), (3,), (0,), (2, 3)]))
    same = st.lists(arrays(EVERY, shape), max_size=3)
    keys = data.draw(same | same.map(tuple) | arrays(EVERY) | st.lists(arrays(), max_size=2))
    agree(TABLE["lexsort"], keys)
    agree(TABLE["lexsort"], keys, data.draw(st.integers(-3, 2)))


@few
@given(data=st.data())
def test_searchsorted(data: Any) -> None:
    a = data.draw(arrays(EVERY, dims=1) | arrays(EVERY))
    sorter = st.none() | st.just(np.argsort(a, axis=None)) | arrays(INDICES, dims=1)
    side = data.draw(st.sampled_from(["left", "right", "no"]))
    agree(TABLE["searchsorted"], a, data.draw(arrays(EVERY)), side, data.draw(sorter))
    agree(TABLE["searchsorted"], np.sort(a, axis=None), data.draw(arrays([a.dtype])))


def wrapping(function: Any) -> Any:
    """numpy's function, but for indices that it would wrap for years."""

    def oracle(*args: Any, mode: str = "raise", **options: Any) -> Any:
        if mode == "wrap":
            indices = args[function is np.take]
            assume(np.asarray(indices).dtype.kind not in "iu" or not np.any(np.abs(np.float64(indices)) > 1000))
            if function is np.take and args[0].size == 0:
                mode = "clip"  # the same errors and shapes, and an end
        return function(*args, mode=mode, **options)

    return oracle


@few
@given(data=st.data())
def test_takes(data: Any) -> None:
    a = data.draw(arrays(EVERY))
    indices = data.draw(arrays([np.dtype("l")], side=3, dims=2) | arrays(INDICES) | st.integers(-3, 3))
    agree(TABLE["take"], a, indices)
    agree(TABLE["take"], a, indices, axis=data.draw(AXIS), mode=data.draw(MODES), oracle=wrapping(np.take))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_indices_far_out_of_range_are_wrapped_at_once(axis: Any) -> None:
    far = np.array([2**62, -(2**62), 2**63 - 1])
    x = np.arange(15).reshape(3, 5)
    assert same(
        TABLE["take"].function(x, far, axis, mode="wrap"),
        np.take(x, far % (15 if axis is None else x.shape[axis]), axis),
    )
    huge = np.array([2**63 + 1], "u8")
    assert TABLE["take"].function(x, huge, axis, mode="wrap").shape == np.take(x, [0], axis).shape
    with pytest.raises(TypeError, match="uint64"):
        TABLE["choose"].function(huge, [1, 2, 3], mode="wrap")
    assert TABLE["choose"].function(far, [1, 2, 3], mode="wrap").tolist() == (far % 3 + 1).tolist()


@pytest.mark.parametrize("indices", [-2, 0, 3, np.array([1, -1]), np.array(2, "u1"), np.zeros((2, 0), int)], ids=repr)
@pytest.mark.parametrize(("shape", "axis"), [((0, 0), 0), ((0, 0), None), ((3, 0, 0), -1), ((0, 3), 0), ((0, 3), 1)])
def test_nothing_is_wrapped_at_once(shape: tuple[int, ...], axis: Any, indices: Any) -> None:
    x = np.zeros(shape)
    agree(TABLE["take"], x, indices, axis, mode="wrap", oracle=lambda *args, mode: np.take(*args, mode="clip"))


@pytest.mark.parametrize("indices", [2**63, np.array([1.0]), np.array([True]), np.array(["1"]), np.array([4], "u8")])
def test_indices_of_other_kinds_are_not_wrapped(indices: Any) -> None:
    agree(TABLE["take"], np.arange(3), indices, None, mode="wrap")


@few
@given(data=st.data())
def test_takes_along_an_axis(data: Any) -> None:
    a = data.draw(arrays(EVERY))
    axis = data.draw(AXIS)
    fitting = [np.argsort(a, kind="stable"), np.zeros((1,) * a.ndim, int)] if a.ndim else []
    indices = data.draw(st.sampled_from([*fitting, np.array([0, 1])]) | arrays(INDICES))
    agree(TABLE["take_along_axis"], a, indices, axis)
    agree(TABLE["take_along_axis"], a, indices)


@few
@given(data=st.data())
def test_conditions(data: Any) -> None:
    a = data.draw(arrays(EVERY))
    condition = data.draw(arrays([np.dtype("?")], a.shape) | arrays(NUMBERS, dims=1) | arrays())
    agree(TABLE["extract"], condition, a)
    agree(TABLE["compress"], condition, a, data.draw(AXIS))
    agree(TABLE["compress"], condition, a)


@few
@given(data=st.data())
def test_choices(data: Any) -> None:
    choices = data.draw(st.lists(arrays(EVERY, dims=2), max_size=3) | arrays(EVERY))
    a = data.draw(arrays([np.dtype("l")], side=3, dims=2) | arrays(INDICES) | st.integers(0, 2))
    agree(TABLE["choose"], a, choices, mode=data.draw(MODES), oracle=wrapping(np.choose))
    agree(TABLE["choose"], a, choices)


@few
@given(data=st.data())
def test_select(data: Any) -> None:
    count = data.draw(st.integers(0, 3))
    conditions = [data.draw(arrays([np.dtype("?")], dims=2) | arrays()) for _ in range(count)]
    choices = [data.draw(arrays(EVERY, dims=2)) for _ in range(count + data.draw(st.integers(0, 4)) // 4)]
    agree(TABLE["select"], conditions, choices, *data.draw(st.sampled_from([[], [7], [np.float32(2)], ["a"]])))


def test_sequences_that_are_arrays_without_axes() -> None:
    nothing = np.array(1.0)
    agree(TABLE["lexsort"], nothing)
    agree(TABLE["select"], nothing, [nothing])
    agree(TABLE["select"], [np.array(True)], nothing)
    agree(TABLE["choose"], 0, nothing)


def test_what_may_fail_for_its_values_says_so() -> None:
    x = np.arange(3)
    assert depends_on_values(TABLE["take"], [x, x], {}, [1])
    assert depends_on_values(TABLE["nonzero"], [x], {}, [0])
    assert not depends_on_values(TABLE["take"], [x, [0, 1]], {}, [0]), "public indices fail by themselves"
    assert not depends_on_values(TABLE["searchsorted"], [x, x], {}, [0, 1])
    assert depends_on_values(TABLE["searchsorted"], [x, x, "left", x], {}, [0]), "how far a search gets in the sorter"
    assert not depends_on_values(TABLE["sort"], [x], {}, [0])
    assert depends_on_values(TABLE["partition"], [x, np.int64(1)], {}, [1])


def test_sorting_is_predicted_to_take_n_log_n() -> None:
    million = sort_seconds(np.ones(10**6))
    assert 0.05 < million < 0.5
    assert sort_seconds(np.ones((10**3, 10**4))) > 10 * million
    assert sort_seconds(np.array(1.0)) < 1e-4


@pytest.mark.parametrize("name", ["take", "choose", "compress"])
def test_out_is_refused(name: str) -> None:
    with pytest.raises(OpTypeError, match="out"):
        check(TABLE[name], [np.ones(2), np.ones(2)], {"out": np.ones(2)})
