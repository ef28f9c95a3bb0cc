"""Many virtual workers at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError, ExportDenied, NameTaken
from fedsock.federated import partition


async def test_a_hundred_start_together() -> None:
    data = partition.parts({"x": np.arange(1000.0)}, partition.iid(1000, 100))
    async with fedsock.Hub(port=0) as hub:
        workers = await hub.virtual_workers(100, data=data, policy="aggregate")
        assert [one.name for one in workers] == [f"w{k:02}" for k in range(100)] == sorted(hub.workers)
        assert await workers[42].datasets["x"].mean() == pytest.approx(data[42]["x"].mean())
        with pytest.raises(ExportDenied):
            await workers[42].datasets["x"]


async def test_who_has_no_rows_is_left_out_with_a_warning() -> None:
    async with fedsock.Hub(port=0) as hub:
        parts = [{"x": np.ones(3)}, {"x": np.ones(0)}, {"x": np.ones(1)}]
        with pytest.warns(UserWarning, match="no rows: v1$") as caught:
            workers = await hub.virtual_workers(3, data=parts, prefix="v")
        assert [one.name for one in workers] == ["v0", "v2"]
        assert caught[0].filename == __file__
        assert len(await hub.virtual_workers(2)) == 2


@fedsock.plan
def loss(params: Any, x: Any) -> Any:
    return ((x - params[0]) ** 2).mean()


async def test_what_cant_be() -> None:
    async with fedsock.Hub(port=0) as hub:
        for n, data in ((None, None), (0, None), (3, [{}]), (1.5, None)):
            with pytest.raises(ConfigError):
                await hub.virtual_workers(n, data=data)  # type: ignore[arg-type]
        await hub.virtual_worker("w1")
        with pytest.raises(NameTaken):
            await hub.virtual_workers(3)
        for options in ({}, {"task": "a", "loss": loss, "data": "x"}, {"loss": loss}, {"task": "a", "data": "x"}):
            with pytest.raises(ConfigError, match=r"either a loss|a loss takes data"):
                hub.fit([np.ones(1)], rounds=1, **options)
