"""Values go from worker to worker: copies, moves, and the freeing of what nobody needs."""

from __future__ import annotations

import asyncio
import copy
import pickle

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import held

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = np.random.default_rng(3).normal(size=200_000)


async def test_a_copy_where_it_lives(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(3.0))
    q = p.copy()
    assert q is not p
    assert q.id_at_location != p.id_at_location
    assert q.location is bob
    p.release()
    assert (await q).tolist() == [0, 1, 2]
    assert copy.copy(q) is q
    deep = copy.deepcopy(q)
    assert deep.id_at_location != q.id_at_location
    assert (await deep).tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [LARGE, np.arange(3), 2.5, {"a": (1, LARGE), "b": None}, np.float32(1)])
async def test_a_copy_elsewhere_is_a_pointer_at_once(bob: WorkerHandle, alice: WorkerHandle, value: object) -> None:
    p = bob.send(value)
    q = p.copy(alice)
    assert q.location is alice
    for back in (await q, await q.copy("bob"), await p):
        assert type(back) is type(value)
        np.testing.assert_equal(back, value)
    assert await alice.stats() is not None


async def test_ops_wait_for_what_is_on_its_way(bob: WorkerHandle, alice: WorkerHandle) -> None:
    here = alice.send(np.ones(LARGE.shape))
    y = ((bob.send(LARGE) * 2).copy(alice) + here).sum()  # nothing of it has been computed or sent yet
    assert y.location is alice
    assert await y == pytest.approx((LARGE * 2 + 1).sum())
    there_and_back = bob.send(LARGE).copy(alice).copy(bob).copy(alice)
    np.testing.assert_array_equal(await there_and_back, LARGE)
    assert there_and_back.shape == LARGE.shape


async def test_a_copys_metadata_are_known_when_its_sources_are(bob: WorkerHandle, alice: WorkerHandle) -> None:
    assert bob.send(LARGE).copy(alice).shape == LARGE.shape
    p = bob.send(1.0) + 1
    q = p.copy(alice)
    with pytest.raises(errors.MetadataNotReady):
        _ = q.dtype
    await q.wait()
    assert q.dtype == np.float64


async def test_a_move_frees_the_source_when_it_has_arrived(bob: WorkerHandle, alice: WorkerHandle) -> None:
    before = await held(bob), await held(alice)
    p = bob.send(LARGE, tags=["#moving"], description="goes")
    q = p.move(alice)
    assert q.location is alice
    assert q.tags == ("#moving",)
    assert q.description == "goes"
    for use in (lambda: p + 1, lambda: p.get(), lambda: p.copy(), lambda: p.move(bob), lambda: p.send(bob)):
        with pytest.raises(errors.PointerReleased, match=r"moved.*move\(\)"):
            use()
    assert "moved" in repr(p)
    await q.wait()
    assert (await held(bob), await held(alice)) == (before[0], before[1] + 1)
    np.testing.assert_array_equal(await q, LARGE)
    [found] = await alice.search("#moving")
    assert found is q
    assert await bob.search("#moving") == []


async def test_a_move_that_fails_leaves_the_source(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.datasets["ages"] * 2
    q = p.move(alice)
    after = q + 1
    with pytest.raises(errors.ExportDenied, match="private"):
        await q
    with pytest.raises(errors.ExportDenied, match="private"):
        await after
    assert await (p + 1).wait() is not None  # bob still has it, and p means it
    bad = bob.send(np.ones(3))[9]
    with pytest.raises(IndexError):
        await bad.copy(alice)
    with pytest.raises(IndexError):
        await bad.move(alice)


async def test_a_move_within_a_worker(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(3), tags="#within")
    q = p.move(bob)
    with pytest.raises(errors.PointerReleased):
        _ = p + 1
    assert q.tags == ("#within",)
    assert (await q).tolist() == [0, 1, 2]


async def test_what_uses_a_value_before_its_move_is_done(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(LARGE)
    total, value = p.sum(), asyncio.create_task(p.get())
    await asyncio.sleep(0)  # the get has begun
    q = p.move(alice)
    assert await total == LARGE.sum()
    np.testing.assert_array_equal(await value, LARGE)
    np.testing.assert_array_equal(await q, LARGE)


async def test_owners_data_stays_and_private_data_isnt_copied(bob: WorkerHandle, alice: WorkerHandle) -> None:
    for data, other in ((bob.datasets["ages"], alice), (alice.datasets["x"], bob)):
        with pytest.raises(errors.OwnerDataReadOnly, match=r"copy\(worker\)"):
            data.move(other)
        data.release()
        assert data.shape == (3,)
        assert await (data + 1).wait() is not None
    with pytest.raises(errors.ExportDenied, match="private"):
        await bob.datasets["ages"].copy(alice)
    assert (await alice.datasets["x"].copy(bob)).tolist() == [0, 1, 2]


async def test_where_a_value_cant_go(bob: WorkerHandle) -> None:
    p = bob.send(1.0)
    async with fedsock.Hub(port=0) as other:
        stranger = await other.virtual_worker("alice")
        for go in (p.copy, p.move, p.send):
            with pytest.raises(errors.PointersApart, match="another hub"):
                go(stranger)
            with pytest.raises(errors.WorkerLost, match=r"no worker carol.*alice, bob"):
                go("carol")
            with pytest.raises(TypeError, match="handle or a name"):
                go(7)
    assert await p == 1.0
    for write in (lambda: pickle.dumps(p), lambda: pickle.dumps({"p": [p]})):
        with pytest.raises(errors.ImplicitFetch, match="await p"):
            write()


async def test_dropping_or_releasing_frees_behind_the_ops_that_use_it(bob: WorkerHandle) -> None:
    before = await held(bob)
    p = bob.send(LARGE)
    y = ((p + 1) * p).sum()
    del p
    q = bob.send(np.ones(3))
    z = q + 1
    q.release()
    assert await y == pytest.approx(((LARGE + 1) * LARGE).sum())
    assert (await z).tolist() == [2, 2, 2]
    assert await held(bob) == before + 2
    del y
    z.release()
    assert await held(bob) == before


async def test_what_was_sent_and_never_used_is_freed(bob: WorkerHandle) -> None:
    before = await held(bob)
    for _ in range(100):
        bob.send(LARGE[:5000])
        bob.send(1.0) + 1
    assert await held(bob) == before


async def test_nothing_leaks_in_the_session(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    await asyncio.gather(*((bob.send(LARGE) + n).copy(alice).sum() for n in range(5)))
    await alice.ping()
    await bob.ping()
    for worker in (bob, alice):
        assert worker.station.requests == {}
        assert all(reference() is not None for reference in worker.station.table.values())
        assert worker.station.outbox.streams == {}
