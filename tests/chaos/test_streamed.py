"""What a task streams comes once and in order over sockets that break again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fedsock
from tests.chaos.children import child, hub_child
from tests.chaos.proxy import proxy

VALUES = 60
ELEMENTS = 40_000
"""Of 8 bytes each: each value is a stream of several chunks."""

CUT_EVERY = 2_000_000
"""Bytes: about nine times over all values, each way."""

CONFIG = """
name = "bob"
[tasks.stream]
function = "streaming_task:stream"
[policy.train]
tasks = ["stream"]
"""

MODULE = f"""
import numpy as np

def stream(data):
    for number in range({VALUES}):
        yield {{"number": number, "array": np.full({ELEMENTS}, number, np.float64)}}
    return "done"
"""


@pytest.mark.timeout(300)
async def test_values_come_once_and_in_order_over_broken_sockets(tmp_path: Path) -> None:
    (tmp_path / "bob.toml").write_text(CONFIG)
    (tmp_path / "streaming_task.py").write_text(MODULE)
    async with (
        hub_child() as hub,
        proxy(hub.port) as session,
        proxy(hub.port) as worker,
        child("fedsock.worker", "--config", str(tmp_path / "bob.toml"), "--hub", worker.url, wait=False),
        fedsock.connect(session.url) as here,
    ):
        bob = await here.worker("bob", timeout=60)
        session.cut_every = worker.cut_every = CUT_EVERY
        p = bob.task("stream")
        seen = []
        async for value in p:
            assert (value["array"] == value["number"]).all() and value["array"].dtype == np.float64
            seen.append(value["number"])
        assert seen == list(range(VALUES))
        assert await p == "done"
        assert session.cuts > 1 and worker.cuts > 1
