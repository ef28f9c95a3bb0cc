"""Who is there in the tests of the contract, and how real workers are started and ended."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fedsock
from fedsock.session.handle import WorkerHandle

BOBS = {"ages": np.array([30.0, 40, 50]), "ids": np.arange(3)}
"""What bob owns; it is private."""

ALICES = {"table": np.arange(12.0).reshape(3, 4), "x": np.arange(3.0)}
"""What alice owns; it is published."""


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A real process; gone, by its own id, when the block ends."""
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        assert child.stdout is not None
        child.stdout.close()


@dataclass
class House:
    """Who is there.

    Attributes:
        hub: what Hub() gave.
        bob: a worker with private data.
        alice: a worker with published data.
        kind: "virtual" or "process".
        children: the worker processes, by name.
    """

    hub: fedsock.Hub
    bob: WorkerHandle
    alice: WorkerHandle
    kind: str
    children: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    async def settled(self) -> None:
        """Wait until each worker has done all that was asked of it so far."""
        await asyncio.gather(self.bob.ping(), self.alice.ping())


async def held(worker: WorkerHandle) -> int:
    """Return how many objects a worker holds for this session, without what only garbage or old answers hold."""
    await worker.ping()  # what it still had to say of transfers is here now
    gc.collect()
    return (await worker.stats()).objects


def options(folder: Path, option: str, data: dict[str, Any]) -> list[str]:
    """Save arrays and return the options that offer them."""
    found: list[str] = []
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array)
        found += [option, f"{name}={folder / name}.npy"]
    return found
