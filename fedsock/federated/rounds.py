"""One try of a round: start everywhere, wait until the deadline, fetch in order and fold."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fedsock.errors import Closed, ConfigError, FedsockError, HubLost, NotEnoughWorkers, WorkerTimeout, WrongLoop
from fedsock.federated.aggregate import Update, WeightedMean, check, flatten, mean_loss
from fedsock.federated.local import LocalSGD, seed_of
from fedsock.federated.result import Dropped, WorkerReport
from fedsock.federated.strategies import Strategy, Updates
from fedsock.federated.trainers import Job, Reply, Trainer
from fedsock.session.handle import WorkerHandle
from fedsock.typing import Tree

FATAL = (Closed, HubLost, WrongLoop)
"""What ends a fit: not one worker's failure but the session's."""

IN_FLIGHT = 2
"""Large updates that are fetched or folded at the same time; with the sum, all that a round holds."""

TOGETHER_BYTES = 1 << 20
"""Where all updates of a round together are no larger, they are asked for at once: one trip instead of several."""

ROOM_BYTES = 1 << 20
"""For what an update has beside parameters, such as metrics."""

Config = Mapping[str, Any] | Callable[[int, str], Mapping[str, Any]] | None
"""Settings for every worker, or (round, worker) -> settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all rounds of a fit have in common.

    Attributes:
        trainer: starts the trainings.
        strategy: chooses and aggregates.
        local: the training.
        config: what is told to each worker beside.
        seed: the fit's.
        deadline: seconds for the training, and again for each fetch; None waits as long as it takes.
        most_rows: the largest weight of a worker.
    """

    trainer: Trainer
    strategy: Strategy
    local: LocalSGD
    config: Config
    seed: int
    deadline: float | None
    most_rows: int

    def job(self, number: int, worker: str) -> Job:
        """Return one worker's part of a round.

        Args:
            number: the round's.
            worker: its name.

        Raises:
            ConfigError: ``config`` gave no dict with str keys.
        """
        config = self.config(number, worker) if callable(self.config) else self.config or {}
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise ConfigError(f"config: expected a dict with str keys, not {config!r}")
        local = replace(self.local, **self.strategy.local()).to_dict()
        return Job(number, seed_of(self.seed, number, worker), local, dict(config))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try gave.

    Attributes:
        params: the next parameters; None if too few workers counted.
        loss: mean training loss.
        workers: reports of those that counted.
        dropped: those that didn't.
    """

    params: Tree
    loss: float | None
    workers: Mapping[str, WorkerReport]
    dropped: Sequence[Dropped]


class Attempt:
    """One try of a round.

    Args:
        setting: the fit's.
        number: the round's.
        params: that it begins with.
    """

    def __init__(self, setting: Setting, number: int, params: Tree) -> None:
        self._setting = setting
        self._number = number
        self._params = params
        self._nbytes = sum(leaf.nbytes for leaf in flatten(params))
        self._dropped: dict[str, Dropped] = {}
        self._replies: dict[str, Reply] = {}
        self._begun = 0.0

    async def run(self, workers: Mapping[str, WorkerHandle]) -> Outcome:
        """Play it. Cancelling takes back what the workers haven't done yet.

        Args:
            workers: name -> handle of those that may take part.

        Raises:
            ConfigError: the strategy chose somebody else, or ``config`` can't be.
            Closed, HubLost, WrongLoop: the session is over.
        """
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        try:
            chosen = self._chosen(sorted(workers))
            self._setting.trainer.prepare([workers[name] for name in chosen])
            for name in chosen:
                self._start(name, workers[name])
            names = list(self._replies)
            together = self._nbytes * len(names) <= TOGETHER_BYTES
            if not together:
                when = None if self._setting.deadline is None else self._begun + self._setting.deadline
                await asyncio.gather(*(self._guarded(name, lambda r: r.ready(), when) for name in names))
                names = [name for name in names if name not in self._dropped]
            return await self._folded(names, len(names) if together else IN_FLIGHT)
        finally:
            for name in list(self._replies):
                self._give_up(name)

    def _chosen(self, names: list[str]) -> list[str]:
        chosen = list(self._setting.strategy.select(names, self._number))
        strangers = set(chosen) - set(names)
        if strangers or len(set(chosen)) < len(chosen):
            kind = type(self._setting.strategy).__name__
            raise ConfigError(f"{kind}.select chose {chosen}, which are not some of {names}, each once")
        return sorted(chosen)

    def _start(self, name: str, worker: WorkerHandle) -> None:
        # Twice as much: of one in a wider dtype it is said that it is.
        job = replace(self._setting.job(self._number, name), most_bytes=2 * self._nbytes + ROOM_BYTES)
        try:
            # Nobody changes these arrays: they are read-only, so no worker needs a copy of them.
            self._replies[name] = self._setting.trainer.start(worker, worker.send(self._params, copy=False), job)
        except FATAL:
            raise
        except FedsockError as error:
            self._drop(name, error)

    def _drop(self, name: str, error: FedsockError) -> None:
        self._dropped[name] = Dropped(name, f"{type(error).__name__}: {error}")
        self._give_up(name)

    def _give_up(self, name: str) -> None:
        reply = self._replies.pop(name, None)
        if reply is not None:
            with contextlib.suppress(FedsockError):  # it may be fetched and freed already, or its worker gone
                reply.cancel()

    async def _guarded(self, name: str, act: Callable[[Reply], Awaitable[Any]], when: float | None) -> Any:
        """Do something with a reply; where it fails or takes too long, the worker is dropped, and None returned."""
        try:
            async with asyncio.timeout_at(when) as limit:
                return await act(self._replies[name])
        except FATAL:
            raise
        except FedsockError as error:
            self._drop(name, error)
        except TimeoutError:
            if not limit.expired():
                raise
            self._drop(name, WorkerTimeout(f"no update within {self._setting.deadline} s"))
        return None

    async def _folded(self, names: list[str], in_flight: int) -> Outcome:
        strategy = self._setting.strategy
        folded = None if strategy.needs_all else WeightedMean(self._params)
        updates: list[Update] = []
        reports: dict[str, WorkerReport] = {}
        if len(names) < strategy.min_workers:
            return self._outcome(None, updates, reports)

        def take(update: Update) -> None:
            seconds = asyncio.get_running_loop().time() - self._begun
            up = sum(leaf.nbytes for leaf in flatten(update.params))
            reports[update.worker] = WorkerReport(update.n, update.loss, update.metrics, seconds, self._nbytes, up)
            if folded is not None:
                folded.add(update.params, update.n)
                update = replace(update, params=None)
            updates.append(update)

        await self._fetch_in_order(names, in_flight, take)
        if len(updates) < strategy.min_workers:
            return self._outcome(None, updates, reports)
        mean = None if folded is None else folded.mean()
        params = strategy.aggregate(Updates(self._number, self._params, mean, tuple(updates)))
        return self._outcome(params, updates, reports)

    async def _fetch_in_order(self, names: list[str], in_flight: int, take: Callable[[Update], None]) -> None:
        """Hand over updates in the order of names, the next one under way while one is taken."""
        waiting = deque(names)
        running: deque[asyncio.Task[Update | None]] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                while waiting or running:
                    while waiting and len(running) < in_flight:
                        running.append(group.create_task(self._fetched(waiting.popleft())))
                    update = await running[0]
                    if update is not None:
                        take(update)
                    del update
                    running.popleft()
        except ExceptionGroup as failed:  # of what ends a fit, one is enough
            raise failed.exceptions[0] from None

    async def _fetched(self, name: str) -> Update | None:
        deadline = self._setting.deadline
        when = None if deadline is None else asyncio.get_running_loop().time() + deadline

        async def act(reply: Reply) -> Update:
            return check(await reply.fetch(name), self._params, self._setting.most_rows)

        update: Update | None = await self._guarded(name, act, when)
        self._replies.pop(name, None)
        return update

    def _outcome(self, params: Tree, updates: list[Update], reports: dict[str, WorkerReport]) -> Outcome:
        dropped = [self._dropped[name] for name in sorted(self._dropped)]
        return Outcome(params, mean_loss(updates), reports, dropped)


def too_few(number: int, least: int, there: Sequence[str], dropped: Sequence[Dropped]) -> NotEnoughWorkers:
    """Return the error for a round that didn't count.

    Args:
        number: the round's.
        least: updates that the strategy needs.
        there: names of the workers that are there.
        dropped: those that were asked and didn't count, of the last try.
    """
    told = [f"round {number}: the strategy needs updates of {least} workers"]
    told += [f"able to take part: {', '.join(there[:10]) or 'nobody'}"]
    told += [f"{one.name} was dropped ({one.reason})" for one in dropped[:5]]
    told += [f"and {len(dropped) - 5} more"] if len(dropped) > 5 else []
    return NotEnoughWorkers("; ".join(told))
