"""Values in JSON: every type comes back as it was, and what stands for nothing is refused."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import BadMessage, UnsupportedValue, ValueTooLarge
from fedsock.protocol import values
from fedsock.protocol.values import Reference, RemoteRecord, dumps, from_json, to_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENDS = st.none() | st.integers(-5, 5)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers()
    | TEXT
    | st.builds(slice, ENDS, ENDS, ENDS)
    | st.just(...)
    | st.sampled_from(["float32", "U0", "U7", "datetime64[ns]", "bool"]).map(np.dtype)
    | st.builds(RemoteRecord, TEXT, TEXT, st.integers(1, 2**53) | TEXT)
    | st.builds(Reference, st.integers(1, 2**53) | TEXT)
    | st.floats(width=32).map(np.float32)
    | st.integers(0, 255).map(np.uint8)
    | st.booleans().map(np.bool_)
    | TEXT.filter(lambda text: not text.endswith("\0")).map(np.str_)
    | st.integers(0, 2**40).map(lambda n: np.datetime64(n, "s"))
    | st.lists(st.floats(), max_size=4).map(np.array)
)
KEYS = TEXT | st.sampled_from(["$", "$tuple", "$dict", "$int"])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two trees are of the same types and values, NaN and signs of zeros included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (np.ndarray, np.generic)):
        return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, slice):
        return (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
    return bool(one == other)


def back(value: Any) -> Any:
    """Send a value through JSON."""
    return from_json(orjson.loads(dumps(to_json(value))), reference=Reference)


@given(tree=TREES)
def test_round_trip(tree: Any) -> None:
    assert same(back(tree), tree)


@pytest.mark.parametrize(
    "value",
    [
        {"$": 3}, {"$tuple": [1]}, {"$dict": {}}, {}, [], (), ((),), [()], {"a": ({"$": "x"},)},
        math.nan, math.inf, -math.inf, -0.0, 5e-324, complex(math.nan, -math.inf), complex(-0.0, 0.0),
        2**63, -(2**63), 2**63 - 1, -(2**63) - 1, 10**4299, -(10**4299), True, 1, 1.0, "", "\0", "𝄞",
        np.str_(""), np.float64("nan"), np.datetime64("NaT"), np.timedelta64(3, "D"), np.bool_(True),
        np.array(3.5), np.array(["a", ""]), np.zeros((0, 3)), slice(None), slice(1, 2, (3, "x")), ...,
    ],
)  # fmt: skip
def test_values_that_are_easily_confused(value: Any) -> None:
    assert same(back(value), value)


def test_user_dict_is_no_tag() -> None:
    assert to_json({"$": 3}) == {"$dict": {"$": 3}}
    assert to_json(Reference(3)) == {"$": 3}


def test_memmap_travels_as_an_array(tmp_path: Any) -> None:
    array = np.memmap(tmp_path / "a", dtype="i4", mode="w+", shape=(3,))
    assert same(back(array), np.zeros(3, "i4"))


def test_large_arrays_become_streams() -> None:
    sent: list[Any] = []

    def stream(array: Any) -> int:
        sent.append(array)
        return len(sent)

    small, large = np.zeros(4096, "u1"), np.zeros(4097, "u1")
    tree = to_json([small, {"a": (large,)}], stream)
    assert "data" in tree[0]["$array"]
    head = tree[1]["$dict"]["a"]["$tuple"][0]["$array"]
    assert head == {"dtype": "uint8", "shape": [4097], "stream": 1}
    assert sent[0] is large
    seen: list[Any] = []

    def announced(*header: Any) -> Any:
        seen.append(header)
        return large

    assert from_json(tree, announced=announced)[1]["a"][0] is large
    assert seen == [(np.dtype("u1"), (4097,), 4097, 1)]
    with pytest.raises(BadMessage):
        from_json(tree)


class Int(int):
    """A subclass, whose own methods would not travel."""


@pytest.mark.parametrize(
    "value",
    [
        object(), {1, 2}, b"x", Int(3), range(3), print, np.ma.array([1]), np.array([None]), np.array([b"x"]),
        np.zeros(2, "i4,i4"), {1: 2}, {None: 2}, {("a",): 1}, [{"a": {2: 3}}], np.bytes_(b"x"), np.dtype("O"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_that_do_not_travel(value: Any) -> None:
    with pytest.raises(UnsupportedValue, match="can't travel"):
        to_json(value)


@pytest.mark.parametrize("value", ["\ud800", ["a\udfff"], {"\ud800": 1}])
def test_lone_surrogates(value: Any) -> None:
    with pytest.raises(UnsupportedValue, match="surrogate"):
        dumps(to_json(value))


def test_values_too_large() -> None:
    deep: Any = 1
    for _ in range(values.MAX_DEPTH):
        deep = [deep]
    assert back(deep) == deep
    with pytest.raises(ValueTooLarge, match="deeper"):
        to_json([deep])
    with pytest.raises(ValueTooLarge, match="digits"):
        to_json(10**5000)
    assert len(dumps("x" * (values.MAX_JSON_BYTES - 2))) == values.MAX_JSON_BYTES
    with pytest.raises(ValueTooLarge, match="bytes of JSON"):
        dumps("x" * (values.MAX_JSON_BYTES - 1))


@pytest.mark.parametrize("wrap", ["list", "tuple", "dict", "slice"])
def test_too_deep_to_read(wrap: str) -> None:
    tree: Any = 1
    for _ in range(values.MAX_DEPTH + 2):
        tree = {"list": [tree], "tuple": {"$tuple": [tree]}, "dict": {"$dict": {"a": tree}}}.get(
            wrap, {"$slice": [tree, None, None]}
        )
    with pytest.raises(BadMessage, match="deep"):
        from_json(tree)


ARRAY = {"dtype": "int8", "shape": [1], "data": "AA=="}


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"a": 1}, {"$x": 1}, {"$tuple": [], "$dict": {}}, {"": 1},
        {"$": 1.0}, {"$": True}, {"$": None}, {"$": [1]},
        {"$tuple": {}}, {"$tuple": None}, {"$dict": []}, {"$dict": None}, {"$array": []},
        {"$slice": [1, 2]}, {"$slice": [1, 2, 3, 4]}, {"$slice": {}}, {"$ellipsis": 1}, {"$ellipsis": False},
        {"$float": "NaN"}, {"$float": "1.0"}, {"$float": 1.0}, {"$float": ["nan"]}, {"$float": None},
        {"$int": 3}, {"$int": ""}, {"$int": "-"}, {"$int": "--1"}, {"$int": "1_0"}, {"$int": " 1"}, {"$int": "٣"},
        {"$int": "+1"}, {"$int": "²"}, {"$int": "9" * 4301}, {"$int": None}, {"$int": ["1"]},
        {"$complex": [1.0]}, {"$complex": [True, 1]}, {"$complex": ["1", 1]}, {"$complex": [None, 1.0]},
        {"$complex": {}}, {"$complex": [{"$": 1}, 1]}, {"$complex": [{"$int": "9" * 400}, 1]},
        {"$scalar": ["int8"]}, {"$scalar": None}, {"$scalar": ["int8", None]}, {"$scalar": ["object", "AA=="]},
        {"$scalar": ["int8", "AAA="]}, {"$scalar": ["U1", "////fw=="]}, {"$scalar": ["U1", ""]},
        {"$dtype": "O"}, {"$dtype": None}, {"$dtype": []},
        {"$pointer": ["a", "b"]}, {"$pointer": ["a", "b", True]}, {"$pointer": ["a", "b", 1.0]}, {"$pointer": "abc"},
        {"$pointer": [1, "b", 2]},
        {"$array": {}}, {"$array": {**ARRAY, "x": 1}}, {"$array": {**ARRAY, "shape": [2]}},
        {"$array": {**ARRAY, "stream": 1}}, {"$array": {**ARRAY, "data": None}}, {"$array": {"dtype": "int8"}},
        [[{"$tuple": [{"$x": 1}]}]],
    ],
    ids=lambda tree: str(tree)[:50],
)  # fmt: skip
def test_trees_that_stand_for_nothing(tree: Any) -> None:
    with pytest.raises(BadMessage):
        from_json(tree, reference=Reference, announced=lambda *_: np.zeros(1))


@pytest.mark.parametrize(
    "change",
    [
        {"stream": 0}, {"stream": -1}, {"stream": True}, {"stream": 1.0}, {"stream": None}, {"stream": "1"},
        {"shape": [0]}, {"shape": [-1]}, {"shape": [2**60]}, {"dtype": "O"}, {"dtype": None},
    ],
)  # fmt: skip
def test_streams_announced_wrongly(change: dict[str, Any]) -> None:
    def announced(*_: Any) -> Any:
        pytest.fail("nothing may be allocated for it")

    with pytest.raises(BadMessage):
        from_json({"$array": {"dtype": "int8", "shape": [9], "stream": 1, **change}}, announced=announced)


def test_references_are_refused_where_none_is_due() -> None:
    with pytest.raises(BadMessage, match="reference"):
        from_json([{"$": 1}])
    assert from_json({"$": "ages"}, reference=lambda name: f"<{name}>") == "<ages>"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "data", "stream", "a"]), inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$", "$tuple", "$dict", "$array", "$slice", *values._READERS]),
            inner,
            min_size=1,
            max_size=1,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(tree=JUNK)
def test_any_tree_is_read_or_refused(tree: Any) -> None:
    with contextlib.suppress(BadMessage):
        from_json(tree, reference=Reference, announced=lambda *_: np.zeros(1))
