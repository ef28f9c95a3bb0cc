"""What websockets alone costs, over the same number of processes, sockets and hops as fedsock has.

With an embedded hub the session's process serves and the worker's dials it; here the benchmark's process serves and
``python -m tests.benchmarks.bare far URL`` dials. With a stand-alone hub both dial; here both dial
``python -m tests.benchmarks.bare relay``. The near end tells the far end what to do; nothing is encoded or looked at.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.benchmarks.loops import run
from tests.benchmarks.processes import child

CHUNK = 1 << 20
SMALL = "x" * 60
PLAIN: dict[str, Any] = {"compression": None, "max_size": None}
ARRIVAL_SECONDS = 30.0


class Bare:
    """The near end of a bare socket.

    Args:
        socket: at whose other end ``obey`` runs.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def round_trip(self, count: int) -> float:
        """Return the median seconds of a small message and its echo."""
        socket = self._socket
        await socket.send(f"echo {count}")
        times = []
        for _ in range(count):
            start = time.perf_counter()
            await socket.send(SMALL)
            await socket.recv()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    async def echoes(self, count: int) -> float:
        """Return how many small messages a second come back, none waiting for the one before."""
        socket = self._socket

        async def read() -> None:
            for _ in range(count):
                await socket.recv()

        await socket.send(f"echo {count}")
        reading = asyncio.create_task(read())
        start = time.perf_counter()
        for _ in range(count):
            await socket.send(SMALL)
        await reading
        return count / (time.perf_counter() - start)

    async def messages(self, count: int) -> float:
        """Return how many small messages a second reach the far end."""
        socket = self._socket
        await socket.send(f"take {count}")
        start = time.perf_counter()
        for _ in range(count):
            await socket.send(SMALL)
        await socket.recv()
        return count / (time.perf_counter() - start)

    async def up(self, count: int) -> float:
        """Return bytes a second of 1 MiB chunks to the far end."""
        socket, chunk = self._socket, bytes(CHUNK)
        await socket.send(f"take {count}")
        start = time.perf_counter()
        for _ in range(count):
            await socket.send(chunk)
        await socket.recv()
        return count * CHUNK / (time.perf_counter() - start)

    async def down(self, count: int) -> float:
        """Return bytes a second of 1 MiB chunks from the far end."""
        socket = self._socket
        start = time.perf_counter()
        await socket.send(f"give {count}")
        for _ in range(count):
            await socket.recv()
        return count * CHUNK / (time.perf_counter() - start)


async def obey(socket: Any) -> None:
    """Do what the near end says: ``echo``, ``take`` or ``give`` so many messages."""
    chunk = bytes(CHUNK)
    async for order in socket:
        word, number = order.split()
        count = int(number)
        if word == "echo":
            for _ in range(count):
                await socket.send(await socket.recv())
        elif word == "take":
            for _ in range(count):
                await socket.recv()
            await socket.send("taken")
        else:
            for _ in range(count):
                await socket.send(chunk)


@asynccontextmanager
async def one_hop() -> AsyncIterator[Bare]:
    """Serve in this process, and have a far end dial it from its own."""
    arrived: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def met(socket: ServerConnection) -> None:
        arrived.set_result(socket)
        await socket.wait_closed()

    async with serve(met, "127.0.0.1", 0, **PLAIN) as server:
        port = server.sockets[0].getsockname()[1]
        async with child("tests.benchmarks.bare", "far", f"ws://127.0.0.1:{port}"):
            yield Bare(await asyncio.wait_for(arrived, ARRIVAL_SECONDS))


@asynccontextmanager
async def two_hops() -> AsyncIterator[Bare]:
    """Dial a relay in a process of its own, which a far end dials too."""
    async with child("tests.benchmarks.bare", "relay") as relay:
        url = f"ws://127.0.0.1:{relay.line}"
        async with (
            child("tests.benchmarks.bare", "far", f"{url}/far"),
            connect(f"{url}/near", proxy=None, **PLAIN) as socket,
        ):
            yield Bare(socket)


async def far(url: str) -> None:
    """Dial, and obey until the socket closes."""
    async with connect(url, proxy=None, **PLAIN) as socket:
        print("dialled", flush=True)
        await obey(socket)


async def relay() -> None:
    """Carry each message of the near end to the far end, and back, until ended."""
    loop = asyncio.get_running_loop()
    ends: dict[str, asyncio.Future[ServerConnection]] = {"/near": loop.create_future(), "/far": loop.create_future()}

    async def carry(socket: ServerConnection) -> None:
        assert socket.request is not None
        place = socket.request.path
        ends[place].set_result(socket)
        target = await ends["/far" if place == "/near" else "/near"]
        async for message in socket:
            await target.send(message)

    async with serve(carry, "127.0.0.1", 0, **PLAIN) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    run(far(sys.argv[2]) if sys.argv[1] == "far" else relay())
