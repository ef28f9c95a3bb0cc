"""``python -m fedsock.hub`` as real processes."""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fedsock.hub.__main__ import main
from fedsock.protocol import hubmessages as hm
from fedsock.protocol.frames import build, split
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.websocket import dial

Start = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def start(*arguments: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-m", "fedsock.hub", *arguments, stdout=PIPE, stderr=PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        match = re.fullmatch(r"hub listening on (wss?://\S+:[1-9]\d*)\n", line)
        assert match is not None, (line, await process.communicate())
        return process, match[1]

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def join(url: str, name: str, role: hm.Role = "worker", token: str | None = None) -> Transport:
    transport = await dial(url, timeout=10)
    await transport.send(hm.encode(hm.Hello(name, "aaaa", role, "s" * 16, token=token)))
    assert isinstance(hm.decode(split(await transport.recv())[0]), hm.Welcome)
    return transport


async def end(process: Process, number: int) -> tuple[str, str]:
    """Signal a hub; see it end with 0 within 5 s; return what it had printed."""
    process.send_signal(number)
    stdout, stderr = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0, stderr
    return stdout.decode(), stderr.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_whoever_is_connected(start: Start, number: int) -> None:
    process, url = await start("--port", "0")
    bob, session, deaf = await join(url, "bob"), await join(url, "s-1", "session"), await join(url, "deaf")
    for seq in range(1, 40):
        # Nobody reads at deaf: its road fills up to the hub's own queue.
        chunk = build("deaf@aaaa", "bob@aaaa", 0, seq=seq, stream=1, at=0, body=bytes(500_000))
        await bob.send(chunk, binary=True)
    _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    _, log = await end(process, number)
    heard = []
    with pytest.raises(TransportClosed) as closed:
        while True:
            heard.append(hm.decode(split(await session.recv())[0]))
    assert heard[-1] == hm.Closing()
    assert closed.value.code == 1001
    assert "join bob@aaaa worker" in log
    assert "Traceback" not in log
    writer.close()
    for transport in (bob, deaf):
        transport.abort()


async def test_killed_it_starts_again_on_the_same_port_at_once(start: Start) -> None:
    process, url = await start("--port", "0")
    peers = [await join(url, f"w{number}") for number in range(5)]
    process.kill()
    await process.wait()
    again, same = await start("--port", url.rpartition(":")[2])
    assert same == url
    transport = await join(url, "w1")
    await transport.close()
    for peer in peers:
        peer.abort()
    await end(again, signal.SIGTERM)


async def test_tokens_and_logs(start: Start, tmp_path: Path) -> None:
    token = secrets.token_hex(16)
    file = tmp_path / "tokens"
    file.write_text(f"bob worker {token}\n")
    process, url = await start("--port", "0", "--token-file", str(file))
    transport = await join(url, "bob", token=token)
    await transport.close()
    refused = await dial(url, timeout=10)
    await refused.send(hm.encode(hm.Hello("bob", "bbbb", "worker", "s" * 16)))
    message = hm.decode(split(await refused.recv())[0])
    assert isinstance(message, hm.Refused)
    await refused.close()
    stdout, log = await end(process, signal.SIGTERM)
    assert token not in stdout + log
    assert "refuse bob worker: not_authorized" in log


async def run(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fedsock.hub",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, stdout.decode(), stderr.decode()


async def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, stdout, stderr = await run("--port", str(port))
    assert (code, stdout) == (2, "")
    assert re.fullmatch(rf"fedsock\.hub: can't listen on 127\.0\.0\.1:{port} .*\n", stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "binds loopback only"),  # noqa: S104
        (["--token-file", "/nowhere"], "token file /nowhere: No such file"),
        (["--tls-cert", "/nowhere"], "TLS certificate /nowhere"),
        (["--tls-key", "/nowhere"], "--tls-cert"),
    ],
)
def test_what_it_cannot_start_with_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fedsock.hub: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    "arguments", [["--port", "65536"], ["--port", "x"], ["--port", "-1"], ["--prot", "1"], ["extra"]]
)
def test_wrong_options_show_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    err = capsys.readouterr().err
    assert "usage: python -m fedsock.hub" in err
    assert "--port" not in arguments or f"{arguments[1]!r}: a port is a whole number from 0 to 65535" in err


def test_help_shows_a_worked_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    shown = capsys.readouterr().out
    assert "python -m fedsock.hub --host 0.0.0.0 --token-file tokens" in shown
    for option in ("--host", "--port", "--token-file", "--tls-cert", "--tls-key", "--origin"):
        assert option in shown
