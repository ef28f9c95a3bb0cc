"""Real hub and worker processes that a test kills and starts again; each is ended by its own id."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START_SECONDS = 60.0


class Child:
    """A process of a test: ``python -m module arguments``.

    Args:
        module: what to run.
        arguments: its command line.

    Attributes:
        line: the first line it printed, once ``start`` waited for it.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self.line = ""

    async def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it has printed its first line."""
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE)
        if wait:
            await self.announced()

    async def announced(self) -> str:
        """Return its first line, once it has printed one."""
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            self.line = (await self._process.stdout.readline()).decode().strip()
        return self.line

    async def stop(self) -> None:
        """Have it end by itself, by SIGTERM."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(START_SECONDS):
            await self._process.wait()

    async def kill(self) -> None:
        """End it with SIGKILL; again is harmless."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()
        self._process = None


@asynccontextmanager
async def child(module: str, *arguments: str, wait: bool = True) -> AsyncIterator[Child]:
    """A process that is gone when the block ends."""
    made = Child(module, *arguments)
    try:
        await made.start(wait=wait)
        yield made
    finally:
        await made.kill()


class HubChild:
    """A stand-alone hub that can be killed and comes back on the same port.

    Attributes:
        url: where it listens.
    """

    def __init__(self) -> None:
        self._child = Child("fedsock.hub", "--port", "0")
        self.url = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    async def start(self) -> None:
        """Start it; again: on the port that it had."""
        if self.url:
            self._child = Child("fedsock.hub", "--port", str(self.port))
        await self._child.start()
        self.url = self._child.line.split()[-1]

    async def stop(self) -> None:
        """Have it end by itself, by SIGTERM."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(START_SECONDS):
            await self._process.wait()

    async def kill(self) -> None:
        """End it with SIGKILL."""
        await self._child.kill()


@asynccontextmanager
async def hub_child() -> AsyncIterator[HubChild]:
    """A stand-alone hub that is gone when the block ends."""
    made = HubChild()
    try:
        await made.start()
        yield made
    finally:
        await made.kill()
