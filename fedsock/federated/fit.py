"""A fit: rounds of training at the workers, until it is over. What ``hub.fit(…)`` returns."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fedsock.errors import CheckpointCorrupt, ConfigError, WorkerTimeout
from fedsock.federated import checkpoint
from fedsock.federated.aggregate import MOST_ROWS, checked_params, flatten, frozen, rebuilt, same_form
from fedsock.federated.checkpoint import Checkpoint
from fedsock.federated.local import LocalSGD
from fedsock.federated.progress import Line
from fedsock.federated.result import Dropped, FitResult, Round
from fedsock.federated.rounds import Attempt, Config, Setting, too_few
from fedsock.federated.strategies import FedAvg, Strategy
from fedsock.federated.trainers import Trainer
from fedsock.session.handle import WorkerHandle
from fedsock.session.session import Session
from fedsock.typing import Tree

LOOK_SECONDS = 0.2
"""How often to see who is there, while too few are."""

Metrics = Mapping[str, float]

Evaluate = Callable[[Tree], Metrics | Awaitable[Metrics]]
"""Parameters -> name -> number; may be a coroutine function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a fit may be told.

    Attributes:
        rounds: how many at most.
        strategy: who takes part, and how updates become one; the fit works with a copy.
        local: the training at the workers.
        config: what is told to each worker beside: a dict, or (round, worker) -> dict.
        workers: names or handles of those that may take part; None: all that are there.
        evaluate: function of the parameters at the session, after each round: -> {name: number}.
        seed: of who is chosen, and of the workers' draws (``local.seed_of``).
        deadline: seconds for the workers' training, and again for each update's way; None waits as long as it takes.
        retries: how often a round is tried again in which too few workers counted.
        patience: seconds that a try waits for workers that aren't there.
        stop: rounds so far -> whether to stop, such as ``EarlyStop``.
        checkpoint: file that is written after each round.
        resume: go on from the checkpoint if there is one; otherwise one that is there is an error.
        most_rows: a worker that says it has more is dropped.
        progress: whether to show a line; None: in a terminal.

    Raises:
        ConfigError: a number can't be.
    """

    rounds: int
    strategy: Strategy | None = None
    local: LocalSGD | None = None
    config: Config = None
    workers: Iterable[WorkerHandle | str] | None = None
    evaluate: Evaluate | None = None
    seed: int = 0
    deadline: float | None = None
    retries: int = 2
    patience: float = 10.0
    stop: Callable[[Sequence[Round]], bool] | None = None
    checkpoint: str | Path | None = None
    resume: bool = False
    most_rows: int = MOST_ROWS
    progress: bool | None = None

    def __post_init__(self) -> None:
        for name, low in (("rounds", 1), ("retries", 0), ("seed", 0), ("most_rows", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < low:
                raise ConfigError(f"{name}={value!r}: expected a whole number, {low} or more")
        if self.resume and self.checkpoint is None:
            raise ConfigError("resume=True needs checkpoint=PATH")


class Fit:
    """A fit under way: ``async for r in fit`` gives each round, ``await fit`` its result.

    Nothing happens before one of the two; leaving the loop pauses it, and awaiting it then plays the rest. A round
    that fails ends it with the last checkpoint as it was.

    Args:
        session: whose workers train.
        params: to begin with.
        trainer: what they do.
        options: the rest.

    Raises:
        ConfigError: the parameters can't be trained.
    """

    def __init__(self, session: Session, params: Tree, trainer: Trainer, options: Options) -> None:
        self._session = session
        self._options = options
        self._params = checked_params(params)
        strategy = copy.deepcopy(options.strategy or FedAvg())
        strategy.seed = options.seed
        self._setting = Setting(
            trainer=trainer,
            strategy=strategy,
            local=options.local or LocalSGD(),
            config=options.config,
            seed=options.seed,
            deadline=options.deadline,
            most_rows=options.most_rows,
        )
        named = options.workers
        self._allowed = None if named is None else {one if isinstance(one, str) else one.name for one in named}
        self._path = None if options.checkpoint is None else Path(options.checkpoint)
        self._rounds: list[Round] = []
        self._running: AsyncGenerator[Round, None] | None = None
        self._failed: BaseException | None = None

    @property
    def result(self) -> FitResult:
        """What there is so far."""
        return FitResult(self._params, tuple(self._rounds))

    def __await__(self) -> Generator[Any, None, FitResult]:
        """Play all rounds that are left and return the result; cancelling ends the fit after the last checkpoint."""
        return self._finished().__await__()

    async def _finished(self) -> FitResult:
        async for _ in self:
            pass
        return self.result

    def __aiter__(self) -> Fit:
        """Return itself."""
        return self

    async def __anext__(self) -> Round:
        """Play a round; raises as ``await`` does.

        Raises:
            NotEnoughWorkers: too few workers counted, again and again.
            CheckpointCorrupt: the file to resume from is damaged.
            ConfigError: it is another fit's, or a function that was given answers what it can't.
        """
        self._session.check_loop()
        if self._failed is not None:
            raise self._failed
        if self._running is None:
            self._running = self._play()
        try:
            return await anext(self._running)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._failed = error
            raise

    async def _play(self) -> AsyncGenerator[Round, None]:
        await self._begin()
        line = Line(self._options.rounds, self._options.progress)
        try:
            while len(self._rounds) < self._options.rounds and not self._stops():
                one = await self._round(len(self._rounds) + 1)
                self._params = one.params
                self._rounds.append(replace(one, params=None))
                await self._keep()
                line.tell(one)
                yield one
        finally:
            line.close()

    def _stops(self) -> bool:
        return bool(self._rounds) and self._options.stop is not None and self._options.stop(self._rounds)

    # ---- a round

    async def _round(self, number: int) -> Round:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        strategy = self._setting.strategy
        dropped: list[Dropped] = []
        last: Sequence[Dropped] = ()
        for _ in range(self._options.retries + 1):
            workers = await self._present(number, last)
            # Who failed in this round is asked again only where it can't do without.
            failed = {gone.name for gone in dropped}
            others = {name: one for name, one in workers.items() if name not in failed}
            chosen = others if len(others) >= strategy.min_workers else workers
            outcome = await Attempt(self._setting, number, self._params).run(chosen)
            last = outcome.dropped
            dropped += last
            if outcome.params is not None:
                params = self._checked(outcome.params)
                metrics = await self._evaluated(params)
                seconds = loop.time() - begun
                return Round(number, params, outcome.loss, metrics, outcome.workers, tuple(dropped), seconds)
        raise too_few(number, strategy.min_workers, sorted(workers), last)

    async def _present(self, number: int, last: Sequence[Dropped]) -> dict[str, WorkerHandle]:
        """Return the workers that may take part, once there are enough."""
        least = self._setting.strategy.min_workers
        try:
            async with asyncio.timeout(self._options.patience) as limit:
                while len(there := self._there()) < least:
                    # Looks again now and then: one who may take part can come when another leaves.
                    with contextlib.suppress(WorkerTimeout):
                        await self._session.wait_for_workers(len(self._session.workers) + 1, LOOK_SECONDS)
                return there
        except TimeoutError:
            if not limit.expired():
                raise
            raise too_few(number, least, sorted(self._there()), last) from None

    def _there(self) -> dict[str, WorkerHandle]:
        return {
            name: worker
            for name, worker in self._session.workers.items()
            if (self._allowed is None or name in self._allowed) and self._setting.trainer.serves(worker)
        }

    def _checked(self, params: Tree) -> Tree:
        """Return what a strategy made, if it can be trained on: a user's strategy may err."""
        kind = type(self._setting.strategy).__name__
        if not same_form(params, self._params):
            raise ConfigError(f"{kind}.aggregate gave parameters of another form than it was given")
        leaves = []
        for leaf, before in zip(flatten(params), flatten(self._params), strict=True):
            array = np.asarray(leaf)
            if array.shape != before.shape or array.dtype != before.dtype:
                told = f"{array.dtype} of shape {array.shape} in place of {before.dtype} of shape {before.shape}"
                raise ConfigError(f"{kind}.aggregate gave {told}")
            if not np.all(np.isfinite(array)):
                raise ConfigError(f"{kind}.aggregate gave NaN or infinities; a smaller learning rate may help")
            leaves.append(frozen(np.ascontiguousarray(array).reshape(array.shape)))
        return rebuilt(self._params, leaves)

    async def _evaluated(self, params: Tree) -> Metrics:
        if self._options.evaluate is None:
            return {}
        found = self._options.evaluate(params)
        metrics = await found if inspect.isawaitable(found) else found
        if not isinstance(metrics, Mapping):
            raise ConfigError(f"evaluate: expected a dict of numbers, not a {type(metrics).__name__}")
        numbers = {}
        for name, value in metrics.items():
            if not isinstance(name, str) or np.ndim(value) != 0 or not math.isfinite(value):
                raise ConfigError(f"evaluate: {name!r} is {value!r}, no finite number")
            numbers[name] = float(value)
        return numbers

    # ---- checkpoints

    async def _begin(self) -> None:
        if self._path is None:
            return
        if not self._options.resume:
            if await asyncio.to_thread(self._path.exists):
                told = "resume=True goes on from it, another path begins anew"
                raise ConfigError(f"{self._path} is there already; {told}")
            return
        try:
            found = await asyncio.to_thread(checkpoint.load, self._path)
        except FileNotFoundError:
            return
        strategy = self._setting.strategy
        same = (found.seed, found.strategy) == (self._options.seed, type(strategy).__name__)
        leaves = flatten(self._params)
        if not same or [(one.shape, one.dtype) for one in found.leaves] != [(one.shape, one.dtype) for one in leaves]:
            told = f"seed {found.seed}, {found.strategy}, {len(found.leaves)} arrays"
            raise ConfigError(f"{self._path} is of another fit: {told}; seed, strategy and parameters must be the same")
        try:
            strategy.restore(found.state)
        except (ValueError, LookupError, TypeError) as error:
            raise CheckpointCorrupt(f"{self._path}: {type(strategy).__name__} can't go on from it: {error}") from error
        self._params = rebuilt(self._params, map(frozen, found.leaves))
        self._rounds = list(found.rounds)

    async def _keep(self) -> None:
        if self._path is not None:
            strategy = self._setting.strategy
            made = Checkpoint(
                self._options.seed, type(strategy).__name__, self._rounds, flatten(self._params), strategy.state()
            )
            await asyncio.to_thread(checkpoint.save, self._path, made)
