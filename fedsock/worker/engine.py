"""The engine: a worker's whole behaviour as plain synchronous Python. Messages in, instructions out.

It knows no socket, loop, thread or process. ``receive`` and ``chunk`` take what came over a link and give Compute
instructions as ops become ready; whoever runs the engine performs each, at once or in a thread, and feeds the
outcome to ``computed``, which may give further ones. ``replies`` gives what is to be sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fedsock.errors import BadMessage, IdReused, QuotaExceeded, WorkerLost
from fedsock.ops import TABLE, Row
from fedsock.policy.rules import Policy
from fedsock.protocol import messages as m
from fedsock.protocol.arrays import Incoming
from fedsock.protocol.values import from_json
from fedsock.worker.datasets import Dataset
from fedsock.worker.exports import Exports
from fedsock.worker.jobs import Compute, Errand, Instruction, Stopped
from fedsock.worker.names import SESSION_PREFIX
from fedsock.worker.replies import Replies
from fedsock.worker.runner import Runner
from fedsock.worker.store import GIVEN_UP, PENDING, READY, Entry, Filling, SessionStore, size_of

QUOTA_BYTES = 4 << 30
"""What one session may hold at a worker, by default."""

QUOTA_OBJECTS = 1_000_000
"""How many objects one session may hold, by default."""


class Engine:
    """A worker's state and behaviour.

    Args:
        name: the worker's name, for error texts.
        datasets: the owner's data, by name.
        policy: decides what may leave.
        quota_bytes: bytes a session may hold.
        quota_objects: objects a session may hold.
        table: the ops there are.
    """

    def __init__(
        self,
        name: str,
        datasets: Mapping[str, Dataset],
        *,
        policy: Policy | None = None,
        quota_bytes: int = QUOTA_BYTES,
        quota_objects: int = QUOTA_OBJECTS,
        table: Mapping[str, Row] = TABLE,
    ) -> None:
        self.name = name
        self._quotas = (quota_bytes, quota_objects)
        self._datasets = {key: _owned(dataset) for key, dataset in datasets.items()}
        self._sessions: dict[str, SessionStore] = {}
        self._filling: dict[tuple[str, int], Filling] = {}
        self._cancelled: set[int] = set()
        self._replies = Replies()
        self._exports = Exports(name, policy or Policy(), self._replies)
        self._runner = Runner(name, table, self._replies, self._exports)
        self._started = time.time()
        self._handlers: dict[type[Any], Callable[[SessionStore, Any], None]] = {
            m.Op: self._op,
            m.Put: self._put,
            m.Get: self._errand,
            m.Transfer: self._errand,
            m.Release: self._release,
            m.Cancel: self._cancel,
            m.Ask: self._ask,
            m.Expect: self._expect,
            m.Fail: self._fail,
            m.Open: self._open,
        }

    def receive(self, peer: str, batch: Sequence[m.ToWorker]) -> Iterator[Compute]:
        """Take a batch of messages from a peer; yields what is to be computed.

        Args:
            peer: its address.
            batch: the messages, in order.

        Raises:
            BadMessage: a message that makes no sense; what came before it stands.
            IdReused: an id that is not above all before it on this link.
        """
        store = None
        take = self._runner.take
        # An op and its Cancel may come in one batch: the op isn't run.
        self._cancelled = {id for message in batch if type(message) is m.Cancel for id in message.ids}
        for message in batch:
            kind = type(message)
            if kind is m.Deliver:
                self._deliver(peer, message)  # type: ignore[arg-type]
            elif kind is m.Stop:
                self._replies.add(Stopped(peer, message.stream))  # type: ignore[union-attr]
            else:
                if store is None:
                    store = self._sessions.get(peer) or self._new_session(peer)
                self._handlers[kind](store, message)
            # Before the next message: what a chain of ops needs is there then, and none of them is parked.
            yield from take()

    def chunk(self, peer: str, stream: int, at: int, data: memoryview) -> Sequence[Compute]:
        """Take a chunk of a stream, one that nobody waits for any more is dropped; returns what became ready.

        Args:
            peer: the sender's address.
            stream: the stream's number on that link.
            at: offset in bytes.
            data: the bytes; they are copied.

        Raises:
            BadMessage: it doesn't fit its stream.
        """
        filling = self._filling.get((peer, stream))
        if filling is None:
            return ()
        filling.incoming.write(at, data)
        if filling.incoming.complete:
            del self._filling[peer, stream]
            entry = filling.entry
            entry.missing -= 1
            if not entry.missing:
                self._arrived(self._sessions[filling.session], entry)
        return self._runner.take()

    def computed(self, compute: Compute, result: Any, error: Exception | None) -> Sequence[Compute]:
        """Take the outcome of a Compute; returns what became ready by it.

        Args:
            compute: the instruction.
            result: what its function returned.
            error: what it raised, or None.
        """
        self._runner.computed(compute, result, error)
        return self._runner.take()

    def replies(self) -> list[Instruction]:
        """Return what is to be sent since the last call, in order."""
        return self._replies.take()

    def forget(self, peer: str) -> Sequence[Compute]:
        """Drop all that belongs to a session, or is on its way from a peer, whose link is over.

        What was on its way to other sessions fails there; returns what became ready by it.

        Args:
            peer: its address.
        """
        store = self._sessions.pop(peer, None)
        if store is not None:
            for entry in store.entries.values():
                if entry.maker is not None:
                    entry.maker.over = True
        for key, filling in list(self._filling.items()):
            if filling.session == peer:
                del self._filling[key]
                self._replies.send(key[0], m.Stop(key[1]))
            elif key[0] == peer:
                del self._filling[key]
                if filling.entry.state is PENDING:
                    text = f"{peer} was lost while it sent the value"
                    owner = self._sessions[filling.session]
                    self._runner.fail_entry(owner, filling.entry, WorkerLost.code, text)
        return self._runner.take()

    @property
    def sessions(self) -> int:
        """How many sessions hold something here."""
        return len(self._sessions)

    def _new_session(self, peer: str) -> SessionStore:
        store = self._sessions[peer] = SessionStore(peer, *self._quotas)
        return store

    # ---- ops, values and requests

    def _find(self, store: SessionStore, ref: int | str) -> Entry | None:
        if type(ref) is not int:
            return self._datasets.get(ref)  # type: ignore[arg-type]
        entry = store.entries.get(ref)
        return None if entry is not None and entry.state is GIVEN_UP else entry

    def _use(self, store: SessionStore, id: int, n: int = 1) -> None:
        if id <= store.last_id:
            raise IdReused(f"id {id} is not above {store.last_id}, the highest so far")
        store.last_id = id + n - 1

    def _op(self, store: SessionStore, op: m.Op) -> None:
        self._use(store, op.id, op.n)
        cancelled = bool(self._cancelled) and not self._cancelled.isdisjoint(range(op.id, op.id + op.n))
        self._runner.submit(store, op, lambda ref: self._find(store, ref), cancelled)

    def _put(self, store: SessionStore, put: m.Put) -> None:
        self._use(store, put.id)
        entry = store.add(put.id)
        entry.tags, entry.description = tuple(put.tags), put.description
        self._take_value(store, entry, put.value, store.address)

    def _take_value(self, store: SessionStore, entry: Entry, tree: Any, peer: str) -> None:
        """Read a value into its entry; the streams that carry its arrays come from ``peer``."""
        announced: list[int] = []

        def incoming(dtype: Any, shape: tuple[int, ...], nbytes: int, stream: int) -> Any:
            if (peer, stream) in self._filling or stream in announced:
                raise BadMessage("a stream is announced twice")
            announced.append(stream)
            store.charge(entry, max(entry.charge, 0) + nbytes)
            filling = Filling(Incoming(dtype, shape), entry, store.address)
            self._filling[peer, stream] = filling
            entry.missing += 1
            return filling.incoming.array

        try:
            store.check_objects(0)
            entry.value = from_json(tree, None, incoming)
            store.charge(entry, size_of(entry.value))
        except (QuotaExceeded, MemoryError) as error:
            for stream in announced:
                self._filling.pop((peer, stream), None)
                self._replies.send(peer, m.Stop(stream))
            entry.value, entry.missing = None, 0
            store.charge(entry, 0)
            text = str(error) if isinstance(error, QuotaExceeded) else "the worker has no memory for it"
            self._runner.fail_entry(store, entry, QuotaExceeded.code, f"{self.name}: {text}")
        else:
            if not entry.missing:
                self._arrived(store, entry)

    def _arrived(self, store: SessionStore, entry: Entry) -> None:
        entry.state = READY
        if entry.listed:
            self._replies.done(store.address, entry)
        self._runner.released(store, entry)

    def _errand(self, store: SessionStore, request: m.Get | m.Transfer) -> None:
        self._use(store, request.id)
        entry = self._find(store, request.ref)
        if isinstance(request, m.Transfer):
            if request.to.startswith(SESSION_PREFIX):
                raise BadMessage("values are delivered to workers only")
            if not store.reaches(request.to):
                self._exports.too_far(store, request)
                return
        if entry is None:
            self._exports.unknown(store, request.id, request.ref)
            return
        entry.holds += 1
        errand = Errand(store, request, entry)
        if entry.state is PENDING:
            entry.waiting = entry.waiting or []
            entry.waiting.append(errand)
        else:
            self._exports.answer(errand)

    def _release(self, store: SessionStore, release: m.Release) -> None:
        for item in release.ids:
            if type(item) is int:
                self._drop(store, item)
                continue
            first, last = item  # type: ignore[misc]
            if last - first <= len(store.entries):
                for id in range(first, last + 1):
                    self._drop(store, id)
            else:
                for id in [id for id in store.entries if first <= id <= last]:
                    self._drop(store, id)

    def _drop(self, store: SessionStore, id: int) -> None:
        entry = store.unlist(id)
        if entry is not None and entry.missing and not entry.holds:
            entry.missing = 0
            for key in [key for key, filling in self._filling.items() if filling.entry is entry]:
                del self._filling[key]
                self._replies.send(key[0], m.Stop(key[1]))

    def _cancel(self, store: SessionStore, cancel: m.Cancel) -> None:
        for id in cancel.ids:
            entry = store.entries.get(id)
            if entry is not None and entry.state is PENDING:
                self._runner.cancel(store, entry)

    # ---- from worker to worker

    def _expect(self, store: SessionStore, expect: m.Expect) -> None:
        self._use(store, expect.id)
        store.add(expect.id)
        store.expected[expect.id] = expect.sender

    def _deliver(self, peer: str, deliver: m.Deliver) -> None:
        store = self._sessions.get(deliver.session)
        if store is None or store.expected.get(deliver.id) != peer:
            return  # Nobody expects it (any more): its streams have no takers and are dropped.
        del store.expected[deliver.id]
        self._take_value(store, store.entries[deliver.id], deliver.value, peer)

    def _fail(self, store: SessionStore, fail: m.Fail) -> None:
        if store.expected.pop(fail.id, None) is not None:
            self._runner.fail_entry(store, store.entries[fail.id], fail.code, fail.message)

    # ---- questions

    def _open(self, store: SessionStore, open: m.Open) -> None:
        self._replies.send(store.address, m.Offer([entry.describe() for entry in self._datasets.values()]))

    def _ask(self, store: SessionStore, ask: m.Ask) -> None:
        self._use(store, ask.id)
        records: list[m.Described] = []
        stats: dict[str, int] = {}
        if ask.about == "stats":
            stats = {
                "ops_run": self._runner.ops_run,
                "objects": store.objects,
                "bytes": store.nbytes,
                "quota_bytes": store.quota_bytes,
                "quota_objects": store.quota_objects,
                "sessions": len(self._sessions),
                "uptime_seconds": int(time.time() - self._started),
            }
        elif ask.about == "objects":
            records = [entry.describe() for entry in store.entries.values() if _told(entry)]
        elif ask.about == "search":
            wanted = set(ask.tags)
            everything = [*self._datasets.values(), *store.entries.values()]
            records = [e.describe() for e in everything if wanted <= set(e.tags) and _told(e)]
        elif ask.about == "clear":
            for id in list(store.entries):
                self._drop(store, id)
        self._replies.send(store.address, m.Answer(ask.id, records, stats))


def _told(entry: Entry) -> bool:
    return entry.state is READY and not entry.withheld


def _owned(dataset: Dataset) -> Entry:
    entry = Entry(dataset.name, facts=dataset.facts)
    entry.state, entry.value, entry.shared = READY, dataset.array, True
    entry.tags, entry.description = tuple(dataset.tags), dataset.description
    return entry
