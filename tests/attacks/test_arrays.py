"""Hostile workers behind a federated array: what can't be put together is refused, and who gave it named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import UpdateRejected
from fedsock.federated.parts import Result


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (np.zeros(3), "numbers of shape"),
        (np.zeros((2, 1)), "numbers of shape"),
        (np.array(["a", "b"]), "str"),
        ({"a": 1}, "a dict where an array is due"),
        ("text", "a str where an array is due"),
        (None, "a NoneType where an array is due"),
    ],
)
@pytest.mark.parametrize("free", [None, 0])
async def test_parts_are_alike_or_refused(hostile: Any, said: str, free: int | None) -> None:
    async with fedsock.Hub(port=0) as hub:
        for name in ("alice", "bob"):
            await hub.virtual_worker(name, {"x": np.zeros((4, 2))}, policy="public")
        given = {
            "alice": hub.workers["alice"].send(np.zeros(2)),
            "bob": hub.workers["bob"].send(hostile),
        }

        async def run(parts: Any) -> Any:
            return await parts.ask(lambda place: [given[place]], free=free)

        result = Result(hub.federated("x"), run)
        if free == 0 and np.shape(hostile) == (3,):
            assert len((await result)["bob"][0]) == 3
            return
        with pytest.raises(UpdateRejected, match=f"^bob: gave .*{said}"):
            await result
