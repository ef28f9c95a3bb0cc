"""Boxes: values with a history, as autograd makes them.

A box of a gradient is on the path from an input to the result. A box of a recording (``fedsock.plan.tapes``) only has
note taken of what is done to it; recordings are the innermost level.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from fedsock.errors import ConfigError


@functools.cache
def autograd() -> Any:
    """Return the library.

    Raises:
        ConfigError: it isn't installed.
    """
    try:
        return importlib.import_module("autograd")
    except ImportError as error:
        raise ConfigError("gradients need autograd; install it with: pip install 'fedsock[learn]'") from error


def is_box(value: Any) -> bool:
    """Say whether a value is a box."""
    return hasattr(value, "_trace")


def is_recorded(value: Any) -> bool:
    """Say whether a value is a box of a recording, with no gradient's around it."""
    return hasattr(value, "_node") and hasattr(value._node, "recording")


def plain(value: Any) -> Any:
    """Return what a value is now, in trees too, without its history.

    Args:
        value: an op's argument.
    """
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([plain(part) for part in value])
    while hasattr(value, "_value"):
        value = value._value
    return value


def unboxed(value: Any) -> Any:
    """Return what a value is now, in trees too, without the history of gradients; recordings' boxes stay.

    Args:
        value: an op's argument.
    """
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([unboxed(part) for part in value])
    while hasattr(value, "_value") and not is_recorded(value):
        value = value._value
    return value


def levels(tree: Any) -> int:
    """Return of how many gradients in one another an argument is on the path."""
    if isinstance(tree, (list, tuple)):
        return max(map(levels, tree), default=0)
    found = 0
    while hasattr(tree, "_value"):
        found += not is_recorded(tree)
        tree = tree._value
    return found


def boxed(tree: Any) -> bool:
    """Say whether an argument holds a box."""
    if isinstance(tree, (list, tuple)):
        return any(map(boxed, tree))
    return is_box(tree)


def on_path(tree: Any) -> bool:
    """Say whether an argument holds a box of a gradient."""
    if isinstance(tree, (list, tuple)):
        return any(map(on_path, tree))
    return is_box(tree) and not is_recorded(tree)
