"""Asking every worker, before it trains, whether its owner lets the updates leave; in parallel, one trip each.

Who says no is left out of the rounds, with the reason: it isn't made to train for nothing. A worker is asked once a
life, for its owner may have changed the policy when it comes back; and again before each round where a request waits.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fedsock.errors import FedsockError, FitDenied, WorkerLost, WorkerTimeout
from fedsock.federated.result import Dropped
from fedsock.federated.rounds import FATAL, Setting
from fedsock.federated.strategies.base import Sampled, Strategy
from fedsock.federated.trainers import Job
from fedsock.session.handle import WorkerHandle
from fedsock.session.permission import Permission

ASK_SECONDS = 10.0
"""For the answer, in a fit without a deadline. It takes no computing at the worker."""

MOST_NAMED = 10
"""Workers, and reasons, that an error names."""


class Asking:
    """What the owners of a fit's workers said.

    Args:
        setting: the fit's.
        request: what the updates are needed for: owners that want to be asked are; None asks nobody.
    """

    def __init__(self, setting: Setting, request: str | None) -> None:
        self._setting = setting
        self._request = request
        self._lives: dict[str, str] = {}
        self._said: dict[str, Permission | None] = {}

    def denied(self, workers: Mapping[str, WorkerHandle]) -> dict[str, Permission]:
        """Return which of some workers' owners said no.

        Args:
            workers: name -> handle.
        """
        return {
            name: said
            for name, worker in workers.items()
            if self._lives.get(name) == worker.station.epoch and (said := self._said[name]) is not None and not said
        }

    async def ask(self, number: int, workers: Mapping[str, WorkerHandle], rounds: int) -> list[Dropped]:
        """Ask those whose answer isn't known; returns those that don't answer. Cancelling ends the waits only.

        Args:
            number: of the round that comes.
            workers: name -> handle.
            rounds: that are still to be played.

        Raises:
            Closed, HubLost, WrongLoop: the session is over.
            ConfigError: ``config`` gave no dict with str keys.
        """
        lives = {name: workers[name].station.epoch for name in sorted(workers)}
        waiting = {name for name, worker in workers.items() if self._waits(name, worker)}
        fresh = [name for name, life in lives.items() if self._lives.get(name) != life or name in waiting]
        times = times_of(self._setting.strategy, rounds)
        jobs = [self._setting.job(number, name) for name in fresh]
        # Whoever was asked has a request to answer, or has answered: it isn't made again.
        whys = [None if name in waiting else self._request for name in fresh]
        found = await asyncio.gather(
            *(self._answer(workers[name], job, times, why) for name, job, why in zip(fresh, jobs, whys, strict=True))
        )
        silent = []
        for name, said in zip(fresh, found, strict=True):
            if name in waiting and not (isinstance(said, Permission) and said.allowed):
                continue  # what it said before stands
            if isinstance(said, FedsockError):
                silent.append(Dropped(name, f"{type(said).__name__}: {said}"))
            else:
                self._lives[name], self._said[name] = lives[name], said
        return silent

    def _waits(self, name: str, worker: WorkerHandle) -> bool:
        """Whether a worker's owner was asked in this life of it, and had not said yes."""
        said = self._said.get(name)
        known = self._lives.get(name) == worker.station.epoch
        return known and said is not None and not said.allowed and said.request is not None

    async def _answer(
        self, worker: WorkerHandle, job: Job, times: int, why: str | None
    ) -> Permission | FedsockError | None:
        """Return what a worker says, or why nothing; None: it shows when it trains."""
        seconds = ASK_SECONDS if self._setting.deadline is None else self._setting.deadline
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._setting.trainer.allowed(worker, job, times, why)
        except FATAL:
            raise
        except WorkerLost as error:
            return error
        except FedsockError:
            return None  # a loss that doesn't fit, say: its training tells it in its usual words
        except TimeoutError:
            if not limit.expired():
                raise
            return WorkerTimeout(f"no answer within {seconds} s")


def times_of(strategy: Strategy, rounds: int) -> int:
    """Return how many updates of each worker a fit wants, as far as can be said: its share of the rounds.

    Args:
        strategy: which chooses.
        rounds: that are still to be played.
    """
    return max(1, math.ceil(rounds * strategy.fraction)) if isinstance(strategy, Sampled) else 1


def dropped(denied: Mapping[str, Permission]) -> list[Dropped]:
    """Return workers whose owners said no as a round tells them.

    Args:
        denied: name -> what its owner said.
    """
    return [
        Dropped(name, f"ExportDenied: {_told(said)}. Next: {said.next_step}") for name, said in sorted(denied.items())
    ]


def too_many_denied(least: int, allowed: Sequence[str], denied: Mapping[str, Permission]) -> FitDenied:
    """Return the error for a fit that too few owners allow.

    Args:
        least: updates that the strategy needs.
        allowed: names of the workers whose owners don't say no.
        denied: name -> what its owner said.
    """
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for name, said in sorted(denied.items()):
        alike[_told(said) if said.lines else f"{_told(said)}. Next: {said.next_step}", said.lines].append(name)
    told = [f"nothing was trained: {_named(allowed) or 'nobody'} may take part, and the strategy needs {least}"]
    for (words, lines), names in list(alike.items())[:MOST_NAMED]:
        told.append(f"{_named(names)}: {words}")
        if lines:
            told.append("these lines in the worker's TOML would allow it:")
            told += ["  [policy.train]", *(f"  {line}" for line in lines)]
    told += [f"and {len(alike) - MOST_NAMED} more reasons"] if len(alike) > MOST_NAMED else []
    return FitDenied("\n".join(told), dict(denied))


def _told(said: Permission) -> str:
    asked = said.request
    about = f"; request {asked.number} of it is {asked.state}" if asked is not None else ""
    return f"{said.reason} (rule {said.rule}){about}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
