"""Running plans at a worker: within what a session may take, and on private data only where nothing is told by it.

No I/O. A plan is a text that the session sent once; it is read when it is first run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fedsock.errors import FedsockError, OpCancelled, OpTypeError, OpValueError, PlanInvalid, QuotaExceeded
from fedsock.ops.plans import RUN
from fedsock.ops.schema import NUMERIC_KINDS
from fedsock.plan.boxes import autograd
from fedsock.plan.replay import Replay
from fedsock.plan.steps import GRADIENT, Plan, Step
from fedsock.plan.trees import references
from fedsock.plan.watching import Watch
from fedsock.policy.facts import OPEN, Facts, Trained, combine, trained
from fedsock.protocol.messages import Op
from fedsock.worker.arguments import held_value, resolve, stand_in
from fedsock.worker.failures import step_failure, too_long
from fedsock.worker.jobs import Aside, Compute, Job
from fedsock.worker.store import Entry, Run, SessionStore

MOST_BYTES = 4 << 20
"""Texts of plans that are kept ready to run, or known to be none; the one that was used longest ago goes first."""

AT_ONCE_BYTES = 4_096
"""A longer text is read in a thread: one of 256 KiB takes some 0.3 s, and others' messages don't wait for it."""

UNKNOWN_SECONDS = 1.0
"""What a run is expected to take that was never made: it gets a thread."""


class Plans:
    """Makes Computes of plan runs.

    Args:
        op_seconds: how long one may be expected to take.
        keep: is told of each plan that works on private data, and who sent it.
    """

    def __init__(self, op_seconds: float, keep: Callable[[Plan, str], None]) -> None:
        self.keep = keep
        self._op_seconds = op_seconds

    def begin(self, job: Job) -> Compute:
        """Return what runs a plan.

        Args:
            job: the op, its inputs all there; its results' facts are those of its inputs together.

        Raises:
            PlanInvalid, UnknownOp: it is no plan, or none for this worker.
            PlanMismatch: the inputs are not what it takes.
            ConfigError: it has a gradient, and this worker no autograd.
            OpValueError: private inputs of which success or shapes could tell something.
            QuotaExceeded, OpTooLong: it is known to take too much.
        """
        try:
            return self._begin(job)
        except FedsockError:
            job.public = True  # all of it follows from the plan, and from shapes and dtypes
            raise

    def _begin(self, job: Job) -> Compute:
        args, _ = resolve(job, held_value)
        private = any(entry.facts is not OPEN for entry in job.inputs)
        if not args or type(args[0]) is not str or (isinstance(job.args[0], Entry) and job.args[0].facts is not OPEN):
            raise OpTypeError("the plan is a text that the session sent")
        text, leaves = args[0], args[1:]
        if private and (job.withheld or not all(map(_numbers, job.args[1:]))):
            raise OpValueError("of private values, a plan takes arrays of numbers whose shapes may be told")
        if (reading := self.reading(job.store, job.op.id, text)) is not None:
            return reading
        replay = self.read(text)
        if len(replay.plan.outputs) != len(job.results):
            raise OpValueError(f"the plan has {len(replay.plan.outputs)} results, not {len(job.results)}")
        replay.check(leaves)
        if private:
            job.plan = replay.plan.digest
            self.keep(replay.plan, job.store.user)
            _mark(job, replay.plan)
        known, fewer = replay.known(leaves), _of_fewer_rows(job)
        if fewer is not None and ((other := replay.known(fewer)) is None or not other.steady):
            known = None  # whether anything is tied to rows isn't known
        if known is not None and known.steady:
            if known.seconds > self._op_seconds:
                raise too_long(known.seconds, self._op_seconds)
            job.store.charge(job.results[0], known.nbytes + job.weight)
            return Compute(job, partial(_run, replay, leaves, job, None), (), {}, known.seconds)
        room = job.store.quota_bytes - job.store.nbytes
        guard = Guard(job, room, self._op_seconds, private)
        if private:
            tried = [stand_in(arg) if isinstance(arg, Entry) else arg for arg in job.args[1:]]
            run = partial(_tried_and_run, replay, leaves, tried, fewer, guard)
            return Compute(job, run, (), {}, UNKNOWN_SECONDS)
        return Compute(job, partial(_run, replay, leaves, job, guard), (), {}, UNKNOWN_SECONDS)

    def reading(self, store: SessionStore, id: int, text: str) -> Compute | None:
        """Return what reads a long text, behind which what needs it begins anew; None: it was read, or is short.

        Args:
            store: the session's.
            id: of its message.
            text: of a plan.
        """
        if text in KEPT or len(text) <= AT_ONCE_BYTES:
            return None
        aside = Aside(store, Op(id, RUN), None, [])
        found: list[Replay | FedsockError] = []
        aside.then = lambda: KEPT.add(text, found[0])
        return Compute(aside, lambda: found.append(KEPT.get(text) or _read(text)), (), {}, UNKNOWN_SECONDS)

    def read(self, text: str) -> Replay:
        """Return a plan made ready to run.

        Args:
            text: of it.

        Raises:
            PlanInvalid, UnknownOp: it is no plan, or none for this worker.
        """
        found = KEPT.get(text)
        if found is None:
            KEPT.add(text, found := _read(text))
        if isinstance(found, FedsockError):
            raise found.with_traceback(None)
        return found


class Kept:
    """What a process has read: plans ready to run, or why a text is none. Any thread may call."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Replay | FedsockError] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def __contains__(self, text: str) -> bool:
        return text in self._found

    def get(self, text: str) -> Replay | FedsockError | None:
        """Return what was read of a text; None: nothing is kept of it."""
        with self._lock:
            if text in self._found:
                self._found.move_to_end(text)
            return self._found.get(text)

    def add(self, text: str, found: Replay | FedsockError) -> None:
        """Keep what was read of a text; what was used longest ago goes."""
        with self._lock:
            if text not in self._found:
                self._found[text] = found
                self._nbytes += len(text)
            while self._nbytes > MOST_BYTES:
                self._nbytes -= len(self._found.popitem(last=False)[0])


KEPT = Kept()
"""The workers of one process have it in common: a plan is read once for a hundred of them."""


def _read(text: str) -> Replay | FedsockError:
    """Return the plan of a text, its digest known, or why it is none."""
    try:
        plan = Plan.from_json(text)
        if any(step.op == GRADIENT for step in plan.steps):
            autograd()  # a missing extra is found before private data can make a secret of it
        assert plan.digest  # noqa: S101  # worked out now, and kept
        return Replay(plan)
    except FedsockError as error:
        return error
    except Exception as error:  # whatever a text does, the op that has it ends
        return PlanInvalid(f"no plan: {type(error).__name__}")


def _mark(job: Job, plan: Plan) -> None:
    """Give the results of a run on private inputs their facts: what plan made them, if they are data sets as they are.

    As of a loss, the first of several parameters is the session's: there stand parameters, no data. Else the data set
    itself would leave by a plan that an owner allowed for what it does to parameters, such as to give them back.

    Args:
        job: the run.
        plan: what is run.
    """
    first = set(references(plan.takes[0][1])) if len(plan.takes) > 1 else set()
    data: list[Facts] = []
    carried: list[Facts] = []
    for place, arg in enumerate(job.args[1:]):
        if isinstance(arg, Entry):
            (carried if place in first else data).append(arg.facts)
    form = trained("plan", plan.digest, data, carried)
    facts, run = combine((entry.facts for entry in job.inputs), form), Run()
    for entry in job.results:
        entry.facts, entry.run = facts, run


def another(rows: int) -> int:
    """Return another number of rows, one that doesn't broadcast to so many: what is as long as they are fails on it."""
    return rows // 2 if rows >= 4 else rows + 1


def is_data_set(arg: Any) -> bool:
    """Whether an argument is a data set of the owner's, not a session's value."""
    return isinstance(arg, Entry) and type(arg.id) is str


def _of_fewer_rows(job: Job) -> list[Any] | None:
    """Return arguments of a run with other numbers of the owner's rows; None: nothing could be tied to rows.

    A plan that its owner allowed takes any number of rows. What a session gives, of its parameters and else, must not
    have a value for each: a bias of its own for every row, or a target that is 1 in one of them, would bring back
    that row.

    Args:
        job: the run, the facts of its results known.
    """
    if not isinstance(job.results[0].facts.form, Trained):
        return None
    found, tied = [], False
    for arg in job.args[1:]:
        value = stand_in(arg) if isinstance(arg, Entry) else arg
        axes = isinstance(value, np.ndarray) and value.ndim > 0
        if axes and is_data_set(arg):
            value = np.broadcast_to(np.zeros((), value.dtype), (another(len(value)), *value.shape[1:]))
        tied = tied or (axes and not is_data_set(arg))
        found.append(value)
    return found if tied else None


class Guard(Watch):
    """Ends a run that takes more than it may, that nobody wants any more, or that could tell of private values.

    Where anything is private it is for runs on what stands in for it, so that whatever they end by may be told.

    Args:
        job: the op.
        room: bytes that its values may take at one time.
        op_seconds: how long it may be expected to take.
        private: some of its inputs are.
    """

    def __init__(self, job: Job, room: int, op_seconds: float, private: bool) -> None:
        super().__init__()
        self.job = job
        self._room = room
        self._op_seconds = op_seconds
        self._private = private

    def before(self, step: Step, nbytes: int, seconds: float) -> None:
        """Refuse a step for what it takes."""
        super().before(step, nbytes, seconds)
        if self.job.over:
            raise OpCancelled("it was cancelled")
        if self.nbytes > self._room:
            raise QuotaExceeded(f"{step.op} needs {nbytes:,} bytes more than there is room for")
        if self.seconds > self._op_seconds:
            raise too_long(self.seconds, self._op_seconds)

    def depends(self, step: Step, reads: Sequence[int]) -> None:
        """Refuse a step whose success or shape depends on values: of private ones it would tell something."""
        if self._private:
            raise OpValueError(
                f"{step.op} could tell something of private values by failing or by its result's shape, so no plan "
                "on private data has it; write it with np.where or comparisons (one-hot: y[:, None] == np.arange(k))"
            )


def _tried_and_run(
    replay: Replay, leaves: Sequence[Any], tried: Sequence[Any], fewer: Sequence[Any] | None, guard: Guard
) -> list[Any]:
    """Run a plan with what stands in for private values, and only then with these.

    Steps are checked, and bounds worked out, by the values that there are: of private ones whether that goes well, or
    which error comes first, would be told. Once no step of the trial depended on values, the run can't fail by them.
    """
    guard.job.public = True
    _run(replay, tried, guard.job, guard)
    if fewer is not None:
        try:
            _run(replay, fewer, guard.job, guard)
        except FedsockError:  # something is tied to rows: it is no more than anything else made of them
            for entry in guard.job.results:
                entry.facts = combine([entry.facts])
    guard.job.public = False
    return _run(replay, leaves, guard.job, None)


def _run(replay: Replay, leaves: Sequence[Any], job: Job, guard: Guard | None) -> list[Any]:
    try:
        return replay.run(leaves, guard)
    except Exception as error:
        private = any(entry.facts is not OPEN for entry in job.inputs) and not isinstance(error, FedsockError)
        raise step_failure(error, private) from None


def _numbers(arg: Any) -> bool:
    """Whether an argument, where it is private, is an array or numpy scalar of numbers."""
    if not isinstance(arg, Entry) or arg.facts is OPEN:
        return True
    value = arg.value
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in NUMERIC_KINDS
