"""Roads between peers and their hub that a test cuts and mends, all in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fedsock.api import Connection
from fedsock.peer.peer import Peer
from fedsock.transport.base import Transport

WAIT_SECONDS = 20.0
LOOK_SECONDS = 0.005


class Road:
    """A peer's way to its hub.

    Args:
        peer: whose; from now on it comes back only while the road is open.
        transport: the socket it has now.
    """

    def __init__(self, peer: Peer, transport: Transport) -> None:
        self._dial = peer._dial
        self._transport = transport
        self._open = asyncio.Event()
        self._open.set()
        peer._dial = self._dialled  # type: ignore[method-assign]

    async def _dialled(self) -> Transport:
        await self._open.wait()
        self._transport = await self._dial()
        return self._transport

    def cut(self) -> None:
        """Break the socket; no new one comes about."""
        self._open.clear()
        self._transport.abort()

    def mend(self) -> None:
        """Let the peer come back."""
        self._open.set()


class Watched:
    """Dials of a connection's peers, kept so that roads can be made of them."""

    def __init__(self, hub: Connection) -> None:
        self._hub = hub
        self._dialled: list[Transport] = []
        self._first = hub._dial
        hub._dial = self._dial  # type: ignore[method-assign]

    async def _dial(self) -> Transport:
        self._dialled.append(await self._first())
        return self._dialled[-1]

    def road(self, number: int, peer: Peer) -> Road:
        """Return the road of the peer that dialled as the so manieth one (0: the session)."""
        return Road(peer, self._dialled[number])


async def until(true: Callable[[], object]) -> None:
    """Wait until something is so, looking again and again; fails after a while."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not true():
            await asyncio.sleep(LOOK_SECONDS)
