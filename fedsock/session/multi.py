"""MultiPointer: one value a worker, written with as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

from fedsock.errors import PointersApart, PointersMixed
from fedsock.expression import Expression
from fedsock.session import display
from fedsock.session.groups import group, rebuilt
from fedsock.session.pointer import NestedPointer, Pointer


class WorkersFailed(ExceptionGroup[Exception]):
    """Some workers gave no value.

    Attributes:
        results: worker name -> value of those that did.
    """

    results: dict[str, Any]


class MultiPointer(Expression):
    """Values at several workers; an op runs at every one of them."""

    __slots__ = ("__weakref__", "_pointers")

    def __init__(self, pointers: Mapping[str, Pointer]) -> None:
        if not pointers:
            raise ValueError("a MultiPointer needs at least one pointer")
        self._pointers = dict(pointers)

    @property
    def pointers(self) -> dict[str, Pointer]:
        """The pointer at each worker, by the worker's name."""
        return {place: _shared(pointer) for place, pointer in self._pointers.items()}

    @property
    def location(self) -> list[Any]:
        """The handles of its workers."""
        return [pointer.location for pointer in self._pointers.values()]

    def at(self, worker: Any) -> Pointer:
        """Return the pointer at one worker, given by handle or name."""
        return _shared(self._pointers[worker if isinstance(worker, str) else worker.name])

    # --- expressions ----------------------------------------------------------------------------------------

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        results = {}
        for place, pointer in self._pointers.items():
            here = tuple(self._at(place, arg) for arg in args)
            results[place] = pointer._apply(name, here, {key: self._at(place, arg) for key, arg in kwargs.items()})
        return _joined(results)

    def _update(self, name: str, args: tuple[Any, ...]) -> MultiPointer:
        # Pointers of its own: those it was made from, or gave out, keep their values.
        own = {place: Pointer(pointer._record) for place, pointer in self._pointers.items()}
        for place, pointer in own.items():
            pointer._update(name, (pointer, *(self._at(place, arg) for arg in args[1:])))
        self._pointers = own
        return self

    def _at(self, place: str, value: Any) -> Any:
        if isinstance(value, MultiPointer):
            if value._pointers.keys() != self._pointers.keys():
                raise PointersApart(
                    f"operands live at {', '.join(self._pointers)} and at {', '.join(value._pointers)}; "
                    "bring the missing ones over with .copy(worker)"
                )
            return value._pointers[place]
        if isinstance(value, Pointer):
            raise PointersMixed(
                "a pointer and a MultiPointer don't mix; write fedsock.combine(p, p.copy(other), …) first"
            )
        if isinstance(value, (list, tuple)):
            return type(value)(self._at(place, part) for part in value)
        return value

    def _takes(self, value: Any) -> bool:
        return isinstance(value, (MultiPointer, Pointer))

    def _called(self) -> str:
        return f"the MultiPointer at {', '.join(self._pointers)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that all have; MetadataNotReady while one is unknown, ValueError if they differ."""
        shapes = [pointer.shape for pointer in self._pointers.values()]
        self._agree("shape", shapes)
        return shapes[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that all have; raises as ``shape``."""
        dtypes = [pointer.dtype for pointer in self._pointers.values()]
        self._agree("dtype", dtypes)
        return dtypes[0]

    def _agree(self, name: str, found: list[Any]) -> None:
        if any(one != found[0] for one in found):
            told = ", ".join(f"{one} at {place}" for place, one in zip(self._pointers, found, strict=True))
            raise ValueError(f"the workers' {name}s differ: {told}")

    def __iter__(self) -> Iterator[Any]:
        """Iterate over rows, each a MultiPointer."""
        return super().__iter__()

    # --- values ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        """Return {worker name: value}; cancelling ends this wait only."""
        return self.get().__await__()

    async def get(self, timeout: float | None = None, release: bool = False) -> dict[str, Any]:
        """Return {worker name: value}; cancelling ends this wait only.

        Args:
            timeout: seconds for each; None waits as long as it takes.
            release: free the values at the workers once they are here.

        Raises:
            WorkersFailed: an ExceptionGroup; its ``results`` are the values of the others.
        """
        return await self._gathered(lambda pointer: pointer.get(timeout, release))

    async def wait(self) -> MultiPointer:
        """Return itself once all values are there; no data moves; cancelling ends this wait only.

        Raises:
            WorkersFailed: some have none.
        """
        await self._gathered(lambda pointer: pointer.wait())
        return self

    async def _gathered(self, start: Callable[[Pointer], Any]) -> dict[str, Any]:
        found = await asyncio.gather(*map(start, self._pointers.values()), return_exceptions=True)
        results: dict[str, Any] = {}
        failed: list[Exception] = []
        for place, one in zip(self._pointers, found, strict=True):
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

    async def sum_over(self) -> Any:
        """Return the sum of all workers' values, added here in their order; cancelling ends the wait.

        Raises:
            WorkersFailed: some gave no value.
        """
        values = list((await self.get()).values())
        total = values[0]
        for value in values[1:]:
            total = np.add(total, value)
        return total

    async def mean_over(self) -> Any:
        """Return the mean of all workers' values, each with the same weight; cancelling ends the wait.

        Raises:
            WorkersFailed: some gave no value.
        """
        return np.divide(await self.sum_over(), len(self._pointers))

    def copy(self) -> MultiPointer:
        """Return a MultiPointer to copies at every worker."""
        return MultiPointer({place: pointer.copy() for place, pointer in self._pointers.items()})

    def release(self) -> None:
        """Free the values at all workers."""
        for pointer in self._pointers.values():
            pointer.release()

    def cancel(self) -> None:
        """Give up the ops that aren't finished."""
        for pointer in self._pointers.values():
            pointer.cancel()

    def __repr__(self) -> str:
        return f"<MultiPointer of {', '.join(map(repr, self._pointers.values()))}>"

    def _repr_html_(self) -> str:
        rows = [
            (place, f"{display.kind(pointer._record)}, {display.state(pointer._record)}")
            for place, pointer in self._pointers.items()
        ]
        return display.table("MultiPointer", rows)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


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
        found[name] = _shared(pointer)
    return MultiPointer(found)


def _shared(pointer: Pointer) -> Pointer:
    """Return a pointer that somebody else has too, so that no assignment gives its value up."""
    pointer._record.holds += 1
    return pointer
