"""Running ops: from an op's message to its results' entries, in the order that its inputs allow. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fedsock.errors import (
    FedsockError,
    OpCancelled,
    OpValueError,
    QuotaExceeded,
    UnknownObject,
    UnknownOp,
    op_error_class,
)
from fedsock.ops import Row, check, depends_on_values, flatten, seconds
from fedsock.policy.facts import OPEN, combine
from fedsock.protocol.messages import Error, Failure, Op
from fedsock.worker.arguments import held_value, private_places, read_arguments, resolve, shown, stand_in
from fedsock.worker.exports import Exports, failed_because
from fedsock.worker.jobs import Compute, Errand, Job
from fedsock.worker.replies import Replies
from fedsock.worker.store import FAILED, PENDING, READY, Entry, SessionStore, size_of

MESSAGE_CHARS = 500
"""Of what numpy says of a failure, at most this much is passed on."""


class Runner:
    """Submits ops, parks them until their inputs are there, and stores what comes of them.

    Args:
        name: the worker's name.
        table: the ops there are.
        replies: where answers go.
        exports: answers requests that waited for a value.

    Attributes:
        ops_run: ops computed since the worker started.
    """

    def __init__(self, name: str, table: Mapping[str, Row], replies: Replies, exports: Exports) -> None:
        self._name = name
        self._table = table
        self._replies = replies
        self._exports = exports
        self.ops_run = 0

    def submit(
        self, store: SessionStore, op: Op, find: Callable[[int | str], Entry | None], cancelled: bool = False
    ) -> Iterator[Compute]:
        """Take an op; yields its Compute if it can start now.

        Args:
            store: whose op it is.
            op: its message.
            find: id or name -> entry.
            cancelled: it was cancelled before it came to be run.

        Raises:
            BadMessage: an argument that stands for nothing.
        """
        job = Job(store, op, self._table.get(op.fn), [])
        unknown = read_arguments(job, find)
        job.results = [store.add(id) for id in range(op.id, op.id + op.n)]
        for entry in job.results:
            entry.maker = job
        for entry in job.inputs:
            entry.holds += 1
        try:
            if cancelled:
                raise OpCancelled(f"{op.id} was cancelled")
            store.check_objects(0)
            if job.row is None:
                raise UnknownOp(f"{self._name} has no op {op.fn!r}; python -m fedsock.ops lists those there are")
            if unknown is not None:
                raise UnknownObject(f"{self._name} holds no object {unknown!r} of this session")
        except FedsockError as error:
            yield from self._fail(job, error)
            return
        for entry in job.inputs:
            if entry.state is PENDING:
                job.missing += 1
                entry.waiting = entry.waiting or []
                entry.waiting.append(job)
        if not job.missing:
            yield from self._start(job)

    def computed(self, compute: Compute, result: Any, error: Exception | None) -> Iterator[Compute]:
        """Store what came of a Compute; yields what became ready by it."""
        job = compute.job
        self.ops_run += 1
        if job.over:
            self._let_go(job)
            return
        values: list[Any] = []
        if error is None:
            try:
                assert job.row is not None  # noqa: S101  # only ops with a row are computed
                values = flatten(job.row, result)
                if len(values) != len(job.results):
                    raise OpValueError(f"{job.op.fn} gives {len(values)} results, not {len(job.results)}")
                self._charge(job, values)
            except FedsockError as refused:
                error = refused
        if error is not None:
            yield from self._fail(job, error)
            return
        for entry, value in zip(job.results, values, strict=True):
            entry.value = value
            entry.state = READY
            entry.maker = None
        self._give_up(job)
        self._let_go(job)
        yield from self._tell(job)

    def released(self, store: SessionStore, entry: Entry) -> Iterator[Compute]:
        """Let go on what waited for an entry that is no longer pending; yields what can start now.

        Args:
            store: whose entry it is.
            entry: ready or failed.
        """
        waiting, entry.waiting = entry.waiting, None
        for waiter in waiting or ():
            if isinstance(waiter, Errand):
                self._exports.answer(waiter)
                continue
            waiter.missing -= 1
            if waiter.missing:
                continue
            if waiter.over:
                self._let_go(waiter)
            else:
                yield from self._start(waiter)
        store.settle(entry)

    def fail_entry(self, store: SessionStore, entry: Entry, code: str, message: str) -> Iterator[Compute]:
        """Fail an entry that no op makes (an upload, a delivery); yields nothing but what follows from it."""
        entry.state, entry.value = FAILED, None
        entry.failure = Failure(int(entry.id), code, message)
        self._replies.send(store.address, Error(int(entry.id), code, message))
        return self.released(store, entry)

    def cancel(self, store: SessionStore, entry: Entry) -> Iterator[Compute]:
        """Fail the op that makes a pending entry, and what depends on it.

        Args:
            store: whose entry it is.
            entry: one of its results.
        """
        job = entry.maker
        text = f"{entry.id} was cancelled"
        if job is None:
            yield from self.fail_entry(store, entry, OpCancelled.code, text)
        elif not (job.over or job.writing):
            job.over = True
            yield from self._settle_failure(job, Failure(job.op.id, OpCancelled.code, text, job.op.fn), None)

    # ---- starting

    def _start(self, job: Job) -> Iterator[Compute]:
        row = job.row
        assert row is not None  # noqa: S101  # parked ops have a row
        failed: Entry | None = None
        private = hidden = False
        for entry in job.inputs:
            private = private or entry.facts is not OPEN
            hidden = hidden or entry.withheld
            if entry.state is FAILED and failed is None:
                failed = entry
        if private:
            facts = combine(entry.facts for entry in job.inputs)
            for entry in job.results:
                entry.facts = facts
        job.withheld = hidden
        if failed is not None and failed.failure is not None:
            # A failure that is told makes what depends on it fail aloud; one that is withheld stays withheld.
            job.withheld = hidden
            yield from self._settle_failure(job, failed.failure, failed.failure)
            return
        if private:
            yield from self._start_private(job, row)
            return
        args, kwargs = resolve(job, held_value)
        try:
            checked = check(row, args, kwargs)
            bound = row.bound(*checked[0], **checked[1])
            self._reserve(job, bound.nbytes)
            cost = seconds(row, bound, *checked)
        except Exception as error:
            yield from self._fail(job, error)
            return
        yield self._compute(job, row, checked[0], checked[1], cost)

    def _start_private(self, job: Job, row: Row) -> Iterator[Compute]:
        """Start an op with a private input: nothing that is told may depend on values."""
        try:
            # Stand-ins hold only what is public, so what fails or is charged by them may be told.
            args, kwargs = check(row, *resolve(job, stand_in))
            bound = row.bound(*args, **kwargs)
            self._reserve(job, bound.nbytes)
        except Exception as error:
            yield from self._fail(job, error)
            return
        for entry in job.results:
            entry.limit_shape = bound.shape
        try:
            checked = check(row, *resolve(job, held_value))
            job.withheld = job.withheld or depends_on_values(row, *checked, private_places(job))
            if row.bound(*checked[0], **checked[1]).nbytes > bound.nbytes:
                raise QuotaExceeded("a size that was taken from private values")
            cost = seconds(row, bound, *checked)
        except Exception as error:
            job.withheld = True
            yield from self._fail(job, error)
            return
        yield self._compute(job, row, checked[0], checked[1], cost)

    def _reserve(self, job: Job, nbytes: int) -> None:
        """Charge what the results may take, before it is computed."""
        job.store.check_objects(0)
        job.store.charge(job.results[0], nbytes)

    def _compute(self, job: Job, row: Row, args: Any, kwargs: Any, cost: float) -> Compute:
        if row.in_place:
            job.writing = self._may_overwrite(job)
            kwargs = {**kwargs, "overwrite": job.writing}
        return Compute(job, row.function, args, kwargs, cost)

    def _may_overwrite(self, job: Job) -> bool:
        """Whether the first argument's memory is the session's alone and was given up with this op."""
        target = job.args[0] if job.args else None
        return (
            isinstance(target, Entry)
            and target.id in job.op.last
            and target.holds == 1
            and not target.shared
            and target.facts is OPEN
        )

    # ---- ending

    def _charge(self, job: Job, values: list[Any]) -> None:
        first, store = job.results[0], job.store
        sizes = [size_of(value) for value in values]
        if job.withheld:
            if sum(sizes) > first.charge:
                raise QuotaExceeded("the result is larger than its public bound")
            return
        store.charge(first, sizes[0])
        for entry, nbytes in zip(job.results[1:], sizes[1:], strict=True):
            store.charge(entry, nbytes)

    def _tell(self, job: Job) -> Iterator[Compute]:
        store = job.store
        for entry in job.results:
            entry.withheld = job.withheld
            if entry.listed:
                self._replies.done(store.address, int(entry.id), entry)
            if entry.waiting is None:
                if not entry.listed:
                    store.settle(entry)
            else:
                yield from self.released(store, entry)

    def _fail(self, job: Job, error: Exception) -> Iterator[Compute]:
        code, text = self._describe(job, error)
        yield from self._settle_failure(job, Failure(job.op.id, code, text, job.op.fn), None)

    def _settle_failure(self, job: Job, failure: Failure, cause: Failure | None) -> Iterator[Compute]:
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
        yield from self._after_failure(job)

    def _after_failure(self, job: Job) -> Iterator[Compute]:
        for entry in job.results:
            if job.withheld and entry.listed:
                self._replies.done(job.store.address, int(entry.id), entry)
            yield from self.released(job.store, entry)

    def _give_up(self, job: Job) -> None:
        """Forget what the session gave up with this op."""
        for id in job.op.last:
            job.store.unlist(id)

    def _let_go(self, job: Job) -> None:
        inputs, job.inputs = job.inputs, []
        for entry in inputs:
            entry.holds -= 1
            if not entry.listed:
                job.store.settle(entry)

    def _describe(self, job: Job, error: Exception) -> tuple[str, str]:
        """Return code and safe text of a failure: op, worker, shapes, dtypes; none of numpy's words on private data."""
        op = job.op.fn
        where = f"{op} at {self._name}({', '.join(shown(arg) for arg in job.args)})"
        code = error.code if isinstance(error, FedsockError) else op_error_class(error).code
        if any(entry.facts is not OPEN for entry in job.inputs):
            return code, f"{where} failed on private data"
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)[:MESSAGE_CHARS]
        return code, f"{where}: {text or type(error).__name__}"
