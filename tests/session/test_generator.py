from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages
from fedsock.session import RemoteGenerator


async def test_draws_follow_one_another_as_numpys(house: Any) -> None:
    rng, local = house.bob.np.random.default_rng(7), np.random.default_rng(7)
    a, b = rng.normal(size=3), rng.integers(0, 10, size=4)
    np.testing.assert_array_equal(await a, local.normal(size=3))
    np.testing.assert_array_equal(await b, local.integers(0, 10, size=4))
    np.testing.assert_array_equal(await rng.random(2, dtype=np.float32), local.random(2, dtype=np.float32))
    assert [one.n for one in house.bobs.named(messages.Op)[1:3]] == [2, 2]
    x = house.bob.send(np.arange(5))
    np.testing.assert_array_equal(await rng.permutation(x), local.permutation(np.arange(5)))


async def test_spawned_generators(house: Any) -> None:
    rng, local = house.bob.np.random.default_rng(7), np.random.default_rng(7)
    children = rng.spawn(2)
    assert all(isinstance(child, RemoteGenerator) for child in children)
    assert await children[1].random() == local.spawn(2)[1].random()


async def test_refusals(house: Any) -> None:
    rng = house.bob.np.random.default_rng(7)
    assert await rng.wait() is rng
    assert "normal" in dir(rng)
    assert "bob" in repr(rng)
    with pytest.raises(AttributeError, match="normal"):
        rng.bytes  # noqa: B018
    with pytest.raises(errors.ImplicitFetch):
        pickle.dumps(rng)
    rng.release()
    with pytest.raises(errors.PointerReleased):
        rng.normal()
