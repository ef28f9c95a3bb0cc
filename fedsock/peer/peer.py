"""A peer: one socket to the hub, many links. Dials, says hello, reads, writes, and comes back after losses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Literal

from fedsock.errors import (
    BadFrame,
    Closed,
    ConfigError,
    FedsockError,
    HubTimeout,
    NameTaken,
    NotAuthorized,
    ProtocolError,
    Superseded,
)
from fedsock.peer.alarm import Alarm
from fedsock.peer.owner import Owner
from fedsock.peer.past import Past
from fedsock.peer.tries import EXPECTED, Told, Tries, refusal
from fedsock.peer.writer import Writer
from fedsock.protocol import hubmessages as hub
from fedsock.protocol.frames import Frame, Head, address, build, link_head, split
from fedsock.protocol.link import Batch, Chunk, Ended, Link, LinkEnd, StreamSent
from fedsock.transport.base import Transport, TransportClosed

LEAVE_SECONDS = 5.0
"""A bound that isn't needed: a peer's task that is cancelled waits for nobody."""

log = logging.getLogger("fedsock.peer")


class Peer:
    """One life of a worker or a session at a hub.

    Args:
        name: its name.
        role: worker or session.
        dial: makes a socket to the hub.
        owner: whom it speaks for.
        token: what the hub's token file asks for.
        told: told of every try to reach the hub why it failed, or None when it was reached.

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
        told: Told | None = None,
    ) -> None:
        self.name = name
        self.epoch = secrets.token_hex(8)
        self.address = address(name, self.epoch)
        self.present: set[str] = set()
        self.connected = False
        self.failed: FedsockError | None = None
        self._role: Literal["worker", "session"] = role
        self._owner = owner
        secret = secrets.token_hex(16)
        hello = hub.Hello(name=name, epoch=self.epoch, role=role, secret=secret, token=token)
        self._tries = Tries(dial, hello, told)
        self._links: dict[str, Link] = {}
        self._past = Past()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._tick)
        self._writer = Writer(self._loop, self._alarm)

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
            self._writer.forget(link)
        return link

    def flush(self, *links: Link) -> None:
        """Write what was queued on links, now if the road to the hub has room."""
        self._writer.flush(*links)

    async def start(self, timeout: float | None = 10.0) -> None:
        """Reach the hub and say hello; afterwards the peer comes back by itself whenever the socket breaks.

        Args:
            timeout: seconds; None tries for ever.

        Raises:
            HubTimeout: no hub answered in time; says what came instead.
            NotAuthorized, NameTaken, Superseded: the hub doesn't take this peer.
            ConfigError: the hub's URL is none.
            Closed: it was closed meanwhile.

        Cancelling leaves no socket and no task.
        """
        try:
            async with asyncio.timeout(timeout):
                transport = await self._reach(NotAuthorized, NameTaken, Superseded, Closed, ConfigError)
        except TimeoutError:
            last = self._tries.last
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
                        self._writer.wake(self._links.values())
                        await self._writer.drained()
                        # What is larger than the window is written as its peer acknowledges it.
                        while self.connected and any(link.pending for link in self._links.values()):
                            await self._writer.stirred()
                        if self.connected:
                            self._writer.control.append(hub.encode(hub.Bye()))
                            await self._writer.drained()
        finally:
            self._task.cancel()
            self._alarm.cancel()
            for remote in list(self._links):
                link = self._links.pop(remote)
                if link.ended is None:
                    self._owner.ended(remote, LinkEnd("closed", Closed.code))
            await asyncio.wait({self._task}, timeout=LEAVE_SECONDS)

    # ---- the socket's life

    async def _reach(self, *final: type[FedsockError]) -> Transport:
        """Try until the hub lets this peer in; errors of the final kinds are not tried again."""
        while True:
            self._tick()
            if self._closing:
                raise Closed("this peer was closed here")
            try:
                transport, welcome = await self._tries.hello()
            except final:
                raise
            except Exception as error:
                expected = isinstance(error, EXPECTED)
                log.log(logging.DEBUG if expected else logging.ERROR, "no hub: %s", error, exc_info=not expected)
                self._tries.failed(error)
                continue
            if not self._closing:
                self._welcome(welcome)
                return transport
            transport.abort()

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
        self._writer.wake(self._links.values())

    async def _run(self, transport: Transport) -> None:
        """Serve sockets one after the other until closed or refused."""
        while True:
            try:
                await self._serve(transport)
            finally:
                transport.abort()
                self._socket_down()
            if self._closing:
                return
            try:
                transport = await self._reach(Superseded, Closed)
            except Superseded as error:
                self._give_up(error)
                return
            except Closed:
                return

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
        if self._closing:
            self._writer.stir()  # nobody waits for what can't be written any more
        else:
            self._owner.hub_down()

    async def _serve(self, transport: Transport) -> None:
        """Read and write one socket until it breaks."""
        tasks = {
            asyncio.create_task(transport.deliver(self._take)),
            asyncio.create_task(self._writer.serve(transport)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._judge([error for task in tasks if not task.cancelled() and (error := task.exception()) is not None])

    def _judge(self, errors: list[BaseException]) -> None:
        """Take in why a socket is over: it broke, or what came by it made no sense."""
        trouble: Exception | None = None
        for error in errors:
            if isinstance(error, Superseded):
                self._closing = True
                self._give_up(error)
            elif isinstance(error, FedsockError):
                trouble = error
            elif isinstance(error, Exception) and not isinstance(error, (TransportClosed, OSError)):
                # A fault of this program: the next socket may do better, and nobody is helped by this peer's end.
                log.error("%s gives its socket up", self.address, exc_info=error)
                trouble = error
        if trouble is None:
            self._tries.served()
        else:
            self._tries.failed(trouble)

    def _tick(self) -> None:
        """Let the links know what time it is."""
        now = self._loop.time()
        for remote, link in list(self._links.items()):
            if (due := link.deadline) is not None and due <= now:
                self._events(remote, link.tick(now))
                self._writer.flush(link)
            self._alarm.by(link.deadline)

    # ---- reading

    def _take(self, frame: Frame) -> None:
        head, body = split(frame)
        if "to" in head:
            self._frame(link_head(head), body)
        else:
            self._hub_says(hub.decode(head))

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
                self._say(build(head.sender, self.address, head.base, reset=self._past.refusal(head)))
            return
        try:
            self._events(head.sender, link.receive(head, body, self._loop.time()))
        except Exception as error:
            self.fail(head.sender, error)
        else:
            if link.ended is None:
                self._writer.flush(link)
                self._owner.progressed(head.sender)

    def fail(self, remote: str, error: Exception) -> None:
        """End the link with an address over an error: whoever is to blame, no other link ends.

        Args:
            remote: the address.
            error: what was raised; a ProtocolError's code is told to the peer.
        """
        code = error.code if isinstance(error, ProtocolError) else "internal_error"
        log.warning("link with %s is reset: %s", remote, error, exc_info=error if code == "internal_error" else None)
        self._reset(remote, code)

    def _reset(self, remote: str, code: str) -> None:
        if (link := self._drop(remote)) is not None:
            self._say(build(remote, self.address, link.base, reset=code))
            self._owner.ended(remote, LinkEnd("reset", code))
            self._watch()

    def _say(self, frame: bytes) -> None:
        """Write a frame of the peer's own."""
        self._writer.control.append(frame)
        self._writer.wake()

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
            self._back(message.peer, message.role, message.user)
        elif isinstance(message, hub.Left):
            self._away(message.peer, message.reason)
        elif isinstance(message, (hub.Unreachable, hub.Hold, hub.Go)):
            if (link := self._links.get(message.peer)) is not None:
                heard = {hub.Unreachable: link.peer_absent, hub.Hold: link.hold, hub.Go: link.go}
                heard[type(message)](self._loop.time())
                self._writer.wake([link])
        elif isinstance(message, hub.Probe):
            self._say(hub.encode(hub.Pong(nonce=message.nonce)))
        elif isinstance(message, hub.Refused):
            raise refusal(message)

    def _back(self, remote: str, role: str, user: str | None = None) -> None:
        if role == "worker":
            self.present.add(remote)
        link = self._links.get(remote)
        # Before what waits on the link goes out: the owner ends it when it is another user's now.
        self._owner.joined(remote, role, user)
        if link is not None and self._links.get(remote) is link:
            link.peer_present(self._loop.time())
            self._writer.wake([link])

    def _away(self, remote: str, reason: str) -> None:
        self.present.discard(remote)
        if (link := self._links.get(remote)) is not None:
            now = self._loop.time()
            if reason == "bye":
                self._events(remote, link.lose("bye", now) or [])
            else:
                link.peer_absent(now)
                self._writer.wake([link])
        self._owner.left(remote, reason)

    def _watch(self) -> None:
        """See to it that the hub learns whose presence a worker wants: the peers it has links with."""
        if self._role == "worker" and self.connected and self._writer.news is None:
            self._writer.news = self._watched
            self._writer.wake()

    def _watched(self) -> bytes:
        # Those that came first: who comes when the hub's list is full doesn't put out others.
        return hub.encode(hub.Watch(peers=list(islice(self._links, hub.WATCH_LIMIT))))
