"""Gradients of an op by autograd, and by central differences of the op itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from fedsock.ops.gradients import CONSTANT, masked
from fedsock.ops.registry import Row, check

STEP = 1e-6


def differentiable(row: Row) -> Callable[..., Any]:
    """What stands for an op where its gradient is asked for."""
    gradient = row.gradient
    if callable(gradient):
        return lambda *args, **options: gradient(anp, *args, **options)
    assert isinstance(gradient, str) and gradient != CONSTANT
    found: Any = autograd
    for part in gradient.split("."):
        found = getattr(found, part)

    def function(*args: Any, where: Any = True, dtype: Any = None, **options: Any) -> Any:
        return masked(anp, found, args, where, dtype) if not options else found(*args, **options)

    return function


def parts_of(tree: Any) -> list[Any]:
    """The leaves of lists and tuples, boxed ones too."""
    if isinstance(tree, (list, tuple)) or type(tree).__name__ == "SequenceBox":
        return [leaf for k in range(len(tree)) for leaf in parts_of(tree[k])]
    return [tree]


def _loss(result: Any) -> Any:
    """A number that every element of a result counts in, each otherwise."""
    total: Any = 0.0
    for k, part in enumerate(parts_of(result)):
        count = int(np.size(anp.shape(part) and np.zeros(anp.shape(part))) if anp.shape(part) else 1)
        weights = np.cos(np.arange(1.0, count + 1.0) * (k + 1)).reshape(anp.shape(part))
        total = total + anp.sum(part * weights)
    return total


def floats(tree: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Where float arrays and numbers stand in arguments."""
    if isinstance(tree, (list, tuple)):
        return [found for k, part in enumerate(tree) for found in floats(part, (*path, k))]
    return [path] if isinstance(tree, (float, np.ndarray, np.floating)) and np.asarray(tree).dtype.kind == "f" else []


def put(tree: Any, path: tuple[int, ...], value: Any) -> Any:
    """A tree with another leaf."""
    if not path:
        return value
    changed = list(tree)
    changed[path[0]] = put(tree[path[0]], path[1:], value)
    return changed


def get(tree: Any, path: tuple[int, ...]) -> Any:
    """A leaf of a tree."""
    for k in path:
        tree = tree[k]
    return tree


def bound(row: Row, args: Any, options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """A call as the worker makes it: what was given by name in its place, if it has one."""
    checked, named = check(row, args, options)
    return list(checked), dict(named)


def gradients(row: Row, args: Any, options: dict[str, Any], path: tuple[int, ...]) -> tuple[Any, Any]:
    """An op's gradient by one of its arguments: autograd's, and the difference quotient."""
    function = differentiable(row)
    args, options = bound(row, args, options)
    at = np.asarray(get(args, path), np.float64)

    def loss(x: Any) -> Any:
        return _loss(function(*put(args, path, x), **options))

    found = autograd.grad(loss)(at)
    slopes = np.zeros(at.shape)
    for index in np.ndindex(*at.shape):
        ends = []
        for step in (STEP, -STEP):
            moved = at.copy()
            moved[index] += step
            checked, again = check(row, put(args, path, moved), options)
            again = {**again, "overwrite": False} if row.in_place else again
            with np.errstate(all="ignore"):
                ends.append(_loss(row.function(*copy.deepcopy(checked), **again)))
        slopes[index] = (ends[0] - ends[1]) / (2 * STEP)
    return found, slopes
