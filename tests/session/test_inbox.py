from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[7]",
        b'[{"t":"op","id":1,"fn":"add"}]',
        b'[{"t":"done","id":0}]',
        b'[{"t":"done","id":1,"dtype":"object"}]',
        b'[{"t":"value","id":9,"value":{"$array":{"dtype":"float64","shape":[2],"stream":0}}}]',
    ],
)
async def test_bad_bodies(house: Any, body: bytes) -> None:
    p = house.bob.send(1.0)
    with pytest.raises(errors.BadMessage):
        house.session.batch(house.bobs.address, memoryview(body))
    assert await p == 1.0


async def test_bad_streams(house: Any) -> None:
    with pytest.raises(errors.BadMessage):
        house.session.chunk(house.bobs.address, 5, 0, memoryview(b"x"))
    house.bobs.link.held = True
    waiting = asyncio.create_task(house.bob.send(1.0).get())
    await asyncio.sleep(0)
    large = b'[{"t":"value","id":2,"value":{"$array":{"dtype":"float64","shape":[1000000000],"stream":1}}}]'
    with pytest.raises(errors.BadMessage, match="larger"):
        house.session.batch(house.bobs.address, memoryview(large))
    waiting.cancel()
    house.session.batch("nobody@ffff", memoryview(b"[]"))
    house.session.chunk("nobody@ffff", 1, 0, memoryview(b""))
    house.session.sent("nobody@ffff", 1)


async def test_failures_of_dropped_pointers_are_listed(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    y = (p + np.ones(4)) * 2
    with pytest.raises(errors.OpValueError) as caught:
        await y
    root, after = house.session.failures
    assert repr(after) == repr(caught.value)
    assert repr(after.__cause__) == repr(root) == repr(caught.value.__cause__)


async def test_failure_and_what_depends_on_it(house: Any) -> None:
    p = house.bob.send(np.ones(3))
    bad = p + np.ones(4)
    after = bad * 2
    with pytest.raises(errors.OpValueError) as first:
        await bad
    with pytest.raises(errors.OpValueError) as second:
        await after
    assert second.value.__cause__ is first.value
    assert (first.value.op, first.value.worker) == ("add", "bob")
    assert "bob" in str(first.value)
    assert repr(house.session.failures[0]) == repr(first.value)
    with pytest.raises(errors.OpValueError):
        await after.wait()
    with pytest.raises(errors.OpValueError):
        _ = after.shape


@pytest.mark.parametrize(
    "body",
    [
        b'[{"t":"done","id":1,"n":1000000}]',
        b'[{"t":"done","id":2,"n":1}]',
        b'[{"t":"error","id":1,"n":2,"code":"op_value","message":"no"}]',
        b'[{"t":"error","id":2,"code":"op_value","message":"no"}]',
    ],
)
async def test_ids_that_were_never_given_out_are_not_walked(house: Any, body: bytes) -> None:
    p = house.bob.send(1.0)
    assert p.id_at_location == 1
    with pytest.raises(errors.BadMessage, match="never given out"):
        house.session.batch(house.bobs.address, memoryview(body))
    assert not house.session.failures
    assert await p == 1.0


async def test_an_offer_in_parts_is_complete_with_the_last(house: Any) -> None:
    first = b'[{"t":"offer","more":true,"datasets":[{"id":"a","dtype":"int64","shape":[1]}]}]'
    last = b'[{"t":"offer","datasets":[{"id":"b","dtype":"int64","shape":[1]}]}]'
    before = set(house.bob.datasets)
    house.session.batch(house.bobs.address, memoryview(first))
    assert set(house.bob.datasets) == before
    house.session.batch(house.bobs.address, memoryview(last))
    assert set(house.bob.datasets) == {"a", "b"}


async def test_an_offer_without_end_is_refused(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsock.session.inbox.MOST_DATASETS", 2)
    offer = b'[{"t":"offer","more":true,"datasets":[{"id":"a"},{"id":"b"}]}]'
    house.session.batch(house.bobs.address, memoryview(offer))
    with pytest.raises(errors.BadMessage, match="data sets"):
        house.session.batch(house.bobs.address, memoryview(offer))
