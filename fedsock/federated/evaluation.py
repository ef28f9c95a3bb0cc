"""Evaluation of a round's parameters: by a function at the session, or by a plan on the workers' own data."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsock.errors import ConfigError, FedsockError, NotTraceable, UpdateRejected, WorkerLost, WorkerTimeout
from fedsock.federated.aggregate import MOST_ROWS, flatten, number, rebuilt
from fedsock.federated.result import Dropped, Evaluation
from fedsock.federated.rounds import FATAL
from fedsock.plan.program import Program
from fedsock.plan.steps import Plan
from fedsock.protocol.values import Reference
from fedsock.session.handle import WorkerHandle
from fedsock.session.pointer import Pointer
from fedsock.typing import Tree

FEW = 8
"""Made-up rows with which a plan is tried at the session: enough to see whether it gives scalars."""

MOST_MADE_UP = 10**7
"""Numbers in them; shapes are what a worker says, and room for any would be the session's."""

Metrics = Mapping[str, float]

AtSession = Callable[[Tree], Metrics | Awaitable[Metrics]]
"""Parameters -> name -> number; may be a coroutine function."""

Evaluate = AtSession | Program | Plan
"""What ``evaluate=`` takes."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of an evaluation.

    Attributes:
        metrics: name -> number.
        workers: name -> what was found there; none where the session evaluates.
        dropped: those that were asked and gave nothing.
    """

    metrics: Metrics = field(default_factory=dict)
    workers: Mapping[str, Evaluation] = field(default_factory=dict)
    dropped: Sequence[Dropped] = ()


class Evaluator(ABC):
    """Evaluates parameters."""

    def prepare(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> None:  # noqa: B027  # most need nothing
        """Look at what is given before anything is trained, as far as workers are there.

        Args:
            params: that the fit begins with.
            workers: name -> handle of those that may evaluate.

        Raises:
            ConfigError, NotTraceable: it can't be evaluated.
        """

    @abstractmethod
    async def run(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> Evaluated:
        """Return what is found of parameters. Cancelling takes back what the workers haven't done yet.

        Args:
            params: after the round.
            workers: name -> handle of those that may evaluate.

        Raises:
            ConfigError: it gives what it can't.
            Closed, HubLost, WrongLoop: the session is over.
        """


class Nothing(Evaluator):
    """Evaluates nothing."""

    async def run(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> Evaluated:
        """Return nothing."""
        return Evaluated()


class Here(Evaluator):
    """Evaluates at the session.

    Args:
        function: of the parameters.
    """

    def __init__(self, function: AtSession) -> None:
        self._function = function

    async def run(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> Evaluated:
        """Return what the function gives; raises ConfigError where that is no dict of finite numbers."""
        found = self._function(params)
        metrics = await found if inspect.isawaitable(found) else found
        if not isinstance(metrics, Mapping):
            raise ConfigError(f"evaluate: expected a dict of numbers, not a {type(metrics).__name__}")
        numbers = {}
        for name, value in metrics.items():
            if not isinstance(name, str) or np.ndim(value) != 0 or not math.isfinite(value):
                raise ConfigError(f"evaluate: {name!r} is {value!r}, no finite number")
            numbers[name] = float(value)
        return Evaluated(numbers)


class There(Evaluator):
    """Has a plan run at the workers, each on its own data sets; the mean is weighted by rows of the first of them.

    Who fails, is late or may not tell is left out of the mean and named. Where nobody is left, each metric is NaN.

    Args:
        plan: ``metrics(params, *data)`` that gives a scalar, or a dict of scalars.
        data: names of the data sets.
        held_out: names of the workers that evaluate; none: all that have the data.
        deadline: seconds for each worker; None waits as long as it takes.
        most_rows: a worker that says it has more is left out.

    Raises:
        ConfigError: there are no data sets for it.
    """

    def __init__(
        self,
        plan: Program | Plan,
        data: Sequence[str],
        *,
        held_out: Sequence[str] = (),
        deadline: float | None = None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        if not data:
            raise ConfigError("evaluate: a plan runs on the workers' data; say on which: evaluate_data=(names)")
        self._program = Program(None, plan) if isinstance(plan, Plan) else plan
        self._data = data
        self._held_out = sorted(set(held_out))
        self._deadline = deadline
        self._most_rows = most_rows
        self._tried = False

    def prepare(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> None:
        """Try the plan on made-up rows like those of one of the workers, to see whether it gives scalars.

        Args:
            params: parameters like those that it will be given.
            workers: name -> handle of those that may evaluate.

        Raises:
            ConfigError: it gives something else.
            NotTraceable: it can't be recorded.
        """
        one = next((workers[name] for name in self._asked(workers) if self._serves(workers.get(name))), None)
        if self._tried or one is None:
            return
        self._tried = True
        try:
            gives = self._program(params, *(_made_up(one.datasets[name]) for name in self._data))
        except NotTraceable:
            raise
        except Exception:  # what is wrong with it at a worker, that one says itself
            return
        advice = "a plan gives one scalar, or a dict of scalars: reduce it, as np.mean does"
        places, values = self._named(self._program.plan.gives), self._named(gives)
        for name, place in places.items():
            if type(place) is not Reference or np.ndim(values[name]):
                what = f"of shape {np.shape(values[name])}" if type(place) is Reference else "not computed from data"
                raise ConfigError(f"evaluate: {name!r} is {what}; {advice}")

    async def run(self, params: Tree, workers: Mapping[str, WorkerHandle]) -> Evaluated:
        """Return the weighted means, what each worker found, and who gave nothing."""
        self.prepare(params, workers)
        names = self._asked(workers)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._guarded(name, workers.get(name), params)) for name in names]
        except ExceptionGroup as failed:  # of what ends a fit, one is enough
            raise failed.exceptions[0] from None
        found = {name: task.result() for name, task in zip(names, tasks, strict=True)}
        counted = {name: one for name, one in found.items() if isinstance(one, Evaluation)}
        dropped = [one for one in found.values() if isinstance(one, Dropped)]
        return Evaluated({name: _mean(name, counted.values()) for name in self._names()}, counted, dropped)

    def _asked(self, workers: Mapping[str, WorkerHandle]) -> list[str]:
        """Return the names of those that evaluate; where nobody has the data, of all, so that each says so."""
        return self._held_out or [name for name in sorted(workers) if self._serves(workers[name])] or sorted(workers)

    def _serves(self, worker: WorkerHandle | None) -> bool:
        return worker is not None and all(name in worker.datasets for name in self._data)

    def _names(self) -> list[str]:
        """Return what the metrics are called, as far as the plan is known: it may not have been recorded yet."""
        try:
            return list(self._named(self._program.plan.gives))
        except NotTraceable:
            return [self._program.__name__]

    def _named(self, gives: Any) -> dict[str, Any]:
        """Return what the plan gives by name; one scalar has the plan's."""
        return gives if isinstance(gives, dict) else {self._program.__name__: gives}

    async def _guarded(self, name: str, worker: WorkerHandle | None, params: Tree) -> Evaluation | Dropped:
        try:
            if worker is None:
                raise WorkerLost("it isn't there")
            async with asyncio.timeout(self._deadline) as limit:
                return await self._at(worker, params)
        except FATAL:
            raise
        except FedsockError as error:
            return _dropped(name, error)
        except TimeoutError:
            if not limit.expired():
                raise
            return _dropped(name, WorkerTimeout(f"no answer within {self._deadline} s"))

    async def _at(self, worker: WorkerHandle, params: Tree) -> Evaluation:
        data = [worker.datasets[name] for name in self._data]
        n = self._rows(worker.name, data[0])
        # Nobody changes these arrays: they are read-only, so no worker needs a copy of them.
        sent = rebuilt(params, [worker.send(leaf, copy=False) for leaf in flatten(params)])
        named = self._named(worker.run(self._program, sent, *data))
        try:
            values = await asyncio.gather(*(one.get(release=True) for one in named.values()))
        except BaseException:
            for one in named.values():
                with contextlib.suppress(FedsockError):  # it may be over already, or its worker gone
                    one.cancel()
            raise

        def wrong(text: str) -> UpdateRejected:
            return UpdateRejected(f"{worker.name}: {text}")

        told = dict(zip(named, values, strict=True))
        return Evaluation(n, {name: number(value, f"metric {name!r}", wrong) for name, value in told.items()})

    def _rows(self, worker: str, data: Any) -> int:
        """Return how many rows a worker's first data set has: its weight."""
        n = next(iter(getattr(data, "shape", ())), 0)
        if not 1 <= n <= self._most_rows:
            told = f"its data set {self._data[0]!r} has {n} rows; 1 to {self._most_rows} are allowed"
            raise UpdateRejected(f"{worker}: {told}: leave it out, or have its owner look")
        return int(n)


def evaluator(evaluate: Evaluate | None, data: Sequence[str], held_out: Sequence[str], **limits: Any) -> Evaluator:
    """Return what evaluates as a fit's options say.

    Args:
        evaluate: a function at the session, or a plan at the workers; None: nothing.
        data: names of the data sets that a plan takes.
        held_out: names of the workers that evaluate and never train; none: all evaluate.
        limits: deadline and most_rows, as ``There`` has them.

    Raises:
        ConfigError: a plan without data, or workers held out for nothing.
    """
    if isinstance(evaluate, (Program, Plan)):
        return There(evaluate, data, held_out=held_out, **limits)
    if held_out:
        raise ConfigError("held_out= needs evaluate=, a plan that those workers run on their data")
    return Nothing() if evaluate is None else Here(evaluate)


def _dropped(name: str, error: FedsockError) -> Dropped:
    return Dropped(name, f"evaluation: {type(error).__name__}: {error}")


def _made_up(data: Pointer) -> Any:
    """Return a few rows like those of a data set; raises where there are none, or too much is said to be in them."""
    shape = (min(FEW, data.shape[0]), *data.shape[1:])
    if math.prod(shape) > MOST_MADE_UP:
        raise OverflowError(f"a row of {math.prod(shape[1:])} numbers")
    return np.ones(shape, data.dtype)


def _mean(name: str, found: Any) -> float:
    told = [(one.metrics[name], one.n) for one in found if name in one.metrics]
    return math.fsum(value * n for value, n in told) / sum(n for _, n in told) if told else math.nan
