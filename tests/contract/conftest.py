"""A hub with bob and alice, both virtual or both real processes: every line of the contract holds on either."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

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


def options(folder: Path, option: str, data: dict[str, Any]) -> list[str]:
    """Save arrays and return the options that offer them."""
    found: list[str] = []
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array)
        found += [option, f"{name}={folder / name}.npy"]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["virtual", "process"])
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with fedsock.Hub(port=0) as hub:
        if request.param == "virtual":
            bob = await hub.virtual_worker("bob", data=BOBS)
            alice = await hub.virtual_worker("alice", data=ALICES, private=False)
            yield House(hub, bob, alice, "virtual")
            return
        folder = tmp_path_factory.mktemp("owners")
        command = ("fedsock.worker", "--hub", hub.url, "--name")
        with (
            process(*command, "bob", *options(folder, "--data", BOBS)) as one,
            process(*command, "alice", *options(folder, "--public", ALICES)) as other,
        ):
            bob, alice = await hub.worker("bob", timeout=60), await hub.worker("alice", timeout=60)
            yield House(hub, bob, alice, "process", {"bob": one, "alice": other})


@pytest.fixture
def hub(house: House) -> fedsock.Hub:
    return house.hub


@pytest.fixture
def bob(house: House) -> WorkerHandle:
    return house.bob


@pytest.fixture
def alice(house: House) -> WorkerHandle:
    return house.alice
