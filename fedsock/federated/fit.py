"""A fit: rounds of training at the workers, until it is over. What ``hub.fit(…)`` returns."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fedsock.errors import CheckpointCorrupt, ConfigError, FitError, WorkerTimeout
from fedsock.federated import asking, checkpoint
from fedsock.federated.aggregate import checked_params, flatten, frozen, rebuilt, same_form
from fedsock.federated.asking import Asking
from fedsock.federated.checkpoint import Checkpoint
from fedsock.federated.evaluation import evaluator
from fedsock.federated.local import LocalSGD
from fedsock.federated.options import Options, names
from fedsock.federated.progress import Line
from fedsock.federated.result import Dropped, FitResult, Round
from fedsock.federated.rounds import Attempt, Setting, too_few, unable
from fedsock.federated.strategies import FedAvg
from fedsock.federated.trainers import Trainer
from fedsock.plan.trees import paths
from fedsock.session.handle import WorkerHandle
from fedsock.session.session import Session
from fedsock.typing import Tree

LOOK_SECONDS = 0.2
"""How often to see who is there, while too few are."""


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
        if self._setting.local.keep_state and not trainer.keeps_state:
            raise ConfigError("keep_state=True is of a fit with a loss; what a task keeps is its owner's")
        self._asking = Asking(self._setting, options.request)
        self._held_out = names(options.held_out)
        self._allowed = None if options.workers is None else names(options.workers)
        if both := self._held_out & (self._allowed or set()):
            raise ConfigError(f"{', '.join(sorted(both))}: either trains (workers=) or is held out (held_out=)")
        if self._allowed == set():
            raise ConfigError("workers=: nobody is named; leave it out for all that are there")
        data = (options.evaluate_data,) if isinstance(options.evaluate_data, str) else tuple(options.evaluate_data)
        limits = {"deadline": options.deadline, "most_rows": options.most_rows}
        self._evaluator = evaluator(options.evaluate, data, sorted(self._held_out), **limits)
        self._path = None if options.checkpoint is None else Path(options.checkpoint)
        self._rounds: list[Round] = []
        self._first = 1
        self._running: AsyncGenerator[Round, None] | None = None
        self._resumed: Checkpoint | None = None
        self._prepared = False
        self._playing = False
        self._failed: BaseException | None = None
        self._watched = True  # round by round, by who may print or leave after each

    @property
    def result(self) -> FitResult:
        """What there is so far."""
        return FitResult(self._params, tuple(self._rounds))

    def __await__(self) -> Generator[Any, None, FitResult]:
        """Play all rounds that are left and return the result; cancelling ends the fit after the last checkpoint."""
        return self._finished().__await__()

    async def _finished(self) -> FitResult:
        self._watched = False
        async for _ in self:
            pass
        return self.result

    def __aiter__(self) -> Fit:
        """Return itself."""
        return self

    async def __anext__(self) -> Round:
        """Play a round; raises as ``await`` does.

        Raises:
            FitDenied: too few owners let updates leave; nothing was trained.
            NotEnoughWorkers: too few workers counted, again and again.
            WorkerStateLost: a worker no longer has what it kept of its last round.
            CheckpointCorrupt: the file to resume from is damaged.
            CheckpointUnwritable: the round was played, and is in ``result``, but can't be kept.
            ConfigError: the checkpoint is another fit's, or a function that was given answers what it can't.
            PlanError: nobody can train on the loss.
            FitError: it was cancelled before, or somebody else plays a round of it.
        """
        self._session.check_loop()
        if self._failed is not None:
            raise self._failed
        if self._playing:
            raise FitError("a round of this fit is being played already: it is gone through once")
        if self._running is None:
            self._running = self._play()
        self._playing = True
        try:
            return await anext(self._running)
        except StopAsyncIteration:
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            # Raised again, it would look as if whoever awaits this fit next had been cancelled.
            told = "" if self._path is None else "; another fit with resume=True goes on from its checkpoint"
            self._failed = FitError(f"the fit was cancelled in round {len(self._rounds) + 1}{told}")
            raise
        except BaseException as error:
            self._failed = error
            raise
        finally:
            self._playing = False

    async def _play(self) -> AsyncGenerator[Round, None]:
        await self._begin()
        self._first = len(self._rounds) + 1
        line = Line(self._options.rounds, self._options.progress)
        try:
            while len(self._rounds) < self._options.rounds and not self._stops():
                line.show(self._rounds)
                one = await self._round(len(self._rounds) + 1)
                self._params = one.params
                self._rounds.append(replace(one, params=None))
                await self._keep()
                if self._watched:
                    line.hide()
                yield one
        finally:
            line.close(self._rounds)

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
            workers, silent = await self._permitted(number, last)
            dropped += silent
            last = silent
            if not workers:
                continue
            # Who failed in this round is asked again only where it can't do without.
            failed = {gone.name for gone in dropped}
            others = {name: one for name, one in workers.items() if name not in failed}
            chosen = others if len(others) >= strategy.min_workers else workers
            outcome = await Attempt(self._setting, number, self._params).run(chosen)
            last = [*silent, *outcome.dropped]
            dropped += outcome.dropped
            if outcome.params is not None:
                params = self._checked(outcome.params)
                self._setting.trainer.counted(number, outcome.workers)
                found = await self._evaluator.run(params, self._evaluating())
                dropped += found.dropped
                seconds = loop.time() - begun
                dropped += asking.dropped(self._asking.denied(self._there()))
                told = (found.metrics, outcome.workers, tuple(dropped), seconds, found.workers)
                return Round(number, params, outcome.loss, *told)
        raise too_few(number, strategy.min_workers, sorted(workers), last)

    async def _permitted(self, number: int, last: Sequence[Dropped]) -> tuple[dict[str, WorkerHandle], list[Dropped]]:
        """Return the workers whose owners don't say no, once there are enough; and those that don't answer.

        Raises:
            FitDenied: before the first round that is played here, too many say no.
        """
        least = self._setting.strategy.min_workers
        while True:
            await self._present(number, last)
            workers = self._there()
            self._prepare(list(workers.values()))
            silent = await self._asking.ask(number, workers, self._options.rounds - len(self._rounds))
            denied = self._asking.denied(workers)
            gone = denied.keys() | {one.name for one in silent}
            able = {name: one for name, one in workers.items() if name not in gone}
            if len(able) >= least or not denied:
                return able, silent
            if number == self._first:
                raise asking.too_many_denied(least, [*able, *(one.name for one in silent)], denied)
            last = asking.dropped(denied)

    async def _present(self, number: int, last: Sequence[Dropped]) -> None:
        """Return once there are enough workers that may take part, as far as is known."""
        least = self._setting.strategy.min_workers
        try:
            async with asyncio.timeout(self._options.patience) as limit:
                while len(self._undenied()) < least:
                    # Looks again now and then: one who may take part can come when another leaves.
                    with contextlib.suppress(WorkerTimeout):
                        await self._session.wait_for_workers(len(self._session.workers) + 1, LOOK_SECONDS)
        except TimeoutError:
            if not limit.expired():
                raise
            others = unable(self._setting.trainer, self._session.workers, self._allowed, self._held_out)
            raise too_few(number, least, sorted(self._undenied()), last, others) from None

    def _undenied(self) -> dict[str, WorkerHandle]:
        there = self._there()
        denied = self._asking.denied(there)
        return {name: worker for name, worker in there.items() if name not in denied}

    def _prepare(self, workers: Sequence[WorkerHandle]) -> None:
        """Find out, before the first round, what is wrong with the training whoever does it."""
        if not self._prepared:
            self._setting.trainer.prepare(workers)
            self._evaluator.prepare(self._params, self._evaluating())
            if self._resumed is not None:
                self._check_same(self._resumed)
            self._prepared = True

    def _there(self) -> dict[str, WorkerHandle]:
        return {
            name: worker
            for name, worker in self._session.workers.items()
            if (self._allowed is None or name in self._allowed)
            and name not in self._held_out
            and self._setting.trainer.serves(worker)
        }

    def _evaluating(self) -> Mapping[str, WorkerHandle]:
        """Return the workers among which those that evaluate are."""
        return self._session.workers if self._held_out else self._there()

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

    # ---- checkpoints

    async def _begin(self) -> None:
        if self._path is None:
            return
        await asyncio.to_thread(checkpoint.check_place, self._path)
        if not self._options.resume:
            if await asyncio.to_thread(self._path.exists):
                told = "resume=True goes on from it, another path begins anew"
                raise ConfigError(f"{self._path} is there already; {told}")
            return
        try:
            found = await asyncio.to_thread(checkpoint.load, self._path)
        except FileNotFoundError:
            return
        known = self._setting.trainer.about is not None
        self._check_same(found if known else replace(found, training=None))
        self._resumed = found
        strategy = self._setting.strategy
        try:
            strategy.restore(found.state)
        except (ValueError, LookupError, TypeError) as error:
            raise CheckpointCorrupt(f"{self._path}: {type(strategy).__name__} can't go on from it: {error}") from error
        self._params = rebuilt(self._params, map(frozen, found.leaves))
        self._rounds = list(found.rounds)
        for one in self._rounds:
            self._setting.trainer.counted(one.number, one.workers)

    def _check_same(self, found: Checkpoint) -> None:
        if told := "; ".join(found.differences(self._checkpoint())):
            raise ConfigError(f"{self._path} is of another fit: {told}. Fit that again, or take another path")

    def _checkpoint(self) -> Checkpoint:
        strategy = self._setting.strategy
        return Checkpoint(
            self._options.seed,
            type(strategy).__name__,
            self._setting.trainer.about,
            list(self._rounds),
            list(paths(self._params, "params")),
            flatten(self._params),
            strategy.state(),
        )

    async def _keep(self) -> None:
        if self._path is not None:
            await asyncio.to_thread(checkpoint.save, self._path, self._checkpoint())
