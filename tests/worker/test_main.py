"""``python -m fedsock.worker`` as real processes: what its owner reads, and how it ends."""

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

import numpy as np
import pytest

import fedsock
from fedsock.errors import WorkerLost
from fedsock.hub.server import HubServer
from fedsock.protocol import hubmessages as hm
from fedsock.protocol.frames import split
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.websocket import listen
from fedsock.worker.__main__ import main
from tests.chaos.children import child

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def start(*arguments: str) -> Process:
        command = (sys.executable, "-W", "error", "-m", "fedsock.worker", "--name", "bob", *arguments)
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    return (await asyncio.wait_for(stream.readline(), 30)).decode()


async def end(process: Process) -> tuple[str, str]:
    """Tell a worker to end; see it end with 0 within 5 s; return what else it printed."""
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0, err
    return out.decode(), err.decode()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_hub_that_is_not_there_is_said_once_and_what_follows_too(start: Start) -> None:
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    process = await start("--hub", url)
    said = await line(process.stderr)
    assert said.startswith(f"fedsock.worker: no hub at {url} (") and said.endswith("; trying on\n")
    hub = HubServer(port=port)
    await hub.start()
    assert await line(process.stdout) == f"worker bob joined {url} with 0 data sets\n"
    await hub.close()
    assert "trying on" in await line(process.stderr)
    await hub.start()
    assert await line(process.stderr) == f"worker bob is back at {url}\n"
    assert await end(process) == ("", "")
    await hub.close()


async def _garbage(hello: bytes) -> list[bytes]:
    return [b"hello\n"]


async def _other_version(hello: bytes) -> list[bytes]:
    return [hm.encode(hm.Refused("version", "this hub speaks fedsock/2; install the same fedsock at both ends"))]


async def _bad_frame(hello: bytes) -> list[bytes]:
    return [hm.encode(hm.Refused("bad_frame", "what is that?"))]


async def _welcome_and_garbage(hello: bytes) -> list[bytes]:
    head = split(hello)[0]
    return [hm.encode(hm.Welcome(f"{head['name']}@{head['epoch']}", [])), b"garbage\n"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_garbage, "what no hub of this version says"),
        (_other_version, "install the same fedsock"),
        (_bad_frame, "what is that?"),
        (_welcome_and_garbage, "what no hub of this version says"),
    ],
)
async def test_garbage_for_a_hub_ends_no_worker(
    start: Start, answer: Callable[[bytes], Awaitable[list[bytes]]], said: str
) -> None:
    tries = 0
    often = asyncio.Event()

    async def handler(transport: Transport) -> None:
        nonlocal tries
        for frame in await answer(bytes(await transport.recv())):
            await transport.send(frame)
        tries += 1
        if tries >= 3:
            often.set()
        try:
            await transport.recv()
        except TransportClosed:
            return

    listener = await listen("127.0.0.1", 0, handler)
    process = await start("--hub", f"ws://127.0.0.1:{listener.port}")
    await asyncio.wait_for(often.wait(), 30)
    assert process.returncode is None
    _, err = await end(process)
    assert [one for one in err.splitlines() if "trying on" in one] == [err.splitlines()[0]]
    assert said in err
    assert "Traceback" not in err
    await listener.close()


async def test_a_name_that_is_taken_ends_it_with_1_and_one_line(start: Start) -> None:
    hub = HubServer(port=0)
    await hub.start()
    first = await start("--hub", hub.url)
    await line(first.stdout)
    second = await start("--hub", hub.url)
    out, err = await asyncio.wait_for(second.communicate(), 30)
    assert (second.returncode, out) == (1, b"")
    assert err.decode() == "fedsock.worker: another live process is called bob; choose another name\n"
    assert await end(first) == ("", "")
    await hub.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "s-bob"], "--name s-bob: can't name a worker; a name is 1 to 63 of a-z"),
        (["--name", "Bob"], "--name Bob: can't name a worker"),
        (["--name", "bob", "--hub", "http://x"], "--hub http://x: not a WebSocket URL"),
        (["--name", "bob", "--state", __file__], "is no folder"),
        (["--name", "bob", "--data", "x=/nowhere.npy"], "there is no such file"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: can't be read"),
    ],
)
def test_what_it_cannot_start_with_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fedsock.worker: ") and err.count("\n") == 1
    assert words in err


def test_the_folder_of_its_state_is_made_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    monkeypatch.chdir(tmp_path)
    wrong_token = tmp_path / "token"
    wrong_token.write_text("two words")
    assert main(["--name", "bob", "--data", "x=x.npy", "--state", "kept", "--token-file", str(wrong_token)]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["token", "x.npy"]


def told(log: str) -> list[tuple[str, str]]:
    """Return which sessions a worker's log says to be whose, each once, in order."""
    return list(dict.fromkeys(re.findall(r" (s-\w+@\w+) is a session of (\S+)", log)))


async def test_it_hears_from_a_stand_alone_hub_whose_sessions_are(start: Start, tmp_path: Path) -> None:
    tokens = {name: secrets.token_hex(16) for name in ("bob", "ann", "ben", "*")}
    lines = [f"{name} {'worker' if name == 'bob' else 'session'} {token}" for name, token in tokens.items()]
    (tmp_path / "tokens").write_text("\n".join(lines))
    (tmp_path / "bobs").write_text(tokens["bob"])
    async with child("fedsock.hub", "--port", "0", "--token-file", str(tmp_path / "tokens")) as hub:
        url = hub.line.split()[-1]
        process = await start("--hub", url, "--token-file", str(tmp_path / "bobs"), "--verbose")
        await line(process.stdout)
        for name in ("ann", "ben", "*", "ann"):
            async with fedsock.connect(url, token=tokens[name]) as connection:
                bob = await connection.worker("bob")
                assert await (bob.send(1.0) + 1) == 2.0
        _, log = await end(process)
    assert [user for _, user in told(log)] == ["ann", "ben", "anonymous", "ann"]
    assert len({address for address, _ in told(log)}) == 4


async def test_a_session_whose_token_is_anothers_now_begins_anew(start: Start, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    session_token, worker_token = secrets.token_hex(16), secrets.token_hex(16)
    (tmp_path / "bobs").write_text(worker_token)
    tokens.write_text(f"bob worker {worker_token}\nann session {session_token}\n")
    async with child("fedsock.hub", "--port", "0", "--token-file", str(tokens)) as hub:
        url = hub.line.split()[-1]
        process = await start("--hub", url, "--token-file", str(tmp_path / "bobs"), "--verbose")
        await line(process.stdout)
        async with fedsock.connect(url, token=session_token) as connection:
            bob = await connection.worker("bob")
            x = await bob.send(1.0).wait()
            await hub.kill()
            tokens.write_text(f"bob worker {worker_token}\nben session {session_token}\n")
            port = url.rpartition(":")[2]
            async with child("fedsock.hub", "--port", port, "--token-file", str(tokens)):
                with pytest.raises(WorkerLost, match="user_changed"):
                    async with asyncio.timeout(30):
                        while True:
                            await (x + 1)
                _, log = await end(process)
    assert [user for _, user in told(log)] == ["ann", "ben"]
    assert len({address for address, _ in told(log)}) == 1
