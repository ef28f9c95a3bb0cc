"""Trees of values: what is taken out of one is a value of its own. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

TREES = frozenset({list, tuple, dict})
"""Types of values that hold other values."""


def call_apart(function: Callable[..., Any], held: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; its result shares no array with what is held, so what is written into one shows in no other.

    Args:
        function: an op's.
        held: values, trees among them.
        args: the function's arguments, made of those values.
        kwargs: the same by name.
    """
    return apart(function(*args, **kwargs), {id(array) for value in held for array in arrays_in(value)})


def apart(value: Any, held: set[int]) -> Any:
    """Return a value with copies in place of some arrays.

    Args:
        value: an array, a scalar or a tree of them.
        held: the ``id`` of each array that is to be copied.
    """
    if isinstance(value, np.ndarray):
        return value.copy("K") if id(value) in held else value
    if type(value) is dict:
        return {key: apart(part, held) for key, part in value.items()}
    if type(value) is list or type(value) is tuple:
        return type(value)([apart(part, held) for part in value])
    return value


def arrays_in(value: Any) -> Iterator[Any]:
    """Give each array of a tree, or the value itself if it is one."""
    if isinstance(value, np.ndarray):
        yield value
    elif type(value) in TREES:
        for part in value.values() if type(value) is dict else value:
            yield from arrays_in(part)
