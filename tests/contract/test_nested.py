"""Pointers to pointers: held by one worker, computed at another."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import fedsock
from fedsock import Pointer, errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import held

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_is_held_there_and_gives_the_pointer_it_was_made_from(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(np.arange(3.0))
    for pp in (p.send(alice), p.send("alice"), alice.send(p)):
        assert pp.location is alice
        assert await pp.get() is p
        assert await pp is p
        assert await pp.wait() is pp
        assert (pp.shape, pp.dtype, pp.ndim) == ((3,), np.float64, 1)
        [told] = [one for one in await alice.objects() if one.id == pp.id_at_location]
        assert told.kind == "pointer"
        assert "alice" in repr(pp)
        assert "bob" in repr(pp)


async def test_ops_run_where_the_value_is_and_their_results_are_held_too(
    bob: WorkerHandle, alice: WorkerHandle
) -> None:
    p, q = bob.send(np.arange(3.0)), bob.send(np.array([2, 0, 1]))
    pp, qq = p.send(alice), q.send(alice)
    before = (await bob.stats()).ops_run, (await alice.stats()).ops_run
    results = {
        "add": (pp + 1, [1, 2, 3]),
        "reflected": (10 - pp, [10, 9, 8]),
        "both": (pp * qq, [0, 0, 2]),
        "unary": (-pp, [0, -1, -2]),
        "function": (np.sqrt(pp * pp), [0, 1, 2]),
        "list": (np.concatenate([pp, qq]), [0, 1, 2, 2, 0, 1]),
        "index": (pp[1:], [1, 2]),
        "indices": (pp[qq], [2, 0, 1]),
        "mask": (pp[pp > 0], [1, 2]),
        "slice": (pp[: qq[0]], [0, 1]),
        "tuple": (pp[None, : qq[0]], [[0, 1]]),
        "keyword": (np.clip(pp, min=1, max=qq[0]), [1, 1, 2]),
        "method": (pp.cumsum(), [0, 1, 3]),
        "property": (pp.reshape(3, 1).T, [[0, 1, 2]]),
        "copy": (pp.copy(), [0, 1, 2]),
    }
    for name, (result, want) in results.items():
        assert result.location is alice, name
        inner = await result
        assert isinstance(inner, Pointer)
        assert inner.location is bob, name
        assert (await inner).tolist() == want, name
    after = (await bob.stats()).ops_run, (await alice.stats()).ops_run
    assert after[0] >= before[0] + len(results)
    assert after[1] == before[1]


async def test_several_results_are_held_too(bob: WorkerHandle, alice: WorkerHandle) -> None:
    matrix = np.array([[2.0, 1], [1, 3]])
    pp = bob.send(matrix).send(alice)
    result = np.linalg.eigh(pp)
    assert type(result).__name__ == "EighResult"
    assert result.eigenvalues.location is alice
    inner = await result
    np.testing.assert_allclose(await inner.eigenvalues, np.linalg.eigh(matrix).eigenvalues)
    assert [(await (await row)).tolist() for row in pp] == matrix.tolist()
    first, second = pp
    assert (await (await (first + second))).tolist() == [3, 4]
    [[a, _], _] = pp
    assert await (await a) == 2


async def test_an_owners_data_set_too(bob: WorkerHandle, alice: WorkerHandle) -> None:
    pp = alice.datasets["x"].send(bob)
    assert await pp is alice.datasets["x"]
    assert (await (await (pp + 1))).tolist() == [1, 2, 3]
    ages = bob.datasets["ages"].send(alice)
    with pytest.raises(errors.ExportDenied):
        await (await ages.mean())
    with pytest.raises(errors.PointersMixed):
        ages[0] = 1


async def test_pointers_and_pointers_to_pointers_dont_mix(
    hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle
) -> None:
    carol = hub.workers.get("carol") or await hub.virtual_worker("carol")
    p = bob.send(np.arange(3.0))
    pp, held_elsewhere = p.send(alice), p.send(carol)
    for write in (
        lambda: pp + p, lambda: p + pp, lambda: np.concatenate([p, pp]), lambda: np.where(pp > 0, p, 0),
        lambda: p[: pp], lambda: pp[: p], lambda: pp[p], lambda: p[pp], lambda: np.clip(pp, min=p),
        lambda: p.clip(min=pp), lambda: pp + held_elsewhere, lambda: bob.np.add(pp, 1), lambda: alice.np.add(pp, 1),
        lambda: p.__setitem__(0, pp), lambda: fedsock.combine(pp), lambda: np.histogram(p, bins=pp),
    ):  # fmt: skip
        with pytest.raises(errors.PointersMixed):
            write()
    other = carol.send(np.arange(3.0)).send(alice)
    with pytest.raises(errors.PointersApart):
        _ = pp + other  # both held by alice, the values at two workers
    assert (await (await (pp + 1))).tolist() == [1, 2, 3]


async def test_they_nest_no_deeper_and_take_no_assignment(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(np.arange(3.0))
    pp = p.send(alice)
    for write in (lambda: pp.send(bob), lambda: bob.send(pp), lambda: alice.send(pp)):
        with pytest.raises(errors.PointersMixed, match="no deeper"):
            write()
    for write in (lambda: pp.move(bob), lambda: pp.copy(bob)):
        with pytest.raises(errors.PointersMixed, match=r"await pp\.get\(\)"):
            write()
    with pytest.raises(errors.PointersMixed, match="no assignment"):
        pp[0] = 1
    with pytest.raises(errors.PointersMixed, match="no assignment"):
        pp += 1
    with pytest.raises(errors.UnsupportedValue):
        bob.send([p])


async def test_the_pair_is_kept_alive(bob: WorkerHandle, alice: WorkerHandle) -> None:
    before = await held(bob), await held(alice)
    p = bob.send(np.arange(3.0))
    number = p.id_at_location
    pp = p.send(alice)
    del p
    gc.collect()
    again = await pp
    assert again.id_at_location == number
    assert await pp is again
    assert (await again).tolist() == [0, 1, 2]
    assert (await held(bob), await held(alice)) == (before[0] + 1, before[1] + 1)
    del again
    pp.release()
    with pytest.raises(errors.PointerReleased):
        await pp
    with pytest.raises(errors.PointerReleased):
        _ = pp + 1
    del pp
    gc.collect()
    assert (await held(bob), await held(alice)) == before


async def test_it_means_the_value_it_was_made_from(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(np.zeros(2))
    pp = p.send(alice)
    p += 1
    assert (await (await pp)).tolist() == [0, 0]
    assert (await (await (pp + 5))).tolist() == [5, 5]
    assert (await p).tolist() == [1, 1]


async def test_a_released_target(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(np.zeros(2))
    pp = p.send(alice)
    p.release()
    with pytest.raises(errors.PointerReleased):
        _ = pp + 1
    q = bob.send(1.0)
    qq = q.send(alice)
    q = q.move(alice)
    with pytest.raises(errors.PointerReleased, match="moved"):
        _ = qq + 1


async def test_failures_are_the_targets(bob: WorkerHandle, alice: WorkerHandle) -> None:
    pp = bob.send(np.ones(3)).send(alice)
    bad = pp + np.ones(4)
    with pytest.raises(errors.OpValueError):
        await (await bad)


async def test_tags_find_both(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(1.0, tags="#both")
    pp = p.send(alice)
    found = await hub.search("#both")
    assert found == {"bob": [p], "alice": [pp]}
    assert found["bob"][0] is p
    assert found["alice"][0] is pp
