"""Starting ops with private inputs: nothing that is told may depend on values. No I/O.

Nor may what is charged and counted, and when an answer comes: a failure that is withheld takes the road that a
success would have taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fedsock.errors import QuotaExceeded
from fedsock.ops import Bound, Row, check, depends_on_values
from fedsock.ops.releases import RELEASE
from fedsock.ops.schema import INT_MAX, INT_MIN
from fedsock.policy.facts import OPEN, Aggregate, Facts
from fedsock.policy.rules import Policy
from fedsock.worker.arguments import held_value, private_places, resolve
from fedsock.worker.disclosure import counted, measure_seconds, measured
from fedsock.worker.failures import failure_of, not_run
from fedsock.worker.forms import StandIns
from fedsock.worker.jobs import Compute, Job
from fedsock.worker.lineage import Constant, note
from fedsock.worker.readable import PLAN
from fedsock.worker.releases import RELEASE_SECONDS, Releases
from fedsock.worker.store import Entry
from fedsock.worker.trees import call_apart

Afford = Callable[[Job, Row, Bound, Sequence[Any], Mapping[str, Any]], float]
"""Charges an op and returns its seconds; raises where it would take too much."""


_NUMBERS = frozenset({bool, float, complex})

TOLD_BY_USER = frozenset({"bincount"})
"""What is computed depends on what its owner lists for this user: nothing is known of it from another's call."""

MOST_KNOWN = 4_096
"""Kinds of calls that are remembered; past it all are forgotten, and worked out again as they come."""


class Known(NamedTuple):
    """What was worked out of a call, and holds for every other whose arguments are alike in all that is public.

    Attributes:
        nbytes: bytes of the result, at most.
        limit_shape: a shape with at least as many elements.
        seconds: how long it takes.
        facts: of the result.
        withheld: its success, shape and dtype are not told.
        measured: template and row axes of a sum whose largest rows are measured.
        inputs: facts of the private arguments; kept, so that no others are taken for them.
    """

    nbytes: int
    limit_shape: tuple[int, ...]
    seconds: float
    facts: Facts
    withheld: bool
    measured: tuple[str, tuple[int, ...]] | None
    inputs: tuple[Facts, ...]


class Privately:
    """Makes Computes of ops with private inputs.

    Args:
        name: the worker's name.
        policy: the owner's.
        releases: makes what has noise.
        carried_out: what makes Computes of ops that have no function in the table, by their names.
    """

    def __init__(
        self, name: str, policy: Policy, releases: Releases, carried_out: Mapping[str, Callable[[Job], Compute]]
    ) -> None:
        self._name = name
        self._policy = policy
        self._releases = releases
        self._carried_out = carried_out
        self._known: dict[tuple[Any, ...], Known] = {}

    def begin(self, job: Job, row: Row, afford: Afford) -> Compute:
        """Return what is to be computed for an op, its results' facts given; a failure that is withheld among it.

        Args:
            job: the op, its inputs all there; some of them are private, or it is a release.
            row: its row.
            afford: charges it.

        Raises:
            FedsockError: it can't be run; what it says was worked out from what is public, and may be told.
        """
        if (begin := self._carried_out.get(row.name)) is not None:
            compute = begin(job)
            if job.plan and self._policy.asks(job.results[0].facts, job.store.user):
                _note_run(job)
            return compute
        key = _key(job, row)
        if key is not None and (known := self._known.get(key)) is not None:
            return _again(job, row, known)
        stand_ins = StandIns(job)
        # They hold only what is public, so what fails or is charged by them may be told.
        args, kwargs = check(row, *resolve(job, stand_ins))
        bound = row.bound(*args, **kwargs)
        cost = afford(job, row, bound, args, kwargs)
        if row.name == RELEASE:
            job.public = True
            draw = self._releases.prepared(job, args, kwargs)
            job.results[0].facts = OPEN
            return Compute(job, draw, (job.args[0].value,), {}, RELEASE_SECONDS)
        for entry in job.results:
            entry.limit_shape = bound.shape
        stand_ins.tell(args, kwargs)
        note(job)
        first = job.results[0]
        share = stand_ins.measured(self._policy, args)
        if share is not None:
            cost += measure_seconds(share[0], args)
        function = self._function(job, row)
        if job.failure is None:
            args, kwargs = self._held(job, row, bound)
        if job.failure is not None:
            return Compute(job, not_run, (), {}, cost)
        if key is not None and function is row.function:
            self._remember(key, Known(bound.nbytes, bound.shape, cost, first.facts, job.withheld, share, _facts(job)))
        if share is not None:
            function = measured(function, partial(setattr, first, "share"), *share)
        if row.in_place:
            kwargs = {**kwargs, "overwrite": False}
        if job.nested:
            function = partial(call_apart, function, [entry.value for entry in job.inputs])
        return Compute(job, function, args, kwargs, cost)

    def _function(self, job: Job, row: Row) -> Callable[..., Any]:
        """Return an op's function; a table of categories counts those that its owner lists, and no others."""
        form = job.results[0].facts.form
        if row.name == "bincount" and isinstance(form, Aggregate):
            terms = self._policy.terms(form.tables[0][0], job.store.user)
            if terms.export == "aggregate" and isinstance(terms.group_by, int):
                return counted(terms.group_by)
        return row.function

    def _remember(self, key: tuple[Any, ...], known: Known) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = known

    def _held(self, job: Job, row: Row, bound: Bound) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return an op's arguments with the values that inputs hold; what goes wrong by them is withheld."""
        try:
            args, kwargs = check(row, *resolve(job, held_value))
            job.withheld = job.withheld or depends_on_values(row, args, kwargs, private_places(job))
            if row.bound(*args, **kwargs).nbytes > bound.nbytes:
                raise QuotaExceeded("a size that was taken from private values")
        except Exception as error:
            job.withheld = True
            job.failure = failure_of(self._name, job, error)
            return (), {}
        return args, kwargs


def _note_run(job: Job) -> None:
    """Give the results of a plan's run their lineages: the plan by its digest, by which its owner can have it shown."""
    plan = Constant(job.plan, len(job.plan))
    plan.kind = PLAN
    given, job.args = job.args, [plan, *job.args[1:]]
    note(job)
    job.args = given


def _key(job: Job, row: Row) -> tuple[Any, ...] | None:
    """Return what is public of a call, as far as anything is worked out from it; None where that would be too much.

    Such calls have one result, and private arrays and public numbers by position only.
    """
    if job.nested or job.failure is not None or row.results != 1 or row.name == RELEASE:
        return None
    if len(job.args) not in row.plain or row.name in TOLD_BY_USER:
        return None
    parts: list[Any] = [row.name, job.weight]
    for arg in job.args:
        kind = type(arg)
        if kind is Entry:
            value = arg.value
            kind = type(value)
            if arg.withheld or not (kind is np.ndarray or isinstance(value, np.generic)) or arg.facts is OPEN:
                return None  # what is open is known by its values too
            parts += (id(arg.facts), kind, value.dtype, value.shape)
        elif kind in _NUMBERS or (kind is int and INT_MIN <= arg <= INT_MAX):
            parts += (kind, arg)
        else:
            return None
    return tuple(parts)


def _facts(job: Job) -> tuple[Facts, ...]:
    return tuple(entry.facts for entry in job.inputs)


def _again(job: Job, row: Row, known: Known) -> Compute:
    """Return what is to be computed for a call like one before."""
    first = job.results[0]
    job.store.charge(first, known.nbytes + job.weight)
    first.limit_shape = known.limit_shape
    first.facts = known.facts
    job.withheld = known.withheld
    note(job)
    args = [arg.value if type(arg) is Entry else arg for arg in job.args]
    function = row.function
    if known.measured is not None:
        function = measured(function, partial(setattr, first, "share"), *known.measured)
    return Compute(job, function, args, {"overwrite": False} if row.in_place else {}, known.seconds)
