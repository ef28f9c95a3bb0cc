"""An op's several results: numpy's own tuple, list or named tuple of pointers, awaitable as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import cache
from typing import Any


class Awaited:
    """Makes a tuple or list of awaitables awaitable: the same of their values."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for all; cancelling ends this wait only."""
        return _values(self).__await__()


class PointerTuple(Awaited, tuple[Any, ...]):
    """A tuple of pointers."""

    __slots__ = ()


class PointerList(Awaited, list[Any]):
    """A list of pointers."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # asyncio.gather keeps what it is given in a dict
        return id(self)


@cache
def _named(kind: type) -> type:
    return type(kind.__name__, (Awaited, kind), {"__slots__": (), "__module__": kind.__module__, "plain": kind})


def group(result: Any) -> Any:
    """Return a tuple, list or named tuple of pointers, or nested ones, in its awaitable form."""
    if isinstance(result, list):
        return PointerList(map(group, result))
    if isinstance(result, tuple):
        parts = map(group, result)
        return PointerTuple(parts) if type(result) is tuple else _named(type(result))._make(parts)  # type: ignore[attr-defined]
    return result


def rebuilt(like: Any, parts: Any) -> Any:
    """Return numpy's own tuple, list or named tuple with other parts."""
    if isinstance(like, list):
        return list(parts)
    plain: Any = getattr(type(like), "plain", None) or (tuple if isinstance(like, PointerTuple) else type(like))
    return tuple(parts) if plain is tuple else plain._make(parts)


def mapped(function: Callable[[Any], Any], result: Any) -> Any:
    """Return an op's result, one or several, with a function applied to each pointer."""
    if isinstance(result, (tuple, list)):
        return group(rebuilt(result, (mapped(function, part) for part in result)))
    return function(result)


async def _values(pointers: Any) -> Any:
    return rebuilt(pointers, await asyncio.gather(*map(_value, pointers)))


async def _value(pointer: Awaitable[Any]) -> Any:
    return await pointer
