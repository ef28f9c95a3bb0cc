"""What a process of its own, a worker or a hub, does for speed: its event loop and its garbage collector."""

from __future__ import annotations

import asyncio
import gc
import os

from fedsock.errors import ConfigError

try:
    import uvloop
except ImportError:  # pragma: no cover  # the extra "fast" isn't installed
    uvloop = None

LOOP_VARIABLE = "FEDSOCK_LOOP"
"""Environment variable that names the event loop: "asyncio", or "uvloop"; unset: uvloop where it is installed."""

COLLECT_AFTER = 100_000
"""Containers made and not freed before the collector looks: its looks at what thousands of small values consist of cost
more than the ops on them. Values have no cycles, so they are freed without it."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of a process of its own.

    Raises:
        ConfigError: the environment asks for one that is not there.
    """
    asked = os.environ.get(LOOP_VARIABLE, "")
    if asked not in ("", "asyncio", "uvloop"):
        raise ConfigError(f"{LOOP_VARIABLE}={asked!r}: write asyncio or uvloop, or leave it out")
    if asked == "asyncio" or (uvloop is None and not asked):
        return asyncio.new_event_loop()
    if uvloop is None:
        raise ConfigError(f"{LOOP_VARIABLE}=uvloop, but uvloop is not installed; pip install 'fedsock[fast]'")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def calm_collector() -> None:
    """Have the garbage collector look less often, and never at what was loaded before the work began."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
