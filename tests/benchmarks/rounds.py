"""Rounds: what is compared takes turns, so that a noisy machine disturbs all of it alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Measure = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a column measures.

    Attributes:
        least: rounds of each case, however long they take.
        most: rounds, however short they are.
        seconds: after which no further round begins, once there were ``least``.
        share: of the full number of ops, bytes and workers.
    """

    least: int = 5
    most: int = 15
    seconds: float = 9.0
    share: float = 1.0

    def count(self, full: int, least: int = 1) -> int:
        """Return this effort's share of a number."""
        return max(least, round(full * self.share))


FULL = Effort()
QUICK = Effort(least=2, most=2, seconds=2.0, share=0.02)
"""Shows that everything runs; its numbers mean nothing."""


async def rounds(effort: Effort, *measures: Measure) -> list[tuple[Any, ...]]:
    """Run all measures in turn, again and again; return what each of them gave, a round each.

    A first round, not counted, warms caches and pages on both sides.
    """
    found: list[tuple[Any, ...]] = []
    start = time.perf_counter()
    for number in range(effort.most + 1):
        if number > effort.least and time.perf_counter() - start > effort.seconds:
            break
        one = []
        for measure in measures:
            gc.collect()  # the garbage of one measure shall not be paid for in the next
            one.append(await measure())
        found.append(tuple(one))
    return list(zip(*found[1:], strict=True))
