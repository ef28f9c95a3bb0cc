"""Finding the data of a federated array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from tests.federated.owners import named, workers

DATA = {"bob": {"x": np.arange(4), "y": np.ones(4)}, "alice": {"x": np.arange(3), "z": np.ones((3, 2))}}


async def test_by_name() -> None:
    async with workers(DATA) as hub:
        assert hub.federated("x").rows == {"alice": 3, "bob": 4}
        assert hub.federated("y").workers == ["bob"]
        assert hub.federated("x", workers=["bob"]).workers == ["bob"]
        assert hub.federated("x", workers=[hub.workers["bob"], "alice"]).workers == ["alice", "bob"]
        assert hub.federated("x", workers=hub.workers["bob"]).workers == ["bob"]
        skipped = hub.federated("y", workers=["alice", "bob", "nobody"], on_missing="skip").sum()
        assert await skipped == 4 and sorted(skipped.missing) == ["alice", "nobody"]


async def test_by_tags() -> None:
    async with workers(DATA) as hub:
        for name in ("bob", "alice"):
            hub.workers[name].send(np.ones(2), tags=["#sent", f"#{name}"])
        with pytest.raises(errors.UnknownObject, match="#sent"):
            hub.federated("#sent")  # nobody holds them any more
        kept = [hub.workers[name].send(np.ones(n), tags=["#sent", f"#{name}"]) for n, name in enumerate(DATA, 1)]
        assert await hub.federated("#sent").sum() == 3
        assert hub.federated("#sent", "#bob").workers == ["bob"]
        more = hub.workers["bob"].send(np.ones(2), tags=["#sent"])
        with pytest.raises(errors.PointersMixed, match="2 values at bob"):
            hub.federated("#sent")
        more.release()
        kept[0].release()
        assert hub.federated("#sent").workers == ["alice"]


@pytest.mark.parametrize(
    ("names", "options", "error", "said"),
    [
        (("nope",), {}, errors.UnknownObject, "alice has nothing of 'nope'; its data sets: 'x', 'z'; bob has"),
        (("y",), {"workers": ["alice", "bob"]}, errors.UnknownObject, "alice has nothing of 'y'"),
        (("x",), {"workers": ["nobody"]}, errors.WorkerLost, "no worker nobody"),
        (("x",), {"on_denied": "ignore"}, errors.ConfigError, "on_denied"),
        (("x",), {"on_missing": None}, errors.ConfigError, "on_missing"),
        ((), {}, errors.ConfigError, "name of a data set"),
        (("x", "y"), {}, errors.ConfigError, "name of a data set"),
        ((3,), {}, errors.ConfigError, "name of a data set"),
    ],
)
async def test_what_is_refused(names: Any, options: Any, error: type[Exception], said: str) -> None:
    async with workers(DATA) as hub:
        with pytest.raises(error, match=said):
            hub.federated(*names, **options)


async def test_nobody_is_there() -> None:
    async with fedsock.Hub(port=0) as hub:
        with pytest.raises(errors.UnknownObject, match="wait_for_workers"):
            hub.federated("x")


async def test_what_is_no_array() -> None:
    async with workers(DATA) as hub:
        tree = hub.workers["bob"].send([1, 2], tags=["#tree"])
        with pytest.raises(errors.PointersApart, match="the rows at bob are no array"):
            hub.federated("#tree")
        tree.release()


@pytest.mark.parametrize("other", [np.ones((3, 2)), np.array(1.0), np.array(["a"])])
async def test_parts_that_differ(other: Any) -> None:
    async with workers(named("x", {"alice": np.ones(3), "bob": other})) as hub:
        with pytest.raises(errors.PointersApart, match=r"at alice.* at bob|none in common"):
            hub.federated("x")


async def test_dtypes_that_differ() -> None:
    async with workers(named("x", {"alice": np.ones(3, np.uint8), "bob": np.full(2, 1.5)})) as hub:
        fx = hub.federated("x")
        assert fx.dtype == np.float64 and (await fx).tolist() == [1, 1, 1, 1.5, 1.5]
