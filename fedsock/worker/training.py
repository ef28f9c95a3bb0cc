"""Training at a worker: a loss that the session sent, on rows that stay here. No I/O.

What leaves is told by the facts of the result, which name the loss's digest and the fewest rows of any step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from fedsock.errors import FedsockError, OpCancelled, OpFailed, OpTypeError, OpValueError, PlanMismatch
from fedsock.ops.schema import NUMERIC_KINDS
from fedsock.plan.batches import sizes
from fedsock.plan.boxes import autograd
from fedsock.plan.gradient import value_and_gradient
from fedsock.plan.optimizers import State
from fedsock.plan.recording import Known
from fedsock.plan.replay import Replay
from fedsock.plan.settings import Training
from fedsock.plan.training import check_params, rows_of, train
from fedsock.plan.trees import filled, flatten, references
from fedsock.plan.watching import Inside
from fedsock.policy.facts import OPEN, Facts, Trained, combine, known, trained
from fedsock.policy.rules import Policy
from fedsock.policy.terms import TrainTerms
from fedsock.protocol.values import Reference
from fedsock.typing import Array
from fedsock.worker.arguments import held_value, resolve
from fedsock.worker.emitting import Emitter
from fedsock.worker.failures import step_failure, too_long
from fedsock.worker.jobs import Compute, Job
from fedsock.worker.plans import UNKNOWN_SECONDS, Guard, Plans, another, is_data_set
from fedsock.worker.store import Entry, Run

ORDER_BYTES = 40
"""The order of an epoch takes so many bytes a row, where it has several batches: draws, places, and their sorting."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """One training, its arguments checked as far as they are public.

    Attributes:
        loss: made ready to run.
        by: the loss's inputs that are parameters.
        on: those that are rows.
        params: leaves, in the order of ``by``.
        data: leaves, in the order of ``on``.
        settings: how.
        state: of the optimizer.
        private: some of it is.
        own: of each leaf of data: it is the owner's.
        steps: how many it takes.
        sizes: how many rows a batch has: one or two numbers, the larger first.
    """

    loss: Replay
    by: tuple[int, ...]
    on: tuple[int, ...]
    params: list[Array]
    data: list[Array]
    settings: Training
    state: State
    private: bool
    own: list[bool]
    steps: int
    sizes: tuple[int, ...]

    def inputs(self, params: Sequence[Array], batch: Sequence[Array]) -> list[Array]:
        """Return the loss's inputs for a batch."""
        leaves = dict(zip((*self.by, *self.on), (*params, *batch), strict=True))
        return [leaves[place] for place in range(len(leaves))]

    def known(self, rows: int) -> Known | None:
        """Return what a step on so many rows takes, if that is known."""
        return self.loss.gradient(self.by).known(self.example(rows))

    def example(self, rows: int, of_owner: int | None = None) -> list[Array]:
        """Return inputs that look like those of a batch; where some are private, with zeros for all values.

        Args:
            rows: of the batch.
            of_owner: so many rows of the owner's instead, beside as many of the session's as before.
        """
        if not self.private:
            return self.inputs(self.params, [leaf[:rows] for leaf in self.data])
        counts = [rows if of_owner is None or not own else of_owner for own in self.own]
        data = [_zeros((count, *leaf.shape[1:]), leaf.dtype) for count, leaf in zip(counts, self.data, strict=True)]
        return self.inputs([_zeros(leaf.shape, leaf.dtype) for leaf in self.params], data)


class Trainings:
    """Makes Computes of trainings.

    Args:
        policy: the owner's: it says how many rows a step has at least.
        plans: reads losses.
        op_seconds: how long a training may be expected to take.
    """

    def __init__(self, policy: Policy, plans: Plans, op_seconds: float) -> None:
        self._policy = policy
        self._plans = plans
        self._op_seconds = op_seconds

    def begin(self, job: Job) -> Compute:
        """Return what trains, its results' facts given.

        Args:
            job: the op, its inputs all there.

        Raises:
            PlanInvalid, UnknownOp: the loss is no plan, or none for this worker.
            PlanMismatch: parameters or data are not what it takes.
            OpTypeError, OpValueError: something that can't be trained, or a setting that can't be.
            QuotaExceeded, OpTooLong: it would take too much.
            ConfigError: autograd isn't installed.
        """
        job.public = True  # all that fails is worked out from shapes, dtypes and settings
        args, kwargs = resolve(job, held_value)
        if kwargs or not 4 <= len(args) <= 5:
            raise OpTypeError("it takes a loss, parameters, data, settings and a state, by position")
        _check_private(job)
        if type(args[0]) is str and (reading := self._plans.reading(job.store, job.op.id, args[0])) is not None:
            return reading
        sources = combine(entry.facts for entry in job.inputs).sources
        private = any(entry.facts is not OPEN for entry in job.inputs)
        task = self._task(args, least_rows(self._policy, sources, job.store.user), private, _owners(job))
        if private:
            job.plan = task.loss.plan.digest
            self._plans.keep(task.loss.plan, job.store.user)
        for entry in job.results:
            entry.facts = _facts(job, task)
        job.results[0].run = job.results[1].run = Run()
        seconds = self._seconds(task)
        room = job.store.quota_bytes - job.store.nbytes
        job.store.charge(job.results[0], _nbytes(task) + job.weight)
        guard = Guard(job, room, self._op_seconds, private)
        return Compute(job, _Running(task, guard, job, self._op_seconds), (), {}, seconds)

    def _task(self, args: Sequence[Any], least: int, private: bool, own: list[bool]) -> Task:
        if type(args[0]) is not str:
            raise OpTypeError("the loss is a plan's text that the session sent")
        autograd()  # a missing extra is found before private data can make a secret of it
        loss = self._plans.read(args[0])
        if not loss.plan.takes or type(loss.plan.gives) is not Reference:
            raise OpValueError("a loss takes parameters and data, and gives one number")
        by = tuple(references(loss.plan.takes[0][1]))
        on = tuple(references([tree for _, tree in loss.plan.takes[1:]]))
        params, data = flatten(args[1])[0], flatten(args[2])[0]
        if (len(params), len(data)) != (len(by), len(on)):
            raise PlanMismatch(f"the loss takes {len(by)} parameters and {len(on)} arrays of data")
        check_params(params)
        rows_of(data)
        given = Training.from_dict(args[3])
        settings = replace(given, min_rows=max(least, given.min_rows))
        old = args[4] if len(args) > 4 else None
        state = State.start(settings, params) if old is None else State.from_tree(old, settings, params)
        counts = sizes(len(data[0]), settings.batch_size, settings.min_rows)
        steps, ordered = sum(counts.values()) * settings.epochs, tuple(sorted(counts, reverse=True))
        task = Task(loss, by, on, params, data, settings, state, private, own, steps, ordered)
        loss.check(task.example(task.sizes[0]))
        return task

    def _seconds(self, task: Task) -> float:
        """Return how long it takes, as far as is known."""
        known = task.known(task.sizes[0])
        if known is None:
            return UNKNOWN_SECONDS
        seconds = known.seconds * task.steps
        if seconds > self._op_seconds:
            raise too_long(seconds, self._op_seconds)
        return seconds


def least_rows(policy: Policy, sources: Iterable[str], user: str) -> int:
    """Return the rows below which a remainder is no step of its own, by what the owners of the data say.

    Args:
        policy: the owner's.
        sources: the private data sets.
        user: whose training it is.
    """
    agreed = (policy.terms(source, user) for source in sources)
    # Where the owner is asked, as many as are the rule otherwise.
    terms = (one.train or (TrainTerms() if one.export == "ask" else None) for one in agreed)
    return max((one.min_rows for one in terms if one is not None), default=1)


class _Running:
    """Trains; is called in a thread."""

    __slots__ = ("_guard", "_job", "_op_seconds", "_task")

    def __init__(self, task: Task, guard: Guard, job: Job, op_seconds: float) -> None:
        self._task = task
        self._guard = guard
        self._job = job
        self._op_seconds = op_seconds

    def __call__(self, *, emit: Emitter) -> tuple[dict[str, Any], dict[str, Any]]:
        task, job = self._task, self._job
        plan, gradient = task.loss.plan, task.loss.gradient(task.by)
        try:
            self._try()
        except Exception as error:
            raise step_failure(error, task.private and not isinstance(error, FedsockError)) from None
        job.public = False  # from here on, what would go wrong could depend on private values

        def value_and_grad(params: Sequence[Array], batch: Sequence[Array]) -> tuple[Any, Sequence[Array]]:
            if emit.stopped or job.over or job.store.over:
                raise OpCancelled("it was cancelled")
            return gradient(task.inputs(params, batch))

        settings = replace(task.settings, per_batch=task.settings.per_batch and emit.batches)
        trained = _streamed(train(value_and_grad, task.params, task.data, settings, task.state), emit)
        params = filled(plan.takes[0][1], dict(zip(task.by, trained.params, strict=True)))
        return {"params": params, "n": trained.n, "metrics": trained.metrics}, trained.state.to_tree()

    def _try(self) -> None:
        """Run the loss, and its gradient, once on as many rows as a batch has.

        What it takes is known then, that it is a scalar, and that no step of it, there or on the way back, depends on
        private values: whether a training failed is told.
        """
        task = self._task
        for rows in task.sizes:
            self._find_out(task.example(rows))
        # What isn't made of data sets as they are stays anyway.
        if isinstance(self._job.results[0].facts.form, Trained) and any(task.own):
            most = task.sizes[0]
            try:
                self._find_out(task.example(most, another(most)))
            except (OpFailed, ValueError, IndexError):
                raise OpValueError(
                    "on private rows a loss takes any number of them, and with what the session gives this one "
                    "doesn't: what is as long as the rows are would bring back something of each"
                ) from None
        known = task.known(task.sizes[0])
        if known is not None and (seconds := known.seconds * task.steps) > self._op_seconds:
            raise too_long(seconds, self._op_seconds)

    def _find_out(self, example: Sequence[Array]) -> None:
        """Run the loss and its gradient on such inputs, unless what they take is known."""
        task, guard = self._task, self._guard
        known = task.loss.gradient(task.by).known(example)
        if known is not None and known.steady:
            return
        guard.nbytes, guard.most, before = 0, 0, guard.seconds
        [value] = task.loss.run(example, guard)
        if np.ndim(value) or np.asarray(value).dtype.kind != "f":
            raise OpValueError("a loss gives one floating-point number: the mean over the rows of a batch")
        inside = Inside(guard)
        value_and_gradient(task.loss.plan, example, task.by, inside)
        known = task.loss.known(example)
        steady = inside.steady and known is not None and known.steady
        task.loss.gradient(task.by).know(example, Known(guard.most, guard.seconds - before, steady))


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.broadcast_to(np.zeros((), dtype), shape)


def _streamed(values: Generator[Any, None, T], emit: Callable[[Any], None]) -> T:
    """Stream what a generator gives, and return what it returns."""
    while True:
        try:
            value = next(values)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # it is the generator's
        emit(value)


def _check_private(job: Job) -> None:
    """Refuse private inputs that could tell something by their shapes, or where values are looked at."""
    if isinstance(job.args[0], Entry) and job.args[0].facts is not OPEN:
        raise OpTypeError("the loss is a plan's text that the session sent")
    if any(entry.facts is not OPEN for entry in _entries(job.args[3])):
        raise OpTypeError("settings are the session's own: whether they can be is told")
    for entry in job.inputs:
        if entry.facts is OPEN:
            continue
        numbers = isinstance(entry.value, (np.ndarray, np.generic)) and entry.value.dtype.kind in NUMERIC_KINDS
        # A state that a training gave has the shapes of what went in, whatever the values.
        state = len(job.args) > 4 and entry is job.args[4] and type(entry.value) is dict
        carried = state and isinstance(entry.facts.form, Trained) and entry.facts.form.kind == "plan"
        if job.withheld or not (numbers or carried):
            raise OpValueError("of private values, training takes arrays of numbers whose shapes may be told")


def _facts(job: Job, task: Task) -> Facts:
    """Return what is known of what is trained: which loss made it, and of how many rows at least each step was."""
    data = [entry.facts for entry in _entries(job.args[2])]
    carried = [entry.facts for place in (1, 3, 4) if place < len(job.args) for entry in _entries(job.args[place])]
    form = trained("plan", task.loss.plan.digest, data, carried)
    if form is not None and form.rows:
        form = replace(form, rows=min(form.rows, *task.sizes))
    return known(combine(entry.facts for entry in job.inputs).sources, form)


def _owners(job: Job) -> list[bool]:
    """Return of each leaf of a training's data whether it is the owner's."""
    given = flatten(job.args[2])[0]
    held = [held_value(leaf) if isinstance(leaf, Entry) else leaf for leaf in given]
    return [is_data_set(leaf) for leaf, value in zip(given, held, strict=True) for _ in flatten(value)[0]]


def _entries(tree: Any) -> list[Entry]:
    """Return the entries of an argument."""
    return [leaf for leaf in flatten(tree)[0] if isinstance(leaf, Entry)]


def _nbytes(task: Task) -> int:
    """Return how much memory it takes at most, beside what there is: parameters, gradients, moments and a batch."""
    params = sum(leaf.nbytes for leaf in task.params)
    moments = sum(leaf.nbytes for moment in task.state.moments for leaf in moment)
    rows = task.sizes[0]
    batch = sum(leaf[:rows].nbytes for leaf in task.data)
    if len(task.data[0]) > rows:
        batch += ORDER_BYTES * len(task.data[0])
    known = task.known(rows)
    return 4 * params + 2 * moments + batch + (0 if known is None else known.nbytes)
