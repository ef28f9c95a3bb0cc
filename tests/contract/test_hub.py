"""Hub() and connect(): opening, workers, search, failures, closing, and the one loop they belong to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_both_forms_of_opening() -> None:
    async with fedsock.Hub(port=0) as hub:
        assert hub.url.startswith("ws://127.0.0.1:")
        assert not hub.url.endswith(":0")
    hub = await fedsock.Hub(port=0)
    assert await hub is hub
    assert dict(hub.workers) == {}
    async with fedsock.connect(hub.url, timeout=10) as other:
        assert other.url == hub.url
    await hub.close()
    await hub.close()
    other = await fedsock.connect((hub := await fedsock.Hub(port=0)).url)
    await other.close()
    await hub.close()


async def test_connect_is_the_same_interface() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    async with fedsock.Hub(port=0) as hub, fedsock.connect(hub.url) as other:
        assert public(type(hub)) == public(type(other))
        dora = await other.virtual_worker("dora", data={"x": np.ones(3)}, private=False)
        assert (await dora.datasets["x"]).tolist() == [1, 1, 1]
        seen = await hub.worker("dora")
        assert seen is not dora
        assert await seen.send(2.0) == 2.0
        mine = other.send(1.0, "dora")
        assert await mine == {"dora": 1.0}


async def test_nobody_listens() -> None:
    with pytest.raises(errors.HubTimeout, match=r"0\.1 s") as caught:
        await fedsock.connect("ws://127.0.0.1:9", timeout=0.1)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(TimeoutError):
        async with fedsock.connect("ws://127.0.0.1:9", timeout=0.1):
            pass


async def test_before_and_after_it_is_open() -> None:
    hub = fedsock.Hub(port=0)
    for use in (lambda: hub.workers, lambda: hub.failures, lambda: hub.send(1)):
        with pytest.raises(errors.Closed, match="async with"):
            use()
    async with hub:
        bob = await hub.virtual_worker("bob")
        p = bob.send(np.ones(3))
        bad = p[7]
        with pytest.raises(IndexError):
            await bad
        waiting = [asyncio.create_task(hub.worker("nobody", timeout=None)), asyncio.create_task(p.get())]
        await asyncio.sleep(0)
    with pytest.raises(errors.Closed):
        await waiting[0]
    await asyncio.gather(*waiting, return_exceptions=True)
    for again in (lambda: p + 1, lambda: bob.send(1), lambda: bob.np.ones(3), lambda: p.copy()):
        with pytest.raises(errors.Closed):
            again()
    for later in (p.get, p.wait, bob.ping, bob.objects, lambda: hub.search("#a"), lambda: hub.worker("bob")):
        with pytest.raises(errors.Closed):
            await later()
    assert "bob" in repr(p)


async def test_workers_is_live_and_read_only(house: Any, hub: fedsock.Hub, bob: WorkerHandle) -> None:
    workers = hub.workers
    assert workers["bob"] is bob is await hub.worker("bob")
    assert {"bob", "alice"} <= set(workers)
    with pytest.raises(TypeError):
        workers["eve"] = bob  # type: ignore[index]
    if "carol" not in workers:
        await hub.virtual_worker("carol")
    assert "carol" in workers
    with pytest.raises(errors.NameTaken, match="bob"):
        await hub.virtual_worker("bob")


async def test_a_worker_is_waited_for() -> None:
    async with fedsock.Hub(port=0) as hub:
        soon = asyncio.create_task(hub.worker("bob", timeout=30))
        all_of_them = asyncio.create_task(hub.wait_for_workers(2, timeout=30))
        with pytest.raises(TimeoutError, match=r"bob.*0\.02 s.*nobody"):
            await hub.worker("bob", timeout=0.02)
        bob = await hub.virtual_worker("bob")
        assert await soon is bob
        with pytest.raises(errors.WorkerTimeout, match=r"alice.*there: bob"):
            await hub.worker("alice", timeout=0.02)
        with pytest.raises(TimeoutError, match=r"1 of 2.*there: bob"):
            await hub.wait_for_workers(2, timeout=0.02)
        alice = await hub.virtual_worker("alice")
        assert set(await all_of_them) == {bob, alice}
        assert set(await hub.wait_for_workers(1)) == {bob, alice}
        assert await hub.wait_for_workers(0) is not None


async def test_virtual_workers() -> None:
    async with fedsock.Hub(port=0) as hub:
        carol = await hub.virtual_worker("carol", data={"x": np.arange(3)})
        dora = await hub.virtual_worker("dora", data={"x": np.arange(3)}, private=False, policy="deny")
        with pytest.raises(errors.ExportDenied):
            await carol.datasets["x"]
        assert (await dora.datasets["x"]).tolist() == [0, 1, 2]
        with pytest.raises(errors.ConfigError, match="policy"):
            await hub.virtual_worker("eve", policy="allow")
        for data in ({"x": np.array([object()])}, {"x": object()}, {5: np.ones(2)}):
            with pytest.raises((errors.ConfigError, errors.UnsupportedValue)):
                await hub.virtual_worker("eve", data=data)  # type: ignore[arg-type]
        assert set(hub.workers) == {"carol", "dora"}


async def test_search_needs_all_the_tags(hub: fedsock.Hub, bob: WorkerHandle, alice: WorkerHandle) -> None:
    one = bob.send(1, tags=["#s1", "#s2"])
    two = alice.send(2, tags=["#s2"], description="two")
    three = alice.send(3, tags=("#s1", "#s2", "#s3"))
    assert await hub.search("#s1", "#s2") == {"bob": [one], "alice": [three]}
    found = await hub.search("#s2")
    assert found["bob"][0] is one
    assert {id(p) for p in found["alice"]} == {id(two), id(three)}
    assert await hub.search("#s1", "#nothing") == {}
    two.release()
    del three, found
    assert await hub.search("#s2") == {"bob": [one]}


async def test_another_session_sees_none_of_it(house: Any, hub: fedsock.Hub, bob: WorkerHandle) -> None:
    p = bob.send(np.ones(3), tags="#mine")
    await p.wait()
    async with fedsock.connect(hub.url) as other:
        theirs = await other.worker("bob")
        assert set(theirs.datasets) == {"ages", "ids"}
        assert await theirs.objects() == []
        assert await other.search("#mine") == {}
        with pytest.raises(errors.PointersApart):
            _ = p + theirs.send(1.0)
    assert await p.sum() == 3


async def test_close_sends_what_is_queued(bob: WorkerHandle, hub: fedsock.Hub) -> None:
    before = await bob.stats()
    other = await fedsock.connect(hub.url)
    theirs = await other.worker("bob")
    x = theirs.send(np.ones(3))
    kept = [x + n for n in range(100)]
    await other.close()
    with pytest.raises(errors.Closed):
        await kept[0]
    deadline = asyncio.get_running_loop().time() + 20
    while (await bob.stats()).ops_run < before.ops_run + 100:
        assert asyncio.get_running_loop().time() < deadline
    while (await bob.stats()).sessions > before.sessions:  # it said bye: nothing of it is kept
        assert asyncio.get_running_loop().time() < deadline


async def test_a_token_file(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("* session 0123456789abcdef\nbob worker fedcba9876543210\n", encoding="utf-8")
    async with fedsock.Hub(port=0, token_file=tokens) as hub:
        bob = await hub.virtual_worker("bob")  # of this process: nobody asks for its token
        assert await bob.send(1.0) == 1.0
        for token in (None, "wrong", "fedcba9876543210"):
            with pytest.raises(errors.NotAuthorized):
                await fedsock.connect(hub.url, token=token, timeout=5)
        async with fedsock.connect(hub.url, token="0123456789abcdef") as other:
            assert await (await other.worker("bob")).send(2.0) == 2.0
