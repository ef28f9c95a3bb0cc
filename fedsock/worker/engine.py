"""The engine: a worker's whole behaviour as plain synchronous Python. Messages in, instructions out.

It knows no socket, loop, thread or process. ``receive`` and ``chunk`` take what came over a link and give Compute
instructions as ops become ready; whoever runs the engine performs each, at once or in a thread, and feeds the
outcome to ``computed``, which may give further ones. ``replies`` gives what is to be sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fedsock.errors import BadMessage, IdReused, OpCancelled, QuotaExceeded
from fedsock.ops import TABLE, Row
from fedsock.policy.rules import Policy
from fedsock.protocol import messages as m
from fedsock.worker.approvals import Approvals
from fedsock.worker.arrivals import Arrivals
from fedsock.worker.audit import Audit
from fedsock.worker.carriedout import beginnings
from fedsock.worker.catalog import Catalog, owned
from fedsock.worker.datasets import Dataset, budgets, groups, releases_noise
from fedsock.worker.emitting import Streams
from fedsock.worker.exports import Exports
from fedsock.worker.jobs import Aside, Compute, Errand, Instruction, SendValue, Stopped
from fedsock.worker.ledger import Ledger
from fedsock.worker.mocks import Making, Mocks
from fedsock.worker.names import SESSION_PREFIX
from fedsock.worker.permissions import Permissions
from fedsock.worker.planbook import PlanBook
from fedsock.worker.plans import Plans
from fedsock.worker.privately import Privately
from fedsock.worker.questions import Questions
from fedsock.worker.releases import Releases
from fedsock.worker.replies import Replies
from fedsock.worker.requests import Answering, Requests
from fedsock.worker.runner import Runner
from fedsock.worker.state import State
from fedsock.worker.store import GIVEN_UP, LEAF_BYTES, PENDING, Entry, SessionStore
from fedsock.worker.tasks import Task
from fedsock.worker.users import Users

QUOTA_BYTES = 4 << 30
"""What one session may hold at a worker, by default."""

QUOTA_OBJECTS = 1_000_000
"""How many objects one session may hold, by default."""

OP_SECONDS = 86_400
"""How long an op may be expected to take, by default: a day, for what is expected leaves ample room."""


STOP_EVERY = 200
"""Messages after which the answers to them can be counted before more are taken."""


class Engine:
    """A worker's state and behaviour.

    Args:
        name: the worker's name, for error texts.
        datasets: the owner's data, by name.
        policy: decides what may leave; None: what each data set's agreement says.
        quota_bytes: bytes a session may hold.
        quota_objects: objects a session may hold.
        op_seconds: how long an op may be expected to take.
        ledger: counts queries and keeps budgets; None: one that forgets with the process.
        audit: where decisions on private values are written down; None: nowhere.
        approvals: what the owner was asked for; None: some that are forgotten with the process.
        answering: the owner's function that answers requests at once.
        plans: where plans are kept for the owner to read; None: nowhere.
        tasks: the owner's functions, by name.
        table: the ops there are.

    Attributes:
        streams: what running ops stream; who runs the engine says there how values come out of threads.
    """

    def __init__(
        self,
        name: str,
        datasets: Mapping[str, Dataset],
        *,
        policy: Policy | None = None,
        quota_bytes: int = QUOTA_BYTES,
        quota_objects: int = QUOTA_OBJECTS,
        op_seconds: float = OP_SECONDS,
        ledger: Ledger | None = None,
        audit: Audit | None = None,
        approvals: Approvals | None = None,
        answering: Answering | None = None,
        plans: PlanBook | None = None,
        tasks: Mapping[str, Task] = MappingProxyType({}),
        table: Mapping[str, Row] = TABLE,
    ) -> None:
        self.name = name
        self._quotas = (quota_bytes, quota_objects)
        self._datasets = {key: owned(dataset) for key, dataset in datasets.items()}
        self._sessions: dict[str, SessionStore] = {}
        self._users = Users()
        self._cancelled: list[int] = []
        self._replies = Replies()
        agreements = {key: dataset.agreement for key, dataset in datasets.items()}
        policy = policy or Policy(agreements | {task.source: task.agreed for task in tasks.values()})
        ledger = ledger or Ledger(State(), budgets(datasets))
        self._requests = Requests(name, policy, self._replies, approvals or Approvals(State()), answering)
        self._exports = Exports(name, policy, self._replies, ledger, audit, self._requests)
        releases = Releases(policy, ledger, audit, releases_noise(datasets), groups(datasets))
        kept = Plans(op_seconds, (plans or PlanBook(None)).keep)
        admits = self._exports.admits
        privately = Privately(name, policy, releases, beginnings(name, policy, tasks, kept, op_seconds, admits))
        self.streams = Streams(self._replies, self._exports)
        self._runner = Runner(name, table, self._replies, self._exports, privately, op_seconds, self.streams)
        self._requests.compute = self._runner.add
        self._permissions = Permissions(
            name, self._exports, ledger, self._requests, self._replies, kept, tasks, self._find
        )
        self._arrivals = Arrivals(name, self._replies, self._runner)
        self._mocks = Mocks(name, datasets, self._runner)
        self._catalog = Catalog(self._datasets, tuple(self._mocks.entries.values()), tasks)
        self._questions = Questions(self._catalog, self._exports, self._replies, self._find, self._counters)
        self._handlers: dict[type[Any], Callable[[SessionStore, Any], None]] = {
            m.Op: self._op,
            m.Put: self._put,
            m.Get: self._errand,
            m.Transfer: self._errand,
            m.Request: self._errand,
            m.Outcome: self._outcome,
            m.May: self._may,
            m.Release: self._release,
            m.Cancel: self._cancel,
            m.Taken: self._taken,
            m.Ask: self._ask,
            m.Expect: self._expect,
            m.Fail: self._fail,
            m.Open: self._open,
        }

    def introduce(self, peer: str, user: str) -> bool:
        """Take in whose session a peer is, before anything else of it.

        Args:
            peer: its address.
            user: the user's name, from the hub.

        Returns:
            False when what the session holds here is another user's: it must be forgotten first.
        """
        store = self._sessions.get(peer)
        if store is None:
            self._users.note(peer, user)
            return True
        if not store.user:
            store.user = user
        return store.user == user

    def receive(self, peer: str, batch: Sequence[m.ToWorker]) -> Iterator[Compute | None]:
        """Take a batch of messages from a peer; yields what is to be computed, and None wherever one may stop.

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
        cancelled = self._cancelled = sorted(
            {id for message in batch if type(message) is m.Cancel for id in message.ids}
        )
        for number, message in enumerate(batch, 1):
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
            if not number % STOP_EVERY:
                yield None
                # Others' batches may have been taken since.
                self._cancelled = cancelled
                store = self._sessions.get(peer)

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
        self._arrivals.chunk(peer, stream, at, data)
        return self._runner.take()

    def computed(self, compute: Compute, result: Any, error: Exception | None) -> Sequence[Compute]:
        """Take the outcome of a Compute; returns what became ready by it.

        Args:
            compute: the instruction.
            result: what its function returned.
            error: what it raised, or None.
        """
        job = compute.job
        if type(job) is Making:
            self._mocks.made(job, result, error)
        elif type(job) is Aside:
            job.then()
        elif not self.streams.computed(compute, result, error):
            self._runner.computed(compute, result, error)
        return self._runner.take()

    def go_on(self) -> Sequence[Compute]:
        """Take the outcomes of ops of which all that they streamed is written; returns what became ready by them."""
        for outcome in self.streams.outcomes():
            self._runner.computed(*outcome)
        return self._runner.take()

    def replies(self) -> list[Instruction]:
        """Return what is to be sent since the last call, in order."""
        return self._exports.take()

    def written(self, value: SendValue) -> None:
        """Note that a value was turned into a message, or never will be: its memory may go."""
        self._exports.written(value)

    def forget(self, peer: str) -> Sequence[Compute]:
        """Drop all that belongs to a session, or is on its way from a peer, whose link is over.

        What was on its way to other sessions fails there; returns what became ready by it.

        Args:
            peer: its address.
        """
        store = self._sessions.pop(peer, None)
        if store is not None:
            store.over = True
            self.streams.forget(store)
            self._requests.forget(store)
            # It may begin anew by the socket that it has, and the hub introduces it once a socket.
            self._users.note(peer, store.user)
        self._arrivals.lost(peer, store)
        return self._runner.take()

    @property
    def awaits_owner(self) -> bool:
        """Whether somebody waits for an answer of the owner's: then ``look`` from time to time."""
        return self._requests.awaited

    def look(self) -> None:
        """See whether the owner answered a request; ``replies`` tells those who wait."""
        self._requests.look()

    @property
    def sessions(self) -> int:
        """How many sessions hold something here."""
        return len(self._sessions)

    def _new_session(self, peer: str) -> SessionStore:
        store = self._sessions[peer] = SessionStore(peer, *self._quotas, self._users.take(peer))
        return store

    # ---- ops, values and requests

    def _find(self, store: SessionStore, ref: int | str) -> Entry | None:
        if isinstance(ref, str):
            return self._datasets.get(ref) or self._mocks.find(store, ref)
        entry = store.entries.get(ref)
        return None if entry is not None and entry.state is GIVEN_UP else entry

    def _use(self, store: SessionStore, id: int, n: int = 1) -> None:
        if id <= store.last_id:
            raise IdReused(f"id {id} is not above {store.last_id}, the highest so far")
        store.last_id = id + n - 1

    def _op(self, store: SessionStore, op: m.Op) -> None:
        self._use(store, op.id, op.n)
        cancelled = False
        if self._cancelled:
            place = bisect_left(self._cancelled, op.id)
            cancelled = place < len(self._cancelled) and self._cancelled[place] < op.id + op.n
        self._runner.submit(store, op, lambda ref: self._find(store, ref), cancelled)

    def _put(self, store: SessionStore, put: m.Put) -> None:
        entry = self._new_entry(store, put.id, (*put.tags, put.description))
        if entry is None:
            self._arrivals.refuse(put.value, store.address)
            return
        entry.tags, entry.description = tuple(put.tags), put.description
        self._arrivals.take(store, entry, put.value, store.address)

    def _new_entry(self, store: SessionStore, id: int, words: Sequence[str] = ()) -> Entry | None:
        """Return a new pending entry; None, the failure told, where the quota has no room for it and its words."""
        self._use(store, id)
        nbytes = sum(LEAF_BYTES + len(word.encode()) for word in words if word)
        try:
            store.check_objects(1)
            store.check_bytes(nbytes)
        except QuotaExceeded as error:
            self._replies.send(store.address, m.Error(id, error.code, f"{self.name}: {error}"))
            return None
        entry = store.add(id)
        entry.words = nbytes
        store.charge(entry, nbytes)
        return entry

    def _errand(self, store: SessionStore, request: m.Get | m.Transfer | m.Request) -> None:
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
            else:
                for id in store.between(*item):  # type: ignore[misc]
                    self._drop(store, id)

    def _drop(self, store: SessionStore, id: int) -> None:
        entry = store.unlist(id)
        if entry is not None and entry.maker is not None and entry.maker.stream is not None:
            entry.maker.stream.emitter.unheard()
        if entry is not None and entry.arriving and not entry.holds:
            self._arrivals.abandon(entry)

    def _cancel(self, store: SessionStore, cancel: m.Cancel) -> None:
        for id in cancel.ids:
            entry = store.entries.get(id)
            if entry is None or entry.state is not PENDING:
                continue
            if entry.maker is not None:
                self._runner.cancel(entry.maker, id)
            else:
                store.expected.pop(id, None)
                self._arrivals.abandon(entry)
                self._runner.fail_entry(store, entry, OpCancelled.code, f"{id} was cancelled")

    def _taken(self, store: SessionStore, taken: m.Taken) -> None:
        entry = store.entries.get(taken.id)
        if entry is not None and entry.maker is not None and entry.maker.stream is not None:
            entry.maker.stream.emitter.taken(taken.number)

    # ---- from worker to worker

    def _expect(self, store: SessionStore, expect: m.Expect) -> None:
        entry = self._new_entry(store, expect.id)
        if entry is not None:
            store.expected[expect.id] = (expect.sender, entry)

    def _deliver(self, peer: str, deliver: m.Deliver) -> None:
        store = self._sessions.get(deliver.session)
        sender, entry = (None, None) if store is None else store.expected.get(deliver.id, (None, None))
        if store is None or entry is None or sender != peer:
            # Nobody expects it (any more).
            self._arrivals.refuse(deliver.value, peer)
            return
        del store.expected[deliver.id]
        self._arrivals.take(store, entry, deliver.value, peer)

    def _fail(self, store: SessionStore, fail: m.Fail) -> None:
        _, entry = store.expected.pop(fail.id, (None, None))
        if entry is not None:
            self._runner.fail_entry(store, entry, fail.code, fail.message)

    # ---- questions

    def _open(self, store: SessionStore, open: m.Open) -> None:
        for offer in self._catalog.offers():
            self._replies.send(store.address, offer)

    def _ask(self, store: SessionStore, ask: m.Ask) -> None:
        self._use(store, ask.id)
        if ask.about == "clear":
            for id in list(store.entries):
                self._drop(store, id)
        self._questions.ask(store, ask)

    def _outcome(self, store: SessionStore, question: m.Outcome) -> None:
        self._use(store, question.id)
        self._requests.outcome(store, question)

    def _may(self, store: SessionStore, may: m.May) -> None:
        self._use(store, may.id)
        self._permissions.answer(store, may)

    def _counters(self) -> dict[str, int]:
        return {"ops_run": self._runner.ops_run, "sessions": len(self._sessions)}
