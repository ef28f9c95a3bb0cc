"""A small TCP proxy between a peer and its hub that breaks connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

READ_BYTES = 64 * 1024


class Proxy:
    """Carries bytes both ways between who connects here and a port of this machine.

    Args:
        target: the port.

    Attributes:
        cut_every: bytes after which all connections are cut, again and again; None: never.
        cuts: how often that happened.
        deaf: who connected is gone without a word to the target: its connections there stay open, and silent.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passed = 0
        self.cut_every: int | None = None
        self.cuts = 0
        self.deaf = False

    @property
    def url(self) -> str:
        """Where a peer dials."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    async def close(self) -> None:
        """Cut everything and listen no more."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break all connections at once, as a network does that goes away."""
        self._passed = 0
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there_writer)
        for one, other in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._carry(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                writer.write(data)
                await writer.drain()
                self._passed += len(data)
                if self.cut_every is not None and self._passed >= self.cut_every:
                    self.cuts += 1
                    self.cut()
        if not self.deaf:
            writer.transport.abort()


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """A proxy to a port that is gone when the block ends."""
    made = Proxy(target)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
