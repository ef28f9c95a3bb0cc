"""The hub's shell: sockets, tasks and clocks around the router."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import Sequence
from functools import partial
from os import PathLike

from fedsock.errors import BadFrame, ConfigError, NameTaken, NotAuthorized
from fedsock.hub.member import Member
from fedsock.hub.registry import SESSION_PREFIX, Registry, is_loopback
from fedsock.hub.router import Router, close_code
from fedsock.protocol.frames import Frame
from fedsock.protocol.hubmessages import ANONYMOUS, VERSION, Hello, Reason, Refused, encode, from_peer, version_of
from fedsock.transport.base import BAD_DATA, CLOSE_TIMEOUT, POLICY, Transport, TransportClosed
from fedsock.transport.websocket import Listener, listen

HELLO_SECONDS = 5.0
"""A socket that hasn't said hello by then is closed."""

PROBE_SECONDS = 2.0
"""A peer whose name another process wants must give a sign of life within this."""

PROBES = 3
"""How many holders of a name, one after the other, a newcomer sees off before it is refused."""

DRAIN_SECONDS = 2.0
"""What a closing hub gives its peers to read what is queued for them."""

PORT_RULE = "a port is a whole number from 0 to 65535, and 0 means any free one"

TEXT_LENGTH = 300
"""Characters of an error's text that go into a refusal."""

_log = logging.getLogger("fedsock.hub")


class _Connected(Member):
    """A member with its socket and what its tasks wait for."""

    __slots__ = ("deadline", "life", "transport", "waiter")

    def __init__(self, hello: Hello, user: str, transport: Transport) -> None:
        super().__init__(hello, user)
        self.transport = transport
        self.waiter: asyncio.Future[None] | None = None
        self.life: asyncio.Future[bool] | None = None
        self.deadline: asyncio.TimerHandle | None = None


class _Refusal(Exception):
    """A newcomer can't join."""

    def __init__(self, code: str, text: str, hello: Hello | None = None) -> None:
        super().__init__(code)
        self.message = Refused(code, text)
        # Names are safe to log by their grammar; what was no hello has none.
        self.who = "a socket" if hello is None else f"{hello.name} {hello.role}"


class _Shell:
    """Does what the router says: wakes writers, and tells who asked whether a peer lives."""

    __slots__ = ("farewell_seconds",)

    def __init__(self) -> None:
        self.farewell_seconds = CLOSE_TIMEOUT

    def wake(self, member: _Connected) -> None:
        waiter = member.waiter
        idle = waiter is not None and not waiter.done()
        if member.farewell is None:
            if idle and self._written(member):
                return
        elif member.deadline is None:
            # Its writer may be stuck in a send to a peer that never reads.
            loop = asyncio.get_running_loop()
            member.deadline = loop.call_later(self.farewell_seconds, member.transport.abort)
        if idle and waiter is not None:
            waiter.set_result(None)

    def _written(self, member: _Connected) -> bool:
        """Write the one frame of an idle member's outbox now, if there is room; its writer sees to all else."""
        frame, binary = member.outbox.frames[0]
        try:
            written = member.transport.write(frame, binary=binary)
        except TransportClosed:
            return False
        if written:
            member.outbox.take()
        return written

    def alive(self, member: _Connected) -> None:
        if member.life is not None and not member.life.done():
            member.life.set_result(True)

    def left(self, member: _Connected, reason: Reason) -> None:
        _log.info("leave %s %s %s", member.address, member.role, reason)
        if member.life is not None and not member.life.done():
            member.life.set_result(False)


class HubServer:
    """A hub: listens, lets peers in, and carries their frames to each other.

    Args:
        host: the address to bind. Without a token file only loopback (127.0.0.0/8, ::1, localhost).
        port: the port to bind; 0 means any free one.
        token_file: peers must present a token of it; see ``registry``.
        tls_cert: file with the certificate chain to show, for wss://.
        tls_key: file with its key, when it isn't in the same file.
        origins: values of a browser's Origin header that are welcome; others are refused.

    Raises:
        ConfigError: the port is none, a file is wrong, or the host would be reached by others and there is no
            token file.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8765,
        *,
        token_file: str | PathLike[str] | None = None,
        tls_cert: str | PathLike[str] | None = None,
        tls_key: str | PathLike[str] | None = None,
        origins: Sequence[str] = (),
    ) -> None:
        self._registry = None if token_file is None else Registry.read(token_file)
        if self._registry is None and not is_loopback(host):
            raise ConfigError(
                f"without a token file everybody who reaches {host} could join, so a hub binds "
                "loopback only: give --token-file, or --host 127.0.0.1"
            )
        if not isinstance(port, int) or not 0 <= port <= 65535:
            raise ConfigError(f"port {port!r}: {PORT_RULE}")
        self._ssl = _tls(tls_cert, tls_key)
        self._host, self._port, self._origins = host, port, tuple(origins)
        self._shell = _Shell()
        self._router: Router[_Connected] = Router(self._shell)
        self._listener: Listener | None = None
        self._closing = False
        self._strangers: set[Transport] = set()
        self._serving: set[asyncio.Task[None]] = set()
        # Tasks of attached peers; a listener's connections have their own.
        self._attached: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that is bound, or will be."""
        return self._port if self._listener is None else self._listener.port

    @property
    def url(self) -> str:
        """Where peers dial."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'ws' if self._ssl is None else 'wss'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; returns once peers can join. What was closed may be started again.

        Cancelling leaves nothing listening.

        Raises:
            ConfigError: the address can't be bound.
        """
        self._closing, self._shell.farewell_seconds = False, CLOSE_TIMEOUT
        self._listener = await listen(self._host, self._port, self._serve, ssl=self._ssl, origins=self._origins)

    async def attach(self, transport: Transport, *, trusted: bool = True) -> None:
        """Serve a peer of this process, in a task that the server owns; returns at once.

        Args:
            transport: the hub's end of a memory pair; the peer says hello on the other as on a socket.
            trusted: let it in without a token.
        """
        task = asyncio.create_task(self._serve_attached(transport, trusted), name="fedsock hub: attached peer")
        self._attached.add(task)
        task.add_done_callback(self._attached.discard)

    async def close(self, drain: float = DRAIN_SECONDS) -> None:
        """Tell peers that the hub goes, write what is queued, close all sockets; again is harmless.

        Takes a moment when peers read, and ``drain`` at most when they don't.

        Args:
            drain: seconds for the queues and farewells.

        Cancelling cuts all sockets.
        """
        self._closing = True
        self._shell.farewell_seconds = drain
        if self._listener is not None:
            self._listener.stop()
        self._router.close()
        for stranger in self._strangers:
            stranger.abort()
        try:
            if tasks := self._serving | self._attached:
                await asyncio.wait(tasks, timeout=drain + CLOSE_TIMEOUT)
        finally:
            for task in self._attached:
                task.cancel()
            if self._listener is not None:
                await self._listener.close()
            if self._attached:
                await asyncio.wait(set(self._attached))

    # One connection, from its first frame to its last

    async def _serve_attached(self, transport: Transport, trusted: bool) -> None:
        try:
            await self._serve(transport, trusted=trusted)
        finally:
            await transport.close()

    async def _serve(self, transport: Transport, *, trusted: bool = False) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # only to tell the type checker
        self._serving.add(task)
        try:
            member = await self._admit(transport, trusted)
            if member is not None:
                await self._converse(member)
        except (TransportClosed, TimeoutError):
            transport.abort()
        finally:
            self._serving.discard(task)

    async def _admit(self, transport: Transport, trusted: bool) -> _Connected | None:
        self._strangers.add(transport)
        try:
            try:
                async with asyncio.timeout(HELLO_SECONDS):
                    frame = await transport.recv()
            except TimeoutError:
                _log.info("refuse a socket: no hello within %g s", HELLO_SECONDS)
                await transport.close(POLICY, f"no hello within {HELLO_SECONDS:g} s")
                return None
            try:
                hello, user = self._examine(frame, trusted)
                await self._contend(hello)
                if self._router.impostor(hello, user):
                    raise _Refusal(NameTaken.code, "this address is another's: its epoch is one life's", hello)
            except _Refusal as refusal:
                await self._refuse(transport, refusal)
                return None
            # No await from the last look at who holds the name until here.
            return self._join(hello, user, transport)
        finally:
            self._strangers.discard(transport)

    def _examine(self, frame: Frame, trusted: bool) -> tuple[Hello, str]:
        """Return the hello in a first frame and its sender's user, if it may join by what it says."""
        version = version_of(frame)
        if version is not None and version != VERSION:
            text = f"this hub speaks {VERSION}; install the same fedsock at both ends"
            raise _Refusal("version", text)
        try:
            hello = from_peer(frame)
        except BadFrame as error:
            raise _Refusal(BadFrame.code, str(error)[:TEXT_LENGTH]) from None
        if not isinstance(hello, Hello):
            raise _Refusal(BadFrame.code, "the first frame must be a hello")
        if (hello.role == "session") != hello.name.startswith(SESSION_PREFIX):
            text = f"names of sessions begin with {SESSION_PREFIX!r}, names of workers don't"
            raise _Refusal(NotAuthorized.code, text, hello)
        if self._registry is None or trusted:
            return hello, ANONYMOUS
        user = self._registry.user(hello.name, hello.role, hello.token)
        if user is not None:
            return hello, user
        text = f"no token of this hub lets {hello.name} in as a {hello.role}; ask who runs it for one"
        raise _Refusal(NotAuthorized.code, text, hello)

    async def _contend(self, hello: Hello) -> None:
        """See whether a newcomer may have its name: who holds it under another secret must be dead."""
        for _ in range(PROBES):
            rival = self._router.rival(hello)
            if rival is None:
                return
            if await self._lives(rival):
                break
            if self._router.rival(hello) is rival:
                return
        text = f"another live process is called {hello.name}; choose another name"
        raise _Refusal(NameTaken.code, text, hello)

    async def _lives(self, member: _Connected) -> bool:
        if member.life is None:
            member.life = asyncio.get_running_loop().create_future()
            self._router.probe(member, secrets.token_hex(8))
        life = member.life
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await asyncio.shield(life)
        except TimeoutError:
            return False
        finally:
            if member.life is life:
                member.life = None

    def _join(self, hello: Hello, user: str, transport: Transport) -> _Connected | None:
        if self._closing:
            transport.abort()
            return None
        member = _Connected(hello, user, transport)
        self._router.join(member, hello.secret)
        _log.info("join %s %s", member.address, member.role)
        return member

    async def _refuse(self, transport: Transport, refusal: _Refusal) -> None:
        _log.info("refuse %s: %s", refusal.who, refusal.message.code)
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await transport.send(encode(refusal.message))
        code = BAD_DATA if refusal.message.code == BadFrame.code else POLICY
        await transport.close(code, refusal.message.code)

    async def _converse(self, member: _Connected) -> None:
        writer = asyncio.create_task(self._write(member))
        try:
            await self._read(member)
        except asyncio.CancelledError:
            member.transport.abort()
            raise
        finally:
            self._router.leave(member, "gone")
            if member.farewell is None:
                writer.cancel()
            # Bounded: a farewell has a deadline.
            await asyncio.wait([writer])
            if member.deadline is not None:
                member.deadline.cancel()
        if not writer.cancelled():
            writer.result()

    async def _read(self, member: _Connected) -> None:
        try:
            await member.transport.deliver(partial(self._router.route, member))
        except BadFrame as error:
            _log.info("refuse %s %s: %s", member.address, member.role, error.code)
            self._router.drop(member, close_code(error), Refused(error.code, str(error)[:TEXT_LENGTH]))
        except TransportClosed:
            pass

    async def _write(self, member: _Connected) -> None:
        outbox, transport, taken = member.outbox, member.transport, self._router.taken
        loop = asyncio.get_running_loop()
        try:
            while True:
                while outbox.frames:
                    frame, binary = outbox.take()
                    taken(member)
                    await transport.send(frame, binary=binary)
                if member.farewell is not None:
                    await transport.close(*member.farewell)
                    return
                member.waiter = loop.create_future()
                await member.waiter
        except TransportClosed:
            pass


def _tls(certificate: str | PathLike[str] | None, key: str | PathLike[str] | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ConfigError("a TLS key was given without its certificate; give --tls-cert too")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The password makes an encrypted key an error here, instead of a question on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise ConfigError(f"TLS certificate {certificate}, key {key or certificate}: {why}") from None
    return context
