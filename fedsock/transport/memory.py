"""Two ends in one process: the road of virtual workers and of sessions with an embedded hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from fedsock.protocol.frames import FRAME_LIMIT, Frame
from fedsock.transport.base import BROKEN, NORMAL, TOO_BIG, Transport, TransportClosed
from fedsock.transport.delivery import Delivery


class _Pipe(Delivery):
    """One direction: frames sent and not yet received."""

    __slots__ = ("at_once", "limit", "size", "writer")

    def __init__(self, limit: int, at_once: bool = False) -> None:
        super().__init__()
        self.at_once = at_once
        self.size = 0
        self.limit = limit
        self.writer: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        return self.size >= self.limit

    def put(self, frame: Frame) -> None:
        self.size += len(frame)
        super().put(frame)

    def taken(self, frame: Frame) -> None:
        self.size -= len(frame)
        if self.writer is not None and not self.writer.done() and not self.full:
            self.writer.set_result(None)

    def end(self, code: int, reason: str) -> None:
        super().end(code, reason)
        if self.writer is not None and not self.writer.done():
            self.writer.set_result(None)


class MemoryTransport(Transport):
    """One end of a memory pair; made by ``memory_pair``."""

    __slots__ = ("_incoming", "_outgoing")

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, frame: Frame, *, binary: bool = False) -> None:
        """Append the frame to the other end's queue; see Transport.send."""
        pipe = self._outgoing
        while pipe.closed is None and pipe.full:
            pipe.writer = asyncio.get_running_loop().create_future()
            try:
                await pipe.writer
            finally:
                pipe.writer = None
        self.write(frame, binary=binary)

    def write(self, frame: Frame, *, binary: bool = False) -> bool:
        """Append the frame to the other end's queue if there is room; see Transport.write."""
        pipe = self._outgoing
        if pipe.closed is not None:
            raise TransportClosed(*pipe.closed)
        if pipe.full:
            return False
        if len(frame) > FRAME_LIMIT:
            self._end(TOO_BIG, f"a frame of {len(frame)} bytes is above the limit of {FRAME_LIMIT}")
            return True
        if pipe.at_once:
            pipe.give(frame)
        else:
            pipe.put(frame)
        return True

    async def deliver(self, take: Callable[[Frame], None]) -> NoReturn:
        """Have each frame taken in a later turn of the loop; see Transport.deliver."""
        await self._incoming.deliver(take)

    async def recv(self) -> Frame:
        """Take the next frame; see Transport.recv."""
        return await self._incoming.recv()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close both ends; see Transport.close."""
        self._end(code, reason)

    def abort(self) -> None:
        """Close both ends as a broken socket would."""
        self._end(BROKEN, "")

    def _end(self, code: int, reason: str) -> None:
        self._incoming.end(code, reason)
        self._outgoing.end(code, reason)


def memory_pair(limit_bytes: int = 4 * 1024 * 1024, *, at_once: bool = False) -> tuple[Transport, Transport]:
    """Return two ends of a road within this process and event loop.

    Its rules are those of a WebSocket: a frame above FRAME_LIMIT closes it with 1009.

    Args:
        limit_bytes: what may be queued in each direction, and one frame more, before ``send`` waits.
        at_once: what is written to the first end is taken at the second before ``write`` returns, if it delivers; the
            second must not wait for the first in what it does then. A hub doesn't.
    """
    there, back = _Pipe(limit_bytes, at_once), _Pipe(limit_bytes)
    return MemoryTransport(back, there), MemoryTransport(there, back)
