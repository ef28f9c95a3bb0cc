"""Results: what is done about workers that give no part."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from tests.federated.owners import named, split, workers

X = np.arange(90.0)
POLICY = {"alice": "aggregate", "bob": "deny", "carol": "aggregate"}


async def test_denied() -> None:
    async with workers(named("x", split(X, 30, 20, 40)), POLICY) as hub:
        with pytest.raises(errors.ExportDenied, match=r"bob keeps object .* Next: ") as caught:
            await hub.federated("x").mean()
        assert caught.value.worker == "bob"
        result = hub.federated("x", on_denied="skip").mean()
        assert await result == np.concatenate([X[:30], X[50:]]).mean()
        assert result.workers == ["alice", "carol"] and list(result.missing) == ["bob"]
        assert isinstance(result.missing["bob"], errors.ExportDenied)
        spread = hub.federated("x", on_denied="skip").var(ddof=1)
        np.testing.assert_allclose(await spread, np.concatenate([X[:30], X[50:]]).var(ddof=1), rtol=1e-12)
        with pytest.raises(errors.ExportDenied, match="bob keeps"):
            await hub.federated("x", workers=["bob"], on_denied="skip").mean()


async def test_missing() -> None:
    async with workers(named("x", split(X, 30, 60))) as hub, fedsock.connect(hub.url) as elsewhere:
        data = {"x": np.ones(5)}
        await elsewhere.virtual_worker("bob", data=data, policy="public")
        await hub.worker("bob")
        firm, lenient = hub.federated("x"), hub.federated("x", on_missing="skip")
        late = hub.federated("x", timeout=0.05)
        assert firm.workers == ["alice", "bob", "carol"]
        assert await firm.count() == 95
        [peer] = elsewhere._virtual
        service = elsewhere._virtual.pop(peer)
        service.close()
        await peer.close()
        async with asyncio.timeout(10):
            while "bob" in hub.workers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises((errors.WorkerTimeout, errors.WorkerLost), match=r"bob: .*Next: hub.federated"):
            await late.sum()
        for result in (lenient.sum(), lenient.max()):  # at once, not when it is given up
            async with asyncio.timeout(5):
                assert await result in (X.sum(), X.max())
            assert list(result.missing) == ["bob"] and "bob is away" in str(result.missing["bob"])
        await elsewhere.virtual_worker("bob", data=data, policy="public")  # another life
        async with asyncio.timeout(10):
            while hub.workers.get("bob") is None or hub.workers["bob"].station.lost:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(errors.WorkerLost, match=r'bob: .*Next: hub.federated.*on_missing="skip"'):
            await firm.sum()
        result = lenient.sum()
        assert await result == X.sum() and list(result.missing) == ["bob"] and result.workers == ["alice", "carol"]
        assert await hub.federated("x").sum() == X.sum() + 5


async def test_other_failures_are_never_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with workers(named("x", split(X, 30, 60))) as hub:
        fx = hub.federated("x", on_missing="skip", on_denied="skip")
        hub.max_fetch_bytes = 100
        with pytest.raises(errors.TooLargeToFetch, match="carol"):
            await fx.get()


async def test_worked_out_once_and_in_tasks() -> None:
    async with workers(named("x", split(X, 30, 60))) as hub:
        fx = hub.federated("x")
        mean, total = await asyncio.gather(fx.mean(), asyncio.create_task(fx.sum()))
        assert (mean, total) == (X.mean(), X.sum())
        result = fx.sum()
        await result
        before = [(await worker.stats()).ops_run for worker in hub.workers.values()]
        assert await result == X.sum() and "4005" in repr(result)
        assert [(await worker.stats()).ops_run for worker in hub.workers.values()] == before


async def test_a_tuple() -> None:
    async with workers(named("x", split(X, 30, 60))) as hub:
        both = np.histogram(hub.federated("x"), bins=[0, 10, 20, 90])
        counts, edges = both
        assert len(both) == 2 and (await counts).tolist() == [10, 10, 70] and (await edges).tolist() == [0, 10, 20, 90]
        assert (await both[-1]).tolist() == [0, 10, 20, 90] and both.workers == ["alice", "carol"]
        with pytest.raises(IndexError):
            both[2]


@pytest.mark.parametrize("name", ["max", "min", "median"])
async def test_what_it_needs_is_said_before_anything_is_sent(name: str) -> None:
    policy: dict[str, Any] = {"alice": "public", "carol": "aggregate"}
    async with workers(named("x", split(X, 30, 60)), policy) as hub:
        before = [(await worker.stats()).ops_run for worker in hub.workers.values()]
        said = f'{name} over the rows of many workers needs export = "public" for \'x\'; at carol it is "aggregate"'
        with pytest.raises(errors.ExportDenied, match=said) as caught:
            await getattr(hub.federated("x"), name)()
        assert caught.value.worker == "carol" and "Next: use mean" in str(caught.value)
        assert [(await worker.stats()).ops_run for worker in hub.workers.values()] == before
        lenient = getattr(hub.federated("x", on_denied="skip"), name)()
        assert await lenient == getattr(np, name)(X[:30]) and list(lenient.missing) == ["carol"]
