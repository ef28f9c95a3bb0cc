"""What a fit has its workers do: a trainer starts one worker's part of a round, and its reply is fetched later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fedsock.errors import ConfigError, OpFailed, PlanMismatch, UpdateRejected, WorkerStateLost
from fedsock.federated.aggregate import Update
from fedsock.federated.states import States
from fedsock.plan.gradient import require_gradient
from fedsock.plan.program import Program
from fedsock.plan.settings import Training
from fedsock.plan.steps import Plan
from fedsock.plan.trees import references
from fedsock.session.handle import WorkerHandle
from fedsock.session.permission import Permission
from fedsock.session.pointer import Pointer
from fedsock.session.requests import Hold, fetch
from fedsock.typing import Tree

MOST_NAMES = 10
"""Names that an error lists."""


@dataclass(frozen=True, slots=True)
class Job:
    """One worker's part of a round.

    Attributes:
        round: counted from 1.
        seed: of its draws, as ``local.seed_of`` gives it.
        local: settings of the training, by name, as ``LocalSGD.to_dict`` gives them.
        config: what the fit's ``config`` says for this round and worker.
        keep_state: the optimizer's state stays at the worker, which goes on from that of its last round.
        fresh_state: where that is lost it begins with a new one.
        most_bytes: of its update; None: as much as may be fetched.
    """

    round: int
    seed: int
    local: Mapping[str, Any]
    config: Mapping[str, Any]
    keep_state: bool = False
    fresh_state: bool = False
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
    """Starts trainings at workers.

    Attributes:
        keeps_state: whether it can do what ``job.keep_state`` says.
    """

    keeps_state: ClassVar[bool] = False

    @property
    def about(self) -> str | None:
        """What is trained, in a line: a fit that goes on from a checkpoint must train the same.

        None: not known before ``prepare``.
        """
        return type(self).__name__

    def lacks(self, worker: WorkerHandle) -> str:
        """Return what a worker lacks to take part, behind its name; "" where nothing.

        Args:
            worker: its handle.
        """
        return ""

    def serves(self, worker: WorkerHandle) -> bool:
        """Return whether a worker can take part at all.

        Args:
            worker: its handle.
        """
        return not self.lacks(worker)

    def prepare(self, workers: Sequence[WorkerHandle]) -> None:  # noqa: B027  # most have nothing to look at
        """Look, before the first round, at what is the same for all workers.

        Args:
            workers: that can take part.

        Raises:
            PlanError: nobody can train like this.
        """

    def check(self, job: Job) -> None:  # noqa: B027  # as above
        """Look at one worker's part of a round before anything is sent.

        Args:
            job: it.

        Raises:
            ConfigError: a setting that there isn't, or that can't be.
        """

    async def allowed(self, worker: WorkerHandle, job: Job, times: int, request: str | None) -> Permission | None:
        """Return whether a worker's owner lets its updates leave; None: it shows when they are there.

        Args:
            worker: its handle.
            job: the first that it would be given.
            times: how many updates are wanted.
            request: what for: its owner is asked, where that helps; None asks nobody.

        Raises:
            FedsockError: there is no answer.
        """
        return None

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

    def counted(self, round: int, workers: Iterable[str]) -> None:  # noqa: B027  # most remember nothing
        """A round counted, now or before the fit was resumed; what was started for it otherwise came to nothing.

        Args:
            round: counted from 1.
            workers: names of those whose updates are in it.
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

    @property
    def about(self) -> str:
        """The task's name."""
        return f"task {self._task}"

    def lacks(self, worker: Any) -> str:
        """Return that a worker doesn't offer the task, and which it does.

        Args:
            worker: its handle.
        """
        return "" if self._task in worker.tasks else f"offers no task {self._task!r}{_instead(worker.tasks)}"

    async def allowed(self, worker: WorkerHandle, job: Job, times: int, request: str | None) -> Permission | None:
        """Return whether a worker's owner lets results of the task leave; see ``Trainer.allowed``."""
        return await worker.allows(self._task, times=times, request=request)

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

    keeps_state = True

    def __init__(self, loss: Any, data: Sequence[str], params: Tree) -> None:
        if not isinstance(loss, (Program, Plan)):
            raise PlanMismatch("a loss is a plan: decorate the function with @fedsock.plan")
        self._loss = loss if isinstance(loss, Program) else Program(None, loss)
        self._data = data
        self._params = params
        self._states = States()
        if not self._loss.takes(1 + len(data)):
            told = f"a fit calls it with the parameters and data={tuple(data)!r}"
            raise PlanMismatch(
                f"{self._loss.__name__}({', '.join(self._loss.signature.parameters)}) takes others: {told}"
            )

    @property
    def about(self) -> str | None:
        """The loss's digest and the data sets' names."""
        return f"{self._loss.digest} on {', '.join(self._data)}" if self._loss.traced else None

    def lacks(self, worker: WorkerHandle) -> str:
        """Return which data sets a worker hasn't, and which it has.

        Args:
            worker: its handle.
        """
        missing = [repr(name) for name in self._data if name not in worker.datasets]
        return f"has no data set {' nor '.join(missing)}{_instead(worker.datasets)}" if missing else ""

    def prepare(self, workers: Sequence[WorkerHandle]) -> None:
        """Record the loss for rows as most workers have them that it takes, and look whether it has a gradient.

        One worker with others must not decide for all.

        Args:
            workers: that can take part.

        Raises:
            PlanMismatch, NotTraceable: it can't be recorded, or takes other parameters.
            NotDifferentiable: it has none.
            Exception: whatever its code raises for every worker's rows.
        """
        failed: list[Exception] = []
        several = [self._rows(worker) for worker in workers]
        forms = [tuple((one.ndim, one.shape[1:], one.dtype) for one in rows) for rows in several]
        for form, _ in Counter(forms).most_common():
            try:
                self._loss.leaves((self._params, *several[forms.index(form)]), {})
            except Exception as error:
                failed.append(error)
            else:
                require_gradient(self._loss.plan, tuple(references(self._loss.plan.takes[0][1])))
                return
        if failed:
            raise failed[0]

    def check(self, job: Job) -> None:
        """Look at the settings.

        Args:
            job: of which ``config`` goes over ``local``.

        Raises:
            ConfigError: a setting that there isn't, or that can't be.
        """
        try:
            Training.from_dict(_settings(job))
        except OpFailed as error:
            raise ConfigError(f"the training of round {job.round}: {error}") from None

    async def allowed(self, worker: WorkerHandle, job: Job, times: int, request: str | None) -> Permission | None:
        """Return whether a worker's owner lets results of the loss leave; see ``Trainer.allowed``."""
        self._loss.leaves((self._params, *self._rows(worker)), {})
        settings = {**job.local, **job.config}
        steps = {name: settings[name] for name in ("batch_size", "min_rows") if name in settings}
        return await worker.allows(self._loss, *self._data, times=times, request=request, **steps)

    def start(self, worker: Any, params: Pointer, job: Job) -> Reply:
        """Start the training at a worker.

        Args:
            worker: its handle.
            params: a pointer to the parameters there.
            job: its settings, of which ``config`` goes over ``local``.

        Raises:
            PlanMismatch: the loss doesn't take the parameters and the data there.
            WorkerStateLost: the worker no longer has what it kept of its last round.
        """
        data = self._rows(worker)
        self._loss.leaves((self._params, *data), {})
        settings = _settings(job)
        if not job.keep_state:
            return PointerReply(worker.train(self._loss, params, data, **settings), job.most_bytes)
        try:
            state = self._states.before(worker, job.round)
        except WorkerStateLost:
            if not job.fresh_state:
                raise
            state = None
        trained = worker.train(self._loss, params, data, state=state, **settings)
        self._states.made(worker.name, trained.state)
        return PointerReply(trained, job.most_bytes)

    def counted(self, round: int, workers: Iterable[str]) -> None:
        """Note whose state goes on.

        Args:
            round: counted from 1.
            workers: names of those whose updates are in it.
        """
        self._states.counted(round, workers)

    def _rows(self, worker: Any) -> tuple[Any, ...]:
        return tuple(worker.datasets[name] for name in self._data)


def _settings(job: Job) -> dict[str, Any]:
    return {**job.local, "seed": job.seed, **job.config}


def _instead(there: Iterable[str]) -> str:
    """Return which names there are, of many the first."""
    names = sorted(there)
    more = ", …" if len(names) > MOST_NAMES else ""
    return f" (it has {', '.join(names[:MOST_NAMES])}{more})" if names else " (it has none)"
