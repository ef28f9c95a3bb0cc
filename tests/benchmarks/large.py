"""T3: a large array there and back, what each process holds meanwhile, and how soon a small op is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from fedsock.session.pointer import Pointer
from fedsock.typing import Array
from tests.benchmarks.bare import CHUNK
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.processes import forget_peak, memory
from tests.benchmarks.roads import Road
from tests.benchmarks.rounds import Effort, rounds

NBYTES = 100_000_000
MIB = 1 << 20
BETWEEN_SECONDS = 0.005
"""Between two small ops: so few of them leave the transfer its way."""


@dataclass
class Transfers:
    """The array's ways there and back on one road.

    Attributes:
        road: the way.
        array: what is sent, borrowed.
        small: ten numbers at the worker.
        there: the array at the worker, once it was sent.
        excess: who -> the most bytes it held above its baseline, and above the array where it receives it.
    """

    road: Road
    array: Array
    small: Pointer
    there: Pointer | None = None
    excess: dict[str, int] = field(default_factory=dict)

    async def up(self) -> float:
        """Send it; returns bytes a second."""
        self.there = None
        await self.road.bob.stats()  # the array of the round before is released
        with_baselines = self.baselines()
        start = time.perf_counter()
        self.there = await self.road.bob.send(self.array, copy=False).wait()
        took = time.perf_counter() - start
        self.compare(with_baselines, receiver="worker")
        return self.array.nbytes / took

    async def down(self) -> float:
        """Fetch it; returns bytes a second."""
        assert self.there is not None
        with_baselines = self.baselines()
        start = time.perf_counter()
        back = await self.there
        took = time.perf_counter() - start
        self.compare(with_baselines, receiver="session")
        assert np.array_equal(back, self.array)
        return self.array.nbytes / took

    async def meanwhile_up(self) -> float:
        """Send it again; returns the slowest small op's seconds."""
        self.there = None
        await self.road.bob.stats()
        self.there = self.road.bob.send(self.array, copy=False)
        return await self._slowest(self.there.wait)

    async def meanwhile_down(self) -> float:
        """Fetch it again; returns the slowest small op's seconds."""
        assert self.there is not None
        return await self._slowest(self.there.get)

    async def _slowest(self, transfer: Callable[[], Awaitable[object]]) -> float:
        under_way = asyncio.ensure_future(transfer())
        slowest = 0.0
        while not under_way.done():
            start = time.perf_counter()
            await (self.small + 1)
            slowest = max(slowest, time.perf_counter() - start)
            await asyncio.sleep(BETWEEN_SECONDS)
        await under_way
        return slowest

    def baselines(self) -> dict[str, int]:
        """Forget the peaks; return who -> bytes held now."""
        return {who: forget_peak(pid) for who, pid in self.road.processes.items()}

    def compare(self, baselines: dict[str, int], receiver: str) -> None:
        """Note who held more above its baseline than ever before."""
        for who, pid in self.road.processes.items():
            allowed = self.array.nbytes if who == receiver else 0
            excess = memory(pid, "VmHWM") - baselines[who] - allowed
            self.excess[who] = max(self.excess.get(who, excess), excess)


async def transfers(road: Road, effort: Effort) -> AsyncIterator[Figure]:
    """T3 on a road. The bare chunks are thrown away where they arrive; fedsock's become the array."""
    array = np.ones(effort.count(NBYTES) // 8)
    chunks = -(-array.nbytes // CHUNK)
    array.sum()  # its pages exist before any baseline is taken
    ways = Transfers(road, array, await road.bob.send(np.arange(10.0)).wait())
    longer = Effort(effort.least, effort.most, 2 * effort.seconds, effort.share)
    bare_up, up, bare_down, down, beside_up, beside_down = await rounds(
        longer,
        lambda: road.bare.up(chunks),
        ways.up,
        lambda: road.bare.down(chunks),
        ways.down,
        ways.meanwhile_up,
        ways.meanwhile_down,
    )
    million, where = 1e-6, road.where
    yield Figure(f"T3 100 MB up, {where}", "MB/s", _times(million, up), _times(million, bare_up), Goal(0.8))
    yield Figure(f"T3 100 MB down, {where}", "MB/s", _times(million, down), _times(million, bare_down), Goal(0.8))
    within = Goal(20, most=True)
    yield Figure(f"T3 slowest small op during up, {where}", "ms", _times(1e3, beside_up), goal=within)
    yield Figure(f"T3 slowest small op during down, {where}", "ms", _times(1e3, beside_down), goal=within)
    for who, excess in ways.excess.items():
        goal = Goal(32, most=True, worst=True)
        yield Figure(f"T3 {who} above array, {where}", "MiB", (excess / MIB,), goal=goal)


def _times(factor: float, values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(factor * value for value in values)
