"""Result: what many workers' parts are put together to, once they have come; and who is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np

from fedsock.errors import Closed, ExportDenied, FedsockError, UpdateRejected, WorkerLost, WorkerTimeout
from fedsock.session.fold import Later
from fedsock.session.handle import WorkerHandle

Choice = Literal["raise", "skip"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is done about workers that give no part.

    Attributes:
        missing: of one that is lost, or too late: raise, or leave it out.
        denied: of one whose owner's policy keeps its part: the same.
        timeout: seconds that a part may take; None: as long as it takes.
        absent: workers that were asked for and left out from the beginning: name -> why.
    """

    missing: Choice = "raise"
    denied: Choice = "raise"
    timeout: float | None = None
    absent: Mapping[str, Exception] = field(default_factory=lambda: MappingProxyType({}))


class Rows(Protocol):
    """What a round needs to know of the array whose rows it asks for."""

    @property
    def rows(self) -> dict[str, int]:
        """Worker name -> how many rows live there, in worker-name order."""

    @property
    def tolerance(self) -> Tolerance:
        """What is done about workers that give no part."""

    @property
    def sources(self) -> Mapping[str, frozenset[str]]:
        """Worker name -> names of the data sets there that it was made from."""

    def handle(self, place: str) -> WorkerHandle:
        """Return a worker's handle."""


class Parts:
    """Asks workers for parts, again and again perhaps; one that gave none is never asked again.

    Args:
        array: whose workers they are.

    Attributes:
        left: names of those that gave all that they were asked for.
        missing: name -> why the others didn't.
    """

    def __init__(self, array: Rows) -> None:
        self._array = array
        self.left = list(array.rows)
        self.missing: dict[str, Exception] = dict(array.tolerance.absent)

    @property
    def asked(self) -> list[str]:
        """Those that have rows; or one, to say what there is of none."""
        return [place for place in self.left if self._array.rows[place]] or self.left[:1]

    async def ask(
        self, wanted: Callable[[str], Sequence[Any]], *, optional: bool = False, free: int | None = None
    ) -> dict[str, Sequence[Any]]:
        """Return the values that each worker gave; cancelling ends the wait only.

        Args:
            wanted: worker name -> pointers to them.
            optional: a denial is raised, whatever is to be done about it, and the worker isn't left out for it.
            free: the axis along which they may differ; None: none.

        Raises:
            UpdateRejected: one gave something else than numbers, or of another shape than the first.
            ExportDenied, WorkerLost, WorkerTimeout: a worker gave none, and isn't to be left out, or nobody is left.
            FedsockError: another failure, which is never passed over.
        """
        self._leave_out_the_absent()
        timeout = self._array.tolerance.timeout
        asked = self.asked
        pointers = [wanted(place) for place in asked]
        found = await asyncio.gather(*(_all(some, timeout) for some in pointers), return_exceptions=True)
        failed = {place: one for place, one in zip(asked, found, strict=True) if isinstance(one, BaseException)}
        self.leave_out(failed, optional=optional)
        given: dict[str, Sequence[Any]] = {
            place: one for place, one in zip(asked, found, strict=True) if not isinstance(one, BaseException)
        }
        _check(given, free)
        return given

    def _leave_out_the_absent(self) -> None:
        """Where workers may be left out, don't wait for one that is away to come back."""
        if self._array.tolerance.missing == "skip":
            away = [place for place in self.left if place not in self._array.handle(place).station.session.workers]
            self.leave_out({place: WorkerLost(f"worker {place} is away", ran="no") for place in away})

    def leave_out(self, failed: Mapping[str, BaseException], *, optional: bool = False) -> None:
        """Leave workers out, or raise what is not to be passed over; the first of several, with notes of the others.

        Args:
            failed: name -> why it gives nothing.
            optional: as for ``ask``.
        """
        told = {place: _explained(place, error) for place, error in failed.items()}
        serious = [error for error in told.values() if not self._passed_over(error, optional)]
        left = [place for place in self.left if place not in failed]
        if serious or not left:
            first, *others = serious or told.values()
            for other in others:
                first.add_note(f"and {other}")
            raise first.with_traceback(None)
        self.left = left
        self.missing |= {place: error for place, error in told.items() if isinstance(error, Exception)}

    def _passed_over(self, error: BaseException, optional: bool) -> bool:
        tolerance = self._array.tolerance
        if isinstance(error, ExportDenied):
            return tolerance.denied == "skip" and not optional
        return isinstance(error, (WorkerLost, WorkerTimeout)) and tolerance.missing == "skip"

    async def need(self, what: str, instead: str, *, functions: bool = False) -> None:
        """Ask the owners, before anything is sent, whether their policies let something leave.

        Args:
            what: an op's name.
            instead: what to write where they don't.
            functions: it is made of sums of functions of rows, which ``row_functions = "any"`` lets leave too.

        Raises:
            ExportDenied: one doesn't; names it and what would allow it.
        """
        self._leave_out_the_absent()
        places = self.asked
        found = await asyncio.gather(
            *(self._refused(place, what, instead, functions) for place in places), return_exceptions=True
        )
        self.leave_out({place: error for place, error in zip(places, found, strict=True) if error is not None})

    async def _refused(self, place: str, what: str, instead: str, functions: bool) -> Exception | None:
        handle = self._array.handle(place)
        for source in sorted(self._array.sources[place]):
            terms = await handle.policy(source)
            if terms.export == "public" or (functions and terms.get("row_functions") == "any"):
                continue
            due = 'export = "public"'
            if functions:
                due += ', or export = "aggregate" with row_functions = "any",'
            return ExportDenied(
                f"{what} over the rows of many workers needs {due} for {source!r}; at {place} it is "
                f'"{terms.export}". Next: {instead}, or ask the owner of {place}',
                op=what,
                object_id=source,
                worker=place,
            )
        return None


async def _all(pointers: Sequence[Any], timeout: float | None) -> list[Any]:
    """Return the values of all, or raise the first failure once none is open any more."""
    found = await asyncio.gather(*(pointer.get(timeout) for pointer in pointers), return_exceptions=True)
    failed = [one for one in found if isinstance(one, BaseException)]
    if failed:
        raise failed[0]
    return found


def _check(given: Mapping[str, Sequence[Any]], free: int | None) -> None:
    """Refuse what can't be put together, and name who gave it."""
    first, likes = next(iter(given.items()))
    for place, values in given.items():
        for value, like in zip(values, likes, strict=True):
            if not isinstance(value, (np.ndarray, np.generic, int, float, complex)):
                raise UpdateRejected(f"{place}: gave a {type(value).__name__} where an array is due")
            told, due = (f"{_kind(one)} of shape {_but(np.shape(one), free)}" for one in (value, like))
            if told != due:
                raise UpdateRejected(f"{place}: gave {told}, and {first} gave {due}")


def _kind(value: Any) -> str:
    dtype = np.asarray(value).dtype
    return "numbers" if dtype.kind in "biufc" else dtype.name


def _but(shape: tuple[int, ...], free: int | None) -> tuple[int, ...]:
    """Return a shape with -1 for the size of an axis that doesn't matter."""
    return shape if free is None or free >= len(shape) else (*shape[:free], -1, *shape[free + 1 :])


def _explained(place: str, error: BaseException) -> BaseException:
    """Return an error that names the worker and says what to do."""
    text = f'{place}: {error}. Next: hub.federated(…) anew once it is back, or on_missing="skip" leaves it out'
    told: FedsockError
    if isinstance(error, WorkerLost) and not isinstance(error, Closed):
        told = WorkerLost(text, ran=error.ran)
    elif isinstance(error, WorkerTimeout):
        told = WorkerTimeout(text)
    else:
        return error
    told.__cause__ = error
    return told


class Result(Later[Any]):
    """What is known of all rows, awaitable; nothing is sent before it is awaited, and it is worked out once.

    Attributes:
        workers: the names of those that took part; empty before it was awaited.
        missing: name -> why another didn't.
    """

    __slots__ = ("_value", "missing", "workers")

    def __init__(self, array: Rows, run: Callable[[Parts], Coroutine[Any, Any, Any]]) -> None:
        self.workers: list[str] = []
        self.missing: dict[str, Exception] = {}
        self._value: list[Any] = []

        async def start() -> Any:
            if not self._value:
                parts = Parts(array)
                value = await run(parts)
                self._value, self.workers, self.missing = [value], parts.left, parts.missing
            return self._value[0]

        super().__init__(start)

    def __repr__(self) -> str:
        if not self._value:
            return "<Result, not awaited yet>"
        return f"<Result of {', '.join(self.workers)}: {self._value[0]!r}>"


class Several(Result):
    """A Result of a tuple, whose parts can be awaited one by one too.

    Args:
        array: as for a Result.
        run: as for a Result; gives a tuple.
        size: of the tuple.
    """

    __slots__ = ("_array", "_size")

    def __init__(self, array: Rows, run: Callable[[Parts], Coroutine[Any, Any, Any]], size: int) -> None:
        super().__init__(array, run)
        self._array = array
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> Later[Any]:
        """Return one part, awaitable; the whole is worked out once."""
        if not -self._size <= place < self._size:
            raise IndexError(f"there are {self._size} parts")

        async def part() -> Any:
            return (await self)[place]

        return Later(part)

    def __iter__(self) -> Iterator[Later[Any]]:
        """Iterate over the parts, each awaitable."""
        return (self[place] for place in range(self._size))
