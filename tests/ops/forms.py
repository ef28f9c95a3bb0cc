"""Rowwise arguments, and what an op's rule makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedsock.ops import TABLE, check, passed
from fedsock.policy.facts import Group, Rowwise


def rowwise(shape: tuple[int, ...], dtype: Any = float, axis: int = 0, **more: Any) -> tuple[Any, Rowwise]:
    value = np.broadcast_to(np.zeros((), dtype), shape)
    return value, Rowwise(Group("subjects", shape[axis]), axis, **more)


def form_of(name: str, *args: Any, **kwargs: Any) -> Any:
    """What an op makes of arguments, those made by ``rowwise`` among them."""
    known = {id(arg[0]): arg[1] for arg in args if isinstance(arg, tuple) and len(arg) == 2 and _is_known(arg)}
    plain = [arg[0] if isinstance(arg, tuple) and len(arg) == 2 and _is_known(arg) else arg for arg in args]
    return passed(name, known, *check(TABLE[name], plain, kwargs))


def _is_known(arg: Any) -> bool:
    return isinstance(arg[1], Rowwise)


X = rowwise((50, 4))
XT = rowwise((4, 50), axis=1)
V = rowwise((50,), raw="ages")
COLUMN = np.ones((50, 1))
