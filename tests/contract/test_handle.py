"""A worker's handle: sending, remote numpy, what it tells, and how it outlives its worker."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import Pointer, errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import House, held, options, process

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_data_sets_are_there_with_the_handle(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    assert bob.name == "bob"
    assert set(bob.datasets) == {"ages", "ids"}
    assert len(alice.datasets) == 2
    assert "table" in alice.datasets
    table = alice.datasets["table"]
    assert isinstance(table, Pointer)
    assert alice.datasets["table"] is table
    assert (table.shape, table.dtype, table.id_at_location, table.location) == ((3, 4), np.float64, "table", alice)
    with pytest.raises(KeyError):
        alice.datasets["nothing"]
    with pytest.raises(TypeError):
        alice.datasets["new"] = table  # type: ignore[index]
    assert (await table).tolist() == np.arange(12.0).reshape(3, 4).tolist()
    with pytest.raises(errors.ExportDenied):
        await bob.datasets["ages"]
    assert bob.datasets["ages"].shape == (3,)


async def test_send(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(3), tags=["#t"], description="three")
    assert (p.tags, p.description) == (("#t",), "three")
    assert bob.send(1, tags="#alone").tags == ("#alone",)
    assert bob.send(1, tags=(word for word in ("#g", "#h"))).tags == ("#g", "#h")
    array = np.zeros(500_000)
    copied = bob.send(array)
    array[:] = 1
    assert await copied.sum() == 0


async def test_a_borrowed_array_is_not_copied(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    array = np.zeros(1_000_000)
    waiting = hub._open_session.copies  # type: ignore[attr-defined]
    copied = bob.send(array)
    assert waiting.nbytes == array.nbytes
    await copied.wait()
    await bob.ping()
    assert waiting.nbytes == 0
    borrowed = bob.send(array, copy=False)
    assert waiting.nbytes == 0
    array[:] = 3  # what the caller should not do: it shows that there is no copy
    await borrowed.wait()
    array[:] = 1  # it was sent: whatever becomes of it now is no matter
    assert await borrowed.sum() == 3_000_000
    with pytest.raises(errors.MetadataNotReady):
        _ = (borrowed + 1).shape
    small = bob.send(array[:3], copy=False)
    assert (await small).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", {1, 2}, {1: 2}, {"a": object()}, np.array([None]), np.array([b"a"]), len, "\ud800",
     np.zeros(2, dtype=[("a", int)]), np.longdouble(1), np.ma.array([1, 2], mask=[0, 1]), range(3)],
)  # fmt: skip
async def test_what_cant_be_sent_is_refused_at_once(bob: WorkerHandle, value: Any) -> None:
    with pytest.raises(errors.UnsupportedValue, match=r"travel") as caught:
        bob.send(value)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(errors.UnsupportedValue):
        bob.send([1, (2, value)])


async def test_what_is_too_large_or_deep_is_refused_at_once(bob: WorkerHandle) -> None:
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    for value in (deep, "a" * (2 << 20), list(range(1_000_000))):
        with pytest.raises(errors.ValueTooLarge):
            bob.send(value)
    for tags in (["x" * 201], ["x"] * 101, [1]):
        with pytest.raises(errors.UnsupportedValue, match="tags"):
            bob.send(1, tags=tags)  # type: ignore[arg-type]
    with pytest.raises(errors.UnsupportedValue, match="description"):
        bob.send(1, description="x" * 10_001)
    assert await bob.send("x" * 100_000) == "x" * 100_000


async def test_remote_numpy(bob: WorkerHandle, alice: WorkerHandle) -> None:
    x = bob.send(np.array([3.0, 4.0]))
    assert (await bob.np.zeros((3, 3))).tolist() == [[0.0] * 3] * 3
    assert (await bob.np.empty((2, 2))).tolist() == [[0.0] * 2] * 2  # never what was in memory before
    assert await bob.np.linalg.norm(x) == 5
    assert await bob.np.sum(x * 2) == 14
    assert (await bob.np.fft.fft(x)).tolist() == np.fft.fft([3.0, 4.0]).tolist()
    assert await bob.np.add.reduce(x) == 7
    assert (await bob.np.multiply.outer(x, [1, 2])).tolist() == [[3, 6], [4, 8]]
    assert (await bob.np.arange(3, dtype=bob.np.float32)).dtype == np.float32
    assert (await bob.np.concatenate([x, [1, 2]])).tolist() == [3, 4, 1, 2]
    assert (await bob.np.full((2,), bob.np.pi))[0] == np.pi
    sign, _ = bob.np.linalg.slogdet(bob.np.eye(2))
    assert await sign == 1
    assert bob.np.zeros(2).location is bob
    assert bob.np.newaxis is None
    assert "linalg" in dir(bob.np)
    assert "norm" in dir(bob.np.linalg)
    assert "bob" in repr(bob.np.linalg)
    with pytest.raises(errors.PointersApart):
        alice.np.sum(x)
    for name in ("save", "load", "nothing", "memmap", "fromfile", "vectorize"):
        with pytest.raises(errors.UnknownOp, match=name):
            getattr(bob.np, name)
        with pytest.raises(AttributeError):
            getattr(bob.np, name)
    with pytest.raises(AttributeError):
        _ = bob.np.random.normal  # the global generator


async def test_a_remote_generator(bob: WorkerHandle) -> None:
    rng, local = bob.np.random.default_rng(7), np.random.default_rng(7)
    before = (await bob.stats()).ops_run
    first = rng._record.id
    normal = rng.normal(size=3)
    assert rng._record.id == normal.id_at_location + 1  # one op, two results: the draw and the advanced generator
    assert rng._record.id > first
    assert (await normal).tolist() == local.normal(size=3).tolist()
    assert (await bob.stats()).ops_run == before + 1
    for draw in (
        lambda g: g.integers(0, 100, size=5), lambda g: g.uniform(-1, 1), lambda g: g.random((2, 2), dtype=np.float32),
        lambda g: g.permutation(6), lambda g: g.choice(10, size=3, replace=False), lambda g: g.exponential(2.0),
        lambda g: g.standard_normal(), lambda g: g.binomial(10, 0.5, size=4),
    ):  # fmt: skip
        got, want = await draw(rng), draw(local)
        np.testing.assert_array_equal(got, want)
        assert np.asarray(got).dtype == np.asarray(want).dtype
    scaled = rng.normal(bob.send(5.0), 2.0, size=2)  # pointers as parameters
    np.testing.assert_array_equal(await scaled, local.normal(5.0, 2.0, size=2))
    assert await rng.wait() is rng
    with pytest.raises(AttributeError, match="no nothing"):
        _ = rng.nothing
    with pytest.raises(errors.ImplicitFetch):
        pickle.dumps(rng)
    rng.release()
    with pytest.raises(errors.PointerReleased):
        rng.normal()


async def test_objects_are_this_sessions(house: House, bob: WorkerHandle) -> None:
    await bob.clear()
    p = bob.send(np.zeros((2, 3), np.float32), tags=["#o"], description="zeros")
    y = p.sum()
    tree = bob.send({"a": 1})
    found = {one.id: one for one in await bob.objects()}
    assert set(found) == {p.id_at_location, y.id_at_location, tree.id_at_location}
    one = found[p.id_at_location]
    assert (one.shape, one.dtype, one.nbytes, one.tags) == ((2, 3), np.dtype(np.float32), 24, ("#o",))
    assert (one.description, one.kind) == ("zeros", "array")
    assert (found[y.id_at_location].kind, found[y.id_at_location].shape) == ("scalar", ())
    assert (found[tree.id_at_location].kind, found[tree.id_at_location].dtype) == ("dict", None)
    p.release()
    del y
    assert {one.id for one in await bob.objects()} == {tree.id_at_location}


async def test_objects_and_stats_tell_nothing_private(bob: WorkerHandle) -> None:
    few = bob.datasets["ages"][bob.datasets["ages"] > 35]
    await few.wait()
    assert few.id_at_location not in {one.id for one in await bob.objects()}


async def test_search_at_one_worker(bob: WorkerHandle) -> None:
    p, q = bob.send(1, tags=["#x", "#y"]), bob.send(2, tags=["#y"])
    assert await bob.search("#x", "#y") == [p]
    assert (await bob.search("#x"))[0] is p
    assert {id(one) for one in await bob.search("#y")} == {id(p), id(q)}
    assert await bob.search("#z") == []
    assert bob.datasets["ages"] in set(await bob.search())


async def test_ping_and_stats(bob: WorkerHandle) -> None:
    seconds = await bob.ping()
    assert isinstance(seconds, float)
    assert 0 < seconds < 20
    before = await bob.stats()
    p = bob.send(np.ones(1000))
    y = p + 1
    await y.wait()
    after = await bob.stats()
    assert after.ops_run == after["ops_run"] == before.ops_run + 1
    assert after.objects == before.objects + 2
    assert after.bytes == before.bytes + 16_000
    assert (after.quota_bytes, after.quota_objects) == (4 << 30, 1_000_000)
    with pytest.raises(AttributeError, match="ops_run"):
        _ = after.nothing


async def test_a_slow_op_holds_up_neither_pings_nor_small_ops(bob: WorkerHandle) -> None:
    slow = np.linalg.inv(bob.np.eye(1500)).sum()
    small = bob.send(np.ones(3)) + 1
    ready: list[str] = []

    async def note(name: str, what: Any) -> None:
        await what
        ready.append(name)

    await asyncio.gather(note("slow", slow), note("ping", bob.ping()), note("small", small.wait()))
    assert ready[-1] == "slow"


async def test_clear(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p, q = bob.send(np.ones(3), tags="#cleared"), alice.send(1.0)
    y = p + 1
    pp = q.send(bob)
    await bob.clear()
    assert await held(bob) == 0
    assert await bob.objects() == []
    assert await bob.search("#cleared") == []
    for use in (lambda: p + 1, lambda: y.get(), lambda: pp + 1, lambda: p.copy(alice)):
        with pytest.raises(errors.PointerReleased):
            use()
    assert await q == 1.0
    assert await (bob.send(2.0) + 1) == 3.0
    assert bob.datasets["ages"].shape == (3,)


async def test_a_handle_shows_what_is_known(bob: WorkerHandle) -> None:
    assert "bob" in repr(bob)
    assert "ages" in repr(bob)
    assert "present" in repr(bob)
    assert "<table>" in bob._repr_html_()
    with pytest.raises(errors.FedsockError):
        pickle.dumps(bob)


async def test_a_handle_and_its_data_sets_outlive_the_worker(tmp_path: Path) -> None:
    async with fedsock.Hub(port=0) as hub:
        command = ("fedsock.worker", "--name", "bob", "--hub", hub.url)
        with process(*command, *options(tmp_path, "--public", {"x": np.ones(2)})) as first:
            bob = await hub.worker("bob", timeout=60)
            datasets, old = bob.datasets, bob.datasets["x"]
            p = await bob.send(np.ones(3), tags="#old").wait()
            first.kill()
            first.wait(10)
            with process(*command, *options(tmp_path, "--public", {"x": np.arange(4.0), "y": np.ones(1)})):
                for lost in (p.get(), (p + 1).get(), old.get()):
                    with pytest.raises(errors.WorkerLost, match="bob"):
                        await lost
                assert await hub.worker("bob", timeout=60) is bob
                assert bob.datasets is datasets
                assert set(datasets) == {"x", "y"}
                assert datasets["x"] is not old
                assert (await datasets["x"]).tolist() == [0, 1, 2, 3]
                q = bob.send(1.0)
                assert await (q + 1) == 2.0
                with pytest.raises(errors.PointersApart, match="two lives of bob"):
                    _ = q + p
                with pytest.raises(errors.WorkerLost):
                    await (p * 2)
                assert await bob.search("#old") == []
