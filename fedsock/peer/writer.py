"""Writes what the links of a peer, and the peer itself, have for the hub."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from fedsock.peer.alarm import Alarm
from fedsock.peer.turns import Turns
from fedsock.protocol.frames import carries_chunk
from fedsock.protocol.link import Link
from fedsock.transport.base import Transport, TransportClosed

TURN_BYTES = 512 * 1024
"""Bytes written in one turn of the loop, so that others have theirs: a chunk of the largest size, or many frames."""


class Writer:
    """One frame of each link that has some, in turn, as long as the transport has room; chunks of streams behind them.

    It writes at once when it is told to: no task is woken for a frame. Only when the transport is full does the task
    that ``serve``s it wait.

    Args:
        loop: the peer's.
        alarm: told when links must be looked at again.

    Attributes:
        control: the peer's own frames for the hub, before all others.
        news: makes one more of them once there is room for it, and is asked once; set however often before that,
            one frame tells the last state.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, alarm: Alarm) -> None:
        self._loop = loop
        self._alarm = alarm
        self.control: deque[bytes] = deque()
        self.news: Callable[[], bytes] | None = None
        # Links that may have something to write, in the order of their turns.
        self._awake: dict[Link, None] = {}
        self._turns = Turns()
        self._transport: Transport | None = None
        # What the transport had no room for, and what wakes the task that waits for room.
        self._stuck: bytes | None = None
        self._full = asyncio.Event()
        self._idle = asyncio.Event()
        self._due = False
        self._flushing = False

    def wake(self, links: Iterable[Link] = ()) -> None:
        """Write what there is in the next turn of the loop.

        Args:
            links: those that may have something to write.
        """
        for link in links:
            self._awake[link] = None
            if link in self._turns.counted:
                self._turns.count(link)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def forget(self, link: Link) -> None:
        """Write nothing of a link any more."""
        self._awake.pop(link, None)
        self._turns.forget(link)
        self.wake()  # others may write what it took the room of

    def flush(self, *links: Link) -> None:
        """Write what there is now, for one turn's worth, as far as the transport has room.

        Args:
            links: those that may have something to write.
        """
        for link in links:
            self._awake[link] = None
            if link in self._turns.counted:
                self._turns.count(link)
        transport = self._transport
        if transport is None or self._stuck is not None or self._flushing:
            return
        self._flushing = True
        try:
            if self._flush(transport):
                self._idle.set()
        except TransportClosed:
            self._transport = None  # whoever reads it learns why
        finally:
            self._flushing = False

    def _flush(self, transport: Transport) -> bool:
        """Return whether all was written."""
        if self.news is not None:
            make, self.news = self.news, None
            self.control.append(make())
        while self.control:
            # Taken out only once it is written, so that a socket that breaks under it loses nothing.
            if not transport.write(self.control[0]):
                self._wait(self.control[0])
                return False
            self.control.popleft()
        now, room = self._loop.time(), TURN_BYTES
        while (frame := self._next_frame(now)) is not None:
            if not transport.write(frame, binary=carries_chunk(frame)):
                self._wait(frame)
                return False
            room -= len(frame)
            if room <= 0:
                self.wake()
                return False
        return True

    def _next_frame(self, now: float) -> bytes | None:
        awake, turns = self._awake, self._turns
        while awake:
            link = next(iter(awake))
            frame = link.next_frame(now, chunks=not link.queued_stream_bytes)
            del awake[link]
            if frame is not None:
                awake[link] = None  # behind the others
                return frame
            if link.queued_stream_bytes:
                turns.add(link)
            self._alarm.by(link.deadline)
        found = turns.next_frame(now)
        if found is None:
            return None
        link, frame = found
        self._alarm.by(link.deadline)
        return frame

    def _wait(self, frame: bytes) -> None:
        self._stuck = frame
        self._full.set()

    def _turn(self) -> None:
        self._due = False
        self.flush()

    async def serve(self, transport: Transport) -> None:
        """Write to a transport until it breaks; cancelling stops that.

        Raises:
            TransportClosed: it broke.
        """
        self._transport = transport
        self._full.clear()
        try:
            while True:
                self.flush()
                await self._full.wait()
                self._full.clear()
                if (stuck := self._stuck) is not None:
                    await transport.send(stuck, binary=carries_chunk(stuck))
                    if self.control and self.control[0] is stuck:
                        self.control.popleft()
                    self._stuck = None
        finally:
            self._transport = self._stuck = None

    async def drained(self) -> None:
        """Wait until all that may be written now is written; cancelling ends the wait only."""
        self._idle.clear()
        self.wake()
        await self._idle.wait()

    async def stirred(self) -> None:
        """Wait until it had occasion to write again, or ``stir`` says that there is none; cancelling ends the wait."""
        self._idle.clear()
        await self._idle.wait()

    def stir(self) -> None:
        """End the waits for what is to be written."""
        self._idle.set()
