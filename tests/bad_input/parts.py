"""A real hub and a real worker, a session that goes on computing, and a peer that speaks raw frames."""

from __future__ import annotations

import asyncio
import gc
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import fedsock
from fedsock.api import Remote
from fedsock.protocol.frames import build, split
from fedsock.session.handle import WorkerHandle
from fedsock.transport.websocket import SUBPROTOCOL
from tests.contract.house import process

WAIT_SECONDS = 60.0
"""A bound that only something broken meets, on a loaded machine too."""
BYSTANDER = "eve"
"""The bystander's user, where there are tokens."""
QUOTA_BYTES = 1_000_000
QUOTA_OBJECTS = 500
ROUNDS_AFTER = 3
"""Right answers that the bystander must still get once the bad input is over."""


@dataclass
class House:
    """A stand-alone hub and bob, both processes of their own.

    Attributes:
        url: the hub's.
        hub: its process.
        bob: the worker's.
        tokens: of users, by name; none: the hub asks for none.
        config: the worker's.
    """

    url: str
    hub: subprocess.Popen[str]
    bob: subprocess.Popen[str]
    config: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """What the worker remembers."""
        return self.config.parent / "bob.state"

    def connect(self, user: str = BYSTANDER) -> Remote:
        """Return a connection of a user's."""
        return fedsock.connect(self.url, token=self.tokens.get(user))

    @property
    def port(self) -> int:
        """The hub's."""
        return int(self.url.rsplit(":", 1)[1])

    def lives(self) -> bool:
        """Whether neither process has ended."""
        return self.hub.poll() is None and self.bob.poll() is None


def first_line(child: subprocess.Popen[str]) -> str:
    """Return the first line that a process prints."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


@contextmanager
def worker(config: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process that has joined; killed, as -9 does it, when the block ends."""
    more = ("--token-file", str(config.with_name("bobs"))) if config.with_name("bobs").exists() else ()
    with process("fedsock.worker", "--config", str(config), "--hub", url, *more) as bob:
        while "joined" not in (said := first_line(bob)):
            assert said.startswith("audit head"), said
        yield bob


@contextmanager
def started(folder: Path, more: str = "", users: Sequence[str] = ()) -> Iterator[House]:
    """Start hub and bob, who has a published data set, a private one and small quotas.

    Args:
        folder: for all their files.
        more: further lines of bob's TOML.
        users: who may come, each with a token of their own; none: everybody.
    """
    np.save(folder / "x.npy", np.arange(6.0))
    config = folder / "bob.toml"
    config.write_text(
        f'name = "bob"\n[limits]\nquota_bytes = {QUOTA_BYTES}\nquota_objects = {QUOTA_OBJECTS}\n'
        '[datasets.x]\nfile = "x.npy"\nprivate = false\n[datasets.secret]\nfile = "x.npy"\n' + more,
        encoding="utf-8",
    )
    tokens = {user: secrets.token_hex(16) for user in (*users, "bob")} if users else {}
    if users:
        lines = [f"{name} {'worker' if name == 'bob' else 'session'} {token}" for name, token in tokens.items()]
        (folder / "tokens").write_text("\n".join(lines), encoding="utf-8")
        (folder / "bobs").write_text(tokens["bob"], encoding="utf-8")
    option = ("--token-file", str(folder / "tokens")) if users else ()
    with process("fedsock.hub", "--port", "0", *option) as hub:
        url = first_line(hub).split()[-1]
        with worker(config, url) as bob:
            yield House(url, hub, bob, config, tokens)


class Bystander:
    """Another session, which computes all the time and whose objects stay."""

    def __init__(self, bob: WorkerHandle) -> None:
        self._bob = bob
        self._rounds = 0
        self._stirred = asyncio.Event()

    async def compute(self) -> None:
        """Get right answers for ever."""
        x = self._bob.datasets["x"]
        while True:
            rounds = self._rounds
            assert await (x * rounds + 1).sum() == 15.0 * rounds + 6
            self._rounds += 1
            self._stirred.set()

    async def more(self, rounds: int) -> None:
        """Wait until there were some more of them."""
        due = self._rounds + rounds
        while self._rounds < due:
            self._stirred.clear()
            await self._stirred.wait()


@asynccontextmanager
async def bystander(house: House) -> AsyncIterator[None]:
    """Assert, when the block ends, that somebody else's work went on, and that nothing of the block is left at bob."""
    async with house.connect() as hub:
        bob = await hub.worker("bob")
        kept = await bob.send(np.arange(100.0), tags=["#kept"]).wait()
        before = await bob.stats()
        other = Bystander(bob)
        async with asyncio.TaskGroup() as group:
            computing = group.create_task(other.compute())
            try:
                yield
                async with asyncio.timeout(WAIT_SECONDS):
                    await other.more(ROUNDS_AFTER)
            finally:
                computing.cancel()
        del computing  # its traceback holds the pointers of its last round
        assert house.lives()
        assert np.array_equal(await kept, np.arange(100.0))
        gc.collect()
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                after = await bob.stats()
                if (after.objects, after.bytes, after.sessions) == (before.objects, before.bytes, before.sessions):
                    break
        assert list(hub.failures) == []


class Raw:
    """A peer that writes whatever it likes.

    Attributes:
        address: its own, once it has said hello.
        peers: the workers that the hub's welcome named.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.address = ""
        self.peers: list[str] = []

    @property
    def bob(self) -> str:
        """Bob's address."""
        return next(peer for peer in self.peers if peer.startswith("bob@"))

    async def hello(self, name: str, role: str) -> None:
        """Say a proper hello and take the welcome."""
        epoch = secrets.token_hex(8)
        self.address = f"{name}@{epoch}"
        secret = secrets.token_hex(16)
        hello = {"t": "hello", "name": name, "epoch": epoch, "role": role, "secret": secret, "version": "fedsock/1"}
        await self.write(orjson.dumps(hello) + b"\n")
        head, _ = await self.read()
        assert head["t"] == "welcome"
        self.peers = head.get("workers", [])

    async def write(self, frame: bytes, *, binary: bool = False) -> None:
        """Write one frame, be it one or not."""
        await self._socket.send(frame, text=not binary)

    async def batch(self, to: str, body: bytes, seq: int = 1, ack: int = 0) -> None:
        """Write a frame of a link with this body."""
        await self.write(build(to, self.address, ack, seq=seq, body=body))

    async def chunk(self, to: str, data: bytes, *, seq: int, stream: int, at: int) -> None:
        """Write a chunk of a stream."""
        await self.write(build(to, self.address, 0, seq=seq, stream=stream, at=at, body=data), binary=True)

    async def read(self) -> tuple[dict[str, Any], bytes]:
        """Return head and body of the next frame."""
        async with asyncio.timeout(WAIT_SECONDS):
            head, body = split(await self._socket.recv(decode=False))
        return head, bytes(body)

    async def reset(self) -> str:
        """Return the code of the reset that comes; other frames before it don't count."""
        while True:
            head, _ = await self.read()
            if "reset" in head:
                return str(head["reset"])

    async def message(self, *kinds: str) -> dict[str, Any]:
        """Return the next message of one of these kinds on any link."""
        while True:
            head, body = await self.read()
            assert "reset" not in head, head
            for message in orjson.loads(body) if "seq" in head and "stream" not in head else ():
                if message["t"] in kinds:
                    return dict(message)

    async def wanted(self) -> tuple[str, int]:
        """Offer nothing to whoever opens a link; return the first that asks for a value, and its get's id."""
        while True:
            head, body = await self.read()
            for message in orjson.loads(body) if "seq" in head and "stream" not in head else ():
                if message["t"] == "open":
                    await self.batch(head["from"], b'[{"t":"offer","datasets":[]}]')
                elif message["t"] == "get":
                    return head["from"], message["id"]

    async def leave(self) -> None:
        """Say bye, if there is still somebody to say it to."""
        with suppress(ConnectionClosed):
            await self.write(b'{"t":"bye"}\n')
            async with asyncio.timeout(WAIT_SECONDS):
                await self._socket.wait_closed()

    async def refused(self) -> tuple[dict[str, Any], int]:
        """Return the hub's refusal, empty when it said nothing, and the code that it closed this socket with."""
        told: dict[str, Any] = {}
        try:
            while True:
                head, _ = await self.read()
                told = head if head.get("t") == "refused" else told
        except ConnectionClosed as closed:
            return told, closed.rcvd.code if closed.rcvd is not None else 1006


@asynccontextmanager
async def raw(url: str, name: str = "", role: str = "session") -> AsyncIterator[Raw]:
    """A raw peer that has joined, and leaves when the block ends."""
    async with connect(url, subprotocols=[SUBPROTOCOL], proxy=None, max_size=2**24) as socket:
        made = Raw(socket)
        await made.hello(name or f"s-{secrets.token_hex(4)}", role)
        try:
            yield made
        finally:
            await made.leave()
