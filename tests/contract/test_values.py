"""Values come back as they were: types, dtypes, shapes, bits."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.session.handle import WorkerHandle

pytestmark = pytest.mark.asyncio(loop_scope="module")

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
    "float64", "complex64", "complex128", "U1", "U7", "datetime64[ns]", "datetime64[D]", "datetime64[25s]",
    "datetime64", "timedelta64[ms]", "timedelta64[Y]", "timedelta64",
]  # fmt: skip


def identical(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    if isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            identical(one, other)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            identical(got[key], want[key])
    elif isinstance(want, (np.ndarray, np.generic)):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        assert got.tobytes() == want.tobytes()
    elif isinstance(want, complex):
        identical([got.real, got.imag], [want.real, want.imag])
    elif isinstance(want, float):
        assert (
            math.isnan(got) if math.isnan(want) else (got == want and math.copysign(1, got) == math.copysign(1, want))
        )
    else:
        assert got == want


@pytest.mark.parametrize("dtype", DTYPES)
async def test_arrays_and_scalars_of_every_dtype(bob: WorkerHandle, dtype: str) -> None:
    base = np.array(["ab", "", "é☃", "wide 😀"]) if dtype.startswith("U") else np.array([0, 1, 2, 100])
    flat = base.astype(np.int64).astype(dtype) if dtype[0] in "dt" else base.astype(dtype)
    for array in (
        flat, flat.reshape(2, 2), flat[:0], flat[:0].reshape(0, 3), flat[1].reshape(()), flat[::-2],
        flat.reshape(2, 2).T, np.repeat(flat, 3000), np.repeat(flat, 3000).reshape(4, 3000).T,
    ):  # fmt: skip
        array = np.array(array, copy=None)
        p = bob.send(array)
        assert (p.shape, p.dtype) == (array.shape, array.dtype)
        back = await p
        identical(back, array)
        assert back.flags.writeable
        assert back.flags.c_contiguous
    identical(await bob.send(flat[1]), flat[1])
    identical(await bob.send(flat)[1], flat[1])


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**64, -(2**200), 0.0, -0.0, 1.5, 1e308, 5e-324,
        float("inf"), float("-inf"), float("nan"), 1j, complex(float("nan"), float("-inf")), complex(-0.0, 0.0),
        "", "text", "é☃😀\x00\n\"\\", [], (), {}, [[]], ((),), {"": None}, [1, 2.0, "3"], (1, [2, (3,)]),
        {"$": 3}, {"$tuple": [1]}, {"$array": {"dtype": "int8"}}, {"a": {"$dict": (1,)}, "b b": [None]},
        np.float64(1.5), np.float32("nan"), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.complex64(1 - 2j),
        np.str_("text"), np.str_(""), np.datetime64("2020-02-29T12:00", "m"), np.datetime64("NaT", "ns"),
        np.timedelta64(5, "D"), np.array(3), np.array("x"), np.array(None, dtype=np.float64),
        {"a": np.ones(3), "b": (np.zeros((600, 2)), [np.float32(1), np.array(2)])}, [np.ones(2000)] * 3,
        [True, 1, 1.0, np.True_, np.int64(1), np.array(1)],
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_what_was_sent_comes_back_as_it_was(bob: WorkerHandle, value: Any) -> None:
    identical(await bob.send(value), value)
    identical(await bob.send([value])[0], value)
    identical(await bob.send(value).copy("alice"), value)


async def test_other_layouts_come_back_as_the_same_values(bob: WorkerHandle) -> None:
    swapped = np.arange(5, dtype=">i4")
    back = await bob.send(swapped)
    assert back.tolist() == swapped.tolist()
    assert back.dtype == np.int32
    locked = np.arange(3)
    locked.flags.writeable = False
    assert (await bob.send(locked)).flags.writeable
    assert (await bob.send(np.broadcast_to(1.0, (3, 3)))).tolist() == [[1.0] * 3] * 3
    patterns = np.array([0x7FF8000000000001, 0x7FF0000000000000, 0x8000000000000000], np.uint64).view(np.float64)
    identical(await bob.send(patterns), patterns)  # bit by bit, whatever NaN it is


class Colour(enum.IntEnum):
    RED = 1


Pair = namedtuple("Pair", "a b")


class Text(str):
    pass


@pytest.mark.parametrize("value", [Colour.RED, Pair(1, 2), OrderedDict(a=1), Text("a"), type("D", (dict,), {})(a=1)])
async def test_what_would_come_back_as_another_type_is_refused(bob: WorkerHandle, value: Any) -> None:
    with pytest.raises(errors.UnsupportedValue, match="travel"):
        bob.send(value)
    with pytest.raises(errors.UnsupportedValue, match="travel"):
        bob.send({"a": [value]})


async def test_results_of_ops_keep_their_kind_too(bob: WorkerHandle) -> None:
    x = np.arange(3.0)
    p = bob.send(x)
    identical(await p.sum(), x.sum())
    identical(await p[0], x[0])
    identical(await p[0, ...], x[0, ...])
    identical(await p.sum(keepdims=True), x.sum(keepdims=True))
    identical(await np.divmod(p, 2), np.divmod(x, 2))
    identical(await (bob.send(np.array(2.0)) * 1), np.array(2.0) * 1)
