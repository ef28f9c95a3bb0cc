"""What a session's user gets wrong: a typed error at the expression or the await; what came before is still there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from tests.bad_input.parts import QUOTA_BYTES, QUOTA_OBJECTS, House


def nested(depth: int) -> list[Any]:
    """Return lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


REFUSED: dict[str, tuple[Any, type[errors.FedsockError], str]] = {
    "an array of objects": (np.array([object()]), errors.UnsupportedValue, "dtype object"),
    "a structured array": (np.zeros(2, "f8,i4"), errors.UnsupportedValue, "use numbers"),
    "bytes": (np.array([b"abc"]), errors.UnsupportedValue, "use numbers"),
    "an object": (object(), errors.UnsupportedValue, "builtins.object can't travel; send numbers"),
    "a function": (nested, errors.UnsupportedValue, "send numbers"),
    "a dict with numbers as keys": ({1: 2}, errors.UnsupportedValue, "keys are str"),
    "a lone surrogate": ("\ud800", errors.UnsupportedValue, "surrogate"),
    "a value nested 10,000 deep": (nested(10_000), errors.ValueTooLarge, "deeper than 64"),
    "a text above 1 MiB": ("x" * (2**20 + 1), errors.ValueTooLarge, "send arrays"),
    "lists above 1 MiB": ([0.125] * 300_000, errors.ValueTooLarge, "send arrays"),
    "an integer of 5,000 digits": (10**5000, errors.ValueTooLarge, "4300 digits"),
}


async def test_a_value_that_cannot_travel(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        x = bob.send(np.arange(3.0))
        for case, (value, kind, word) in REFUSED.items():
            for use in (bob.send, lambda value: bob.np.add(x, value)):
                with pytest.raises(kind, match=word) as caught:
                    use(value)
                assert isinstance(caught.value, TypeError), case
        assert await x.sum() == 3.0


async def test_shapes_and_dtypes_that_do_not_fit(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        x, text = bob.datasets["x"], bob.send(np.array(["a", "b"]))
        wrong = {
            "add": (x + np.arange(4.0), errors.OpValueError, "6.*4"),
            "matmul": (x @ np.ones((5, 2)), errors.OpValueError, "6"),
            "subtract": (text - 1, errors.OpTypeError, "subtract"),
            "getitem": (x[99], errors.OpIndexError, "99"),
            "sum": (x.sum(axis=3), errors.OpAxisError, "3"),
            "linalg.inv": (bob.np.linalg.inv(np.zeros((2, 2))), errors.OpLinAlgError, "ingular"),
        }
        for op, (pointer, kind, word) in wrong.items():
            with pytest.raises(kind, match=word) as caught:
                await pointer
            assert "bob" in str(caught.value) and caught.value.op == op
            after = pointer + 1
            with pytest.raises(errors.OpFailed) as followed:
                await after
            assert followed.value.__cause__ is not None
        assert await (x + 1).sum() == 21.0


async def test_an_op_that_is_none(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        for name in ("system", "no_such_function", "load", "frompyfunc"):
            with pytest.raises(AttributeError, match=name):
                await getattr(bob.np, name)(1)
        assert await (bob.datasets["x"]).sum() == 15.0


async def test_more_than_the_quota(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        kept = await bob.send(np.arange(10.0)).wait()
        with pytest.raises(errors.QuotaExceeded, match="bytes") as caught:
            await bob.send(np.zeros(QUOTA_BYTES + 1, np.uint8)).wait()
        assert f"{QUOTA_BYTES}" in str(caught.value).replace(",", "")
        with pytest.raises(errors.QuotaExceeded, match="bytes"):
            await bob.np.zeros((1000, 1000, 1000)).wait()
        many = [bob.send(number) for number in range(QUOTA_OBJECTS + 10)]
        with pytest.raises(errors.QuotaExceeded, match="objects"):
            await many[-1].wait()
        assert await many[0] == 0
        del many
        assert await kept.sum() == 45.0


async def test_integers_of_any_size_and_what_is_no_number_come_back(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        for value in (2**63 - 1, 2**63, 2**64, -(2**64), 2**4000, None, [None, 1.5]):
            back = await bob.send(value)
            assert back == value and type(back) is type(value)
        assert np.isnan(await bob.send(float("nan")))
        with pytest.raises(errors.OpTypeError, match="add"):
            await bob.np.add(bob.send(None), 1)


async def test_a_private_value_and_what_is_none_of_its_names(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        bob = await hub.worker("bob")
        with pytest.raises(errors.ExportDenied, match="private"):
            await bob.datasets["secret"]
        with pytest.raises(KeyError):
            bob.datasets["nowhere"]
        assert await bob.datasets["x"].max() == 5.0
