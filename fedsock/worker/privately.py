"""Starting ops with private inputs: nothing that is told may depend on values. No I/O.

Nor may what is charged and counted, and when an answer comes: a failure that is withheld takes the road that a
success would have taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fedsock.errors import QuotaExceeded
from fedsock.ops import Bound, Row, check, depends_on_values
from fedsock.ops.releases import RELEASE
from fedsock.policy.facts import OPEN
from fedsock.policy.rules import Policy
from fedsock.worker.arguments import held_value, private_places, resolve
from fedsock.worker.failures import failure_of, not_run
from fedsock.worker.forms import StandIns
from fedsock.worker.jobs import Compute, Job
from fedsock.worker.lineage import note
from fedsock.worker.releases import RELEASE_SECONDS, Releases
from fedsock.worker.trees import call_apart

Afford = Callable[[Job, Row, Bound, Sequence[Any], Mapping[str, Any]], float]
"""Charges an op and returns its seconds; raises where it would take too much."""


class Privately:
    """Makes Computes of ops with private inputs.

    Args:
        name: the worker's name.
        policy: the owner's.
        releases: makes what has noise.
    """

    def __init__(self, name: str, policy: Policy, releases: Releases) -> None:
        self._name = name
        self._policy = policy
        self._releases = releases

    def begin(self, job: Job, row: Row, afford: Afford) -> Compute:
        """Return what is to be computed for an op, its results' facts given; a failure that is withheld among it.

        Args:
            job: the op; some of its inputs are private, and all are there.
            row: its row.
            afford: charges it.

        Raises:
            FedsockError: it can't be run; what it says was worked out from what is public, and may be told.
        """
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
        function = stand_ins.function(self._policy, row.function, args)
        if job.failure is None:
            args, kwargs = self._held(job, row, bound)
        if job.failure is not None:
            return Compute(job, not_run, (), {}, cost)
        if row.in_place:
            kwargs = {**kwargs, "overwrite": False}
        if job.nested:
            function = partial(call_apart, function, [entry.value for entry in job.inputs])
        return Compute(job, function, args, kwargs, cost)

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
