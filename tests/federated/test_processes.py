"""Fits over worker processes, one of which is slow, dies or comes back: left out, named, and back in the next round."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.federated import FedAvg, LocalSGD, rounds
from tests.contract.house import options, process
from tests.federated.house import problem

X, Y = problem(90)
NAMES = ("alice", "bob", "carol")
BEGUN = {"w": np.zeros(3)}
DEADLINE = 4.0
WAIT_SECONDS = 60.0


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2) / 2


class Workers:
    """Three processes with published rows.

    Attributes:
        hub: whose they are.
        running: each one's process.
    """

    def __init__(self, hub: fedsock.Hub, folder: Path, stack: ExitStack) -> None:
        self.hub = hub
        self._stack = stack
        self._options = {}
        for place, name in enumerate(NAMES):
            (folder / name).mkdir()
            rows = slice(30 * place, 30 * place + 30)
            self._options[name] = options(folder / name, "--public", {"x": X[rows], "y": Y[rows]})
        self.running: dict[str, Any] = {}

    def begin(self, name: str) -> None:
        """Start one, again."""
        words = ("--name", name, "--hub", self.hub.url, *self._options[name])
        self.running[name] = self._stack.enter_context(process("fedsock.worker", *words))


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    with ExitStack() as stack:
        async with fedsock.Hub(port=0) as hub:
            made = Workers(hub, tmp_path, stack)
            for name in NAMES:
                made.begin(name)
            await hub.wait_for_workers(3, timeout=WAIT_SECONDS)
            yield made


def step(w: Any, names: tuple[str, ...]) -> Any:
    """Return what one round of one full step at some of the workers gives."""
    rows = np.concatenate([np.arange(30) + 30 * NAMES.index(name) for name in names])
    return w - 0.1 * X[rows].T @ (X[rows] @ w - Y[rows]) / len(rows)


@pytest.mark.parametrize("together", [0, 1 << 20], ids=["large", "small"])
async def test_a_slow_worker_is_left_out_and_back_in_the_next_round(
    workers: Workers, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "TOGETHER_BYTES", together)
    fit = workers.hub.fit(
        BEGUN, loss, data=("x", "y"), local=LocalSGD(learning_rate=0.1), rounds=4, deadline=DEADLINE, progress=False
    )
    first = await anext(fit)
    workers.running["bob"].send_signal(signal.SIGSTOP)
    try:
        second = await anext(fit)
        third = await anext(fit)
    finally:
        workers.running["bob"].send_signal(signal.SIGCONT)
    fourth = await anext(fit)
    assert [sorted(r.workers) for r in (first, second, third, fourth)] == [
        [*NAMES],
        ["alice", "carol"],
        ["alice", "carol"],
        [*NAMES],
    ]
    for slow in (second, third):
        (gone,) = slow.dropped
        assert gone.name == "bob" and gone.reason.startswith(f"WorkerTimeout: no update within {DEADLINE} s")
        assert DEADLINE <= slow.seconds < 2 * DEADLINE + WAIT_SECONDS
    w = BEGUN["w"]
    for r in (first, second, third, fourth):
        w = step(w, tuple(sorted(r.workers)))
        np.testing.assert_allclose(r.params["w"], w, rtol=1e-12)


async def test_a_worker_that_dies_is_left_out_and_back_when_it_is(workers: Workers) -> None:
    fit = workers.hub.fit(BEGUN, loss, data=("x", "y"), rounds=3, strategy=FedAvg(min_workers=2), progress=False)
    await anext(fit)
    workers.running["carol"].kill()
    workers.running["carol"].wait(10)
    second = await anext(fit)
    assert sorted(second.workers) == ["alice", "bob"]
    assert [gone.name for gone in second.dropped] in ([], ["carol"])  # gone before or within the round
    workers.begin("carol")
    async with asyncio.timeout(WAIT_SECONDS):
        await workers.hub.wait_for_workers(3, timeout=WAIT_SECONDS)
    third = await anext(fit)
    assert sorted(third.workers) == [*NAMES] and list(third.dropped) == []


async def test_what_each_worker_took_and_gave_is_told(workers: Workers) -> None:
    result = await workers.hub.fit(BEGUN, loss, data=("x", "y"), rounds=2, progress=False)
    for r in result.rounds:
        assert {name: (one.n, one.bytes_down, one.bytes_up) for name, one in r.workers.items()} == {
            name: (30, 24, 24) for name in NAMES
        }
        assert all(0 < one.seconds <= r.seconds for one in r.workers.values())
    frame = result.to_frame()
    assert frame["round"].to_list() == [1, 2] and frame["workers"].to_list() == [3, 3]
    assert frame["loss"].to_list() == [r.loss for r in result.rounds]
