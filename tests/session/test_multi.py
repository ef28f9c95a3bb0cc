from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages
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


async def test_a_sum_fetches_one_large_value_after_the_other(house: Any) -> None:
    large = np.ones(200_000)
    mp = house.session.send(large, house.bob, house.alice)
    await mp.wait()
    house.alices.mute = True  # the first to be fetched is bob's; alice wouldn't answer
    got = asyncio.create_task(mp.sum_over())
    house.bobs.link.held = True
    for _ in range(20):
        await asyncio.sleep(0)
    assert house.alices.named(messages.Get) == []
    house.bobs.link.held = house.alices.mute = False
    house.session.flush(house.session.station("bob").link)
    np.testing.assert_array_equal(await got, large * 2)
    assert len(house.alices.named(messages.Get)) == 1


async def test_a_sum_is_of_the_values_that_were_there(house: Any) -> None:
    mp = house.session.send(np.ones(2), house.bob, house.alice)
    total, mean, value = mp.sum_over(), mp.mean_over(), mp.get()
    mp += 5
    np.testing.assert_array_equal(await total, [2, 2])
    np.testing.assert_array_equal(await asyncio.create_task(mean), [1, 1])
    np.testing.assert_array_equal((await value)["bob"], [1, 1])
    np.testing.assert_array_equal(await mp.sum_over(), [12, 12])
    mp.release()
    for read in (mp.sum_over, mp.mean_over, mp.get):
        with pytest.raises(errors.PointerReleased):
            read()


async def test_a_sum_with_failures_keeps_nothing(house: Any) -> None:
    mp = combine(house.bob.send(np.ones(2)), house.alice.send(np.ones(3)))
    with pytest.raises(ExceptionGroup) as caught:
        await (mp + np.ones(3)).sum_over()
    assert caught.value.results == {}
    with pytest.raises(ValueError, match="differ"):
        await mp.sum_over()


async def test_it_stays_with_its_values(house: Any) -> None:
    p, q = house.bob.send(np.zeros(2)), house.alice.send(np.zeros(2))
    mp = combine(p, q)
    assert mp.at("bob") is p
    p += 1
    p += 1
    np.testing.assert_array_equal((await mp)["bob"], [0, 0])
    np.testing.assert_array_equal(await p, [2, 2])
    assert mp.at("bob") is not p
    assert mp.at("bob") is mp.pointers["bob"]
    sent = house.session.send(np.zeros(2), house.bob, house.alice, tags="#sent")
    (found,) = await house.bob.search("#sent")
    sent += 1
    sent += 1
    np.testing.assert_array_equal(await found, [0, 0])


async def test_copies_go_to_one_worker(house: Any) -> None:
    mp = combine(house.bob.send(np.ones(2)), house.alice.send(np.ones(2) * 3))
    there = mp.copy(house.alice)
    assert list(there) == ["bob", "alice"]
    assert [pointer.location for pointer in there.values()] == [house.alice] * 2
    np.testing.assert_array_equal(await (there["bob"] + there["alice"]), [4, 4])


async def test_a_failed_assignment_recovers(house: Any) -> None:
    mp = combine(house.bob.send(np.zeros(2)), house.alice.send(np.zeros(9)))
    with pytest.raises(errors.PointerError):
        mp.recover()
    mp[5] = 1
    with pytest.raises(ExceptionGroup) as caught:
        await mp
    assert list(caught.value.results) == ["alice"]
    assert mp.recover() is mp
    got = await mp
    assert (got["bob"].sum(), got["alice"].sum()) == (0, 1)


async def test_operands_are_found_in_slices_lists_and_dicts(house: Any) -> None:
    mp = house.session.send(np.arange(5.0), house.bob, house.alice)
    two = combine(house.bob.send(2), house.alice.send(3))
    got = await mp[:two]
    assert [len(value) for value in got.values()] == [2, 3]
    with pytest.raises(errors.PointersMixed):
        mp[: two.at("bob")]
    with pytest.raises(errors.PointersMixed):
        np.concatenate([mp, two.at("bob")])


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
