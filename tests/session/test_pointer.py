"""The table of pointers in the contract, line by line, against workers that are not there."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages


async def test_chain_travels_in_one_frame(house: Any) -> None:
    before = house.bobs.frames
    x = house.bob.send(np.array([1.0, 2, 3]))
    y = ((x + 1) * 2).sum()
    assert await y == 18.0
    assert house.bobs.frames == before + 1


@pytest.mark.parametrize(
    "op",
    [
        "p + 2", "2 - p", "p * 1.5", "p / q", "7 // p", "p % 2", "p ** 2", "2 ** p", "p @ q", "-p",
        "+p",
        "abs(p)", "p < q", "p <= 2", "p == q", "p != 3", "p >= q", "p > 1", "local * p",
        "local @ p", "np.float32(2) * p",
        "np.where(p > 1, p, 0)", "np.add.reduce(p)", "np.linalg.norm(p)", "p.sum()", "p.mean(axis=0)",
        "p.T",
        "p.reshape(3, 1)", "p[1]", "p[1:]", "p[p > 1]", "p[[0, 2]]",
        "p[..., None]", "np.concatenate([p, q, local])",
        "p.astype(np.float32)", "np.sum(p, dtype=np.float32)", "p + [1, 2, 3]", "p.clip(1, 2)", "np.sin(p)",
        "np.linalg.svd(p.reshape(3, 1)).S", "p[np.array([True, False, True])]", "p + 1j",
    ],
)  # fmt: skip
async def test_expression_is_numpys(house: Any, op: str) -> None:
    a, b = np.array([1.0, 2.5, 3]), np.array([3.0, 2, 1])
    local = np.array([2.0, 0, 1])
    names = {"np": np, "local": local}
    got = await eval(op, {**names, "p": house.bob.send(a), "q": house.bob.send(b)})  # noqa: S307
    want = eval(op, {**names, "p": a, "q": b})  # noqa: S307
    np.testing.assert_array_equal(got, want)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    assert type(got) is type(want)


@pytest.mark.parametrize("op", ["p & q", "p | 4", "p ^ q", "p << 2", "p >> q", "~p", "1 << p", "divmod(p, 2)[1]"])
async def test_integer_operators(house: Any, op: str) -> None:
    a, b = np.array([1, 2, 7]), np.array([3, 0, 1])
    got = await eval(op, {"p": house.bob.send(a), "q": house.bob.send(b)})  # noqa: S307
    np.testing.assert_array_equal(got, eval(op, {"p": a, "q": b}))  # noqa: S307


async def test_assignment_rebinds(house: Any) -> None:
    p = house.bob.send(np.zeros(3), tags=["#mine"])
    before = p.id_at_location
    early = p.get()
    p[1] = 5
    p += 1
    assert p.id_at_location != before
    assert p.tags == ("#mine",)
    np.testing.assert_array_equal(await p, [1, 6, 1])
    np.testing.assert_array_equal(await early, np.zeros(3))
    setitem, iadd = house.bobs.named(messages.Op)
    assert setitem.last == []  # a get of it was still open
    assert iadd.last == [setitem.id]


async def test_in_place_never_gives_up_what_it_reads(house: Any) -> None:
    p = house.bob.send(np.arange(3.0))
    p += p
    assert house.bobs.log is not None
    np.testing.assert_array_equal(await p, [0, 2, 4])
    assert house.bobs.named(messages.Op)[0].last == []


async def test_failed_assignment_recovers(house: Any) -> None:
    p = house.bob.send(np.zeros(3))
    with pytest.raises(errors.PointerError):
        p.recover()
    p[7] = 1
    p += 1
    with pytest.raises(errors.OpIndexError):
        await p
    assert p.recover() is p
    np.testing.assert_array_equal(await p, np.zeros(3))


async def test_owner_data_is_read_only(house: Any) -> None:
    data = house.bob.datasets["data"]
    with pytest.raises(errors.OwnerDataReadOnly, match="copy"):
        data[0] = 1
    with pytest.raises(errors.OwnerDataReadOnly):
        data += 1
    with pytest.raises(errors.OwnerDataReadOnly):
        data.move(house.alice)
    data.release()
    mine = data.copy()
    mine[0] = 9
    assert await mine[0] == 9
    assert await data[0] == 0


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda p: bool(p), errors.PointerTruthError),
        (lambda p: 1 in p, errors.PointerTruthError),
        (lambda p: int(p), errors.ImplicitFetch),
        (lambda p: float(p), errors.ImplicitFetch),
        (lambda p: complex(p), errors.ImplicitFetch),
        (lambda p: range(p), errors.ImplicitFetch),
        (lambda p: f"{p:.2f}", errors.ImplicitFetch),
        (lambda p: np.asarray(p), errors.ImplicitFetch),
        (lambda p: np.array([p, p]), errors.ImplicitFetch),
        (lambda p: np.zeros(3).__setitem__(0, p), ValueError),  # numpy says so, with ImplicitFetch as cause
        (lambda p: np.zeros(3)[p], errors.ImplicitFetch),
        (lambda p: 0 < p < 1, errors.PointerTruthError),
        (lambda p: sorted([p, p]), errors.PointerTruthError),
        (lambda p: pickle.dumps(p), errors.ImplicitFetch),
        (lambda p: p.tolist(), errors.ImplicitFetch),
        (lambda p: p.sort(), errors.InPlaceRefused),
        (lambda p: p.fill(0), errors.InPlaceRefused),
        (lambda p: np.add(p, 1, out=np.zeros(3)), errors.InPlaceRefused),
        (lambda p: np.add.at(np.zeros(3), [0], p), errors.InPlaceRefused),
        (lambda p: np.copyto(np.zeros(3), p), errors.InPlaceRefused),
        (lambda p: np.zeros(3).__iadd__(p), errors.InPlaceRefused),
        (lambda p: p.__delitem__(0), errors.InPlaceRefused),
        (lambda p: np.apply_along_axis(len, 0, p), errors.InPlaceRefused),
        (lambda p: np.frompyfunc(max, 2, 1)(p, p), errors.UnknownOp),
        (lambda p: p + np.array([object()]), errors.UnsupportedValue),
        (lambda p: np.sum(p, dtype=object), errors.UnsupportedValue),
    ],
)
async def test_refused_at_once(house: Any, write: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        write(house.bob.send(np.ones(3)))


async def test_unknown_operands_have_their_turn(house: Any) -> None:
    class Other:
        __array_ufunc__ = None

        def __radd__(self, other: Any) -> str:
            return "other's turn"

    p = house.bob.send(1.0)
    assert p + Other() == "other's turn"
    assert p.__array_ufunc__(np.add, "__call__", p, Other()) is NotImplemented
    assert hash(p) == object.__hash__(p)
    assert p in [p]
    assert copy.copy(p) is p
    assert await copy.deepcopy(p) == 1.0


async def test_release(house: Any) -> None:
    p = house.bob.send(np.ones(2))
    y = p + 1
    p.release()
    for use in (lambda: p + 1, p.get, p.copy, lambda: p.move(house.alice), lambda: y + p):
        with pytest.raises(errors.PointerReleased):
            use()
    with pytest.raises(errors.PointerReleased):
        await p
    np.testing.assert_array_equal(await y, [2, 2])
    assert await y.get(release=True) is not None
    await house.until_held()


async def test_awaiting_twice_and_with_asyncio(house: Any) -> None:
    p, q = house.bob.send(1), house.bob.send((1, [2.0, None], {"a": "b"}))
    assert await p == await p == 1
    assert await asyncio.gather(p, q) == [1, (1, [2.0, None], {"a": "b"})]
    assert await asyncio.wait_for(p, 1) == 1
    assert await asyncio.shield(p) == 1
    assert await asyncio.create_task(p.get()) == 1
    assert await house.bob.send({"a": np.ones(2), "b": 3})["b"] == 3


async def test_large_values_stream_both_ways(house: Any) -> None:
    big = np.random.default_rng(0).normal(size=(300, 100))
    p = house.bob.send(big)
    kept = big.copy()
    big[:] = 0
    np.testing.assert_array_equal(await p, kept)
    back = await house.bob.send([big, (kept, 1)])
    np.testing.assert_array_equal(back[1][0], kept)
    np.testing.assert_array_equal(await (p * kept), kept * kept)
    assert house.session.copies.nbytes == 0


async def test_pointer_to_a_data_set(house: Any) -> None:
    data = house.bob.datasets["data"]
    pp = data.send(house.alice)
    assert await pp is data
    assert await (await (pp.sum() + 1)) == 16


async def test_pointer_to_pointer(house: Any) -> None:
    p = house.bob.send(np.arange(3.0))
    pp = p.send(house.alice)
    assert pp.location is house.alice
    assert await pp.get() is p
    result = (pp + 1) * pp
    inner = await result
    assert inner.location is house.bob
    np.testing.assert_array_equal(await inner, [0, 2, 6])
    for write in (
        lambda: pp + p,
        lambda: p + pp,
        lambda: pp.send("bob"),
        lambda: pp.move("bob"),
        lambda: pp.copy("bob"),
    ):
        with pytest.raises(errors.PointersMixed):
            write()
    with pytest.raises(errors.PointersMixed):
        pp += 1
    assert pp.shape == (3,)
    again = p.id_at_location
    p = inner = None
    assert (await pp.get()).id_at_location == again
    pp.release()
    with pytest.raises(errors.PointerReleased):
        await pp


async def test_array_api_device(house: Any) -> None:
    p = house.bob.send(1.0)
    assert p.device == "bob"
    assert p.to_device("bob") is p
    with pytest.raises(ValueError, match="copy"):
        p.to_device("alice")
