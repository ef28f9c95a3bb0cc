"""MultiPointer: one value a worker, written with as one."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fedsock.errors import PointerError, PointersApart, PointersMixed
from fedsock.expression import Expression
from fedsock.session import display
from fedsock.session.fold import Later, added, batches, divided, first
from fedsock.session.groups import group, rebuilt
from fedsock.session.pointer import NestedPointer, Pointer, pointer_of
from fedsock.session.records import FAILED, Record
from fedsock.session.requests import Hold, fetch
from fedsock.session.trees import replaced

if TYPE_CHECKING:
    from fedsock.session.handle import WorkerHandle


class WorkersFailed(ExceptionGroup[Exception]):
    """Some workers gave no value.

    Attributes:
        results: worker name -> value of those that did.
    """

    results: dict[str, Any]

    def derive(self, excs: Sequence[Exception]) -> WorkersFailed:  # type: ignore[override]
        """Return a part of the group, as ``except*`` gives it, with the same results."""
        part = WorkersFailed(self.message, excs)
        part.results = self.results
        return part


class MultiPointer(Expression):
    """Values at several workers; an op runs at every one of them."""

    __slots__ = ("__weakref__", "_pointers", "_records")

    def __init__(self, pointers: Mapping[str, Pointer]) -> None:
        if not pointers:
            raise ValueError("a MultiPointer needs at least one pointer")
        self._pointers = dict(pointers)
        # A pointer that others know may be assigned to, and stands for another value then; this one stays with its own.
        self._records = {place: pointer._record for place, pointer in pointers.items()}
        for record in self._records.values():
            if record.more is not None and record.more.pointer is not None:
                _share(record)

    @property
    def pointers(self) -> dict[str, Pointer]:
        """The pointer at each worker, by the worker's name."""
        return {place: self.at(place) for place in self._records}

    @property
    def location(self) -> list[Any]:
        """The handles of its workers."""
        return [self._here(place).location for place in self._records]

    def at(self, worker: Any) -> Pointer:
        """Return the pointer at one worker, given by handle or name."""
        place = worker if isinstance(worker, str) else worker.name
        record = self._records[place]
        _share(record)
        pointer = self._here(place)
        record.extra().pointer = weakref.ref(pointer)
        return pointer

    def _here(self, place: str) -> Pointer:
        pointer, record = self._pointers[place], self._records[place]
        if pointer._record is not record:
            pointer = self._pointers[place] = pointer_of(record)
        return pointer

    # --- expressions ----------------------------------------------------------------------------------------

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        results = {}
        for place in self._records:
            here, named = self._at(place, args), self._at(place, kwargs) if kwargs else kwargs
            results[place] = self._here(place)._apply(name, here, named)
        return _joined(results)

    def _update(self, name: str, args: tuple[Any, ...]) -> MultiPointer:
        # Pointers of its own: those it was made from, or gave out, keep their values.
        own = {place: Pointer(record) for place, record in self._records.items()}
        for place, pointer in own.items():
            pointer._update(name, (pointer, *self._at(place, args[1:])))
        self._take(own)
        return self

    def _take(self, pointers: dict[str, Pointer]) -> None:
        self._pointers = pointers
        self._records = {place: pointer._record for place, pointer in pointers.items()}

    def _at(self, place: str, tree: Any) -> Any:
        """Return arguments as they are at one worker."""
        return replaced(tree, lambda value: self._there(place, value))

    def _there(self, place: str, value: Any) -> Any:
        if isinstance(value, MultiPointer):
            if value._records.keys() != self._records.keys():
                raise PointersApart(
                    f"operands live at {', '.join(self._records)} and at {', '.join(value._records)}; "
                    "bring the missing ones over: fedsock.combine(p, p.copy(worker), …)"
                )
            return value._here(place)
        if isinstance(value, Pointer):
            raise PointersMixed(
                "a pointer and a MultiPointer don't mix; write fedsock.combine(p, p.copy(other), …) first"
            )
        return value

    def _takes(self, value: Any) -> bool:
        return isinstance(value, (MultiPointer, Pointer))

    def _knows_type(self, kind: type) -> bool:
        return issubclass(kind, (MultiPointer, Pointer))

    def _called(self) -> str:
        return f"the MultiPointer at {', '.join(self._records)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that all have; MetadataNotReady while one is unknown, ValueError if they differ."""
        shapes = [self._here(place).shape for place in self._records]
        self._agree("shape", shapes)
        return shapes[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that all have; raises as ``shape``."""
        dtypes = [self._here(place).dtype for place in self._records]
        self._agree("dtype", dtypes)
        return dtypes[0]

    def _agree(self, name: str, found: list[Any]) -> None:
        if any(one != found[0] for one in found):
            told = ", ".join(f"{one} at {place}" for place, one in zip(self._records, found, strict=True))
            raise ValueError(f"the workers' {name}s differ: {told}")

    def __iter__(self) -> Iterator[Any]:
        """Iterate over rows, each a MultiPointer."""
        return super().__iter__()

    # --- values ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        """Return {worker name: value}; cancelling ends this wait only."""
        return self.get().__await__()

    def get(self, timeout: float | None = None, release: bool = False) -> Coroutine[Any, Any, dict[str, Any]]:
        """Return what, awaited, gives {worker name: value} of the values that there are now.

        Args:
            timeout: seconds for each; None waits as long as it takes.
            release: free the values at the workers once they are here.

        Raises:
            WorkersFailed: an ExceptionGroup; its ``results`` are the values of the others.
            PointerReleased: one is gone.
        """
        held = {place: (record, Hold(record)) for place, record in self._records.items()}
        return _gathered({place: partial(fetch, *one, timeout, release) for place, one in held.items()})

    async def wait(self) -> MultiPointer:
        """Return itself once all values are there; no data moves; cancelling ends this wait only.

        Raises:
            WorkersFailed: some have none.
        """
        await _gathered({place: self._here(place).wait for place in self._records})
        return self

    def sum_over(self) -> Later[Any]:
        """Return what, awaited, gives the sum of all workers' values, as ``np.sum`` over them.

        Added here, in the workers' order, as they come: memory holds the sum and one value more, however
        many workers there are. Trees are added leaf by leaf. Cancelling ends the wait.

        Raises:
            WorkersFailed: some gave no value; nothing is kept, its ``results`` are empty.
            ValueError: their shapes differ.
        """
        return self._over(lambda total: total)

    def mean_over(self) -> Later[Any]:
        """Return what, awaited, gives the mean of all workers' values, each with the same weight; see ``sum_over``."""
        return self._over(lambda total: divided(total, len(self._records)))

    def _over(self, finish: Callable[[Any], Any]) -> Later[Any]:
        records = self._records
        for record in records.values():
            record.home.usable(record)
            _share(record)

        async def run() -> Any:
            return finish(await _folded(records))

        return Later(run)

    # --- where they live ------------------------------------------------------------------------------------

    @overload
    def copy(self, worker: None = None) -> MultiPointer: ...

    @overload
    def copy(self, worker: WorkerHandle | str) -> dict[str, Pointer]: ...

    def copy(self, worker: WorkerHandle | str | None = None) -> MultiPointer | dict[str, Pointer]:
        """Return a MultiPointer to copies where the values live, or the pointers to copies at one worker.

        Args:
            worker: where all of them go, worker to worker; they come as {name of the worker they are from: pointer}.
        """
        if worker is None:
            return MultiPointer({place: self._here(place).copy() for place in self._records})
        return {place: self._here(place).copy(worker) for place in self._records}

    def recover(self) -> MultiPointer:
        """Where an assignment failed, take the value before it back; the MultiPointer itself is returned.

        Raises:
            PointerError: nowhere did one fail (``await mp.wait()`` tells).
        """
        own = {place: Pointer(record) for place, record in self._records.items()}
        failed = [pointer for pointer in own.values() if pointer._record.state == FAILED]
        if not failed:
            raise PointerError("nothing to recover: no assignment has failed; await mp.wait() first")
        for pointer in failed:
            pointer.recover()
        self._take(own)
        return self

    def release(self) -> None:
        """Free the values at all workers."""
        for place in self._records:
            self._here(place).release()

    def cancel(self) -> None:
        """Give up the ops that aren't finished."""
        for place in self._records:
            self._here(place).cancel()

    def __repr__(self) -> str:
        return f"<MultiPointer of {', '.join(repr(self._here(place)) for place in self._records)}>"

    def _repr_html_(self) -> str:
        rows = [(place, f"{display.kind(record)}, {display.state(record)}") for place, record in self._records.items()]
        return display.table("MultiPointer", rows)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


async def _gathered(starts: Mapping[str, Callable[[], Coroutine[Any, Any, Any]]]) -> dict[str, Any]:
    """Return {worker name: what its coroutine gives}; all are waited for, whatever some raise."""
    found = await asyncio.gather(*(start() for start in starts.values()), return_exceptions=True)
    results: dict[str, Any] = {}
    failed: list[Exception] = []
    for place, one in zip(starts, found, strict=True):
        if isinstance(one, Exception):
            failed.append(one)
        elif isinstance(one, BaseException):
            raise one
        else:
            results[place] = one
    if failed:
        error = WorkersFailed(f"{len(failed)} of {len(found)} workers gave no value", failed)
        error.results = results
        raise error
    return results


async def _folded(records: Mapping[str, Record]) -> Any:
    """Return the sum of the records' values."""

    async def fetched(record: Record) -> Any:
        return await fetch(record, Hold(record), None, False)

    total: Any = None
    try:
        await _gathered({place: record.settled for place, record in records.items()})  # now their sizes are known
        for batch in batches(records):
            values = await _gathered({place: partial(fetched, record) for place, record in batch.items()})
            while values:  # none is kept once it was added
                value = values.pop(next(iter(values)))
                total = first(value) if total is None else added(total, value)
                del value
    except WorkersFailed as error:
        error.results = {}
        raise
    return total


def _joined(results: Mapping[str, Any]) -> Any:
    """Return one result, or numpy's tuple or list of them, of the same results at every worker."""
    first = next(iter(results.values()))
    if isinstance(first, (tuple, list)):
        columns = zip(*results.values(), strict=True)
        parts = [_joined(dict(zip(results, column, strict=True))) for column in columns]
        return group(rebuilt(first, parts))
    return MultiPointer(results)


def combine(*pointers: Pointer) -> MultiPointer:
    """Return the MultiPointer of pointers at different workers.

    Raises:
        PointersMixed: one is no pointer, or two are at the same worker.
    """
    found: dict[str, Pointer] = {}
    for pointer in pointers:
        if not isinstance(pointer, Pointer) or isinstance(pointer, NestedPointer):
            raise PointersMixed(f"combine takes pointers, not {type(pointer).__name__}")
        name = pointer.location.name
        if name in found:
            raise PointersMixed(f"two pointers at {name}; a MultiPointer has one a worker")
        found[name] = pointer
    for pointer in found.values():
        pointer._record.extra().pointer = weakref.ref(pointer)
    return MultiPointer(found)


def _share(record: Record) -> None:
    """Somebody else has the value too, so that no assignment gives it up."""
    record.holds += 1
