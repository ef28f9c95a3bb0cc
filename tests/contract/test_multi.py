"""MultiPointers: one expression, run at every place."""

from __future__ import annotations

import asyncio
import gc

import numpy as np
import pytest

import fedsock
from fedsock import MultiPointer, errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import held

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_ops_run_at_every_place(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    x = np.arange(3.0)
    mp = hub.send(x, bob, alice, tags=["#multi"], description="both")
    assert isinstance(mp, MultiPointer)
    assert (mp.shape, mp.dtype, mp.ndim, len(mp)) == ((3,), np.float64, 1, 3)
    before = (await bob.stats()).ops_run, (await alice.stats()).ops_run
    y = ((mp + 1) * mp - np.ones(3)).sum()
    got = await y
    assert got == {"bob": 5.0, "alice": 5.0}
    assert list(got) == ["bob", "alice"]
    assert ((await bob.stats()).ops_run, (await alice.stats()).ops_run) == (before[0] + 4, before[1] + 4)
    found = await hub.search("#multi")
    assert found == {"bob": [mp.at(bob)], "alice": [mp.at("alice")]}
    for expression in (
        lambda p: 2 - p, lambda p: np.sqrt(p), lambda p: p[p > 0], lambda p: p[1:], lambda p: p[::-1] @ p,
        lambda p: np.concatenate([p, p]), lambda p: np.add.reduce(p), lambda p: p.reshape(3, 1).T, lambda p: -p,
        lambda p: np.where(p > 1, p, 0), lambda p: p.astype(np.float32), lambda p: np.clip(p, p[1], None),
    ):  # fmt: skip
        for value in (await expression(mp)).values():
            np.testing.assert_array_equal(value, expression(x))
    fraction, whole = np.modf(mp / 2)
    assert isinstance(whole, MultiPointer)
    np.testing.assert_array_equal((await fraction)["alice"], [0, 0.5, 0])
    assert [(await row)["bob"] for row in mp] == [0, 1, 2]
    assert type(np.linalg.slogdet(hub.send(np.eye(2), bob, alice))).__name__ == "SlogdetResult"


async def test_combine(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p, q = bob.send(np.ones(2)), alice.send(np.ones(3))
    mp = fedsock.combine(p, q)
    assert mp.at(bob) is p
    assert mp.pointers == {"bob": p, "alice": q}
    assert mp.location == [bob, alice]
    assert {name: value.tolist() for name, value in (await (mp * 2)).items()} == {"bob": [2, 2], "alice": [2, 2, 2]}
    with pytest.raises(ValueError, match=r"shapes differ.*bob.*alice"):
        _ = mp.shape
    with pytest.raises(errors.MetadataNotReady):
        _ = (mp + 1).shape
    assert await (mp + 1).wait() is not None
    for wrong in (lambda: fedsock.combine(p, p), lambda: fedsock.combine(p, bob.send(1)), lambda: fedsock.combine(1)):
        with pytest.raises(errors.PointersMixed):
            wrong()
    with pytest.raises(ValueError, match="at least one"):
        fedsock.combine()


async def test_a_group_of_errors_with_the_results_of_the_others(bob: WorkerHandle, alice: WorkerHandle) -> None:
    mp = fedsock.combine(bob.send(np.ones(2)), alice.send(np.ones(3))) + np.ones(3)
    with pytest.raises(ExceptionGroup, match="1 of 2") as caught:
        await mp
    [error] = caught.value.exceptions
    assert isinstance(error, errors.OpValueError)
    assert error.worker == "bob"
    assert {name: value.tolist() for name, value in caught.value.results.items()} == {"alice": [2, 2, 2]}
    with pytest.raises(ExceptionGroup):
        await mp.wait()
    try:
        await mp
    except* ValueError as group:
        assert group.results["alice"].tolist() == [2, 2, 2]


async def test_assignments_and_their_failures(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    p, q = bob.send(np.zeros(2)), alice.send(np.zeros(4))
    mp = fedsock.combine(p, q)
    mp[0] = 5
    mp += 1
    assert (await mp)["bob"].tolist() == [6, 1]
    assert (await p).tolist() == [0, 0]
    mp[3] = 9
    with pytest.raises(ExceptionGroup):
        await mp
    mp.recover()
    assert (await mp)["bob"].tolist() == [6, 1]
    assert (await mp)["alice"].tolist() == [6, 1, 1, 9]
    with pytest.raises(errors.OwnerDataReadOnly):
        fedsock.combine(bob.datasets["ages"], alice.datasets["x"])[0] = 1
    assert (await hub.send(1, bob, alice)) == {"bob": 1, "alice": 1}


async def test_sums_and_means_over_workers(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    mp = fedsock.combine(bob.send(np.array([1.0, 2])), alice.send(np.array([3.0, 6])))
    assert (await mp.sum_over()).tolist() == [4, 8]
    assert (await mp.mean_over()).tolist() == [2, 4]
    assert await mp.sum().mean_over() == 6.0
    assert await (mp > 2).any().sum_over() == 1  # counted, as np.sum counts
    large = hub.send(np.ones(300_000), bob, alice)
    assert (await large.sum_over()).sum() == 600_000
    model = fedsock.combine(bob.send({"w": np.ones(2), "b": 1.0}), alice.send({"w": np.zeros(2), "b": 2.0}))
    mean = await model.mean_over()
    assert (mean["w"].tolist(), mean["b"]) == ([0.5, 0.5], 1.5)
    total, mean = mp.sum_over(), mp.mean_over()
    both = await asyncio.gather(total, mp.mean_over(), asyncio.wait_for(mean, 30))
    assert [one.tolist() for one in both] == [[4, 8], [2, 4], [2, 4]]
    assert (await asyncio.create_task(mp.sum_over())).tolist() == [4, 8]
    mp.sum_over()
    gc.collect()  # warnings are errors: one that nobody awaits makes no noise
    with pytest.raises(ValueError, match="differ"):
        await fedsock.combine(bob.send(np.ones(2)), alice.send(np.ones(3))).mean_over()
    ages = fedsock.combine(bob.datasets["ages"], alice.datasets["x"])
    with pytest.raises(ExceptionGroup) as caught:
        await ages.sum().mean_over()
    assert isinstance(caught.value.exceptions[0], errors.ExportDenied)


async def test_copies(bob: WorkerHandle, alice: WorkerHandle) -> None:
    mp = fedsock.combine(bob.send(np.ones(2)), alice.send(np.ones(2) * 3))
    there = mp.copy(alice)
    assert list(there) == ["bob", "alice"]
    assert (await np.stack(list(there.values())).mean(axis=0)).tolist() == [2, 2]
    copies = mp.copy()
    mp.release()
    assert (await copies.sum()) == {"bob": 2, "alice": 6}
    for use in (lambda: mp + 1, mp.get, mp.sum_over):
        with pytest.raises(errors.PointerReleased):
            use()


async def test_what_doesnt_mix(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    mp, p = hub.send(np.ones(2), bob, alice), bob.send(np.ones(2))
    for write in (lambda: mp + p, lambda: p + mp, lambda: np.concatenate([mp, p]), lambda: mp[p], lambda: mp[: p[0]]):
        with pytest.raises(errors.PointersMixed):
            write()
    with pytest.raises(errors.PointersApart, match="bob"):
        _ = mp + fedsock.combine(p)
    for use, kind in (
        (lambda: bool(mp), errors.PointerTruthError), (lambda: float(mp), errors.ImplicitFetch),
        (lambda: np.asarray(mp), errors.ImplicitFetch), (lambda: mp.sort(), errors.InPlaceRefused),
        (lambda: np.add(mp, 1, out=np.ones(2)), errors.InPlaceRefused),
    ):  # fmt: skip
        with pytest.raises(kind):
            use()
    for send in (lambda: hub.send(1), lambda: hub.send(1, "nobody"), lambda: hub.send(p, bob, alice)):
        with pytest.raises((ValueError, errors.WorkerLost, errors.UnsupportedValue)):
            send()
    assert "bob" in repr(mp)
    assert "alice" in mp._repr_html_()


async def test_cancel_and_release(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    gc.collect()
    before = await held(bob)
    mp = hub.send(np.ones(3), bob, alice)
    y = mp + 1
    y.cancel()
    with pytest.raises(ExceptionGroup) as caught:
        await y
    assert [type(one) for one in caught.value.exceptions] == [errors.OpCancelled] * 2
    assert (await mp.get(release=True))["bob"].tolist() == [1, 1, 1]
    del y, caught
    gc.collect()
    assert await held(bob) == before
