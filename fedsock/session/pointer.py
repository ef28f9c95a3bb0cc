"""Pointer: a value at a worker, written with like a numpy array."""

from __future__ import annotations

import weakref
from collections.abc import Coroutine, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsock.errors import (
    OwnerDataReadOnly,
    PointerError,
    PointersMixed,
    UnknownOp,
)
from fedsock.expression import NO_KWARGS, Expression
from fedsock.ops import TABLE, fill, leaves, template_of
from fedsock.ops.releases import RELEASE
from fedsock.protocol import messages, values
from fedsock.session import display, transfer
from fedsock.session.emissions import Streaming
from fedsock.session.exportrequest import ExportRequest, requested
from fedsock.session.groups import group, mapped
from fedsock.session.metadata import known_dtype, known_shape
from fedsock.session.policy import Verdict, verdict_of
from fedsock.session.records import FAILED, NESTED, OWNER, PENDING, Meta, Record
from fedsock.session.requests import Hold, fetch
from fedsock.session.trees import records, replaced

if TYPE_CHECKING:
    from fedsock.session.handle import WorkerHandle

SINGLE = frozenset(name for name, row in TABLE.items() if row.results == 1)
"""Ops with one result, most of them."""


class Pointer(Streaming, Expression):
    """A value at one life of a worker.

    ``await p`` gives the value; operators, numpy's functions and ndarray's methods give new pointers at once.
    """

    __slots__ = ()

    def __init__(self, record: Record) -> None:
        self._record = record

    # --- expressions ----------------------------------------------------------------------------------------

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if name in SINGLE:
            return Pointer(self._record.station.op(name, args, kwargs))
        return run(self._record.station, name, args, kwargs)

    def _update(self, name: str, args: tuple[Any, ...]) -> Pointer:
        old = self._record
        if old.ticket == OWNER:
            raise OwnerDataReadOnly(f"{old.id!r} at {old.home.name} is the owner's; write p = p.copy() first")
        gives_up = not old.holds and old.state != FAILED and old not in records(args[1:])
        new = old.station.op(name, args, NO_KWARGS, old if gives_up else None)
        more = new.extra()
        more.before, more.gave_up = old, gives_up
        if old.more is not None:
            more.tags, more.description = old.more.tags, old.more.description
            more.pointer = weakref.ref(self) if old.more.pointer is not None else None
        if old.meta is not None and not old.meta.withheld:
            new.meta = old.meta._replace(nbytes=None)
        self._record = new
        return self

    def _takes(self, value: Any) -> bool:
        return isinstance(value, Pointer)

    def _called(self) -> str:
        return f"the pointer to object {self._record.id} at {self._record.home.name}"

    # --- the value ------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Any]:
        """Return the value; cancelling ends this wait only."""
        return self.get().__await__()

    def get(self, timeout: float | None = None, release: bool = False) -> Coroutine[Any, Any, Any]:
        """Return what, awaited, gives the value that the pointer has now.

        Args:
            timeout: seconds after which the wait, not the op, ends; None waits as long as it takes.
            release: free the value at the worker once it is here.

        Raises:
            WorkerTimeout: it took longer; a TimeoutError.
            OpFailed: the op, or one it depends on, failed.
            ExportDenied: the owner's policy keeps the value.
            TooLargeToFetch: it is larger than ``hub.max_fetch_bytes``.
            WorkerLost, PointerReleased: it is gone.
            WrongLoop: called, not only awaited, in another thread or loop.
        """
        record = self._record
        return fetch(record, Hold(record), timeout, release)

    async def request(self, why: str) -> ExportRequest:
        """Ask the owner to let the value leave; returns at once: ``await`` that for an answer (``requested``)."""
        return await requested(self, why)

    async def wait(self) -> Pointer:
        """Return the pointer once its value is there; no data moves; cancelling ends this wait only.

        Raises:
            OpFailed, WorkerLost: there is none.
        """
        record = self._record
        record.home.usable(record)
        await record.settled()
        return self

    async def can_export(self) -> Verdict:
        """Return whether the owner's policy lets the value leave, true or false; cancelling ends the wait only.

        It follows from where the value came from; what the values are may still refuse it.

        Raises:
            OpFailed, WorkerLost: there is no value.
        """
        self._record.home.usable(self._record)
        return await verdict_of(self._described())

    def cancel(self) -> None:
        """Give up the op if it isn't finished: it, and what depends on it, fail with OpCancelled."""
        record = self._record
        home = record.home
        home.check_thread()
        home.usable(record)
        if record.state != PENDING or not isinstance(record.id, int):
            return
        record.used = True
        home.send(messages.encode(messages.Cancel([record.id])))

    def recover(self) -> Pointer:
        """After a failed assignment, take the value before it back; the pointer itself is returned.

        Raises:
            PointerError: there was no assignment, or it didn't fail (``await p.wait()`` tells).
        """
        record = self._record
        record.home.check_thread()
        before = record.more.before if record.more is not None else None
        if before is None or record.state != FAILED:
            raise PointerError("nothing to recover: no assignment to this pointer has failed; await p.wait() first")
        while before.state == FAILED and before.more is not None and before.more.before is not None:
            before = before.more.before
        self._record = before
        return self

    # --- what is known --------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes; local knowledge.

        Raises:
            MetadataNotReady: not known yet.
            ExportDenied: the worker keeps it, for it could tell something private.
            AttributeError: the value is a tree.
        """
        return known_shape(self._described())

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements; local knowledge, raises as ``shape``."""
        return known_dtype(self._described())

    def _described(self) -> Record:
        return self._record

    def __iter__(self) -> Iterator[Any]:
        """Iterate over rows, whose shapes follow from the pointer's; raises as ``shape``."""
        rows, shape = super().__iter__(), self.shape[1:]
        meta = Meta("array" if shape else "scalar", shape, self.dtype)
        return (_known_as(row, meta) for row in rows)

    @property
    def location(self) -> WorkerHandle:
        """The handle of the worker where the value lives."""
        return self._record.home.session.handle(self._record.home.name)

    @property
    def id_at_location(self) -> int | str:
        """The value's id there, or the name of the owner's data set."""
        return self._record.id

    @property
    def owner(self) -> str:
        """The name of the session that holds the pointer."""
        return self._record.home.session.name

    @property
    def tags(self) -> tuple[str, ...]:
        """The words it can be searched by."""
        return self._record.more.tags if self._record.more is not None else ()

    @property
    def description(self) -> str:
        """Words of who sent or owns it."""
        return self._record.more.description if self._record.more is not None else ""

    @property
    def device(self) -> str:
        """The array API's device: the worker's name."""
        return self._record.home.name

    def to_device(self, device: str, /, *, stream: None = None) -> Pointer:
        """Return itself for its own worker, as the array API has it; ``copy`` and ``move`` go elsewhere."""
        if device != self.device:
            raise ValueError(f"the value is at {self.device}; write p.copy({device}) or p.move({device})")
        return self

    # --- where it lives -------------------------------------------------------------------------------------

    def dp_release(
        self,
        kind: str,
        axis: int = 0,
        *,
        epsilon: Any,
        bounds: Any = None,
        edges: Any = None,
        candidates: Any = None,
        quantile: float = 0.5,
    ) -> Pointer:
        """Return a pointer to a statistic of private rows with noise; each call is charged, what it gives is open.

        Args:
            kind: "sum", "mean", "count", "histogram" or "quantile".
            axis: along which the rows are.
            epsilon: what it may cost, of the budget that the owner gave the row group.
            bounds: (low, high) that values are clipped to, for sum and mean.
            edges: of a histogram, rising.
            candidates: among which a quantile is chosen, rising.
            quantile: between 0 and 1.
        """
        given = {"bounds": bounds, "edges": edges, "candidates": candidates}
        named = {name: np.asarray(value) for name, value in given.items() if value is not None}
        if kind == "quantile":
            named["quantile"] = quantile  # type: ignore[assignment]  # a number among arrays
        # As it was written, for no float is a tenth; the worker says what is wrong with it.
        return self._apply(RELEASE, (self, kind, axis), {"epsilon": str(epsilon), **named})  # type: ignore[no-any-return]

    def copy(self, worker: WorkerHandle | str | None = None) -> Pointer:
        """Return a pointer to a copy, at once.

        Args:
            worker: where; the data goes worker to worker. None makes the copy where the value lives.
        """
        if worker is None:
            return Pointer(self._record.station.op("copy", (self,), NO_KWARGS))
        station = self._record.home.session.station(worker)
        if station is self._record.home:
            return self.copy()
        return Pointer(transfer.copied(self._record, station))

    def move(self, worker: WorkerHandle | str) -> Pointer:
        """Return a pointer at another worker; this one is over, its value freed once the other's is there.

        Args:
            worker: where to; the data goes worker to worker.

        Raises:
            OwnerDataReadOnly: the owner's data stays where it is.
        """
        record = self._record
        if record.ticket == OWNER:
            raise OwnerDataReadOnly(f"{record.id!r} at {record.home.name} stays with its owner; write p.copy(worker)")
        station = record.home.session.station(worker)
        moved = self.copy() if station is record.home else pointer_of(transfer.moved(record, station))
        if record.more is not None and moved._record.more is not record.more:
            more = moved._record.extra()
            more.tags, more.description = record.more.tags, record.more.description
        if station is record.home:
            self.release()
        return moved

    def send(self, worker: WorkerHandle | str) -> NestedPointer:
        """Return a pointer to this pointer, held by another worker."""
        record = self._record
        record.home.usable(record)
        station = record.home.session.station(worker)
        place = values.RemoteRecord(record.home.name, record.home.epoch, record.id)
        outer = station.put(place, self.tags, self.description, copy=False)
        return pointer_of(nest(outer, self))  # type: ignore[return-value]  # what is nested has a target

    def release(self) -> None:
        """Free the value at the worker, behind the ops that use it; owner data is never freed."""
        self._record.home.check_thread()
        self._record.free()

    def __copy__(self) -> Pointer:
        """Return itself: one Pointer an id."""
        return self

    def __deepcopy__(self, memo: Any) -> Pointer:
        """Return a pointer to a copy of the value."""
        return self.copy()

    # --- display --------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return display.text(self._record)

    def _repr_html_(self) -> str:
        return display.html(self._record)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class NestedPointer(Pointer):
    """A pointer, held by one worker, to a value at another: ops run where the value is."""

    __slots__ = ()

    @property
    def target(self) -> Pointer:
        """The pointer that it was made from."""
        more = self._record.more
        record = more.target if more is not None else None
        if record is None:
            raise PointerError("this pointer to a pointer has no target")
        return pointer_of(record)

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        holder = self._record.home
        inner, named, target = replaced(args, self._inner), replaced(kwargs, self._inner), self._inner(self)
        return mapped(lambda pointer: pointer.send(holder.name), target._apply(name, inner, named))

    def _update(self, name: str, args: tuple[Any, ...]) -> NestedPointer:
        raise PointersMixed("a pointer to a pointer takes no assignment; write q = await pp.get() and assign to q")

    def _inner(self, value: Any) -> Any:
        if isinstance(value, NestedPointer):
            value._record.home.usable(value._record)
            if value._record.home is not self._record.home:
                raise PointersMixed(
                    f"pointers to pointers held by {self._record.home.name} and by {value._record.home.name} don't mix"
                )
            return value.target
        if isinstance(value, Pointer):
            raise PointersMixed("a pointer and a pointer to a pointer don't mix; await pp.get() gives a pointer")
        return value

    def _described(self) -> Record:
        return self.target._record

    def copy(self, worker: WorkerHandle | str | None = None) -> Pointer:
        """Return a pointer, held by the same worker, to a copy of the value where it lives."""
        if worker is None:
            return self._apply("copy", (self,), NO_KWARGS)  # type: ignore[no-any-return]
        raise PointersMixed("a pointer to a pointer isn't copied elsewhere; write (await pp.get()).copy(worker)")

    def move(self, worker: WorkerHandle | str) -> Pointer:
        """Refuse: a pointer to a pointer stays where it is held."""
        raise PointersMixed("a pointer to a pointer isn't moved; write (await pp.get()).move(worker)")

    def send(self, worker: WorkerHandle | str) -> NestedPointer:
        """Refuse: pointers nest no deeper."""
        raise PointersMixed("pointers nest no deeper than a pointer to a pointer")


def _known_as(pointer: Pointer, meta: Meta) -> Pointer:
    pointer._described().meta = meta
    return pointer


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of a pointer or a local value; raises MetadataNotReady while it is unknown."""
    return value.shape if isinstance(value, Expression) else np.shape(value)


def run(station: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the pointer, or the awaitable tuple or list of them, that an op at a station gives.

    Raises:
        UnknownOp: the table has no such op.
        MetadataNotReady: how many results there are depends on a shape that is not known yet.
    """
    row = TABLE.get(name)
    if row is None:
        raise UnknownOp(f"{name} is no op; `python -m fedsock.ops` lists them", op=name)
    template = template_of(row, args, kwargs, shape_of)
    if template is None:
        return Pointer(station.op(name, args, kwargs))
    count = leaves(template)
    records = station.ops(name, args, kwargs, count) if count else []
    return group(fill(template, map(Pointer, records)))


def pointer_of(record: Record) -> Pointer:
    """Return the one Pointer of a record, found again by its weak reference or made anew."""
    more = record.extra()
    pointer: Pointer | None = more.pointer() if more.pointer is not None else None
    if pointer is None or pointer._record is not record:
        pointer = NestedPointer(record) if more.target is not None else Pointer(record)
        more.pointer = weakref.ref(pointer)
    return pointer


def nest(outer: Record, pointer: Pointer) -> Record:
    """Return the record that a worker holds for a pointer, with the pair tied together."""
    inner = pointer._record
    inner.holds += 1
    inner.used = True
    inner.extra().pointer = weakref.ref(pointer)
    outer.extra().target = inner
    if outer.station is outer.home:
        outer.station = NESTED
    return outer
