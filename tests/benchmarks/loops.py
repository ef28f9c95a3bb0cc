"""Which event loop a process runs on: the environment's FEDSOCK_LOOP says so to every process of a column."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

try:
    import uvloop
except ImportError:
    uvloop = None

VARIABLE = "FEDSOCK_LOOP"
LOOPS = ("asyncio", "uvloop")


def available(loop: str) -> bool:
    """Whether a loop can be had here."""
    return loop == "asyncio" or (loop == "uvloop" and uvloop is not None)


def factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the loop that the environment asks for; without a word, uvloop where it is installed.

    Raises:
        ValueError: the environment asks for a loop that isn't there.
    """
    asked = os.environ.get(VARIABLE) or ("uvloop" if available("uvloop") else "asyncio")
    if not available(asked):
        raise ValueError(f"{VARIABLE}={asked}: only {' and '.join(filter(available, LOOPS))} can be had here")
    return uvloop.new_event_loop if asked == "uvloop" else asyncio.SelectorEventLoop


def run(main: Coroutine[Any, Any, Any]) -> None:
    """Run a program on that loop."""
    with asyncio.Runner(loop_factory=factory()) as runner:
        runner.run(main)
