"""The cases: T1 latency, T2 pipelined ops, T3 a large array, T4 virtual workers, T5 idle workers."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

import fedsock
from fedsock.session.handle import WorkerHandle
from tests.benchmarks import bare
from tests.benchmarks.processes import child, forget_peak, memory

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        case: which case, on which hub.
        value: in ``unit``.
        unit: of value.
        bare: what bare websockets did in the same run, in the same unit; None where it has no such thing.
        goal: the bound on the ratio value / bare, or on value where there is no bare.
        most: the goal is an upper bound.
    """

    case: str
    value: float
    unit: str
    bare: float | None
    goal: float
    most: bool

    @property
    def measure(self) -> float:
        """What the goal bounds."""
        return self.value if self.bare is None else self.value / self.bare

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.measure <= self.goal if self.most else self.measure >= self.goal


@asynccontextmanager
async def worker(stand_alone: bool) -> AsyncIterator[tuple[WorkerHandle, int]]:
    """A worker process on an embedded or a stand-alone hub; gives its handle and process id."""
    if stand_alone:
        async with child("fedsock.hub", "--port", "0") as hub_process:
            url = hub_process.line.split()[-1]
            async with child("fedsock.worker", "--name", "bob", "--hub", url) as process, fedsock.connect(url) as hub:
                yield await hub.worker("bob", timeout=30), process.pid
        return
    async with fedsock.Hub(port=0) as hub, child("fedsock.worker", "--name", "bob", "--hub", hub.url) as process:
        yield await hub.worker("bob", timeout=30), process.pid


async def latency(bob: WorkerHandle, count: int = 1000) -> float:
    """Return the median seconds of one op and its fetch on ten numbers."""
    x = await bob.send(np.arange(10.0)).wait()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        await (x + 1)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def independent(bob: WorkerHandle, count: int = 10_000) -> float:
    """Return ops a second: independent ones whose results stay there."""
    x = await bob.send(np.arange(10.0)).wait()
    start = time.perf_counter()
    results = [x + number for number in range(count)]
    await asyncio.gather(*(result.wait() for result in results))
    return count / (time.perf_counter() - start)


async def chained(bob: WorkerHandle, count: int = 1000) -> float:
    """Return ops a second of a chain in which each needs the one before."""
    x = await bob.send(np.arange(10.0)).wait()
    start = time.perf_counter()
    y = x
    for _ in range(count):
        y = y + 1
    await y.wait()
    return count / (time.perf_counter() - start)


async def large(bob: WorkerHandle, pid: int) -> tuple[float, float, float, float, float]:
    """Return bytes a second up and down, excess bytes of session and worker, and seconds of a small op meanwhile."""
    array = np.ones(100 * MIB // 8)
    small = await bob.send(np.arange(10.0)).wait()
    ours, theirs = forget_peak(os.getpid()), forget_peak(pid)
    start = time.perf_counter()
    there = bob.send(array, copy=False)
    waiting = asyncio.create_task(there.wait())
    await asyncio.sleep(0.05)
    asked = time.perf_counter()
    await (small + 1)
    meanwhile = time.perf_counter() - asked
    await waiting
    up = array.nbytes / (time.perf_counter() - start)
    excess_ours = memory(os.getpid(), "VmHWM") - ours
    excess_theirs = memory(pid, "VmHWM") - theirs - array.nbytes
    ours, theirs = forget_peak(os.getpid()), forget_peak(pid)
    start = time.perf_counter()
    back = await there
    down = array.nbytes / (time.perf_counter() - start)
    assert np.array_equal(back, array)
    excess_ours = max(excess_ours, memory(os.getpid(), "VmHWM") - ours - array.nbytes)
    excess_theirs = max(excess_theirs, memory(pid, "VmHWM") - theirs)
    return up, down, excess_ours, excess_theirs, meanwhile


async def virtual(count: int = 64) -> float:
    """Return ops a second: one on each of many virtual workers, their values gathered."""
    async with fedsock.Hub(port=0) as hub:
        workers = [await hub.virtual_worker(f"w{number}") for number in range(count)]
        values = [await one.send(np.arange(10.0)).wait() for one in workers]
        rates = []
        for _ in range(20):
            start = time.perf_counter()
            await asyncio.gather(*(value + 1 for value in values))
            rates.append(count / (time.perf_counter() - start))
    return statistics.median(rates)


async def idle(processes: int = 4, each: int = 250) -> tuple[float, float]:
    """Return bytes of hub memory an idle worker, and seconds until all have joined."""
    async with child("fedsock.hub", "--port", "0") as hub:
        url = hub.line.split()[-1]
        before = memory(hub.pid)
        async with asyncio.TaskGroup() as group:
            done = asyncio.Event()
            joined: list[float] = []

            async def some(number: int) -> None:
                async with child("tests.benchmarks.idlers", url, f"w{number}-", str(each)) as idlers:
                    joined.append(float(idlers.line))
                    if len(joined) == processes:
                        done.set()
                    await left.wait()

            left = asyncio.Event()
            for number in range(processes):
                group.create_task(some(number))
            await done.wait()
            bytes_each = (memory(hub.pid) - before) / (processes * each)
            left.set()
    return bytes_each, max(joined)


async def everything() -> AsyncIterator[Figure]:
    """Give each figure as it is measured."""
    async with child("tests.benchmarks.bare") as echo, child("tests.benchmarks.bare", "--relay", echo.line) as relay:
        rate = await bare.message_rate(echo.line)
        for stand_alone, port in ((False, echo.line), (True, relay.line)):
            where = "stand-alone hub" if stand_alone else "embedded hub"
            async with worker(stand_alone) as (bob, pid):
                trip = await bare.round_trip(port)
                yield Figure(f"T1 op and fetch, {where}", 1e6 * await latency(bob), "us", 1e6 * trip, 1.5, True)
                goal = 1.5 * 0.8 if stand_alone else 1.5
                yield Figure(f"T2 independent ops, {where}", await independent(bob), "/s", rate, goal, False)
                yield Figure(f"T2 chained ops, {where}", await chained(bob), "/s", rate, goal, False)
                bare_up, bare_down = await bare.chunk_rates(port)
                if not stand_alone:
                    # The worker is the socket's client: what goes up to it is what a bare server sends down.
                    bare_up, bare_down = bare_down, bare_up
                up, down, ours, theirs, meanwhile = await large(bob, pid)
                yield Figure(f"T3 100 MB up, {where}", up / 1e6, "MB/s", bare_up / 1e6, 0.8, False)
                yield Figure(f"T3 100 MB down, {where}", down / 1e6, "MB/s", bare_down / 1e6, 0.8, False)
                yield Figure(f"T3 session above array, {where}", ours / MIB, "MiB", None, 32, True)
                yield Figure(f"T3 worker above array, {where}", theirs / MIB, "MiB", None, 32, True)
                yield Figure(f"T3 small op meanwhile, {where}", 1e3 * meanwhile, "ms", None, 20, True)
    yield Figure("T4 64 virtual workers", await virtual(), "/s", None, 20_000, False)
    each, joined = await idle()
    yield Figure("T5 hub memory an idle worker", each / 1024, "KiB", None, 40, True)
    yield Figure("T5 1,000 workers join", joined, "s", None, 10, True)
