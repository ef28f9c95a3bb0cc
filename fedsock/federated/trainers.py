"""What a fit has its workers do: a trainer starts one worker's part of a round, and its reply is fetched later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedsock.errors import UpdateRejected
from fedsock.federated.aggregate import Update
from fedsock.plan.program import Program
from fedsock.session.handle import WorkerHandle
from fedsock.session.pointer import Pointer
from fedsock.session.requests import Hold, fetch
from fedsock.typing import Tree


@dataclass(frozen=True, slots=True)
class Job:
    """One worker's part of a round.

    Attributes:
        round: counted from 1.
        seed: of its draws, as ``local.seed_of`` gives it.
        local: settings of the training, by name, as ``LocalSGD.to_dict`` gives them.
        config: what the fit's ``config`` says for this round and worker.
        most_bytes: of its update; None: as much as may be fetched.
    """

    round: int
    seed: int
    local: Mapping[str, Any]
    config: Mapping[str, Any]
    most_bytes: int | None = None


class Reply(ABC):
    """What a worker was asked for, until it is here."""

    @abstractmethod
    async def ready(self) -> None:
        """Wait until the training is over; no data moves. Cancelling ends the wait only.

        Raises:
            FedsockError: it failed.
        """

    @abstractmethod
    async def fetch(self, worker: str) -> Update:
        """Return the update; nothing of it is checked yet, and nothing of it is kept. Cancelling ends the wait only.

        Args:
            worker: the worker's name.

        Raises:
            FedsockError: it failed, or may not leave.
        """

    @abstractmethod
    def cancel(self) -> None:
        """It isn't needed any more; again, or when it is over, is harmless."""


class Trainer(ABC):
    """Starts trainings at workers."""

    def serves(self, worker: WorkerHandle) -> bool:
        """Return whether a worker can take part at all.

        Args:
            worker: its handle.
        """
        return True

    def prepare(self, workers: Sequence[WorkerHandle]) -> None:  # noqa: B027  # most need nothing
        """See who takes part in a round, before the first of them is started.

        Args:
            workers: their handles.

        Raises:
            FedsockError: nobody can be started.
        """

    @abstractmethod
    def start(self, worker: WorkerHandle, params: Pointer, job: Job) -> Reply:
        """Start one worker's part of a round, at once, without waiting.

        Args:
            worker: its handle.
            params: a pointer to the parameters there.
            job: what to do.

        Raises:
            FedsockError: it can't be started.
        """


class PointerReply(Reply):
    """A reply that is one pointer to (params, n, metrics), or a dict of these three; a metric may be called "loss".

    Args:
        pointer: to it.
        most_bytes: that it may have; None: as much as may be fetched.
    """

    def __init__(self, pointer: Pointer, most_bytes: int | None = None) -> None:
        self._pointer = pointer
        self._most_bytes = most_bytes

    async def ready(self) -> None:
        """Wait until it is there; no data moves. Cancelling ends the wait only.

        Raises:
            FedsockError: it failed.
        """
        await self._pointer.wait()

    async def fetch(self, worker: str) -> Update:
        """Return the update and free it at the worker. Cancelling ends the wait only.

        Args:
            worker: the worker's name.

        Raises:
            FedsockError: it failed, or may not leave.
            UpdateRejected: it is something else.
        """
        record = self._pointer._record
        value = await fetch(record, Hold(record), None, release=True, most_bytes=self._most_bytes)
        if isinstance(value, dict) and {"params", "n"} <= value.keys() <= {"params", "n", "metrics"}:
            value = (value["params"], value["n"], value.get("metrics"))
        if not isinstance(value, (tuple, list)) or len(value) != 3:
            raise UpdateRejected(f"{worker}: gave no (params, n, metrics), nor a dict of them")
        params, n, metrics = value
        metrics = {} if metrics is None else metrics
        if not isinstance(metrics, dict):
            raise UpdateRejected(f"{worker}: its metrics are no dict but a {type(metrics).__name__}")
        rest = {name: one for name, one in metrics.items() if name != "loss"}
        return Update(worker, params, n, metrics.get("loss"), rest)

    def cancel(self) -> None:
        """Take the op back if it hasn't run yet."""
        self._pointer.cancel()


class TaskTrainer(Trainer):
    """Calls a task of the workers' owners, by its name, with the parameters and what the fit's ``config`` says.

    Args:
        task: its name; it returns what ``PointerReply`` reads.
    """

    def __init__(self, task: str) -> None:
        self._task = task

    def serves(self, worker: Any) -> bool:
        """Return whether a worker offers the task.

        Args:
            worker: its handle.
        """
        return self._task in worker.tasks

    def start(self, worker: Any, params: Pointer, job: Job) -> Reply:
        """Call the task at a worker.

        Args:
            worker: its handle.
            params: a pointer to the parameters there.
            job: of which ``config`` goes to the task, as keyword arguments.
        """
        return PointerReply(worker.task(self._task, params, **job.config), job.most_bytes)


class LossTrainer(Trainer):
    """Trains on a plan's loss at the workers, each on its own data sets.

    Args:
        loss: a plan ``loss(params, *data)`` that gives the mean over the rows of its data.
        data: names of the data sets, in the order in which the loss takes them.
        params: that the fit begins with: what the loss is recorded for.
    """

    def __init__(self, loss: Any, data: Sequence[str], params: Tree) -> None:
        self._loss = loss
        self._data = data
        self._params = params

    def serves(self, worker: WorkerHandle) -> bool:
        """Return whether a worker has all the data sets.

        Args:
            worker: its handle.
        """
        return all(name in worker.datasets for name in self._data)

    def prepare(self, workers: Sequence[WorkerHandle]) -> None:
        """Record the loss for data as most workers have them: one with others must not decide for all.

        Args:
            workers: that take part.
        """
        if not workers or not isinstance(self._loss, Program) or self._loss.is_recorded:
            return
        found = [self._rows(worker) for worker in workers]
        forms = [tuple((one.ndim, one.shape[1:], one.dtype) for one in data) for data in found]
        most, _ = Counter(forms).most_common(1)[0]
        self._loss.leaves((self._params, *found[forms.index(most)]), {})

    def start(self, worker: Any, params: Pointer, job: Job) -> Reply:
        """Start the training at a worker.

        Args:
            worker: its handle.
            params: a pointer to the parameters there.
            job: its settings, of which ``config`` goes over ``local``.
        """
        data = self._rows(worker)
        if isinstance(self._loss, Program):
            self._loss.leaves((self._params, *data), {})
        settings = {**job.local, "seed": job.seed, **job.config}
        return PointerReply(worker.train(self._loss, params, data, **settings), job.most_bytes)

    def _rows(self, worker: Any) -> tuple[Any, ...]:
        return tuple(worker.datasets[name] for name in self._data)
