"""What only WebSockets do: handshakes and their errors. The rest is in test_contract.py."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from fedsock.errors import ConfigError, ConnectionFailed, HubTimeout, NotAuthorized
from fedsock.transport.base import GOING_AWAY, TOO_BIG, Transport, TransportClosed
from fedsock.transport.websocket import SUBPROTOCOL, Listener, dial, listen


async def echo(transport: Transport) -> None:
    with contextlib.suppress(TransportClosed):
        while True:
            await transport.send(await transport.recv())


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = await listen("127.0.0.1", 0, echo, origins=["https://good.example"])
    yield listener
    await listener.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bob",
        "http://127.0.0.1:1",
        "ws://",
        "ws://127.0.0.1:99999",
        "ws://h:1/#x",
        "ws://[::1",
        "127.0.0.1:8765",
        "ws://user@127.0.0.1:1",
    ],
)
async def test_a_wrong_url_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="ws://host:port"):
        await dial(url, timeout=1)


async def test_nobody_there_says_how_to_start_a_hub() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionFailed, match=f"no hub at ws://127.0.0.1:{port} .*python -m fedsock.hub"):
            await dial(f"ws://127.0.0.1:{port}", timeout=5)


async def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(ConnectionFailed, match=r"no hub at ws://no-such-host\.invalid:1"):
        await dial("ws://no-such-host.invalid:1", timeout=5)


async def test_no_password_of_a_url_is_shown() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionFailed) as caught:
            await dial(f"ws://user:hunter2@127.0.0.1:{unused.getsockname()[1]}", timeout=5)
    assert "hunter2" not in str(caught.value)


async def test_a_silent_server_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(HubTimeout, match=r"within 0\.2 s"):
        await dial(f"ws://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)


async def test_a_server_that_talks_no_http() -> None:
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(chatter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match="no fedsock hub"):
            await dial(f"ws://127.0.0.1:{port}", timeout=5)


async def test_tls_to_a_server_that_talks_none() -> None:
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(chatter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match="speaks no TLS that fits"):
            await dial(f"wss://127.0.0.1:{port}", timeout=5)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, NotAuthorized, "lets you not in"),
        (403, NotAuthorized, "lets you not in"),
        (404, ConnectionFailed, "HTTP 404"),
        (503, ConnectionFailed, "going down"),
    ],
)
async def test_http_refusals(status: int, error: type[ConnectionFailed], words: str) -> None:
    async with serve(
        lambda connection: connection.wait_closed(),
        "127.0.0.1",
        0,
        process_request=lambda connection, request: connection.respond(status, "no\n"),
    ) as server:
        with pytest.raises(ConnectionFailed, match=words) as caught:
            await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=5)
    assert type(caught.value) is error


async def test_a_websocket_server_of_another_protocol() -> None:
    async with serve(lambda connection: connection.wait_closed(), "127.0.0.1", 0) as server:
        with pytest.raises(ConnectionFailed, match="a WebSocket server but no fedsock hub"):
            await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=5)


@pytest.mark.parametrize("offered", [None, ["chat"]])
async def test_a_client_of_another_protocol_is_refused(listener: Listener, offered: list[str] | None) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{listener.port}", subprotocols=offered, proxy=None)  # type: ignore[arg-type]
    assert caught.value.response.status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://good.example.evil"])
async def test_a_browsers_origin_is_refused(listener: Listener, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(
            f"ws://127.0.0.1:{listener.port}",
            subprotocols=[SUBPROTOCOL],
            origin=origin,
            proxy=None,  # type: ignore[arg-type]
        )
    assert caught.value.response.status_code == 403


async def test_a_listed_origin_is_welcome(listener: Listener) -> None:
    url = f"ws://127.0.0.1:{listener.port}"
    async with connect(url, subprotocols=[SUBPROTOCOL], origin="https://good.example", proxy=None) as connection:  # type: ignore[arg-type]
        await connection.send("{}\n")
        assert await connection.recv() == "{}\n"


async def test_no_compression_is_agreed(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}", subprotocols=[SUBPROTOCOL], proxy=None) as connection:
        assert connection.protocol.extensions == []


async def test_text_and_binary_are_told_apart_on_the_wire(listener: Listener) -> None:
    got: list[str | bytes] = []
    received = asyncio.Event()

    async def keep(connection: object) -> None:
        async for message in connection:  # type: ignore[attr-defined]
            got.append(message)
            received.set()

    async with serve(keep, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:
        transport = await dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=5)
        await transport.send(b"{}\n[]")
        await transport.send(b"{}\n[]", binary=True)
        await received.wait()
        await transport.close()
    assert got == ["{}\n[]", b"{}\n[]"]


async def test_a_port_in_use_is_a_config_error(listener: Listener) -> None:
    with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1:{listener.port} .*choose another"):
        await listen("127.0.0.1", listener.port, echo)


async def test_closing_a_listener_closes_what_it_accepted_and_frees_the_port() -> None:
    listener = await listen("127.0.0.1", 0, echo)
    transport = await dial(f"ws://127.0.0.1:{listener.port}", timeout=5)
    await listener.close()
    with pytest.raises(TransportClosed) as caught:
        await transport.recv()
    assert caught.value.code == GOING_AWAY
    again = await listen("127.0.0.1", listener.port, echo)
    await again.close()
    await again.close()


async def test_closing_a_listener_waits_for_nobody() -> None:
    async def pour(transport: Transport) -> None:
        with contextlib.suppress(TransportClosed):
            while True:
                await transport.send(bytes(1_000_000), binary=True)

    listener = await listen("127.0.0.1", 0, pour)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)  # never finishes its handshake
    writer.write(b"GET / HTTP/1.1\r\n")
    deaf = await dial(f"ws://127.0.0.1:{listener.port}", timeout=5)
    await deaf.recv()
    await asyncio.wait_for(listener.close(), 4)
    assert await reader.read() == b""
    writer.close()
    deaf.abort()


async def test_tls_with_a_trusted_certificate(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    listener = await listen("127.0.0.1", 0, echo, ssl=server)
    url = f"wss://127.0.0.1:{listener.port}"
    trusting = ssl.create_default_context(cafile=cert)
    transport = await dial(url, timeout=5, ssl=trusting)
    await transport.send(b"{}\n")
    assert await transport.recv() == b"{}\n"
    await transport.close()
    with pytest.raises(ConnectionFailed, match=r"certificate of wss://.* is not trusted"):
        await dial(url, timeout=5)
    with pytest.raises(ConfigError, match="write wss://"):
        await dial(f"ws://127.0.0.1:{listener.port}", timeout=5, ssl=trusting)
    with pytest.raises(ConnectionFailed):
        await dial(f"ws://127.0.0.1:{listener.port}", timeout=5)
    await listener.close()


async def test_wss_to_a_server_without_tls(listener: Listener) -> None:
    with pytest.raises(ConnectionFailed, match=r"TLS|wss:// right"):
        await dial(f"wss://127.0.0.1:{listener.port}", timeout=5)


@contextlib.asynccontextmanager
async def stuck() -> AsyncIterator[tuple[Listener, Transport]]:
    """Yield a listener and its end of a connection whose other end reads nothing, with all buffers full."""
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    sent = 0

    async def pour(transport: Transport) -> None:
        nonlocal sent
        accepted.set_result(transport)
        with contextlib.suppress(TransportClosed):
            while True:
                await transport.send(bytes(1_000_000), binary=True)
                sent += 1

    listener = await listen("127.0.0.1", 0, pour)
    deaf = await dial(f"ws://127.0.0.1:{listener.port}", timeout=5)
    transport = await accepted
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.2)
    yield listener, transport
    await asyncio.wait_for(listener.close(), 1)
    deaf.abort()


async def test_cancelling_a_close_cuts_the_socket() -> None:
    async with stuck() as (_, transport):
        closing = asyncio.create_task(transport.close())
        await asyncio.wait([closing], timeout=0.1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(TransportClosed):
            await asyncio.wait_for(transport.recv(), 1)


async def test_cancelling_a_listeners_close_cuts_its_connections() -> None:
    async with stuck() as (listener, transport):
        closing = asyncio.create_task(listener.close())
        await asyncio.wait([closing], timeout=0.1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(TransportClosed):
            await asyncio.wait_for(transport.recv(), 1)


async def test_messages_in_several_pieces_are_put_together(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}", subprotocols=[SUBPROTOCOL], proxy=None) as connection:
        await connection.send(iter(["{}\n", "[1,", "2]"]))
        await connection.send("{}\n[3]")
        assert [await connection.recv(), await connection.recv()] == ["{}\n[1,2]", "{}\n[3]"]


async def test_the_sum_of_pieces_is_bounded(listener: Listener) -> None:
    async with connect(f"ws://127.0.0.1:{listener.port}", subprotocols=[SUBPROTOCOL], proxy=None) as connection:
        with pytest.raises(ConnectionClosedError) as caught:
            await connection.send(iter([bytes(500_000)] * 5))
            await connection.recv()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == TOO_BIG


async def test_cancelled_while_it_begins_to_listen_it_does_not() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for turns in range(10):
        starting = asyncio.create_task(listen("127.0.0.1", port, echo))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await starting).close()
            return  # it was there before it was cancelled
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        await asyncio.sleep(0)  # what is called when it is there now is called before us
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
