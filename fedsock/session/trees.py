"""Walking through an op's arguments: pointers stand in lists, tuples, dicts and slices too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fedsock.session.records import Holder, Record


def replaced(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Return an argument with a function applied to each of its leaves.

    Args:
        tree: a leaf, or lists, tuples, dicts and slices of leaves.
        function: leaf -> what takes its place.
    """
    if isinstance(tree, list):
        return [replaced(part, function) for part in tree]
    if isinstance(tree, tuple):
        return tuple(replaced(part, function) for part in tree)
    if isinstance(tree, dict):
        return {key: replaced(part, function) for key, part in tree.items()}
    if isinstance(tree, slice):
        return slice(*(replaced(end, function) for end in (tree.start, tree.stop, tree.step)))
    return function(tree)


def records(tree: Any) -> Iterator[Record]:
    """Yield the record of each holder in an argument, as ``replaced`` would meet them."""
    if isinstance(tree, Holder):
        yield tree._record
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from records(part)
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from records(part)
    elif isinstance(tree, slice):
        for end in (tree.start, tree.stop, tree.step):
            yield from records(end)
