"""WebSockets: the road between machines. The only file of fedsock that imports websockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)
from websockets.frames import DATA_OPCODES
from websockets.frames import Frame as Piece
from websockets.protocol import Event, State
from websockets.typing import Origin, Subprotocol

from fedsock.errors import ConfigError, ConnectionFailed, HubTimeout, NotAuthorized
from fedsock.protocol.frames import FRAME_LIMIT, Frame
from fedsock.transport.base import BROKEN, CLOSE_TIMEOUT, GOING_AWAY, NORMAL, Transport, TransportClosed
from fedsock.transport.delivery import Delivery

SUBPROTOCOL = Subprotocol("fedsock.1")
"""What both ends must name in the opening handshake; anything else is not fedsock."""

OPEN_TIMEOUT = 10.0
"""Seconds that a peer's opening handshake may take at a listener."""

PING_SECONDS = 20.0
"""Keepalive: a ping each 20 s, and 20 s for its answer, so a dead machine is noticed within 40 s."""

WRITE_LIMIT = 256 * 1024
"""Bytes in a connection's write buffer above which ``send`` waits. Chunks and small messages passed no faster with
1 or 4 MiB; a small buffer lets what is urgent wait behind one chunk at most."""

RECEIVE_QUEUE = 16
"""Frames read ahead of ``recv`` before reading from the socket pauses: at most 16 times FRAME_LIMIT bytes, and what
one read of the socket brings."""

_OPTIONS: dict[str, Any] = {
    # Deflate costs 32 KiB a connection and time, and opens the door to decompression bombs.
    "compression": None,
    "max_size": FRAME_LIMIT,
    "write_limit": WRITE_LIMIT,
    "ping_interval": PING_SECONDS,
    "ping_timeout": PING_SECONDS,
    "close_timeout": CLOSE_TIMEOUT,
    "subprotocols": [SUBPROTOCOL],
}

_REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, section 5.5.1)."""

# The library logs each handshake that fails, with a traceback. What matters of it is in the exceptions and in
# the hub's own log; the rest stays out unless asked for.
_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)


class _Incoming(Delivery):
    """What a connection received; stops reading the socket while too much waits."""

    __slots__ = ("_paused", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._paused = False

    def put(self, frame: Frame) -> None:
        super().put(frame)
        if len(self.frames) >= RECEIVE_QUEUE and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def taken(self, frame: Frame) -> None:
        if self._paused and len(self.frames) < RECEIVE_QUEUE:
            self._paused = False
            self._transport.resume_reading()


class _Taking(Connection):
    """A connection that hands on each message as the socket brings it, where the library's wakes a task for it.

    Made by the library's own ``create_connection``, which is there for such cases; what it speaks on the wire, its
    handshakes, pings and limits stay the library's.
    """

    incoming: _Incoming
    _parts: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.incoming = _Incoming(self.transport)

    def process_event(self, event: Event) -> None:
        if event.__class__ is not Piece or event.opcode not in DATA_OPCODES:
            super().process_event(event)
        elif self._parts is None and event.fin:
            self.incoming.give(cast(Frame, event.data))  # only what is sent may be a memoryview
        else:
            # In several pieces, as other programs than ours may send it; the library bounds their sum.
            self._parts = bytearray() if self._parts is None else self._parts
            self._parts += event.data
            if event.fin:
                whole, self._parts = self._parts, None
                self.incoming.give(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        closed = _closed(self.close_exc)
        self.incoming.end(closed.code, closed.reason)


class _Dialled(_Taking, ClientConnection):
    """The end that dialled."""


class WebSocketTransport(Transport):
    """One end of a WebSocket; made by ``dial`` and ``listen``."""

    __slots__ = ("_connection",)

    def __init__(self, connection: _Taking) -> None:
        self._connection = connection

    async def send(self, frame: Frame, *, binary: bool = False) -> None:
        """Write the frame as one Text or Binary message; see Transport.send."""
        while not self.write(frame, binary=binary):
            try:
                await self._connection.drain()
            except OSError as error:
                raise TransportClosed(BROKEN, "the connection was lost") from error

    def write(self, frame: Frame, *, binary: bool = False) -> bool:
        """Write the frame as one Text or Binary message if the buffer has room; see Transport.write."""
        connection = self._connection
        protocol = connection.protocol
        if protocol.state is not State.OPEN:
            farewell = protocol.close_rcvd or protocol.close_sent
            if farewell is None:
                raise TransportClosed(BROKEN, "the connection was lost")
            raise TransportClosed(int(farewell.code), farewell.reason)
        if connection.paused:
            return False
        if binary:
            protocol.send_binary(frame)
        else:
            protocol.send_text(frame)
        try:
            connection.send_data()
        except (OSError, RuntimeError) as error:  # a socket that broke, which the loop hasn't told yet
            raise TransportClosed(BROKEN, "the connection was lost") from error
        return True

    async def deliver(self, take: Callable[[Frame], None]) -> NoReturn:
        """Have each message taken in the turn of the loop that reads it; see Transport.deliver."""
        await self._connection.incoming.deliver(take)

    async def recv(self) -> Frame:
        """Return the next message's bytes; see Transport.recv."""
        return await self._connection.incoming.recv()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Exchange close frames, or cut the socket after CLOSE_TIMEOUT; see Transport.close."""
        words = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        try:
            # The library bounds its wait for the answer, but not for room in a full write buffer.
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close(code, words)
        except TimeoutError:
            self.abort()
            await self._connection.wait_closed()
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Cut the socket; see Transport.abort."""
        self._connection.transport.abort()


def _closed(closed: ConnectionClosed) -> TransportClosed:
    farewell = closed.rcvd or closed.sent
    if farewell is None:
        return TransportClosed(BROKEN, "the connection was lost")
    return TransportClosed(int(farewell.code), farewell.reason)


async def dial(url: str, *, timeout: float, ssl: SSLContext | None = None) -> Transport:
    """Connect to a hub and return this end.

    Cancelling drops the attempt.

    Args:
        url: ``ws://host:port`` or ``wss://host:port``.
        timeout: seconds until the opening handshake must be done.
        ssl: whom to trust for wss://; None means the system's certificates.

    Raises:
        ConfigError: the URL is no hub's address.
        HubTimeout: nothing answered in time.
        NotAuthorized: the server answered 401 or 403.
        ConnectionFailed: nobody listens there, or what listens is no fedsock hub; the text says which.
    """
    place = _check_url(url, ssl)
    options: dict[str, Any] = dict(_OPTIONS) if ssl is None else {**_OPTIONS, "ssl": ssl}
    if urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
        # A proxy for the outside world can't reach this machine's own loopback.
        options["proxy"] = None
    with _explained(place, timeout):
        connection = await connect(
            url,
            open_timeout=timeout,
            logger=_library_log,
            user_agent_header=None,
            create_connection=_Dialled,
            **options,
        )
    assert isinstance(connection, _Dialled)  # noqa: S101  # only to tell the type checker
    if connection.subprotocol != SUBPROTOCOL:
        await _drop(connection)
        raise ConnectionFailed(
            f"{place} is a WebSocket server but no fedsock hub (it speaks no {SUBPROTOCOL}); check the URL"
        )
    return WebSocketTransport(connection)


def _check_url(url: str, ssl: SSLContext | None) -> str:
    """Return the URL as it may be shown, without a user's name and password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        raise ConfigError("a hub's URL is written ws://host:port, or wss://host:port for TLS, e.g. ws://127.0.0.1:8765")
    if ssl is not None and parts.scheme == "ws":
        raise ConfigError("certificates were given but the hub's URL says ws://; write wss:// for TLS")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


async def _drop(connection: _Dialled) -> None:
    await WebSocketTransport(connection).close(NORMAL, "not a fedsock hub")


@contextmanager
def _explained(place: str, timeout: float) -> Iterator[None]:
    """Turn what a failed handshake raises into an error that says what to do."""
    try:
        yield
    except TimeoutError:
        raise HubTimeout(f"no hub answered at {place} within {timeout:g} s; is the address right?") from None
    except InvalidStatus as error:
        raise _refused(place, error.response.status_code) from None
    except InvalidURI:
        raise ConfigError(f"{place} is no hub's URL; write ws://host:port") from None
    except SSLCertVerificationError as error:
        raise ConnectionFailed(
            f"the certificate of {place} is not trusted ({error.verify_message}); "
            "have SSL_CERT_FILE name its authority's"
        ) from None
    except SSLError as error:
        raise ConnectionFailed(f"{place} speaks no TLS that fits ({error.reason}); is it ws:// there?") from None
    except ConnectionResetError as error:
        raise ConnectionFailed(
            f"{place} hung up at once; is it a fedsock hub, and is {place.partition(':')[0]}:// right?"
        ) from error
    except OSError as error:
        raise ConnectionFailed(
            f"no hub at {place} ({error.strerror or error}); start one with: python -m fedsock.hub"
        ) from error
    except (InvalidHandshake, WebSocketException, EOFError) as error:
        raise ConnectionFailed(f"what answers at {place} is no fedsock hub ({error}); check the URL") from error


def _refused(place: str, status: int) -> ConnectionFailed:
    if status in (401, 403):
        return NotAuthorized(f"{place} answered {status}: the server, or one before it, lets you not in")
    if status == 503:
        return ConnectionFailed(f"the hub at {place} is going down; try again in a moment")
    return ConnectionFailed(f"what answers at {place} is no fedsock hub (HTTP {status}); check host, port and version")


class Listener:
    """A listening socket and the connections that came by it; made by ``listen``.

    Attributes:
        port: the port that is bound.
    """

    __slots__ = ("_connections", "_server", "port")

    def __init__(self, server: Server, connections: set[_Accepted], port: int) -> None:
        self._server = server
        self._connections = connections
        self.port = port

    def stop(self) -> None:
        """Accept nobody any more; who is connected stays. Again is harmless."""
        self._server.close(close_connections=False)

    async def close(self) -> None:
        """Stop listening and close what is still open, within CLOSE_TIMEOUT; again is harmless.

        Waits for the handlers too, which must return when their transport is closed. Cancelling cuts what is
        open.
        """
        self.stop()
        try:
            await asyncio.gather(*[self._close(connection) for connection in self._connections])
        finally:
            for connection in list(self._connections):
                connection.transport.abort()
        await self._server.wait_closed()

    async def _close(self, connection: _Accepted) -> None:
        if connection.state is State.OPEN:
            await WebSocketTransport(connection).close(GOING_AWAY)
        else:
            # Nothing can be said to one that is still in its opening handshake, or closing already.
            connection.transport.abort()


class _Accepted(_Taking, ServerConnection):
    """The end that listened."""


def _connection_class(open_connections: set[_Accepted]) -> type[_Accepted]:
    """Return a class of connections that keeps a set of them, those in their handshake among them."""

    class TrackedConnection(_Accepted):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            open_connections.add(self)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            open_connections.discard(self)
            super().connection_lost(exc)

    return TrackedConnection


def _stop_listening(starting: asyncio.Future[Server]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().close(close_connections=False)


async def listen(
    host: str,
    port: int,
    handler: Callable[[Transport], Awaitable[None]],
    *,
    ssl: SSLContext | None = None,
    origins: Sequence[str] = (),
) -> Listener:
    """Accept peers: each connection has a task for its handler, and is closed when that returns.

    A client must name the subprotocol ``fedsock.1``; one with a browser's Origin must be listed.

    Args:
        host: the address to bind.
        port: the port to bind; 0 means any free one.
        handler: called with this end of each connection.
        ssl: the certificate to show, for TLS.
        origins: values of the Origin header that are welcome, such as "https://example.org".

    Cancelling leaves nothing listening, a moment later.

    Raises:
        ConfigError: the address can't be bound; the text says why.
    """

    async def handle(connection: ServerConnection) -> None:
        assert isinstance(connection, _Accepted)  # noqa: S101  # only to tell the type checker
        await handler(WebSocketTransport(connection))

    open_connections: set[_Accepted] = set()
    allowed: list[Origin | None] = [None, *(Origin(origin) for origin in origins)]
    starting = asyncio.ensure_future(
        serve(
            handle,
            host,
            port,
            origins=allowed,
            ssl=ssl,
            open_timeout=OPEN_TIMEOUT,
            server_header=None,
            logger=_library_log,
            create_connection=_connection_class(open_connections),
            **_OPTIONS,
        )
    )
    try:
        # Cancelled between its first listening and its end, asyncio's own would lose the sockets, open.
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_stop_listening)
        raise
    except OSError as error:
        raise ConfigError(
            f"can't listen on {host}:{port} ({error.strerror or error}); choose another (port 0: any free), "
            "or close the hub that listens there: await hub.close()"
        ) from error
    return Listener(server, open_connections, server.sockets[0].getsockname()[1])
