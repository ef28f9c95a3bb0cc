"""The hub's shell: sockets in, frames to the router, one reader and one writer a peer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections.abc import Sequence
from typing import Any, Literal

from fedsock.errors import BadFrame, ConfigError, NameTaken, NotAuthorized, Superseded
from fedsock.hub.registry import check_host, permitted, read_tokens
from fedsock.hub.router import Member, Router
from fedsock.protocol import hubmessages as m
from fedsock.protocol.frames import address, carries_chunk, split
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.websocket import Listener, listen

HELLO_SECONDS = 5.0
"""A socket that doesn't say hello within this is closed."""

PROBE_SECONDS = 2.0
"""Whoever holds a name that another asks for must answer within this, or loses it."""

DRAIN_SECONDS = 2.0
"""For what is queued, when the hub closes."""

SESSION_PREFIX = "s-"
"""Sessions' names begin so, workers' don't: values are delivered to workers only."""

log = logging.getLogger("fedsock.hub")


class HubServer:
    """A hub.

    Args:
        host: where to listen.
        port: 0 takes any free port.
        token_file: peers must present a token of it.
        tls_cert: certificate chain, for wss://.
        tls_key: its key.
        origins: browser origins to let in.

    Raises:
        ConfigError: a file is wrong, or the host needs tokens.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        token_file: Any = None,
        tls_cert: Any = None,
        tls_key: Any = None,
        origins: Sequence[str] = (),
    ) -> None:
        self._grants = read_tokens(token_file) if token_file is not None else ()
        check_host(host, tokens=bool(self._grants))
        self._host, self._port, self._origins = host, port, tuple(origins)
        self._ssl = _tls(tls_cert, tls_key)
        self._listener: Listener | None = None
        self._router = Router()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakes: dict[Member, asyncio.Event] = {}
        self._probes: dict[str, asyncio.Event] = {}
        self._written = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port if self._listener is not None else self._port

    @property
    def url(self) -> str:
        """Where peers dial."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._ssl else 'ws'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the port is in use or the host is not this machine's.

        Cancelling leaves nothing listening.
        """
        try:
            self._listener = await listen(self._host, self._port, self._serve, ssl=self._ssl, origins=self._origins)
        except OSError as error:
            raise ConfigError(f"can't listen on {self._host}:{self._port}: {error.strerror or error}") from error

    async def attach(self, transport: Transport) -> None:
        """Serve a peer of this process over one end of a memory pair; returns at once."""
        task = asyncio.create_task(self._serve(transport, trusted=True), name="fedsock hub peer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, drain: float = DRAIN_SECONDS) -> None:
        """Tell peers, write what is queued, and close.

        Args:
            drain: seconds for what is queued.

        Cancelling closes at once.
        """
        goodbye = m.encode(m.Closing())
        for member in self._router.members():
            member.put(goodbye)
        try:
            async with asyncio.timeout(drain):
                while any(member.outbox for member in self._router.members()):
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            log.info("closing with frames unsent: their peers don't read")
        finally:
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=DRAIN_SECONDS)
            listener, self._listener = self._listener, None
            if listener is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_SECONDS):
                        await listener.close()

    # ---- one peer

    async def _serve(self, transport: Transport, trusted: bool = False) -> None:
        try:
            member = await self._greet(transport, trusted)
        except (TransportClosed, TimeoutError, BadFrame) as error:
            log.info("a socket is closed before its hello: %s", type(error).__name__)
            await transport.close(1008, "no hello")
            return
        if member is None:
            return
        log.info("%s joined", member.address)
        writer = asyncio.create_task(self._write(member, transport))
        reason: Literal["gone", "bye"] = "gone"
        try:
            reason = await self._read(member, transport)
        except BadFrame as error:
            log.warning("%s is cut off: %s", member.address, error)
            await transport.close(1008, "bad frame")
        except TransportClosed:
            pass
        finally:
            log.info("%s left: %s", member.address, reason)
            self._router.leave(member, reason)
            self._wakes.pop(member, None)
            writer.cancel()
            await asyncio.wait({writer})
            transport.abort()

    async def _greet(self, transport: Transport, trusted: bool) -> Member | None:
        async with asyncio.timeout(HELLO_SECONDS):
            said = m.from_peer(split(await transport.recv())[0])
        if not isinstance(said, m.Hello):
            raise BadFrame("a first frame that is no hello")
        refusal = self._refusal(said, trusted)
        holder = self._router.named(said.name)
        if refusal is None and holder is not None:
            if holder.secret == said.secret:
                self._supersede(holder)
            elif await self._answers(holder):
                refusal = m.Refused(
                    code=NameTaken.code,
                    message=f"another live process has the name {said.name}: choose another",
                )
            else:
                self._supersede(holder)
        if refusal is not None:
            log.info("%s is refused: %s", said.name, refusal.code)
            await transport.send(m.encode(refusal))
            await transport.close(1008, refusal.code)
            return None
        wake = asyncio.Event()
        member = Member(address(said.name, said.epoch), said.role, said.secret, wake.set)
        self._wakes[member] = wake
        self._router.join(member)
        return member

    def _refusal(self, said: m.Hello, trusted: bool) -> m.Refused | None:
        if said.version != m.VERSION:
            return m.Refused(code="connection", message=f"this hub speaks {m.VERSION}")
        if (said.role == "session") != said.name.startswith(SESSION_PREFIX):
            text = f"names of sessions begin with {SESSION_PREFIX!r}, names of workers don't"
            return m.Refused(code=NotAuthorized.code, message=text)
        if self._grants and not trusted and not permitted(self._grants, said.name, said.role, said.token):
            text = f"no token of this hub lets {said.name} in as a {said.role}: ask its owner for one"
            return m.Refused(code=NotAuthorized.code, message=text)
        return None

    def _supersede(self, holder: Member) -> None:
        """Take the name from a socket that is dead, or was left by its own process."""
        message = m.encode(m.Refused(code=Superseded.code, message="a newer socket of this process took over"))
        wake = self._wakes.get(holder)
        self._router.leave(holder, "superseded")
        holder.outbox.append(message)
        if wake is not None:
            wake.set()

    async def _answers(self, holder: Member) -> bool:
        nonce = secrets.token_hex(8)
        answered = self._probes[nonce] = asyncio.Event()
        holder.put(m.encode(m.Probe(nonce=nonce)))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await answered.wait()
        except TimeoutError:
            return False
        finally:
            del self._probes[nonce]
        return True

    async def _read(self, member: Member, transport: Transport) -> Literal["gone", "bye"]:
        route = self._router.route
        while True:
            said = route(member, await transport.recv())
            if said is None:
                continue
            if isinstance(said, m.Watch):
                self._router.watch(member, said.peers)
            elif isinstance(said, m.Pong):
                if (answered := self._probes.get(said.nonce)) is not None:
                    answered.set()
            elif isinstance(said, m.Bye):
                return "bye"
            else:
                raise BadFrame("a second hello")

    async def _write(self, member: Member, transport: Transport) -> None:
        wake = self._wakes[member]
        try:
            while True:
                wake.clear()
                while member.outbox:
                    frame = member.outbox[0]
                    await transport.send(frame, binary=carries_chunk(frame))
                    if not member.outbox or member.outbox[0] is not frame:
                        continue
                    member.outbox.popleft()
                    self._router.written(member, frame)
                self._written.set()
                if member.gone:
                    await transport.close(1008, "superseded")
                    return
                await wake.wait()
        except TransportClosed:
            return


def _tls(certificate: Any, key: Any) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ConfigError("--tls-key needs --tls-cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"certificate {certificate}: {error}") from None
    return context
