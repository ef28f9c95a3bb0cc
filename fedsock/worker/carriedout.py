"""Ops that have no function in the table: a worker carries them out, for only it has what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fedsock.ops.plans import RUN
from fedsock.ops.releases import RELEASE
from fedsock.ops.tasks import TASK
from fedsock.ops.training import TRAIN
from fedsock.policy.rules import Policy
from fedsock.worker.jobs import Compute, Job
from fedsock.worker.plans import Plans
from fedsock.worker.tasks import Admits, Task, Tasks
from fedsock.worker.training import Trainings

CARRIED_OUT = frozenset({RELEASE, RUN, TASK, TRAIN})
"""Their names; a release is carried out beside the checks of private inputs."""

Begin = Callable[[Job], Compute]
"""Makes the Compute of an op whose inputs are all there; raises where it can't be run."""


def beginnings(
    name: str, policy: Policy, tasks: Mapping[str, Task], plans: Plans, op_seconds: float, admits: Admits
) -> Mapping[str, Begin]:
    """Return what begins each of them but releases.

    Args:
        name: the worker's.
        policy: the owner's.
        tasks: the owner's functions.
        plans: reads plans.
        op_seconds: how long an op may be expected to take.
        admits: says whether what a task makes may leave, and counts it.
    """
    trainings = Trainings(policy, plans, op_seconds)
    return MappingProxyType(
        {RUN: plans.begin, TASK: Tasks(name, tasks, admits).begin, TRAIN: trainings.begin},
    )
