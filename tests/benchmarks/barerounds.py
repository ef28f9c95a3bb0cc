"""What rounds of federated averaging cost over websockets alone: the same processes, bytes and sums, and nothing else.

The benchmark's process serves, as an embedded hub does, and ``python -m tests.benchmarks.barerounds URL BYTES`` dials:
a peer that is sent a model, makes an update of it, and gives that back.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from fedsock.typing import Array
from tests.benchmarks.bare import ARRIVAL_SECONDS, CHUNK, PLAIN
from tests.benchmarks.loops import run
from tests.benchmarks.processes import child


async def give(socket: Any, array: Array) -> None:
    """Send an array in chunks, which pass faster than one message."""
    data = memoryview(array).cast("B")
    for at in range(0, len(data), CHUNK):
        await socket.send(data[at : at + CHUNK])


async def take(socket: Any, nbytes: int) -> Array:
    """Return the float32 array that is sent in chunks."""
    array = np.empty(nbytes // 4, np.float32)
    data, at = memoryview(array).cast("B"), 0
    while at < nbytes:
        chunk = await socket.recv()
        data[at : at + len(chunk)] = chunk
        at += len(chunk)
    return array


class BareRounds:
    """The near end.

    Args:
        sockets: at whose other ends peers are.
    """

    def __init__(self, sockets: list[ServerConnection]) -> None:
        self._sockets = sockets

    async def round(self, model: Array) -> Array:
        """Send the model to all peers, and return the mean of their updates, which is taken in float64."""
        total = np.zeros(model.shape)

        async def one(socket: ServerConnection) -> None:
            await give(socket, model)
            np.add(total, await take(socket, model.nbytes), out=total)

        await asyncio.gather(*map(one, self._sockets))
        return (total / len(self._sockets)).astype(model.dtype)


@asynccontextmanager
async def bare_rounds(peers: int, nbytes: int) -> AsyncIterator[BareRounds]:
    """Serve in this process, and have peers dial from theirs."""
    sockets: list[ServerConnection] = []
    complete = asyncio.Event()

    async def met(socket: ServerConnection) -> None:
        sockets.append(socket)
        if len(sockets) == peers:
            complete.set()
        await socket.wait_closed()

    async with serve(met, "127.0.0.1", 0, **PLAIN) as server, AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.TaskGroup() as starting:
            for _ in range(peers):
                one = child("tests.benchmarks.barerounds", url, str(nbytes))
                starting.create_task(stack.enter_async_context(one))
        await asyncio.wait_for(complete.wait(), ARRIVAL_SECONDS)
        yield BareRounds(sockets)


async def peer(url: str, nbytes: int) -> None:
    """Dial, and give an update for each model until the socket closes."""
    async with connect(url, proxy=None, **PLAIN) as socket:
        print("dialled", flush=True)
        while True:
            await give(socket, await take(socket, nbytes) * np.float32(1.0))


if __name__ == "__main__":
    run(peer(sys.argv[1], int(sys.argv[2])))
