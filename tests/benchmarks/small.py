"""T1, the latency of one op and its fetch; T2, pipelined ops whose results stay at the worker."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator

import numpy as np

from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.roads import STAND_ALONE, Road
from tests.benchmarks.rounds import Effort, rounds

TRIPS = 100
"""Round trips of one turn: long enough that caches and the processor's sleep are each side's own."""

OPS = 10_000
CHAIN = 1_000
MESSAGES = 5_000
PIPELINED = 1.5
BEHIND_A_HUB = 0.8


async def latency(road: Road, effort: Effort) -> AsyncIterator[Figure]:
    """T1 on a road."""
    bob, trips = road.bob, effort.count(TRIPS, 10)
    x = await bob.send(np.arange(10.0)).wait()
    assert np.array_equal(await (x + 1), np.arange(1.0, 11))

    async def bare() -> float:
        return 1e6 * await road.bare.round_trip(trips)

    async def op_and_fetch() -> float:
        times = []
        for _ in range(trips):
            start = time.perf_counter()
            await (x + 1)
            times.append(time.perf_counter() - start)
        return 1e6 * statistics.median(times)

    many = Effort(effort.least, 2 * effort.most, effort.seconds / 2, effort.share)
    trip, ours = await rounds(many, bare, op_and_fetch)
    yield Figure(f"T1 op and fetch, {road.where}", "us", ours, trip, Goal(1.5, most=True))


async def pipelined(road: Road, effort: Effort) -> AsyncIterator[Figure]:
    """T2 on a road.

    The goal is set against messages that reach the far end over one hop, unbatched, whichever hub there is. How many
    come back as echoes, about half as many, is shown beside it.
    """
    bob, hop = road.bob, road.hop
    ops, chain, messages = effort.count(OPS), effort.count(CHAIN), effort.count(MESSAGES, 100)
    x = await bob.send(np.arange(10.0)).wait()

    async def independent() -> float:
        start = time.perf_counter()
        results = [x + number for number in range(ops)]
        for result in results:
            await result.wait()
        took = time.perf_counter() - start
        assert (await results[-1])[0] == ops - 1
        del results, result
        await bob.stats()  # everything dropped is released before the next turn
        return ops / took

    async def chained() -> float:
        start = time.perf_counter()
        y = x
        for _ in range(chain):
            y = y + 1
        await y.wait()
        took = time.perf_counter() - start
        assert (await y)[0] == chain
        await bob.stats()
        return chain / took

    async def several_chains() -> float:
        return statistics.median([await chained() for _ in range(5)])

    sent, echoed, apart, linked = await rounds(
        effort, lambda: hop.messages(messages), lambda: hop.echoes(messages), independent, several_chains
    )
    goal = Goal(PIPELINED * (BEHIND_A_HUB if road.where == STAND_ALONE else 1))
    yield Figure(f"T2 independent ops, {road.where}", "/s", apart, sent, goal)
    yield Figure(f"T2 chained ops, {road.where}", "/s", linked, sent, goal)
    yield Figure(f"T2 independent ops beside echoes, {road.where}", "/s", apart, echoed)
