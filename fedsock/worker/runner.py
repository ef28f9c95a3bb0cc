"""Running ops: from an op's message to its results' entries, in the order that its inputs allow. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from fedsock.errors import FedsockError, OpCancelled, OpValueError, QuotaExceeded
from fedsock.ops import Bound, Row, check, flatten, seconds
from fedsock.ops.schema import INT_MAX, INT_MIN, PLAIN_TYPES
from fedsock.policy.facts import OPEN, combine
from fedsock.protocol.messages import Error, Failure, Op
from fedsock.worker.arguments import held_value, read_arguments, resolve
from fedsock.worker.carriedout import CARRIED_OUT
from fedsock.worker.emitting import Streams
from fedsock.worker.exports import Exports
from fedsock.worker.failures import cut, failed_because, failure_of, too_long, why_unrunnable
from fedsock.worker.jobs import Aside, Compute, Errand, Job
from fedsock.worker.privately import Privately
from fedsock.worker.replies import Replies
from fedsock.worker.store import FAILED, GIVEN_UP, PENDING, READY, Entry, SessionStore, size_of
from fedsock.worker.trees import TREES, call_apart

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})


class Runner:
    """Submits ops, parks them until their inputs are there, and stores what comes of them.

    Args:
        name: the worker's name.
        table: the ops there are.
        replies: where answers go.
        exports: answers requests that waited for a value.
        privately: starts what has private inputs.
        op_seconds: how long an op may be expected to take; numpy can't be stopped on its way.
        streams: what ops stream while they run.

    Attributes:
        ops_run: ops computed since the worker started.
    """

    def __init__(
        self,
        name: str,
        table: Mapping[str, Row],
        replies: Replies,
        exports: Exports,
        privately: Privately,
        op_seconds: float,
        streams: Streams,
    ) -> None:
        self._name = name
        self._table = table
        self._replies = replies
        self._exports = exports
        self._privately = privately
        self._op_seconds = op_seconds
        self._streams = streams
        self._ready: list[Compute] = []
        # Jobs whose inputs are all there, or failed: a queue, for a failure may bring down a chain of any length.
        self._startable: deque[Job] = deque()
        self.ops_run = 0

    def take(self) -> Sequence[Compute]:
        """Return what can be computed now; each is returned once."""
        if not self._ready:
            return ()
        ready, self._ready = self._ready, []
        return ready

    def add(self, compute: Compute) -> None:
        """Have something computed that is no op."""
        self._ready.append(compute)

    def submit(
        self, store: SessionStore, op: Op, find: Callable[[int | str], Entry | None], cancelled: bool = False
    ) -> None:
        """Take an op, to be computed as soon as its inputs are there.

        Args:
            store: whose op it is.
            op: its message.
            find: id or name -> entry.
            cancelled: it was cancelled before it came to be run.

        Raises:
            BadMessage: an argument that stands for nothing.
        """
        row = self._table.get(op.fn)
        if not cancelled and row is not None and self._submit_plain(store, op, row):
            return
        try:
            self._check_count(store, op, row)
        except FedsockError as error:
            # It gets no entries: a few bytes of message must not take the memory of a million of them.
            told = Error(op.id, error.code, f"{op.fn} at {self._name}: {error}", n=op.n, op=op.fn)
            self._replies.send(store.address, told)
            return
        job = Job(store, op, row, [])
        unknown = read_arguments(job, find)
        for id in range(op.id, op.id + op.n):
            entry = store.add(id)
            entry.maker = job
            job.results.append(entry)
        missing = 0
        for entry in job.inputs:
            entry.holds += 1
            missing += entry.state is PENDING
        if cancelled or row is None or unknown is not None:
            self._fail(job, why_unrunnable(self._name, job, cancelled, unknown))
            self._start_all()
        elif missing:
            self._park(job, missing)
        else:
            self._start(job)
            if self._startable:
                self._start_all()

    def _check_count(self, store: SessionStore, op: Op, row: Row | None) -> None:
        """Refuse an op with more results than it has, or than there is room for."""
        store.check_objects(op.n)
        if row is not None and isinstance(row.results, int) and op.n != row.results:
            raise OpValueError(f"its results are {row.results}, not {op.n}")

    def _park(self, job: Job, missing: int) -> None:
        """Keep an op until its inputs are there; what it brought with it counts meanwhile."""
        texts = sum(len(arg) for arg in job.op.args if type(arg) is str)
        try:
            job.store.charge(job.results[0], job.weight + texts)
        except QuotaExceeded as error:
            self._fail(job, error)
            self._start_all()
            return
        job.missing = missing
        for entry in job.inputs:
            if entry.state is PENDING:
                entry.waiting = entry.waiting or []
                entry.waiting.append(job)

    def _submit_plain(self, store: SessionStore, op: Op, row: Row) -> bool:
        """Take an op as most are, in one pass; return False, with nothing done, when it is none of those.

        That is one result, arguments by position, each a number or an open value of this session that is there. What
        comes of it is the same as on the general road.
        """
        if (
            not op.n == 1 == row.results
            or op.kw
            or op.last
            or store.objects >= store.quota_objects
            or len(op.args) not in row.plain
        ):
            return False
        entries = store.entries
        args: list[Any] = []
        values: list[Any] = []
        inputs: list[Entry] = []
        for value in op.args:
            if type(value) is dict:
                if len(value) != 1 or type(ref := value.get("$")) is not int or (entry := entries.get(ref)) is None:
                    return False
                if entry.state is not READY or entry.facts is not OPEN:
                    return False
                inputs.append(entry)
                args.append(entry)
                value = entry.value
            else:
                args.append(value)
            kind = type(value)
            if kind not in PLAIN_TYPES and (kind is not int or not INT_MIN <= value <= INT_MAX):
                return False
            values.append(value)
        bound = row.bound(*values)
        nbytes = bound.nbytes
        if store.nbytes + nbytes > store.quota_bytes:
            return False
        cost = seconds(row, bound, values, NO_KWARGS)
        if cost > self._op_seconds:
            return False
        for entry in inputs:
            entry.holds += 1
        result = entries[op.id] = Entry(op.id)
        result.charge = nbytes
        store.nbytes += nbytes
        store.objects += 1
        job = result.maker = Job(store, op, row, [result], args, inputs)
        self._compute(job, row, values, NO_KWARGS, cost)
        return True

    def computed(self, compute: Compute, result: Any, error: Exception | None) -> None:
        """Store what came of a Compute."""
        job = compute.job
        self.ops_run += 1
        if job.over or job.store.over:
            self._let_go(job)
            return
        results = job.results
        if job.weight:
            job.store.charge(results[0], results[0].charge - job.weight)
        if error is None:
            try:
                assert job.row is not None  # noqa: S101  # only ops with a row are computed
                values = flatten(job.row, result)
                if len(values) != len(results):
                    raise OpValueError(f"its results are {len(values)}, not {len(results)}")
                self._charge(job, values)
            except FedsockError as refused:
                error = refused
                if job.writing:
                    self._give_up(job)
        elif job.writing:
            # Rows write in place only what can't fail half way, so this was never begun.
            job.args[0].state = READY
        if error is not None:
            self._fail(job, error)
        else:
            for entry, value in zip(results, values, strict=True):
                entry.value = value
                entry.state = READY
                entry.maker = None
            if job.op.last:
                self._give_up(job)
            self._let_go(job)
            self._tell(job)
        if self._startable:
            self._start_all()

    def released(self, store: SessionStore, entry: Entry) -> None:
        """Let go on what waited for an entry that is no longer pending.

        Args:
            store: whose entry it is.
            entry: ready or failed.
        """
        self._release(store, entry)
        self._start_all()

    def _release(self, store: SessionStore, entry: Entry) -> None:
        waiting, entry.waiting = entry.waiting, None
        for waiter in waiting or ():
            if isinstance(waiter, Errand):
                self._exports.answer(waiter)
                continue
            waiter.missing -= 1
            if not waiter.missing:
                self._startable.append(waiter)
        store.settle(entry)

    def fail_entry(self, store: SessionStore, entry: Entry, code: str, message: str) -> None:
        """Fail an entry that no op makes (an upload, a delivery)."""
        entry.state, entry.value = FAILED, None
        entry.failure = Failure(int(entry.id), code, cut(message))
        store.charge(entry, entry.words)
        if entry.listed:
            self._replies.send(store.address, Error(int(entry.id), code, message))
        self.released(store, entry)

    def cancel(self, job: Job, id: int) -> None:
        """Fail an op that isn't over, and what depends on it; one that may be writing in place goes on.

        Args:
            job: the op.
            id: of the result that is not wanted.
        """
        if not (job.over or job.writing):
            job.over = True
            self._streams.stop(job)
            self._settle_failure(job, Failure(job.op.id, OpCancelled.code, f"{id} was cancelled", job.op.fn), None)
            self._start_all()

    # ---- starting

    def _start_all(self) -> None:
        while self._startable:
            job = self._startable.popleft()
            if job.over or job.store.over:
                self._let_go(job)
            else:
                self._start(job)

    def _start(self, job: Job) -> None:
        row = job.row
        assert row is not None  # noqa: S101  # parked ops have a row
        private, told = False, None
        for entry in job.inputs:
            private = private or entry.facts is not OPEN
            if type(entry.value) in TREES:
                job.nested = True
            if entry.withheld:
                job.withheld = True
                job.failure = job.failure or entry.failure
            elif entry.state is FAILED:
                told = told or entry.failure
        if private:
            facts = combine(entry.facts for entry in job.inputs)
            for entry in job.results:
                entry.facts = facts
        if told is not None:
            # What was told already makes what depends on it fail aloud, whatever else is withheld.
            job.withheld = False
            self._settle_failure(job, told, told)
            return
        if private or row.name in CARRIED_OUT:
            self._start_apart(job, row)
            return
        args, kwargs = resolve(job, held_value)
        try:
            checked = check(row, args, kwargs)
            bound = row.bound(*checked[0], **checked[1])
            cost = self._afford(job, row, bound, *checked)
        except Exception as error:
            self._fail(job, error)
            return
        self._compute(job, row, checked[0], checked[1], cost)

    def _start_apart(self, job: Job, row: Row) -> None:
        """Start an op with a private input, one that is made for such, or a plan."""
        try:
            compute = self._privately.begin(job, row, self._afford)
        except Exception as error:
            job.withheld, job.failure = False, None
            self._fail(job, error)
            return
        if type(compute.job) is Aside:
            compute.job.followed_by(lambda: self._startable.append(job))
            compute.job.followed_by(self._start_all)
        elif row.streams:
            emitter = self._streams.begin(job)  # a failure that is withheld too says that nothing is streamed
            if job.failure is None:
                compute.kwargs = {**compute.kwargs, "emit": emitter}
        self._ready.append(compute)

    def _afford(self, job: Job, row: Row, bound: Bound, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
        """Charge what an op takes at most, and return how long; raises where it would take too much or too long."""
        job.store.charge(job.results[0], bound.nbytes + job.weight)
        cost = seconds(row, bound, args, kwargs)
        if cost > self._op_seconds:
            raise too_long(cost, self._op_seconds)
        return cost

    def _compute(self, job: Job, row: Row, args: Any, kwargs: Any, cost: float) -> None:
        if row.in_place:
            job.writing = job.may_overwrite()
            if job.writing:
                # From now on nothing may read it, not even what comes before the op is over.
                job.args[0].state = GIVEN_UP
            kwargs = {**kwargs, "overwrite": job.writing}
        if row.streams:
            kwargs = {**kwargs, "emit": self._streams.begin(job)}
        function = row.function
        if job.nested and not job.writing:
            function = partial(call_apart, function, [entry.value for entry in job.inputs])
        self._ready.append(Compute(job, function, args, kwargs, cost))

    # ---- ending

    def _charge(self, job: Job, values: Sequence[Any]) -> None:
        if not job.withheld:
            for entry, value in zip(job.results, values, strict=True):
                job.store.charge(entry, size_of(value))
        elif job.results[0].run is not None:  # a task's result: there is no bound, and its size is not told
            job.store.hide(job.results[0], sum(map(size_of, values)))
        elif sum(map(size_of, values)) > job.results[0].charge:
            raise QuotaExceeded("the result is larger than its public bound")

    def _tell(self, job: Job) -> None:
        store = job.store
        for entry in job.results:
            if job.withheld:
                entry.withheld = True
            if entry.listed:
                self._replies.done(store.address, entry)
            if entry.waiting is not None:
                self._release(store, entry)
            elif not entry.listed:
                store.settle(entry)

    def _fail(self, job: Job, error: Exception) -> None:
        self._settle_failure(job, job.failure or failure_of(self._name, job, error), None)

    def _settle_failure(self, job: Job, failure: Failure, cause: Failure | None) -> None:
        """Give a job's results their failure; tell it unless it is withheld."""
        store = job.store
        for entry in job.results:
            entry.state = FAILED
            entry.maker = None
            entry.failure = failure
            entry.withheld = job.withheld
        if job.withheld:
            self._give_up(job)
        else:
            store.charge(job.results[0], 0)
            op = job.op
            told = failed_because(op.id, op.n, failure, op.fn if cause is not None else None)
            self._replies.send(store.address, told)
        if not job.missing:
            self._let_go(job)
        for entry in job.results:
            if job.withheld and entry.listed:
                self._replies.done(store.address, entry)
            self._release(store, entry)

    def _give_up(self, job: Job) -> None:
        """Forget what the session gave up with this op."""
        for id in job.op.last:
            job.store.unlist(id)

    def _let_go(self, job: Job) -> None:
        inputs, job.inputs = job.inputs, []
        for entry in inputs:
            entry.holds -= 1
            if not (entry.listed or entry.holds):
                job.store.settle(entry)
