"""How a peer reaches its hub: dials, says hello, and pauses between tries that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fedsock.errors import BadFrame, ConnectionFailed, FedsockError, NameTaken, NotAuthorized, Superseded
from fedsock.protocol import hubmessages as hub
from fedsock.protocol.frames import split
from fedsock.transport.base import Transport, TransportClosed

RETRY_FIRST_SECONDS = 0.05
RETRY_MOST_SECONDS = 2.0
"""Between two tries to reach the hub: doubling from the first to the most."""

WELCOME_SECONDS = 10.0
"""A hub that doesn't answer a hello within this is not one."""

EXPECTED = (OSError, TransportClosed, FedsockError)
"""What a try may fail with: no road, no hub at its end, or one that doesn't take this peer."""

_REFUSALS: dict[str, type[FedsockError]] = {
    kind.code: kind for kind in (NotAuthorized, NameTaken, Superseded, BadFrame)
}

Told = Callable[[Exception | None], None]
"""Is told of every try why it failed, or None when the hub was reached."""


class Tries:
    """The tries of one peer.

    Args:
        dial: makes a socket to the hub.
        hello: what the peer says on it first.
        told: told how each try ended.

    Attributes:
        last: why the last try failed, or what came from the hub made no sense; None once all is well.
    """

    __slots__ = ("_dial", "_hello", "_pause", "_told", "last")

    def __init__(self, dial: Callable[[], Awaitable[Transport]], hello: hub.Hello, told: Told | None) -> None:
        self._dial = dial
        self._hello = hello
        self._told = told
        self._pause = 0.0
        self.last: Exception | None = None

    async def hello(self) -> tuple[Transport, hub.Welcome]:
        """Try once, after the pause that is due; cancelling leaves no socket.

        Raises:
            OSError, TransportClosed: there is no road to the hub.
            FedsockError: the hub refuses this peer, or what answers is none.
        """
        await asyncio.sleep(self._pause)
        transport = await self._dial()
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await transport.send(hub.encode(self._hello))
                answer = hub.decode(split(await transport.recv())[0])
        except BaseException:
            transport.abort()
            raise
        if isinstance(answer, hub.Refused):
            await transport.close()
            raise refusal(answer)
        if not isinstance(answer, hub.Welcome):
            transport.abort()
            raise ConnectionFailed("what answers there is no fedsock hub")
        if self._told is not None:
            self._told(None)
        return transport, answer

    def failed(self, error: Exception) -> None:
        """Note a failure: the next try comes after a longer pause.

        Args:
            error: why a try failed, or what the hub sent instead of sense after it.
        """
        self.last = error
        self._pause = min(2 * self._pause or RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS)
        if self._told is not None:
            self._told(error)

    def served(self) -> None:
        """Note that the hub made sense until its socket broke: the next try comes at once."""
        self.last = None
        self._pause = 0.0


def refusal(message: hub.Refused) -> FedsockError:
    """Return the exception that a hub's refusal means; codes that no hub uses mean nothing of their own."""
    return _REFUSALS.get(message.code, ConnectionFailed)(message.message)
