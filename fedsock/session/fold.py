"""Sums over workers: what starts when it is awaited, and how values are added one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from fedsock.session.records import Record

T = TypeVar("T")

TOGETHER_BYTES = 1 << 20
"""Values that are fetched at the same time take at most this together; a larger one is fetched alone."""


class Later(Coroutine[Any, Any, T]):
    """What starts when it is first awaited: an awaitable, and a coroutine for ``asyncio.create_task``.

    Dropped unused it does nothing and says nothing; awaited again it is done again.
    """

    __slots__ = ("__weakref__", "_running", "_start")

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._start = start
        self._running: Coroutine[Any, Any, T] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        """Do it; cancelling ends this wait only."""
        return self._start().__await__()

    def send(self, value: Any) -> Any:
        """Go on to the next suspension, as coroutines do."""
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception where it is suspended, as coroutines do."""
        return self._begun().throw(*error)

    def close(self) -> None:
        """End it where it is suspended, as coroutines do."""
        if self._running is not None:
            self._running.close()

    def _begun(self) -> Coroutine[Any, Any, T]:
        if self._running is None:
            self._running = self._start()
        return self._running


def batches(records: Mapping[str, Record]) -> Iterator[dict[str, Record]]:
    """Yield records, in their order, in parts that may be fetched together.

    Args:
        records: worker name -> record of a value that is there.
    """
    batch: dict[str, Record] = {}
    nbytes = 0
    for place, record in records.items():
        nbytes += _nbytes(record)
        if batch and nbytes > TOGETHER_BYTES:
            yield batch
            batch, nbytes = {}, _nbytes(record)
        batch[place] = record
    yield batch


def _nbytes(record: Record) -> int:
    meta = record.meta
    if meta is None or meta.shape is None or meta.dtype is None:
        return TOGETHER_BYTES  # a tree: nobody knows
    return math.prod(meta.shape) * meta.dtype.itemsize


def first(value: Any) -> Any:
    """Return the sum of one value, in the dtype of ``np.sum``, which counts bools and widens small integers.

    Args:
        value: nobody else's: it may become the sum itself.

    Raises:
        TypeError: it can't be added.
    """
    return _leafwise(_widened, value)


def added(total: Any, value: Any) -> Any:
    """Return a sum and one value more; arrays are added in place.

    Args:
        total: what ``first`` or ``added`` gave.
        value: of the same shapes and form.

    Raises:
        ValueError: it is of others.
        TypeError: it can't be added.
    """
    return _leafwise(_sum, total, value)


def divided(total: Any, count: int) -> Any:
    """Return a sum divided by the number of its values."""
    return _leafwise(lambda leaf: np.divide(leaf, count), total)


def _widened(leaf: Any) -> Any:
    given = np.asarray(leaf)
    if given.dtype.kind == "O":
        raise TypeError(f"a {type(leaf).__name__} can't be added")
    dtype = np.sum(np.empty(0, given.dtype)).dtype
    return leaf if isinstance(leaf, np.ndarray) and dtype == given.dtype else np.asarray(given, dtype)[()]


def _sum(total: Any, leaf: Any) -> Any:
    if np.shape(total) != np.shape(leaf):
        raise ValueError(f"the workers' shapes differ: {np.shape(total)} and {np.shape(leaf)}")
    leaf = _widened(leaf)
    if isinstance(total, np.ndarray) and np.result_type(total, leaf) == total.dtype:
        total += leaf
        return total
    return np.add(total, leaf)


def _leafwise(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Return what a function gives for the leaves of trees of one form, in that form."""
    trees = (tree, *others)
    if not any(isinstance(one, (list, tuple, dict)) for one in trees):
        return function(*trees)
    if len({type(one) for one in trees}) > 1 or len({_form(one) for one in trees}) > 1:
        raise ValueError("the workers' values differ in form")
    if isinstance(tree, dict):
        return {key: _leafwise(function, *(one[key] for one in trees)) for key in tree}
    return type(tree)(_leafwise(function, *parts) for parts in zip(*trees, strict=True))


def _form(tree: Any) -> Any:
    return frozenset(tree) if isinstance(tree, dict) else len(tree)
