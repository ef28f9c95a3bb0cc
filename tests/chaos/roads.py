"""Roads between peers of one process and their hub that a test cuts and mends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fedsock.api import Connection
from fedsock.transport.base import Transport

WAIT_SECONDS = 20.0
LOOK_SECONDS = 0.005

SESSION, WORKER = 0, 1
"""The order in which the peers of a connection dial first: itself, then its virtual worker."""


class Roads:
    """The sockets of a connection's peers; made before it is opened. One road at a time may be cut.

    Args:
        hub: the connection.
    """

    def __init__(self, hub: Connection) -> None:
        self._first = hub._dial
        self._sockets: list[Transport] = []
        self._cut: int | None = None
        self._mended = asyncio.Event()
        hub._dial = self._dial  # type: ignore[method-assign]

    async def _dial(self) -> Transport:
        if self._cut is None:
            self._sockets.append(await self._first())
            return self._sockets[-1]
        # Only who was cut dials now.
        number = self._cut
        await self._mended.wait()
        self._sockets[number] = await self._first()
        self._cut = None
        return self._sockets[number]

    def cut(self, number: int) -> None:
        """Break a peer's socket; no new one comes about.

        Args:
            number: SESSION or WORKER.
        """
        assert self._cut is None
        self._cut = number
        self._mended.clear()
        self._sockets[number].abort()

    def mend(self) -> None:
        """Let the peer come back."""
        self._mended.set()


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so, looking again and again; fails after a while."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not true():  # noqa: ASYNC110  # what it looks at belongs to rooms that have no event for it
            await asyncio.sleep(LOOK_SECONDS)
