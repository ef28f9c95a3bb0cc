"""Arrays on the wire: round trips of every dtype, and what a header or a chunk may not say."""

from __future__ import annotations

import base64
import errno
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.errors import BadMessage, UnsupportedValue
from fedsock.protocol import arrays

NUMBERS = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
OTHERS = ["U1", "U12", "datetime64", "datetime64[ns]", "datetime64[25s]", "timedelta64[D]", "timedelta64"]
ITEMS = st.sampled_from(NUMBERS + OTHERS).map(np.dtype)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def any_array(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Draw an array of any dtype, byte order, shape and layout."""
    dtype = draw(ITEMS)
    shape = draw(SHAPES)
    count = int(np.prod(shape))
    if dtype.kind == "U":
        width = dtype.itemsize // 4
        text = st.text(max_size=width, alphabet=st.characters(exclude_categories=["Cs"]))
        flat = np.array(draw(st.lists(text, min_size=count, max_size=count)), dtype=dtype)
    else:
        data = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
        if dtype.kind == "b":
            data = bytes(byte & 1 for byte in data)
        flat = np.frombuffer(data, dtype=dtype)
    array = flat.reshape(shape)
    if draw(st.booleans()):
        array = array.astype(array.dtype.newbyteorder(">"))
    layout = draw(st.sampled_from(["c", "transposed", "reversed", "strided"]))
    if layout == "transposed":
        return array.T
    if array.ndim and layout == "reversed":
        return array[::-1]
    if array.ndim and layout == "strided":
        return array[..., ::2]
    return array


def same_bytes(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are the same to the bit, NaN payloads included, whatever their byte order."""
    return (
        one.shape == other.shape
        and one.dtype.newbyteorder("<") == other.dtype.newbyteorder("<")
        and arrays.portable(one).tobytes() == arrays.portable(other).tobytes()
    )


@given(array=any_array())
def test_inline_round_trip(array: np.ndarray[Any, Any]) -> None:
    ready = arrays.portable(array)
    head = arrays.header(ready)
    back = arrays.from_inline(head["dtype"], head["shape"], arrays.inline(ready))
    assert same_bytes(array, back)
    assert back.dtype.isnative and back.flags.writeable and back.flags.c_contiguous


@given(array=any_array(), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_chunks_round_trip(array: np.ndarray[Any, Any], cuts: list[int]) -> None:
    ready = arrays.portable(array)
    head = arrays.header(ready)
    dtype, shape, nbytes = arrays.read_header(head["dtype"], head["shape"])
    source = arrays.raw(ready)
    assert nbytes == len(source) == array.nbytes
    incoming = arrays.Incoming(dtype, shape)
    at = turn = 0
    while at < nbytes:
        assert not incoming.complete
        step = source[at : at + cuts[turn % len(cuts)]]
        incoming.write(at, step)
        at += len(step)
        turn += 1
    assert incoming.complete
    assert same_bytes(array, incoming.array)


def test_portable_copies_only_what_it_must() -> None:
    plain = np.arange(6.0).reshape(2, 3)
    assert arrays.portable(plain) is plain
    assert arrays.portable(plain.T).flags.c_contiguous
    assert np.shares_memory(np.frombuffer(arrays.raw(plain), np.uint8), plain)
    native = arrays.native(plain.astype(">f8"))
    assert native.dtype.isnative and (native == plain).all()
    assert arrays.native(plain) is plain


@pytest.mark.parametrize("name", NUMBERS + OTHERS + ["U0"])
def test_names_of_dtypes(name: str) -> None:
    assert arrays.dtype_name(arrays.dtype_named(name)) == name
    assert arrays.dtype_name(np.dtype(name).newbyteorder(">")) == name


@pytest.mark.parametrize(
    "dtype",
    ["O", "S3", "V4", "i4,i4", ("i4", 3), np.longdouble, np.clongdouble, "datetime64[1000000s]"],
    ids=str,
)
def test_dtypes_that_do_not_travel(dtype: Any) -> None:
    found = np.dtype(dtype)
    if found in (np.dtype("f8"), np.dtype("c16")):
        pytest.skip("this machine's long double is float64")
    with pytest.raises(UnsupportedValue, match="can't travel"):
        arrays.dtype_name(found)


@pytest.mark.parametrize(
    "name",
    [
        "object", "O", "f8", "<f8", "U", "U01", "U-1", "U1\n", "U999999999", "U1000000000", "S3", "float64 ", "",
        "i4,i4", "datetime64[0s]", "datetime64[1000000s]", "datetime64[B]", "datetime64[]", "float128",
        None, 3, True, ["float64"], {"a": "f8"},
    ],
)  # fmt: skip
def test_unknown_names(name: object) -> None:
    with pytest.raises(BadMessage):
        arrays.dtype_named(name)


@pytest.mark.parametrize(
    "shape",
    [
        [-1], [2, -3], [True], [1.0], ["1"], [None], [[1]], None, 3, "3", {"0": 1}, (2,), [1] * 65,
        [2**47], [2**62, 4], [2**32, 2**32], [2**63], [2**64], [10**30], [0, 2**62], [2**31, 2**31, 0],
    ],
)  # fmt: skip
def test_lying_shapes(shape: object) -> None:
    with pytest.raises(BadMessage):
        arrays.read_header("float64", shape)
    with pytest.raises(BadMessage):
        arrays.from_inline("float64", shape, "")


def test_largest_shapes() -> None:
    assert arrays.read_header("int8", [2**47]) == (np.dtype("int8"), (2**47,), 2**47)
    assert arrays.read_header("int8", [1] * 64)[2] == 1
    with pytest.raises(BadMessage):
        arrays.read_header("U0", [2**47 + 1])


@given(dtype=st.sampled_from(NUMBERS), shape=st.lists(st.integers(-2, 2**65) | st.booleans() | st.floats(), max_size=6))
def test_any_header_is_refused_or_exact(dtype: str, shape: list[Any]) -> None:
    try:
        found, sizes, nbytes = arrays.read_header(dtype, shape)
    except BadMessage:
        return
    assert all(type(size) is int and size >= 0 for size in sizes)
    count = 1
    for size in sizes:
        count *= size
    assert nbytes == count * found.itemsize <= arrays.MAX_BYTES


@pytest.mark.parametrize(
    "data",
    ["A", "AAAA", "!!!!", "AAAAAAAAAAA=\n", "AAAAAAAA AAA=", "é" * 12, "=", "AAAAAAAAAAA", "", None, 5, b"AA==", []],
)  # fmt: skip
def test_base64_junk(data: object) -> None:
    with pytest.raises(BadMessage):
        arrays.from_inline("float64", [1], data)


@given(data=st.text(max_size=20))
def test_any_inline_text_is_refused_or_exact(data: str) -> None:
    try:
        array = arrays.from_inline("uint8", [3], data)
    except BadMessage:
        return
    assert base64.b64decode(data) == array.tobytes()


@pytest.mark.parametrize(("dtype", "data"), [("U1", b"\xff\xff\xff\x7f"), ("U1", b"\0\0\x11\0"), ("bool", b"\2")])
def test_bytes_that_numpy_would_choke_on(dtype: str, data: bytes) -> None:
    with pytest.raises(BadMessage):
        arrays.from_inline(dtype, [1], base64.b64encode(data).decode())
    with pytest.raises(BadMessage):
        arrays.from_inline(dtype, [], base64.b64encode(data).decode())
    incoming = arrays.Incoming(np.dtype(dtype), (1,))
    with pytest.raises(BadMessage):
        incoming.write(0, memoryview(data))
    assert not incoming.complete


def test_text_of_no_width() -> None:
    array = arrays.from_inline("U0", [2, 3], "")
    assert array.shape == (2, 3) and array.nbytes == 0
    assert arrays.header(array) == {"dtype": "U0", "shape": [2, 3]}


def test_incoming_without_bytes_is_complete_at_once() -> None:
    incoming = arrays.Incoming(np.dtype("int8"), (0, 3))
    assert incoming.complete and incoming.array.shape == (0, 3)
    with pytest.raises(BadMessage):
        incoming.write(0, memoryview(b"x"))


@pytest.mark.parametrize(("at", "data"), [(0, b""), (1, b"x"), (-1, b"x"), (0, b"12345"), (4, b""), (2**63, b"x")])
def test_chunks_that_do_not_fit(at: int, data: bytes) -> None:
    incoming = arrays.Incoming(np.dtype("int8"), (4,))
    with pytest.raises(BadMessage, match="chunk"):
        incoming.write(at, memoryview(data))
    assert not incoming.complete and not incoming.array.any()


def test_chunks_neither_repeat_nor_go_on_after_the_end() -> None:
    incoming = arrays.Incoming(np.dtype("int8"), (4,))
    incoming.write(0, memoryview(b"\1\2"))
    with pytest.raises(BadMessage):
        incoming.write(0, memoryview(b"\1\2"))
    incoming.write(2, memoryview(b"\3\4"))
    assert incoming.complete and incoming.array.tolist() == [1, 2, 3, 4]
    with pytest.raises(BadMessage):
        incoming.write(4, memoryview(b"\5"))


@pytest.mark.parametrize("dtype", ["float64", "U5", "datetime64[s]", "bool"])
@pytest.mark.parametrize("count", [3, 1_500_001])
def test_blank_arrays_are_zeros_of_their_own(dtype: str, count: int) -> None:
    made = arrays.blank(np.dtype(dtype), (count, 3))
    assert (made.shape, made.dtype) == ((count, 3), np.dtype(dtype))
    assert made.flags.writeable
    assert made.flags.c_contiguous
    assert not arrays.raw(made).tobytes().strip(b"\0")


def test_a_blank_array_larger_than_memory() -> None:
    with pytest.raises(MemoryError):
        arrays.blank(np.dtype("float64"), (2**44,))


def test_where_there_are_no_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EINVAL, "no such advice")

    monkeypatch.setattr(arrays.mmap, "mmap", refuse)
    assert arrays.blank(np.dtype("float64"), (10**6,)).sum() == 0.0


def test_texts_of_no_length_are_bounded_too() -> None:
    assert arrays.read_header("U0", [2**20])[2] == 0
    with pytest.raises(BadMessage, match="texts of no length"):
        arrays.read_header("U0", [2**40])
