from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.session import Pointer
from fedsock.session.groups import group, mapped


async def test_several_results_are_numpys_tuple(house: Any) -> None:
    matrix = np.arange(6.0).reshape(3, 2)
    q, r = np.linalg.qr(house.bob.send(matrix))
    np.testing.assert_allclose(await (q @ r), matrix, atol=1e-12)
    result = np.linalg.svd(house.bob.send(matrix))
    assert isinstance(result.S, Pointer)
    values = await result
    assert type(values) is type(np.linalg.svd(matrix))
    both = await asyncio.gather(np.linalg.eigh(house.bob.send(matrix.T @ matrix)), np.modf(house.bob.send(1.5)))
    assert type(both[1]) is tuple
    assert both[1] == (0.5, 1.0)


async def test_lists_and_nested_ones(house: Any) -> None:
    x = house.bob.send(np.arange(6.0))
    parts = np.split(x, 3)
    assert isinstance(parts, list)
    assert hash(parts) == id(parts)
    (values,) = await asyncio.gather(parts)
    assert type(values) is list
    np.testing.assert_array_equal(values[2], [4, 5])
    nested = group((x, [x + 1]))
    value = await nested
    assert type(value) is tuple
    assert type(value[1]) is list
    doubled = await mapped(lambda pointer: pointer * 2, np.linalg.slogdet(house.bob.send(np.eye(2))))
    assert type(doubled) is type(np.linalg.slogdet(np.eye(2)))


async def test_one_failure_fails_the_whole(house: Any) -> None:
    with pytest.raises(errors.OpLinAlgError):
        await np.linalg.svd(house.bob.send(np.full((2, 2), np.nan)))
