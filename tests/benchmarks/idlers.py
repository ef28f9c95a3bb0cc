"""Many idle workers in one process: ``python -m tests.benchmarks.idlers URL PREFIX COUNT``."""

from __future__ import annotations

import asyncio
import sys
import time

from fedsock.peer.peer import Peer
from fedsock.transport.base import Transport
from fedsock.transport.websocket import dial
from fedsock.worker.engine import Engine
from fedsock.worker.service import WorkerService
from tests.benchmarks.loops import run


async def main(url: str, prefix: str, count: int) -> None:
    """Join, print how long it took in seconds, and stay."""

    async def dialled() -> Transport:
        return await dial(url, timeout=30)

    async def join(number: int) -> Peer:
        service = WorkerService(Engine(f"{prefix}{number}", {}))
        peer = Peer(f"{prefix}{number}", "worker", dialled, service)
        service.attach(peer)
        async with room:
            await peer.start(60)
        return peer

    room = asyncio.Semaphore(50)
    start = time.perf_counter()
    peers = await asyncio.gather(*map(join, range(count)))
    print(time.perf_counter() - start, flush=True)
    await asyncio.gather(*(peer.finished() for peer in peers))


if __name__ == "__main__":
    run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
