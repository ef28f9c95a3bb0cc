"""Two ends in one process: the road of virtual workers and of sessions with an embedded hub."""

from __future__ import annotations

import asyncio
from collections import deque

from fedsock.protocol.frames import FRAME_LIMIT
from fedsock.transport.base import BROKEN, NORMAL, TOO_BIG, Transport, TransportClosed


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class _Pipe:
    """One direction: frames sent and not yet received."""

    __slots__ = ("closed", "frames", "limit", "reader", "size", "writer")

    def __init__(self, limit: int) -> None:
        self.frames: deque[bytes] = deque()
        self.size = 0
        self.limit = limit
        self.reader: asyncio.Future[None] | None = None
        self.writer: asyncio.Future[None] | None = None
        self.closed: tuple[int, str] | None = None

    def end(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            _wake(self.reader)
            _wake(self.writer)


class MemoryTransport(Transport):
    """One end of a memory pair; made by ``memory_pair``."""

    __slots__ = ("_incoming", "_outgoing")

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, frame: bytes, *, binary: bool = False) -> None:
        """Append the frame to the other end's queue; see Transport.send."""
        pipe = self._outgoing
        while pipe.closed is None and pipe.size >= pipe.limit:
            pipe.writer = asyncio.get_running_loop().create_future()
            try:
                await pipe.writer
            finally:
                pipe.writer = None
        if pipe.closed is not None:
            raise TransportClosed(*pipe.closed)
        if len(frame) > FRAME_LIMIT:
            self._end(TOO_BIG, f"a frame of {len(frame)} bytes is above the limit of {FRAME_LIMIT}")
            return
        pipe.frames.append(frame)
        pipe.size += len(frame)
        _wake(pipe.reader)

    async def recv(self) -> bytes:
        """Take the next frame; see Transport.recv."""
        pipe = self._incoming
        while not pipe.frames:
            if pipe.closed is not None:
                raise TransportClosed(*pipe.closed)
            pipe.reader = asyncio.get_running_loop().create_future()
            try:
                await pipe.reader
            finally:
                pipe.reader = None
        frame = pipe.frames.popleft()
        pipe.size -= len(frame)
        if pipe.writer is not None and pipe.size < pipe.limit:
            _wake(pipe.writer)
        return frame

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close both ends; see Transport.close."""
        self._end(code, reason)

    def abort(self) -> None:
        """Close both ends as a broken socket would."""
        self._end(BROKEN, "")

    def _end(self, code: int, reason: str) -> None:
        self._incoming.end(code, reason)
        self._outgoing.end(code, reason)


def memory_pair(limit_bytes: int = 4 * 1024 * 1024) -> tuple[Transport, Transport]:
    """Return two ends of a road within this process and event loop.

    Its rules are those of a WebSocket: a frame above FRAME_LIMIT closes it with 1009.

    Args:
        limit_bytes: what may be queued in each direction, and one frame more, before ``send`` waits.
    """
    there, back = _Pipe(limit_bytes), _Pipe(limit_bytes)
    return MemoryTransport(back, there), MemoryTransport(there, back)
