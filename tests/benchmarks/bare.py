"""What websockets alone costs: an echo, a two-hop relay, and chunks; run as ``python -m tests.benchmarks.bare``."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

CHUNK = 1 << 20
PLAIN: dict[str, Any] = {"compression": None, "max_size": None}


async def echo(socket: ServerConnection) -> None:
    """Send back what comes; ``take N`` counts N chunks, ``give N`` sends N."""
    async for message in socket:
        word, _, count = message.partition(" ") if isinstance(message, str) else ("", "", "")
        if word == "take":
            for _ in range(int(count)):
                await socket.recv()
            await socket.send("taken")
        elif word == "give":
            chunk = bytes(CHUNK)
            for _ in range(int(count)):
                await socket.send(chunk)
        else:
            await socket.send(message)


def relay(port: int) -> Any:
    """Return a handler that carries frames to the server on a port, and back."""

    async def carry(socket: ServerConnection) -> None:
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, **PLAIN) as onward:

            async def pump(source: Any, target: Any) -> None:
                async for message in source:
                    await target.send(message)

            back = asyncio.create_task(pump(onward, socket))
            try:
                await pump(socket, onward)
            finally:
                back.cancel()
                await asyncio.wait({back})

    return carry


async def run(port: int | None) -> None:
    """Serve an echo, or a relay to the server on a port, until ended."""
    async with serve(relay(port) if port else echo, "127.0.0.1", 0, **PLAIN) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def round_trip(port: str, count: int = 1500) -> float:
    """Return the median seconds of a small message and its echo."""
    async with connect(f"ws://127.0.0.1:{port}", proxy=None, **PLAIN) as socket:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            await socket.send("x" * 60)
            await socket.recv()
            times.append(time.perf_counter() - start)
    return statistics.median(times)


async def message_rate(port: str, count: int = 15_000) -> float:
    """Return how many small messages a second are echoed, none waiting for the one before."""
    async with connect(f"ws://127.0.0.1:{port}", proxy=None, **PLAIN) as socket:

        async def read() -> None:
            for _ in range(count):
                await socket.recv()

        reading = asyncio.create_task(read())
        start = time.perf_counter()
        for _ in range(count):
            await socket.send("x" * 60)
        await reading
        return count / (time.perf_counter() - start)


async def chunk_rates(port: str, count: int = 96) -> tuple[float, float]:
    """Return bytes a second of 1 MiB chunks, up and down."""
    async with connect(f"ws://127.0.0.1:{port}", proxy=None, **PLAIN) as socket:
        chunk = bytes(CHUNK)
        start = time.perf_counter()
        await socket.send(f"take {count}")
        for _ in range(count):
            await socket.send(chunk)
        await socket.recv()
        up = count * CHUNK / (time.perf_counter() - start)
        start = time.perf_counter()
        await socket.send(f"give {count}")
        for _ in range(count):
            await socket.recv()
        return up, count * CHUNK / (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--relay", type=int)
    asyncio.run(run(parser.parse_args().relay))
