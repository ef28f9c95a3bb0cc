"""The roads a benchmark takes: a worker process on an embedded or a stand-alone hub, and its bare counterpart."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import fedsock
from fedsock.session.handle import WorkerHandle
from tests.benchmarks.bare import Bare, one_hop, two_hops
from tests.benchmarks.processes import child

JOIN_SECONDS = 30.0
EMBEDDED = "embedded hub"
STAND_ALONE = "stand-alone hub"


@dataclass(frozen=True, slots=True)
class Road:
    """A way to a worker.

    Attributes:
        where: which hub, for a figure's name.
        bob: the worker at its end.
        processes: who stands on it -> process id.
        bare: a bare socket with as many processes and hops.
        hop: a bare socket with one hop.
    """

    where: str
    bob: WorkerHandle
    processes: dict[str, int]
    bare: Bare
    hop: Bare


@asynccontextmanager
async def embedded() -> AsyncIterator[Road]:
    """A worker process that dials the hub in this process."""
    async with fedsock.Hub(port=0) as hub, child("fedsock.worker", "--name", "bob", "--hub", hub.url) as worker:
        bob = await hub.worker("bob", timeout=JOIN_SECONDS)
        async with one_hop() as bare:
            yield Road(EMBEDDED, bob, {"session": os.getpid(), "worker": worker.pid}, bare, bare)


@asynccontextmanager
async def stand_alone() -> AsyncIterator[Road]:
    """A worker process and this session, both on a hub process."""
    async with child("fedsock.hub", "--port", "0") as hub_process:
        url = hub_process.line.split()[-1]
        async with child("fedsock.worker", "--name", "bob", "--hub", url) as worker, fedsock.connect(url) as hub:
            bob = await hub.worker("bob", timeout=JOIN_SECONDS)
            async with two_hops() as bare, one_hop() as hop:
                processes = {"session": os.getpid(), "hub": hub_process.pid, "worker": worker.pid}
                yield Road(STAND_ALONE, bob, processes, bare, hop)


def roads() -> dict[str, AbstractAsyncContextManager[Road]]:
    """Return both, not entered yet, by which hub."""
    return {EMBEDDED: embedded(), STAND_ALONE: stand_alone()}
