"""Updates of workers: what one may be, and how many become one. Plain functions on trees of arrays.

Sums are taken in float64 and in the order of the workers' names, so that the same participants give the same bits,
whoever was first. A sum holds one accumulator, however many workers there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsock.errors import ConfigError, UpdateRejected
from fedsock.plan.trees import paths
from fedsock.typing import Array, Tree

MOST_ROWS = 10**9
"""A weight above this is taken for a lie unless the fit allows it."""

LARGEST = 1e150
"""A parameter times its weight is at most this, so that no sum of them overflows, nor its square."""

BLOCK = 1 << 16
"""Numbers that are added at a time: what is reckoned with stays in the processor's cache, and takes no memory."""

LARGEST_TOLD = 1e140
"""A loss or metric is at most this: times its rows, no mean of them overflows, nor its square."""

MOST_METRICS = 100
"""Metrics of one worker in a round."""

MOST_NAME_CHARS = 100
"""Characters of a metric's name."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one worker's training gave.

    Attributes:
        worker: its name.
        params: tree of the form of those that were sent; None once it is folded, where nothing else needs it.
        n: rows it was trained on, its weight.
        loss: the mean over them; None when it told none.
        metrics: name -> number.
    """

    worker: str
    params: Tree
    n: int
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def flatten(tree: Tree) -> list[Any]:
    """Return the leaves of lists, tuples and dicts, dicts in the order of their keys.

    Args:
        tree: a leaf, or lists, tuples and dicts of them.
    """
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in flatten(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in flatten(part)]
    return [tree]


def rebuilt(like: Tree, leaves: Iterable[Any]) -> Tree:
    """Return leaves in the form of a tree.

    Args:
        like: whose form it is.
        leaves: as many as ``flatten(like)`` gives, in that order.
    """
    waiting = iter(leaves)

    def build(part: Tree) -> Tree:
        if isinstance(part, dict):
            made = {key: build(part[key]) for key in sorted(part)}
            return {key: made[key] for key in part}
        if isinstance(part, (list, tuple)):
            return type(part)(build(inner) for inner in part)
        return next(waiting)

    return build(like)


def same_form(one: Tree, other: Tree) -> bool:
    """Return whether two trees have lists, tuples, keys and leaves at the same places."""
    if type(one) is not type(other) and any(isinstance(tree, (dict, list, tuple)) for tree in (one, other)):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_form(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same_form, one, other))
    return True


def checked_params(params: Tree) -> Tree:
    """Return the parameters that a fit begins with: read-only copies, so that nobody changes them under way.

    Args:
        params: lists, tuples and str-keyed dicts of floating-point arrays.

    Raises:
        ConfigError: they are others; says where.
    """

    def copied(part: Tree, where: str) -> Tree:
        if type(part) is dict and all(isinstance(key, str) for key in part):
            return {key: copied(inner, f"{where}[{key!r}]") for key, inner in part.items()}
        if type(part) in (list, tuple):
            return type(part)(copied(inner, f"{where}[{place}]") for place, inner in enumerate(part))
        if not isinstance(part, (np.ndarray, np.floating)) or part.dtype.kind != "f":
            raise ConfigError(f"{where}: expected an array of floating-point numbers, not {_told(part)}")
        if not np.all(np.isfinite(part)):
            raise ConfigError(f"{where}: holds NaN or an infinity")
        return frozen(np.array(part, part.dtype.newbyteorder("="), order="C"))

    made = copied(params, "params")
    if not flatten(made):
        raise ConfigError("params: there is no array in them")
    return made


def frozen(array: Array) -> Array:
    """Return an array that can't be written to any more: the same."""
    array.flags.writeable = False
    return array


def _told(value: Any) -> str:
    return f"one of {value.dtype}" if isinstance(value, (np.ndarray, np.generic)) else f"a {type(value).__name__}"


def check(update: Update, like: Tree, most_rows: int = MOST_ROWS) -> Update:
    """Return an update that may be averaged.

    Args:
        update: what a worker gave; nothing of it is trusted.
        like: the parameters that were sent.
        most_rows: the largest weight.

    Raises:
        UpdateRejected: another form, shape or dtype, NaN or infinities, or an absurd weight; names the worker.
    """

    def wrong(text: str) -> UpdateRejected:
        return UpdateRejected(f"{update.worker}: {text}")

    n = update.n
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise wrong(f"its number of rows is a {type(n).__name__}")
    if not 1 <= n <= most_rows:
        raise wrong(f"its number of rows is {n}; 1 to {most_rows} are allowed")
    if not same_form(update.params, like):
        raise wrong("its parameters have another form than those that were sent")
    for leaf, sent, name in zip(flatten(update.params), flatten(like), paths(like, "params"), strict=True):
        if fault := _leaf_fault(leaf, sent, int(n)):
            raise wrong(f"its {name} {fault}")
    loss = None if update.loss is None else number(update.loss, "loss", wrong)
    if not isinstance(update.metrics, Mapping) or len(update.metrics) > MOST_METRICS:
        raise wrong(f"its metrics are no dict of at most {MOST_METRICS} numbers")
    metrics = {}
    for name, value in update.metrics.items():
        if not isinstance(name, str) or len(name) > MOST_NAME_CHARS:
            raise wrong(f"the name of a metric is no text of at most {MOST_NAME_CHARS} characters")
        metrics[name] = number(value, f"metric {name!r}", wrong)
    return Update(update.worker, update.params, int(n), loss, metrics)


def _leaf_fault(leaf: Any, sent: Array, n: int) -> str:
    if not isinstance(leaf, (np.ndarray, np.generic)):
        return f"is no array but a {type(leaf).__name__}"
    if leaf.shape != sent.shape or leaf.dtype != sent.dtype:
        return f"is {leaf.dtype} of shape {leaf.shape}, not {sent.dtype} of shape {sent.shape}"
    # Both bounds at once, without an array of absolute values; NaN fails every comparison.
    if leaf.size and not max(-float(leaf.min()), float(leaf.max())) * n <= LARGEST:
        return "holds NaN, an infinity or an absurdly large number; a smaller learning rate may help"
    return ""


def number(value: Any, what: str, wrong: Callable[[str], UpdateRejected]) -> float:
    """Return a finite number that a worker told.

    Args:
        value: what it gave; nothing of it is trusted.
        what: it is, for the error.
        wrong: makes the error of a text.

    Raises:
        UpdateRejected: it is none.
    """
    array = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "biuf"
    if not array and not isinstance(value, (int, float, np.integer, np.floating, np.bool_)):
        raise wrong(f"its {what} is no number but a {type(value).__name__}")
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong(f"its {what} is no number") from None
    if not abs(found) <= LARGEST_TOLD:
        raise wrong(f"its {what} is NaN, infinite or absurdly large")
    return found


class WeightedMean:
    """A weighted mean that grows by one tree at a time.

    Args:
        like: whose form, shapes and dtypes it has.
    """

    def __init__(self, like: Tree) -> None:
        self._like = like
        self._sums = [np.zeros(leaf.shape, np.float64) for leaf in flatten(like)]
        self._block = np.zeros(min(BLOCK, max(total.size for total in self._sums)))
        self._weight = 0

    def add(self, params: Tree, n: int) -> None:
        """Count one more tree of the same form.

        Args:
            params: leaves of the shapes of ``like``.
            n: its weight.
        """
        for total, leaf in zip(self._sums, flatten(params), strict=True):
            sums, values = total.reshape(-1), np.reshape(leaf, -1)
            for start in range(0, values.size, BLOCK):
                part = values[start : start + BLOCK]
                block = self._block[: part.size]
                block[...] = part
                block *= n
                sums[start : start + BLOCK] += block
        self._weight += n

    def mean(self) -> Tree:
        """Return the mean of what was added, in the dtypes of ``like``; it is over then."""
        leaves = []
        for place, like in enumerate(flatten(self._like)):
            total = self._sums[place]
            total /= self._weight
            leaves.append(frozen(total.astype(like.dtype, copy=False)))
            self._sums[place] = np.empty(0)
        return rebuilt(self._like, leaves)


def weighted_mean(updates: Sequence[Update], like: Tree) -> Tree:
    """Return the mean of updates, each with its rows for weight, as ``WeightedMean`` gives it.

    Args:
        updates: at least one, in the order of the workers' names.
        like: whose form, shapes and dtypes it has.
    """
    folded = WeightedMean(like)
    for update in updates:
        folded.add(update.params, update.n)
    return folded.mean()


def mean_loss(updates: Sequence[Update]) -> float | None:
    """Return the mean loss of those that told one, weighted by rows; None: nobody did."""
    told = [(update.loss, update.n) for update in updates if update.loss is not None]
    return math.fsum(loss * n for loss, n in told) / sum(n for _, n in told) if told else None
