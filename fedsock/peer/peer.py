"""A peer: one socket to the hub, many links. Dials, says hello, reads, writes, and comes back after losses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from fedsock.errors import (
    BY_CODE,
    BadFrame,
    Closed,
    ConnectionFailed,
    FedsockError,
    HubTimeout,
    NameTaken,
    NotAuthorized,
    ProtocolError,
    Superseded,
)
from fedsock.peer.owner import Owner
from fedsock.peer.past import Past
from fedsock.protocol import hubmessages as hub
from fedsock.protocol.frames import Head, address, build, carries_chunk, link_head, split
from fedsock.protocol.link import UNKNOWN_LINK, Batch, Chunk, Ended, Link, LinkEnd, StreamSent
from fedsock.transport.base import Transport, TransportClosed

RETRY_FIRST_SECONDS = 0.05
RETRY_MOST_SECONDS = 2.0
"""Between two tries to reach the hub: doubling from the first to the most."""

WELCOME_SECONDS = 10.0
"""A hub that doesn't answer a hello within this is not one."""

log = logging.getLogger("fedsock.peer")


class Peer:
    """One life of a worker or a session at a hub.

    Args:
        name: its name.
        role: worker or session.
        dial: makes a socket to the hub.
        owner: whom it speaks for.
        token: what the hub's token file asks for.

    Attributes:
        address: ``name@epoch``.
        present: addresses of workers that are there (for a session).
        connected: there is a hub now.
        failed: what ended this peer for good, or None.
    """

    def __init__(
        self,
        name: str,
        role: Literal["worker", "session"],
        dial: Callable[[], Awaitable[Transport]],
        owner: Owner,
        *,
        token: str | None = None,
    ) -> None:
        self.name = name
        self.epoch = secrets.token_hex(8)
        self.address = address(name, self.epoch)
        self.present: set[str] = set()
        self.connected = False
        self.failed: FedsockError | None = None
        self._role: Literal["worker", "session"] = role
        self._dial = dial
        self._owner = owner
        self._token = token
        self._secret = secrets.token_hex(16)
        self._links: dict[str, Link] = {}
        self._past = Past()
        self._control: deque[bytes] = deque()
        self._wakeup = asyncio.Event()
        self._idle = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._loop = asyncio.get_running_loop()

    def link(self, remote: str) -> Link:
        """Return the link with an address; opens it when there is none."""
        return self._links.get(remote) or self._begin(remote, self._past.base(remote))

    def _begin(self, remote: str, base: int) -> Link:
        now = self._loop.time()
        link = self._links[remote] = Link(self.address, remote, now=now, base=base)
        if self.connected:
            link.socket_up(now)
        self._watch()
        return link

    def has_link(self, remote: str) -> bool:
        """Return whether there is a link with an address."""
        return remote in self._links

    def forget(self, remote: str) -> None:
        """Drop the link with an address."""
        if self._drop(remote) is not None:
            self._watch()

    def _drop(self, remote: str) -> Link | None:
        if (link := self._links.pop(remote, None)) is not None:
            self._past.over(link)
        return link

    def wake(self) -> None:
        """Say that something was queued: it is written at the end of this tick of the loop."""
        self._wakeup.set()

    async def start(self, timeout: float | None = 10.0) -> None:
        """Reach the hub and say hello; afterwards the peer comes back by itself whenever the socket breaks.

        Args:
            timeout: seconds; None tries for ever.

        Raises:
            HubTimeout: no hub answered in time.
            NotAuthorized, NameTaken, ConnectionFailed: it doesn't take this peer.

        Cancelling leaves no socket and no task.
        """
        last: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                pause = RETRY_FIRST_SECONDS
                while True:
                    try:
                        transport = await self._hello()
                        break
                    except (NotAuthorized, NameTaken, Superseded):
                        raise
                    except (OSError, TransportClosed, ConnectionFailed) as error:
                        last = error
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, RETRY_MOST_SECONDS)
        except TimeoutError:
            raise HubTimeout(f"no hub answered within {timeout} s ({last or 'nobody is listening'})") from last
        self._task = asyncio.create_task(self._run(transport), name=f"fedsock peer {self.address}")

    async def finished(self) -> None:
        """Wait until this peer is over for good: closed, or refused by its hub. Cancelling ends the wait only."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self, timeout: float = 5.0) -> None:
        """Write what is queued, say bye and leave.

        Args:
            timeout: seconds for what is queued.

        Cancelling leaves at once.
        """
        if self._task is None or self._task.done():
            self._closing = True
            return
        try:
            self._closing = True
            if self.connected:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._drained()
                        self._control.append(hub.encode(hub.Bye()))
                        await self._drained()
        finally:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=timeout)
            self._cancel_timer()
            for remote in list(self._links):
                link = self._links.pop(remote)
                if link.ended is None:
                    self._owner.ended(remote, LinkEnd("closed", Closed.code))

    async def _drained(self) -> None:
        """Wait until the writer has written all that it may write now."""
        self._idle.clear()
        self.wake()
        await self._idle.wait()

    # ---- the socket's life

    async def _hello(self) -> Transport:
        transport = await self._dial()
        try:
            hello = hub.Hello(name=self.name, epoch=self.epoch, role=self._role, secret=self._secret, token=self._token)
            async with asyncio.timeout(WELCOME_SECONDS):
                await transport.send(hub.encode(hello))
                answer = hub.decode(split(await transport.recv())[0])
        except BaseException:
            transport.abort()
            raise
        if isinstance(answer, hub.Refused):
            await transport.close()
            kind = BY_CODE.get(answer.code, ConnectionFailed)
            raise kind(answer.message)
        if not isinstance(answer, hub.Welcome):
            transport.abort()
            raise ConnectionFailed("what answers there is no fedsock hub")
        self._welcome(answer)
        return transport

    def _welcome(self, welcome: hub.Welcome) -> None:
        now = self._loop.time()
        self.connected = True
        for link in self._links.values():
            link.socket_up(now)
        gone = self.present - set(welcome.workers)
        self.present = set(welcome.workers)
        self._owner.hub_up()
        if self._role == "session":
            for remote in gone:
                self._away(remote, "gone")
            for remote in welcome.workers:
                self._back(remote, "worker")
        self._watch()
        self.wake()

    async def _run(self, transport: Transport) -> None:
        """Serve sockets one after the other until closed or refused."""
        while True:
            try:
                await self._serve(transport)
            finally:
                transport.abort()
                self._socket_down()
            if self._closing or (again := await self._redial()) is None:
                return
            transport = again

    async def _redial(self) -> Transport | None:
        pause = RETRY_FIRST_SECONDS
        while True:
            self._tick()
            try:
                return await self._hello()
            except Superseded as error:
                self._give_up(error)
                return None
            except (OSError, TransportClosed, FedsockError, TimeoutError) as error:
                log.debug("hub not reached: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MOST_SECONDS)

    def _give_up(self, error: FedsockError) -> None:
        self.failed = error
        for remote in list(self._links):
            self._links.pop(remote)
            self._owner.ended(remote, LinkEnd("closed", error.code))

    def _socket_down(self) -> None:
        self.connected = False
        now = self._loop.time()
        for link in self._links.values():
            link.socket_down(now)
        if not self._closing:
            self._owner.hub_down()

    async def _serve(self, transport: Transport) -> None:
        """Read and write one socket until it breaks."""
        tasks = {asyncio.create_task(self._read(transport)), asyncio.create_task(self._write(transport))}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Superseded):
                self._closing = True
                self._give_up(error)
            elif error is not None and not isinstance(error, (TransportClosed, OSError, ProtocolError)):
                raise error

    async def _read(self, transport: Transport) -> None:
        while True:
            head, body = split(await transport.recv())
            if "to" in head:
                self._frame(link_head(head), body)
            else:
                self._hub_says(hub.decode(head))

    # ---- writing

    async def _write(self, transport: Transport) -> None:
        while True:
            self._wakeup.clear()
            while await self._write_round(transport):
                pass
            self._arm_timer()
            if not self._wakeup.is_set():
                if not self._control:
                    self._idle.set()
                await self._wakeup.wait()

    async def _write_round(self, transport: Transport) -> bool:
        """Write what there is for the hub, and one frame of each link; return whether there was anything."""
        wrote = False
        while self._control:
            # Taken out only once it is written, so that a socket that breaks under it loses nothing.
            await transport.send(self._control[0])
            self._control.popleft()
            wrote = True
        for link in list(self._links.values()):
            frame = link.next_frame(self._loop.time())
            if frame is not None:
                wrote = True
                await transport.send(frame, binary=carries_chunk(frame))
        return wrote

    def _arm_timer(self) -> None:
        self._cancel_timer()
        due = [deadline for link in self._links.values() if (deadline := link.deadline) is not None]
        if due:
            self._timer = self._loop.call_at(min(due), self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._loop.time()
        for remote, link in list(self._links.items()):
            if (due := link.deadline) is not None and due <= now:
                self._events(remote, link.tick(now))
        self.wake()

    # ---- reading

    def _frame(self, head: Head, body: memoryview) -> None:
        if head.to != self.address:
            raise BadFrame("a frame for somebody else")
        link = self._links.get(head.sender)
        if self._role == "worker" and self._past.begins(head, link):
            if link is not None:
                self._events(head.sender, link.lose("begun_anew", self._loop.time()))
            link = self._begin(head.sender, head.base)
        if link is None:
            if head.reset is None:
                self._control.append(build(head.sender, self.address, 0, reset=UNKNOWN_LINK))
                self.wake()
            return
        try:
            self._events(head.sender, link.receive(head, body, self._loop.time()))
        except Exception as error:
            # Whoever is to blame, only this link ends.
            code = error.code if isinstance(error, ProtocolError) else "internal_error"
            log.warning("link with %s is reset: %s", head.sender, error, exc_info=code == "internal_error")
            self._reset(head.sender, code)
        self.wake()

    def _reset(self, remote: str, code: str) -> None:
        if self._drop(remote) is not None:
            self._control.append(build(remote, self.address, 0, reset=code))
            self._owner.ended(remote, LinkEnd("reset", code))
            self._watch()
            self.wake()

    def _events(self, remote: str, events: Iterable[Batch | Chunk | StreamSent | Ended]) -> None:
        owner = self._owner
        for event in events:
            if type(event) is Batch:
                owner.batch(remote, event.body)
            elif type(event) is Chunk:
                owner.chunk(remote, event.stream, event.at, event.data)
            elif type(event) is StreamSent:
                owner.sent(remote, event.number)
            elif type(event) is Ended:
                self._drop(remote)
                owner.ended(remote, event.end)
                self._watch()

    def _hub_says(self, message: object) -> None:
        if isinstance(message, hub.Joined):
            self._back(message.peer, message.role)
        elif isinstance(message, hub.Left):
            self._away(message.peer, message.reason)
        elif isinstance(message, (hub.Unreachable, hub.Hold, hub.Go)):
            if (link := self._links.get(message.peer)) is not None:
                heard = {hub.Unreachable: link.peer_absent, hub.Hold: link.hold, hub.Go: link.go}
                heard[type(message)](self._loop.time())
        elif isinstance(message, hub.Probe):
            self._control.append(hub.encode(hub.Pong(nonce=message.nonce)))
        elif isinstance(message, hub.Refused):
            kind = BY_CODE.get(message.code, ConnectionFailed)
            raise kind(message.message)
        self.wake()

    def _back(self, remote: str, role: str) -> None:
        if role == "worker":
            self.present.add(remote)
        if (link := self._links.get(remote)) is not None:
            link.peer_present(self._loop.time())
        self._owner.joined(remote, role)

    def _away(self, remote: str, reason: str) -> None:
        self.present.discard(remote)
        if (link := self._links.get(remote)) is not None:
            now = self._loop.time()
            if reason == "bye":
                self._events(remote, link.lose("bye", now) or [])
            else:
                link.peer_absent(now)
        self._owner.left(remote, reason)

    def _watch(self) -> None:
        """Tell the hub whose presence a worker wants: the peers it has links with."""
        if self._role == "worker" and self.connected:
            self._control.append(hub.encode(hub.Watch(peers=list(self._links))))
            self.wake()
