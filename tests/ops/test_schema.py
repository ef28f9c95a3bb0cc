"""schema: kinds take what they say, and signatures say what they read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpOverflowError, OpTypeError, OpValueError
from fedsock.ops.schema import (
    DTYPES,
    KINDS,
    allowed_dtype,
    array_like,
    dtype_like,
    integer,
    integers,
    kind_of,
    signature,
)
from tests.ops.harness import few


@pytest.mark.parametrize(
    "value", [1, True, 1.5, 2j, "abc", np.float32(1), np.zeros(3), np.datetime64("2020"), 2**64 - 1]
)
def test_array_likes_stay_as_they_are(value: Any) -> None:
    assert array_like(value) is value


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, 2], "int64"),
        ([[1], [2.5]], "float64"),
        ((1, 2j), "complex128"),
        ([], "float64"),
        (["a", "bc"], "<U2"),
    ],
)
def test_lists_become_arrays(value: Any, dtype: str) -> None:
    made = array_like(value)
    assert made.dtype == dtype
    assert made.tolist() == np.array(value).tolist()


@pytest.mark.parametrize("value", [None, {"a": 1}, slice(1), ..., object(), np.dtype("f8"), [None], [{}], [[1, ...]]])
def test_what_is_no_array(value: Any) -> None:
    with pytest.raises(OpTypeError):
        array_like(value)


def test_lists_that_are_no_array() -> None:
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    with pytest.raises(OpValueError, match="different lengths"):
        array_like([[1], [2, 3]])
    with pytest.raises(OpValueError, match="deeper"):
        array_like(deep)
    for huge in (2**64, -(2**63) - 1, [1, 2**64]):
        with pytest.raises(OpOverflowError):
            array_like(huge)
    with pytest.raises(OpTypeError, match="numbers"):
        array_like([np.zeros(2, object)])
    # Each fits 64 bits, but no dtype holds both: numpy makes objects of them.
    with pytest.raises((OpTypeError, OpOverflowError)):
        array_like([np.datetime64("2020"), 1.5])


@given(
    st.text(max_size=12) | st.sampled_from(["O", "V8", "object", "i4,i4", "M8[ns]", "S3", "void", "longdouble", "g"])
)
@few
def test_no_dtype_by_any_text(text: str) -> None:
    if text not in DTYPES:
        with pytest.raises(OpTypeError):
            dtype_like(text)


def test_dtypes() -> None:
    for name, dtype in DTYPES.items():
        assert dtype_like(name) is dtype
        assert allowed_dtype(dtype)
    assert dtype_like(np.dtype("U5")) == "U5"
    for refused in ("O", "V4", "S3", ">f8", "g", "G", "i4,i4"):
        with pytest.raises(OpTypeError):
            dtype_like(np.dtype(refused))
    with pytest.raises(OpTypeError):
        dtype_like(float)


def test_integers() -> None:
    assert integer(np.int8(3)) == integer(np.array(3)) == integer(3) == 3
    assert integers([1, np.int8(2)]) == integers((1, 2)) == integers(np.array([1, 2])) == (1, 2)
    for wrong in (1.5, "1", None, np.array(1.5), np.array([1, 2])):
        with pytest.raises(OpTypeError):
            integer(wrong)
    for wrong in (1, np.array([1.5]), np.zeros((2, 2), int), "ab"):
        with pytest.raises(OpTypeError):
            integers(wrong)
    with pytest.raises(OpOverflowError):
        integer(2**64)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("bool", [True, np.bool_(False)], [1, None, "True"]),
        ("real", [1, 1.5, np.float32(2), np.bool_(1)], [1j, "1", None, np.zeros(2)]),
        ("none", [None], [0, ""]),
        ("number", [1, np.datetime64("2020"), np.array(3)], [np.zeros(2), 1j, None, [1]]),
        ("text", ["a", np.str_("b")], [1, None]),
        ("generator", [np.random.default_rng(1)], [np.random.RandomState(1), None]),
        ("arrays", [[1, [2, 3]], (np.zeros(2),), np.zeros(3)], [1, None, "ab", [None]]),
        ("blocks", [[1, [2]], 1, np.zeros(2)], [(1, 2), [None]]),
        ("index", [1, None, ..., slice(1, np.int8(2)), (1, slice(None)), [0, 1]], [{}, object(), slice("a")]),
        ("nested", [1, (1, (2, 3))], [1.5, (1, None)]),
        ("left|right", ["left", "right"], ["LEFT", None, "", 1]),
        ("axes", [None, 1, (1, 2)], [1.5, "a", (None,)]),
        ("any", [None, {}, 1], []),
    ],
)
def test_kinds(kind: str, good: list[Any], bad: list[Any]) -> None:
    check = kind_of(kind).check
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(OpTypeError):
            check(value)


def test_kinds_of_data() -> None:
    assert KINDS["array"].data
    assert kind_of("none|array").data
    assert not kind_of("none|int").data
    assert not KINDS["shape"].data


def test_signatures() -> None:
    a, axis, keepdims, rest = signature("a:array / axis:axes=None * keepdims:bool rest:x|y=x")
    assert [p.mode for p in (a, axis, keepdims, rest)] == ["positional", "both", "keyword", "keyword"]
    assert [p.default for p in (a, axis, keepdims, rest)] == [None, "None", None, "x"]
    assert [str(p) for p in signature("*xi:array copy:bool=True")] == ["*xi", "copy=True"]
    (only,) = signature("mode:full")
    assert only.kind.check("full") == "full"
