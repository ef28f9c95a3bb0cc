"""Finding the data that a federated array is made of: by a data set's name or by tags, at all workers that have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from fedsock.errors import ConfigError, PointersApart, PointersMixed, UnknownObject, WorkerLost
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.parts import Choice, Tolerance
from fedsock.federated.passing import Kind
from fedsock.session.handle import WorkerHandle
from fedsock.session.multi import MultiPointer
from fedsock.session.pointer import Pointer, pointer_of
from fedsock.session.session import Session


def federated(
    session: Session,
    names: tuple[str, ...],
    workers: Iterable[WorkerHandle | str] | None,
    on_missing: Choice,
    on_denied: Choice,
    timeout: float | None,
) -> FederatedArray:
    """Return the array whose rows are data sets, or what was sent, at many workers; at once, nothing is sent.

    Args:
        session: whose workers they are.
        names: a data set's name; or tags, the first of which begins with "#".
        workers: handles or names; None: all that have it.
        on_missing: what to do about a worker that is lost, or too late.
        on_denied: what to do about one whose policy keeps its part.
        timeout: seconds that a part may take; None: as long as it takes.

    Raises:
        UnknownObject: nobody has it, or one of the workers that were given hasn't.
        PointersMixed: several values at a worker have the tags.
        PointersApart: shapes differ in more than their rows.
        ConfigError: an argument is none of those.
    """
    for name, choice in (("on_missing", on_missing), ("on_denied", on_denied)):
        if choice not in ("raise", "skip"):
            raise ConfigError(f'{name} is "raise" or "skip", not {choice!r}')
    if not names or not all(isinstance(name, str) for name in names) or (len(names) > 1 and names[0][:1] != "#"):
        raise ConfigError('federated takes the name of a data set, or tags: "digits/pixels", or "#digits", "#pixels"')
    found: dict[str, Pointer] = {}
    absent: dict[str, Exception] = {}
    for handle in _handles(session, workers, absent, on_missing):
        pointer = _one(handle, names)
        if pointer is not None:
            found[handle.name] = pointer
        elif workers is not None:
            absent[handle.name] = UnknownObject(_offers(handle, names), object_id=names[0], worker=handle.name)
    if absent and on_missing == "raise":
        raise next(iter(absent.values()))
    if not found:
        told = "; ".join(_offers(handle, names) for _, handle in sorted(session.workers.items()))
        raise UnknownObject(told or "no worker is there; write await hub.wait_for_workers(n)", object_id=names[0])
    tolerance = Tolerance(on_missing, on_denied, timeout, MappingProxyType(absent))
    return joined({place: found[place] for place in sorted(found)}, tolerance)


def joined(pointers: Mapping[str, Pointer], tolerance: Tolerance) -> FederatedArray:
    """Return the array whose rows pointers point to.

    Args:
        pointers: worker name -> pointer, in worker-name order.
        tolerance: what is done about workers that give no part.

    Raises:
        PointersApart: their shapes differ in more than their rows, or one is no array.
        MetadataNotReady: the shape of what was sent isn't known yet.
    """
    shapes = {place: _shape_of(place, pointer) for place, pointer in pointers.items()}
    first = next(iter(shapes.values()))
    if any(not shape or shape[1:] != first[1:] for shape in shapes.values()):
        told = ", ".join(f"{shape} at {place}" for place, shape in shapes.items())
        raise PointersApart(f"a federated array's parts differ in their number of rows only, these are: {told}")
    dtypes = [pointer.dtype for pointer in pointers.values()]
    if len({dtype.kind if dtype.kind in "MmUS" else "number" for dtype in dtypes}) > 1:
        told = ", ".join(f"{pointer.dtype} at {place}" for place, pointer in pointers.items())
        raise PointersApart(f"these dtypes have none in common: {told}")
    dtype = np.result_type(*dtypes)
    alike = {place: one if one.dtype == dtype else one.astype(dtype) for place, one in pointers.items()}
    sources = {
        place: frozenset({one.id_at_location} if isinstance(one.id_at_location, str) else ())
        for place, one in pointers.items()
    }
    rows = {place: shape[0] for place, shape in shapes.items()}
    return FederatedArray(MultiPointer(alike), Kind(first, 0, dtype), rows, sources, tolerance)


def _shape_of(place: str, pointer: Pointer) -> tuple[int, ...]:
    try:
        return pointer.shape
    except AttributeError as error:
        raise PointersApart(f"the rows at {place} are no array: {error}") from None


def _handles(
    session: Session, workers: Iterable[WorkerHandle | str] | None, absent: dict[str, Exception], on_missing: Choice
) -> Iterator[WorkerHandle]:
    """Yield handles of the workers that are asked; those that aren't there are noted where they may be left out."""
    if workers is None:
        yield from session.workers.values()
        return
    for worker in [workers] if isinstance(workers, (str, WorkerHandle)) else workers:
        name = worker if isinstance(worker, str) else worker.name
        try:
            handle = session.station(worker).session.handle(name)
        except WorkerLost as error:
            absent[name] = error
            continue
        if name not in session.workers and on_missing == "skip":
            absent[name] = WorkerLost(f"worker {name} is away", ran="no")
            continue
        yield handle


def _one(handle: WorkerHandle, names: tuple[str, ...]) -> Pointer | None:
    """Return the pointer to what a worker has of that name, or with those tags."""
    if names[0][:1] != "#":
        return handle.datasets.get(names[0])
    found = [one for one in handle.datasets.values() if set(names) <= set(one.tags)]
    for record in handle.station.live():
        more = record.more
        if isinstance(record.id, int) and record.station is record.home and more and set(names) <= set(more.tags):
            found.append(pointer_of(record))
    if len(found) > 1:
        told = ", ".join(repr(one.id_at_location) for one in found)
        raise PointersMixed(f"{len(found)} values at {handle.name} have these tags: {told}; give a name, or more tags")
    return found[0] if found else None


def _offers(handle: WorkerHandle, names: tuple[str, ...]) -> str:
    there = ", ".join(map(repr, handle.datasets)) or "none"
    return f"{handle.name} has nothing of {' '.join(map(repr, names))}; its data sets: {there}"
