"""What a hub offers over many workers at once: fits, and simulated workers by the hundred."""

from __future__ import annotations

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from fedsock.errors import ConfigError
from fedsock.federated.fit import Fit
from fedsock.federated.options import Options
from fedsock.federated.trainers import LossTrainer, TaskTrainer, Trainer
from fedsock.plan.program import Program
from fedsock.plan.steps import Plan
from fedsock.session.handle import WorkerHandle
from fedsock.session.session import Session
from fedsock.typing import Tree

Start = Callable[[str, Mapping[str, Any] | None], Awaitable[WorkerHandle]]
"""Starts one: (name, data) -> handle."""


class Federation(ABC):
    """The part of a connection that is about many workers."""

    @property
    @abstractmethod
    def _open_session(self) -> Session:
        """The session; raises Closed when there is none."""

    @abstractmethod
    async def virtual_worker(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        private: bool = True,
        policy: Any = None,
        mock: bool = False,
    ) -> WorkerHandle:
        """Start a worker in this process."""

    def fit(
        self,
        params: Tree,
        loss: Program | Plan | None = None,
        *,
        data: str | Sequence[str] = (),
        task: str | None = None,
        trainer: Trainer | None = None,
        **options: Any,
    ) -> Fit:
        """Return a fit of parameters to the workers' data: ``async for`` gives its rounds, ``await`` its result.

        Args:
            params: to begin with: floating-point arrays in lists, tuples and dicts.
            loss: a plan ``loss(params, *data)``, the mean over the rows, that each worker trains on (``local``).
            data: names of the data sets that the loss takes.
            task: in place of a loss, of the workers' owners, called with the parameters and what ``config`` says; it
                returns (params, n, metrics), or a dict of these.
            trainer: in place of both, what each worker does in a round.
            options: rounds, strategy, evaluate, … as ``federated.options.Options`` has them.

        Raises:
            ConfigError: an option can't be, or not exactly one of loss, task and trainer is given.
        """
        if sum(one is not None for one in (loss, task, trainer)) != 1:
            raise ConfigError("a fit takes either a loss, task= or trainer=")
        if (loss is None) != (not data):
            raise ConfigError("a loss takes data=(names of data sets), and nothing else does")
        if "rounds" not in options:
            raise ConfigError("say how many rounds: rounds=50")
        if unknown := sorted(options.keys() - {field.name for field in fields(Options)}):
            told = "what the workers do in a round is said by local=LocalSGD(epochs=, batch_size=, learning_rate=, …)"
            raise ConfigError(f"a fit has no option {unknown[0]!r}; {told}")
        names = (data,) if isinstance(data, str) else data
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"data={data!r}: expected names of data sets, which each worker has its own of")
        if not isinstance(trainer, Trainer | None) or not isinstance(task, str | None):
            raise ConfigError("task= is a task's name, trainer= a Trainer")
        if loss is not None:
            trainer = LossTrainer(loss, names, params)
            options.setdefault("evaluate_data", data)
        return Fit(self._open_session, params, trainer or TaskTrainer(str(task)), Options(**options))

    async def virtual_workers(
        self,
        n: int | None = None,
        data: Sequence[Mapping[str, Any]] | None = None,
        prefix: str = "w",
        **options: Any,
    ) -> Sequence[WorkerHandle]:
        """Return the handles of virtual workers that were started together, in the order of their data.

        Args:
            n: how many; None: as many as ``data``.
            data: of each: name -> array, as ``federated.partition.parts`` gives them; None: none has any. Who has an
                array without rows is left out, with a warning.
            prefix: their names are it and a number, with zeros in front, so that names sort as numbers do.
            options: private, policy, mock and tasks, for all of them.

        Raises:
            ConfigError: there are data for more or fewer, or it isn't said how many; and as for ``virtual_worker``.
            NameTaken: another worker has a name; the others stay until the hub is closed.

        Cancelling leaves those that are there.
        """
        return await _started(lambda name, part: self.virtual_worker(name, part, **options), n, data, prefix)


async def _started(
    start: Start, count: int | None, data: Sequence[Mapping[str, Any]] | None, prefix: str
) -> list[WorkerHandle]:
    if count is None:
        if data is None:
            raise ConfigError("say how many virtual workers: virtual_workers(100), or data= for each")
        count = len(data)
    if type(count) is not int or count < 1:
        raise ConfigError(f"n={count!r}: expected a whole number, 1 or more")
    if data is not None and len(data) != count:
        raise ConfigError(f"data: there are {len(data)} parts for {count} workers")
    width = len(str(count - 1))
    names = [f"{prefix}{number:0{width}}" for number in range(count)]
    parts: dict[str, Mapping[str, Any] | None] = {
        name: None if data is None else data[place] for place, name in enumerate(names)
    }
    empty = [name for name, part in parts.items() if part is not None and _is_empty(part)]
    if empty:
        told = ", ".join(empty[:10]) + (", …" if len(empty) > 10 else "")
        warnings.warn(f"left out, for they have no rows: {told}", stacklevel=3)
    found = await asyncio.gather(
        *(start(name, part) for name, part in parts.items() if name not in set(empty)), return_exceptions=True
    )
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]


def _is_empty(part: Mapping[str, Any]) -> bool:
    return any(np.ndim(array) > 0 and len(array) == 0 for array in part.values() if not isinstance(array, Mapping))
