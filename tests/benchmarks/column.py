"""A column of fedsock's own figures, on the loop of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection

from tests.benchmarks.digits import federated_digits
from tests.benchmarks.figures import Figure, failed
from tests.benchmarks.large import transfers
from tests.benchmarks.learning import empty_rounds, plans
from tests.benchmarks.many import idle_workers, virtual_workers
from tests.benchmarks.models import large_rounds, peaks
from tests.benchmarks.private import noisy_releases, private_rows
from tests.benchmarks.roads import Road, roads
from tests.benchmarks.rounds import Effort
from tests.benchmarks.simulation import simulations
from tests.benchmarks.small import latency, pipelined
from tests.benchmarks.startup import startup

CASE_SECONDS = 60.0
"""More than most cases take; one that hangs costs no more than this, and its row says so."""

LONG_SECONDS = {"digits": 900.0}
"""The same, of cases that take longer."""

ON_A_ROAD: dict[str, Callable[[Road, Effort], AsyncIterator[Figure]]] = {
    "T1": latency,
    "T2": pipelined,
    "T3": transfers,
}
ALONE: dict[str, Callable[[Effort], AsyncIterator[Figure]]] = {
    "T4": virtual_workers,
    "T5": idle_workers,
    "P": private_rows,
    "dp": noisy_releases,
    "plan": plans,
    "fit": empty_rounds,
    "models": large_rounds,
    "peaks": peaks,
    "simulation": simulations,
    "digits": federated_digits,
    "start": startup,
}
CASES = (*ON_A_ROAD, *ALONE)


async def column(only: Collection[str], effort: Effort) -> AsyncIterator[Figure]:
    """Give each figure as it is measured; a case that fails gives a row that says why.

    Args:
        only: names of CASES.
        effort: how long to measure.
    """
    chosen = [case for case in ON_A_ROAD if case in only]
    for where, entering in roads().items() if chosen else ():
        try:
            async with entering as road:
                for case in chosen:
                    async for figure in _guarded(f"{case}, {where}", ON_A_ROAD[case](road, effort)):
                        yield figure
        except Exception as error:
            yield failed(f"the road of the {where}", error)
    for case, measure in ALONE.items():
        if case in only:
            async for figure in _guarded(case, measure(effort)):
                yield figure


async def _guarded(case: str, figures: AsyncIterator[Figure]) -> AsyncIterator[Figure]:
    found: list[Figure] = []
    try:
        async with asyncio.timeout(LONG_SECONDS.get(case, CASE_SECONDS)):
            found = [figure async for figure in figures]
    except Exception as error:
        found.append(failed(case, error))
    for figure in found:
        yield figure
