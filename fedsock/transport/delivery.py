"""The receiving end of a road: frames that arrived, and who takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from fedsock.protocol.frames import Frame
from fedsock.transport.base import TransportClosed

TURN_BYTES = 256 * 1024
"""Bytes of queued frames taken in one turn of the loop, so that others have theirs."""

FRAME_COST = 1024
"""What the smallest frame counts as in a turn: bytes that are as dear as a frame is."""


class Delivery:
    """Frames in order, given to one ``deliver`` or ``recv`` at a time.

    Attributes:
        frames: arrived and not yet taken.
        closed: close code and reason, once nothing will come any more.
    """

    __slots__ = ("_pumping", "_take", "_waiter", "closed", "frames")

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.closed: tuple[int, str] | None = None
        self._take: Callable[[Frame], None] | None = None
        self._pumping = False
        # Of recv: ends when there is something to look at. Of deliver: ends with the exception that it raises.
        self._waiter: asyncio.Future[Exception | None] | None = None

    def taken(self, frame: Frame) -> None:
        """Note that a frame was taken out of the queue; for subclasses."""

    def put(self, frame: Frame) -> None:
        """Queue a frame; it is taken in a later turn of the loop."""
        self.frames.append(frame)
        self._stir()

    def give(self, frame: Frame) -> None:
        """Have a frame taken at once, if somebody takes and no other one is before it; else queue it."""
        if self._take is None or self.frames:
            self.put(frame)
        else:
            self._call(self._take, frame)

    def end(self, code: int, reason: str) -> None:
        """Note that nothing will come any more; again is harmless, and the first reason stays."""
        if self.closed is None:
            self.closed = (code, reason)
            self._stir()

    async def recv(self) -> Frame:
        """Return the next frame; see Transport.recv."""
        while not self.frames:
            if self.closed is not None:
                raise TransportClosed(*self.closed)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        frame = self.frames.popleft()
        self.taken(frame)
        return frame

    async def deliver(self, take: Callable[[Frame], None]) -> NoReturn:
        """Have each frame taken; see Transport.deliver."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._take = take
        try:
            self._stir()
            error = await self._waiter
        finally:
            self._take = self._waiter = None
        assert error is not None  # noqa: S101  # only recv is woken without one
        raise error

    def _stir(self) -> None:
        if self._take is None:
            self._wake(None)
        elif not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        room = TURN_BYTES
        while self.frames and self._take is not None:
            if room <= 0:
                self._stir()
                return
            frame = self.frames.popleft()
            self.taken(frame)
            room -= max(len(frame), FRAME_COST)
            self._call(self._take, frame)
        if self.closed is not None and not self.frames and self._take is not None:
            self._wake(TransportClosed(*self.closed))

    def _call(self, take: Callable[[Frame], None], frame: Frame) -> None:
        try:
            take(frame)
        except Exception as error:
            self._take = None
            self._wake(error)

    def _wake(self, outcome: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(outcome)
