from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.session import MultiPointer, combine


async def test_ops_run_everywhere(house: Any) -> None:
    mp = house.session.send(np.arange(3.0), house.bob, house.alice)
    assert (mp.shape, mp.dtype) == ((3,), np.float64)
    got = await ((mp + 1) * mp - np.ones(3))
    assert list(got) == ["bob", "alice"]
    np.testing.assert_array_equal(got["alice"], [-1, 1, 5])
    mp += 1
    mp[0] = 5
    np.testing.assert_array_equal((await mp)["bob"], [5, 2, 3])
    fraction, whole = np.modf(mp / 2)
    assert isinstance(whole, MultiPointer)
    np.testing.assert_array_equal((await fraction)["bob"], [0.5, 0, 0.5])
    assert [list(await row) for row in mp] == [["bob", "alice"]] * 3
    assert await mp.wait() is mp
    assert (await mp.copy().max())["alice"] == 5
    assert (await np.concatenate([mp, mp]).sum())["bob"] == 20


async def test_sums_and_means(house: Any) -> None:
    mp = combine(house.bob.send(np.array([1.0, 2])), house.alice.send(np.array([3.0, 6])))
    np.testing.assert_array_equal(await mp.sum_over(), [4, 8])
    np.testing.assert_array_equal(await mp.mean_over(), [2, 4])
    assert await mp.sum().mean_over() == 6.0


async def test_an_assignment_leaves_the_pointers_it_was_made_from(house: Any) -> None:
    p, q = house.bob.send(np.zeros(2), tags="#p"), house.alice.send(np.zeros(2))
    mp = combine(p, q)
    mp += 1
    given = mp.at(house.bob)
    mp[0] = 7
    np.testing.assert_array_equal(await p, [0, 0])
    np.testing.assert_array_equal(await given, [1, 1])
    np.testing.assert_array_equal((await mp)["bob"], [7, 1])
    mp += 1
    mp += mp
    np.testing.assert_array_equal((await mp)["alice"], [16, 4])


async def test_some_fail(house: Any) -> None:
    mp = combine(house.bob.send(np.ones(2)), house.alice.send(np.ones(3)))
    with pytest.raises(ExceptionGroup) as caught:
        await (mp + np.ones(3))
    np.testing.assert_array_equal(caught.value.results["alice"], [2, 2, 2])
    assert isinstance(caught.value.exceptions[0], errors.OpValueError)
    with pytest.raises(ValueError, match="differ"):
        _ = mp.shape


async def test_refusals(house: Any) -> None:
    p, q = house.bob.send(1.0), house.alice.send(2.0)
    mp = combine(p, q)
    for write in (lambda: mp + p, lambda: p + mp, lambda: combine(p, p), lambda: combine(p, 1)):
        with pytest.raises(errors.PointersMixed):
            write()
    with pytest.raises(errors.PointersApart):
        mp + combine(p)
    with pytest.raises(errors.PointerTruthError):
        bool(mp)
    with pytest.raises(ValueError, match="at least one"):
        house.session.send(1)
    mp.cancel()
    assert mp.location == [house.bob, house.alice]
    assert set(mp.pointers) == {"bob", "alice"}
    assert "alice" in repr(mp)
    assert "<table>" in mp._repr_mimebundle_()["text/html"]
    mp.release()
    with pytest.raises(errors.PointerReleased):
        mp + 1
