from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock import errors
from fedsock.protocol import values
from fedsock.session.encoding import described, encode
from fedsock.session.records import Holder, Record

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


def no_upload(array: Any) -> Any:
    raise AssertionError("nothing large here")


def refer(record: Any) -> values.Reference:
    return values.Reference(record)


def read(text: str) -> Any:
    return values.from_json(orjson.loads(text), lambda number: ("ref", number))


@given(st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)))
def test_trees_come_back(tree: Any) -> None:
    assert read(encode(tree, refer, no_upload, [])) == tree


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (slice(1, None, 2), slice(1, None, 2)),
        (..., ...),
        ((1, [2]), (1, [2])),
        (range(3), [0, 1, 2]),
        (np.float32, np.dtype("float32")),
        (float, np.dtype("float64")),
        (np.dtype("int8"), np.dtype("int8")),
        (np.linalg.slogdet(np.eye(1)), (np.float64(1), np.float64(0))),
        (2**70, 2**70),
        (np.int8(3), np.int8(3)),
    ],
)
def test_arguments(value: Any, back: Any) -> None:
    got = read(encode(value, refer, no_upload, []))
    assert got == back
    assert type(got) is type(back)


def holder(number: Any) -> Holder:
    made = Holder()
    made._record = number
    return made


def test_references_anywhere() -> None:
    value = [holder(3), (slice(holder(4), None), {"a": holder("x/y")})]
    got = read(encode(value, refer, no_upload, []))
    assert got == [("ref", 3), (slice(("ref", 4), None), {"a": ("ref", "x/y")})]


def test_large_arrays_are_uploaded() -> None:
    kept: list[Record] = []
    sent: list[Any] = []

    def upload(array: Any) -> Any:
        sent.append(array)
        return 7

    assert read(encode([np.zeros(1000), np.zeros(2)], refer, upload, kept))[0] == ("ref", 7)
    assert kept == [7]
    assert sent[0].shape == (1000,)


@pytest.mark.parametrize("value", [object(), int.bit_length, dict, {1: 2}, np.array([None]), {1, 2}])
def test_what_cannot_travel(value: Any) -> None:
    with pytest.raises(errors.UnsupportedValue):
        encode(value, refer, no_upload, [])


def test_too_deep() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(errors.ValueTooLarge):
        encode(value, refer, no_upload, [])


def test_what_a_worker_will_say_of_it() -> None:
    assert described(np.zeros((2, 0), ">f4")) == ("array", (2, 0), np.dtype("float32"))
    assert described(np.int8(1)) == ("scalar", (), np.dtype("int8"))
    assert described((1, 2)) == ("tuple", None, None)
