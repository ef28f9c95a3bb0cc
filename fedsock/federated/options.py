"""What a fit may be told, and whether it can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedsock.errors import ConfigError
from fedsock.federated.aggregate import MOST_ROWS
from fedsock.federated.evaluation import Evaluate
from fedsock.federated.local import LocalSGD
from fedsock.federated.result import Round
from fedsock.federated.rounds import Config
from fedsock.federated.strategies import Strategy
from fedsock.plan.steps import Plan
from fedsock.session.exportrequest import MAX_WHY_CHARS
from fedsock.session.handle import WorkerHandle

Workers = Iterable[WorkerHandle | str]
"""Workers, or their names."""


KINDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("strategy", lambda value: isinstance(value, Strategy), "a strategy, such as FedAvg()"),
    ("local", lambda value: isinstance(value, LocalSGD), "a LocalSGD, such as LocalSGD(epochs=5)"),
    ("evaluate", lambda value: callable(value) or isinstance(value, Plan), "a function of the parameters, or a plan"),
    ("stop", callable, "a function of the rounds so far, such as EarlyStop()"),
    ("checkpoint", lambda value: isinstance(value, (str, os.PathLike)), "the path of a file"),
)
"""Options of which only the kind is checked: name, whether a value is of it, and how it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a fit may be told.

    Attributes:
        rounds: how many at most.
        strategy: who takes part, and how updates become one; the fit works with a copy.
        local: the training at the workers.
        config: what is told to each worker beside: a dict, or (round, worker) -> dict.
        workers: names or handles of those that may take part; None: all that are there.
        evaluate: after each round: a function at the session, parameters -> {name: number}; or a plan
            ``metrics(params, *data)`` that gives a scalar or a dict of scalars: workers run it on their own data, and
            ``r.metrics`` has the means, weighted by rows. Each run is an export of that plan, which an owner who counts
            rounds counts by itself: for a plan that is the loss too, a round costs two.
        evaluate_data: names of the data sets that such a plan takes; those of the loss, if not said.
        held_out: names or handles of workers that never train: they alone evaluate; none: all that may take part and
            have the data do, whoever trained in the round.
        seed: of who is chosen, and of the workers' draws (``local.seed_of``).
        deadline: seconds for the workers' training, again for each update's way, and for a worker's evaluation; None
            waits as long as it takes.
        retries: how often a round is tried again in which too few workers counted.
        patience: seconds that a try waits for workers that aren't there.
        stop: rounds so far -> whether to stop, such as ``EarlyStop``.
        checkpoint: file that is written after each round.
        resume: go on from the checkpoint if there is one, of the same training, strategy, seed and form of parameters;
            with all else the same too, to the numbers of an unbroken fit. Otherwise one that is there is an error.
        most_rows: a worker that says it has more is dropped.
        progress: whether to show a line; None: in a terminal or a notebook.
        request: what the updates are needed for: owners whose policy says "ask" are asked; None asks nobody.

    Raises:
        ConfigError: a number can't be, or something of another kind was given.
    """

    rounds: int
    strategy: Strategy | None = None
    local: LocalSGD | None = None
    config: Config = None
    workers: Workers | None = None
    evaluate: Evaluate | None = None
    evaluate_data: str | Sequence[str] = ()
    held_out: Workers = ()
    seed: int = 0
    deadline: float | None = None
    retries: int = 2
    patience: float = 10.0
    stop: Callable[[Sequence[Round]], bool] | None = None
    checkpoint: str | Path | None = None
    resume: bool = False
    most_rows: int = MOST_ROWS
    progress: bool | None = None
    request: str | None = None

    def __post_init__(self) -> None:
        for name, low in (("rounds", 1), ("retries", 0), ("seed", 0), ("most_rows", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ConfigError(f"{name}={value!r}: expected a whole number, {low} or more")
            object.__setattr__(self, name, int(value))  # numpy's become Python's, for the checkpoint
        for name in ("deadline", "patience"):
            value = getattr(self, name)
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if (name, value) != ("deadline", None) and not (number and value >= 0):
                raise ConfigError(f"{name}={value!r}: expected seconds, 0 or more")
        for name, fits, expected in KINDS:
            value = getattr(self, name)
            if value is not None and not fits(value):
                raise ConfigError(f"{name}={value!r}: expected {expected}")
        why = self.request
        if why is not None and not (isinstance(why, str) and why.strip() and len(why) <= MAX_WHY_CHARS):
            raise ConfigError(f"request: say what the updates are for, in 1 to {MAX_WHY_CHARS:,} characters")
        if self.resume and self.checkpoint is None:
            raise ConfigError("resume=True needs checkpoint=PATH")


def names(workers: Workers) -> set[str]:
    """Return the names of workers.

    Args:
        workers: names or handles, or one of them.

    Raises:
        ConfigError: something else is among them.
    """
    several = isinstance(workers, Iterable) and not isinstance(workers, str)
    named: list[Any] = [*workers] if several else [workers]
    if not all(isinstance(one, (str, WorkerHandle)) for one in named):
        raise ConfigError(f"workers: expected names or handles of workers, not {workers!r}")
    return {one if isinstance(one, str) else one.name for one in named}
