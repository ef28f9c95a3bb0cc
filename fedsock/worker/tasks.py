"""Tasks: functions of the worker's owner, run next to the data for a session, which gets what the policy lets leave.

A task's function is called with the data first, a dict of read-only arrays by name, and then with what the session
gave: ``def train(data, params, *, epochs=1)``. It may be a plain or an async function, whose result it returns; a
generator, which streams what it yields and whose result it returns; or an async generator, which streams what it
yields and whose last value is its result too. Async ones run on an event loop of their own. What they return and yield
is what travels: numbers, texts, None, arrays, and lists, tuples and dicts of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.errors import ConfigError, OpCancelled, OpTypeError, TaskFailed, UnknownOp, UnsupportedValue
from fedsock.policy.facts import OPEN, TASK_SOURCE, Facts, combine, known, trained
from fedsock.policy.terms import Agreement
from fedsock.worker.arguments import held_value, resolve
from fedsock.worker.complaints import suggestion
from fedsock.worker.datasets import NAME, NAME_RULE, Dataset
from fedsock.worker.emitting import Emitter, kept
from fedsock.worker.failures import not_run
from fedsock.worker.jobs import Compute, Job
from fedsock.worker.store import Entry, Run, SessionStore

TASK_SECONDS = 1.0
"""What a task is expected to take: always more than an op that runs inline."""

ABOUT_CHARS = 500
"""Letters of a task's first docstring line that are told."""

MOST_TASKS = 1_000

Admits = Callable[[Entry, SessionStore], bool]
"""Whether a task's result, its facts given, may leave to a session; if so, its run was counted."""

_log = logging.getLogger("fedsock.worker")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One task that an owner offers.

    Attributes:
        name: what sessions call it.
        function: the owner's.
        data: the data sets that it is given.
        leaves: what it makes may leave where ``[policy.train]`` lists it; else it stays whatever that says.
        agreement: what ``[policy]`` says: it decides where none of the data sets is private.
    """

    name: str
    function: Callable[..., Any]
    data: Mapping[str, Dataset] = field(default_factory=lambda: MappingProxyType({}))
    leaves: bool = True
    agreement: Agreement = field(default_factory=Agreement)

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        lines = (inspect.getdoc(self.function) or "").strip().splitlines()
        return lines[0][:ABOUT_CHARS] if lines else ""

    @property
    def source(self) -> str:
        """The name of what it makes among the sources of a value: that is private whatever the data."""
        return TASK_SOURCE + self.name

    def facts(self, inputs: Sequence[Facts] = ()) -> Facts:
        """Return what is known of what it makes.

        Args:
            inputs: facts of its arguments that aren't open.
        """
        private = [dataset for dataset in self.data.values() if dataset.private]
        rows = [len(dataset.array) for dataset in private if dataset.array.ndim]
        sources = combine(inputs).sources | {self.source} | {dataset.name for dataset in private}
        return known(sources, trained("task", self.name, (), inputs, rows) if self.leaves else None)

    @property
    def agreed(self) -> Agreement:
        """What holds for that source: nothing leaves, but by ``[policy.train]``."""
        everybody, users = self.agreement.everybody, self.agreement.users
        return Agreement(
            replace(everybody, export="deny"),
            MappingProxyType({name: replace(terms, export="deny") for name, terms in users.items()}),
        )


def tasks_of_virtual(tasks: Any, datasets: Mapping[str, Dataset], agreement: Agreement) -> dict[str, Task]:
    """Return the tasks of a virtual worker; each is given all its data sets.

    Args:
        tasks: name -> function, or None.
        datasets: the worker's.
        agreement: on all data sets of which nothing else is said.

    Raises:
        ConfigError: a wrong name, or what can't be called.
    """
    if not isinstance(tasks or {}, Mapping):
        raise ConfigError(f"tasks: expected a mapping of names to functions, not {type(tasks).__name__}")
    found: dict[str, Task] = {}
    for name, function in (tasks or {}).items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ConfigError(f"tasks: {name!r} can't name a task; a name is {NAME_RULE}")
        if not callable(function):
            raise ConfigError(f"tasks: {name}: expected a function, not {type(function).__name__}")
        found[name] = Task(name=name, function=function, data=dict(datasets), agreement=agreement)
    return found


class Tasks:
    """Starts tasks.

    Args:
        worker: its name.
        tasks: what it offers.
        admits: says whether what a task makes may leave, and counts it.
    """

    def __init__(self, worker: str, tasks: Mapping[str, Task], admits: Admits) -> None:
        self._worker = worker
        self._tasks = tasks
        self._admits = admits

    def begin(self, job: Job) -> Compute:
        """Return what is to be computed for an op ``task``, its result's facts given.

        Args:
            job: the op, its inputs all there.

        Raises:
            UnknownOp: there is no such task.
            OpTypeError: no name was given.
        """
        job.public = True  # a failure that is told names the task, and nothing else
        args, kwargs = resolve(job, held_value)
        name = args[0] if args else None
        if not isinstance(name, str) or "emit" in kwargs:
            raise OpTypeError("a task is run by its name, and no argument of it is called emit")
        task = self._tasks.get(name)
        if task is None:
            raise UnknownOp(f"{self._worker} has no task {name!r}{suggestion(name, self._tasks)}")
        first = job.results[0]
        first.facts, first.run = task.facts([entry.facts for entry in job.inputs if entry.facts is not OPEN]), Run()
        job.store.charge(first, job.weight)
        # Whether it fails, and its result's type, dtype, shape and size, are told where the value itself may leave;
        # that it was given what is withheld changes nothing of it.
        first.withheld = not self._admits(first, job.store)
        if job.failure is not None:
            return Compute(job, not_run, (), {}, TASK_SECONDS)
        job.withheld = first.withheld
        data = {dataset.name: dataset.array.view() for dataset in task.data.values()}
        given = [data, *map(_read_only, args[1:])]
        return Compute(
            job, _Call(task, self._worker), given, {key: _read_only(one) for key, one in kwargs.items()}, TASK_SECONDS
        )


class _Call:
    """Runs a task; whatever goes wrong, its name is all that is told."""

    __slots__ = ("_task", "_worker")

    def __init__(self, task: Task, worker: str) -> None:
        self._task = task
        self._worker = worker

    def __call__(self, *args: Any, emit: Emitter, **kwargs: Any) -> Any:
        name = self._task.name
        try:
            result = _carried_out(self._task.function(*args, **kwargs), emit)
        except OpCancelled:
            raise
        except BaseException as error:  # an exit of the function's must not end the thread
            _log.error("task %s failed", name, exc_info=error)
            raise TaskFailed(f"task {name} failed; its owner's log says why") from None
        try:
            return kept(result)
        except UnsupportedValue as error:
            _log.error("task %s returned what can't travel: %s", name, error)
            raise TaskFailed(f"task {name} returned what can't travel; its owner's log says more") from None


def _carried_out(called: Any, emit: Emitter) -> Any:
    """Return the result of a function that was called, whatever kind of function it is."""
    if isinstance(called, Generator):
        return _generated(called, emit)
    if isinstance(called, AsyncGenerator):
        return _in_loop(_last(called, emit), emit)
    return _in_loop(_wait(called), emit) if inspect.isawaitable(called) else called


def _generated(values: Generator[Any, Any, Any], emit: Emitter) -> Any:
    with contextlib.closing(values):
        while True:
            try:
                value = next(values)
            except StopIteration as end:
                return end.value
            emit(value)


async def _last(values: AsyncGenerator[Any, Any], emit: Emitter) -> Any:
    last = None
    async with contextlib.aclosing(values):
        async for last in values:
            emit(last)
    return last


async def _wait(called: Awaitable[Any]) -> Any:
    return await called


def _in_loop(coroutine: Any, emit: Emitter) -> Any:
    """Run a coroutine on an event loop of this thread's; it is cancelled when the op is."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(coroutine)

        def cancel() -> None:
            with contextlib.suppress(RuntimeError):  # it is over, and its loop closed
                loop.call_soon_threadsafe(task.cancel)

        emit.when_stopped(cancel)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if emit.stopped:
                raise OpCancelled("the op was given up") from None
            raise


def _read_only(tree: Any) -> Any:
    """Return an argument whose arrays can't be written: a worker's values are immutable."""
    kind = type(tree)
    if kind is np.ndarray:
        view = tree.view()
        view.flags.writeable = False
        return view
    if kind is list or kind is tuple:
        return kind([_read_only(part) for part in tree])
    return {key: _read_only(part) for key, part in tree.items()} if kind is dict else tree
