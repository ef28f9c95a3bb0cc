"""A peer with workers of a few lines: the protocol reads frames, the table's functions run ops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedsock.ops import TABLE, check, flatten
from fedsock.protocol import arrays, messages, values
from fedsock.session import Session, WorkerHandle
from fedsock.worker.failures import op_error_class


@dataclass(frozen=True)
class End:
    reason: str
    code: str = ""


class Missing(Exception):
    """An op waits for a value that was announced."""


class Failed(Exception):
    def __init__(self, code: str, text: str, first: int) -> None:
        super().__init__(text)
        self.code, self.first = code, first


class FakeLink:
    """Queues what the session says; ``held`` keeps it from being written."""

    def __init__(self) -> None:
        self.queue: list[tuple[int, bytes]] = []
        self.tickets = 0
        self.written_tickets = 0
        self.streams: dict[int, memoryview] = {}
        self.opened = 0
        self.held = False

    @property
    def queued_messages(self) -> int:
        return len(self.queue)

    @property
    def queued_bytes(self) -> int:
        return sum(len(one) for _, one in self.queue)

    def send(self, message: bytes) -> int:
        self.tickets += 1
        self.queue.append((self.tickets, message))
        return self.tickets

    def withdraw(self, ticket: int) -> bool:
        before = len(self.queue)
        self.queue = [one for one in self.queue if one[0] != ticket]
        return len(self.queue) < before

    def send_stream(self, data: memoryview) -> int:
        self.opened += 1
        self.streams[self.opened] = data
        return self.opened

    def stop_stream(self, number: int) -> None:
        self.streams.pop(number, None)

    def frame(self) -> bytes:
        batch, self.queue = self.queue, []
        self.written_tickets = self.tickets
        return b"[" + b",".join(one for _, one in batch) + b"]"


class FakeWorker:
    """Holds values, runs ops, answers; ``log`` has every message it took."""

    def __init__(self, peer: FakePeer, address: str, datasets: dict[str, Any], private: frozenset[str]) -> None:
        self.peer = peer
        self.address = address
        self.link = FakeLink()
        self.store: dict[int | str, Any] = dict(datasets)
        self.datasets = datasets
        self.private = private
        self.tags: dict[int | str, list[str]] = {}
        self.expected: set[int] = set()
        self.parked: list[Any] = []
        self.log: list[Any] = []
        self.frames = 0
        self.streams = 0
        self.mute = False

    # --- in

    def pump(self) -> None:
        if self.link.held or not self.link.queue:
            return
        self.frames += 1
        for message in messages.to_worker(self.link.frame()):
            self.log.append(message)
            self.take(message)

    def take(self, message: Any) -> None:
        try:
            getattr(self, "on_" + type(message).__name__.lower())(message)
        except Missing:
            self.parked.append(message)

    def arrived(self, number: int, value: Any) -> None:
        self.expected.discard(number)
        self.store[number] = value
        parked, self.parked = self.parked, []
        for message in parked:
            self.take(message)

    def named(self, kind: type) -> list[Any]:
        return [one for one in self.log if isinstance(one, kind)]

    # --- out

    def say(self, message: messages.Message) -> None:
        if not self.mute:
            body = b"[" + messages.encode(message) + b"]"
            self.peer.session.batch(self.address, memoryview(body))

    def error(self, number: int, error: Exception, op: str | None = None, n: int = 1) -> None:
        if isinstance(error, Failed):
            cause = messages.Failure(error.first, error.code, str(error), "?")
            self.say(messages.Error(number, error.code, f"not run: {error}", n, op, None, cause))
        else:
            code = getattr(error, "code", None) or op_error_class(error).code
            self.say(messages.Error(number, code, str(error), n, op))

    # --- messages

    def on_open(self, message: messages.Open) -> None:
        told = []
        for name, value in self.datasets.items():
            told.append(
                messages.Described(name, arrays.dtype_name(value.dtype), list(value.shape), value.nbytes, tags=["#own"])
            )
        self.say(messages.Offer(told))

    def value(self, number: int | str) -> Any:
        if number in self.expected:
            raise Missing
        if number not in self.store:
            raise KeyError(f"no object {number}")
        found = self.store[number]
        if isinstance(found, Failed):
            raise found
        return found

    def on_op(self, message: messages.Op) -> None:
        row = TABLE[message.fn]
        ids = range(message.id, message.id + message.n)
        try:
            args = [values.from_json(arg, self.value) for arg in message.args]
            kwargs = {name: values.from_json(arg, self.value) for name, arg in message.kw.items()}
            with np.errstate(all="ignore"):
                results = flatten(row, row.function(*check(row, args, kwargs)[0], **check(row, args, kwargs)[1]))
        except Missing:
            self.expected.update(ids)
            raise
        except Exception as error:
            first = error if isinstance(error, Failed) else Failed(op_error_class(error).code, str(error), ids[0])
            for number in ids:
                self.expected.discard(number)
                self.store[number] = first
            self.error(ids[0], error, message.fn, message.n)
            return
        for number, result in zip(ids, results, strict=True):
            self.arrived(number, result)
            self.done(number, result)
        for number in message.last:
            self.store.pop(number)

    def done(self, number: int, value: Any) -> None:
        if isinstance(value, (np.ndarray, np.generic)):
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            self.say(messages.Done(number, 1, arrays.dtype_name(value.dtype), list(value.shape), kind))
        else:
            self.say(messages.Done(number, kind=type(value).__name__))

    def on_put(self, message: messages.Put) -> None:
        sent = []

        def announced(dtype: Any, shape: Any, nbytes: int, stream: int) -> Any:
            sent.append(stream)
            return np.frombuffer(bytearray(self.link.streams.pop(stream)), dtype).reshape(shape)

        value = values.from_json(message.value, None, announced)
        self.tags[message.id] = list(message.tags)
        self.arrived(message.id, value)
        self.done(message.id, value)
        for stream in [] if self.mute else sent:
            self.peer.session.sent(self.address, stream)

    def on_get(self, message: messages.Get) -> None:
        try:
            value = self.value(message.ref)
        except (Failed, KeyError) as error:
            self.error(message.id, error)
            return
        if message.ref in self.private:
            self.say(messages.Error(message.id, "export_denied", "private", object=message.ref))
            return
        if isinstance(value, np.ndarray) and message.limit is not None and value.nbytes > message.limit:
            self.say(messages.Error(message.id, "too_large_to_fetch", f"{value.nbytes} bytes", object=message.ref))
            return
        out: list[tuple[int, memoryview]] = []

        def stream(array: Any) -> int:
            self.streams += 1
            out.append((self.streams, arrays.raw(array)))
            return self.streams

        self.say(messages.Value(message.id, values.to_json(value, stream)))
        for number, data in [] if self.mute else out:
            for at in range(0, len(data), 1 << 16):
                self.peer.session.chunk(self.address, number, at, data[at : at + (1 << 16)])

    def on_release(self, message: messages.Release) -> None:
        for entry in message.ids:
            for number in [entry] if isinstance(entry, int) else range(entry[0], entry[1] + 1):
                self.store.pop(number, None)

    def on_cancel(self, message: messages.Cancel) -> None:
        for number in message.ids:
            if number in self.expected or number not in self.store:
                self.expected.discard(number)
                self.store[number] = Failed("cancelled", "cancelled", number)
                self.say(messages.Error(number, "cancelled", "cancelled"))

    def on_ask(self, message: messages.Ask) -> None:
        records = []
        if message.about == "objects":
            records = [messages.Described(number) for number in self.store if isinstance(number, int)]
        elif message.about == "search":
            own = [messages.Described(name) for name in self.datasets if set(message.tags) <= {"#own"}]
            tagged = [messages.Described(n) for n, tags in self.tags.items() if set(message.tags) <= set(tags)]
            records = own + [one for one in tagged if one.id in self.store]
        elif message.about == "clear":
            self.store = dict(self.datasets)
        self.say(messages.Answer(message.id, records, {"ops_run": len(self.named(messages.Op))}))

    def on_expect(self, message: messages.Expect) -> None:
        self.expected.add(message.id)

    def on_transfer(self, message: messages.Transfer) -> None:
        if message.ref in self.private:
            self.say(messages.Error(message.id, "export_denied", "private", object=message.ref))
            return
        if self.mute:
            return
        target = self.peer.workers[message.to]
        assert message.as_id in target.expected
        value = self.value(message.ref)
        target.arrived(message.as_id, value)
        target.done(message.as_id, value)
        self.say(messages.Done(message.id))

    def on_fail(self, message: messages.Fail) -> None:
        failed = Failed(message.code, message.message, message.id)
        self.arrived(message.id, failed)
        self.say(messages.Error(message.id, message.code, message.message))

    def on_stop(self, message: messages.Stop) -> None:
        pass


class FakePeer:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.workers: dict[str, FakeWorker] = {}
        self.present: set[str] = set()
        self.closed = False
        self.woken = False

    def add(self, name: str, epoch: str = "aaaa", private: tuple[str, ...] = (), **datasets: Any) -> FakeWorker:
        worker = FakeWorker(self, f"{name}@{epoch}", datasets, frozenset(private))
        self.workers[worker.address] = worker
        self.present.add(worker.address)
        self.session.joined(worker.address, "worker", None)
        return worker

    def link(self, remote: str) -> FakeLink:
        return self.workers[remote].link

    def forget(self, remote: str) -> None:
        if remote in self.workers:
            self.workers[remote].link = FakeLink()

    def flush(self, *links: object) -> None:
        if not self.woken:
            self.woken = True
            asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        self.woken = False
        for worker in list(self.workers.values()):
            worker.pump()

    async def close(self, timeout: float = 5) -> None:
        self.pump()
        self.closed = True


@dataclass(frozen=True)
class House:
    """A session with bob, who owns ``data`` (public) and ``secret`` (private), and alice, who has nothing."""

    session: Session
    peer: FakePeer
    bob: WorkerHandle
    alice: WorkerHandle
    bobs: FakeWorker
    alices: FakeWorker

    async def written(self) -> None:
        """Wait until what is queued for bob has been written, and read there."""
        async with asyncio.timeout(5):
            while self.bob.station.ticking or self.peer.woken:  # noqa: ASYNC110 (as below)
                await asyncio.sleep(0)

    async def until_held(self, *pointers: Any) -> None:
        """Wait until bob holds these values and his data sets, and no others."""
        due = {"data", "secret", *(pointer.id_at_location for pointer in pointers)}
        async with asyncio.timeout(5):
            while set(self.bobs.store) != due:  # noqa: ASYNC110 (the fake has no event to wait for)
                await asyncio.sleep(0.01)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    session = Session(name="s-1")
    peer = FakePeer(session)
    session.attach(peer)
    bobs = peer.add("bob", private=("secret",), data=np.arange(6.0), secret=np.ones(3))
    alices = peer.add("alice")
    yield House(session, peer, await session.worker("bob"), await session.worker("alice"), bobs, alices)
    await session.close()


@pytest.fixture
def ends() -> Callable[..., End]:
    return End
