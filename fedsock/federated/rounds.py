"""One try of a round: start everywhere, wait until the deadline, fetch in order and fold."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from fedsock.errors import (
    Closed,
    ConfigError,
    FedsockError,
    HubLost,
    NotEnoughWorkers,
    WorkerStateLost,
    WorkerTimeout,
    WrongLoop,
)
from fedsock.federated.aggregate import Update, WeightedMean, check, flatten, mean_loss
from fedsock.federated.local import LocalSGD, seed_of
from fedsock.federated.result import Dropped, WorkerReport
from fedsock.federated.strategies import Strategy, Updates
from fedsock.federated.trainers import Job, Reply, Trainer
from fedsock.session.handle import WorkerHandle
from fedsock.typing import Tree

FATAL = (Closed, HubLost, WrongLoop, WorkerStateLost)
"""What ends a fit: not one worker's failure but the session's, or what would change its numbers unseen."""

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
            ConfigError: ``config`` gave no dict with str keys, or a setting that there isn't or can't be.
        """
        config = self.config(number, worker) if callable(self.config) else self.config or {}
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise ConfigError(f"config: expected a dict with str keys, not {config!r}")
        local = replace(self.local, **self.strategy.local())
        kept = (local.keep_state, local.on_state_lost == "fresh")
        job = Job(number, seed_of(self.seed, number, worker), local.to_dict(), dict(config), *kept)
        self.trainer.check(job)
        return job


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
        self._asked = 0
        self._begun = 0.0

    async def run(self, workers: Mapping[str, WorkerHandle]) -> Outcome:
        """Play it. Cancelling takes back what the workers haven't done yet.

        Args:
            workers: name -> handle of those that may take part.

        Raises:
            ConfigError: the strategy chose somebody else, or ``config`` can't be.
            WorkerStateLost: a worker no longer has what it kept of its last round.
            Closed, HubLost, WrongLoop: the session is over.
        """
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        try:
            chosen = self._chosen(sorted(workers))
            self._asked = len(chosen)
            for name in chosen:
                self._start(name, workers[name])
            return await self._folded(list(self._replies))
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

    async def _folded(self, names: list[str]) -> Outcome:
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

        await self._fetch_in_order(names, take)
        if len(updates) < strategy.min_workers:
            return self._outcome(None, updates, reports)
        mean = None if folded is None else folded.mean()
        params = strategy.aggregate(Updates(self._number, self._params, mean, tuple(updates)))
        return self._outcome(params, updates, reports)

    async def _fetch_in_order(self, names: list[str], take: Callable[[Update], None]) -> None:
        """Hand over updates in the order of names, the next one under way while one is taken, and others trained."""
        together = self._nbytes * len(names) <= TOGETHER_BYTES
        when = None if self._setting.deadline is None else self._begun + self._setting.deadline
        waiting = deque(names)
        running: deque[asyncio.Task[Update | None]] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                trained: dict[str, asyncio.Task[None]] = {}
                if not together:
                    trained = {
                        name: group.create_task(self._guarded(name, lambda r: r.ready(), when)) for name in names
                    }
                while waiting or running:
                    while waiting and (together or len(running) < IN_FLIGHT):
                        name = waiting.popleft()
                        running.append(group.create_task(self._fetched(name, trained.get(name))))
                    update = await running[0]
                    if update is not None:
                        take(update)
                    del update
                    running.popleft()
        except ExceptionGroup as failed:  # of what ends a fit, one is enough
            raise failed.exceptions[0] from None

    async def _fetched(self, name: str, trained: asyncio.Task[None] | None) -> Update | None:
        if trained is not None:
            await trained
        # Where too few are left, the round won't count, and no more leaves its worker for it.
        if name not in self._replies or self._asked - len(self._dropped) < self._setting.strategy.min_workers:
            return None
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


def too_few(
    number: int, least: int, there: Sequence[str], dropped: Sequence[Dropped], unable: Sequence[str] = ()
) -> NotEnoughWorkers:
    """Return the error for a round that didn't count.

    Args:
        number: the round's.
        least: updates that the strategy needs.
        there: names of the workers that are there.
        dropped: those that were asked and didn't count, of the last try.
        unable: why others can't be asked.
    """
    told = [f"round {number}: the strategy needs updates of {least} worker{'s' * (least != 1)}"]
    told += [f"able to take part: {', '.join(there[:10]) or 'nobody'}"]
    told += [f"{one.name} was dropped ({one.reason})" for one in dropped[:5]]
    told += [f"and {len(dropped) - 5} more"] if len(dropped) > 5 else []
    told += unable[:5]
    told += [f"and {len(unable) - 5} more"] if len(unable) > 5 else []
    return NotEnoughWorkers("; ".join(told))


def unable(
    trainer: Trainer, workers: Mapping[str, WorkerHandle], allowed: Set[str] | None, held_out: Set[str] = frozenset()
) -> list[str]:
    """Return why workers can't take part.

    Args:
        trainer: of the fit.
        workers: that are there, by name.
        allowed: names of those that may take part; None: all.
        held_out: names of those that only evaluate.
    """
    told = [f"{name} isn't there" for name in sorted((allowed or set()) - workers.keys())]
    for name in sorted(workers):
        if name in held_out:
            told.append(f"{name} is held out")
        elif allowed is not None and name not in allowed:
            told.append(f"{name} isn't among workers=")
        elif not trainer.serves(workers[name]):
            told.append(f"{name} {trainer.lacks(workers[name]) or 'has no part in this training'}")
    return told or ([] if workers else ["no worker is at the hub; python -m fedsock.worker --help says how one comes"])
