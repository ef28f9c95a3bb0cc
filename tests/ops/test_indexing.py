"""indexing: subscripts read and assign as numpy's do, in memory of their own, and no larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.errors import OpOverflowError, OpTypeError, OpValueError
from fedsock.ops.indexing import ROWS
from fedsock.ops.registry import check, depends_on_values
from tests.ops.harness import few
from tests.ops.oracle import EVERY, NUMBERS, agree, arrays, run, same

TABLE = {row.name: row for row in ROWS}


def read(x: Any, index: Any) -> Any:
    return x[index]


def written(target: Any, index: Any, value: Any) -> Any:
    target[index] = value
    return target


ENDS = st.none() | st.integers(-5, 5)
PARTS = st.one_of(st.integers(-4, 4), st.builds(slice, ENDS, ENDS, ENDS), st.none(), st.just(...), st.just(np.int8(1)))
SELECTIONS = st.one_of(
    PARTS,
    st.booleans(),
    st.lists(st.integers(-2, 2), max_size=3),
    st.lists(st.booleans(), max_size=3),
    arrays([np.dtype("l"), np.dtype("?"), np.dtype("u1"), np.dtype("d")], side=2, dims=2),
)


def fitting(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Subscripts that most often fit a shape."""
    found = [hnp.basic_indices(shape, allow_newaxis=True), arrays([np.dtype("?")], shape)]
    if shape and 0 not in shape:
        found.append(hnp.integer_array_indices(shape))
    return st.one_of(*found)


@few
@given(arrays(EVERY), PARTS | st.lists(PARTS, max_size=4).map(tuple))
def test_basic_subscripts(x: Any, index: Any) -> None:
    agree(TABLE["getitem"], x, index, oracle=read)
    agree(TABLE["getitem.array"], x, index, oracle=read)


@few
@given(arrays(EVERY), SELECTIONS | st.lists(SELECTIONS, max_size=3).map(tuple))
def test_subscripts_with_arrays(x: Any, index: Any) -> None:
    agree(TABLE["getitem.array"], x, index, oracle=read)


@few
@given(data=st.data())
def test_subscripts_that_fit(data: Any) -> None:
    x = data.draw(arrays(EVERY))
    agree(TABLE["getitem.array"], x, data.draw(fitting(x.shape)), oracle=read)


@pytest.mark.parametrize(
    "index",
    [
        (np.array([0, 1]), slice(None), np.array([1, 0])),
        (slice(None), np.array([[0], [1]]), np.array([0, 1, 2])),
        (np.array([0, 1]), None, 0),
        (..., np.array([True, False, True, False])),
        ([], slice(None), []),
        np.array(1),
        (0, np.array(1)),
        True,
        np.True_,
        np.array([False, True]),
        (np.ones((2, 3), bool), slice(0, 10**30)),
        slice(-(10**30), None),
        (slice(None, None, 10**30),),
        np.int64(1),
    ],
    ids=repr,
)
def test_mixed_subscripts(index: Any) -> None:
    agree(TABLE["getitem.array"], np.arange(24).reshape(2, 3, 4), index, oracle=read)


@few
@given(arrays(NUMBERS, ()).map(lambda array: array[()]), SELECTIONS | st.just(()))
def test_subscripts_of_scalars(x: Any, index: Any) -> None:
    agree(TABLE["getitem.array"], x, index, oracle=read)


def test_a_slice_keeps_nothing_else_alive() -> None:
    x = np.arange(10**6)
    assert TABLE["getitem"].function(x, slice(0, 3)).base is None
    assert TABLE["getitem.array"].function(x, (np.array([1]), None)).base is None


@pytest.mark.parametrize("index", [0, -1, 5, slice(1, None), slice(5)])
@pytest.mark.parametrize("x", [[1, 2.5, None], (1, [2, 3]), [], [np.ones(3), "a"]])
def test_positions_in_trees(x: Any, index: Any) -> None:
    row = TABLE["getitem"]
    checked, _ = check(row, [x, index], {})
    assert row.bound(*checked).nbytes >= sum(part.nbytes for part in x if isinstance(part, np.ndarray))
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            row.function(*checked)
    else:
        result = row.function(*checked)
        assert result is expected or result == expected


@pytest.mark.parametrize("x", ["abc", np.str_("abc"), {"a": 1}, 3, None, np.array("abc")[()]])
def test_what_takes_no_subscript(x: Any) -> None:
    with pytest.raises(TypeError):
        TABLE["getitem"].function(x, 0)


@pytest.mark.parametrize(
    ("tree", "key", "expected"),
    [
        ({"a": 1, "b": [2]}, "b", [2]),
        ({"a": 1}, np.str_("a"), 1),
        ([1, "x"], 1, "x"),
        ((1, 2), -1, 2),
        ((1, 2), np.int8(0), 1),
        ({"a": 1}, "c", KeyError),
        ({"a": 1}, 0, KeyError),
        ([1], 3, IndexError),
        ([1], "a", TypeError),
        (np.ones(3), 0, TypeError),
        ("abc", 0, TypeError),
    ],
)
def test_items(tree: Any, key: Any, expected: Any) -> None:
    row = TABLE["item"]
    checked, _ = check(row, [tree, key], {})
    assert row.bound(*checked).nbytes >= 0
    if isinstance(expected, type):
        with pytest.raises(expected):
            row.function(*checked)
    else:
        assert row.function(*checked) == expected


def test_an_item_is_no_larger_than_its_tree() -> None:
    tree = {"a": [np.ones(5), 1.0], "b": "text"}
    assert 40 <= TABLE["item"].bound(tree, "a").nbytes <= 500


@few
@given(data=st.data())
def test_assignment(data: Any) -> None:
    target = data.draw(arrays(NUMBERS, side=3, dims=2))
    index = data.draw(fitting(target.shape) | SELECTIONS)
    value = data.draw(
        st.sampled_from([0, 1, -1, 2.5, 300, True, [1, 2], [[1], [300]], 1j, None, "1", "x", np.float32(2)])
        | arrays(NUMBERS, side=3, dims=2)
    )
    agree(TABLE["setitem.array"], target, index, value, oracle=written)
    if not isinstance(index, (np.ndarray, list, bool)) and not _holds_arrays(index):
        agree(TABLE["setitem"], target, index, value, oracle=written)


def _holds_arrays(index: Any) -> bool:
    return isinstance(index, tuple) and any(isinstance(part, np.ndarray) for part in index)


@pytest.mark.parametrize("target", [np.array(["a", "bc"]), np.zeros(2, "M8[D]"), np.zeros(2, "m8[s]")])
@pytest.mark.parametrize(
    "value",
    ["x", "2020-01-01", "NaT", 3, 2.5, 1j, np.datetime64("2021-01-01"), np.timedelta64(3, "h"), ["1", "2"], None, True],
    ids=repr,
)
def test_assignment_to_texts_and_dates(target: Any, value: Any) -> None:
    agree(TABLE["setitem"], target, 1, value, oracle=written)
    agree(TABLE["setitem"], target, slice(None), value, oracle=written)


def test_whether_a_text_is_a_number_is_never_told_by_an_assignment() -> None:
    for value in (np.array(["1", "x"]), np.str_("1"), [np.str_("1"), 2], np.array(["1", "2"])):
        with pytest.raises(TypeError, match="astype"):
            TABLE["setitem"].function(np.zeros(2), slice(None), value)


@pytest.mark.parametrize("target", [np.float64(1), 3, [1, 2], {"a": 1}, "abc"])
def test_only_arrays_take_assignments(target: Any) -> None:
    with pytest.raises(TypeError, match="assignment"):
        TABLE["setitem"].function(target, 0, 1)


def overwritten(target: Any, index: Any, value: Any) -> bool:
    """Whether an assignment that may overwrite its target did."""
    row = TABLE["setitem.array"]
    expected = run(row, (target, index, value), {})
    with np.errstate(all="ignore"):
        result = row.function(target, index, value, overwrite=True)
    assert same(result, expected)
    return result is target


@pytest.mark.parametrize("value", [1, 2.5, True, np.ones(2), np.arange(2), np.float32(3), np.ones(2, complex)])
def test_what_cannot_fail_half_way_is_written_in_place(value: Any) -> None:
    assert overwritten(np.zeros(2), slice(None), value)
    assert overwritten(np.zeros(2), np.array([True, True]), value)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (np.zeros(2), [1, 2]),
        (np.zeros(2), "1"),
        (np.zeros(2), None),
        (np.array(["a", "b"]), np.array([1, 2])),
        (np.zeros(2, "M8[D]"), "2020-01-01"),
        (np.zeros(2, "M8[D]"), np.array(["2020-01-01", "2020-01-02"], "M8[s]")),
    ],
)
def test_what_could_fail_half_way_is_written_on_a_copy(target: Any, value: Any) -> None:
    assert not overwritten(target, slice(None), value)


def test_equal_dtypes_are_written_in_place() -> None:
    assert overwritten(np.array(["a", "b"]), 0, np.array("c"))
    assert overwritten(np.zeros(2, "M8[D]"), 0, np.datetime64("2020-01-01", "D"))


def test_a_read_only_target_is_copied() -> None:
    target = np.zeros(2)
    target.flags.writeable = False
    result = TABLE["setitem"].function(target, 0, 1, overwrite=True)
    assert result is not target and result[0] == 1 and target[0] == 0


@pytest.mark.parametrize("index", [5, (0, 0), np.array([0, 9]), np.ones(3, bool)])
def test_an_assignment_that_fails_leaves_its_target_alone(index: Any) -> None:
    target = np.arange(2.0)
    with pytest.raises(IndexError):
        TABLE["setitem.array"].function(target, index, 7, overwrite=True)
    with pytest.raises(ValueError, match=r"shape|broadcast|assign"):
        TABLE["setitem.array"].function(target, np.array([True, True]), np.ones(3), overwrite=True)
    assert target.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("index", [[0], np.array([0]), True, "a", 1.5, (0, [1]), (0, (1, 2)), slice("a"), slice(1.5)])
@pytest.mark.parametrize("name", ["getitem", "setitem"])
def test_basic_subscripts_hold_no_arrays(name: str, index: Any) -> None:
    with pytest.raises(OpTypeError, match="index must be"):
        check(TABLE[name], [np.ones(3), index, 1][: 2 + (name == "setitem")], {})


@pytest.mark.parametrize(
    ("index", "error"),
    [
        ("a", OpTypeError),
        (1.5, OpTypeError),
        ([object()], OpTypeError),
        ([[1], [1, 2]], OpValueError),
        (2**70, OpOverflowError),
        ({"a": 1}, OpTypeError),
        ((0, [2**70]), OpOverflowError),
    ],
)
def test_subscripts_that_are_none(index: Any, error: Any) -> None:
    with pytest.raises(error):
        check(TABLE["getitem.array"], [np.ones(3), index], {})


@pytest.mark.parametrize("key", [1.5, None, (1,), [0]])
def test_keys_that_are_none(key: Any) -> None:
    with pytest.raises(OpTypeError):
        check(TABLE["item"], [{"a": 1}, key], {})


@pytest.mark.parametrize("value", [object(), {"a": 1}, b"x", [object()], 2**70])
def test_what_no_array_can_hold(value: Any) -> None:
    with pytest.raises((OpTypeError, OpOverflowError)):
        check(TABLE["setitem"], [np.ones(3), 0, value], {})


def test_a_selection_that_multiplies_is_counted_before_it_is_made() -> None:
    x = np.ones((10, 10**4))
    assert TABLE["getitem.array"].bound(x, np.zeros(10**4, int)).nbytes == 10**8 * 8
    assert TABLE["getitem.array"].bound(x, (np.zeros((10**4, 1), int), np.zeros(10**4, int))).nbytes == 10**8 * 8
    assert TABLE["getitem"].bound(x, (slice(2), slice(0, 5))).nbytes == 80
    assert TABLE["getitem"].bound(x, (slice(None, None, 0),)).nbytes >= 0


def test_what_subscripts_tell() -> None:
    x, mask, row, basic = np.arange(3.0), np.array([True, False, True]), TABLE["getitem.array"], TABLE["getitem"]
    assert not depends_on_values(basic, [x, 0], {}, [0])
    assert not depends_on_values(row, [x, mask], {}, [0])
    assert depends_on_values(row, [x, mask], {}, [1])
    assert depends_on_values(basic, [x, np.int64(1)], {}, [1])
    assert depends_on_values(basic, [np.array(["a", "bb"]), 0], {}, [0]), "how long a text is"
    assert not depends_on_values(TABLE["setitem"], [x, 0, np.float64(1)], {}, [0, 2])
    small = np.zeros(3, "i1")
    assert depends_on_values(TABLE["setitem"], [small, 0, np.float64(1)], {}, [2]), "NaN is no integer"
    assert depends_on_values(TABLE["setitem"], [small, 0, np.int64(1)], {}, [2]), "300 is no int8"
    assert depends_on_values(TABLE["setitem"], [small, slice(None), [np.int64(1)]], {}, [2])
    assert not depends_on_values(TABLE["setitem"], [small, 0, np.array(1)], {}, [2])
    assert not depends_on_values(TABLE["setitem"], [small, 0, np.int8(1)], {}, [0, 2])
    assert depends_on_values(TABLE["item"], [{"a": 1}, "a"], {}, [0])
