from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.hub.server import HubServer
from fedsock.protocol import hubmessages as m
from fedsock.protocol.frames import build, split
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.websocket import dial


@pytest.fixture
async def hub() -> AsyncIterator[HubServer]:
    server = HubServer(port=0)
    await server.start()
    yield server
    await server.close()


async def say(
    url: str,
    name: str,
    *,
    role: str = "worker",
    epoch: str = "0001",
    secret: str = "a",
    **more: str,
) -> Transport:
    transport = await dial(url, timeout=5)
    await transport.send(m.encode(m.Hello(name=name, epoch=epoch, role=role, secret=secret, **more)))  # type: ignore[arg-type]
    return transport


async def hear(transport: Transport) -> m.FromHub:
    async with asyncio.timeout(5):
        return m.decode(split(await transport.recv())[0])


async def test_frames_go_from_peer_to_peer(hub: HubServer) -> None:
    bob, session = await say(hub.url, "bob"), await say(hub.url, "s-1", role="session")
    assert await hear(bob) == m.Welcome(address="bob@0001")
    assert isinstance(await hear(session), m.Welcome)
    frame = build("bob@0001", "s-1@0001", 0, seq=1, body=b"[]")
    await session.send(frame)
    assert await bob.recv() == frame
    await bob.close(), await session.close()


async def test_a_bad_frame_costs_its_sender_its_socket_only(hub: HubServer) -> None:
    bob, mallory = await say(hub.url, "bob"), await say(hub.url, "mallory")
    await hear(bob), await hear(mallory)
    await mallory.send(build("bob@0001", "alice@0001", 0, seq=1, body=b"[]"))
    with pytest.raises(TransportClosed) as closed:
        await hear(mallory)
    assert closed.value.code == 1008
    await bob.send(m.encode(m.Watch(peers=["mallory@0001"])))
    assert await hear(bob) == m.Left(peer="mallory@0001", reason="gone")
    await bob.close()


async def test_the_same_process_takes_its_name_over(hub: HubServer) -> None:
    old = await say(hub.url, "bob")
    await hear(old)
    new = await say(hub.url, "bob", epoch="0001")
    assert isinstance(await hear(new), m.Welcome)
    refused = await hear(old)
    assert isinstance(refused, m.Refused)
    assert refused.code == "superseded"
    await new.close()


async def test_another_process_is_refused_while_the_holder_answers(hub: HubServer) -> None:
    holder = await say(hub.url, "bob")
    await hear(holder)
    rival = await say(hub.url, "bob", epoch="0002", secret="b")
    probe = await hear(holder)
    assert isinstance(probe, m.Probe)
    await holder.send(m.encode(m.Pong(nonce=probe.nonce)))
    refused = await hear(rival)
    assert isinstance(refused, m.Refused)
    assert refused.code == "name_taken"
    await holder.close(), await rival.close()


async def test_a_holder_that_does_not_answer_loses_its_name(hub: HubServer) -> None:
    holder = await say(hub.url, "bob")
    await hear(holder)
    rival = await say(hub.url, "bob", epoch="0002", secret="b")
    assert await hear(rival) == m.Welcome(address="bob@0002")
    holder.abort()
    await rival.close()


@pytest.mark.parametrize(
    ("name", "role", "more"),
    [("s-1", "worker", {}), ("bob", "session", {}), ("bob", "worker", {"version": "fedsock/0"})],
)
async def test_names_and_versions_that_do_not_fit(hub: HubServer, name: str, role: str, more: dict[str, str]) -> None:
    transport = await say(hub.url, name, role=role, **more)
    assert isinstance(await hear(transport), m.Refused)
    await transport.close()


async def test_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("bob worker right\n")
    server = HubServer(port=0, token_file=file)
    await server.start()
    right, wrong = await say(server.url, "bob", token="right"), await say(server.url, "eve", token="wrong")
    assert isinstance(await hear(right), m.Welcome)
    refused = await hear(wrong)
    assert isinstance(refused, m.Refused)
    assert refused.code == "not_authorized"
    await right.close(), await wrong.close()
    await server.close()


async def test_a_port_in_use_is_said(hub: HubServer) -> None:
    with pytest.raises(ConfigError, match=str(hub.port)):
        await HubServer(port=hub.port).start()


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--token-file", "/none"], ["--tls-key", "k"]])  # noqa: S104
def test_the_command_says_why_it_does_not_start(options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fedsock.hub", "--port", "0", *options], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert done.stderr.startswith("fedsock.hub: ")
    assert "Traceback" not in done.stderr
