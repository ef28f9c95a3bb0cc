"""A hub's URL that is wrong, a hub that is not there, a name that is taken: sessions and worker processes say so."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

import fedsock
from fedsock import errors
from fedsock.hub.server import HubServer
from tests.bad_input.parts import WAIT_SECONDS, House

NO_URLS = ["", "nonsense", "http://127.0.0.1:8765", "ws://", "ws://127.0.0.1:port", "ws://127.0.0.1:99999", "ws://[::1"]

STRANGERS = {
    "another server": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a server of another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a server that redirects without end": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "a server that hangs up": b"",
}


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def stranger(answer: bytes) -> AsyncIterator[str]:
    """Listen as something that is no hub: it answers this and hangs up."""

    answering: set[asyncio.Task[None] | None] = set()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read(100)
            writer.write(answer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answers, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in answering if task is not None))


async def worker(*arguments: str) -> asyncio.subprocess.Process:
    """Start a worker process."""
    command = (sys.executable, "-m", "fedsock.worker", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Return the exit code of a worker that ends, and what it wrote to stderr."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert out == b"" and b"Traceback" not in err
    return process.returncode, err.decode()


@pytest.mark.parametrize("url", NO_URLS)
async def test_what_is_no_url_is_said_at_once(url: str) -> None:
    with pytest.raises(errors.ConfigError, match="ws://"):
        await fedsock.connect(url, timeout=WAIT_SECONDS)


async def test_a_worker_with_no_url_ends_with_2_and_one_line() -> None:
    url = "ws://127.0.0.1:port"
    code, err = await ended(await worker("--name", "bob", "--hub", url))
    assert code == 2
    assert err.startswith(f"fedsock.worker: --hub {url}: ") and "ws://" in err and err.count("\n") == 1


async def test_nobody_listens() -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    with pytest.raises(errors.HubTimeout, match="no hub") as caught:
        await fedsock.connect(url, timeout=0.3)
    assert url in str(caught.value)


@pytest.mark.parametrize("kind", STRANGERS)
async def test_what_answers_is_no_hub(kind: str) -> None:
    async with stranger(STRANGERS[kind]) as url:
        with pytest.raises(errors.HubTimeout) as caught:
            await fedsock.connect(url, timeout=0.5)
        assert url in str(caught.value)
        assert isinstance(caught.value.__cause__, Exception)


async def test_a_worker_says_that_no_hub_answers_and_tries_on() -> None:
    async with stranger(STRANGERS["another server"]) as url:
        process = await worker("--name", "bob", "--hub", url)
        assert process.stderr is not None
        async with asyncio.timeout(WAIT_SECONDS):
            said = (await process.stderr.readline()).decode()
        assert said.startswith("fedsock.worker: ") and url in said and said.endswith("trying on\n")
        process.send_signal(signal.SIGTERM)
        assert (await ended(process))[0] == 0


async def test_a_hub_that_is_not_there_yet_and_one_that_is_gone() -> None:
    hub = HubServer(port=free_port())
    url = f"ws://127.0.0.1:{hub.port}"
    joining = asyncio.create_task(fedsock.connect(url, timeout=WAIT_SECONDS).__aenter__())
    process = await worker("--name", "bob", "--hub", url)
    assert process.stderr is not None and process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            assert f"no hub at {url}".encode() in await process.stderr.readline()
            await hub.start()
            session = await joining
            bob = await session.worker("bob", timeout=WAIT_SECONDS)
            x = await bob.send(20.0).wait()
            assert b"joined" in await process.stdout.readline()
            ran = (await bob.stats()).ops_run
            await hub.close()
            asked = asyncio.create_task((x * 2 + 2).get())
            assert not asked.done()
            await hub.start()
            assert await asked == 42.0
            assert (await bob.stats()).ops_run == ran + 2
            await session.close()
    finally:
        process.send_signal(signal.SIGTERM)
        code = (await asyncio.wait_for(process.communicate(), WAIT_SECONDS), process.returncode)[1]
        await hub.close()
    assert code == 0


async def test_a_name_that_is_taken(house: House) -> None:
    code, err = await ended(await worker("--name", "bob", "--hub", house.url))
    assert code == 1
    assert err == "fedsock.worker: another live process is called bob; choose another name\n"
    async with fedsock.connect(house.url) as hub:
        with pytest.raises(errors.NameTaken, match="another name"):
            await hub.virtual_worker("bob")
        assert await (await hub.worker("bob")).ping() > 0


async def test_a_worker_that_nobody_knows(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        with pytest.raises(errors.WorkerTimeout, match=r"bbo.*there: bob"):
            await hub.worker("bbo", timeout=0.2)
        with pytest.raises(errors.WorkerTimeout, match="there: bob"):
            await hub.wait_for_workers(2, timeout=0.2)
        assert await (await hub.worker("bob")).ping() > 0


async def test_a_hub_whose_port_is_taken(house: House) -> None:
    with pytest.raises(errors.FedsockError, match=str(house.port)):
        await fedsock.Hub(port=house.port)
