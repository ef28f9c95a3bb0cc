"""A hub in this process, with real sockets and memory pairs."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from fedsock.errors import ConfigError
from fedsock.hub import router, server
from fedsock.hub.server import HubServer
from fedsock.protocol import hubmessages as hm
from fedsock.protocol.frames import FRAME_LIMIT, build, split
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.memory import memory_pair
from fedsock.transport.websocket import SUBPROTOCOL, dial


class Client:
    """A peer made of a bare transport: it sees every frame the hub sends."""

    def __init__(self, transport: Transport, address: str = "") -> None:
        self.transport = transport
        self.address = address

    async def send(self, frame: bytes) -> None:
        await self.transport.send(frame, binary=b'"stream"' in frame[:300])

    async def say(self, message: hm.HubMessage) -> None:
        await self.transport.send(hm.encode(message))

    async def frame(self) -> bytes:
        return await asyncio.wait_for(self.transport.recv(), 10)

    async def hear(self) -> hm.FromHub:
        return hm.decode(split(await self.frame())[0])

    async def closed(self) -> tuple[list[Any], int]:
        """Read to the end; return the hub messages on the way and the close code."""
        heard: list[Any] = []
        try:
            while True:
                head, _ = split(await self.frame())
                heard.append(head if "to" in head else hm.decode(head))
        except TransportClosed as closed:
            return heard, closed.code

    async def alone(self) -> None:
        """See that nothing comes: what the hub answers to the next watch comes first."""
        await self.say(hm.Watch(["nobody@ffff"]))
        assert await self.hear() == hm.Left("nobody@ffff", "gone")


Join = Callable[..., Awaitable[Client]]


@pytest.fixture
async def hub() -> AsyncIterator[HubServer]:
    hub = HubServer(port=0)
    await hub.start()
    yield hub
    await hub.close()


async def knock(hub: HubServer, *, memory: bool = False) -> Client:
    if not memory:
        return Client(await dial(hub.url, timeout=5))
    ours, theirs = memory_pair()
    await hub.attach(theirs)
    return Client(ours)


@pytest.fixture
async def join(hub: HubServer) -> AsyncIterator[Join]:
    clients: list[Client] = []

    async def join(address: str, secret: str = "s" * 16, *, memory: bool = False, token: str | None = None) -> Client:
        client = await knock(hub, memory=memory)
        clients.append(client)
        client.address = address
        name, _, epoch = address.partition("@")
        role: hm.Role = "session" if name.startswith("s-") else "worker"
        await client.say(hm.Hello(name, epoch, role, secret))
        welcome = await client.hear()
        assert isinstance(welcome, hm.Welcome)
        assert welcome.address == address
        return client

    yield join
    for client in clients:
        client.transport.abort()


def whose(session: Client, user: str = hm.ANONYMOUS) -> hm.Joined:
    """What a worker is told before the first frame from a session."""
    return hm.Joined(session.address, "session", user)


def batch(to: Client | str, sender: Client, seq: int = 1, body: bytes = b"[]") -> bytes:
    return build(to if isinstance(to, str) else to.address, sender.address, 0, seq=seq, body=body)


def chunk(to: Client, sender: Client, seq: int, size: int = 512 * 1024) -> bytes:
    return build(to.address, sender.address, 0, seq=seq, stream=1, at=0, body=bytes(size))


async def test_frames_pass_between_sockets_and_memory_pairs(join: Join) -> None:
    session, bob = await join("s-1@aaaa"), await join("bob@bbbb", memory=True)
    assert await session.hear() == hm.Joined("bob@bbbb", "worker")
    there = [batch(bob, session, n, b"[%d]" % n) for n in range(1, 50)] + [chunk(bob, session, 50)]
    back = [batch(session, bob, n, b"[%d]" % n) for n in range(1, 50)] + [chunk(session, bob, 50)]
    for one, other in zip(there, back, strict=True):
        await session.send(one)
        await bob.send(other)
    assert await bob.hear() == whose(session)
    assert [await bob.frame() for _ in there] == there
    assert [await session.frame() for _ in back] == back


async def test_presence(join: Join) -> None:
    bob = await join("bob@aaaa")
    session = await join("s-1@bbbb")
    await bob.alone()
    await bob.say(hm.Watch(["s-1@bbbb"]))
    assert await bob.hear() == whose(session)
    session.transport.abort()
    assert await bob.hear() == hm.Left("s-1@bbbb", "gone")
    again = await join("s-1@bbbb")
    assert await bob.hear() == whose(again)
    await bob.say(hm.Bye())
    assert await bob.closed() == ([], 1000)
    assert await again.hear() == hm.Left("bob@aaaa", "bye")
    await again.send(batch(bob, again))
    assert await again.hear() == hm.Unreachable("bob@aaaa")


async def test_the_same_process_takes_over(join: Join) -> None:
    session, old = await join("s-1@aaaa"), await join("bob@bbbb")
    new = await join("bob@cccc")
    heard, code = await old.closed()
    assert ([message.code for message in heard], code) == (["superseded"], 1008)
    assert [await session.hear() for _ in range(3)] == [
        hm.Joined("bob@bbbb", "worker"),
        hm.Left("bob@bbbb", "superseded"),
        hm.Joined("bob@cccc", "worker"),
    ]
    await session.send(batch(new, session))
    assert await new.hear() == whose(session)
    assert await new.frame() == batch(new, session)


async def refusal(client: Client, hello: hm.Hello | bytes) -> tuple[str, int]:
    await client.transport.send(hm.encode(hello) if isinstance(hello, hm.Hello) else hello)
    heard, code = await client.closed()
    assert len(heard) == 1
    assert isinstance(heard[0], hm.Refused)
    assert heard[0].message
    return heard[0].code, code


@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
async def test_a_name_in_use_is_refused_while_its_holder_lives(hub: HubServer, join: Join, memory: bool) -> None:
    bob = await join("bob@aaaa")
    newcomer = await knock(hub, memory=memory)
    asking = asyncio.create_task(refusal(newcomer, hm.Hello("bob", "bbbb", "worker", "t" * 16)))
    probe = await bob.hear()
    assert isinstance(probe, hm.Probe)
    await bob.say(hm.Pong(probe.nonce))
    assert await asking == ("name_taken", 1008)
    await bob.alone()


async def test_a_dead_holder_loses_its_name(
    join: Join, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "PROBE_SECONDS", 0.1)
    caplog.set_level(logging.INFO, "fedsock.hub")
    session, dead = await join("s-1@aaaa"), await join("bob@bbbb")
    new = await join("bob@cccc", "t" * 16)
    assert [await session.hear() for _ in range(3)] == [
        hm.Joined("bob@bbbb", "worker"),
        hm.Left("bob@bbbb", "gone"),
        hm.Joined("bob@cccc", "worker"),
    ]
    heard, code = await dead.closed()
    assert [type(message) for message in heard] == [hm.Probe, hm.Refused]
    assert (heard[1].code, code) == ("name_taken", 1008)
    await session.send(batch(new, session))
    assert await new.hear() == whose(session)
    assert await new.frame() == batch(new, session)


async def test_a_newcomer_gives_up_when_a_name_changes_hands_too_often(
    hub: HubServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders = [await join("bob@aaaa", "0" * 16, memory=True)]
    newcomer = await knock(hub)
    asking = asyncio.create_task(refusal(newcomer, hm.Hello("bob", "bbbb", "worker", "t" * 16)))
    for number in range(1, server.PROBES + 1):
        # Each holder is asked, and leaves its name to another process before it answers.
        while not isinstance(await holders[-1].hear(), hm.Probe):
            pass
        if number < server.PROBES:
            [member] = list(hub._router)
            hub._router.leave(member, "gone")
            holders.append(await join(f"bob@aaa{number}", f"{number}" * 16, memory=True))
        else:
            await holders[-1].say(hm.Pong("whatever"))
    assert await asking == ("name_taken", 1008)


async def test_many_want_the_name_of_a_dead_peer_and_one_gets_it(
    hub: HubServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PROBE_SECONDS", 0.3)
    await join("bob@aaaa")

    async def want(number: int) -> str:
        client = await knock(hub, memory=True)
        await client.say(hm.Hello("bob", f"bbb{number}", "worker", f"{number}" * 16))
        while True:
            message = await client.hear()
            if isinstance(message, hm.Probe):
                await client.say(hm.Pong(message.nonce))
            else:
                return message.address if isinstance(message, hm.Welcome) else "refused"

    tasks = [asyncio.create_task(want(number)) for number in range(5)]
    done, pending = await asyncio.wait(tasks, timeout=0.9)
    results = [task.result() for task in done]
    # Who got in waits in its loop no more, so it answers no later probe: at most PROBES names change hands.
    assert sum(result.startswith("bob@") for result in results) >= 1
    assert all(result == "refused" or result.startswith("bob@") for result in results)
    for task in pending:
        task.cancel()


async def test_a_holder_that_leaves_during_the_probe_frees_its_name(hub: HubServer, join: Join) -> None:
    bob = await join("bob@aaaa")
    newcomer = await knock(hub)
    await newcomer.say(hm.Hello("bob", "bbbb", "worker", "t" * 16))
    assert isinstance(await bob.hear(), hm.Probe)
    bob.transport.abort()
    assert isinstance(await newcomer.hear(), hm.Welcome)


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        (hm.Hello("bob", "aaaa", "worker", "s" * 16, version="fedsock/2"), ("version", 1008)),
        (b'{"t":"hello","version":"fedsock/9","new":[]}\n', ("version", 1008)),
        (hm.Hello("s-1", "aaaa", "worker", "s" * 16), ("not_authorized", 1008)),
        (hm.Hello("bob", "aaaa", "session", "s" * 16), ("not_authorized", 1008)),
        (b'{"t":"hello","name":"Bob\\u001b[31m","epoch":"aaaa","role":"worker"}\n', ("bad_frame", 1007)),
        (b'{"t":"bye"}\n', ("bad_frame", 1007)),
        (b"GET / HTTP/1.1\r\n", ("bad_frame", 1007)),
        (b"", ("bad_frame", 1007)),
        (b'{"to":"bob@aaaa","from":"bob@aaaa","ack":0}\n', ("bad_frame", 1007)),
    ],
)
async def test_who_says_no_proper_hello_is_refused(
    hub: HubServer, hello: hm.Hello | bytes, code: tuple[str, int]
) -> None:
    assert await refusal(await knock(hub), hello) == code
    assert await refusal(await knock(hub, memory=True), hello) == code


async def test_who_says_nothing_is_closed(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HELLO_SECONDS", 0.1)
    assert await (await knock(hub)).closed() == ([], 1008)
    (await knock(hub)).transport.abort()


def foreign(session: Client, bob: Client) -> bytes:
    return build(bob.address, "s-2@aaaa", 0, seq=1)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (foreign, 1008),
        (lambda session, bob: b"no frame", 1007),
        (lambda session, bob: b'{"to":"bob@bbbb","from":"s-1@aaaa","ack":0,"seq":0}\n', 1007),
        (lambda session, bob: b"[" * 100_000, 1007),
        (lambda session, bob: b'{"to":' + b"[" * 1000 + b"\n", 1007),
        (lambda session, bob: build("bob@bbbb", "s-1@aaaa", 0, seq=1, body=b'["\xff"]'), 1007),
        (lambda session, bob: hm.encode(hm.Joined("bob@bbbb", "worker")), 1007),
        (lambda session, bob: hm.encode(hm.Hello("s-1", "aaaa", "session", "s" * 16)), 1007),
        (lambda session, bob: bytes(FRAME_LIMIT + 1), 1009),
    ],
)
@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
async def test_a_bad_peer_loses_its_socket_and_others_notice_nothing(
    join: Join, make: Callable[[Client, Client], bytes], code: int, memory: bool
) -> None:
    bob, other = await join("bob@bbbb"), await join("s-9@cccc")
    session = await join("s-1@aaaa", memory=memory)
    await session.send(batch(bob, session))
    await session.transport.send(make(session, bob))
    heard, closed = await session.closed()
    assert closed == code
    assert [message.code for message in heard] == ([] if code == 1009 else ["bad_frame"])
    assert await bob.hear() == whose(session)
    assert await bob.frame() == batch(bob, session)
    await other.send(batch(bob, other))
    assert await bob.hear() == whose(other)
    assert await bob.frame() == batch(bob, other)
    await bob.send(batch(other, bob))
    assert await other.frame() == batch(other, bob)


async def test_malformed_websocket_data_closes_that_socket_only(hub: HubServer, join: Join) -> None:
    bob = await join("bob@bbbb")
    url = hub.url
    async with connect(url, subprotocols=[SUBPROTOCOL], proxy=None) as raw:
        raw.transport.write(b"\xff\xff\xff\xff")
        await raw.wait_closed()
        assert raw.close_code == 1002
    await bob.alone()


async def test_a_slow_reader_costs_bounded_memory_and_its_sender_is_told(hub: HubServer, join: Join) -> None:
    session, slow, other = await join("s-1@aaaa"), await join("bob@bbbb"), await join("alice@cccc")
    assert [await session.hear() for _ in range(2)] == [
        hm.Joined("bob@bbbb", "worker"),
        hm.Joined("alice@cccc", "worker"),
    ]
    sent = 0

    async def pour() -> None:
        nonlocal sent
        while True:
            sent += 1
            await session.send(chunk(slow, session, sent))

    pouring = asyncio.create_task(pour())
    assert await session.hear() == hm.Hold("bob@bbbb")
    pouring.cancel()
    await asyncio.wait([pouring])
    [member] = [member for member in hub._router if member.name == "bob"]
    assert router.OUTBOX_BYTES // 2 < member.outbox.size <= router.OUTBOX_BYTES
    # Others still get through, both ways.
    await other.send(batch(session, other))
    assert await session.frame() == batch(session, other)
    # The slow one begins to read: what was queued comes in order, and the sender hears go.
    assert await slow.hear() == whose(session)
    numbers = []
    going = asyncio.create_task(session.hear())
    while not going.done():
        numbers.append(split(await slow.frame())[0]["seq"])
    assert await going == hm.Go("bob@bbbb")
    last = batch(slow, session, 10_000)
    await session.send(last)
    while (frame := await slow.frame()) != last:
        numbers.append(split(frame)[0]["seq"])
    assert numbers == list(range(1, len(numbers) + 1))
    assert router.OUTBOX_BYTES // (512 * 1024) - 1 <= len(numbers) < sent


async def test_a_flood_of_small_frames_starves_nobody(join: Join) -> None:
    flooder, bob, other = await join("s-1@aaaa"), await join("bob@bbbb", memory=True), await join("s-2@cccc")

    for session in (flooder, other):
        await session.send(build(bob.address, session.address, 0))
        assert await bob.hear() == whose(session)
        await bob.frame()

    async def flood() -> None:
        for number in range(1, 1501):
            await flooder.send(batch(bob, flooder, number))

    flooding = asyncio.create_task(flood())
    flood_seen = 0
    for number in range(1, 11):
        await other.send(batch(bob, other, number))
        while split(await bob.frame())[0]["from"] != other.address:
            flood_seen += 1
    await flooding
    while flood_seen < 1500:
        await bob.frame()
        flood_seen += 1


# Tokens, addresses, TLS


async def test_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, wrong, secret = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16)
    file = tmp_path / "tokens"
    file.write_text(f"bob worker {good}\n")
    hub = HubServer(port=0, token_file=file)
    await hub.start()
    for token in (None, wrong):
        hello = hm.Hello("bob", "aaaa", "worker", secret, token=token)
        assert await refusal(await knock(hub), hello) == ("not_authorized", 1008)
    for name, role in (("alice", "worker"), ("s-1", "session")):
        hello = hm.Hello(name, "aaaa", role, secret, token=good)  # type: ignore[arg-type]
        assert await refusal(await knock(hub), hello) == ("not_authorized", 1008)
    bob = await knock(hub)
    await bob.say(hm.Hello("bob", "aaaa", "worker", secret, token=good))
    assert isinstance(await bob.hear(), hm.Welcome)
    # A peer of this process needs none, unless it is not trusted.
    session = await knock(hub, memory=True)
    await session.say(hm.Hello("s-1", "aaaa", "session", secret))
    assert await session.hear() == hm.Welcome("s-1@aaaa", ["bob@aaaa"])
    ours, theirs = memory_pair()
    await hub.attach(theirs, trusted=False)
    hello = hm.Hello("s-2", "aaaa", "session", secret)
    assert await refusal(Client(ours), hello) == ("not_authorized", 1008)
    await hub.close()
    for hidden in (good, wrong, secret):
        assert hidden not in caplog.text
    hub_lines = [record.getMessage() for record in caplog.records if record.name == "fedsock.hub"]
    assert hub_lines == [
        "refuse bob worker: not_authorized",
        "refuse bob worker: not_authorized",
        "refuse alice worker: not_authorized",
        "refuse s-1 session: not_authorized",
        "join bob@aaaa worker",
        "join s-1@aaaa session",
        "refuse s-2 session: not_authorized",
        "leave bob@aaaa worker gone",
        "leave s-1@aaaa session gone",
    ]


@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
async def test_a_worker_hears_the_user_of_a_sessions_token(tmp_path: Path, memory: bool) -> None:
    tokens = {name: secrets.token_hex(16) for name in ("ann", "ben", "*", "bob")}
    file = tmp_path / "tokens"
    lines = [f"{name} {'worker' if name == 'bob' else 'session'} {token}" for name, token in tokens.items()]
    file.write_text("\n".join(lines))
    hub = HubServer(port=0, token_file=file)
    await hub.start()

    async def enter(name: str, token: str | None, *, trusted: bool = False) -> Client:
        ours, theirs = memory_pair()
        if memory or trusted:
            await hub.attach(theirs, trusted=trusted)
        client = Client(ours if memory or trusted else await dial(hub.url, timeout=5), f"{name}@aaaa")
        role: hm.Role = "session" if name.startswith("s-") else "worker"
        await client.say(hm.Hello(name, "aaaa", role, name + "s" * 16, token=token))
        assert isinstance(await client.hear(), hm.Welcome)
        return client

    bob = await enter("bob", tokens["bob"])
    # What they call themselves counts for nothing, and neither does a token where none is needed.
    for name, line, user in (("s-1", "ann", "ann"), ("s-ann", "ben", "ben"), ("s-ben", "*", "anonymous")):
        session = await enter(name, tokens[line])
        await session.send(batch(bob, session))
        assert await bob.hear() == whose(session, user)
        assert await bob.frame() == batch(bob, session)
    session = await enter("s-4", tokens["ann"], trusted=True)
    await session.send(batch(bob, session))
    assert await bob.hear() == whose(session, "anonymous")
    await hub.close()


async def test_an_address_is_nobody_elses_when_its_peer_is_away(tmp_path: Path) -> None:
    """What a worker has under way for a session whose socket broke is for nobody else."""
    tokens = {name: secrets.token_hex(16) for name in ("ann", "eve")}
    file = tmp_path / "tokens"
    file.write_text("\n".join(f"{name} session {token}" for name, token in tokens.items()))
    hub = HubServer(port=0, token_file=file)
    await hub.start()

    def hello(secret: str, user: str, epoch: str = "aaaa") -> hm.Hello:
        return hm.Hello("s-1", epoch, "session", secret * 16, token=tokens[user])

    try:
        for _ in range(2):
            ann = await knock(hub)
            await ann.say(hello("a", "ann"))
            assert isinstance(await ann.hear(), hm.Welcome)
            ann.transport.abort()
            for secret, user in (("e", "eve"), ("a", "eve"), ("e", "ann")):
                assert await refusal(await knock(hub), hello(secret, user)) == ("name_taken", 1008)
        eve = await knock(hub)
        await eve.say(hello("e", "eve", "bbbb"))
        assert isinstance(await eve.hear(), hm.Welcome), "another life may have the name"
        eve.transport.abort()
    finally:
        await hub.close()


async def test_coming_and_going_is_logged(join: Join, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fedsock.hub")
    bob = await join("bob@aaaa")
    session = await join("s-1@bbbb")
    await bob.say(hm.Bye())
    await bob.closed()
    await session.send(b"x")
    await session.closed()
    lines = [record.getMessage() for record in caplog.records if record.name == "fedsock.hub"]
    assert lines == [
        "join bob@aaaa worker",
        "join s-1@bbbb session",
        "leave bob@aaaa worker bye",
        "refuse s-1@bbbb session: bad_frame",
        "leave s-1@bbbb session gone",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])  # noqa: S104
def test_without_tokens_only_loopback_is_bound(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"binds loopback only.*--token-file"):
        HubServer(host, 0)
    file = tmp_path / "tokens"
    file.write_text(f"* worker {secrets.token_hex(16)}\n")
    assert HubServer(host, 0, token_file=file).port == 0


def test_wrong_tls_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--tls-cert"):
        HubServer(tls_key="key.pem")
    with pytest.raises(ConfigError, match="No such file"):
        HubServer(tls_cert=tmp_path / "nowhere.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"bad\.pem"):
        HubServer(tls_cert=tmp_path / "bad.pem")


def test_url_and_port_before_the_start() -> None:
    assert HubServer().url == "ws://127.0.0.1:8765"
    assert HubServer("::1", 1).url == "ws://[::1]:1"


async def test_a_port_in_use(hub: HubServer) -> None:
    with pytest.raises(ConfigError, match="can't listen"):
        await HubServer(port=hub.port).start()


# The end


async def test_closing_flushes_tells_and_closes(join: Join, hub: HubServer) -> None:
    session, bob = await join("s-1@aaaa", memory=True), await join("bob@bbbb")
    # The frames wait in the hub's outbox: bob's writer runs only when this task suspends.
    frames = [chunk(bob, session, number) for number in range(1, 9)]
    for frame in frames:
        await session.send(frame)
    await session.say(hm.Watch(["nobody@ffff"]))
    while await session.hear() != hm.Left("nobody@ffff", "gone"):
        pass
    stranger = await knock(hub)
    closing = asyncio.create_task(hub.close())
    assert await bob.hear() == whose(session)
    received = [await bob.frame() for _ in frames]
    assert received == frames
    assert await bob.closed() == ([hm.Closing()], 1001)
    assert (await session.closed())[0] == [hm.Closing()]
    assert (await stranger.closed())[0] == []
    await asyncio.wait_for(closing, 2)
    await hub.close()
    with pytest.raises(OSError, match="no hub"):
        await dial(hub.url, timeout=5)


async def test_closing_waits_for_nobody_who_reads_nothing(hub: HubServer, join: Join) -> None:
    session, deaf = await join("s-1@aaaa"), await join("bob@bbbb")
    deaf_in_memory = await join("alice@cccc", memory=True)
    for target in (deaf, deaf_in_memory):
        number = 0
        while True:
            number += 1
            await session.send(chunk(target, session, number))
            [member] = [member for member in hub._router if member.address == target.address]
            if member.outbox.size > 1_000_000:
                break
    loop = asyncio.get_running_loop()
    before = loop.time()
    await hub.close()
    assert loop.time() - before < 4


@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
async def test_cancelling_the_close_cuts_everything(hub: HubServer, join: Join, memory: bool) -> None:
    session, deaf = await join("s-1@aaaa"), await join("bob@bbbb", memory=memory)
    for number in range(1, 80):
        await session.send(chunk(deaf, session, number))
    closing = asyncio.create_task(hub.close(drain=60))
    await asyncio.wait([closing], timeout=0.1)
    closing.cancel()
    await asyncio.wait([closing], timeout=5)
    assert closing.cancelled()


async def test_a_newcomer_that_waits_when_the_hub_closes_does_not_join(hub: HubServer, join: Join) -> None:
    bob = await join("bob@aaaa")
    newcomer = await knock(hub, memory=True)
    await newcomer.say(hm.Hello("bob", "bbbb", "worker", "t" * 16))
    assert isinstance(await bob.hear(), hm.Probe)
    await hub.close()
    heard, _ = await newcomer.closed()
    assert heard == []


@pytest.mark.parametrize("port", [-1, 65536, "8765", None])
def test_a_port_that_is_none(port: Any) -> None:
    with pytest.raises(ConfigError, match=r"port .*a whole number from 0 to 65535"):
        HubServer(port=port)


async def test_what_was_closed_may_be_started_again() -> None:
    hub = HubServer(port=0)
    for _ in range(2):
        await hub.start()
        transport = await dial(hub.url, timeout=5)
        await transport.send(hm.encode(hm.Hello("bob", "aaaa", "worker", "s" * 16)))
        assert isinstance(hm.decode(split(await transport.recv())[0]), hm.Welcome)
        await hub.close()
        await transport.close()
