"""WorkerHandle: a worker by its name, over all its lives."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsock.errors import UnknownObject, UnknownOp, UnsupportedValue, WorkerLost
from fedsock.ops.tasks import TASK
from fedsock.plan import Plan, Program
from fedsock.protocol import messages
from fedsock.session import display
from fedsock.session.namespace import RemoteNumpy
from fedsock.session.permission import Permission, permission_of
from fedsock.session.plans import run_plan
from fedsock.session.pointer import NestedPointer, Pointer, pointer_of
from fedsock.session.policy import Terms, terms_of
from fedsock.session.records import RELEASED, Record, meta_from_wire
from fedsock.session.requests import ask, ask_all
from fedsock.session.training import TrainingPointer, start_training

if TYPE_CHECKING:
    from fedsock.session.session import Session
    from fedsock.session.station import Station

MAX_TAGS = 100
MAX_TAG_CHARS = 200
MAX_DESCRIPTION_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a worker tells of one object of this session.

    Attributes:
        id: the object's, equal to the pointer's ``id_at_location``.
        shape: sizes; None for what is no array, or withheld.
        dtype: None likewise.
        nbytes: bytes held; None when withheld.
        tags: words it can be searched by.
        description: free words.
        kind: "array", "scalar", or the name of a Python type.
    """

    id: int | str
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None
    nbytes: int | None
    tags: tuple[str, ...]
    description: str
    kind: str


class Stats(dict[str, int]):
    """A worker's counters, by key or attribute: ``stats.ops_run``, ``stats["objects"]``."""

    def __getattr__(self, name: str) -> int:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no counter {name}; there are {', '.join(self)}") from None


class Datasets(Mapping[str, Pointer]):
    """A worker's data sets by name, or what is made up beside them; follows the worker over its lives."""

    def __init__(self, handle: WorkerHandle, mock: bool = False) -> None:
        self._handle = handle
        self._mock = mock
        self._kind = "mock data set" if mock else "data set"

    @property
    def _pointers(self) -> dict[str, Pointer]:
        station = self._handle.station
        return station.mocks if self._mock else station.datasets

    def __getitem__(self, name: str) -> Pointer:
        found = self._pointers.get(name)
        if found is None:
            worker = self._handle.name
            raise UnknownObject(
                f"{worker} offers no {self._kind} {name!r}; there are: {', '.join(map(repr, self)) or 'none'}",
                object_id=name,
                worker=worker,
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._pointers)

    def __len__(self) -> int:
        return len(self._pointers)

    def __repr__(self) -> str:
        return f"<{self._kind}s of {self._handle.name}: {', '.join(self) or 'none'}>"


class OwnersTasks(Mapping[str, str]):
    """A worker's tasks: name -> the first line of what its owner says of it; follows the worker over its lives."""

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle

    def __getitem__(self, name: str) -> str:
        return self._handle.station.tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handle.station.tasks)

    def __len__(self) -> int:
        return len(self._handle.station.tasks)

    def __repr__(self) -> str:
        return f"<tasks of {self._handle.name}: {', '.join(self) or 'none'}>"


class Mock:
    """What a worker's owner lets one develop against.

    Attributes:
        datasets: made-up data of the names, shapes and dtypes of the owner's, open: name -> Pointer. Those are there
            whose owner offers them (``mock = true``).
    """

    __slots__ = ("datasets",)

    def __init__(self, handle: WorkerHandle) -> None:
        self.datasets: Mapping[str, Pointer] = Datasets(handle, mock=True)

    def __repr__(self) -> str:
        return repr(self.datasets)


class WorkerHandle:
    """A worker by its name; survives the worker's restarts.

    Attributes:
        name: the worker's.
        datasets: the owner's data sets: name -> Pointer.
        mock: made-up data beside them, for developing.
        tasks: the owner's functions: name -> what it says of itself.
        np: numpy's functions there.
    """

    __slots__ = ("__weakref__", "_session", "_station", "datasets", "mock", "name", "np", "tasks")

    def __init__(self, session: Session, station: Station) -> None:
        self._session = session
        self._station = station
        self.name = station.name
        self.datasets: Mapping[str, Pointer] = Datasets(self)
        self.mock = Mock(self)
        self.tasks: Mapping[str, str] = OwnersTasks(self)
        self.np = RemoteNumpy(self)

    @property
    def station(self) -> Station:
        """The worker's present life, or its last."""
        return self._station

    def follow(self, station: Station) -> None:
        """The worker has a new life."""
        self._station = station

    def send(self, value: Any, tags: Iterable[str] = (), description: str = "", copy: bool = True) -> Pointer:
        """Return a pointer to a value that goes to the worker; at once.

        Args:
            value: a number, str, None, array, numpy scalar, or a tree of them; or a pointer, for one to it.
            tags: words to search it by.
            description: free words.
            copy: False lends a large array, which must not change until it is sent.

        Raises:
            UnsupportedValue, ValueTooLarge: it can't travel.
            BacklogFull: too much waits to be sent.
        """
        if isinstance(value, Pointer):
            return value.send(self)
        return self.keep(value, tags, description, copy=copy)

    def keep(self, value: Any, tags: Iterable[str], description: str, *, copy: bool, counted: bool = False) -> Pointer:
        """Send a value; see ``send``. ``counted``: large arrays are copies already."""
        words = _words(tags)
        if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARS:
            raise UnsupportedValue(f"a description is a text of at most {MAX_DESCRIPTION_CHARS} characters")
        return pointer_of(self._station.put(value, words, description, copy=copy, counted=counted))

    def task(self, name: str, /, *args: Any, **kwargs: Any) -> Pointer:
        """Return a pointer to the result of a function of the worker's owner; at once.

        ``async for value in p`` gives what it streams while it runs; ``p.cancel()`` gives it up.

        Args:
            name: one of ``tasks``.
            args: what the function takes behind the data: what travels, and pointers here.
            kwargs: the same by name.

        Raises:
            UnknownOp: the worker offers no such task.
            PointersApart, UnsupportedValue, BacklogFull: as for any op.
        """
        if name not in self.tasks:
            offered = ", ".join(map(repr, self.tasks)) or "none"
            raise UnknownOp(f"{self.name} offers no task {name!r}; there are: {offered}", op=TASK, worker=self.name)
        return Pointer(self._station.op(TASK, (name, *args), kwargs))

    def run(self, plan: Program | Plan, /, *args: Any, **kwargs: Any) -> Any:
        """Return pointers to what a plan gives for some arguments, in the plan's own tree; at once.

        Args:
            plan: a function decorated with ``fedsock.plan``, or a Plan.
            args: pointers to values at this worker, arrays, numbers, and trees of them.
            kwargs: the same by name.

        Raises:
            PlanMismatch: they are not what the plan takes.
            NotTraceable, MetadataNotReady: a function that can't be recorded, or not yet.
        """
        return run_plan(self._station, plan, args, kwargs)

    def train(
        self, loss: Program | Plan, params: Any, data: Any, *, state: Pointer | None = None, **settings: Any
    ) -> TrainingPointer:
        """Train parameters on rows at this worker; returns at once a pointer to {"params": …, "n": …, "metrics": …}.

        ``async for metrics in p`` gives those of each epoch while it runs; ``p.cancel()`` ends it behind the batch.

        Args:
            loss: a plan ``loss(params, *data)`` that gives the mean over the rows of its data.
            params: a tree of float arrays or of pointers to such, or a pointer to one.
            data: arrays or pointers with one row an example; a tuple or list of them where the loss takes several.
            state: of the optimizer, ``p.state`` of a training before.
            settings: ``optimizer`` ("sgd", "adam", "adamw"), ``learning_rate``, ``batch_size``, ``epochs``, ``seed``
                and the other fields of ``fedsock.plan.settings.Training``.

        Raises:
            PlanMismatch: parameters or data are not what the loss takes.
            NotTraceable, MetadataNotReady: the loss can't be recorded, or not yet.
            OpTypeError, OpValueError: a setting that can't be.
        """
        return start_training(self._station, loss, params, data, state, settings)

    async def ping(self) -> float:
        """Return the seconds that a question and its answer take; cancelling ends the wait only.

        Raises:
            WorkerLost: there is no answer.
        """
        start = time.perf_counter()
        await ask(self._station, "ping")
        return time.perf_counter() - start

    async def stats(self) -> Stats:
        """Return the worker's counters: ops_run, objects, bytes, …; cancelling ends the wait only.

        Raises:
            WorkerLost: there is no answer.
        """
        station = self._settled()
        return Stats((await ask(station, "stats")).stats)

    async def policy(self, name: str) -> Terms:
        """Return what the owner agreed on a data set with this session's user; cancelling ends the wait only.

        Args:
            name: of the data set.

        Raises:
            UnknownObject: there is none of that name.
            WorkerLost: there is no answer.
        """
        return await terms_of(self._settled(), name)

    async def allows(
        self,
        work: Program | Plan | str,
        /,
        *data: str,
        times: int = 1,
        batch_size: int | None = None,
        min_rows: int = 1,
        request: str | None = None,
    ) -> Permission:
        """Return whether its owner lets results of a plan or task leave; nothing is run. Cancelling ends the wait only.

        Args:
            work: a plan, or one of ``tasks``.
            data: names of the data sets that the plan works on.
            times: how many results are wanted.
            batch_size: of a training by the plan; None: all rows at once.
            min_rows: of a training, likewise.
            request: what for: the owner is asked where that helps (``export = "ask"``); None asks nobody.

        Raises:
            NotTraceable: the plan was not recorded yet.
            UnknownOp, UnknownObject: there is no such task, or data set.
            WorkerLost: there is no answer.
        """
        return await permission_of(
            self._settled(), work, data, times=times, batch_size=batch_size, min_rows=min_rows, why=request
        )

    async def objects(self) -> list[ObjectInfo]:
        """Return what the worker holds for this session; cancelling ends the wait only.

        Raises:
            WorkerLost: there is no answer.
        """
        station = self._settled()
        return [_info(one, station) for one in await ask_all(station, "objects")]

    async def search(self, *tags: str) -> list[Pointer]:
        """Return the owner's and this session's values that have all the tags; cancelling ends the wait only.

        Raises:
            WorkerLost: there is no answer.
        """
        station = self._settled()
        words = _words(tags)
        found: dict[int, Pointer] = {}
        for one in await ask_all(station, "search", words):
            pointer = station.datasets.get(one.id) if isinstance(one.id, str) else _held(station, one.id)
            if pointer is not None:
                found[id(pointer)] = pointer
        # A tag stays with a pointer over assignments, of which the worker knows the values only.
        for record in station.live():
            if words and isinstance(record.id, int) and record.more is not None and set(words) <= set(record.more.tags):
                pointer = _held_record(record)
                if pointer is not None:
                    found[id(pointer)] = pointer
        return list(found.values())

    async def clear(self) -> None:
        """Free all that the worker holds for this session; cancelling ends the wait only.

        Raises:
            WorkerLost: there is no answer.
        """
        station = self._settled()
        for record in station.live():
            if isinstance(record.id, int):
                record.station = RELEASED
        await ask(station, "clear")

    def _settled(self) -> Station:
        """Return the station, with the release of what was dropped so far ahead of what is asked next."""
        station = self._station
        station.check_loop()
        station.release()
        return station

    def __repr__(self) -> str:
        return f"<WorkerHandle {self.name}, {self._state()}, data sets: {', '.join(self.datasets) or 'none'}>"

    def _state(self) -> str:
        return "present" if self.name in self._session.workers else "away"

    def _repr_html_(self) -> str:
        rows = [("state", self._state()), ("epoch", self._station.epoch)]
        rows += [(name, display.kind(pointer._record)) for name, pointer in self.datasets.items()]
        return display.table(f"Worker {self.name}", rows)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise WorkerLost("a handle belongs to its session; give the worker's name instead")


def _words(tags: Iterable[str]) -> tuple[str, ...]:
    words = (tags,) if isinstance(tags, str) else tuple(tags)
    if len(words) > MAX_TAGS or not all(isinstance(word, str) and len(word) <= MAX_TAG_CHARS for word in words):
        raise UnsupportedValue(f"tags are at most {MAX_TAGS} texts of at most {MAX_TAG_CHARS} characters")
    return words


def _info(one: messages.Described, station: Station) -> ObjectInfo:
    meta = meta_from_wire(one.kind, one.shape, one.dtype, False)
    tags, description = tuple(one.tags), one.description
    record = _record(station, one.id)
    if record is not None and record.more is not None:  # over assignments and moves they are known here only
        tags, description = record.more.tags, record.more.description
    return ObjectInfo(one.id, meta.shape, meta.dtype, one.nbytes, tags, description, one.kind)


def _record(station: Station, number: int | str) -> Record | None:
    reference = station.table.get(number) if isinstance(number, int) else None
    return reference() if reference is not None else None


def _held(station: Station, number: int) -> Pointer | None:
    record = _record(station, number)
    return None if record is None else _held_record(record)


def _held_record(record: Record) -> Pointer | None:
    """Return the Pointer of a record unless nobody has one any more, or it was released."""
    more = record.more
    pointer = more.pointer() if more is not None and more.pointer is not None else None
    usable = record.station is record.home or isinstance(pointer, NestedPointer)
    return pointer if pointer is not None and pointer._record is record and usable else None
