"""What a transport is: whole frames, in order, both ways, until one end closes or it breaks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NoReturn

from fedsock.protocol.frames import Frame

NORMAL = 1000
"""Close code: done. This and the codes below: RFC 6455, section 7.4.1."""

GOING_AWAY = 1001
"""Close code: the process ends."""

BROKEN = 1006
"""Close code seen when the other end vanished without a farewell; never sent."""

BAD_DATA = 1007
"""Close code: a frame that can't be read."""

POLICY = 1008
"""Close code: a frame that can be read but must not be sent."""

TOO_BIG = 1009
"""Close code: a frame above FRAME_LIMIT."""

TRY_AGAIN = 1013
"""Close code: this end can't keep up; come back later."""

CLOSE_TIMEOUT = 2.0
"""Seconds that a farewell may take. A hub's 5 seconds to end must hold a flush of 2 and this."""


class TransportClosed(Exception):
    """The transport is closed: by this end, by the other, or by a fault.

    Attributes:
        code: a WebSocket close code (RFC 6455, section 7.4); 1006 when there was no farewell.
        reason: what the closing end said.
    """

    def __init__(self, code: int = BROKEN, reason: str = "") -> None:
        super().__init__(f"closed with code {code}" + (f": {reason}" if reason else ""))
        self.code = code
        self.reason = reason


class Transport(ABC):
    """One end of a two-way road for frames. One task reads and one task writes at a time.

    ``write`` and ``deliver`` are what is fast: no task is woken for a frame, neither here nor there. ``send`` waits
    when ``write`` has no room, and ``recv`` is for the first words of a conversation.
    """

    __slots__ = ()

    @abstractmethod
    async def send(self, frame: Frame, *, binary: bool = False) -> None:
        """Hand a frame to the road; waits while the other end is slow and the road's buffer is full.

        Cancelling: the frame may or may not have been sent.

        Args:
            frame: a head, a newline and a body.
            binary: whether the body is raw bytes instead of JSON.

        Raises:
            TransportClosed: the frame, and others before it, may not have arrived.
        """

    @abstractmethod
    def write(self, frame: Frame, *, binary: bool = False) -> bool:
        """Hand a frame to the road if it has room now; return False when ``send`` would wait: nothing was written.

        Args:
            frame: a head, a newline and a body.
            binary: whether the body is raw bytes instead of JSON.

        Raises:
            TransportClosed: as ``send``.
        """

    @abstractmethod
    async def deliver(self, take: Callable[[Frame], None]) -> NoReturn:
        """Have each frame taken as it comes, those first that came before.

        Cancelling ends the delivery; frames that come later wait for ``recv``.

        Args:
            take: called with each frame, on the loop; quick.

        Raises:
            TransportClosed: all that was received has been taken, and nothing will come any more.
            Exception: what ``take`` raised; it isn't called again.
        """

    @abstractmethod
    async def recv(self) -> Frame:
        """Return the next frame; doesn't suspend when one is there already.

        Cancelling loses no frame.

        Raises:
            TransportClosed: all that was received has been given out, and nothing will come any more.
        """

    @abstractmethod
    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close with a farewell, within CLOSE_TIMEOUT whatever the other end does; again is harmless.

        Cancelling leaves the transport closed.

        Args:
            code: the WebSocket close code that the other end sees.
            reason: a few words for it, at most 123 bytes of UTF-8.
        """

    @abstractmethod
    def abort(self) -> None:
        """Cut the road at once, without a farewell; what was not written yet is lost."""
