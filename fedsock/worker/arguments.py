"""An op's arguments at a worker: entries in place of references, then values in place of entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.policy.facts import OPEN
from fedsock.protocol.values import from_json
from fedsock.worker.jobs import Job
from fedsock.worker.store import Entry, size_of

MEMBERS_SHOWN = 4
"""Of a list, at most so many members are described."""


def read_arguments(job: Job, find: Callable[[int | str], Entry | None]) -> int | str | None:
    """Put a job's arguments in place, entries for references; return the first reference to nothing, or None.

    Args:
        job: an op just submitted; its ``args``, ``kwargs``, ``inputs``, ``nested`` and ``weight`` are
            filled.
        find: id or name -> entry.

    Raises:
        BadMessage: an argument that stands for nothing.
    """
    missing: list[int | str] = []

    def reference(ref: int | str) -> Entry | None:
        entry = find(ref)
        if entry is None:
            missing.append(ref)
            return None
        job.inputs.append(entry)
        return entry

    args, inputs = job.args, job.inputs
    for tree in job.op.args:
        kind = type(tree)
        if kind is not dict and kind is not list:
            args.append(tree)
        elif len(tree) == 1 and kind is dict and type(ref := tree.get("$")) is int:
            # What nearly all arguments are, without the walk through a tree.
            entry = find(ref)
            if entry is None:
                missing.append(ref)
            else:
                inputs.append(entry)
                args.append(entry)
        else:
            value = from_json(tree, reference)
            if type(value) is not Entry:
                job.nested = True
                job.weight += size_of(value)
            args.append(value)
    if job.op.kw:
        job.kwargs = {name: from_json(tree, reference) for name, tree in job.op.kw.items()}
        job.nested = True
        job.weight += size_of(job.kwargs)
    if missing:
        job.inputs.clear()
        return missing[0]
    return None


def held_value(entry: Entry) -> Any:
    """Return what an entry holds."""
    return entry.value


def stand_in(entry: Entry) -> Any:
    """Return a value of an entry's public shape and dtype, with zeros for what is private."""
    if entry.facts is OPEN:
        return entry.value
    if entry.withheld:
        return np.broadcast_to(np.zeros((), np.complex128), entry.limit_shape)
    value = entry.value
    if isinstance(value, np.ndarray):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    return type(value)() if isinstance(value, np.generic) else 0


def resolve(job: Job, value: Callable[[Entry], Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return a job's arguments with values in place of entries.

    Args:
        job: whose inputs are all there.
        value: entry -> what stands in its place.
    """
    if job.nested:
        return [_fill(arg, value) for arg in job.args], {k: _fill(arg, value) for k, arg in job.kwargs.items()}
    return [value(arg) if type(arg) is Entry else arg for arg in job.args], {}


def _fill(tree: Any, value: Callable[[Entry], Any]) -> Any:
    kind = type(tree)
    if kind is Entry:
        return value(tree)
    if kind is list or kind is tuple:
        return kind(_fill(part, value) for part in tree)
    if kind is dict:
        return {key: _fill(part, value) for key, part in tree.items()}
    if kind is slice:
        return slice(*(_fill(end, value) for end in (tree.start, tree.stop, tree.step)))
    return tree


def private_places(job: Job) -> list[int | str]:
    """Return positions and names of the arguments that are, or hold, private values."""
    places: list[int | str] = [i for i, arg in enumerate(job.args) if _holds_private(arg)]
    return places + [name for name, arg in job.kwargs.items() if _holds_private(arg)]


def _holds_private(tree: Any) -> bool:
    if isinstance(tree, Entry):
        return tree.facts is not OPEN
    if isinstance(tree, (list, tuple)):
        return any(map(_holds_private, tree))
    if isinstance(tree, dict):
        return any(map(_holds_private, tree.values()))
    return isinstance(tree, slice) and any(map(_holds_private, (tree.start, tree.stop, tree.step)))


def shown(arg: Any, within: bool = False) -> str:
    """Return how an argument reads in an error: dtype and shape, or its type; of a list, its first members so.

    Args:
        arg: a value, an entry, or a tree of them.
        within: it is a list's member: of another list only the type is told.
    """
    if type(arg) in (list, tuple) and not within:
        told = [shown(part, within=True) for part in arg[:MEMBERS_SHOWN]]
        return f"[{', '.join(told)}{', …' if len(arg) > MEMBERS_SHOWN else ''}]"
    if isinstance(arg, Entry):
        if arg.withheld:
            return "withheld"
        arg = arg.value
    if isinstance(arg, (np.ndarray, np.generic)):
        return f"{arg.dtype}{list(arg.shape)}"
    return type(arg).__name__
